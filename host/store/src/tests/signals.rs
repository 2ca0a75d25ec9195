//! What is wanted of runs, requests that may be repeated, and calls whose outcome nobody knows.

use gencode_core::{event::EventBody, run::RunStatus};
use jiff::SignedDuration;
use rust_decimal::Decimal;

use super::*;
use crate::{CallSite, ClaimKind, Once, Pause, Question, StartError, StoreError, Wanted};

on_both! {
    a_run_with_an_owner_is_only_marked,
    a_run_without_an_owner_pauses_at_once,
    an_owner_that_is_gone_is_not_asked,
    a_pause_is_taken_back_and_a_stop_is_not,
    a_paused_run_that_waited_for_a_moment_waits_for_a_person,
    a_reset_ends_everything_and_needs_no_readable_run,
    a_request_is_done_once,
    whoever_met_the_first_request_sees_its_answer,
    a_key_belongs_to_one_request,
    what_is_refused_leaves_its_key_free,
    old_requests_are_forgotten,
    an_intent_goes_with_the_answer,
    a_try_that_was_cut_off_stays_unconfirmed,
    a_postponed_call_waits_over_a_pause,
    an_intent_needs_the_lease,
    the_queue_has_an_end,
    a_run_that_waits_for_space_is_found,
    the_owner_tells_and_a_zombie_does_not,
}

fn once(key: &str, asked: &str, label: &'static str) -> Once {
    Once { key: key.to_owned(), digest: Digest::of(asked.as_bytes()), label }
}

fn site(path: &str) -> CallSite {
    CallSite { run: rid(1), step: "analysis".to_owned(), attempt: 1, path: path.to_owned() }
}

fn usd(text: &str) -> Decimal {
    text.parse().unwrap()
}

async fn a_run_with_an_owner_is_only_marked(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    let run = store.ask_pause(rid(1), "a break", None).await.unwrap();
    assert_eq!(run.status, RunStatus::Running);
    let owned = store.owned(&hid(1)).await.unwrap();
    assert_eq!(owned.len(), 1);
    assert_eq!((owned[0].wanted, owned[0].reason.as_str()), (Some(Wanted::Pause), "a break"));
    assert_eq!(owned[0].epoch, lease.epoch);
    assert_eq!(store.owned(&hid(2)).await.unwrap(), []);
    // It goes on writing until it is ready.
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    store.pause_run(&lease, &Pause::default()).await.unwrap();
    assert_eq!(store.standing(rid(1)).await.unwrap().wanted, None, "it is done");
    assert!(matches!(store.check_lease(&lease).await, Err(StoreError::LeaseLost(_))));

    store.ask_resume(rid(1), vec![], None).await.unwrap();
    let claimed = fixture.claim(2).await.unwrap();
    assert_eq!(claimed.kind, ClaimKind::Resumed);
    let run = store.ask_stop(rid(1), "enough").await.unwrap();
    assert_eq!(run.status, RunStatus::Running);
    assert_eq!(store.owned(&hid(2)).await.unwrap()[0].wanted, Some(Wanted::Stop));
}

async fn a_run_without_an_owner_pauses_at_once(fixture: Fixture) {
    let store = &fixture.store;
    store.create_project(&project("shop", 0)).await.unwrap();
    store.start_run(new_run("shop", 1)).await.unwrap();
    let run = store.ask_pause(rid(1), "a break", None).await.unwrap();
    assert_eq!((run.status, run.reason.as_str()), (RunStatus::Paused, "a break"));
    assert_eq!(fixture.claim(1).await, None);
    assert_eq!(store.ask_pause(rid(1), "again", None).await.unwrap().status, RunStatus::Paused);
    store.ask_resume(rid(1), vec![], None).await.unwrap();
    assert_eq!(fixture.claim(1).await.unwrap().kind, ClaimKind::Started, "nobody had worked on it");
    store.stop_run(rid(1), "enough").await.unwrap();
    for refused in
        [store.ask_pause(rid(1), "late", None).await, store.ask_resume(rid(1), vec![], None).await]
    {
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }
    assert_eq!(store.ask_stop(rid(1), "again").await.unwrap().reason, "enough");
}

async fn an_owner_that_is_gone_is_not_asked(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.expire_host(&hid(1)).await.unwrap();
    let run = store.ask_stop(rid(1), "enough").await.unwrap();
    assert_eq!((run.status, run.reason.as_str()), (RunStatus::Stopped, "enough"));
    assert!(matches!(store.check_lease(&lease).await, Err(StoreError::LeaseLost(_))));
}

async fn a_pause_is_taken_back_and_a_stop_is_not(fixture: Fixture) {
    fixture.claimed().await;
    let store = &fixture.store;
    store.ask_pause(rid(1), "a break", None).await.unwrap();
    store.ask_resume(rid(1), vec![], None).await.unwrap();
    assert_eq!(store.standing(rid(1)).await.unwrap().wanted, None);
    store.ask_stop(rid(1), "enough").await.unwrap();
    store.ask_pause(rid(1), "a break", None).await.unwrap();
    store.ask_resume(rid(1), vec![], None).await.unwrap();
    let owned = store.owned(&hid(1)).await.unwrap();
    assert_eq!((owned[0].wanted, owned[0].reason.as_str()), (Some(Wanted::Stop), "enough"));
}

async fn a_paused_run_that_waited_for_a_moment_waits_for_a_person(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    let pause = Pause { resume_at: Some(at(0)), ..Pause::default() };
    store.pause_run(&lease, &pause).await.unwrap();
    assert_eq!(store.standing(rid(1)).await.unwrap().resume_at, Some(at(0)));
    store.ask_pause(rid(1), "a break", None).await.unwrap();
    assert_eq!(store.resume_due().await.unwrap(), []);
    store.ask_resume(rid(1), vec![], None).await.unwrap();
    assert!(fixture.claim(1).await.is_some());
}

async fn a_reset_ends_everything_and_needs_no_readable_run(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    fixture.raw("UPDATE runs SET generation = 'not json', kind = '{'").await.unwrap();
    assert!(store.run(rid(1)).await.is_err(), "it is damaged");
    assert_eq!(store.reset_project(&pid("shop"), "reset").await.unwrap(), 1);
    assert_eq!(store.project(&pid("shop")).await.unwrap().status, ProjectStatus::Failed);
    assert!(matches!(store.check_lease(&lease).await, Err(StoreError::LeaseLost(_))));
    let last = store.last_seq(&pid("shop")).await.unwrap();
    let events = store.events_after(&pid("shop"), last - 1, 10).await.unwrap();
    assert_eq!(events[0].body, EventBody::RunStopped { reason: "reset".to_owned() });
    store.start_run(new_run("shop", 2)).await.unwrap();
    // Nothing to reset is no event.
    store.reset_project(&pid("shop"), "reset").await.unwrap();
    let last = store.last_seq(&pid("shop")).await.unwrap();
    assert_eq!(store.reset_project(&pid("shop"), "reset").await.unwrap(), 0);
    assert_eq!(store.last_seq(&pid("shop")).await.unwrap(), last);
}

async fn a_request_is_done_once(fixture: Fixture) {
    let store = &fixture.store;
    let create = once("k1", "create shop", "created");
    let shop = project("shop", 0);
    store.create_project_once(&shop, Some(&create)).await.unwrap();
    let error = store.create_project_once(&project("other", 0), Some(&create)).await.unwrap_err();
    assert!(matches!(error, StoreError::Repeated), "{error}");
    assert!(store.project(&pid("other")).await.is_err(), "nothing of the repeat is there");
    let kept = store.outcome(&create).await.unwrap().unwrap();
    assert_eq!(kept.label, "created");
    assert_eq!(serde_json::from_value::<Project>(kept.value).unwrap(), shop);

    let start = once("k2", "start", "started");
    store.start_run_once(new_run("shop", 1), Some(&start), None).await.unwrap();
    store.stop_run(rid(1), "enough").await.unwrap();
    let again = store.start_run_once(new_run("shop", 2), Some(&start), None).await;
    assert!(matches!(again, Err(StartError::Store(StoreError::Repeated))), "{again:?}");
    assert_eq!(store.runs_of(&pid("shop"), 9).await.unwrap().len(), 1);

    let pause = once("k3", "pause", "pause");
    store.start_run(new_run("shop", 3)).await.unwrap();
    store.ask_pause(rid(3), "a break", Some(&pause)).await.unwrap();
    store.ask_resume(rid(3), vec![], None).await.unwrap();
    let error = store.ask_pause(rid(3), "a break", Some(&pause)).await.unwrap_err();
    assert!(matches!(error, StoreError::Repeated), "{error}");
    assert_eq!(store.run(rid(3)).await.unwrap().status, RunStatus::Running, "it stays resumed");
}

async fn whoever_met_the_first_request_sees_its_answer(fixture: Fixture) {
    let store = &fixture.store;
    for round in 0..10 {
        let key = once(&format!("make-{round}"), "a club", "created");
        let makes = (0..40).map(|number| {
            let (key, id) = (key.clone(), format!("club-{round}-{number}"));
            async move {
                match store.create_project_once(&project(&id, 0), Some(&key)).await {
                    // Its answer may still be on its way to the disk.
                    Err(StoreError::Repeated) => store.outcome_by_now(&key).await.unwrap(),
                    made => {
                        made.unwrap();
                        store.outcome(&key).await.unwrap()
                    }
                }
            }
        });
        let answers = futures_util::future::join_all(makes).await;
        let first = answers[0].as_ref().expect("the answer is there");
        assert!(answers.iter().all(|answer| answer.as_ref() == Some(first)), "{answers:?}");
    }
}

async fn a_key_belongs_to_one_request(fixture: Fixture) {
    let store = &fixture.store;
    store.keep_outcome(&once("k", "one", "done"), &1).await.unwrap();
    store.keep_outcome(&once("k", "one", "done"), &2).await.unwrap();
    let kept = store.outcome(&once("k", "one", "done")).await.unwrap().unwrap();
    assert_eq!(kept.value, json!(1), "the first answer stays");
    let error = store.outcome(&once("k", "other", "done")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    assert_eq!(store.outcome(&once("free", "one", "done")).await.unwrap(), None);
}

async fn what_is_refused_leaves_its_key_free(fixture: Fixture) {
    let store = &fixture.store;
    store.create_project(&project("shop", 0)).await.unwrap();
    let start = once("k", "start", "started");
    store.start_run(new_run("shop", 1)).await.unwrap();
    let refused = store.start_run_once(new_run("shop", 2), Some(&start), None).await;
    assert!(matches!(refused, Err(StartError::AlreadyRunning(_))), "{refused:?}");
    assert_eq!(store.outcome(&start).await.unwrap(), None);
}

async fn old_requests_are_forgotten(fixture: Fixture) {
    let store = &fixture.store;
    store.keep_outcome(&once("k", "one", "done"), &1).await.unwrap();
    assert_eq!(store.forget_requests(SignedDuration::from_hours(1)).await.unwrap(), 0);
    assert_eq!(store.forget_requests(SignedDuration::from_secs(-60)).await.unwrap(), 1);
    assert_eq!(store.outcome(&once("k", "one", "done")).await.unwrap(), None);
}

async fn an_intent_goes_with_the_answer(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    let intent = store.intend(&lease, &site("3/0"), usd("0.25")).await.unwrap();
    assert_eq!((intent.tries, intent.lost, intent.pending), (1, 0, true));
    assert_eq!(intent.at_worst(), usd("0.25"));
    assert_eq!(store.intents(rid(1)).await.unwrap(), [intent]);
    store.journal_settle(&lease, &entry("analysis", 1, "3/0", Some("0.1")), true).await.unwrap();
    assert_eq!(store.intents(rid(1)).await.unwrap(), []);
    assert_eq!(store.run_totals(rid(1)).await.unwrap().all.cost_usd, usd("0.1"));
    // An answer that cannot be recorded leaves the intent.
    store.intend(&lease, &site("4"), usd("0.25")).await.unwrap();
    let error = store.journal_settle(&lease, &entry("analysis", 2, "4", None), true).await;
    assert!(matches!(error, Err(StoreError::Conflict(_))), "{error:?}");
    assert_eq!(store.intents(rid(1)).await.unwrap().len(), 1);
}

async fn a_try_that_was_cut_off_stays_unconfirmed(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    store.intend(&lease, &site("3"), usd("0.25")).await.unwrap();
    store.expire_host(&hid(1)).await.unwrap();
    let lease = fixture.claim(2).await.unwrap().lease;
    let again = store.intend(&lease, &site("3"), usd("0.25")).await.unwrap();
    assert_eq!((again.tries, again.lost, again.pending), (2, 1, true));
    assert_eq!(again.at_worst(), usd("0.50"), "both may have been charged");
    store.journal_settle(&lease, &entry("analysis", 1, "3", Some("0.1")), true).await.unwrap();
    let left = store.intents(rid(1)).await.unwrap();
    assert_eq!((left[0].lost, left[0].pending, left[0].at_worst()), (1, false, usd("0.25")));
    // A connection that breaks leaves the same doubt.
    store.intend(&lease, &site("4"), usd("0.1")).await.unwrap();
    store.journal_settle(&lease, &entry("analysis", 1, "4", None), false).await.unwrap();
    let worst: Decimal =
        store.intents(rid(1)).await.unwrap().iter().map(crate::Intent::at_worst).sum();
    assert_eq!(worst, usd("0.35"));
    assert_eq!(store.run_totals(rid(1)).await.unwrap().all.cost_usd, usd("0.1"), "no fact of it");
}

async fn a_postponed_call_waits_over_a_pause(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    for (path, wait) in [("3", 0), ("4", 3600)] {
        store.intend(&lease, &site(path), usd("0.25")).await.unwrap();
        store.postpone(&lease, &site(path), SignedDuration::from_secs(wait)).await.unwrap();
    }
    let intents = store.intents(rid(1)).await.unwrap();
    assert_eq!((intents[0].waits, intents[0].pending), (1, false));
    assert_eq!(intents[0].at_worst(), Decimal::ZERO, "a refusal is not charged");
    let resume_at = intents[0].retry_at;
    store.pause_run(&lease, &Pause { resume_at, ..Pause::default() }).await.unwrap();
    assert_eq!(store.resume_due().await.unwrap(), [rid(1)]);
    let due = |intents: Vec<crate::Intent>| -> Vec<bool> {
        intents.iter().map(|intent| intent.retry_at.is_none()).collect()
    };
    assert_eq!(due(store.intents(rid(1)).await.unwrap()), [true, false], "one is not due yet");
    // A person does not wait for it.
    let lease = fixture.claim(1).await.unwrap().lease;
    store.pause_run(&lease, &Pause::default()).await.unwrap();
    store.ask_resume(rid(1), vec![], None).await.unwrap();
    assert_eq!(due(store.intents(rid(1)).await.unwrap()), [true, true]);
}

async fn an_intent_needs_the_lease(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    store.intend(&lease, &site("3"), usd("0.25")).await.unwrap();
    store.expire_host(&hid(1)).await.unwrap();
    let lost = |error: StoreError| matches!(error, StoreError::LeaseLost(_));
    assert!(lost(store.intend(&lease, &site("4"), usd("1")).await.unwrap_err()));
    let wait = SignedDuration::from_secs(1);
    assert!(lost(store.postpone(&lease, &site("3"), wait).await.unwrap_err()));
    let answer = entry("analysis", 1, "3", None);
    assert!(lost(store.journal_settle(&lease, &answer, true).await.unwrap_err()));
    assert_eq!(store.intents(rid(1)).await.unwrap().len(), 1);
}

async fn the_queue_has_an_end(fixture: Fixture) {
    let store = &fixture.store;
    for n in 1..=3u8 {
        store.create_project(&project(&format!("shop-{n}"), 0)).await.unwrap();
    }
    for n in 1..=2u8 {
        let new = new_run(&format!("shop-{n}"), n.into());
        store.start_run_once(new, None, Some(2)).await.unwrap();
    }
    let full = store.start_run_once(new_run("shop-3", 3), None, Some(2)).await;
    assert!(matches!(full, Err(StartError::Full { queued: 2 })), "{full:?}");
    assert_eq!(store.project(&pid("shop-3")).await.unwrap().status, ProjectStatus::Created);
    // Who asks for a run that is there is told so, full or not.
    let there = store.start_run_once(new_run("shop-1", 4), None, Some(2)).await;
    assert!(matches!(there, Err(StartError::AlreadyRunning(_))), "{there:?}");
    assert_eq!(store.queued().await.unwrap(), 2);
    fixture.claim(1).await.unwrap();
    store.start_run_once(new_run("shop-3", 3), None, Some(2)).await.unwrap();
}

async fn a_run_that_waits_for_space_is_found(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    let pause = Pause { waits_for_storage: true, ..Pause::default() };
    store.pause_run(&lease, &pause).await.unwrap();
    assert!(store.standing(rid(1)).await.unwrap().waits_for_storage);
    assert_eq!(store.waiting_for_storage().await.unwrap(), [rid(1)]);
    assert_eq!(store.resume_due().await.unwrap(), []);
    store.resume_run(rid(1), vec![]).await.unwrap();
    assert_eq!(store.waiting_for_storage().await.unwrap(), []);
    let lease = fixture.claim(1).await.unwrap().lease;
    let question = Question {
        step: "analysis".to_owned(),
        attempt: 1,
        path: "3".to_owned(),
        digest: Digest::of(b"ask"),
        call: json!(null),
        text: "Which?".to_owned(),
        options: vec![],
        default: String::new(),
    };
    let asks = Pause { question: Some(question), ..Pause::default() };
    store.pause_run(&lease, &asks).await.unwrap();
    let refused = store.ask_resume(rid(1), vec![], None).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "it needs an answer: {refused:?}");
}

async fn the_owner_tells_and_a_zombie_does_not(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let store = &fixture.store;
    let said = || vec![EventBody::RunResumed { message: "said".to_owned() }];
    let before = store.last_seq(&pid("shop")).await.unwrap();
    store.tell(&lease, said()).await.unwrap();
    store.expire_host(&hid(1)).await.unwrap();
    let error = store.tell(&lease, said()).await.unwrap_err();
    assert!(matches!(error, StoreError::LeaseLost(_)), "{error}");
    assert_eq!(store.last_seq(&pid("shop")).await.unwrap(), before + 1);
}
