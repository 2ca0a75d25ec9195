//! The offline model behind the same door as the others.

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    error::LlmError,
    gateway::usage,
    offline,
    price::{Price, Tokens},
    provider::Provider,
    request::{Completion, CompletionRequest},
};

/// Asks the offline model. It reads the task and the data parts, nothing else; it needs no limit of
/// tokens, because its answers are as long as the application is.
pub(crate) async fn complete(
    slot: Option<OwnedSemaphorePermit>,
    model: &str,
    request: &CompletionRequest,
) -> Result<Completion, LlmError> {
    let prompt_bytes = request.prompt_bytes();
    let task = request.task.clone();
    let documents: Vec<(String, String)> = request
        .documents()
        .into_iter()
        .map(|(name, content)| (name.to_owned(), content.to_owned()))
        .collect();
    let text = on_its_own_thread(slot, move || offline::answer(&task, &documents))
        .await?
        .map_err(|error| LlmError::InvalidRequest { detail: chain(&error) })?;
    let tokens = Tokens { input: tokens(prompt_bytes), cached: 0, output: tokens(text.len()) };
    let usage = usage(Provider::Offline, model, &Price::free(Provider::Offline), tokens);
    Ok(Completion { text, finish_reason: "stop".to_owned(), usage })
}

/// Runs `work` where it holds up nobody.
///
/// Work that outlives its call's deadline cannot be stopped, only left behind; it keeps its slot, so
/// that such work does not pile up.
async fn on_its_own_thread<T: Send + 'static>(
    slot: Option<OwnedSemaphorePermit>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LlmError> {
    let work = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    work.await.map_err(|error| LlmError::BadAnswer {
        provider: Provider::Offline.to_string(),
        detail: if error.is_panic() { "it panicked" } else { "it was stopped" }.to_owned(),
        usage: None,
    })
}

/// Tokens of the offline model, which has none: four bytes each, rounded up. A rule, not a guess,
/// so that the same run always shows the same numbers.
fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// An error with its causes, since the caller gets only its text.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_bad_answer_and_frees_its_slot() {
        let slots = Arc::new(Semaphore::new(1));
        let slot = slots.clone().acquire_owned().await.ok();
        let error = on_its_own_thread(slot, || panic!("oops")).await.map(|()| "fine").unwrap_err();
        assert!(matches!(error, LlmError::BadAnswer { .. }), "{error}");
        assert_eq!(slots.available_permits(), 1);
    }

    #[test]
    fn tokens_follow_the_rule() {
        assert_eq!([0, 1, 4, 5].map(tokens), [0, 1, 1, 2]);
    }
}
