//! Requests that their sender may repeat: the outcome is kept in the transaction that does what was
//! asked, so that a repeat gets the same answer and nothing is done twice.

use gencode_core::{crash_around, digest::Digest, time};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Result, Store, StoreError, connection::Write, open::Engine, row::to_json, sql::sql};

/// A request with a key of its sender's, who says the same key when repeating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    pub key: String,
    /// Of all that was asked.
    pub digest: Digest,
    /// What is being done about it; kept with the outcome.
    pub label: &'static str,
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The [`Once::label`] under which it was done.
    pub label: String,
    pub value: Value,
}

impl Store {
    /// What the request was answered before. [`StoreError::Conflict`] when the key was used for
    /// something else.
    pub async fn outcome(&self, once: &Once) -> Result<Option<Outcome>> {
        let query = sql("SELECT digest, outcome FROM requests WHERE key = $1");
        let Some(row) = self.optional(query.bind(once.key.clone())).await? else { return Ok(None) };
        if row.parsed::<Digest>("digest")? != once.digest {
            return Err(StoreError::Conflict(format!(
                "the idempotency key `{}` belongs to another request",
                once.key
            )));
        }
        row.json("outcome").map(Some)
    }

    /// [`Store::outcome`] for a request that met another with its key in the database: also when
    /// the other's write is among those that are on their way to the disk.
    pub async fn outcome_by_now(&self, once: &Once) -> Result<Option<Outcome>> {
        if let Engine::Sqlite { writer, .. } = &self.inner.engine {
            writer.settle().await?;
        }
        self.outcome(once).await
    }

    /// Keeps the answer to a request that changed nothing. An answer that is kept already stays.
    pub async fn keep_outcome(&self, once: &Once, outcome: &(impl Serialize + Sync)) -> Result<()> {
        let mut write = self.write(crash_around!("store.request.keep")).await?;
        match write.keep_outcome(Some(once), outcome).await {
            Ok(()) => write.commit().await,
            Err(StoreError::Repeated) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Forgets requests older than `age`. Returns how many.
    pub async fn forget_requests(&self, age: SignedDuration) -> Result<u64> {
        let mut write = self.write(crash_around!("store.request.keep")).await?;
        let before = write.now.checked_sub(age).unwrap_or(write.now);
        let query = sql("DELETE FROM requests WHERE at < $1").bind(time::iso(before));
        let count = write.execute(query).await?;
        write.commit().await?;
        Ok(count)
    }
}

impl Write {
    /// Takes the request's key, with its answer. [`StoreError::Repeated`] when it is taken: the
    /// caller undoes its write and reads the answer that is there.
    pub(crate) async fn keep_outcome(
        &mut self,
        once: Option<&Once>,
        outcome: &(impl Serialize + Sync),
    ) -> Result<()> {
        let Some(once) = once else { return Ok(()) };
        let value = serde_json::to_value(outcome).map_err(StoreError::Unstorable)?;
        let outcome = Outcome { label: once.label.to_owned(), value };
        let query = sql("INSERT INTO requests (key, digest, outcome, at) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (key) DO NOTHING")
        .bind(once.key.clone())
        .bind(once.digest.to_string())
        .bind(to_json(&outcome)?)
        .bind(self.now_text());
        if self.execute(query).await? == 1 { Ok(()) } else { Err(StoreError::Repeated) }
    }
}
