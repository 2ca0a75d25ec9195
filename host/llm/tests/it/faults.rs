//! Providers that fail in every way they do.

use std::time::{Duration, Instant};

use gencode_llm::{
    CompletionRequest, Endpoint, Gateway, IdempotencyKey, LanguageModel, Limits, LlmError, Message,
    Role, retry::Jitter,
};
use serde_json::json;

use crate::fake::{Act, Fake, REMOTES, config, gateway, good, request};

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_asked() {
    for (provider, model) in REMOTES {
        let limited = Act::json(
            429,
            &json!({ "error": { "message": "slow down", "type": "rate_limit_error" } }),
        );
        let fake = Fake::start([
            limited.header("retry-after-ms", "150"),
            Act::json(200, &good(provider, "x")),
        ])
        .await;
        let start = Instant::now();
        gateway(&fake.url).complete(provider.as_str(), model, &request()).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(150), "{provider}");
        let asked = fake.asked();
        assert_eq!(asked.len(), 2, "{provider}");
        assert_eq!(asked[0].body, asked[1].body, "{provider}: the same call again");
    }
}

#[tokio::test]
async fn every_try_of_a_call_says_the_same_key_and_no_other_call_does() {
    for (provider, model) in REMOTES {
        let fake = Fake::start([
            Act::text(500, "oops"),
            Act::BreakOff,
            Act::json(200, &good(provider, "x")),
        ])
        .await;
        let gateway = gateway(&fake.url);
        let keyed =
            |key: &str| CompletionRequest { key: Some(IdempotencyKey::new(key)), ..request() };
        gateway.complete(provider.as_str(), model, &keyed("run/a/1/0")).await.unwrap();
        gateway.complete(provider.as_str(), model, &keyed("run/a/1/1")).await.unwrap();
        gateway.complete(provider.as_str(), model, &request()).await.unwrap();
        let said: Vec<Option<String>> = fake
            .asked()
            .iter()
            .map(|asked| Some(asked.headers.get("idempotency-key")?.to_str().ok()?.to_owned()))
            .collect();
        let (first, second) = (Some("run/a/1/0".to_owned()), Some("run/a/1/1".to_owned()));
        assert_eq!(said, [first.clone(), first.clone(), first, second, None], "{provider}");
    }
}

#[tokio::test]
async fn a_long_rate_limit_is_for_the_caller_to_wait() {
    let fake = Fake::start([Act::text(429, "").header("retry-after", "5")]).await;
    let error = gateway(&fake.url).complete("openai", "gpt-4o", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::RateLimited { .. }), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    assert!(error.retryable());
    fake.asked_once();
}

#[tokio::test]
async fn a_broken_server_is_asked_again_and_then_given_up() {
    for (provider, model) in REMOTES {
        let fake = Fake::start([
            Act::text(500, "oops"),
            Act::BreakOff,
            Act::json(200, &good(provider, "x")),
        ])
        .await;
        gateway(&fake.url).complete(provider.as_str(), model, &request()).await.unwrap();
        assert_eq!(fake.asked().len(), 3, "{provider}");

        let fake = Fake::start([Act::text(503, "oops")]).await;
        let error =
            gateway(&fake.url).complete(provider.as_str(), model, &request()).await.unwrap_err();
        assert!(matches!(error, LlmError::Overloaded { status: 503, .. }), "{provider}: {error}");
        assert_eq!(fake.asked().len(), 3, "{provider}");
    }
}

#[tokio::test]
async fn what_would_fail_again_is_not_asked_again() {
    for status in [400, 401, 403, 404, 413, 422, 501] {
        let fake = Fake::start([Act::json(status, &json!({ "error": { "message": "no" } }))]).await;
        let error = gateway(&fake.url).complete("openai", "gpt-4o", &request()).await.unwrap_err();
        assert!(!error.retryable(), "{status}: {error}");
        fake.asked_once();
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_bad_and_not_paid_twice() {
    for body in ["", "{\"choices\": [", "<html>login</html>", "data: {}\n\n"] {
        let fake = Fake::start([Act::text(200, body)]).await;
        let error = gateway(&fake.url).complete("openai", "gpt-4o", &request()).await.unwrap_err();
        assert!(matches!(error, LlmError::BadAnswer { .. }), "{body}: {error}");
        fake.asked_once();
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_network_error() {
    let fake = Fake::start([Act::BreakOff]).await;
    let error = gateway(&fake.url).complete("openai", "gpt-4o", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::Network { .. }), "{error}");
    assert!(!error.to_string().contains("127.0.0.1"), "no address: {error}");
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_network_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = gateway(&url).complete("ollama", "m", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::Network { .. }), "{error}");
    assert!(error.retryable() && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_deadline() {
    for (provider, model) in REMOTES {
        let fake = Fake::start([Act::Slow(Duration::from_secs(30), good(provider, "x"))]).await;
        let mut config = config(&fake.url);
        config.limits.deadline = Duration::from_millis(200);
        config.limits.ollama_deadline = Duration::from_millis(200);
        let start = Instant::now();
        let gateway = Gateway::new(config).unwrap();
        let error = gateway.complete(provider.as_str(), model, &request()).await.unwrap_err();
        assert!(matches!(error, LlmError::Timeout { .. }), "{provider}: {error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{provider}");
        assert_eq!(error.to_string(), format!("{provider} gave no answer within 0.2 s"));
        fake.asked_once();
    }
}

#[tokio::test]
async fn no_wait_goes_beyond_the_deadline() {
    let fake = Fake::start([Act::text(503, "").header("retry-after", "4")]).await;
    let mut config = config(&fake.url);
    config.limits.deadline = Duration::from_secs(3);
    let start = Instant::now();
    let gateway = Gateway::new(config).unwrap();
    let error = gateway.complete("openai", "gpt-4o", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::Overloaded { .. }), "what failed, not a timeout: {error}");
    assert!(start.elapsed() < Duration::from_secs(2), "it did not wait for nothing");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(4)));
    fake.asked_once();
}

#[tokio::test]
async fn a_huge_answer_is_refused_before_it_is_held() {
    let mut limited = config("");
    limited.limits.max_answer_bytes = 256 * 1024;
    let announced = Act::text(200, &" ".repeat(256 * 1024 + 1));
    for act in [announced, Act::Flood(1024 * 1024 * 1024)] {
        let fake = Fake::start([act]).await;
        let openai = Endpoint { base_url: Some(fake.url.clone()), ..limited.openai.clone() };
        let mut config = limited.clone();
        config.openai = openai;
        config.ollama = Endpoint::default();
        for other in [&mut config.gemini, &mut config.anthropic, &mut config.openai_compatible] {
            *other = Endpoint::default();
        }
        let error = Gateway::new(config)
            .unwrap()
            .complete("openai", "gpt-4o", &request())
            .await
            .unwrap_err();
        assert!(matches!(error, LlmError::BadAnswer { .. }), "{error}");
        assert!(error.to_string().contains("more than 262144 bytes"), "{error}");
        fake.asked_once();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Fake::start([Act::json(200, &good(gencode_llm::Provider::OpenAi, "x"))]).await;
    for status in [301, 302, 307, 308] {
        let fake = Fake::start([Act::text(status, "").header("location", &elsewhere.url)]).await;
        let error = gateway(&fake.url).complete("openai", "gpt-4o", &request()).await.unwrap_err();
        assert!(matches!(error, LlmError::NotConfigured { .. }), "{status}: {error}");
        assert!(elsewhere.asked().is_empty(), "neither key nor prompt goes elsewhere");
    }
}

#[tokio::test]
async fn an_error_in_a_good_answer_is_an_error() {
    let error = json!({ "error": { "message": "Provider returned error", "code": 429 } });
    let fake = Fake::start([
        Act::json(200, &error),
        Act::json(200, &good(gencode_llm::Provider::OpenAiCompatible, "x")),
    ])
    .await;
    gateway(&fake.url).complete("openai-compatible", "local", &request()).await.unwrap();
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_paid_or_sent_is_never_sent() {
    let fake = Fake::start([Act::json(200, &good(gencode_llm::Provider::OpenAi, "x"))]).await;
    let gateway = gateway(&fake.url);
    let error = gateway.complete("openai", "gpt-77", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::UnknownModelPrice { .. }), "{error}");
    assert!(matches!(
        gateway.estimate_max_cost("openai", "gpt-77", &request()),
        Err(LlmError::UnknownModelPrice { .. })
    ));
    let error = gateway.complete("nobody", "m", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::NoSuchProvider(_)), "{error}");
    let ask = |change: fn(&mut CompletionRequest)| {
        let mut request = request();
        change(&mut request);
        request
    };
    for request in [
        ask(|request| request.messages.clear()),
        ask(|request| request.messages.truncate(1)),
        ask(|request| request.max_output_tokens = 0),
        ask(|request| request.temperature = f32::NAN),
        ask(|request| request.temperature = 2.1),
        ask(|request| request.messages = vec![Message::text(Role::User, "x"); 257]),
        ask(|request| {
            request.messages.push(Message::text(Role::User, "x".repeat(16 * 1024 * 1024)));
        }),
    ] {
        let error = gateway.complete("openai", "gpt-4o", &request).await.unwrap_err();
        assert!(matches!(error, LlmError::InvalidRequest { .. }), "{error}");
    }
    for model in ["a b", "a\nb", "ä", &"m".repeat(201)] {
        let error = gateway.complete("ollama", model, &request()).await.unwrap_err();
        assert!(matches!(error, LlmError::InvalidRequest { .. }), "{error}");
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn calls_to_one_provider_queue_when_there_are_many() {
    let fake = Fake::start([Act::Slow(
        Duration::from_millis(40),
        good(gencode_llm::Provider::Ollama, "x"),
    )])
    .await;
    let mut config = config(&fake.url);
    config.limits = Limits { concurrency: 2, ..config.limits };
    let gateway = Gateway::new(config).unwrap();
    let request = request();
    let calls = (0..8).map(|_| gateway.complete("ollama", "m", &request));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(fake.asked().len(), 8);
    assert_eq!(fake.busiest(), 2);
}

#[tokio::test]
async fn the_jitter_is_the_callers() {
    let fake = Fake::start([Act::text(500, "")]).await;
    let mut config = config(&fake.url);
    config.limits.backoff = Duration::from_mins(10);
    config.limits.max_backoff = Duration::from_mins(10);
    let gateway = Gateway::new(config).unwrap().with_jitter(Jitter::new(|| 0.0));
    gateway.complete("openai", "gpt-4o", &request()).await.unwrap_err();
    assert_eq!(fake.asked().len(), 3, "no wait at all");
}
