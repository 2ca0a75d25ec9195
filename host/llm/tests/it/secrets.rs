//! Keys stay where they belong.

use gencode_llm::{Endpoint, Gateway, GatewayConfig, LanguageModel, LlmError, Secret};
use serde_json::json;

use crate::fake::{Act, Fake, KEY, REMOTES, config, gateway, request};

#[tokio::test]
async fn no_error_contains_the_key_whatever_the_provider_quotes() {
    let quotes = format!("You sent Bearer {KEY} and x-api-key: {KEY} and ?key={KEY}");
    for (provider, model) in
        REMOTES.into_iter().filter(|(provider, _)| provider.as_str() != "ollama")
    {
        for status in [200, 302, 400, 401, 402, 403, 404, 413, 418, 429, 500, 529] {
            for act in [
                Act::json(
                    status,
                    &json!({ "error": { "message": quotes, "type": "x", "code": quotes } }),
                ),
                Act::json(status, &json!({ "error": quotes })),
                Act::text(status, &quotes),
            ] {
                let act = act.header("retry-after", "600");
                let fake = Fake::start([act]).await;
                let gateway = gateway(&fake.url);
                let error =
                    gateway.complete(provider.as_str(), model, &request()).await.unwrap_err();
                let text = format!("{error} {error:?} {gateway:?}");
                assert!(!text.contains(KEY), "{provider} {status}: {text}");
                let error = gateway.probe(provider.as_str()).await.unwrap_err();
                assert!(!format!("{error} {error:?}").contains(KEY), "{provider} {status}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_an_error_of_its_own() {
    for (provider, model) in REMOTES {
        let fake =
            Fake::start([Act::json(401, &json!({ "error": { "message": "bad key" } }))]).await;
        let error =
            gateway(&fake.url).complete(provider.as_str(), model, &request()).await.unwrap_err();
        assert!(matches!(error, LlmError::Auth { status: 401, .. }), "{provider}: {error}");
        fake.asked_once();
    }
}

#[test]
fn settings_hide_what_is_secret() {
    let config = config("http://someone:hunter2@127.0.0.1:1/");
    let text = format!("{config:?}");
    assert!(!text.contains(KEY) && !text.contains("hunter2"), "{text}");
    let error = Gateway::new(config).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        matches!(error, LlmError::InvalidSetting { .. }) && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    for base_url in
        ["localhost:11434", "ftp://x", "http://", "http://x?key=1", "http://x#y", "not a url"]
    {
        let ollama = Endpoint { base_url: Some(base_url.to_owned()), ..Endpoint::default() };
        let error = Gateway::new(GatewayConfig { ollama, ..GatewayConfig::default() }).unwrap_err();
        assert!(matches!(error, LlmError::InvalidSetting { .. }), "{base_url}: {error}");
    }
    let openai = Endpoint { api_key: Some(Secret::new("two\nlines")), ..Endpoint::default() };
    let error = Gateway::new(GatewayConfig { openai, ..GatewayConfig::default() }).unwrap_err();
    assert!(!error.to_string().contains("lines"), "{error}");
}

#[tokio::test]
async fn a_provider_without_a_key_says_what_to_set() {
    let blank = Endpoint { api_key: Some(Secret::new(" \n")), ..Endpoint::default() };
    let gateway =
        Gateway::new(GatewayConfig { openai: blank, ..GatewayConfig::default() }).unwrap();
    for (provider, model, says) in [
        ("openai", "", "set OPENAI_API_KEY"),
        ("anthropic", "", "set ANTHROPIC_API_KEY"),
        ("gemini", "", "set GEMINI_API_KEY"),
        ("openai-compatible", "", "no model is chosen"),
    ] {
        let error = gateway.complete(provider, model, &request()).await.unwrap_err();
        assert!(matches!(error, LlmError::NotConfigured { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
