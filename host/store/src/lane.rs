//! The one writer of an SQLite file: writes stand in line here, and those that stand in line
//! together reach the disk together (group commit).
//!
//! A write takes the desk, does its statements, gives the desk to the next and waits. The
//! committer takes its own place in the line; when its turn comes, whatever was written before it
//! is committed with one flush of the disk, and everyone who waits is told.
//!
//! **Invariants:**
//! - a caller hears that its write is done only after the disk has it;
//! - a write that was given up leaves nothing: it is undone before the next one begins;
//! - the line is bounded; who does not fit is told so.

use std::{sync::Arc, time::Duration};

use gencode_core::time;
use jiff::Timestamp;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::{Result, StoreError};

/// Writes that may stand in line. More would only wait for their deadline.
const LINE: usize = 4096;

/// How long a write stands in line before it is told that the database is busy.
const PATIENCE: Duration = Duration::from_secs(30);

// Milliseconds padded to the microseconds of the stored form.
const NOW: &str = "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000+00:00' AS now";

/// The line before the desk.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    database: Arc<str>,
    desk: Arc<Mutex<Desk>>,
    places: Arc<Semaphore>,
    /// Tells the committer that there is something for it.
    work: Arc<Notify>,
}

#[derive(Debug)]
struct Desk {
    connection: SqliteConnection,
    state: State,
    /// Writes that are done but not yet on the disk.
    waiting: Vec<oneshot::Sender<Result<()>>>,
    /// Whether the database failed under one of the writes of this transaction.
    broken: Option<StoreError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction.
    Idle,
    /// A transaction holds the writes of those who wait, and nothing else.
    Open,
    /// The first write of a transaction is going on.
    First,
    /// A further write is going on, in a savepoint.
    Further,
}

/// The right to write, until it is committed or dropped.
pub(crate) struct Turn {
    lane: Lane,
    desk: Option<OwnedMutexGuard<Desk>>,
    _place: OwnedSemaphorePermit,
}

impl Lane {
    pub(crate) async fn open(database: &Arc<str>, options: &SqliteConnectOptions) -> Result<Self> {
        let connection =
            options.connect().await.map_err(|error| StoreError::of(database, error))?;
        let desk = Desk { connection, state: State::Idle, waiting: Vec::new(), broken: None };
        Ok(Self {
            database: Arc::clone(database),
            desk: Arc::new(Mutex::new(desk)),
            places: Arc::new(Semaphore::new(LINE)),
            work: Arc::default(),
        })
    }

    /// Waits for the desk and begins a write. Returns the database's clock with it.
    pub(crate) async fn begin(&self) -> Result<(Turn, Timestamp)> {
        let busy = || StoreError::Busy { database: self.database.to_string() };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let desk = Arc::clone(&self.desk).lock_owned();
        let desk = timeout(PATIENCE, desk).await.map_err(|_| busy())?;
        let mut turn = Turn { lane: self.clone(), desk: Some(desk), _place: place };
        let database = Arc::clone(&self.database);
        let desk = turn.desk()?;
        desk.undo(&database).await;
        let begin = if desk.state == State::Idle {
            desk.state = State::First;
            "BEGIN IMMEDIATE; "
        } else {
            desk.state = State::Further;
            "SAVEPOINT one; "
        };
        let text = sqlx::AssertSqlSafe(format!("{begin}{NOW}"));
        let row = sqlx::query(text).fetch_one(&mut desk.connection).await;
        let now: Result<String, sqlx::Error> = row.and_then(|row| row.try_get("now"));
        let now = now.map_err(|error| desk.noted(StoreError::of(&database, error), &database))?;
        let now = time::parse_iso(&now)
            .ok_or_else(|| StoreError::damaged(&database, "it does not know the time"))?;
        Ok((turn, now))
    }

    /// Writes what is in the log into the file itself. What is begun afterwards finds no desk.
    pub(crate) async fn close(&self) {
        let mut desk = self.desk.lock().await;
        desk.undo(&self.database).await;
        desk.commit(&self.database).await;
        self.places.close();
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = checkpoint.execute(&mut desk.connection).await {
            tracing::debug!(%error, "the log of the database stays beside it");
        }
    }

    /// Commits what stands written, for as long as the store lives.
    pub(crate) async fn commit_forever(self) {
        loop {
            self.work.notified().await;
            let mut desk = self.desk.lock().await;
            desk.undo(&self.database).await;
            desk.commit(&self.database).await;
        }
    }
}

impl Turn {
    fn desk(&mut self) -> Result<&mut Desk> {
        self.desk
            .as_deref_mut()
            .ok_or_else(|| StoreError::Busy { database: self.lane.database.to_string() })
    }

    /// The connection on which the write is made.
    pub(crate) fn connection(&mut self) -> Result<&mut SqliteConnection> {
        Ok(&mut self.desk()?.connection)
    }

    /// Notes a failure of a statement: one of the database itself takes the whole group with it.
    pub(crate) fn failed(&mut self, error: StoreError) -> StoreError {
        let database = Arc::clone(&self.lane.database);
        match self.desk() {
            Ok(desk) => desk.noted(error, &database),
            Err(_) => error,
        }
    }

    /// Ends the write and waits until it is on the disk.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let database = Arc::clone(&self.lane.database);
        let (tell, told) = oneshot::channel();
        {
            let desk = self.desk()?;
            let savepoint = desk.state == State::Further;
            // From here on a cancelled caller leaves a write that is whole, which may be committed.
            desk.state = State::Open;
            if savepoint {
                let released = sqlx::query("RELEASE one").execute(&mut desk.connection).await;
                released
                    .map_err(|error| desk.noted(StoreError::of(&database, error), &database))?;
            }
            desk.waiting.push(tell);
        }
        drop(self);
        told.await.unwrap_or_else(|_| {
            let source = "the host is shutting down".into();
            Err(StoreError::Unavailable { database: database.to_string(), source })
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // First the desk, then the word: the committer finds it free.
        self.desk = None;
        self.lane.work.notify_one();
    }
}

impl Desk {
    fn noted(&mut self, error: StoreError, database: &str) -> StoreError {
        if error.is_of_the_database() && self.broken.is_none() {
            self.broken = Some(error.again(database));
        }
        error
    }

    /// Undoes the write that someone began and dropped, and the whole transaction if the database
    /// failed in it.
    async fn undo(&mut self, database: &str) {
        let undone = match self.state {
            _ if self.broken.is_some() => Err(None),
            State::Idle | State::Open => return,
            State::First => Err(None),
            State::Further => {
                let back = sqlx::query("ROLLBACK TO one; RELEASE one");
                back.execute(&mut self.connection).await.map_err(Some)
            }
        };
        match undone {
            Ok(_) => self.state = State::Open,
            Err(error) => {
                let error = error.map(|error| StoreError::of(database, error));
                self.abandon(database, error).await;
            }
        }
    }

    async fn commit(&mut self, database: &str) {
        if self.state != State::Open {
            return;
        }
        match sqlx::query("COMMIT").execute(&mut self.connection).await {
            Ok(_) => {
                self.state = State::Idle;
                for tell in self.waiting.drain(..) {
                    // Who is not there any more need not be told.
                    let _told = tell.send(Ok(()));
                }
            }
            Err(error) => self.abandon(database, Some(StoreError::of(database, error))).await,
        }
    }

    /// Gives the transaction up and tells everyone whose write was in it.
    async fn abandon(&mut self, database: &str, error: Option<StoreError>) {
        let error = self.broken.take().or(error);
        if let Err(error) = sqlx::query("ROLLBACK").execute(&mut self.connection).await {
            tracing::debug!(%error, "nothing was left to undo");
        }
        self.state = State::Idle;
        for tell in self.waiting.drain(..) {
            let failure = match &error {
                Some(error) => error.again(database),
                None => StoreError::Busy { database: database.to_owned() },
            };
            let _told = tell.send(Err(failure));
        }
    }
}
