//! Plain SQL through the same driver: what the database itself can do.

use std::{str::FromStr as _, sync::Arc};

use gencode_store::Location;
use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

const AT: &str = "2026-11-22T12:00:00.000000+00:00";
const BASE: &str = r#"{"manifest":"0af5e3f9c1d2b4a68790","documents":["intent"],"digests":["91b3c0d5e7f2a4688790"]}"#;
const BODY: &str =
    r#"{"kind":"step_finished","step":"step-17","status":"completed","reason":"","summary":""}"#;

/// Tables like those of the store, without its rules.
const TABLES: [&str; 5] = [
    "CREATE TABLE raw_journal (run TEXT NOT NULL, step TEXT NOT NULL, attempt BIGINT NOT NULL, \
     path TEXT NOT NULL, reply TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (run, step, attempt, path))",
    "CREATE TABLE raw_rows (n BIGINT NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE raw_projects (id TEXT PRIMARY KEY, last_seq BIGINT NOT NULL, modified_at TEXT NOT NULL)",
    "CREATE TABLE raw_steps (run TEXT NOT NULL, step TEXT NOT NULL, status TEXT NOT NULL, \
     attempt BIGINT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (run, step))",
    "CREATE TABLE raw_events (project TEXT NOT NULL, seq BIGINT NOT NULL, at TEXT NOT NULL, \
     run TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (project, seq))",
];

/// The rows that the end of a step and the beginning of the next one leave.
macro_rules! leave_a_step {
    ($tx:expr, $run:expr, $step:expr) => {{
        let (run, step): (&str, i64) = ($run, $step);
        let here = step.to_string();
        let next = (step + 1).to_string();
        sqlx::query("UPDATE raw_steps SET status = 'completed', at = $3 WHERE run = $1 AND step = $2")
            .bind(run).bind(&here).bind(AT).execute(&mut *$tx).await.unwrap();
        sqlx::query("INSERT INTO raw_steps (run, step, status, attempt, at) VALUES ($1, $2, 'running', 1, $3)")
            .bind(run).bind(&next).bind(AT).execute(&mut *$tx).await.unwrap();
        sqlx::query("INSERT INTO raw_journal (run, step, attempt, path, reply, at) VALUES ($1, $2, 1, '@base', $3, $4)")
            .bind(run).bind(&next).bind(BASE).bind(AT).execute(&mut *$tx).await.unwrap();
        sqlx::query("UPDATE raw_projects SET last_seq = $2, modified_at = $3 WHERE id = $1")
            .bind(run).bind(step * 2).bind(AT).execute(&mut *$tx).await.unwrap();
        sqlx::query("INSERT INTO raw_events (project, seq, at, run, body) VALUES ($1, $2, $4, $1, $5), ($1, $3, $4, $1, $5)")
            .bind(run).bind(step * 2).bind(step * 2 + 1).bind(AT).bind(BODY).execute(&mut *$tx).await.unwrap();
    }};
}

/// A database with these tables.
pub(crate) enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// One who has something to be written: the run, the step, and where to say that it is done.
type Wish = (Arc<str>, i64, oneshot::Sender<()>);

impl Raw {
    pub(crate) async fn open(location: &Location) -> Self {
        match location {
            Location::File(file) => {
                let options = SqliteConnectOptions::new()
                    .filename(file.with_extension("raw"))
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
                let pool = SqlitePoolOptions::new().max_connections(1);
                let pool = pool.connect_with(options).await.unwrap();
                for table in TABLES {
                    sqlx::query(table).execute(&pool).await.unwrap();
                }
                Self::Sqlite(pool)
            }
            Location::Postgres(server) => {
                let options = PgConnectOptions::from_str(&server.to_string()).unwrap();
                let pool = PgPoolOptions::new().max_connections(16);
                let pool = pool.connect_with(options.username("gencode")).await.unwrap();
                for table in TABLES {
                    sqlx::query(table).execute(&pool).await.unwrap();
                }
                Self::Postgres(pool)
            }
        }
    }

    /// Commits one row after the other.
    pub(crate) async fn barest(&self, count: usize) {
        const ROW: &str = "INSERT INTO raw_rows (n, text) VALUES ($1, $2)";
        for _ in 0..count {
            let row = sqlx::query(ROW);
            match self {
                Self::Sqlite(pool) => {
                    row.bind(1_i64).bind(BODY).execute(pool).await.unwrap();
                }
                Self::Postgres(pool) => {
                    sqlx::query(ROW).bind(1_i64).bind(BODY).execute(pool).await.unwrap();
                }
            }
        }
    }

    /// Takes runs through their steps side by side; each waits until a step is durable before it
    /// goes on to the next.
    pub(crate) async fn together(&self, runs: usize, steps: usize) {
        static ROUND: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let round = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let names: Vec<Arc<str>> = (0..runs).map(|run| format!("{round}-{run}").into()).collect();
        const PROJECT: &str = "INSERT INTO raw_projects VALUES ($1, 0, $2)";
        for name in &names {
            match self {
                Self::Sqlite(pool) => {
                    sqlx::query(PROJECT).bind(&**name).bind(AT).execute(pool).await.unwrap();
                }
                Self::Postgres(pool) => {
                    sqlx::query(PROJECT).bind(&**name).bind(AT).execute(pool).await.unwrap();
                }
            }
        }
        match self {
            Self::Sqlite(pool) => sqlite_together(pool, names, steps).await,
            Self::Postgres(pool) => postgres_together(pool, names, steps).await,
        }
    }
}

async fn postgres_together(pool: &PgPool, runs: Vec<Arc<str>>, steps: usize) {
    let mut all = JoinSet::new();
    for run in runs {
        let pool = pool.clone();
        all.spawn(async move {
            for step in 1..=i64::try_from(steps).unwrap() {
                let mut tx = pool.begin().await.unwrap();
                leave_a_step!(tx, &run, step);
                tx.commit().await.unwrap();
            }
        });
    }
    all.join_all().await;
}

/// SQLite has one writer: it takes what all who wait have into one transaction.
async fn sqlite_together(pool: &SqlitePool, runs: Vec<Arc<str>>, steps: usize) {
    let (send, mut queue) = mpsc::channel::<Wish>(runs.len());
    let mut all = JoinSet::new();
    let most = runs.len();
    for run in runs {
        let send = send.clone();
        all.spawn(async move {
            for step in 1..=i64::try_from(steps).unwrap() {
                let (tell, told) = oneshot::channel();
                send.send((Arc::clone(&run), step, tell)).await.unwrap();
                told.await.unwrap();
            }
        });
    }
    drop(send);
    let mut group = Vec::new();
    while queue.recv_many(&mut group, most).await > 0 {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for (run, step, _) in &group {
            leave_a_step!(tx, run, *step);
        }
        tx.commit().await.unwrap();
        for (_, _, tell) in group.drain(..) {
            tell.send(()).unwrap();
        }
    }
    all.join_all().await;
}
