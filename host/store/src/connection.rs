//! Reading and writing with errors sorted and hints sent.

use std::sync::Arc;

use gencode_core::{
    crash::{self, Around},
    id::ProjectId,
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

const NOW: &str = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', \
                   'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '+00:00' AS now";

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
        crash::pass(around.before);
        let (tx, now) = match &self.inner.engine {
            Engine::Sqlite { writer, .. } => {
                let (turn, now) = writer.begin().await?;
                (Tx::Sqlite(turn), Some(now))
            }
            Engine::Postgres(pool) => {
                let tx = pool.begin().await;
                let tx = tx.map_err(|error| StoreError::of(&self.inner.name, error))?;
                (Tx::Postgres(tx), None)
            }
        };
        let epoch = Timestamp::UNIX_EPOCH;
        let mut write =
            Write { tx, now: now.unwrap_or(epoch), store: self.clone(), hints: Vec::new(), around };
        if now.is_none() {
            let row = write.optional(sql(NOW)).await?;
            write.now =
                row.ok_or_else(|| self.damaged("it does not know the time"))?.instant("now")?;
        }
        Ok(write)
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
    around: Around,
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

    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, query: Sql) -> Result<u64> {
        if query.has_nul() {
            return Err(StoreError::Nul);
        }
        let name = self.name();
        match &mut self.tx {
            Tx::Sqlite(turn) => match query.sqlite().execute(turn.connection()?).await {
                Ok(done) => Ok(done.rows_affected()),
                Err(error) => Err(turn.failed(StoreError::of(&name, error))),
            },
            Tx::Postgres(tx) => match query.postgres().execute(&mut **tx).await {
                Ok(done) => Ok(done.rows_affected()),
                Err(error) => Err(StoreError::of(&name, error)),
            },
        }
    }

    pub(crate) async fn optional(&mut self, query: Sql) -> Result<Option<Row>> {
        Ok(self.all(query).await?.into_iter().next())
    }

    pub(crate) async fn all(&mut self, query: Sql) -> Result<Vec<Row>> {
        let name = self.name();
        match &mut self.tx {
            Tx::Sqlite(turn) => match query.sqlite().fetch_all(turn.connection()?).await {
                Ok(rows) => Ok(rows.into_iter().map(|row| Row::sqlite(&name, row)).collect()),
                Err(error) => Err(turn.failed(StoreError::of(&name, error))),
            },
            Tx::Postgres(tx) => match query.postgres().fetch_all(&mut **tx).await {
                Ok(rows) => Ok(rows.into_iter().map(|row| Row::postgres(&name, row)).collect()),
                Err(error) => Err(StoreError::of(&name, error)),
            },
        }
    }

    /// Tells listeners about an event once the write is done.
    pub(crate) fn hint(&mut self, project: ProjectId, seq: u64) {
        self.hints.push(EventHint { project, seq });
    }

    /// Makes the write durable, then tells the listeners.
    pub(crate) async fn commit(self) -> Result<()> {
        let name = self.name();
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
