//! The offline model behind the gateway.

use std::time::Duration;

use gencode_llm::{
    Completion, CompletionRequest, Gateway, GatewayConfig, LanguageModel, Limits, LlmError,
    Message, Part, Role,
};
use rust_decimal::Decimal;

fn analysis(request: &str) -> CompletionRequest {
    CompletionRequest {
        task: "analysis".to_owned(),
        messages: vec![
            Message::text(Role::System, "You are Marcus."),
            Message { role: Role::User, parts: vec![Part::data("request", "text/plain", request)] },
        ],
        max_output_tokens: 4000,
        temperature: 0.0,
    }
}

async fn ask(request: &CompletionRequest) -> Result<Completion, LlmError> {
    Gateway::new(GatewayConfig::default()).unwrap().complete("offline", "", request).await
}

#[tokio::test]
async fn it_answers_for_free_and_always_the_same() {
    let request = analysis("A library with books and authors");
    let answer = ask(&request).await.unwrap();
    assert!(answer.text.contains("<<<DOCUMENT name=\"intent\""), "{}", answer.text);
    assert!(answer.text.trim_end().ends_with("<<<END_ANSWER>>>"), "{}", answer.text);
    let usage = &answer.usage;
    assert_eq!((usage.provider.as_str(), usage.model.as_str()), ("offline", "offline"));
    assert_eq!(usage.cost_usd, Decimal::ZERO);
    assert_eq!(usage.input_tokens, request.prompt_bytes().div_ceil(4) as u64);
    assert_eq!(usage.output_tokens, answer.text.len().div_ceil(4) as u64);
    assert_eq!(ask(&request).await.unwrap(), answer);
}

#[tokio::test]
async fn what_it_cannot_do_is_an_invalid_request() {
    let mut request = analysis("A library");
    request.task = "paint a picture".to_owned();
    let error = ask(&request).await.unwrap_err();
    assert!(matches!(error, LlmError::InvalidRequest { .. }), "{error}");
    assert!(error.to_string().contains("paint a picture"), "{error}");
}

#[tokio::test]
async fn it_has_a_deadline_too() {
    let limits = Limits { offline_deadline: Duration::ZERO, ..Limits::default() };
    let gateway = Gateway::new(GatewayConfig { limits, ..GatewayConfig::default() }).unwrap();
    // Long enough to read that no thread is done with it before it is looked at.
    let long = "A library with books. ".repeat(20_000);
    let error = gateway.complete("", "", &analysis(&long)).await.unwrap_err();
    assert!(matches!(error, LlmError::Timeout { .. }), "{error}");
}
