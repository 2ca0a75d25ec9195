//! Reading and writing with errors sorted and hints sent.

use std::sync::Arc;

use gencode_core::{
    crash::{self, Around},
    id::ProjectId,
    project::ProjectStatus,
    time,
};
use jiff::Timestamp;
use sqlx::{Postgres, Transaction};

use crate::{
    Result, Store, StoreError,
    events::EventHint,
    lane::Turn,
    open::Engine,
    row::Row,
    sql::{Sql, sql},
};

// Milliseconds padded to the microseconds of the stored form.
const SQLITE_NOW: &str = "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000+00:00'";

const POSTGRES_NOW: &str = "to_char(clock_timestamp() AT TIME ZONE 'UTC', \
                            'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '+00:00'";

impl Store {
    /// The first row, if any.
    pub(crate) async fn optional(&self, query: Sql) -> Result<Option<Row>> {
        let name = &self.inner.name;
        match &self.inner.engine {
            Engine::Sqlite { readers, .. } => {
                let row = query.sqlite().fetch_optional(readers).await;
                row.map(|row| row.map(|row| Row::sqlite(name, row)))
            }
            Engine::Postgres(pool) => {
                let row = query.postgres().fetch_optional(pool).await;
                row.map(|row| row.map(|row| Row::postgres(name, row)))
            }
        }
        .map_err(|error| StoreError::of(name, error))
    }

    /// All rows. Only for queries that are limited by nature or by a `LIMIT`.
    pub(crate) async fn all(&self, query: Sql) -> Result<Vec<Row>> {
        let name = &self.inner.name;
        match &self.inner.engine {
            Engine::Sqlite { readers, .. } => {
                let rows = query.sqlite().fetch_all(readers).await;
                rows.map(|rows| rows.into_iter().map(|row| Row::sqlite(name, row)).collect())
            }
            Engine::Postgres(pool) => {
                let rows = query.postgres().fetch_all(pool).await;
                rows.map(|rows| rows.into_iter().map(|row| Row::postgres(name, row)).collect())
            }
        }
        .map_err(|error| StoreError::of(name, error))
    }

    /// Begins a write. Dropping it undoes it. `around` names it for tests that end the process.
    pub(crate) async fn write(&self, around: Around) -> Result<Write> {
        // A row of one column, so that the clock can be put before it.
        Ok(self.write_reading(around, sql("SELECT 1 AS one")).await?.0)
    }

    /// Begins a write with its first query, in one journey to the database.
    pub(crate) async fn write_reading(
        &self,
        around: Around,
        query: Sql,
    ) -> Result<(Write, Vec<Row>)> {
        // Every write contains this future: on the heap, it does not make all of them large.
        Box::pin(self.begin(around, query)).await
    }

    async fn begin(&self, around: Around, query: Sql) -> Result<(Write, Vec<Row>)> {
        crash::pass(around.before);
        let (tx, clock) = match &self.inner.engine {
            Engine::Sqlite { writer, .. } => (Tx::Sqlite(writer.begin().await?), SQLITE_NOW),
            Engine::Postgres(pool) => {
                let tx = pool.begin().await;
                (
                    Tx::Postgres(tx.map_err(|error| StoreError::of(&self.inner.name, error))?),
                    POSTGRES_NOW,
                )
            }
        };
        let mut write = Write {
            tx,
            now: Timestamp::UNIX_EPOCH,
            store: self.clone(),
            hints: Vec::new(),
            pending: Vec::new(),
            project: None,
            around,
        };
        let rows = write.all(query.with_now(clock)).await?;
        if let Some(row) = rows.first() {
            write.now = row.instant("now")?;
        } else {
            // Whoever finds nothing may still want to write.
            let row = write.optional(sql("SELECT 1 AS one").with_now(clock)).await?;
            let row = row.ok_or_else(|| self.damaged("it does not know the time"))?;
            write.now = row.instant("now")?;
        }
        Ok((write, rows))
    }

    pub(crate) fn damaged(&self, detail: &str) -> StoreError {
        StoreError::damaged(&self.inner.name, detail)
    }
}

/// A write in progress.
pub(crate) struct Write {
    tx: Tx,
    /// The database's clock when the write began.
    pub(crate) now: Timestamp,
    store: Store,
    hints: Vec<EventHint>,
    /// Statements nobody waits for; sent with the next one, or at the end.
    pending: Vec<Sql>,
    /// The project this write has read and keeps.
    pub(crate) project: Option<KeptProject>,
    around: Around,
}

/// What a write knows of the project it writes to. Nobody else changes it meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct KeptProject {
    pub(crate) id: ProjectId,
    pub(crate) status: ProjectStatus,
    pub(crate) last_seq: u64,
}

enum Tx {
    Sqlite(Turn),
    Postgres(Transaction<'static, Postgres>),
}

impl Write {
    /// The stored form of [`Self::now`].
    pub(crate) fn now_text(&self) -> String {
        time::iso(self.now)
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(&self.store.inner.name)
    }

    /// A statement whose outcome is certain, for example on a row that was read and is kept: it is
    /// sent with the next one. None of those that wait may need what another one does.
    pub(crate) fn later(&mut self, query: Sql) {
        self.pending.push(query);
    }

    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, query: Sql) -> Result<u64> {
        self.send().await?;
        if query.has_nul() {
            return Err(StoreError::Nul);
        }
        let name = self.name();
        match &mut self.tx {
            Tx::Sqlite(turn) => turn.execute(vec![query]).await,
            Tx::Postgres(tx) => {
                let done = query.postgres().execute(&mut **tx).await;
                done.map(|done| done.rows_affected()).map_err(|error| StoreError::of(&name, error))
            }
        }
    }

    pub(crate) async fn optional(&mut self, query: Sql) -> Result<Option<Row>> {
        Ok(self.all(query).await?.into_iter().next())
    }

    pub(crate) async fn all(&mut self, query: Sql) -> Result<Vec<Row>> {
        self.send().await?;
        let name = self.name();
        match &mut self.tx {
            Tx::Sqlite(turn) => {
                let rows = turn.all(vec![query]).await?;
                Ok(rows.into_iter().map(|row| Row::sqlite(&name, row)).collect())
            }
            Tx::Postgres(tx) => {
                let rows = query.postgres().fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(|row| Row::postgres(&name, row)).collect())
                    .map_err(|error| StoreError::of(&name, error))
            }
        }
    }

    /// Whether a statement that begins so waits.
    pub(crate) fn waits(&self, begin: &str) -> bool {
        self.pending.iter().any(|query| query.begins_with(begin))
    }

    /// Sends the statements that wait.
    pub(crate) async fn send(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let name = self.name();
        let statements = std::mem::take(&mut self.pending);
        if statements.iter().any(Sql::has_nul) {
            return Err(StoreError::Nul);
        }
        match &mut self.tx {
            Tx::Sqlite(turn) => turn.execute(statements).await.map(|_| ()),
            Tx::Postgres(tx) => {
                let done = Sql::together(statements).postgres().execute(&mut **tx).await;
                done.map(|_| ()).map_err(|error| StoreError::of(&name, error))
            }
        }
    }

    /// Tells listeners about an event once the write is done.
    pub(crate) fn hint(&mut self, project: ProjectId, seq: u64) {
        self.hints.push(EventHint { project, seq });
    }

    /// Makes the write durable, then tells the listeners.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let name = self.name();
        let last = std::mem::take(&mut self.pending);
        if last.iter().any(Sql::has_nul) {
            return Err(StoreError::Nul);
        }
        match &mut self.tx {
            Tx::Sqlite(turn) => turn.finish(last).await?,
            Tx::Postgres(_) => {
                self.pending = last;
                self.send().await?;
            }
        }
        crash::pass(self.around.inside);
        match self.tx {
            Tx::Sqlite(turn) => turn.commit().await?,
            Tx::Postgres(tx) => tx.commit().await.map_err(|error| StoreError::of(&name, error))?,
        }
        crash::pass(self.around.after);
        for hint in self.hints {
            if let Some(abroad) = &self.store.inner.abroad {
                // A full queue loses a hint, not an event.
                let _queued = abroad.try_send(hint.clone());
            }
            // Nobody listening is fine.
            let _listeners = self.store.inner.hints.send(hint);
        }
        Ok(())
    }
}
