//! Steps of a run and how often they were tried.

use gencode_core::{
    crash_around,
    digest::Digest,
    event::EventBody,
    id::RunId,
    project::IllegalTransition,
    run::{StepRecord, StepStatus},
};
use serde_json::Value;

use crate::{Lease, Result, Store, StoreError, connection::Write, row::Row, sql::sql};

pub(crate) fn step_of(row: &Row) -> Result<StepRecord> {
    Ok(StepRecord {
        step: row.text("step")?,
        position: row.small("position")?,
        status: row.word("status", StepStatus::parse)?,
        attempt: row.small("attempt")?,
        reason: row.text("reason")?,
        report: row.json("report")?,
        started_at: row.optional_instant("started_at")?,
        finished_at: row.optional_instant("finished_at")?,
    })
}

/// Position in the journal of what a try began from.
pub const BASE: &str = "@base";

/// What a try begins from, for its journal ([`BASE`]).
#[derive(Debug, Clone, PartialEq)]
pub struct BaseEntry {
    /// The files. Clean-ups keep what it names, backups take it along.
    pub manifest: Digest,
    /// All of it, as whoever works on the step reads it.
    pub value: Value,
}

/// A try of a step that goes on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Its number, from 1.
    pub attempt: u32,
    /// Whether it begins only now: its journal holds nothing but what it begins from.
    pub is_new: bool,
}

const STEPS: &str = "SELECT * FROM steps WHERE run = $1 ORDER BY position, step";
const STEP: &str = "SELECT * FROM steps WHERE run = $1 AND step = $2";

impl Store {
    /// The steps of a run, in pipeline order.
    pub async fn steps(&self, run: RunId) -> Result<Vec<StepRecord>> {
        let rows = self.all(sql(STEPS).bind(run.to_string())).await?;
        rows.iter().map(step_of).collect()
    }

    /// Begins a step.
    ///
    /// A step that is running already (its host died, or the run was paused in it) keeps its
    /// number, and with it its journal. When a new try begins, `base` is the first entry of its
    /// journal ([`BASE`]), and `events` makes, from its number, what is added to the history.
    pub async fn begin_step(
        &self,
        lease: &Lease,
        step: &str,
        base: Option<BaseEntry>,
        events: impl FnOnce(u32) -> Vec<EventBody> + Send,
    ) -> Result<Begun> {
        let around = crash_around!("store.step.begin");
        let (mut write, project, record) = self.write_to_step(around, lease, step).await?;
        if record.status == StepStatus::Running {
            return Ok(Begun { attempt: record.attempt, is_new: false });
        }
        if !record.status.may_become(StepStatus::Running) {
            return Err(illegal(record.status, StepStatus::Running));
        }
        let attempt = write.start_step(lease.run, &record, base)?;
        write.append_events(&project, Some(lease.run), events(attempt)).await?;
        write.commit().await?;
        Ok(Begun { attempt, is_new: true })
    }
}

pub(crate) fn no_step(run: RunId, step: &str) -> StoreError {
    StoreError::NotFound { what: "step", id: format!("{run}/{step}") }
}

pub(crate) fn illegal(from: StepStatus, to: StepStatus) -> StoreError {
    IllegalTransition { what: "step", from: from.as_str(), to: to.as_str() }.into()
}

impl Write {
    /// The step as this write sees it.
    pub(crate) async fn step(&mut self, run: RunId, step: &str) -> Result<StepRecord> {
        let query = sql(STEP).bind(run.to_string()).bind(step.to_owned());
        match self.optional(query).await? {
            Some(row) => step_of(&row),
            None => Err(no_step(run, step)),
        }
    }

    /// Begins another try of a step that may run. Returns its number.
    pub(crate) fn start_step(
        &mut self,
        run: RunId,
        record: &StepRecord,
        base: Option<BaseEntry>,
    ) -> Result<u32> {
        let now = self.now_text();
        let attempt = record.attempt.saturating_add(1);
        self.later(
            sql("UPDATE steps SET status = 'running', attempt = $3, reason = '', \
                 started_at = coalesce(started_at, $4), finished_at = NULL \
                 WHERE run = $1 AND step = $2")
            .bind(run.to_string())
            .bind(record.step.clone())
            .bind(i64::from(attempt))
            .bind(now),
        );
        if let Some(BaseEntry { manifest, value }) = base {
            let record = StepRecord { status: StepStatus::Running, attempt, ..record.clone() };
            self.insert_mark(run, &record, BASE, manifest, value)?;
        }
        Ok(attempt)
    }

    pub(crate) async fn steps(&mut self, run: RunId) -> Result<Vec<StepRecord>> {
        let rows = self.all(sql(STEPS).bind(run.to_string())).await?;
        rows.iter().map(step_of).collect()
    }
}
