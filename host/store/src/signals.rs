//! What somebody wants of a run, whoever works on it: to pause, to go on, to stop.
//!
//! A run that a living host works on is only marked; its owner does what is wanted once nothing is
//! lost by it. A run without a living owner is changed at once.

use gencode_core::{
    crash_around,
    event::EventBody,
    id::{HostId, ProjectId, RunId},
    project::ProjectStatus,
    run::{Run, RunStatus},
};
use jiff::Timestamp;

use crate::{Lease, Once, Result, Store, StoreError, connection::Write, row::to_integer, sql::sql};

/// What is wanted of the host that works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To put the run to sleep at its next host call or between steps.
    Pause,
    /// To cancel the work and then to end the run.
    Stop,
}

impl Wanted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Pause, Self::Stop].into_iter().find(|wanted| wanted.as_str() == text)
    }
}

/// What is going on with a run beside its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// What its owner has not done yet.
    pub wanted: Option<Wanted>,
    /// When it goes on by itself.
    pub resume_at: Option<Timestamp>,
    /// Whether it goes on when there is space again.
    pub waits_for_storage: bool,
}

/// A run that a host owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub run: RunId,
    pub epoch: u64,
    pub wanted: Option<Wanted>,
    /// Why it is wanted.
    pub reason: String,
}

impl Store {
    /// Pauses a run that nobody works on, or asks its owner to. A run that waited for a moment
    /// waits for a person from now on. [`StoreError::Conflict`] when the run is final.
    pub async fn ask_pause(&self, id: RunId, reason: &str, once: Option<&Once>) -> Result<Run> {
        let mut write = self.write(crash_around!("store.run.pause")).await?;
        let run = write.run(id).await?;
        if run.status.is_final() {
            return Err(ended(&run));
        }
        if run.status == RunStatus::Paused {
            write.hold_back(id).await?;
        } else if write.has_owner(id).await? {
            write.want(id, Wanted::Pause, reason).await?;
        } else {
            write.rest(&run, reason).await?;
        }
        let run = write.run(id).await?;
        write.keep_outcome(once, &run).await?;
        write.commit().await?;
        Ok(run)
    }

    /// Lets a paused run go on, or takes the wish to pause back. [`StoreError::Conflict`] when it
    /// waits for an answer, or is final.
    pub async fn ask_resume(
        &self,
        id: RunId,
        events: Vec<EventBody>,
        once: Option<&Once>,
    ) -> Result<Run> {
        let mut write = self.write(crash_around!("store.run.resume")).await?;
        let run = write.run(id).await?;
        match run.status {
            RunStatus::Paused => {
                write.no_question(id).await?;
                write.forget_waits(id, false).await?;
                write.wake(id, events).await?;
            }
            RunStatus::Queued | RunStatus::Running => {
                let query = sql("UPDATE runs SET wanted = NULL, reason = '' \
                                 WHERE id = $1 AND wanted = 'pause'");
                write.execute(query.bind(id.to_string())).await?;
            }
            RunStatus::Completed | RunStatus::Failed | RunStatus::Stopped => {
                return Err(ended(&run));
            }
        }
        let run = write.run(id).await?;
        write.keep_outcome(once, &run).await?;
        write.commit().await?;
        Ok(run)
    }

    /// Stops a run that nobody works on, or asks its owner to: look again until it is final, and
    /// use [`Store::stop_run`] if its owner does not. A run that is final stays as it is.
    pub async fn ask_stop(&self, id: RunId, reason: &str) -> Result<Run> {
        let mut write = self.write(crash_around!("store.run.stop")).await?;
        let run = write.run(id).await?;
        if run.status.is_final() {
            return Ok(run);
        }
        if write.has_owner(id).await? {
            write.want(id, Wanted::Stop, reason).await?;
        } else {
            let body = EventBody::RunStopped { reason: reason.to_owned() };
            write.end_run(&run, RunStatus::Stopped, reason, vec![body]).await?;
        }
        let run = write.run(id).await?;
        write.commit().await?;
        Ok(run)
    }

    /// Brings a project out of whatever state it is in: no run of it is active afterwards, and if
    /// one was, or should have been, the project has failed and can be continued. Needs nothing of
    /// the runs to be readable. Returns how many runs were ended.
    pub async fn reset_project(&self, project: &ProjectId, reason: &str) -> Result<u64> {
        let mut write = self.write(crash_around!("store.run.stop")).await?;
        let active = sql("SELECT id FROM runs WHERE project = $1 \
                          AND status IN ('queued', 'running', 'paused')")
        .bind(project.to_string())
        .locking();
        let rows = write.all(active).await?;
        for row in &rows {
            write.end_blindly(row.text("id")?, reason).await?;
        }
        let status = write.project_status(project).await?;
        let stuck = matches!(status, ProjectStatus::Analyzing | ProjectStatus::Building);
        if stuck {
            write.project_becomes(project, ProjectStatus::Failed).await?;
        }
        if stuck || !rows.is_empty() {
            let body = EventBody::RunStopped { reason: reason.to_owned() };
            write.append_events(project, None, vec![body]).await?;
        }
        write.commit().await?;
        Ok(rows.len().try_into().unwrap_or(u64::MAX))
    }

    /// What is going on with a run beside its status.
    pub async fn standing(&self, run: RunId) -> Result<Standing> {
        let query = sql("SELECT wanted, resume_at, waits_for FROM runs WHERE id = $1");
        let Some(row) = self.optional(query.bind(run.to_string())).await? else {
            return Err(crate::runs::no_run(run));
        };
        Ok(Standing {
            wanted: row.optional_text("wanted")?.as_deref().and_then(Wanted::parse),
            resume_at: row.optional_instant("resume_at")?,
            waits_for_storage: row.optional_text("waits_for")?.is_some(),
        })
    }

    /// The runs that a host owns, with what is wanted of it.
    pub async fn owned(&self, host: &HostId) -> Result<Vec<Owned>> {
        let query = sql("SELECT id, epoch, wanted, reason FROM runs \
                         WHERE status IN ('queued', 'running', 'paused') \
                         AND status = 'running' AND host = $1 AND lease_until IS NOT NULL");
        let rows = self.all(query.bind(host.to_string())).await?;
        rows.iter()
            .map(|row| {
                Ok(Owned {
                    run: row.parsed("id")?,
                    epoch: row.natural("epoch")?,
                    wanted: row.optional_text("wanted")?.as_deref().and_then(Wanted::parse),
                    reason: row.text("reason")?,
                })
            })
            .collect()
    }

    /// Whether the lease is still good. For what is not a write of the store: files, processes.
    pub async fn check_lease(&self, lease: &Lease) -> Result<()> {
        let query = sql("SELECT 1 AS held FROM runs \
                         WHERE id = $1 AND host = $2 AND epoch = $3 AND status = 'running'")
        .bind(lease.run.to_string())
        .bind(lease.host.to_string())
        .bind(to_integer(lease.epoch));
        self.optional(query).await?.map(drop).ok_or(StoreError::LeaseLost(lease.run))
    }

    /// [`Store::append_events`] by the owner of a run.
    pub async fn tell(&self, lease: &Lease, bodies: Vec<EventBody>) -> Result<()> {
        let (mut write, project) =
            self.write_as_owner(crash_around!("store.event.append"), lease).await?;
        write.append_events(&project, Some(lease.run), bodies).await?;
        write.commit().await
    }

    /// Runs that wait for space, oldest first.
    pub async fn waiting_for_storage(&self) -> Result<Vec<RunId>> {
        let query = sql("SELECT id FROM runs WHERE status = 'paused' AND waits_for = 'storage' \
                         ORDER BY created_at, id LIMIT 100");
        self.all(query).await?.iter().map(|row| row.parsed("id")).collect()
    }

    /// How many runs wait for a host to take them.
    pub async fn queued(&self) -> Result<u64> {
        let query = sql("SELECT count(*) AS n FROM runs WHERE status = 'queued'");
        match self.optional(query).await? {
            Some(row) => row.natural("n"),
            None => Ok(0),
        }
    }
}

fn ended(run: &Run) -> StoreError {
    StoreError::Conflict(format!("run {} is {} already", run.id, run.status.as_str()))
}

impl Write {
    /// Whether a living host works on the run.
    async fn has_owner(&mut self, id: RunId) -> Result<bool> {
        let query = sql("SELECT 1 AS owned FROM runs \
                         WHERE id = $1 AND status = 'running' AND lease_until > $2");
        let now = self.now_text();
        Ok(self.optional(query.bind(id.to_string()).bind(now)).await?.is_some())
    }

    /// Marks the run for its owner. Who wants it stopped is not told to pause it.
    async fn want(&mut self, id: RunId, wanted: Wanted, reason: &str) -> Result<()> {
        let query = sql("UPDATE runs SET wanted = $2, reason = $3 \
                         WHERE id = $1 AND (wanted IS NULL OR wanted <> 'stop')")
        .bind(id.to_string())
        .bind(wanted.as_str())
        .bind(reason.to_owned());
        self.execute(query).await?;
        Ok(())
    }

    /// Puts a run to sleep that nobody works on.
    async fn rest(&mut self, run: &Run, reason: &str) -> Result<()> {
        if run.status == RunStatus::Queued {
            // Only what runs can pause; nobody sees it run.
            let query = sql("UPDATE runs SET status = 'running' WHERE id = $1");
            self.execute(query.bind(run.id.to_string())).await?;
        }
        let query = sql("UPDATE runs SET status = 'paused', reason = $2, wanted = NULL, \
                         host = NULL, lease_until = NULL, epoch = epoch + 1 WHERE id = $1")
        .bind(run.id.to_string())
        .bind(reason.to_owned());
        self.execute(query).await?;
        let body = EventBody::RunPaused {
            step: String::new(),
            question: reason.to_owned(),
            options: Vec::new(),
        };
        self.append_events(&run.project, Some(run.id), vec![body]).await?;
        Ok(())
    }

    /// A paused run does not go on by itself any more.
    async fn hold_back(&mut self, id: RunId) -> Result<()> {
        let query = sql("UPDATE runs SET resume_at = NULL, waits_for = NULL WHERE id = $1");
        self.execute(query.bind(id.to_string())).await?;
        Ok(())
    }

    /// Ends a run of which only the id is known to be sound.
    async fn end_blindly(&mut self, id: String, reason: &str) -> Result<()> {
        let now = self.now_text();
        let query = sql("UPDATE runs SET status = 'stopped', reason = $2, finished_at = $3, \
                         epoch = epoch + 1, host = NULL, lease_until = NULL, resume_at = NULL, \
                         waits_for = NULL, wanted = NULL WHERE id = $1")
        .bind(id.clone())
        .bind(reason.to_owned())
        .bind(now.clone());
        self.execute(query).await?;
        for query in [
            sql("UPDATE steps SET status = 'failed', reason = $2, finished_at = $3 \
                 WHERE run = $1 AND status = 'running'"),
            sql("UPDATE steps SET status = 'blocked', reason = $2, finished_at = $3 \
                 WHERE run = $1 AND status = 'waiting'"),
        ] {
            let query = query.bind(id.clone()).bind(reason.to_owned()).bind(now.clone());
            self.execute(query).await?;
        }
        self.execute(sql("DELETE FROM questions WHERE run = $1").bind(id)).await?;
        Ok(())
    }
}
