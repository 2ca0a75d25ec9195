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

use sqlx::{
    ConnectOptions as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tokio::{
    sync::{Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::{
    Result, StoreError,
    sql::{Sql, sql},
};

/// Writes that may stand in line. More would only wait for their deadline.
const LINE: usize = 4096;

/// How long a write stands in line before it is told that the database is busy.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// What begins the write that is going on; sent with its first statement.
    begin: Option<&'static str>,
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
        let desk =
            Desk { connection, state: State::Idle, waiting: Vec::new(), begin: None, broken: None };
        Ok(Self {
            database: Arc::clone(database),
            desk: Arc::new(Mutex::new(desk)),
            places: Arc::new(Semaphore::new(LINE)),
            work: Arc::default(),
        })
    }

    /// Waits for the desk. The write begins with its first statement.
    pub(crate) async fn begin(&self) -> Result<Turn> {
        let busy = || StoreError::Busy { database: self.database.to_string() };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let desk = Arc::clone(&self.desk).lock_owned();
        let mut desk = timeout(PATIENCE, desk).await.map_err(|_| busy())?;
        desk.undo(&self.database).await;
        (desk.state, desk.begin) = match desk.state {
            State::Idle => (State::First, Some("BEGIN IMMEDIATE")),
            _ => (State::Further, Some("SAVEPOINT one")),
        };
        Ok(Turn { lane: self.clone(), desk: Some(desk), _place: place })
    }

    /// Returns when every write that was whole before is on the disk, where readers see it.
    pub(crate) async fn settle(&self) -> Result<()> {
        {
            let mut desk = self.desk.lock().await;
            desk.undo(&self.database).await;
            if desk.state == State::Idle {
                return Ok(());
            }
        }
        let mut turn = self.begin().await?;
        turn.all(vec![sql("SELECT 1")]).await?;
        turn.finish(Vec::new()).await?;
        turn.commit().await
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

    /// Runs statements one after the other and returns the rows of all.
    pub(crate) async fn all(&mut self, statements: Vec<Sql>) -> Result<Vec<SqliteRow>> {
        let database = Arc::clone(&self.lane.database);
        let desk = self.desk()?;
        let query = Sql::sequence(desk.begun(statements));
        let rows = query.sqlite().fetch_all(&mut desk.connection).await;
        rows.map_err(|error| desk.noted(StoreError::of(&database, error), &database))
    }

    /// Runs statements one after the other and says how many rows were touched.
    pub(crate) async fn execute(&mut self, statements: Vec<Sql>) -> Result<u64> {
        let database = Arc::clone(&self.lane.database);
        let desk = self.desk()?;
        let query = Sql::sequence(desk.begun(statements));
        let done = query.sqlite().execute(&mut desk.connection).await;
        done.map(|done| done.rows_affected())
            .map_err(|error| desk.noted(StoreError::of(&database, error), &database))
    }

    /// Runs the last statements. Afterwards the write is whole, but not yet on the disk.
    pub(crate) async fn finish(&mut self, mut statements: Vec<Sql>) -> Result<()> {
        if self.desk()?.state == State::Further {
            statements.push(sql("RELEASE one"));
        }
        if !statements.is_empty() {
            self.execute(statements).await?;
        }
        // Only now: a caller that went away in between left a write that must be undone.
        self.desk()?.state = State::Open;
        Ok(())
    }

    /// Gives the desk to the next and waits until the write is on the disk.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let database = Arc::clone(&self.lane.database);
        let (tell, told) = oneshot::channel();
        self.desk()?.waiting.push(tell);
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
    /// The statements, with what begins the write before the first of them.
    fn begun(&mut self, mut statements: Vec<Sql>) -> Vec<Sql> {
        if let Some(begin) = self.begin.take() {
            statements.insert(0, sql(begin));
        }
        statements
    }

    fn noted(&mut self, error: StoreError, database: &str) -> StoreError {
        if error.is_of_the_database() && self.broken.is_none() {
            self.broken = Some(error.again(database));
        }
        error
    }

    /// Undoes the write that someone began and dropped, and the whole transaction if the database
    /// failed in it.
    async fn undo(&mut self, database: &str) {
        let never_begun = self.begin.take().is_some();
        let undone = match self.state {
            _ if self.broken.is_some() => Err(None),
            State::Idle | State::Open => return,
            State::First if never_begun => {
                self.state = State::Idle;
                return;
            }
            State::Further if never_begun => {
                self.state = State::Open;
                return;
            }
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
