//! Recording calls and playing them back.

use std::sync::Arc;

use gencode_llm::{LanguageModel, LlmError, Provider, Recorder, RecorderMode};
use rust_decimal::Decimal;

use crate::fake::{Act, Fake, gateway, good, request};

#[tokio::test]
async fn a_recorded_call_is_played_back_without_the_provider() {
    let dir = tempfile::tempdir().unwrap();
    let calls = dir.path().join("calls");
    let fake = Fake::start([
        Act::json(200, &good(Provider::OpenAi, "one")),
        Act::json(200, &good(Provider::OpenAi, "two")),
    ])
    .await;
    let mut other = request();
    other.task = "review".to_owned();
    let recorder = Recorder::new(&calls, RecorderMode::Record(Arc::new(gateway(&fake.url))));
    assert!(recorder.estimate_max_cost("openai", "gpt-4o", &other).unwrap() > Decimal::ZERO);
    let one = recorder.complete("openai", "gpt-4o", &request()).await.unwrap();
    recorder.complete("openai", "gpt-4o", &other).await.unwrap();
    let names: Vec<_> = std::fs::read_dir(&calls)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "no drafts are left: {names:?}");

    let player = Recorder::new(&calls, RecorderMode::Replay);
    let again = player.complete("openai", "gpt-4o", &request()).await.unwrap();
    assert_eq!((again.text.as_str(), again.usage.input_tokens), ("one", one.usage.input_tokens));
    assert_eq!(again.usage.cost_usd, Decimal::ZERO, "nothing was paid");
    assert!(one.usage.cost_usd > Decimal::ZERO);
    assert_eq!(player.complete("openai", "gpt-4o", &other).await.unwrap().text, "two");
    assert_eq!(player.estimate_max_cost("openai", "gpt-4o", &other).unwrap(), Decimal::ZERO);
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn a_call_that_differs_in_anything_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start([Act::json(200, &good(Provider::OpenAi, "one"))]).await;
    let recorder = Recorder::new(dir.path(), RecorderMode::Record(Arc::new(gateway(&fake.url))));
    recorder.complete("openai", "gpt-4o", &request()).await.unwrap();
    let player = Recorder::new(dir.path(), RecorderMode::Replay);
    let mut warmer = request();
    warmer.temperature = 0.3;
    let mut longer = request();
    longer.max_output_tokens += 1;
    for (provider, model, request) in [
        ("openai", "gpt-4o-mini", request()),
        ("gemini", "gpt-4o", request()),
        ("openai", "gpt-4o", warmer),
        ("openai", "gpt-4o", longer),
    ] {
        let error = player.complete(provider, model, &request).await.unwrap_err();
        assert!(
            matches!(&error, LlmError::NotRecorded { digest, .. } if *digest == request.digest(provider, model)),
            "{error}"
        );
        assert!(!error.retryable());
    }
    player.complete("openai", "gpt-4o", &request()).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_known_before_anything_is_paid() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let fake = Fake::start([Act::json(200, &good(Provider::OpenAi, "one"))]).await;
    let recorder = Recorder::new(&file, RecorderMode::Record(Arc::new(gateway(&fake.url))));
    let error = recorder.complete("openai", "gpt-4o", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::Recording { .. }), "{error}");
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn a_damaged_record_is_an_error_not_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{}.json", request().digest("openai", "gpt-4o"));
    std::fs::write(dir.path().join(name), "{\"provider\":").unwrap();
    let player = Recorder::new(dir.path(), RecorderMode::Replay);
    let error = player.complete("openai", "gpt-4o", &request()).await.unwrap_err();
    assert!(matches!(error, LlmError::Recording { .. }), "{error}");
}
