//! HTTP as the gateway uses it: no redirects, bounded answers, no address in any error.

use std::{error::Error, sync::Once, time::Duration};

use jiff::fmt::rfc2822;
use reqwest::{
    Client, RequestBuilder, Url,
    header::{DATE, HeaderMap, RETRY_AFTER},
    redirect,
};

use crate::{config::Limits, error::LlmError, provider::Provider};

/// Longest wait believed: what is longer is a slip of the provider.
const MAX_RETRY_AFTER: u64 = 24 * 60 * 60;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Builds the client for servers at `base`.
///
/// A server on this machine is reached directly, whatever proxy the environment names, and needs no
/// certificates, so that Ollama works on a machine that has none.
pub(crate) fn client(provider: Provider, base: &Url, limits: &Limits) -> Result<Client, LlmError> {
    install_crypto();
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(limits.connect_timeout)
        .user_agent(concat!("gencode-studio/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if base.scheme() == "http" {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| LlmError::NotConfigured {
        provider: provider.to_string(),
        hint: format!(
            "no secure connection is possible ({}); install the system's CA certificates",
            causes(error)
        ),
    })
}

/// Has TLS come from ring, which a client needs before it is made. A host that installed something
/// else before keeps it.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that somebody else was first, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// Whether the server is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Sends a request and reads the whole answer, at most `max_bytes` of it.
pub(crate) async fn send(
    provider: Provider,
    request: RequestBuilder,
    max_bytes: usize,
) -> Result<Reply, LlmError> {
    let network =
        |error| LlmError::Network { provider: provider.to_string(), detail: causes(error) };
    let mut response = request.send().await.map_err(network)?;
    let too_large = || LlmError::BadAnswer {
        provider: provider.to_string(),
        detail: format!("more than {max_bytes} bytes"),
        usage: None,
    };
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).unwrap_or(usize::MAX) > max_bytes {
        return Err(too_large());
    }
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, retry_after, body })
}

/// The error and its causes, without the address, which may hold credentials.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    crate::error::shorten(&text, 300)
}

/// What the provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<u64>().ok()) {
        return Some(Duration::from_millis(millis.min(MAX_RETRY_AFTER * 1000)));
    }
    let asked = text(RETRY_AFTER.as_str())?;
    if let Some(wait) = seconds(asked) {
        return Some(wait);
    }
    // A date counts from the server's own clock, so that ours does not matter.
    let until = rfc2822::parse(asked).ok()?.timestamp();
    let now = rfc2822::parse(text(DATE.as_str())?).ok()?.timestamp();
    let wait = u64::try_from(until.as_second().saturating_sub(now.as_second())).unwrap_or(0);
    Some(Duration::from_secs(wait.min(MAX_RETRY_AFTER)))
}

/// Reads `12`, `12.5` or `12.5s`.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.trim().trim_end_matches('s').parse().ok()?;
    let bound = Duration::from_secs(MAX_RETRY_AFTER).as_secs_f64();
    number.is_finite().then(|| Duration::from_secs_f64(number.clamp(0.0, bound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_form_of_retry_after_is_understood() {
        let date = ("date", "Sun, 22 Nov 2026 10:00:00 GMT");
        for (pairs, expected) in [
            (vec![("retry-after", "7")], Some(Duration::from_secs(7))),
            (vec![("retry-after", "1.5")], Some(Duration::from_millis(1500))),
            (
                vec![("retry-after-ms", "250"), ("retry-after", "1")],
                Some(Duration::from_millis(250)),
            ),
            (
                vec![date, ("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT")],
                Some(Duration::from_secs(90)),
            ),
            (vec![date, ("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")], Some(Duration::ZERO)),
            (vec![("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT")], None),
            (vec![("retry-after", "-5")], Some(Duration::ZERO)),
            (vec![("retry-after", "99999999999999999999")], Some(Duration::from_hours(24))),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            assert_eq!(retry_after(&headers(&pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_server_on_this_machine_is_recognized() {
        for (url, expected) in [
            ("http://127.0.0.1:11434", true),
            ("http://localhost:1", true),
            ("http://[::1]:8000/v1", true),
            ("https://api.openai.com", false),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn crypto_is_installed_once_and_never_panics() {
        install_crypto();
        drop(rustls::crypto::ring::default_provider().install_default());
        install_crypto();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
