//! Starting, claiming, losing, stopping and continuing runs.

use std::sync::Arc;

use gencode_core::{
    event::EventBody,
    project::ProjectStatus,
    run::{RunStatus, StepStatus},
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::task::JoinSet;

use super::*;
use crate::{ClaimKind, StartError, StoreError};

on_both! {
    runs_are_listed_in_pages_and_counted_by_state,
    audit_atomic_start_has_one_winner,
    the_database_itself_keeps_one_run_per_project,
    a_run_survives_its_stored_form,
    a_claim_is_exclusive_until_its_lease_ends,
    of_many_claims_each_run_goes_to_one,
    runs_of_dead_hosts_are_free_at_once,
    a_zombie_cannot_write,
    a_stopped_run_is_lost_to_its_owner,
    audit_valid_001_project_states_follow_the_run,
    the_database_itself_refuses_illegal_transitions,
    the_schema_and_the_core_agree_on_every_transition,
    a_continued_run_keeps_what_was_done,
}

async fn audit_atomic_start_has_one_winner(fixture: Fixture) {
    fixture.store.create_project(&project("shop", 0)).await.unwrap();
    // Two hosts on one file.
    let other = fixture.other().await;
    let gate = Arc::new(tokio::sync::Barrier::new(50));
    let mut starts = JoinSet::new();
    for n in 0..50_u128 {
        let store = if n % 2 == 0 { fixture.store.clone() } else { other.clone() };
        let gate = gate.clone();
        starts.spawn(async move {
            gate.wait().await;
            store.start_run(new_run("shop", n + 1)).await
        });
    }
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for result in starts.join_all().await {
        match result {
            Ok(run) => won.push(run.id),
            Err(StartError::AlreadyRunning(run)) => lost.push(run.id),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(lost, vec![won[0]; 49], "every loser learns the winner");
    assert_eq!(fixture.store.active_runs().await.unwrap().len(), 1);
    let events = fixture.store.events_after(&pid("shop"), 0, 100).await.unwrap();
    assert_eq!(events.len(), 1, "only the winner is told of");
}

async fn the_database_itself_keeps_one_run_per_project(fixture: Fixture) {
    fixture.claimed().await;
    let error = fixture
        .raw(
            "INSERT INTO runs (id, project, kind, request, provider, model, generation, status, reason, created_at) \
             SELECT 'run_x', project, kind, request, provider, model, generation, 'paused', reason, \
             created_at FROM runs",
        )
        .await
        .unwrap_err();
    assert!(error.as_database_error().unwrap().is_unique_violation(), "{error}");
}

async fn a_run_survives_its_stored_form(fixture: Fixture) {
    fixture.store.create_project(&project("shop", 0)).await.unwrap();
    let new = NewRun {
        run: Run { kind: RunKind::Refine { message: "mehr".to_owned() }, ..new_run("shop", 1).run },
        ..new_run("shop", 1)
    };
    let started = fixture.store.start_run(new.clone()).await.unwrap();
    assert_eq!(fixture.store.run(rid(1)).await.unwrap(), started);
    assert_eq!(started.kind, new.run.kind);
    assert_eq!(started.generation, new.run.generation);
    assert!(started.created_at > at(0), "the database's clock, not the caller's");
    assert_eq!(fixture.store.runs_of(&pid("shop"), 10).await.unwrap(), vec![started]);
    let missing = fixture.store.run(rid(9)).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { what: "run", .. }));
    let orphan = fixture.store.start_run(new_run("nobody", 2)).await.unwrap_err();
    assert!(matches!(orphan, StartError::Store(StoreError::NotFound { what: "project", .. })));
}

async fn a_claim_is_exclusive_until_its_lease_ends(fixture: Fixture) {
    let claimed = fixture.claimed().await;
    assert_eq!(claimed.kind, ClaimKind::Started);
    assert_eq!(claimed.run.status, RunStatus::Running);
    assert_eq!(claimed.steps.len(), 3);
    assert_eq!(fixture.claim(2).await, None, "somebody has it");
    // A lease that ends at once, as if much time had passed.
    fixture.store.renew(&claimed.lease, 0).await.unwrap();
    let second = fixture.claim(2).await.unwrap();
    assert_eq!(second.kind, ClaimKind::Recovered);
    assert!(second.lease.epoch > claimed.lease.epoch);
    let events = fixture.store.events_after(&pid("shop"), 0, 100).await.unwrap();
    let bodies: Vec<_> = events.into_iter().map(|event| event.body).collect();
    assert_eq!(bodies, [EventBody::RunQueued, EventBody::RunStarted, EventBody::RunRecovered]);
    fixture.store.release(&second.lease).await.unwrap();
    assert_eq!(fixture.claim(3).await.unwrap().kind, ClaimKind::Resumed);
}

async fn of_many_claims_each_run_goes_to_one(fixture: Fixture) {
    for n in 0..10_u128 {
        let id = format!("shop-{n}");
        fixture.store.create_project(&project(&id, 0)).await.unwrap();
        fixture.store.start_run(new_run(&id, n + 1)).await.unwrap();
    }
    let other = fixture.other().await;
    let mut claims = JoinSet::new();
    for n in 0..30_u128 {
        let store = if n % 2 == 0 { fixture.store.clone() } else { other.clone() };
        let claim = Claim { host: hid(n + 1), lease_ms: 60_000, only: None };
        claims.spawn(async move { store.claim(&claim).await.unwrap() });
    }
    let claimed: Vec<_> = claims.join_all().await.into_iter().flatten().collect();
    let mut runs: Vec<_> = claimed.iter().map(|claimed| claimed.run.id).collect();
    runs.sort();
    assert_eq!(runs, (1..=10).map(rid).collect::<Vec<_>>());
    let only = Claim { host: hid(99), lease_ms: 1000, only: Some(rid(3)) };
    assert_eq!(fixture.store.claim(&only).await.unwrap(), None, "taken");
    let lease = claimed.into_iter().find(|claimed| claimed.run.id == rid(3)).unwrap().lease;
    fixture.store.release(&lease).await.unwrap();
    assert_eq!(fixture.store.claim(&only).await.unwrap().unwrap().run.id, rid(3));
}

async fn runs_of_dead_hosts_are_free_at_once(fixture: Fixture) {
    let claimed = fixture.claimed().await;
    assert_eq!(fixture.claim(2).await, None);
    assert_eq!(fixture.store.expire_host(&hid(1)).await.unwrap(), 1);
    let lost = fixture.store.renew(&claimed.lease, 1000).await.unwrap_err();
    assert!(matches!(lost, StoreError::LeaseLost(run) if run == rid(1)));
    assert_eq!(fixture.claim(2).await.unwrap().kind, ClaimKind::Recovered);
    assert_eq!(fixture.store.expire_host(&hid(7)).await.unwrap(), 0);
}

async fn a_zombie_cannot_write(fixture: Fixture) {
    let zombie = fixture.claimed().await.lease;
    fixture.store.begin_step(&zombie, "analysis", None, |_| vec![]).await.unwrap();
    fixture.store.renew(&zombie, 0).await.unwrap();
    let owner = fixture.claim(2).await.unwrap().lease;
    let store = &fixture.store;
    let before = store.last_seq(&pid("shop")).await.unwrap();
    let forged = Lease { epoch: owner.epoch, ..zombie.clone() };
    for lease in [&zombie, &forged] {
        let results = [
            store.renew(lease, 1000).await,
            store.release(lease).await,
            store.begin_step(lease, "architecture", None, |_| vec![]).await.map(|_| ()),
            store.journal_append(lease, &entry("analysis", 1, "0", Some("1"))).await,
            store.commit_step(lease, &commit("analysis", StepStatus::Completed)).await,
            store.pause_run(lease, &crate::Pause::default()).await,
            store.finish_run(lease, RunStatus::Failed, "x", vec![EventBody::RunQueued]).await,
        ];
        for (n, result) in results.into_iter().enumerate() {
            assert!(matches!(result, Err(StoreError::LeaseLost(_))), "{n}: {result:?}");
        }
    }
    assert_eq!(store.last_seq(&pid("shop")).await.unwrap(), before, "no trace");
    assert!(store.journal_load(rid(1), "analysis", 1).await.unwrap().is_empty());
    store.journal_append(&owner, &entry("analysis", 1, "0", Some("1"))).await.unwrap();
}

async fn a_stopped_run_is_lost_to_its_owner(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    let run = fixture.store.stop_run(rid(1), "enough").await.unwrap();
    assert_eq!((run.status, run.reason.as_str()), (RunStatus::Stopped, "enough"));
    let late = fixture.store.commit_step(&lease, &commit("analysis", StepStatus::Completed)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost(_))));
    let steps = fixture.store.steps(rid(1)).await.unwrap();
    let statuses: Vec<_> = steps.iter().map(|step| step.status).collect();
    assert_eq!(statuses, [StepStatus::Failed, StepStatus::Blocked, StepStatus::Blocked]);
    let project = fixture.store.project(&pid("shop")).await.unwrap();
    assert_eq!(project.status, ProjectStatus::Failed);
    let again = fixture.store.stop_run(rid(1), "more").await.unwrap_err();
    assert!(matches!(again, StoreError::Illegal(_)), "{again}");
    assert_eq!(fixture.claim(2).await, None);
}

async fn audit_valid_001_project_states_follow_the_run(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let status = async || fixture.store.project(&pid("shop")).await.unwrap().status;
    assert_eq!(status().await, ProjectStatus::Analyzing);
    fixture.complete(&lease, "analysis").await;
    assert_eq!(status().await, ProjectStatus::Building);
    let early = fixture.store.finish_run(&lease, RunStatus::Completed, "", vec![]).await;
    assert!(matches!(early, Err(StoreError::Illegal(_))), "steps are waiting: {early:?}");
    fixture.complete(&lease, "architecture").await;
    fixture.complete(&lease, "backend").await;
    let odd = fixture.store.finish_run(&lease, RunStatus::Queued, "", vec![]).await;
    assert!(matches!(odd, Err(StoreError::Illegal(_))));
    fixture.store.finish_run(&lease, RunStatus::Completed, "", vec![]).await.unwrap();
    assert_eq!(status().await, ProjectStatus::Completed);
    assert!(fixture.store.run(rid(1)).await.unwrap().finished_at.is_some());
    // A refinement.
    fixture.store.start_run(new_run("shop", 2)).await.unwrap();
    assert_eq!(status().await, ProjectStatus::Building);
}

async fn the_database_itself_refuses_illegal_transitions(fixture: Fixture) {
    fixture.claimed().await;
    for (statement, says) in [
        ("UPDATE projects SET status = 'created'", "illegal transition of a project"),
        ("UPDATE projects SET status = 'completed'", "illegal transition of a project"),
        ("UPDATE projects SET status = 'done'", "check constraint"),
        ("UPDATE runs SET status = 'queued'", "illegal transition of a run"),
        ("UPDATE runs SET status = 'asleep'", "check constraint"),
        ("UPDATE steps SET status = 'completed'", "illegal transition of a step"),
        ("UPDATE steps SET status = 'ok'", "check constraint"),
        ("UPDATE events SET body = '{}'", "an event never changes"),
        (
            "INSERT INTO runs (id, project, kind, request, provider, model, generation, status, reason, created_at) \
             SELECT 'run_y', 'nobody', kind, request, provider, model, generation, 'failed', \
             reason, created_at FROM runs",
            "foreign key",
        ),
    ] {
        let error = fixture.raw(statement).await.unwrap_err().to_string().to_lowercase();
        assert!(error.contains(says) || error.contains("illegal"), "{statement}: {error}");
    }
}

/// The triggers and checks of the schema say the same as the rules of the core, for every pair.
async fn the_schema_and_the_core_agree_on_every_transition(fixture: Fixture) {
    fixture.claimed().await;
    let mut pairs: Vec<(&str, &str, &str, bool)> = Vec::new();
    for from in ProjectStatus::ALL {
        for to in ProjectStatus::ALL {
            pairs.push(("projects", from.as_str(), to.as_str(), from == to || from.may_become(to)));
        }
    }
    for from in RunStatus::ALL {
        for to in RunStatus::ALL {
            pairs.push(("runs", from.as_str(), to.as_str(), from == to || from.may_become(to)));
        }
    }
    for from in StepStatus::ALL {
        for to in StepStatus::ALL {
            pairs.push(("steps", from.as_str(), to.as_str(), from == to || from.may_become(to)));
        }
    }
    for (table, from, to, allowed) in pairs {
        let done = may_become(&fixture, table, from, to).await;
        assert_eq!(done, allowed, "{table}: {from} -> {to}");
    }
}

/// Whether the database lets a row of the table go from one state to another.
async fn may_become(fixture: &Fixture, table: &str, from: &str, to: &str) -> bool {
    let trigger = format!("{table}_transition");
    let start = format!("UPDATE {table} SET status = '{from}'");
    let update = format!("UPDATE {table} SET status = '{to}'");
    // Any state can be the start once the trigger is out of the way.
    match &fixture.location {
        Location::File(file) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let mut connection = options.connect().await.unwrap();
            let mut tx = connection.begin().await.unwrap();
            let create = format!("SELECT sql FROM sqlite_master WHERE name = '{trigger}'");
            let create: String =
                sqlx::query_scalar(AssertSqlSafe(create)).fetch_one(&mut *tx).await.unwrap();
            for statement in [format!("DROP TRIGGER {trigger}"), start, create] {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await.unwrap();
            }
            let done = sqlx::query(AssertSqlSafe(update)).execute(&mut *tx).await.is_ok();
            tx.rollback().await.unwrap();
            done
        }
        Location::Postgres(server) => {
            let mut connection = server.options.connect().await.unwrap();
            let mut tx = connection.begin().await.unwrap();
            for statement in [
                format!("ALTER TABLE {table} DISABLE TRIGGER {trigger}"),
                start,
                format!("ALTER TABLE {table} ENABLE TRIGGER {trigger}"),
            ] {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await.unwrap();
            }
            let done = sqlx::query(AssertSqlSafe(update)).execute(&mut *tx).await.is_ok();
            tx.rollback().await.unwrap();
            done
        }
    }
}

async fn a_continued_run_keeps_what_was_done(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let document = |name: &str| crate::Document {
        name: name.to_owned(),
        media_type: "application/json".to_owned(),
        content: "{}".to_owned(),
    };
    fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    let done = StepCommit {
        documents: vec![document("intent")],
        ..commit("analysis", StepStatus::Completed)
    };
    fixture.store.commit_step(&lease, &done).await.unwrap();
    let skipped =
        StepCommit { reason: "no node".to_owned(), ..commit("architecture", StepStatus::Skipped) };
    fixture.store.commit_step(&lease, &skipped).await.unwrap();
    fixture.store.begin_step(&lease, "backend", None, |_| vec![]).await.unwrap();
    let failed =
        StepCommit { documents: vec![document("half")], ..commit("backend", StepStatus::Failed) };
    fixture.store.commit_step(&lease, &failed).await.unwrap();

    let early = NewRun { continues: Some(rid(1)), ..new_run("shop", 2) };
    let error = fixture.store.start_run(early.clone()).await.unwrap_err();
    assert!(matches!(error, StartError::AlreadyRunning(_)));
    fixture.store.finish_run(&lease, RunStatus::Failed, "tests", vec![]).await.unwrap();
    fixture.store.start_run(early).await.unwrap();

    let (old, new) =
        (fixture.store.steps(rid(1)).await.unwrap(), fixture.store.steps(rid(2)).await.unwrap());
    assert_eq!(new[..2], old[..2], "satisfied steps are as they were");
    assert_eq!((new[2].status, new[2].attempt), (StepStatus::Waiting, 0));
    let documents = fixture.store.documents(rid(2)).await.unwrap();
    assert_eq!(documents, [document("intent")], "not what the failed step left");
    // Only a finished run of the same project can be continued.
    fixture.store.create_project(&project("club", 0)).await.unwrap();
    let foreign = NewRun { continues: Some(rid(1)), ..new_run("club", 3) };
    let error = fixture.store.start_run(foreign).await.unwrap_err();
    assert!(matches!(error, StartError::Store(StoreError::Conflict(_))), "{error}");
}

async fn runs_are_listed_in_pages_and_counted_by_state(fixture: Fixture) {
    let store = &fixture.store;
    for (n, name) in (1..).zip(["shop", "blog", "club"]) {
        store.create_project(&project(name, 0)).await.unwrap();
        store.start_run(new_run(name, n)).await.unwrap();
    }
    store.stop_run(rid(2), "enough").await.unwrap();
    let list = async |of: Option<&str>, status, before, limit| {
        let of = of.map(pid);
        let runs = store.list_runs(of.as_ref(), status, before, limit).await.unwrap();
        runs.iter().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, None, 2).await, [rid(3), rid(2)], "newest first");
    assert_eq!(list(None, None, Some(rid(2)), 2).await, [rid(1)]);
    assert_eq!(list(Some("shop"), None, None, 9).await, [rid(1)]);
    assert_eq!(list(None, Some(RunStatus::Queued), None, 9).await, [rid(3), rid(1)]);
    assert_eq!(list(Some("blog"), Some(RunStatus::Stopped), None, 9).await, [rid(2)]);
    assert!(list(Some("blog"), Some(RunStatus::Queued), None, 9).await.is_empty());
    assert_eq!(store.count_active().await.unwrap(), [(RunStatus::Queued, 2)]);
}
