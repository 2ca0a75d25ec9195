//! Tests on real files.

mod files;
mod history;
mod pauses;
mod records;
mod runs;
mod steps;

use std::path::PathBuf;

use gencode_core::{
    digest::Digest,
    id::{CheckpointId, HostId, ProjectId, RunId},
    ledger::LedgerEntry,
    project::{Project, ProjectStatus},
    run::{Generation, PinnedPlugin, Run, RunKind, RunStatus, StepStatus},
};
use jiff::Timestamp;
use serde_json::json;
use ulid::Ulid;

use crate::{
    CheckpointAuthor, Claim, Claimed, JournalEntry, Lease, NewCheckpoint, NewRun, StepCommit,
    StepSeed, Store,
};

/// A store in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) file: PathBuf,
    _dir: tempfile::TempDir,
}

pub(crate) async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gencode.db");
    let store = Store::open(&file).await.unwrap();
    Fixture { store, file, _dir: dir }
}

pub(crate) fn pid(text: &str) -> ProjectId {
    text.parse().unwrap()
}

pub(crate) fn rid(n: u128) -> RunId {
    RunId::from_ulid(Ulid::from(n))
}

pub(crate) fn hid(n: u128) -> HostId {
    HostId::from_ulid(Ulid::from(n))
}

pub(crate) fn cid(n: u128) -> CheckpointId {
    CheckpointId::from_ulid(Ulid::from(n))
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).unwrap()
}

pub(crate) fn project(id: &str, second: i64) -> Project {
    Project {
        id: pid(id),
        name: format!("name of {id}"),
        description: "Build a shop — « ça marche »".to_owned(),
        provider: Some("offline".to_owned()),
        model: None,
        status: ProjectStatus::Created,
        created_at: at(second),
        modified_at: at(second),
    }
}

pub(crate) const STEPS: [&str; 3] = ["analysis", "architecture", "backend"];

pub(crate) fn new_run(project: &str, n: u128) -> NewRun {
    let digest = Digest::of(b"marcus");
    let plugin = PinnedPlugin { version: "0.1.0".to_owned(), digest };
    let run = Run {
        id: rid(n),
        project: pid(project),
        kind: RunKind::Build,
        request: "a shop".to_owned(),
        provider: "offline".to_owned(),
        model: "offline-1".to_owned(),
        generation: Generation([("marcus".to_owned(), plugin)].into()),
        status: RunStatus::Queued,
        reason: String::new(),
        created_at: at(0),
        started_at: None,
        finished_at: None,
    };
    let steps = (0..).zip(STEPS);
    let steps = steps.map(|(position, step)| StepSeed { step: step.to_owned(), position });
    NewRun { run, steps: steps.collect(), continues: None }
}

impl Fixture {
    /// A project with a run that `hid(1)` owns.
    pub(crate) async fn claimed(&self) -> Claimed {
        self.store.create_project(&project("shop", 0)).await.unwrap();
        self.store.start_run(new_run("shop", 1)).await.unwrap();
        self.claim(1).await.unwrap()
    }

    pub(crate) async fn claim(&self, host: u128) -> Option<Claimed> {
        let claim = Claim { host: hid(host), lease_ms: 60_000, only: None };
        self.store.claim(&claim).await.unwrap()
    }

    /// Begins a step and ends it.
    pub(crate) async fn complete(&self, lease: &Lease, step: &str) {
        self.store.begin_step(lease, step, |_| vec![]).await.unwrap();
        self.store.commit_step(lease, &commit(step, StepStatus::Completed)).await.unwrap();
    }

    /// Runs a statement on a connection of its own, past all rules in Rust.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<u64, sqlx::Error> {
        raw(&self.file, text).await
    }
}

pub(crate) async fn raw(file: &std::path::Path, text: &'static str) -> Result<u64, sqlx::Error> {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).foreign_keys(true);
    let mut connection = options.connect().await?;
    let done = sqlx::query(text).execute(&mut connection).await;
    connection.close().await?;
    Ok(done?.rows_affected())
}

pub(crate) fn commit(step: &str, status: StepStatus) -> StepCommit {
    StepCommit {
        step: step.to_owned(),
        status,
        reason: String::new(),
        report: json!({"summary": "done"}),
        documents: vec![],
        checkpoint: None,
        events: vec![],
    }
}

pub(crate) fn checkpoint(n: u128, parent: Option<u128>) -> NewCheckpoint {
    NewCheckpoint {
        id: cid(n),
        project: pid("shop"),
        parent: parent.map(cid),
        run: Some(rid(1)),
        step: "analysis".to_owned(),
        manifest: Digest::of(&n.to_be_bytes()),
        author: CheckpointAuthor::Run,
    }
}

pub(crate) fn entry(step: &str, attempt: u32, path: &str, cost: Option<&str>) -> JournalEntry {
    let ledger = cost.map(|cost| LedgerEntry {
        run: rid(1),
        step: step.to_owned(),
        agent: "Marcus".to_owned(),
        task: "analysis".to_owned(),
        provider: "offline".to_owned(),
        model: "offline-1".to_owned(),
        input_tokens: 100,
        output_tokens: 20,
        cost_usd: cost.parse().unwrap(),
        is_retry: false,
        at: at(5),
    });
    JournalEntry {
        run: rid(1),
        step: step.to_owned(),
        attempt,
        path: path.to_owned(),
        digest: Digest::of(path.as_bytes()),
        call: json!({"llm": path}),
        reply: json!({"ok": [1, 2.5, "ü"]}),
        ledger,
    }
}
