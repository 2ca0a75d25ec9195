//! The journal: what every host call of a step was answered, so that a replay gets the same answers.

use gencode_core::{
    crash_around,
    digest::Digest,
    id::RunId,
    ledger::LedgerEntry,
    run::{StepRecord, StepStatus},
};
use serde_json::Value;

use crate::{
    Lease, Result, Store, StoreError,
    connection::Write,
    row::{Row, to_json},
    sql::sql,
};

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
        if entry.run != lease.run {
            return Err(StoreError::LeaseLost(entry.run));
        }
        let around = crash_around!("store.journal.append");
        let (mut write, project, step) = self.write_to_step(around, lease, &entry.step).await?;
        write.insert_journal(&step, entry)?;
        if let Some(ledger) = &entry.ledger {
            write.insert_ledger(&project, ledger);
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
                sql("SELECT path, digest, call, reply, checksum FROM journal \
                     WHERE run = $1 AND step = $2 AND attempt = $3 ORDER BY path")
                .bind(run.to_string())
                .bind(step.to_owned())
                .bind(i64::from(attempt)),
            )
            .await?;
        rows.iter().map(|row| self.journal_entry(run, step, attempt, row)).collect()
    }

    /// An entry from its row, held against its checksum.
    pub(crate) fn journal_entry(
        &self,
        run: RunId,
        step: &str,
        attempt: u32,
        row: &Row,
    ) -> Result<JournalEntry> {
        let entry = JournalEntry {
            run,
            step: step.to_owned(),
            attempt,
            path: row.text("path")?,
            digest: row.parsed("digest")?,
            call: row.json("call")?,
            reply: row.json("reply")?,
            ledger: None,
        };
        let sum = checksum(&entry, &row.text("call")?, &row.text("reply")?);
        match row.optional_parsed::<Digest>("checksum")? {
            Some(written) if written != sum => Err(self.damaged(&format!(
                "call {} of step `{step}` of run {run} is not as it was written",
                entry.path
            ))),
            _ => Ok(entry),
        }
    }
}

impl Write {
    /// Adds an answer to the try that is going on: one that no replay would read is a mistake. A
    /// position that has its answer already is refused when the write is sent.
    pub(crate) fn insert_journal(&mut self, step: &StepRecord, entry: &JournalEntry) -> Result<()> {
        if step.status != StepStatus::Running || step.attempt != entry.attempt {
            return Err(StoreError::Conflict(format!(
                "step `{}` is not being worked on in try {}",
                entry.step, entry.attempt
            )));
        }
        let call = to_json(&entry.call)?;
        let reply = to_json(&entry.reply)?;
        let checksum = checksum(entry, &call, &reply);
        let now = self.now_text();
        self.later(
            sql("INSERT INTO journal \
                 (run, step, attempt, path, digest, call, reply, at, checksum) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(entry.run.to_string())
            .bind(entry.step.clone())
            .bind(i64::from(entry.attempt))
            .bind(entry.path.clone())
            .bind(entry.digest.to_string())
            .bind(call)
            .bind(reply)
            .bind(now)
            .bind(checksum.to_string()),
        );
        Ok(())
    }
}

impl Write {
    /// Adds what the host itself notes of the try that is going on, at a position of its own.
    pub(crate) fn insert_mark(
        &mut self,
        run: RunId,
        step: &StepRecord,
        position: &str,
        digest: Digest,
        reply: Value,
    ) -> Result<()> {
        let entry = JournalEntry {
            run,
            step: step.step.clone(),
            attempt: step.attempt,
            path: position.to_owned(),
            digest,
            call: Value::Null,
            reply,
            ledger: None,
        };
        self.insert_journal(step, &entry)
    }
}

/// What a row of the journal must still add up to when it is read: a database does not notice a
/// flipped bit in a text, and a wrong answer must not be replayed.
fn checksum(entry: &JournalEntry, call: &str, reply: &str) -> Digest {
    let JournalEntry { run, step, attempt, path, digest, .. } = entry;
    let length = call.len();
    let row = format!("{run}\n{step}\n{attempt}\n{path}\n{digest}\n{length}\n{call}\n{reply}");
    Digest::of(row.as_bytes())
}
