//! Intents: a model call is written down before it is sent, so that after a crash it is known that
//! it may have been sent, and may have been paid for.

use gencode_core::{crash_around, id::RunId, time};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::{
    JournalEntry, Lease, Result, Store, StoreError, connection::Write, row::Row, sql::sql,
};

/// Where a model call is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallSite {
    pub run: RunId,
    pub step: String,
    pub attempt: u32,
    /// Position in the journal.
    pub path: String,
}

/// A model call that has no answer yet, or had tries whose outcome nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub site: CallSite,
    /// Most that one try can cost, in US dollars.
    pub most_usd: Decimal,
    /// How often it was sent.
    pub tries: u32,
    /// Tries that ended without a known outcome.
    pub lost: u32,
    /// Whether a try is under way, or was when its host died.
    pub pending: bool,
    /// How often the provider asked to wait.
    pub waits: u32,
    /// Not to be sent before; the store takes it away when the moment has come.
    pub retry_at: Option<Timestamp>,
}

impl Intent {
    /// What tries without a known outcome cost at most, in US dollars.
    pub fn at_worst(&self) -> Decimal {
        let tries = u64::from(self.lost) + u64::from(self.pending);
        self.most_usd.saturating_mul(Decimal::from(tries))
    }
}

fn intent_of(row: &Row) -> Result<Intent> {
    Ok(Intent {
        site: CallSite {
            run: row.parsed("run")?,
            step: row.text("step")?,
            attempt: row.small("attempt")?,
            path: row.text("path")?,
        },
        most_usd: row.parsed("most_usd")?,
        tries: row.small("tries")?,
        lost: row.small("lost")?,
        pending: row.flag("pending")?,
        waits: row.small("waits")?,
        retry_at: row.optional_instant("retry_at")?,
    })
}

impl Store {
    /// Notes that a call is about to be sent, and may cost so much. A try of it that was still
    /// under way was cut off: nobody will learn its outcome.
    pub async fn intend(&self, lease: &Lease, site: &CallSite, most: Decimal) -> Result<Intent> {
        let mut write = self.write_to_site(lease, site).await?;
        let query = sql("INSERT INTO intents \
                         (run, step, attempt, path, most_usd, tries, pending, at) \
                         VALUES ($1, $2, $3, $4, $5, 1, 1, $6) \
                         ON CONFLICT (run, step, attempt, path) DO UPDATE SET \
                         lost = intents.lost + intents.pending, tries = intents.tries + 1, \
                         pending = 1, retry_at = NULL, most_usd = excluded.most_usd, \
                         at = excluded.at RETURNING *")
        .bind(site.run.to_string())
        .bind(site.step.clone())
        .bind(i64::from(site.attempt))
        .bind(site.path.clone())
        .bind(most.to_string())
        .bind(write.now_text());
        let row = write.optional(query).await?;
        let intent = row.as_ref().map(intent_of).transpose()?;
        let intent = intent.ok_or_else(|| self.damaged("an intent was not kept"))?;
        write.commit().await?;
        Ok(intent)
    }

    /// Notes that the provider refused a call without charging for it, and is not to be asked again
    /// before `wait` is over. Returns that moment.
    pub async fn postpone(
        &self,
        lease: &Lease,
        site: &CallSite,
        wait: SignedDuration,
    ) -> Result<Timestamp> {
        let mut write = self.write_to_site(lease, site).await?;
        let until = write.now.checked_add(wait).unwrap_or(write.now);
        let query = sql("UPDATE intents SET pending = 0, waits = waits + 1, retry_at = $5 \
                         WHERE run = $1 AND step = $2 AND attempt = $3 AND path = $4")
        .bind(site.run.to_string())
        .bind(site.step.clone())
        .bind(i64::from(site.attempt))
        .bind(site.path.clone())
        .bind(time::iso(until));
        write.execute(query).await?;
        write.commit().await?;
        Ok(until)
    }

    /// [`Store::journal_append`] of the answer of an intended call: the intent goes in the same
    /// transaction. It stays, as something unconfirmed, if a try of it has no known outcome:
    /// an earlier one, or, unless `known`, this one.
    pub async fn journal_settle(
        &self,
        lease: &Lease,
        entry: &JournalEntry,
        known: bool,
    ) -> Result<()> {
        if entry.run != lease.run {
            return Err(StoreError::LeaseLost(entry.run));
        }
        let around = crash_around!("store.journal.append");
        let (mut write, project, step) = self.write_to_step(around, lease, &entry.step).await?;
        write.insert_journal(&step, entry)?;
        if let Some(ledger) = &entry.ledger {
            write.insert_ledger(&project, ledger);
        }
        write.settle(entry, known);
        write.commit().await
    }

    /// The calls of a run whose cost is not known, or not yet.
    pub async fn intents(&self, run: RunId) -> Result<Vec<Intent>> {
        let query = sql("SELECT * FROM intents WHERE run = $1 ORDER BY step, attempt, path");
        let rows = self.all(query.bind(run.to_string())).await?;
        rows.iter().map(intent_of).collect()
    }
}

impl Store {
    async fn write_to_site(&self, lease: &Lease, site: &CallSite) -> Result<Write> {
        if site.run != lease.run {
            return Err(StoreError::LeaseLost(site.run));
        }
        Ok(self.write_as_owner(crash_around!("store.intent.add"), lease).await?.0)
    }
}

impl Write {
    /// Ends an intent, with one more lost try unless its outcome is known.
    fn settle(&mut self, entry: &JournalEntry, known: bool) {
        let ended = "UPDATE intents SET pending = 0, retry_at = NULL, lost = lost + $5 \
                     WHERE run = $1 AND step = $2 AND attempt = $3 AND path = $4 \
                     AND lost + $5 > 0";
        let gone = "DELETE FROM intents \
                    WHERE run = $1 AND step = $2 AND attempt = $3 AND path = $4 AND lost + $5 = 0";
        for text in [ended, gone] {
            let query = sql(text)
                .bind(entry.run.to_string())
                .bind(entry.step.clone())
                .bind(i64::from(entry.attempt))
                .bind(entry.path.clone())
                .bind(i64::from(!known));
            self.later(query);
        }
    }
}
