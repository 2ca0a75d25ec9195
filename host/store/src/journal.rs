//! The journal: what every host call of a step was answered, so that a replay gets the same answers.

use gencode_core::{crash_around, digest::Digest, id::RunId, ledger::LedgerEntry};
use serde_json::Value;

use crate::{Lease, Result, Store, StoreError, connection::Write, row::to_json, sql::sql};

/// One finished host call.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    pub run: RunId,
    pub step: String,
    /// Which try of the step, from 1.
    pub attempt: u32,
    /// Position of the call among all calls of the step, hierarchical, for example `3/1/0`.
    pub path: String,
    /// Digest of the call. A replay that makes another call at this position is a fault.
    pub digest: Digest,
    pub call: Value,
    pub reply: Value,
    /// What the call cost. Booked in the same transaction; not read back by a load.
    pub ledger: Option<LedgerEntry>,
}

impl Store {
    /// Records a finished call and what it cost, both or neither.
    ///
    /// [`StoreError::Conflict`] when that position has an answer already, or when the step is not
    /// being worked on in that try.
    pub async fn journal_append(&self, lease: &Lease, entry: &JournalEntry) -> Result<()> {
        let mut write = self.write(crash_around!("store.journal.append")).await?;
        let project = write.hold(lease).await?;
        if entry.run != lease.run {
            return Err(StoreError::LeaseLost(entry.run));
        }
        write.insert_journal(entry).await?;
        if let Some(ledger) = &entry.ledger {
            write.insert_ledger(&project, ledger).await?;
        }
        write.commit().await
    }

    /// All answers of one try of a step, ordered by path as text.
    pub async fn journal_load(
        &self,
        run: RunId,
        step: &str,
        attempt: u32,
    ) -> Result<Vec<JournalEntry>> {
        let rows = self
            .all(
                sql("SELECT path, digest, call, reply FROM journal \
                     WHERE run = $1 AND step = $2 AND attempt = $3 ORDER BY path")
                .bind(run.to_string())
                .bind(step.to_owned())
                .bind(i64::from(attempt)),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(JournalEntry {
                    run,
                    step: step.to_owned(),
                    attempt,
                    path: row.text("path")?,
                    digest: row.parsed("digest")?,
                    call: row.json("call")?,
                    reply: row.json("reply")?,
                    ledger: None,
                })
            })
            .collect()
    }
}

impl Write {
    pub(crate) async fn insert_journal(&mut self, entry: &JournalEntry) -> Result<()> {
        let taken = sql("SELECT 1 FROM journal \
                         WHERE run = $1 AND step = $2 AND attempt = $3 AND path = $4")
        .bind(entry.run.to_string())
        .bind(entry.step.clone())
        .bind(i64::from(entry.attempt))
        .bind(entry.path.clone());
        if self.optional(taken).await?.is_some() {
            return Err(StoreError::Conflict(format!(
                "call {} of step `{}` has its answer already",
                entry.path, entry.step
            )));
        }
        let call = to_json(&entry.call)?;
        let reply = to_json(&entry.reply)?;
        let now = self.now_text();
        // Only for the try that is going on: an answer that no replay would read is a mistake.
        let added = self
            .execute(
                sql("INSERT INTO journal (run, step, attempt, path, digest, call, reply, at) \
                     SELECT run, step, attempt, $4, $5, $6, $7, $8 FROM steps \
                     WHERE run = $1 AND step = $2 AND attempt = $3 AND status = 'running'")
                .bind(entry.run.to_string())
                .bind(entry.step.clone())
                .bind(i64::from(entry.attempt))
                .bind(entry.path.clone())
                .bind(entry.digest.to_string())
                .bind(call)
                .bind(reply)
                .bind(now),
            )
            .await?;
        if added == 1 {
            return Ok(());
        }
        Err(StoreError::Conflict(format!(
            "step `{}` is not being worked on in try {}",
            entry.step, entry.attempt
        )))
    }
}
