//! Opening a database: checking it, migrating it, connecting to it.

use std::{path::Path, sync::Arc};

use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
    postgres::PgPool,
};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
};

use crate::{
    Location, Result, StoreError, events::EventHint, lane::Lane, postgres, sql::sql, sqlite,
};

/// Hints kept for a slow listener before it only learns that it missed some.
const HINTS: usize = 1024;

/// The database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// How the database is called in messages.
    pub(crate) name: Arc<str>,
    pub(crate) engine: Engine,
    pub(crate) hints: broadcast::Sender<EventHint>,
    /// Hints for the other hosts of the database, where it has any way to tell them.
    pub(crate) abroad: Option<mpsc::Sender<EventHint>>,
    /// Ends with the store.
    _tasks: JoinSet<()>,
}

/// Connections to one of the two kinds of database.
#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite { writer: Lane, readers: SqlitePool },
    Postgres(PgPool),
}

impl Store {
    /// Opens an SQLite file: [`Store::connect`] with a path.
    pub async fn open(file: &Path) -> Result<Self> {
        Self::connect(&Location::from(file)).await
    }

    /// Opens the database and brings an older schema up to date; a file is made where missing.
    ///
    /// A database that is damaged, not ours or from a newer host is refused and left untouched.
    pub async fn connect(location: &Location) -> Result<Self> {
        let name: Arc<str> = location.to_string().into();
        let (hints, _) = broadcast::channel(HINTS);
        let mut tasks = JoinSet::new();
        let (engine, abroad) = match location {
            Location::File(file) => {
                let (writer, readers) = sqlite::open(&name, file).await?;
                tasks.spawn(writer.clone().commit_forever());
                tasks.spawn(sqlite::write_back_forever(file.clone()));
                (Engine::Sqlite { writer, readers }, None)
            }
            Location::Postgres(server) => {
                let pool = postgres::open(&name, server).await?;
                let (tell, told) = mpsc::channel(HINTS);
                let own = ulid_of_process();
                tasks.spawn(postgres::tell(pool.clone(), own.clone(), told));
                tasks.spawn(postgres::listen(pool.clone(), own, hints.clone()));
                (Engine::Postgres(pool), Some(tell))
            }
        };
        Ok(Self { inner: Arc::new(Inner { name, engine, hints, abroad, _tasks: tasks }) })
    }

    /// How the database is called in messages: a path, or an address without its password.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Asks the database for nothing, to see that it answers.
    pub async fn ping(&self) -> Result<()> {
        self.optional(sql("SELECT 1 AS one")).await.map(drop)
    }

    /// Closes all connections. Optional: an unclosed database loses nothing.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

/// A name by which this process knows its own hints.
fn ulid_of_process() -> String {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let started = jiff::Timestamp::now().as_nanosecond();
    format!("{}-{started}-{count}", std::process::id())
}

/// What a database is before it is opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    Missing,
    Older,
    Current,
}

/// The newest schema this binary knows.
pub(crate) fn known(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Sorts a found schema against the newest known one.
pub(crate) fn schema(database: &str, found: i64, migrator: &Migrator) -> Result<Schema> {
    let known = known(migrator);
    match found.cmp(&known) {
        std::cmp::Ordering::Greater => {
            Err(StoreError::TooNew { database: database.to_owned(), found, known })
        }
        std::cmp::Ordering::Equal => Ok(Schema::Current),
        std::cmp::Ordering::Less => Ok(Schema::Older),
    }
}

pub(crate) fn migration_failed(
    database: &str,
    migrator: &Migrator,
    error: MigrateError,
) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            StoreError::of(database, error)
        }
        MigrateError::VersionMissing(found) => {
            StoreError::TooNew { database: database.to_owned(), found, known: known(migrator) }
        }
        MigrateError::VersionMismatch(version) => {
            StoreError::damaged(database, format!("its schema {version} is not the released one"))
        }
        other => StoreError::Unavailable { database: database.to_owned(), source: other.into() },
    }
}
