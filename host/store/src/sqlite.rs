//! An SQLite file: looked at before it is touched, migrated, opened.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    Result, StoreError,
    lane::Lane,
    open::{Schema, migration_failed, schema},
};

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before a file that another process is just making is opened once more.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a caller waits for a connection of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Files up to this size are checked page by page when opened.
const CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// The log is written back into the file when it is larger than this, in pages, even if a write has
/// to wait for it. Usually [`write_back_forever`] was there before.
const LOG_PAGES: &str = "16000";

/// From this size on the log is written back, in bytes.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// How often the size of the log is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// First bytes of every SQLite database, and the least it can have.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const MIN_PAGE: u64 = 512;

/// Opens the file for one line of writers and a few readers. Several hosts may make it at once.
pub(crate) async fn open(database: &Arc<str>, file: &Path) -> Result<(Lane, SqlitePool)> {
    let until = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        match open_now(database, file).await {
            // SQLite does not wait, whatever it is told, while another process turns on the log.
            Err(StoreError::Busy { .. }) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}

async fn open_now(database: &Arc<str>, file: &Path) -> Result<(Lane, SqlitePool)> {
    let inspected = inspect(database, file).await?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        .disable_statement_logging();
    if inspected != Schema::Current {
        migrate(database, &options).await?;
    }
    let writer = Lane::open(database, &options).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options.pragma("query_only", "ON"));
    Ok((writer, readers))
}

/// Writes the log back into the file beside the work, so that no commit has to.
pub(crate) async fn write_back_forever(file: PathBuf) {
    let mut log = file.clone().into_os_string();
    log.push("-wal");
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let mut connection = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let size = tokio::fs::metadata(&log).await.map_or(0, |log| log.len());
        if size < LOG_BYTES {
            continue;
        }
        let written = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => options.connect().await?,
            };
            // Passive: waits for nobody, does what can be done.
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut open).await?;
            Ok::<_, sqlx::Error>(open)
        };
        match written.await {
            Ok(open) => connection = Some(open),
            Err(error) => tracing::debug!(%error, "the log of the database grows on"),
        }
    }
}

/// Looks at an existing file without changing a byte of it.
async fn inspect(database: &str, file: &Path) -> Result<Schema> {
    let size = match tokio::fs::metadata(file).await {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(StoreError::damaged(database, "it is not a file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Schema::Missing),
        Err(error) => return Err(unreadable(database, error)),
    };
    if size == 0 {
        return Ok(Schema::Missing);
    }
    // SQLite takes anything shorter than its smallest page for an empty database and would write over it.
    if size < MIN_PAGE || !starts_as_database(database, file).await? {
        return Err(StoreError::damaged(database, "it is not an SQLite database"));
    }
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|error| StoreError::of(database, error))?;
    let schema = inspect_with(database, size, &mut connection).await;
    // The connection read only; what its closing says does not matter.
    let _closed = connection.close().await;
    schema
}

fn unreadable(database: &str, error: std::io::Error) -> StoreError {
    let database = database.to_owned();
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        StoreError::ReadOnly { database }
    } else {
        StoreError::Unavailable { database, source: error.into() }
    }
}

/// Whether the file begins as every SQLite database does.
async fn starts_as_database(database: &str, file: &Path) -> Result<bool> {
    use tokio::io::AsyncReadExt;
    let mut start = [0; MAGIC.len()];
    let read = async {
        let mut file = tokio::fs::File::open(file).await?;
        file.read_exact(&mut start).await
    };
    match read.await {
        Ok(_) => Ok(start == *MAGIC),
        Err(error) => Err(unreadable(database, error)),
    }
}

async fn inspect_with(
    database: &str,
    size: u64,
    connection: &mut SqliteConnection,
) -> Result<Schema> {
    let fail = |error| StoreError::of(database, error);
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
            Err(StoreError::damaged(database, "it belongs to another program"))
        };
    }
    if size <= CHECKED_BYTES {
        let row =
            sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut *connection).await.map_err(fail)?;
        let verdict: String = row.try_get(0).map_err(fail)?;
        if verdict != "ok" {
            return Err(StoreError::damaged(database, verdict));
        }
    }
    let row = sqlx::query("SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(fail)?;
    schema(database, row.try_get("version").map_err(fail)?, &MIGRATOR)
}

/// Brings the schema up to date. The lock taken first makes simultaneous openers wait for each other.
async fn migrate(database: &str, options: &SqliteConnectOptions) -> Result<()> {
    let fail = |error| StoreError::of(database, error);
    let mut connection = options.connect().await.map_err(fail)?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(fail)?;
    MIGRATOR
        .run_direct(None, &mut *tx, false)
        .await
        .map_err(|error| migration_failed(database, &MIGRATOR, error))?;
    tx.commit().await.map_err(fail)?;
    connection.close().await.map_err(fail)
}
