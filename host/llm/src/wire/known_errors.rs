//! Errors as providers send them, and what each must be taken for.

use std::time::Duration;

use super::classify::classify;
use crate::{error::LlmError, http::Reply, provider::Provider};

/// Bodies as providers send them, with what they must be taken for.
const BODIES: &[(Provider, u16, &str, &str)] = &[
    (
        Provider::OpenAi,
        401,
        r#"{"error":{"message":"Incorrect API key provided: sk-ab***yz.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        "auth",
    ),
    (
        Provider::OpenAi,
        403,
        r#"{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}"#,
        "auth",
    ),
    (
        Provider::OpenAi,
        429,
        r#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 25000, Requested 9000. Please try again in 8s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        "rate",
    ),
    (
        Provider::OpenAi,
        429,
        r#"{"error":{"message":"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 52000.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        "context",
    ),
    (
        Provider::OpenAi,
        429,
        r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        "quota",
    ),
    (
        Provider::OpenAi,
        400,
        r#"{"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 130002 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        "context",
    ),
    (
        Provider::OpenAi,
        400,
        r#"{"error":{"message":"max_tokens is too large: 20000. This model supports at most 16384 completion tokens, whereas you provided 20000.","type":"invalid_request_error","param":"max_tokens","code":"invalid_value"}}"#,
        "invalid",
    ),
    (
        Provider::OpenAi,
        400,
        r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#,
        "invalid",
    ),
    (
        Provider::OpenAi,
        400,
        r#"{"error":{"message":"Could not generate a moderate operation","type":"invalid_request_error","param":null,"code":null}}"#,
        "invalid",
    ),
    (
        Provider::OpenAi,
        400,
        r#"{"error":{"message":"Invalid prompt: your prompt was flagged","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}"#,
        "content",
    ),
    (
        Provider::OpenAi,
        404,
        r#"{"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        "model",
    ),
    (
        Provider::OpenAi,
        400,
        r#"{"error":{"message":"invalid model ID","type":"invalid_request_error","param":null,"code":null}}"#,
        "model",
    ),
    (
        Provider::OpenAi,
        500,
        r#"{"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}"#,
        "overloaded",
    ),
    (
        Provider::OpenAi,
        503,
        r#"{"error":{"message":"That model is currently overloaded with other requests.","type":"server_error","param":null,"code":null}}"#,
        "overloaded",
    ),
    (Provider::OpenAi, 502, "<html><body>502 Bad Gateway</body></html>", "overloaded"),
    (Provider::OpenAi, 301, "", "configured"),
    (Provider::OpenAi, 404, "404 page not found", "configured"),
    (
        Provider::Anthropic,
        401,
        r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
        "auth",
    ),
    (
        Provider::Anthropic,
        403,
        r#"{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission"}}"#,
        "auth",
    ),
    (
        Provider::Anthropic,
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."}}"#,
        "quota",
    ),
    (
        Provider::Anthropic,
        402,
        r#"{"type":"error","error":{"type":"billing_error","message":"payment"}}"#,
        "quota",
    ),
    (
        Provider::Anthropic,
        404,
        r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#,
        "model",
    ),
    (
        Provider::Anthropic,
        413,
        r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
        "context",
    ),
    (
        Provider::Anthropic,
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
        "context",
    ),
    (
        Provider::Anthropic,
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"}}"#,
        "context",
    ),
    (
        Provider::Anthropic,
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens"}}"#,
        "invalid",
    ),
    (
        Provider::Anthropic,
        429,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of 40,000 input tokens per minute"}}"#,
        "rate",
    ),
    (
        Provider::Anthropic,
        500,
        r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
        "overloaded",
    ),
    (
        Provider::Anthropic,
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        "overloaded",
    ),
    (
        Provider::Gemini,
        400,
        r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
        "auth",
    ),
    (
        Provider::Gemini,
        403,
        r#"{"error":{"code":403,"message":"Method doesn't allow unregistered callers","status":"PERMISSION_DENIED"}}"#,
        "auth",
    ),
    (
        Provider::Gemini,
        429,
        r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}"#,
        "rate",
    ),
    (
        Provider::Gemini,
        400,
        r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).","status":"INVALID_ARGUMENT"}}"#,
        "context",
    ),
    (
        Provider::Gemini,
        400,
        r#"{"error":{"code":400,"message":"Unable to submit request because it has a maxOutputTokens value of 90000","status":"INVALID_ARGUMENT"}}"#,
        "invalid",
    ),
    (
        Provider::Gemini,
        404,
        r#"{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1beta","status":"NOT_FOUND"}}"#,
        "model",
    ),
    (
        Provider::Gemini,
        503,
        r#"{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}"#,
        "overloaded",
    ),
    (
        Provider::Gemini,
        504,
        r#"{"error":{"code":504,"message":"Deadline expired","status":"DEADLINE_EXCEEDED"}}"#,
        "overloaded",
    ),
    (
        Provider::Gemini,
        500,
        r#"[{"error":{"code":500,"message":"An internal error has occurred","status":"INTERNAL"}}]"#,
        "overloaded",
    ),
    (Provider::Ollama, 404, r#"{"error":"model 'x' not found"}"#, "model"),
    (
        Provider::Ollama,
        500,
        r#"{"error":"model requires more system memory (5.6 GiB) than is available (3.9 GiB)"}"#,
        "invalid",
    ),
    (Provider::Ollama, 400, r#"{"error":"invalid options"}"#, "invalid"),
    (
        Provider::Ollama,
        503,
        r#"{"error":"server busy, please try again. maximum pending requests exceeded"}"#,
        "overloaded",
    ),
    (
        Provider::OpenAiCompatible,
        200,
        r#"{"error":{"message":"Provider returned error","code":429}}"#,
        "rate",
    ),
    (
        Provider::OpenAiCompatible,
        200,
        r#"{"error":{"message":"Insufficient credits","code":402}}"#,
        "quota",
    ),
    (
        Provider::OpenAiCompatible,
        200,
        r#"{"error":{"message":"Upstream error","code":502}}"#,
        "overloaded",
    ),
    (Provider::OpenAiCompatible, 200, r#"{"error":"something broke"}"#, "overloaded"),
    (
        Provider::OpenAiCompatible,
        402,
        r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
        "quota",
    ),
    (
        Provider::OpenAiCompatible,
        400,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size. try increasing the context size","type":"exceed_context_size_error"}}"#,
        "context",
    ),
    (
        Provider::OpenAiCompatible,
        422,
        r#"{"detail":[{"loc":["body","messages"],"msg":"field required"}]}"#,
        "invalid",
    ),
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
    let error = classify(
        Provider::OpenAi,
        "m",
        &Reply { status: 400, retry_after: None, body: vec![0xff; 5000] },
        None,
    );
    assert!(error.to_string().chars().count() < 400);
}
