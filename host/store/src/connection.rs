//! Reading and writing with errors sorted and hints sent.

use std::path::Path;

use gencode_core::{id::ProjectId, time};
use jiff::Timestamp;
use sqlx::{
    Sqlite, Transaction,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::{Result, Store, StoreError, events::EventHint, row::Cells};

pub(crate) type Sql = Query<'static, Sqlite, SqliteArguments>;

/// A statement with its parameters to be bound.
pub(crate) fn sql(text: &'static str) -> Sql {
    sqlx::query(text)
}

impl Store {
    pub(crate) fn fail(&self) -> impl Fn(sqlx::Error) -> StoreError {
        |error| StoreError::of(&self.inner.file, error)
    }

    /// The first row, if any.
    pub(crate) async fn optional(&self, query: Sql) -> Result<Option<SqliteRow>> {
        query.fetch_optional(&self.inner.readers).await.map_err(self.fail())
    }

    /// All rows. Only for queries that are limited by nature or by a `LIMIT`.
    pub(crate) async fn all(&self, query: Sql) -> Result<Vec<SqliteRow>> {
        query.fetch_all(&self.inner.readers).await.map_err(self.fail())
    }

    /// Begins a write. Dropping it undoes it.
    pub(crate) async fn write(&self) -> Result<Write> {
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(self.fail())?;
        // Milliseconds padded to the microseconds of the stored form.
        let row = sql("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000+00:00' AS now")
            .fetch_one(&mut *tx)
            .await
            .map_err(self.fail())?;
        let now = Cells::new(&self.inner.file, &row).instant("now")?;
        Ok(Write { tx, now, store: self.clone(), hints: Vec::new() })
    }

    pub(crate) fn file_path(&self) -> &Path {
        &self.inner.file
    }
}

/// A write in progress.
pub(crate) struct Write {
    tx: Transaction<'static, Sqlite>,
    /// The database's clock when the write began.
    pub(crate) now: Timestamp,
    store: Store,
    hints: Vec<EventHint>,
}

impl Write {
    /// The stored form of [`Self::now`].
    pub(crate) fn now_text(&self) -> String {
        time::iso(self.now)
    }

    pub(crate) fn file(&self) -> &Path {
        self.store.file_path()
    }

    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, query: Sql) -> Result<u64> {
        let done = query.execute(&mut *self.tx).await;
        done.map(|done| done.rows_affected()).map_err(self.store.fail())
    }

    pub(crate) async fn optional(&mut self, query: Sql) -> Result<Option<SqliteRow>> {
        query.fetch_optional(&mut *self.tx).await.map_err(self.store.fail())
    }

    pub(crate) async fn all(&mut self, query: Sql) -> Result<Vec<SqliteRow>> {
        query.fetch_all(&mut *self.tx).await.map_err(self.store.fail())
    }

    /// Tells listeners about an event once the write is done.
    pub(crate) fn hint(&mut self, project: ProjectId, seq: u64) {
        self.hints.push(EventHint { project, seq });
    }

    /// Makes the write durable, then tells the listeners.
    pub(crate) async fn commit(self) -> Result<()> {
        self.tx.commit().await.map_err(self.store.fail())?;
        for hint in self.hints {
            // Nobody listening is fine.
            let _listeners = self.store.inner.hints.send(hint);
        }
        Ok(())
    }
}
