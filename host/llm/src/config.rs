//! Settings of the gateway. The binary fills them; nothing here reads the environment.

use std::{fmt, time::Duration};

use crate::{price::Price, provider::Provider};

/// A text that no log, error or debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key; white space around it (a newline from a file) is dropped.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The text itself, for the one header it belongs into.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How to reach one provider.
#[derive(Clone, Default)]
pub struct Endpoint {
    /// Instead of the provider's own address: a proxy, a compatible server, a test. Without user
    /// name, password, query and fragment.
    pub base_url: Option<String>,
    /// An empty key counts as none.
    pub api_key: Option<Secret>,
    /// Model used when a call names none; the provider's own default otherwise.
    pub default_model: Option<String>,
    /// Models to offer besides the built-in list.
    pub models: Vec<String>,
}

impl fmt::Debug for Endpoint {
    /// Without the address: a wrong one may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("api_key", &self.api_key)
            .field("default_model", &self.default_model)
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}

/// Bounds of every call.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A whole call to a remote provider, all tries and waits together.
    pub deadline: Duration,
    /// The same for Ollama, which computes on the operator's own machine.
    pub ollama_deadline: Duration,
    /// The same for the offline model.
    pub offline_deadline: Duration,
    /// Opening a connection.
    pub connect_timeout: Duration,
    /// Tries of one call, the first included.
    pub tries: u32,
    /// Upper bound of the first wait between tries; doubles with each.
    pub backoff: Duration,
    /// Upper bound of any wait that the provider did not ask for.
    pub max_backoff: Duration,
    /// A `Retry-After` shorter than this is waited for here; others go to the caller's durable wait.
    pub max_retry_after: Duration,
    /// Largest answer read, in bytes.
    pub max_answer_bytes: usize,
    /// Calls to one provider at the same time; more of them queue within their deadline.
    pub concurrency: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_mins(2),
            ollama_deadline: Duration::from_mins(5),
            offline_deadline: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
            tries: 3,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(8),
            max_retry_after: Duration::from_secs(5),
            max_answer_bytes: 16 * 1024 * 1024,
            concurrency: 8,
        }
    }
}

/// Everything the gateway needs to know.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    pub gemini: Endpoint,
    pub openai: Endpoint,
    pub anthropic: Endpoint,
    pub ollama: Endpoint,
    /// Any other server that speaks `OpenAI`'s chat completions; off without a base URL.
    pub openai_compatible: Endpoint,
    /// Provider of a call that names none.
    pub default_provider: Provider,
    /// The operator's own prices; they go before the built-in table, and only they may be zero.
    pub prices: Vec<Price>,
    pub limits: Limits,
}

impl Default for GatewayConfig {
    /// The offline model and a local Ollama; no keys.
    fn default() -> Self {
        Self {
            gemini: Endpoint::default(),
            openai: Endpoint::default(),
            anthropic: Endpoint::default(),
            ollama: Endpoint::default(),
            openai_compatible: Endpoint::default(),
            default_provider: Provider::Offline,
            prices: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl GatewayConfig {
    /// Settings of one provider; none for the offline model, which has none.
    pub const fn endpoint(&self, provider: Provider) -> Option<&Endpoint> {
        match provider {
            Provider::Gemini => Some(&self.gemini),
            Provider::OpenAi => Some(&self.openai),
            Provider::Anthropic => Some(&self.anthropic),
            Provider::Ollama => Some(&self.ollama),
            Provider::OpenAiCompatible => Some(&self.openai_compatible),
            Provider::Offline => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_trimmed_and_hidden() {
        let secret = Secret::new(" sk-live-1234\n");
        assert_eq!(secret.expose(), "sk-live-1234");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let config = GatewayConfig {
            openai: Endpoint { api_key: Some(secret), ..Endpoint::default() },
            ..GatewayConfig::default()
        };
        assert!(!format!("{config:?}").contains("1234"));
    }
}
