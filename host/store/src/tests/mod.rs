//! Tests on real databases. What holds for one kind holds for the other: every test of what the
//! store does runs on both (`on_both!`).

#[path = "../../../../tests/it/postgres.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod postgres;

/// Names tests that take a [`Fixture`]; each runs once on every kind of database.
macro_rules! on_both {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::tests::fixture(crate::tests::Kind::Sqlite).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::tests::fixture(crate::tests::Kind::Postgres).await).await;
            })*
        }
    };
}

mod differential;
mod files;
mod forks;
mod history;
mod keeping;
mod pauses;
mod records;
mod runs;
mod signals;
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
use sqlx::AssertSqlSafe;
use ulid::Ulid;

use crate::{
    CheckpointAuthor, Claim, Claimed, JournalEntry, Lease, Location, NewCheckpoint, NewRun,
    StepCommit, StepSeed, Store,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A store on an empty database of its own.
pub(crate) struct Fixture {
    pub(crate) kind: Kind,
    pub(crate) store: Store,
    pub(crate) location: Location,
    /// The file of an SQLite database.
    pub(crate) file: PathBuf,
    _dir: tempfile::TempDir,
}

pub(crate) async fn fixture(kind: Kind) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gencode.db");
    let location = match kind {
        Kind::Sqlite => Location::File(file.clone()),
        Kind::Postgres => tokio::task::spawn_blocking(|| postgres::Postgres::shared().database())
            .await
            .unwrap()
            .parse()
            .unwrap(),
    };
    let store = Store::connect(&location).await.unwrap();
    Fixture { kind, store, location, file, _dir: dir }
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
        forked_from: None,
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
        self.store.begin_step(lease, step, None, |_| vec![]).await.unwrap();
        self.store.commit_step(lease, &commit(step, StepStatus::Completed)).await.unwrap();
    }

    /// The database as another host sees it.
    pub(crate) async fn other(&self) -> Store {
        Store::connect(&self.location).await.unwrap()
    }

    /// Runs a statement on a connection of its own, past all rules in Rust.
    pub(crate) async fn raw(&self, text: impl Into<String>) -> Result<u64, sqlx::Error> {
        use sqlx::{ConnectOptions, Connection};
        let text = AssertSqlSafe(text.into());
        match &self.location {
            Location::File(file) => raw(file, text.0).await,
            Location::Postgres(server) => {
                let mut connection = server.options.connect().await?;
                let done = sqlx::raw_sql(text).execute(&mut connection).await;
                connection.close().await?;
                Ok(done?.rows_affected())
            }
        }
    }

    /// Makes the database refuse every new row of a table.
    pub(crate) async fn refuse_rows_of(&self, table: &str) {
        let refuse = match self.kind {
            Kind::Sqlite => format!(
                "CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            ),
            Kind::Postgres => format!(
                "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
                 CREATE TRIGGER broken BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION broken()"
            ),
        };
        self.raw(refuse).await.unwrap();
    }

    /// Ends [`Self::refuse_rows_of`].
    pub(crate) async fn take_rows_again(&self) {
        let take = match self.kind {
            Kind::Sqlite => "DROP TRIGGER broken",
            Kind::Postgres => "DROP FUNCTION broken CASCADE",
        };
        self.raw(take).await.unwrap();
    }
}

pub(crate) async fn raw(
    file: &std::path::Path,
    text: impl Into<String>,
) -> Result<u64, sqlx::Error> {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).foreign_keys(true);
    let mut connection = options.connect().await?;
    let done = sqlx::query(AssertSqlSafe(text.into())).execute(&mut connection).await;
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
        end: None,
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
        performer: "Marcus".to_owned(),
        note: "Analysis".to_owned(),
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
