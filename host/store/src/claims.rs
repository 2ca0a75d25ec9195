//! Who works on a run: leases with a fencing epoch.

use gencode_core::{
    crash::Around,
    crash_around,
    event::EventBody,
    id::{HostId, ProjectId, RunId},
    project::ProjectStatus,
    run::{Run, RunStatus, StepRecord},
    time,
};
use jiff::SignedDuration;

use crate::{
    Result, Store, StoreError,
    connection::{KeptProject, Write},
    row::{Row, to_integer},
    runs::run_of,
    sql::{Sql, sql},
    steps::{no_step, step_of},
};

/// The right to work on a run. Every write of the owner names it; the store refuses the write with
/// [`StoreError::LeaseLost`] once the run was stopped, paused or taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub run: RunId,
    pub host: HostId,
    /// Raised whenever the owner changes.
    pub epoch: u64,
}

/// What [`Store::claim`] needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub host: HostId,
    /// How long the lease lives without [`Store::renew`], in milliseconds.
    pub lease_ms: u32,
    /// Only this run; any when none.
    pub only: Option<RunId>,
}

/// Why a run could be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// Nobody worked on it before.
    Started,
    /// Its owner died or lost its lease.
    Recovered,
    /// It was paused or given back in an orderly way.
    Resumed,
}

/// A run with the right to work on it, as it was at the moment of the claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub run: Run,
    pub lease: Lease,
    pub kind: ClaimKind,
    pub steps: Vec<StepRecord>,
}

impl Store {
    /// Takes the oldest run that is to be worked on and has no living owner.
    ///
    /// Adds `RunStarted` or `RunRecovered` to the history.
    pub async fn claim(&self, claim: &Claim) -> Result<Option<Claimed>> {
        // Most looks find nothing: they need not stand in line for the writer.
        let waiting = sql("SELECT 1 FROM runs WHERE status IN ('queued', 'running') LIMIT 1");
        if self.optional(waiting).await?.is_none() {
            return Ok(None);
        }
        let mut write = self.write(crash_around!("store.run.claim")).await?;
        let query = sql("SELECT * FROM runs WHERE status IN ('queued', 'running') \
                         AND (lease_until IS NULL OR lease_until <= $1) \
                         AND ($2 IS NULL OR id = $2) ORDER BY created_at, id LIMIT 1");
        let (now, only) = (write.now_text(), claim.only.map(|run| run.to_string()));
        let query = query.bind(now).bind(only).locking_free();
        let Some(row) = write.optional(query).await? else {
            return Ok(None);
        };
        let found = run_of(&row)?;
        let epoch = row.natural("epoch")?.saturating_add(1);
        let kind = match (found.started_at, row.optional_text("host")?) {
            (None, _) => ClaimKind::Started,
            (Some(_), Some(_)) => ClaimKind::Recovered,
            (Some(_), None) => ClaimKind::Resumed,
        };
        if found.status != RunStatus::Running {
            found.status.become_(RunStatus::Running)?;
        }
        let (now, until) = (write.now_text(), write.lease_end(claim.lease_ms));
        write
            .execute(
                sql(
                    "UPDATE runs SET status = 'running', host = $2, epoch = $3, lease_until = $4, \
                     started_at = coalesce(started_at, $5) WHERE id = $1",
                )
                .bind(found.id.to_string())
                .bind(claim.host.to_string())
                .bind(to_integer(epoch))
                .bind(until)
                .bind(now),
            )
            .await?;
        let event = match kind {
            ClaimKind::Started => vec![EventBody::RunStarted],
            ClaimKind::Recovered => vec![EventBody::RunRecovered],
            ClaimKind::Resumed => vec![],
        };
        write.append_events(&found.project, Some(found.id), event).await?;
        let run = write.run(found.id).await?;
        let steps = write.steps(found.id).await?;
        write.commit().await?;
        let lease = Lease { run: run.id, host: claim.host, epoch };
        Ok(Some(Claimed { run, lease, kind, steps }))
    }

    /// Keeps the lease alive for another `lease_ms` from now.
    pub async fn renew(&self, lease: &Lease, lease_ms: u32) -> Result<()> {
        let (mut write, _) = self.write_as_owner(crash_around!("store.run.renew"), lease).await?;
        let until = write.lease_end(lease_ms);
        let query = sql("UPDATE runs SET lease_until = $2 WHERE id = $1");
        write.execute(query.bind(lease.run.to_string()).bind(until)).await?;
        write.commit().await
    }

    /// Gives the run back, for example at shutdown; anyone may claim it at once.
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        let (mut write, _) = self.write_as_owner(crash_around!("store.run.release"), lease).await?;
        let query = sql("UPDATE runs SET host = NULL, lease_until = NULL, epoch = epoch + 1 \
                         WHERE id = $1");
        write.execute(query.bind(lease.run.to_string())).await?;
        write.commit().await
    }

    /// Takes every run and every hold away from a host that is known to be dead. Returns how many
    /// runs.
    pub async fn expire_host(&self, host: &HostId) -> Result<u64> {
        let mut write = self.write(crash_around!("store.host.expire")).await?;
        let query = sql("UPDATE runs SET lease_until = NULL, epoch = epoch + 1 \
                         WHERE host = $1 AND status = 'running' AND lease_until IS NOT NULL");
        let count = write.execute(query.bind(host.to_string())).await?;
        write.later(sql("DELETE FROM holds WHERE id = $1").bind(host.to_string()));
        write.commit().await?;
        Ok(count)
    }
}

impl Write {
    fn lease_end(&self, lease_ms: u32) -> String {
        let end = self.now.checked_add(SignedDuration::from_millis(i64::from(lease_ms)));
        time::iso(end.unwrap_or(self.now))
    }
}

impl Store {
    /// Begins a write of an owner: [`StoreError::LeaseLost`] unless the lease is good. The run and
    /// its project stay as they are until the write is done. Returns the project.
    pub(crate) async fn write_as_owner(
        &self,
        around: Around,
        lease: &Lease,
    ) -> Result<(Write, ProjectId)> {
        let query = owned("", "", lease);
        let (mut write, rows) = self.write_reading(around, query).await?;
        let row = rows.first().ok_or(StoreError::LeaseLost(lease.run))?;
        let project = write.keep_owned(row)?;
        Ok((write, project))
    }

    /// As [`Self::write_as_owner`], for a write to a step. Returns it too.
    pub(crate) async fn write_to_step(
        &self,
        around: Around,
        lease: &Lease,
        step: &str,
    ) -> Result<(Write, ProjectId, StepRecord)> {
        let (write, project, step, _) = self.write_to_steps(around, lease, step, None).await?;
        Ok((write, project, step))
    }

    /// As [`Self::write_to_step`], with another step that may be there.
    pub(crate) async fn write_to_steps(
        &self,
        around: Around,
        lease: &Lease,
        step: &str,
        other: Option<&str>,
    ) -> Result<(Write, ProjectId, StepRecord, Option<StepRecord>)> {
        const JOIN: &str = " JOIN steps AS step ON step.run = run.id AND step.step IN ($4, $5)";
        let query = owned(", step.*", JOIN, lease).bind(step).bind(other.unwrap_or(step));
        let (mut write, rows) = self.write_reading(around, query).await?;
        let mut records = rows.iter().map(step_of).collect::<Result<Vec<_>>>()?;
        if let Some(row) = rows.first() {
            let project = write.keep_owned(row)?;
            if let Some(at) = records.iter().position(|record| record.step == step) {
                let record = records.swap_remove(at);
                return Ok((write, project, record, records.pop()));
            }
        }
        // Either is missing, the lease or the step; which one decides what the caller does.
        if write.all(owned("", "", lease)).await?.is_empty() {
            return Err(StoreError::LeaseLost(lease.run));
        }
        Err(no_step(lease.run, step))
    }
}

/// Reads and keeps the run of a good lease, its project, and what `join` adds.
fn owned(columns: &str, join: &str, lease: &Lease) -> Sql {
    sql(format!(
        "SELECT run.project, project.status AS project_status, project.last_seq{columns} \
         FROM runs AS run JOIN projects AS project ON project.id = run.project{join} \
         WHERE run.id = $1 AND run.host = $2 AND run.epoch = $3 AND run.status = 'running'"
    ))
    .bind(lease.run.to_string())
    .bind(lease.host.to_string())
    .bind(to_integer(lease.epoch))
    .locking()
}

impl Write {
    fn keep_owned(&mut self, row: &Row) -> Result<ProjectId> {
        let project = KeptProject {
            id: row.parsed("project")?,
            status: row.word("project_status", ProjectStatus::parse)?,
            last_seq: row.natural("last_seq")?,
        };
        let id = project.id.clone();
        self.project = Some(project);
        Ok(id)
    }
}
