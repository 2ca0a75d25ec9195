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
const NO_CREDIT: [&str; 4] =
    ["credit balance is too low", "insufficient balance", "insufficient credits", "billing hard limit"];

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
        let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
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
pub(crate) fn classify(provider: Provider, model: &str, reply: &Reply, key: Option<&str>) -> LlmError {
    let words = Words::of(&reply.body);
    let name = provider.to_string();
    let status = match reply.status {
        200..=299 => words.status.unwrap_or(500),
        status => status,
    };
    let retry_after = reply.retry_after.or(words.retry_after);
    let message = redact(&words.message, key);

    if matches!(status, 401 | 403)
        || words.is(&["invalid_api_key", "authentication_error", "permission_error", "api_key_invalid"])
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
        return LlmError::ContextTooLong { provider: name, model: model.to_owned(), detail: message };
    }
    if status == 429 || words.is(&["rate_limit_error", "rate_limit_exceeded", "resource_exhausted"]) {
        return LlmError::RateLimited { provider: name, retry_after };
    }
    if words.is(&["content_filter", "content_policy_violation", "data_inspection_failed", "responsibleaipolicyviolation"]) {
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
            hint: format!("its address redirects elsewhere (status {status}); set the base URL to the final address"),
        },
        404 | 405 => LlmError::NotConfigured {
            provider: name,
            hint: format!("nothing answers at its address (status {status}); check the base URL"),
        },
        408 | 409 | 425 | 500 | 502..=599 => LlmError::Overloaded { provider: name, status, retry_after },
        _ if words.is(&["overloaded_error", "unavailable", "server_error", "api_error"]) => {
            LlmError::Overloaded { provider: name, status, retry_after }
        }
        _ => LlmError::InvalidRequest { detail: format!("{name} says (status {status}): {message}") },
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies as providers send them, with what they must be taken for.
    const BODIES: &[(Provider, u16, &str, &str)] = &[
        (Provider::OpenAi, 401, r#"{"error":{"message":"Incorrect API key provided: sk-ab***yz.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#, "auth"),
        (Provider::OpenAi, 403, r#"{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}"#, "auth"),
        (Provider::OpenAi, 429, r#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 25000, Requested 9000. Please try again in 8s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#, "rate"),
        (Provider::OpenAi, 429, r#"{"error":{"message":"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 52000.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#, "context"),
        (Provider::OpenAi, 429, r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#, "quota"),
        (Provider::OpenAi, 400, r#"{"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 130002 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#, "context"),
        (Provider::OpenAi, 400, r#"{"error":{"message":"max_tokens is too large: 20000. This model supports at most 16384 completion tokens, whereas you provided 20000.","type":"invalid_request_error","param":"max_tokens","code":"invalid_value"}}"#, "invalid"),
        (Provider::OpenAi, 400, r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#, "invalid"),
        (Provider::OpenAi, 400, r#"{"error":{"message":"Could not generate a moderate operation","type":"invalid_request_error","param":null,"code":null}}"#, "invalid"),
        (Provider::OpenAi, 400, r#"{"error":{"message":"Invalid prompt: your prompt was flagged","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}"#, "content"),
        (Provider::OpenAi, 404, r#"{"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#, "model"),
        (Provider::OpenAi, 400, r#"{"error":{"message":"invalid model ID","type":"invalid_request_error","param":null,"code":null}}"#, "model"),
        (Provider::OpenAi, 500, r#"{"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}"#, "overloaded"),
        (Provider::OpenAi, 503, r#"{"error":{"message":"That model is currently overloaded with other requests.","type":"server_error","param":null,"code":null}}"#, "overloaded"),
        (Provider::OpenAi, 502, "<html><body>502 Bad Gateway</body></html>", "overloaded"),
        (Provider::OpenAi, 301, "", "configured"),
        (Provider::OpenAi, 404, "404 page not found", "configured"),
        (Provider::Anthropic, 401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#, "auth"),
        (Provider::Anthropic, 403, r#"{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission"}}"#, "auth"),
        (Provider::Anthropic, 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."}}"#, "quota"),
        (Provider::Anthropic, 402, r#"{"type":"error","error":{"type":"billing_error","message":"payment"}}"#, "quota"),
        (Provider::Anthropic, 404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#, "model"),
        (Provider::Anthropic, 413, r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#, "context"),
        (Provider::Anthropic, 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#, "context"),
        (Provider::Anthropic, 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"}}"#, "context"),
        (Provider::Anthropic, 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens"}}"#, "invalid"),
        (Provider::Anthropic, 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of 40,000 input tokens per minute"}}"#, "rate"),
        (Provider::Anthropic, 500, r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#, "overloaded"),
        (Provider::Anthropic, 529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "overloaded"),
        (Provider::Gemini, 400, r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#, "auth"),
        (Provider::Gemini, 403, r#"{"error":{"code":403,"message":"Method doesn't allow unregistered callers","status":"PERMISSION_DENIED"}}"#, "auth"),
        (Provider::Gemini, 429, r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}"#, "rate"),
        (Provider::Gemini, 400, r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).","status":"INVALID_ARGUMENT"}}"#, "context"),
        (Provider::Gemini, 400, r#"{"error":{"code":400,"message":"Unable to submit request because it has a maxOutputTokens value of 90000","status":"INVALID_ARGUMENT"}}"#, "invalid"),
        (Provider::Gemini, 404, r#"{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1beta","status":"NOT_FOUND"}}"#, "model"),
        (Provider::Gemini, 503, r#"{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}"#, "overloaded"),
        (Provider::Gemini, 504, r#"{"error":{"code":504,"message":"Deadline expired","status":"DEADLINE_EXCEEDED"}}"#, "overloaded"),
        (Provider::Gemini, 500, r#"[{"error":{"code":500,"message":"An internal error has occurred","status":"INTERNAL"}}]"#, "overloaded"),
        (Provider::Ollama, 404, r#"{"error":"model 'x' not found"}"#, "model"),
        (Provider::Ollama, 500, r#"{"error":"model requires more system memory (5.6 GiB) than is available (3.9 GiB)"}"#, "invalid"),
        (Provider::Ollama, 400, r#"{"error":"invalid options"}"#, "invalid"),
        (Provider::Ollama, 503, r#"{"error":"server busy, please try again. maximum pending requests exceeded"}"#, "overloaded"),
        (Provider::OpenAiCompatible, 200, r#"{"error":{"message":"Provider returned error","code":429}}"#, "rate"),
        (Provider::OpenAiCompatible, 200, r#"{"error":{"message":"Insufficient credits","code":402}}"#, "quota"),
        (Provider::OpenAiCompatible, 200, r#"{"error":{"message":"Upstream error","code":502}}"#, "overloaded"),
        (Provider::OpenAiCompatible, 200, r#"{"error":"something broke"}"#, "overloaded"),
        (Provider::OpenAiCompatible, 402, r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#, "quota"),
        (Provider::OpenAiCompatible, 400, r#"{"error":{"code":400,"message":"the request exceeds the available context size. try increasing the context size","type":"exceed_context_size_error"}}"#, "context"),
        (Provider::OpenAiCompatible, 422, r#"{"detail":[{"loc":["body","messages"],"msg":"field required"}]}"#, "invalid"),
        (Provider::OpenAiCompatible, 501, "", "invalid"),
    ];

    fn kind(error: &LlmError) -> &'static str {
        match error {
            LlmError::Auth { .. } => "auth",
            LlmError::RateLimited { .. } => "rate",
            LlmError::QuotaExhausted { .. } => "quota",
            LlmError::Overloaded { .. } => "overloaded",
            LlmError::ContextTooLong { .. } => "context",
            LlmError::ContentFiltered { .. } => "content",
            LlmError::InvalidRequest { .. } => "invalid",
            LlmError::NoSuchModel { .. } => "model",
            LlmError::NotConfigured { .. } => "configured",
            _ => "other",
        }
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn every_known_error_is_taken_for_what_it_is() {
        for (provider, status, body, expected) in BODIES {
            let error = classify(*provider, "m", &reply(*status, body), None);
            assert_eq!(kind(&error), *expected, "{provider} {status} {body} → {error}");
        }
    }

    #[test]
    fn a_wait_inside_of_the_answer_counts() {
        let body = BODIES.iter().find(|(_, _, body, _)| body.contains("retryDelay")).unwrap().2;
        let error = classify(Provider::Gemini, "m", &reply(429, body), None);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(34)));
    }

    #[test]
    fn a_key_that_the_provider_quotes_is_not_passed_on() {
        let body = r#"{"error":{"message":"bad parameter in Bearer sk-secret-42","type":"invalid_request_error"}}"#;
        let error = classify(Provider::OpenAi, "m", &reply(400, body), Some("sk-secret-42"));
        let text = format!("{error} {error:?}");
        assert!(text.contains("[key]") && !text.contains("sk-secret-42"), "{text}");
    }

    #[test]
    fn a_long_or_binary_answer_is_shortened() {
        let error = classify(Provider::OpenAi, "m", &reply(400, &"x".repeat(100_000)), None);
        assert!(error.to_string().chars().count() < 400);
        let error = classify(Provider::OpenAi, "m", &Reply { status: 400, retry_after: None, body: vec![0xff; 5000] }, None);
        assert!(error.to_string().chars().count() < 400);
    }
}
