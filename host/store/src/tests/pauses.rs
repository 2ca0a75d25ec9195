//! Waiting for answers and moments.

use gencode_core::{event::EventBody, run::RunStatus};

use super::*;
use crate::{ClaimKind, Pause, Question, StoreError};

on_both! {
    an_answer_becomes_the_reply_of_the_call_that_asked,
    a_pause_without_a_question_is_resumed_by_hand_or_by_time,
    a_paused_run_can_be_stopped,
}

fn question() -> Question {
    Question {
        step: "analysis".to_owned(),
        attempt: 1,
        path: "3".to_owned(),
        digest: Digest::of(b"ask"),
        call: json!({"ask": "which colour?"}),
        text: "Which colour?".to_owned(),
        options: vec!["red".to_owned(), "blue".to_owned()],
        default: "red".to_owned(),
    }
}

fn resumed() -> Vec<EventBody> {
    vec![EventBody::RunResumed { message: "go".to_owned() }]
}

async fn an_answer_becomes_the_reply_of_the_call_that_asked(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    store.journal_append(&lease, &entry("analysis", 1, "2", None)).await.unwrap();
    let pause =
        Pause { question: Some(question()), reason: "a question".to_owned(), ..Pause::default() };
    store.pause_run(&lease, &pause).await.unwrap();
    assert_eq!(fixture.claim(2).await, None, "nobody works on a paused run");
    assert_eq!(store.question(rid(1)).await.unwrap(), Some(question()));
    let run = store.run(rid(1)).await.unwrap();
    assert_eq!((run.status, run.reason.as_str()), (RunStatus::Paused, "a question"));
    let error = store.resume_run(rid(1), resumed()).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "it needs an answer");

    let run = store.answer_run(rid(1), json!({"ok": "blue"}), resumed()).await.unwrap();
    assert_eq!((run.status, run.reason.as_str()), (RunStatus::Running, ""));
    assert_eq!(run.request, "a shop", "the answer does not replace the request");
    assert_eq!(store.question(rid(1)).await.unwrap(), None);
    let error = store.answer_run(rid(1), json!("again"), vec![]).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)));
    let claimed = fixture.claim(2).await.unwrap();
    assert_eq!(claimed.kind, ClaimKind::Resumed);
    assert_eq!(
        store.begin_step(&claimed.lease, "analysis", None, |_| vec![]).await.unwrap().attempt,
        1
    );
    let journal = store.journal_load(rid(1), "analysis", 1).await.unwrap();
    assert_eq!(journal.len(), 2);
    assert_eq!((journal[1].path.as_str(), &journal[1].reply), ("3", &json!({"ok": "blue"})));
    assert_eq!((journal[1].digest, &journal[1].call), (question().digest, &question().call));
}

async fn a_pause_without_a_question_is_resumed_by_hand_or_by_time(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.pause_run(&lease, &Pause::default()).await.unwrap();
    assert!(store.resume_due().await.unwrap().is_empty(), "no time was set");
    store.resume_run(rid(1), resumed()).await.unwrap();
    let error = store.resume_run(rid(1), vec![]).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "it is not paused");

    let lease = fixture.claim(2).await.unwrap().lease;
    let far = "2999-01-01T00:00:00Z".parse().unwrap();
    store.pause_run(&lease, &Pause { resume_at: Some(far), ..Pause::default() }).await.unwrap();
    assert!(store.resume_due().await.unwrap().is_empty());
    store.resume_run(rid(1), vec![]).await.unwrap();
    let lease = fixture.claim(3).await.unwrap().lease;
    store.pause_run(&lease, &Pause { resume_at: Some(at(0)), ..Pause::default() }).await.unwrap();
    // The timer is in the database: another process finds it.
    let other = fixture.other().await;
    assert_eq!(other.resume_due().await.unwrap(), [rid(1)]);
    assert!(fixture.claim(4).await.is_some());
}

async fn a_paused_run_can_be_stopped(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let pause = Pause { question: Some(question()), ..Pause::default() };
    fixture.store.pause_run(&lease, &pause).await.unwrap();
    fixture.store.stop_run(rid(1), "no").await.unwrap();
    assert_eq!(fixture.store.question(rid(1)).await.unwrap(), None);
    assert!(fixture.store.resume_run(rid(1), vec![]).await.is_err());
}
