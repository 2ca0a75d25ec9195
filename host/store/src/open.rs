//! Opening a database file: checking it, migrating it, connecting to it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection, SqlitePool,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::broadcast;

use crate::{Result, StoreError, events::EventHint};

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a caller waits for a connection of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Files up to this size are checked page by page when opened.
const CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// First bytes of every SQLite database, and the least it can have.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const MIN_PAGE: u64 = 512;

/// Hints kept for a slow listener before it only learns that it missed some.
const HINTS: usize = 1024;

/// The database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) file: PathBuf,
    /// One connection: writes of this process stand in line here, not in SQLite's busy handler.
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) hints: broadcast::Sender<EventHint>,
}

impl Store {
    /// Opens the database file, creates it when there is none, brings an older schema up to date.
    ///
    /// A file that is damaged, not ours or from a newer host is refused and left untouched.
    pub async fn open(file: &Path) -> Result<Self> {
        let inspected = inspect(file).await?;
        let fail = |error| StoreError::of(file, error);
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await
            .map_err(fail)?;
        if inspected != Schema::Current {
            migrate(file, &writer).await?;
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        let (hints, _) = broadcast::channel(HINTS);
        Ok(Self { inner: Arc::new(Inner { file: file.to_owned(), writer, readers, hints }) })
    }

    /// The database file.
    pub fn file(&self) -> &Path {
        &self.inner.file
    }

    /// Closes all connections. Optional: an unclosed database loses nothing.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Schema {
    Missing,
    Older,
    Current,
}

/// The newest schema this binary knows.
fn known() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Looks at an existing file without changing a byte of it.
async fn inspect(file: &Path) -> Result<Schema> {
    let size = match tokio::fs::metadata(file).await {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(StoreError::damaged(file, "it is not a file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Schema::Missing),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(StoreError::ReadOnly { file: file.to_owned() });
        }
        Err(error) => {
            return Err(StoreError::Unavailable { file: file.to_owned(), source: error.into() });
        }
    };
    if size == 0 {
        return Ok(Schema::Missing);
    }
    // SQLite takes anything shorter than its smallest page for an empty database and would write over it.
    if size < MIN_PAGE || !starts_as_database(file).await? {
        return Err(StoreError::damaged(file, "it is not an SQLite database"));
    }
    let fail = |error| StoreError::of(file, error);
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(fail)?;
    let schema = inspect_with(file, size, &mut connection).await;
    // The connection read only; what its closing says does not matter.
    let _closed = connection.close().await;
    schema
}

/// Whether the file begins as every SQLite database does.
async fn starts_as_database(file: &Path) -> Result<bool> {
    use tokio::io::AsyncReadExt;
    let mut start = [0; MAGIC.len()];
    let read = async {
        let mut file = tokio::fs::File::open(file).await?;
        file.read_exact(&mut start).await
    };
    match read.await {
        Ok(_) => Ok(start == *MAGIC),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(StoreError::ReadOnly { file: file.to_owned() })
        }
        Err(error) => Err(StoreError::Unavailable { file: file.to_owned(), source: error.into() }),
    }
}

async fn inspect_with(file: &Path, size: u64, connection: &mut SqliteConnection) -> Result<Schema> {
    let fail = |error| StoreError::of(file, error);
    let row = sqlx::query(
        "SELECT count(*) AS tables, coalesce(sum(name = '_sqlx_migrations'), 0) AS ours \
         FROM sqlite_master WHERE type = 'table'",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(fail)?;
    let tables: i64 = row.try_get("tables").map_err(fail)?;
    let ours: i64 = row.try_get("ours").map_err(fail)?;
    if ours == 0 {
        return if tables == 0 {
            Ok(Schema::Missing)
        } else {
            Err(StoreError::damaged(file, "it belongs to another program"))
        };
    }
    if size <= CHECKED_BYTES {
        let row =
            sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut *connection).await.map_err(fail)?;
        let verdict: String = row.try_get(0).map_err(fail)?;
        if verdict != "ok" {
            return Err(StoreError::damaged(file, verdict));
        }
    }
    let row = sqlx::query("SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(fail)?;
    let found: i64 = row.try_get("version").map_err(fail)?;
    match found.cmp(&known()) {
        std::cmp::Ordering::Greater => {
            Err(StoreError::TooNew { file: file.to_owned(), found, known: known() })
        }
        std::cmp::Ordering::Equal => Ok(Schema::Current),
        std::cmp::Ordering::Less => Ok(Schema::Older),
    }
}

/// Brings the schema up to date. The lock taken first makes simultaneous openers wait for each other.
async fn migrate(file: &Path, writer: &SqlitePool) -> Result<()> {
    let fail = |error| StoreError::of(file, error);
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.map_err(fail)?;
    MIGRATOR.run_direct(None, &mut *tx, false).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => fail(error),
        MigrateError::VersionMissing(found) => {
            StoreError::TooNew { file: file.to_owned(), found, known: known() }
        }
        MigrateError::VersionMismatch(version) => {
            StoreError::damaged(file, format!("its schema {version} is not the released one"))
        }
        other => StoreError::Unavailable { file: file.to_owned(), source: other.into() },
    })?;
    tx.commit().await.map_err(fail)
}
