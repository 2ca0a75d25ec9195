//! Steps, their journal and their commit.

use gencode_core::{event::EventBody, run::StepStatus};

use super::*;
use crate::{Document, StoreError};

on_both! {
    a_recovered_step_keeps_its_attempt_and_a_repeated_one_gets_the_next,
    an_illegal_step_transition_is_refused_and_leaves_nothing,
    a_journal_comes_back_as_it_was,
    an_answer_that_was_changed_is_noticed,
    journal_and_ledger_are_written_together_or_not_at_all,
    a_commit_is_all_or_nothing,
    a_checkpoint_on_an_old_state_is_refused,
    the_newest_document_of_a_name_wins,
}

fn started(attempt: u32) -> Vec<EventBody> {
    let (step, title, performer) =
        ("analysis".to_owned(), "Analysis".to_owned(), "Marcus".to_owned());
    vec![EventBody::StepStarted { step, title, performer, attempt }]
}

async fn a_recovered_step_keeps_its_attempt_and_a_repeated_one_gets_the_next(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    assert_eq!(
        fixture.store.begin_step(&lease, "analysis", None, started).await.unwrap().attempt,
        1
    );
    fixture.store.renew(&lease, 0).await.unwrap();
    let lease = fixture.claim(2).await.unwrap().lease;
    assert_eq!(
        fixture.store.begin_step(&lease, "analysis", None, started).await.unwrap().attempt,
        1
    );
    let back = StepCommit { reason: "fault".to_owned(), ..commit("analysis", StepStatus::Waiting) };
    fixture.store.commit_step(&lease, &back).await.unwrap();
    assert_eq!(
        fixture.store.begin_step(&lease, "analysis", None, started).await.unwrap().attempt,
        2
    );
    let events = fixture.store.events_after(&pid("shop"), 0, 100).await.unwrap();
    let tries: Vec<u32> = events
        .iter()
        .filter_map(|event| match event.body {
            EventBody::StepStarted { attempt, .. } => Some(attempt),
            _ => None,
        })
        .collect();
    assert_eq!(tries, [1, 2]);
    let missing = fixture.store.begin_step(&lease, "nothing", None, |_| vec![]).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { what: "step", .. }));
}

async fn an_illegal_step_transition_is_refused_and_leaves_nothing(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let never_begun = StepCommit {
        events: vec![EventBody::RunQueued],
        checkpoint: Some(checkpoint(1, None)),
        ..commit("analysis", StepStatus::Completed)
    };
    let error = fixture.store.commit_step(&lease, &never_begun).await.unwrap_err();
    assert_eq!(error.to_string(), "a step that is `waiting` cannot become `completed`");
    fixture.complete(&lease, "analysis").await;
    for status in StepStatus::ALL {
        let again = fixture.store.commit_step(&lease, &commit("analysis", status)).await;
        assert!(matches!(again, Err(StoreError::Illegal(_))), "{status:?}");
    }
    let again = fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await;
    assert!(matches!(again, Err(StoreError::Illegal(_))));
    assert_eq!(fixture.store.latest_checkpoint(&pid("shop")).await.unwrap(), None);
}

async fn a_journal_comes_back_as_it_was(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    for path in ["0", "1/0", "1/1", "2"] {
        let mut made = entry("analysis", 1, path, None);
        fixture.store.journal_append(&lease, &made).await.unwrap();
        let again = fixture.store.journal_append(&lease, &made).await.unwrap_err();
        assert!(matches!(again, StoreError::Conflict(_)), "{again}");
        made.attempt = 2;
        let other = fixture.store.journal_append(&lease, &made).await.unwrap_err();
        assert!(matches!(other, StoreError::Conflict(_)), "not the try that is going on");
    }
    let loaded = fixture.store.journal_load(rid(1), "analysis", 1).await.unwrap();
    let expected: Vec<_> =
        ["0", "1/0", "1/1", "2"].iter().map(|path| entry("analysis", 1, path, None)).collect();
    assert_eq!(loaded, expected);
    assert!(fixture.store.journal_load(rid(1), "analysis", 2).await.unwrap().is_empty());
    let foreign = JournalEntry { run: rid(2), ..entry("analysis", 1, "3", None) };
    assert!(fixture.store.journal_append(&lease, &foreign).await.is_err());
}

async fn journal_and_ledger_are_written_together_or_not_at_all(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    let store = &fixture.store;
    store.journal_append(&lease, &entry("analysis", 1, "0", Some("0.1"))).await.unwrap();
    // The journal row is refused after the ledger could have been written, and the other way round.
    store.journal_append(&lease, &entry("analysis", 1, "0", Some("5"))).await.unwrap_err();
    fixture.refuse_rows_of("ledger").await;
    store.journal_append(&lease, &entry("analysis", 1, "1", Some("7"))).await.unwrap_err();
    let paths: Vec<_> = store.journal_load(rid(1), "analysis", 1).await.unwrap();
    assert_eq!(paths.len(), 1, "the second call left no half");
    fixture.take_rows_again().await;
    store.journal_append(&lease, &entry("analysis", 1, "1", Some("0.2"))).await.unwrap();
    let totals = store.run_totals(rid(1)).await.unwrap();
    assert_eq!(totals.all.calls, 2);
    assert_eq!(totals.all.cost_usd.to_string(), "0.3", "exact, not 0.30000000000000004");
    assert_eq!(totals.by_step["analysis"].input_tokens, 200);
    assert_eq!(totals.by_agent["Marcus"].output_tokens, 40);
    assert_eq!(store.project_totals(&pid("shop")).await.unwrap(), totals);
    let page = store.ledger(&pid("shop"), 0, 1).await.unwrap();
    let rest = store.ledger(&pid("shop"), page[0].n, 10).await.unwrap();
    assert_eq!((page.len(), rest.len()), (1, 1));
    assert_eq!(page[0].entry, entry("analysis", 1, "0", Some("0.1")).ledger.unwrap());
    assert_eq!(store.ledger_of_run(rid(1)).await.unwrap()[1], rest[0].entry);
}

async fn a_commit_is_all_or_nothing(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    let document = Document {
        name: "intent".to_owned(),
        media_type: "application/json".to_owned(),
        content: "{}".to_owned(),
    };
    let full = StepCommit {
        documents: vec![document.clone()],
        checkpoint: Some(checkpoint(1, None)),
        events: vec![EventBody::FilesCommitted {
            step: "analysis".to_owned(),
            paths: vec!["a".to_owned()],
            checkpoint: cid(1),
        }],
        ..commit("analysis", StepStatus::Completed)
    };
    let before = fixture.store.last_seq(&pid("shop")).await.unwrap();
    // Each table refuses once; nothing of the others stays.
    for table in ["documents", "checkpoints", "events"] {
        fixture.refuse_rows_of(table).await;
        fixture.store.commit_step(&lease, &full).await.unwrap_err();
        fixture.take_rows_again().await;
        assert_eq!(fixture.store.steps(rid(1)).await.unwrap()[0].status, StepStatus::Running);
        assert!(fixture.store.documents(rid(1)).await.unwrap().is_empty());
        assert_eq!(fixture.store.latest_checkpoint(&pid("shop")).await.unwrap(), None);
        assert_eq!(fixture.store.last_seq(&pid("shop")).await.unwrap(), before);
    }
    fixture.store.commit_step(&lease, &full).await.unwrap();
    let step = fixture.store.steps(rid(1)).await.unwrap().remove(0);
    assert_eq!(
        (step.status, step.report["summary"].as_str()),
        (StepStatus::Completed, Some("done"))
    );
    assert!(step.finished_at.is_some());
    assert_eq!(fixture.store.document(rid(1), "intent").await.unwrap(), document);
    assert_eq!(fixture.store.latest_checkpoint(&pid("shop")).await.unwrap().unwrap().id, cid(1));
    assert_eq!(fixture.store.last_seq(&pid("shop")).await.unwrap(), before + 1);
}

async fn a_checkpoint_on_an_old_state_is_refused(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    let user = NewCheckpoint { author: CheckpointAuthor::User, run: None, ..checkpoint(1, None) };
    let saved = store.add_checkpoint(&user, vec![EventBody::RunQueued]).await.unwrap();
    assert_eq!(store.checkpoint(cid(1)).await.unwrap(), saved);
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    let stale = StepCommit {
        checkpoint: Some(checkpoint(2, None)),
        ..commit("analysis", StepStatus::Completed)
    };
    let error = store.commit_step(&lease, &stale).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    let merged = StepCommit { checkpoint: Some(checkpoint(2, Some(1))), ..stale };
    store.commit_step(&lease, &merged).await.unwrap();
    let list = store.checkpoints(&pid("shop"), 10).await.unwrap();
    let ids: Vec<_> = list.iter().map(|checkpoint| checkpoint.id).collect();
    assert_eq!(ids, [cid(2), cid(1)]);
    let foreign = NewCheckpoint { project: pid("nobody"), ..checkpoint(3, None) };
    let error = store.add_checkpoint(&foreign, vec![]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }));
}

async fn the_newest_document_of_a_name_wins(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let put = async |lease: &Lease, step: &str, name: &str, content: &str| {
        fixture.store.begin_step(lease, step, None, |_| vec![]).await.unwrap();
        let document = Document {
            name: name.to_owned(),
            media_type: "text/plain".to_owned(),
            content: content.to_owned(),
        };
        let done = StepCommit { documents: vec![document], ..commit(step, StepStatus::Completed) };
        fixture.store.commit_step(lease, &done).await.unwrap();
    };
    put(&lease, "analysis", "intent", "one").await;
    put(&lease, "architecture", "intent", "two").await;
    put(&lease, "backend", "contract", "three").await;
    assert_eq!(fixture.store.document(rid(1), "intent").await.unwrap().content, "two");
    let finish = gencode_core::run::RunStatus::Completed;
    fixture.store.finish_run(&lease, finish, "", vec![]).await.unwrap();
    fixture.store.start_run(new_run("shop", 2)).await.unwrap();
    let lease = fixture.claim(1).await.unwrap().lease;
    put(&lease, "analysis", "intent", "four").await;
    let documents = fixture.store.project_documents(&pid("shop")).await.unwrap();
    let found: Vec<_> = documents.iter().map(|d| (d.name.as_str(), d.content.as_str())).collect();
    assert_eq!(found, [("contract", "three"), ("intent", "four")]);
    let missing = fixture.store.document(rid(1), "nothing").await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { what: "document", .. }));
}

async fn an_answer_that_was_changed_is_noticed(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    store.journal_append(&lease, &entry("analysis", 1, "0/1", None)).await.unwrap();
    for (harm, heal) in [
        ("reply = replace(reply, 'ok', 'no')", "reply = replace(reply, 'no', 'ok')"),
        ("call = replace(call, 'llm', 'lle')", "call = replace(call, 'lle', 'llm')"),
    ] {
        fixture.raw(format!("UPDATE journal SET {harm}")).await.unwrap();
        let error = store.journal_load(rid(1), "analysis", 1).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("call 0/1 of step `analysis`"), "{text}");
        fixture.raw(format!("UPDATE journal SET {heal}")).await.unwrap();
        assert_eq!(store.journal_load(rid(1), "analysis", 1).await.unwrap().len(), 1);
    }
}
