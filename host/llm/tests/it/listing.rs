//! What the gateway offers, and whether it is there.

use gencode_llm::{Endpoint, Gateway, GatewayConfig, LanguageModel, LlmError, Provider};
use rust_decimal::Decimal;
use serde_json::json;

use crate::fake::{Act, Fake, KEY, gateway, good, request};

#[test]
fn providers_are_listed_in_the_order_of_the_contract() {
    let openai = Endpoint {
        api_key: Some(gencode_llm::Secret::new("k")),
        default_model: Some("gpt-4o".to_owned()),
        models: vec!["ft:mine".to_owned(), "gpt-4o".to_owned()],
        ..Endpoint::default()
    };
    let gateway = Gateway::new(GatewayConfig { openai, ..GatewayConfig::default() }).unwrap();
    let list = gateway.providers();
    let seen: Vec<_> = list
        .iter()
        .map(|info| (info.id, info.name, info.requires_api_key, info.configured))
        .collect();
    assert_eq!(
        seen,
        [
            ("gemini", "Google Gemini", true, false),
            ("openai", "OpenAI", true, true),
            ("anthropic", "Anthropic Claude", true, false),
            ("ollama", "Ollama (Local)", false, true),
            ("openai-compatible", "OpenAI-compatible", false, false),
            ("offline", "Offline (built in)", false, true),
        ]
    );
    assert_eq!(list[1].models[..2], ["gpt-4o", "ft:mine"]);
    assert_eq!(list[1].models.iter().filter(|model| *model == "gpt-4o").count(), 1);
    assert_eq!(list[1].cost_per_1k, Some("0.01".parse().unwrap()));
    assert_eq!(list[3].cost_per_1k, Some(Decimal::ZERO));
    assert_eq!(list[4].cost_per_1k, None, "unknown is not zero");
}

#[tokio::test]
async fn a_call_that_names_no_model_gets_the_providers_own() {
    let fake = Fake::start([Act::json(200, &good(Provider::Anthropic, "x"))]).await;
    let answer = gateway(&fake.url).complete("anthropic", "", &request()).await.unwrap();
    assert_eq!(answer.usage.model, Provider::Anthropic.default_model());
    let offline = Gateway::new(GatewayConfig::default()).unwrap();
    assert_eq!(offline.resolve("", "").unwrap(), (Provider::Offline, "offline".to_owned()));
}

#[tokio::test]
async fn a_probe_lists_the_models_of_a_provider() {
    let list = json!({ "data": [{ "id": "a" }, { "id": "b" }] });
    for (provider, path, body) in [
        ("openai", "/models", list.clone()),
        ("openai-compatible", "/models", list.clone()),
        ("anthropic", "/v1/models", list),
        (
            "gemini",
            "/v1beta/models",
            json!({ "models": [{ "name": "models/a" }, { "name": "models/b" }] }),
        ),
        ("ollama", "/api/tags", json!({ "models": [{ "name": "a" }, { "name": "b" }] })),
    ] {
        let fake = Fake::start([Act::json(200, &body)]).await;
        assert_eq!(gateway(&fake.url).probe(provider).await.unwrap(), ["a", "b"], "{provider}");
        let asked = fake.asked_once();
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", path));
        let sent = format!(
            "{:?}",
            asked.headers.values().map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
        );
        assert_eq!(sent.contains(KEY), provider != "ollama", "{provider}");
    }
}

#[tokio::test]
async fn a_probe_says_what_is_wrong() {
    let fake =
        Fake::start([Act::text(200, "<html>"), Act::text(401, "no"), Act::text(500, "")]).await;
    let gateway = gateway(&fake.url);
    assert!(matches!(gateway.probe("openai").await, Err(LlmError::BadAnswer { .. })));
    assert!(matches!(gateway.probe("openai").await, Err(LlmError::Auth { .. })));
    assert!(matches!(gateway.probe("openai").await, Err(LlmError::Overloaded { .. })));
    assert!(matches!(gateway.probe("x").await, Err(LlmError::NoSuchProvider(_))));
    assert_eq!(gateway.probe("offline").await.unwrap(), ["offline"]);
    let bare = Gateway::new(GatewayConfig::default()).unwrap();
    assert!(matches!(bare.probe("gemini").await, Err(LlmError::NotConfigured { .. })));
}

#[tokio::test]
async fn an_estimate_bounds_what_the_call_costs() {
    let fake = Fake::start([Act::json(200, &good(Provider::OpenAi, "x"))]).await;
    let gateway = gateway(&fake.url);
    let request = request();
    let estimate = gateway.estimate_max_cost("openai", "gpt-4o-mini", &request).unwrap();
    // 105 bytes and four messages are 35 + 64 tokens; 99 × 0.15 + 1,000 × 0.60.
    assert_eq!(request.prompt_bytes(), 105);
    assert_eq!(estimate, "0.00061485".parse().unwrap());
    let answer = gateway.complete("openai", "gpt-4o-mini", &request).await.unwrap();
    assert!(answer.usage.cost_usd <= estimate);
    assert_eq!(gateway.estimate_max_cost("ollama", "m", &request).unwrap(), Decimal::ZERO);
    assert_eq!(gateway.estimate_max_cost("", "", &request).unwrap(), Decimal::ZERO);
}
