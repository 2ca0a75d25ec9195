//! What can go wrong with a model call, by what the caller can do about it.

use std::time::Duration;

use gencode_core::digest::Digest;
use rust_decimal::Decimal;

use crate::request::Usage;

/// Why a model call gave no completion.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// Too many calls or tokens a minute: wait, then ask again.
    #[error("{provider} limits the rate of calls{}", after(*retry_after))]
    RateLimited { provider: String, retry_after: Option<Duration> },
    /// The account has no credit or quota left: a person must act.
    #[error("the account at {provider} has no credit or quota left: {detail}")]
    QuotaExhausted { provider: String, detail: String },
    /// The provider has too much to do or is broken: later.
    #[error("{provider} is overloaded or failing (status {status}){}", after(*retry_after))]
    Overloaded { provider: String, status: u16, retry_after: Option<Duration> },
    /// The key is wrong or may not do this. Says nothing of the answer, which may quote the key.
    #[error("{provider} refused the API key (status {status}); check the key and what it may do")]
    Auth { provider: String, status: u16 },
    /// The request itself is wrong; the same one will fail again.
    #[error("invalid request: {detail}")]
    InvalidRequest { detail: String },
    /// The provider does not offer the model.
    #[error("{provider} has no model `{model}`")]
    NoSuchModel { provider: String, model: String },
    /// Prompt and answer together do not fit the model.
    #[error("the prompt is too long for `{model}` of {provider}: {detail}")]
    ContextTooLong { provider: String, model: String, detail: String },
    /// The provider's safety rules refused to answer.
    #[error("{provider} refused to answer for reasons of content: {detail}")]
    ContentFiltered {
        provider: String,
        detail: String,
        /// What the refusal cost, where the provider said so.
        usage: Option<Box<Usage>>,
    },
    /// No answer within the deadline of the whole call.
    #[error("{provider} gave no answer within {}", seconds(*after))]
    Timeout { provider: String, after: Duration },
    /// The provider could not be reached, or the connection broke.
    #[error("{provider} could not be reached: {detail}")]
    Network { provider: String, detail: String },
    /// The answer arrived and is not what the provider's protocol says.
    #[error("{provider} gave an unreadable answer: {detail}")]
    BadAnswer {
        provider: String,
        detail: String,
        /// What the answer cost, where the provider said so.
        usage: Option<Box<Usage>>,
    },
    /// The call could cost more than may still be spent.
    #[error("the call may cost up to {needed} USD, {remaining} USD remain of the budget")]
    Budget { needed: Decimal, remaining: Decimal },
    /// Nobody knows what the model costs, and unknown is not free.
    #[error(
        "no price is known for model `{model}` of {provider}; add one to the price table of the configuration"
    )]
    UnknownModelPrice { provider: String, model: String },
    /// No provider has this id.
    #[error(
        "there is no provider `{0}`; there are gemini, openai, anthropic, ollama, openai-compatible and offline"
    )]
    NoSuchProvider(String),
    /// The provider lacks its key or address.
    #[error("{provider} is not configured: {hint}")]
    NotConfigured { provider: String, hint: String },
    /// A setting cannot be used.
    #[error("invalid setting `{setting}`: {detail}")]
    InvalidSetting { setting: String, detail: String },
    /// A replay met a call that was not recorded.
    #[error("no recorded answer for this call of {provider} `{model}` (request {digest})")]
    NotRecorded { provider: String, model: String, digest: Digest },
    /// A recording could not be written or read.
    #[error("the recording `{path}` could not be used: {detail}")]
    Recording { path: String, detail: String },
}

impl LlmError {
    /// Whether the same call may succeed later without anybody acting.
    pub const fn retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Overloaded { .. }
                | Self::Timeout { .. }
                | Self::Network { .. }
        )
    }

    /// How long the provider asked to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Overloaded { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// What the failed call cost all the same, for the ledger.
    pub fn usage(&self) -> Option<&Usage> {
        match self {
            Self::ContentFiltered { usage, .. } | Self::BadAnswer { usage, .. } => usage.as_deref(),
            _ => None,
        }
    }

    /// Code of the plugin contract (`host-error.code`).
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RateLimited { .. }
            | Self::QuotaExhausted { .. }
            | Self::Overloaded { .. }
            | Self::Auth { .. }
            | Self::Timeout { .. }
            | Self::Network { .. }
            | Self::NoSuchModel { .. }
            | Self::NoSuchProvider(_)
            | Self::NotConfigured { .. }
            | Self::InvalidSetting { .. } => "unavailable",
            Self::InvalidRequest { .. } => "invalid",
            Self::ContextTooLong { .. } => "limit",
            Self::Budget { .. } | Self::UnknownModelPrice { .. } => "budget",
            Self::NotRecorded { .. } => "not-found",
            Self::ContentFiltered { .. } | Self::BadAnswer { .. } | Self::Recording { .. } => {
                "failed"
            }
        }
    }
}

fn after(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!("; it asks to wait {}", seconds(wait)))
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// At most `max` characters of `text` on one line.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let mut short: String = line.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_how_long_to_wait() {
        let error = LlmError::RateLimited {
            provider: "openai".to_owned(),
            retry_after: Some(Duration::from_secs(90)),
        };
        assert_eq!(error.to_string(), "openai limits the rate of calls; it asks to wait 90 s");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
        assert!(error.retryable());
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
    }

    #[test]
    fn money_and_wrong_requests_are_never_asked_again() {
        for error in [
            LlmError::Budget { needed: Decimal::ONE, remaining: Decimal::ZERO },
            LlmError::InvalidRequest { detail: String::new() },
            LlmError::Auth { provider: String::new(), status: 401 },
            LlmError::QuotaExhausted { provider: String::new(), detail: String::new() },
            LlmError::BadAnswer { provider: String::new(), detail: String::new(), usage: None },
        ] {
            assert!(!error.retryable(), "{error}");
        }
    }

    #[test]
    fn long_words_of_a_provider_are_shortened() {
        assert_eq!(shorten("a\n  b\tc", 10), "a b c");
        assert_eq!(shorten("äöüß", 3), "äö…");
    }
}
