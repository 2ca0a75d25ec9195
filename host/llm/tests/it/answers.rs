//! What is sent to each provider, and how its answers are read.

use gencode_llm::{CompletionRequest, LanguageModel, LlmError, Message, Provider, Role};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::fake::{Act, Asked, Fake, KEY, REMOTES, RENDERED, gateway, good, request};

fn usd(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Sends [`request`] to a server that answers well, and returns what was sent.
async fn sent(provider: Provider, model: &str) -> Asked {
    let fake = Fake::start([Act::json(200, &good(provider, "Hello."))]).await;
    let answer = gateway(&fake.url).complete(provider.as_str(), model, &request()).await.unwrap();
    assert_eq!(answer.text, "Hello.");
    assert_eq!(answer.finish_reason, "stop");
    let usage = &answer.usage;
    assert_eq!((usage.provider.as_str(), usage.model.as_str()), (provider.as_str(), model));
    assert_eq!((usage.input_tokens, usage.output_tokens), (100, 20));
    let asked = fake.asked_once();
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.headers["content-type"], "application/json");
    asked
}

/// Reads one answer of a provider.
async fn read(
    provider: Provider,
    model: &str,
    body: &Value,
) -> Result<gencode_llm::Completion, LlmError> {
    let fake = Fake::start([Act::json(200, body)]).await;
    gateway(&fake.url).complete(provider.as_str(), model, &request()).await
}

#[tokio::test]
async fn openai_is_sent_chat_completions() {
    let asked = sent(Provider::OpenAi, "gpt-4o-mini").await;
    assert_eq!(asked.path, "/chat/completions");
    assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(
        asked.body,
        json!({
            "model": "gpt-4o-mini",
            "messages": [
                { "role": "system", "content": "You are Marcus." },
                { "role": "user", "content": RENDERED },
                { "role": "assistant", "content": "Which shop?" },
                { "role": "user", "content": "Books." },
            ],
            "stream": false, "max_completion_tokens": 1000, "temperature": 0.2,
        })
    );
}

#[tokio::test]
async fn a_model_without_temperature_is_sent_none() {
    let asked = sent(Provider::OpenAi, "gpt-5-mini").await;
    assert!(asked.body.get("temperature").is_none(), "{}", asked.body);
    let asked = sent(Provider::Anthropic, "claude-sonnet-5-5").await;
    assert!(asked.body.get("temperature").is_none(), "{}", asked.body);
}

#[tokio::test]
async fn a_compatible_server_is_sent_what_it_knows() {
    let asked = sent(Provider::OpenAiCompatible, "local").await;
    assert_eq!(asked.body["max_tokens"], 1000);
    assert!(asked.body.get("max_completion_tokens").is_none());
}

#[tokio::test]
async fn anthropic_is_sent_messages() {
    let asked = sent(Provider::Anthropic, "claude-haiku-4-5").await;
    assert_eq!(asked.path, "/v1/messages");
    assert_eq!(asked.headers["x-api-key"], KEY);
    assert_eq!(asked.headers["anthropic-version"], "2023-06-01");
    assert!(asked.headers.get("authorization").is_none());
    assert_eq!(
        asked.body,
        json!({
            "model": "claude-haiku-4-5", "max_tokens": 1000, "system": "You are Marcus.", "temperature": 0.2,
            "messages": [
                { "role": "user", "content": RENDERED },
                { "role": "assistant", "content": "Which shop?" },
                { "role": "user", "content": "Books." },
            ],
        })
    );
}

#[tokio::test]
async fn gemini_is_sent_contents_and_the_key_is_not_in_the_address() {
    let asked = sent(Provider::Gemini, "gemini-2.5-flash").await;
    assert_eq!(asked.path, "/v1beta/models/gemini-2.5-flash:generateContent");
    assert_eq!(asked.headers["x-goog-api-key"], KEY);
    assert_eq!(
        asked.body,
        json!({
            "contents": [
                { "role": "user", "parts": [{ "text": RENDERED }] },
                { "role": "model", "parts": [{ "text": "Which shop?" }] },
                { "role": "user", "parts": [{ "text": "Books." }] },
            ],
            "systemInstruction": { "parts": [{ "text": "You are Marcus." }] },
            "generationConfig": { "maxOutputTokens": 1000, "temperature": 0.2 },
        })
    );
}

#[tokio::test]
async fn ollama_is_sent_a_chat_with_room_for_the_prompt() {
    let asked = sent(Provider::Ollama, "qwen2.5-coder:7b").await;
    assert_eq!(asked.path, "/api/chat");
    assert_eq!(asked.body["stream"], false);
    assert_eq!(
        asked.body["options"],
        json!({ "num_predict": 1000, "num_ctx": 4096, "temperature": 0.2 })
    );
    assert_eq!(asked.body["messages"][1], json!({ "role": "user", "content": RENDERED }));

    let fake = Fake::start([Act::json(200, &good(Provider::Ollama, "x"))]).await;
    let long = CompletionRequest {
        messages: vec![Message::text(Role::User, "x".repeat(30_000))],
        ..request()
    };
    gateway(&fake.url).complete("ollama", "m", &long).await.unwrap();
    assert_eq!(
        fake.asked_once().body["options"]["num_ctx"],
        12_288,
        "10,000 + 1,000 in steps of 4,096"
    );
}

#[tokio::test]
async fn cost_is_what_the_provider_counted_at_list_price() {
    for ((provider, model), expected) in
        REMOTES.into_iter().zip(["0.000027", "0.0002", "0.00008", "0", "0.00014"])
    {
        let answer = read(provider, model, &good(provider, "x")).await.unwrap();
        assert_eq!(answer.usage.cost_usd, usd(expected), "{provider}");
    }
}

#[tokio::test]
async fn thoughts_and_cached_tokens_are_counted() {
    let mut body = good(Provider::Gemini, "x");
    body["usageMetadata"]["thoughtsTokenCount"] = json!(500);
    body["usageMetadata"]["cachedContentTokenCount"] = json!(50);
    body["candidates"][0]["content"]["parts"] =
        json!([{ "text": "hidden", "thought": true }, { "text": "seen" }]);
    let answer = read(Provider::Gemini, "gemini-2.5-flash", &body).await.unwrap();
    assert_eq!(answer.text, "seen");
    assert_eq!(answer.usage.output_tokens, 520);
    assert_eq!(answer.usage.cost_usd, usd("0.0013165"), "50 × 0.30 + 50 × 0.03 + 520 × 2.50");

    let mut body = good(Provider::OpenAi, "x");
    body["usage"]["prompt_tokens_details"] = json!({ "cached_tokens": 40 });
    let answer = read(Provider::OpenAi, "gpt-4o-mini", &body).await.unwrap();
    assert_eq!(answer.usage.cost_usd, usd("0.000024"), "60 × 0.15 + 40 × 0.075 + 20 × 0.60");

    let mut body = good(Provider::Anthropic, "x");
    body["usage"]["cache_read_input_tokens"] = json!(10);
    body["content"] = json!([{ "type": "thinking", "thinking": "hm", "signature": "" }, { "type": "text", "text": "a" }, { "type": "text", "text": "b" }]);
    let answer = read(Provider::Anthropic, "claude-haiku-4-5", &body).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.usage.input_tokens), ("ab", 110));
}

#[tokio::test]
async fn an_answer_cut_off_by_the_limit_says_length() {
    let cases = [
        (Provider::OpenAi, "gpt-4o-mini", "/choices/0/finish_reason", "length"),
        (Provider::Anthropic, "claude-haiku-4-5", "/stop_reason", "max_tokens"),
        (Provider::Gemini, "gemini-2.5-flash", "/candidates/0/finishReason", "MAX_TOKENS"),
        (Provider::Ollama, "m", "/done_reason", "length"),
        (Provider::OpenAiCompatible, "local", "/choices/0/finish_reason", "length"),
    ];
    for (provider, model, place, word) in cases {
        let mut body = good(provider, "<<<FILE");
        *body.pointer_mut(place).unwrap() = json!(word);
        let answer = read(provider, model, &body).await.unwrap();
        assert_eq!(answer.finish_reason, "length", "{provider}");
        // A thinking model may spend the whole limit before its first word.
        let mut body = good(provider, "");
        *body.pointer_mut(place).unwrap() = json!(word);
        assert_eq!(read(provider, model, &body).await.unwrap().text, "", "{provider}");
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_that_knows_its_cost() {
    let cases = [
        (Provider::OpenAi, "gpt-4o-mini", "/choices/0/finish_reason", json!("content_filter")),
        (
            Provider::OpenAi,
            "gpt-4o-mini",
            "/choices/0/message/refusal",
            json!("I can't help with that."),
        ),
        (Provider::Anthropic, "claude-haiku-4-5", "/stop_reason", json!("refusal")),
        (Provider::Gemini, "gemini-2.5-flash", "/candidates/0/finishReason", json!("SAFETY")),
    ];
    for (provider, model, place, word) in cases {
        let mut body = good(provider, "");
        *body.pointer_mut(place).unwrap() = word;
        let error = read(provider, model, &body).await.unwrap_err();
        assert!(matches!(error, LlmError::ContentFiltered { .. }), "{provider}: {error}");
        assert_eq!(error.usage().unwrap().input_tokens, 100, "{provider}");
        assert!(error.usage().unwrap().cost_usd > Decimal::ZERO);
    }
    let blocked = json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" }, "usageMetadata": { "promptTokenCount": 7 } });
    let error = read(Provider::Gemini, "gemini-2.5-flash", &blocked).await.unwrap_err();
    assert!(matches!(error, LlmError::ContentFiltered { .. }), "{error}");
    assert_eq!(error.usage().unwrap().input_tokens, 7);
}

#[tokio::test]
async fn an_answer_that_lacks_something_is_bad_and_never_free() {
    for (provider, model) in REMOTES {
        let usage = match provider {
            Provider::Gemini => "usageMetadata",
            Provider::Ollama => "eval_count",
            _ => "usage",
        };
        let mut body = good(provider, "Hello.");
        body.as_object_mut().unwrap().remove(usage);
        let error = read(provider, model, &body).await.unwrap_err();
        assert!(matches!(error, LlmError::BadAnswer { .. }), "{provider} without usage: {error}");
        let error = read(provider, model, &good(provider, "")).await.unwrap_err();
        assert!(matches!(error, LlmError::BadAnswer { .. }), "{provider} without text: {error}");
        assert_eq!(error.usage().unwrap().output_tokens, 20, "{provider}: paid all the same");
        for body in [
            json!({}),
            json!([]),
            json!(null),
            json!("x"),
            json!({ "choices": [], "candidates": [], "content": 1 }),
        ] {
            let error = read(provider, model, &body).await.unwrap_err();
            assert!(matches!(error, LlmError::BadAnswer { .. }), "{provider} {body}: {error}");
        }
    }
}
