//! From where a host may be asked: by its own names, from allowed origins (design §10).

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};

use crate::{Api, ApiConfig, error::ApiError};

/// Refuses requests whose `Host` is not this machine (DNS rebinding) or whose `Origin` is not on
/// the list (another site in the user's browser). Requests without an origin are not from a page.
pub(crate) async fn check_host_and_origin(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    check(request.uri(), request.headers(), &api.config)?;
    Ok(next.run(request).await)
}

fn check(uri: &Uri, headers: &HeaderMap, config: &ApiConfig) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = uri.host().or_else(|| text(header::HOST)).unwrap_or_default();
    if !is_own(host, config) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "host_not_allowed",
            "this host does not answer by this name; --allow-host adds one",
        ));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let same_host = ["http://", "https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(scheme))
            .is_some_and(|rest| Some(rest) == text(header::HOST) && is_own(rest, config));
        if !same_host && !config.allowed_origins.iter().any(|allowed| allowed == origin) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "this origin is not on the list of allowed origins (CORS_ORIGINS)",
            ));
        }
    }
    Ok(())
}

/// Whether an authority (`name:port`) is one of the host's own.
fn is_own(authority: &str, config: &ApiConfig) -> bool {
    let name = name_of(authority);
    // A page cannot make a browser take an address for its own name: only names can be rebound.
    let is_address = || config.beyond_loopback && name.parse::<std::net::IpAddr>().is_ok();
    is_loopback(name)
        || is_address()
        || config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

fn name_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RateLimit;

    fn config(beyond_loopback: bool) -> ApiConfig {
        ApiConfig {
            frontend_dist: None,
            allowed_origins: Vec::new(),
            allowed_hosts: vec!["studio.example".to_owned()],
            trusted_proxies: Vec::new(),
            beyond_loopback,
            rate_limit: RateLimit::OFF,
        }
    }

    #[test]
    fn beyond_its_machine_a_host_answers_to_addresses_and_the_names_it_was_given() {
        let (near, far) = (config(false), config(true));
        assert!(is_own("studio.example:8000", &near) && is_own("Studio.Example", &far));
        assert!(is_own("10.0.0.1:8000", &far) && !is_own("10.0.0.1:8000", &near));
        assert!(!is_own("evil.example", &far) && !is_own("evil.studio.example", &far));
        assert!(is_own("[2001:db8::1]:80", &far));
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for good in ["localhost:8000", "127.0.0.1", "[::1]:8000", "todo.localhost:80", "LOCALHOST"]
        {
            assert!(is_loopback(name_of(good)), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1:8000",
            "",
            "[::2]",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_loopback(name_of(bad)), "{bad}");
        }
    }
}
