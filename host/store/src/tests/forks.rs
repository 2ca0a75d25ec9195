//! Restored files and forked projects.

use gencode_core::{event::EventBody, project::ForkOrigin};

use super::*;
use crate::{Document, ForkError, NewFork, Restored, StoreError};

on_both! {
    checkpoints_come_in_pages_that_miss_none_and_repeat_none,
    a_restore_is_a_new_checkpoint_once,
    files_are_not_restored_under_a_run,
    a_fork_has_what_was_done_and_has_spent_nothing,
    a_fork_is_made_whole_or_not_at_all,
    what_a_step_began_from_is_found_through_a_continued_run,
    steps_whose_files_came_later_are_told_apart,
}

fn state(n: u128, parent: Option<u128>, manifest: &[u8]) -> NewCheckpoint {
    NewCheckpoint {
        manifest: Digest::of(manifest),
        author: CheckpointAuthor::User,
        run: None,
        step: String::new(),
        ..checkpoint(n, parent)
    }
}

async fn checkpoints_come_in_pages_that_miss_none_and_repeat_none(fixture: Fixture) {
    let store = &fixture.store;
    store.create_project(&project("shop", 0)).await.unwrap();
    store.create_project(&project("other", 1)).await.unwrap();
    for n in 1..=5 {
        store.add_checkpoint(&checkpoint(n, (n > 1).then(|| n - 1)), vec![]).await.unwrap();
    }
    let other = NewCheckpoint { project: pid("other"), ..checkpoint(9, None) };
    store.add_checkpoint(&other, vec![]).await.unwrap();
    let mut seen = Vec::new();
    let mut next = None;
    loop {
        let page = store.checkpoint_page(&pid("shop"), next, 2).await.unwrap();
        assert!(page.checkpoints.len() <= 2);
        seen.extend(page.checkpoints.iter().map(|checkpoint| checkpoint.id));
        // One that is added meanwhile does not move the pages.
        if next.is_none() {
            store.add_checkpoint(&checkpoint(6, Some(5)), vec![]).await.unwrap();
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(cid));
    let newest = &store.checkpoint_page(&pid("shop"), None, 1).await.unwrap().checkpoints[0];
    assert_eq!((newest.performer.as_str(), newest.note.as_str()), ("Marcus", "Analysis"));
}

async fn a_restore_is_a_new_checkpoint_once(fixture: Fixture) {
    let store = &fixture.store;
    store.create_project(&project("shop", 0)).await.unwrap();
    store.add_checkpoint(&state(1, None, b"old"), vec![]).await.unwrap();
    store.add_checkpoint(&state(2, Some(1), b"new"), vec![]).await.unwrap();
    let event = || EventBody::FilesRestored { from: cid(1), checkpoint: cid(3), paths: vec![] };

    let stale = store.restore_checkpoint(&state(3, Some(1), b"old"), vec![event()]).await.unwrap();
    assert_eq!(stale, Restored::Moved);
    let wanted = state(3, Some(2), b"old");
    let done = store.restore_checkpoint(&wanted, vec![event()]).await.unwrap();
    let Restored::Done(restored) = done else { panic!("{done:?}") };
    assert_eq!((restored.id, restored.parent), (cid(3), Some(cid(2))));
    // Again, whatever the caller believes to be the newest: nothing is written.
    for parent in [2, 3] {
        let again = state(4, Some(parent), b"old");
        let again = store.restore_checkpoint(&again, vec![event()]).await.unwrap();
        assert_eq!(again, Restored::Already(restored.clone()));
    }
    assert_eq!(store.latest_checkpoint(&pid("shop")).await.unwrap(), Some(restored));
    assert_eq!(store.last_seq(&pid("shop")).await.unwrap(), 1);
}

async fn files_are_not_restored_under_a_run(fixture: Fixture) {
    let store = &fixture.store;
    let lease = fixture.claimed().await.lease;
    store.add_checkpoint(&state(1, None, b"old"), vec![]).await.unwrap();
    store.add_checkpoint(&state(2, Some(1), b"new"), vec![]).await.unwrap();
    let before = store.last_seq(&pid("shop")).await.unwrap();
    let wanted = state(3, Some(2), b"old");
    let refused = store.restore_checkpoint(&wanted, vec![EventBody::RunQueued]).await.unwrap();
    assert!(matches!(&refused, Restored::Busy(run) if run.id == rid(1)), "{refused:?}");
    store.pause_run(&lease, &crate::Pause::default()).await.unwrap();
    let refused = store.restore_checkpoint(&wanted, vec![EventBody::RunQueued]).await.unwrap();
    assert!(matches!(refused, Restored::Busy(_)), "a paused run goes on later");
    assert_eq!(store.last_seq(&pid("shop")).await.unwrap(), before);
    store.stop_run(rid(1), "enough").await.unwrap();
    let done = store.restore_checkpoint(&wanted, vec![]).await.unwrap();
    assert!(matches!(done, Restored::Done(_)), "{done:?}");
}

fn origin() -> ForkOrigin {
    ForkOrigin { project: pid("shop"), run: rid(1), step: "architecture".to_owned() }
}

fn fork(at: Timestamp) -> NewFork {
    let new = new_run("fork", 7);
    NewFork {
        project: Project { forked_from: Some(origin()), ..project("fork", 5) },
        run: new.run,
        steps: new.steps,
        source: rid(1),
        taken_over: vec!["analysis".to_owned()],
        documents: vec!["intent".to_owned()],
        at,
        checkpoint: NewCheckpoint { project: pid("fork"), ..state(50, None, b"old") },
        events: vec![EventBody::ProjectForked {
            from: pid("shop"),
            run: rid(1),
            step: "architecture".to_owned(),
        }],
    }
}

/// A run whose first step is done, paid and documented, and whose second one began from `@base`.
async fn half_done(fixture: &Fixture) -> (Lease, Timestamp) {
    let store = &fixture.store;
    let lease = fixture.claimed().await.lease;
    store.add_checkpoint(&state(1, None, b"old"), vec![]).await.unwrap();
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    store.journal_append(&lease, &entry("analysis", 1, "0", Some("0.5"))).await.unwrap();
    put(fixture, &lease, "analysis", "one").await;
    store.begin_step(&lease, "architecture", None, |_| vec![]).await.unwrap();
    let base =
        JournalEntry { reply: json!({"manifest": "x"}), ..entry("architecture", 1, "@base", None) };
    store.journal_append(&lease, &base).await.unwrap();
    let found = store.step_base(rid(1), "architecture", "@base").await.unwrap().unwrap();
    assert_eq!((found.run, found.attempt, &found.value), (rid(1), 1, &base.reply));
    (lease, found.at)
}

async fn put(fixture: &Fixture, lease: &Lease, step: &str, content: &str) {
    let document = Document {
        name: "intent".to_owned(),
        media_type: "text/plain".to_owned(),
        content: content.to_owned(),
    };
    let done = StepCommit { documents: vec![document], ..commit(step, StepStatus::Completed) };
    fixture.store.commit_step(lease, &done).await.unwrap();
}

/// The database's clock has milliseconds: two writes may carry the same instant.
async fn a_moment_passes(fixture: &Fixture, after: Timestamp) {
    loop {
        let event = vec![EventBody::RunRecovered];
        fixture.store.append_events(&pid("shop"), None, event).await.unwrap();
        if fixture.store.project(&pid("shop")).await.unwrap().modified_at > after {
            return;
        }
    }
}

async fn a_fork_has_what_was_done_and_has_spent_nothing(fixture: Fixture) {
    let store = &fixture.store;
    let (_, at) = half_done(&fixture).await;
    let run = store.fork(fork(at)).await.unwrap();
    assert_eq!((run.status, &run.project), (RunStatus::Queued, &pid("fork")));

    let made = store.project(&pid("fork")).await.unwrap();
    assert_eq!(made.forked_from, Some(origin()));
    assert_eq!(made.status, ProjectStatus::Building, "its analysis is done");
    let steps = store.steps(rid(7)).await.unwrap();
    let of: Vec<_> = steps.iter().map(|step| (step.step.as_str(), step.status)).collect();
    let waiting = StepStatus::Waiting;
    assert_eq!(
        of,
        [("analysis", StepStatus::Completed), ("architecture", waiting), ("backend", waiting)]
    );
    assert_eq!(steps[0].report["summary"], "done");
    assert_eq!(store.document(rid(7), "intent").await.unwrap().content, "one");
    assert_eq!(store.run_totals(rid(7)).await.unwrap().all.calls, 0);
    assert_eq!(store.run_totals(rid(1)).await.unwrap().all.calls, 1);
    assert_eq!(store.latest_checkpoint(&pid("fork")).await.unwrap().unwrap().id, cid(50));
    let events = store.events_after(&pid("fork"), 0, 10).await.unwrap();
    assert!(matches!(events[0].body, EventBody::ProjectForked { .. }));
    assert!(matches!(events[1].body, EventBody::RunQueued));
    // Any host may take it up, also when the project it came from is gone.
    store.stop_run(rid(1), "enough").await.unwrap();
    store.delete_project(&pid("shop")).await.unwrap();
    let claimed = fixture.claim(2).await.unwrap();
    assert_eq!(claimed.run.id, rid(7));
}

async fn a_fork_is_made_whole_or_not_at_all(fixture: Fixture) {
    let store = &fixture.store;
    let (lease, at) = half_done(&fixture).await;
    a_moment_passes(&fixture, at).await;

    let undone = NewFork { taken_over: vec!["architecture".to_owned()], ..fork(at) };
    let error = store.fork(undone).await.unwrap_err();
    assert!(matches!(error, ForkError::Store(StoreError::Conflict(_))), "{error}");
    let taken = NewFork { project: project("shop", 5), ..fork(at) };
    assert!(matches!(store.fork(taken).await.unwrap_err(), ForkError::IdTaken));
    let unknown = NewFork { source: rid(99), ..fork(at) };
    let error = store.fork(unknown).await.unwrap_err();
    assert!(matches!(error, ForkError::Store(StoreError::NotFound { .. })), "{error}");
    // A later step put another document of that name in its place.
    put(&fixture, &lease, "architecture", "two").await;
    let error = store.fork(fork(at)).await.unwrap_err();
    assert!(matches!(&error, ForkError::DocumentChanged(name) if name == "intent"), "{error}");

    let error = store.project(&pid("fork")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }));
    assert!(store.run(rid(7)).await.is_err() && store.checkpoint(cid(50)).await.is_err());
}

async fn what_a_step_began_from_is_found_through_a_continued_run(fixture: Fixture) {
    let store = &fixture.store;
    let (lease, _) = half_done(&fixture).await;
    fixture
        .store
        .commit_step(&lease, &commit("architecture", StepStatus::Completed))
        .await
        .unwrap();
    store.stop_run(rid(1), "enough").await.unwrap();
    let next = NewRun { continues: Some(rid(1)), ..new_run("shop", 2) };
    store.start_run(next).await.unwrap();
    let found = store.step_base(rid(2), "architecture", "@base").await.unwrap().unwrap();
    assert_eq!(found.run, rid(1));
    assert_eq!(store.step_base(rid(2), "backend", "@base").await.unwrap(), None);
    assert_eq!(store.step_base(rid(99), "backend", "@base").await.unwrap(), None);
}

async fn steps_whose_files_came_later_are_told_apart(fixture: Fixture) {
    let store = &fixture.store;
    let (lease, at) = half_done(&fixture).await;
    let run = store.run(rid(1)).await.unwrap();
    let old = Digest::of(b"old");
    assert!(store.steps_beyond(&run, old, at).await.unwrap().is_empty());
    let done = StepCommit {
        checkpoint: Some(NewCheckpoint {
            step: "architecture".to_owned(),
            ..checkpoint(2, Some(1))
        }),
        ..commit("architecture", StepStatus::Completed)
    };
    store.commit_step(&lease, &done).await.unwrap();
    assert_eq!(store.steps_beyond(&run, old, at).await.unwrap(), ["architecture"]);
}
