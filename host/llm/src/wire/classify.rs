//! What an error of a provider means for the caller.
//!
//! By status and machine-readable codes first; by words only where providers give nothing else,
//! and then by whole phrases: `rate` alone is also in `generate`, and `max_tokens` in an error is
//! about the answer, not about the prompt.

use std::time::Duration;

use serde_json::Value;

use crate::{
    error::{LlmError, shorten},
    http::{Reply, seconds},
    provider::Provider,
};

/// Phrases that say that the prompt does not fit.
const TOO_LONG: [&str; 14] = [
    "maximum context length",
    "context length exceeded",
    "exceeds the context length",
    "exceed context limit",
    "exceeds the context window",
    "context window of this model",
    "exceeds the available context size",
    "exceed the context window",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input token count",
    "request too large",
    "too many tokens in the prompt",
];

/// Phrases that say that somebody must pay.
const NO_CREDIT: [&str; 4] = [
    "credit balance is too low",
    "insufficient balance",
    "insufficient credits",
    "billing hard limit",
];

/// What a provider says of an error, in lower case where it is for machines.
struct Words {
    /// All codes, types and reasons.
    kinds: Vec<String>,
    message: String,
    /// A status inside of the answer, as proxies give it.
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Words {
    fn of(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let message = shorten(&String::from_utf8_lossy(body.get(..2000).unwrap_or(body)), 300);
            return Self { kinds: Vec::new(), message, status: None, retry_after: None };
        };
        // Gemini wraps the answer to a stream in a list.
        let value = value.get(0).unwrap_or(&value);
        let error = value.get("error").unwrap_or(value);
        let mut kinds = Vec::new();
        for field in ["code", "type", "status"] {
            if let Some(kind) = error.get(field).and_then(Value::as_str) {
                kinds.push(kind.to_ascii_lowercase());
            }
        }
        let details = error.get("details").and_then(Value::as_array);
        let mut retry_after = None;
        for detail in details.into_iter().flatten() {
            if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
                kinds.push(reason.to_ascii_lowercase());
            }
            if let Some(delay) = detail.get("retryDelay").and_then(Value::as_str) {
                retry_after = seconds(delay);
            }
        }
        let message = ["message", "detail", "error"]
            .iter()
            .find_map(|field| error.get(field).and_then(Value::as_str))
            .or_else(|| error.as_str())
            .map_or_else(|| "no reason given".to_owned(), |text| shorten(text, 600));
        let status =
            error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        Self { kinds, message, status, retry_after }
    }

    fn is(&self, kinds: &[&str]) -> bool {
        self.kinds.iter().any(|kind| kinds.contains(&kind.as_str()))
    }

    fn says(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        phrases.iter().any(|phrase| message.contains(phrase))
    }
}

/// Whether a successful answer is an error all the same, as some proxies send them.
pub(crate) fn is_error(body: &Value) -> bool {
    body.get("error").is_some_and(|error| !error.is_null())
}

/// The error that `reply` is. `key` is what must not be quoted.
pub(crate) fn classify(
    provider: Provider,
    model: &str,
    reply: &Reply,
    key: Option<&str>,
) -> LlmError {
    let words = Words::of(&reply.body);
    let name = provider.to_string();
    let status = match reply.status {
        200..=299 => words.status.unwrap_or(500),
        status => status,
    };
    let retry_after = reply.retry_after.or(words.retry_after);
    let message = redact(&words.message, key);

    if matches!(status, 401 | 403)
        || words.is(&[
            "invalid_api_key",
            "authentication_error",
            "permission_error",
            "api_key_invalid",
        ])
        || words.says(&["api key not valid", "api key expired"])
    {
        return LlmError::Auth { provider: name, status };
    }
    if status == 402
        || words.is(&["insufficient_quota", "billing_hard_limit_reached", "billing_error"])
        || words.says(&NO_CREDIT)
    {
        return LlmError::QuotaExhausted { provider: name, detail: message };
    }
    if status == 413 || is_too_long(&words) {
        return LlmError::ContextTooLong {
            provider: name,
            model: model.to_owned(),
            detail: message,
        };
    }
    if status == 429 || words.is(&["rate_limit_error", "rate_limit_exceeded", "resource_exhausted"])
    {
        return LlmError::RateLimited { provider: name, retry_after };
    }
    if words.is(&[
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
        "responsibleaipolicyviolation",
    ]) {
        return LlmError::ContentFiltered { provider: name, detail: message, usage: None };
    }
    let no_model = words.is(&["model_not_found", "not_found_error"])
        || (status == 404 && words.says(&["model"]))
        || words.says(&["invalid model id", "model does not exist", "is not a valid model"]);
    if no_model {
        return LlmError::NoSuchModel { provider: name, model: model.to_owned() };
    }
    if provider == Provider::Ollama && words.says(&["more system memory"]) {
        return LlmError::InvalidRequest { detail: message };
    }
    match status {
        300..=399 => LlmError::NotConfigured {
            provider: name,
            hint: format!(
                "its address redirects elsewhere (status {status}); set the base URL to the final address"
            ),
        },
        404 | 405 => LlmError::NotConfigured {
            provider: name,
            hint: format!("nothing answers at its address (status {status}); check the base URL"),
        },
        408 | 409 | 425 | 500 | 502..=599 => {
            LlmError::Overloaded { provider: name, status, retry_after }
        }
        _ if words.is(&["overloaded_error", "unavailable", "server_error", "api_error"]) => {
            LlmError::Overloaded { provider: name, status, retry_after }
        }
        _ => {
            LlmError::InvalidRequest { detail: format!("{name} says (status {status}): {message}") }
        }
    }
}

fn is_too_long(words: &Words) -> bool {
    words.is(&["context_length_exceeded", "request_too_large", "string_above_max_length"])
        || words.says(&TOO_LONG)
}

/// The message without the key, should the provider quote it.
fn redact(message: &str, key: Option<&str>) -> String {
    let message = match key.filter(|key| !key.is_empty()) {
        Some(key) => message.replace(key, "[key]"),
        None => message.to_owned(),
    };
    shorten(&message, 300)
}
