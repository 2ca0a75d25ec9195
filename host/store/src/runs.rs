//! Runs: starting, reading and stopping them.

use gencode_core::{
    crash_around,
    event::EventBody,
    id::{ProjectId, RunId},
    project::{IllegalTransition, ProjectStatus},
    run::{Run, RunStatus, StepStatus},
};

use crate::{
    Once, Result, StartError, Store, StoreError,
    connection::Write,
    row::{Row, to_integer, to_json},
    sql::sql,
};

/// A step of a run that is about to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSeed {
    pub step: String,
    /// Position in the pipeline, from 0.
    pub position: u32,
}

/// What [`Store::start_run`] needs.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its status, reason and instants are set by the store.
    pub run: Run,
    pub steps: Vec<StepSeed>,
    /// A final run of the same project whose satisfied steps and their documents are taken over,
    /// so that they are not paid for twice.
    pub continues: Option<RunId>,
}

/// Most runs of one list.
const MAX_PAGE: u32 = 500;

pub(crate) fn run_of(row: &Row) -> Result<Run> {
    Ok(Run {
        id: row.parsed("id")?,
        project: row.parsed("project")?,
        kind: row.json("kind")?,
        request: row.text("request")?,
        provider: row.text("provider")?,
        model: row.text("model")?,
        generation: row.json("generation")?,
        status: row.word("status", RunStatus::parse)?,
        reason: row.text("reason")?,
        created_at: row.instant("created_at")?,
        started_at: row.optional_instant("started_at")?,
        finished_at: row.optional_instant("finished_at")?,
    })
}

pub(crate) fn no_run(id: RunId) -> StoreError {
    StoreError::NotFound { what: "run", id: id.to_string() }
}

impl Store {
    /// Starts a run, unless its project has one that is not final. Of any number of simultaneous
    /// starts, from any number of hosts, one wins and the others learn the winner.
    pub async fn start_run(&self, new: NewRun) -> Result<Run, StartError> {
        self.start_run_once(new, None, None).await
    }

    /// [`Store::start_run`] for a request that may be repeated, whose outcome is the run; refused
    /// with [`StartError::Full`] while `max_queued` runs wait for a host.
    pub async fn start_run_once(
        &self,
        new: NewRun,
        once: Option<&Once>,
        max_queued: Option<u64>,
    ) -> Result<Run, StartError> {
        let mut write = self.write(crash_around!("store.run.start")).await?;
        let project = new.run.project.clone();
        let status = write.project_status(&project).await?;
        let active = sql("SELECT * FROM runs WHERE project = $1 \
                          AND status IN ('queued', 'running', 'paused')");
        if let Some(row) = write.optional(active.bind(project.to_string())).await? {
            let run = run_of(&row)?;
            // Waits for the disk like everyone: the winner may be in the same group of writes.
            write.commit().await?;
            return Err(StartError::AlreadyRunning(Box::new(run)));
        }
        if let Some(max) = max_queued {
            write.room_for_one(max).await?;
        }
        let run = Run {
            status: RunStatus::Queued,
            reason: String::new(),
            created_at: write.now,
            started_at: None,
            finished_at: None,
            ..new.run
        };
        write.insert_run(&run, new.continues).await?;
        if let Some(earlier) = new.continues {
            write.check_continued(earlier, &run).await?;
        }
        for seed in &new.steps {
            write.insert_step(run.id, seed, new.continues).await?;
        }
        if let Some(earlier) = new.continues {
            write.take_documents_over(earlier, run.id).await?;
        }
        let to = match status {
            ProjectStatus::Created | ProjectStatus::Analyzing => ProjectStatus::Analyzing,
            ProjectStatus::Building | ProjectStatus::Completed | ProjectStatus::Failed => {
                ProjectStatus::Building
            }
        };
        write.project_becomes(&project, to).await?;
        write.append_events(&project, Some(run.id), vec![EventBody::RunQueued]).await?;
        write.keep_outcome(once, &run).await?;
        write.commit().await?;
        Ok(run)
    }

    /// The run.
    pub async fn run(&self, id: RunId) -> Result<Run> {
        let query = sql("SELECT * FROM runs WHERE id = $1").bind(id.to_string());
        let row = self.optional(query).await?.ok_or_else(|| no_run(id))?;
        run_of(&row)
    }

    /// Runs of a project, newest first; at most `limit`.
    pub async fn runs_of(&self, project: &ProjectId, limit: u32) -> Result<Vec<Run>> {
        let query = sql("SELECT * FROM runs WHERE project = $1 \
                         ORDER BY created_at DESC, id DESC LIMIT $2");
        let rows = self.all(query.bind(project.to_string()).bind(i64::from(limit))).await?;
        rows.iter().map(run_of).collect()
    }

    /// Runs that began before `before` (all for the first page), newest first, of one project or
    /// of all, in one state or in any; at most `limit` (and at most 500).
    pub async fn list_runs(
        &self,
        project: Option<&ProjectId>,
        status: Option<RunStatus>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<Run>> {
        // Ids sort by time; `s` is behind all of them.
        let before = before.map_or_else(|| "s".to_owned(), |before| before.to_string());
        let of_project = if project.is_some() { "AND project = $3" } else { "AND $3 = ''" };
        let in_status = if status.is_some() { "AND status = $4" } else { "AND $4 = ''" };
        let query = sql(format!(
            "SELECT * FROM runs WHERE id < $1 {of_project} {in_status} ORDER BY id DESC LIMIT $2"
        ))
        .bind(before)
        .bind(i64::from(limit.min(MAX_PAGE)))
        .bind(project.map(ProjectId::to_string).unwrap_or_default())
        .bind(status.map_or("", RunStatus::as_str));
        self.all(query).await?.iter().map(run_of).collect()
    }

    /// How many runs there are in each state that is not final.
    pub async fn count_active(&self) -> Result<Vec<(RunStatus, u64)>> {
        let query = sql("SELECT status, count(*) AS runs FROM runs \
                         WHERE status IN ('queued', 'running', 'paused') GROUP BY status");
        let rows = self.all(query).await?;
        let count = |row: &Row| Ok((row.word("status", RunStatus::parse)?, row.natural("runs")?));
        rows.iter().map(count).collect()
    }

    /// All runs that are not final, oldest first.
    pub async fn active_runs(&self) -> Result<Vec<Run>> {
        let query = sql("SELECT * FROM runs WHERE status IN ('queued', 'running', 'paused') \
                         ORDER BY created_at, id");
        let rows = self.all(query).await?;
        rows.iter().map(run_of).collect()
    }

    /// Stops a run that is not final. Its owner, if any, loses it with its next write.
    pub async fn stop_run(&self, id: RunId, reason: &str) -> Result<Run> {
        let mut write = self.write(crash_around!("store.run.stop")).await?;
        let run = write.run(id).await?;
        let body = EventBody::RunStopped { reason: reason.to_owned() };
        write.end_run(&run, RunStatus::Stopped, reason, vec![body]).await?;
        let run = write.run(id).await?;
        write.commit().await?;
        Ok(run)
    }
}

impl Write {
    async fn room_for_one(&mut self, max: u64) -> Result<(), StartError> {
        // Counts no further than it must.
        let query = sql("SELECT count(*) AS n FROM \
                         (SELECT 1 AS one FROM runs WHERE status = 'queued' LIMIT $1) AS queue");
        let row = self.optional(query.bind(to_integer(max))).await?;
        let queued = row.map_or(Ok(0), |row| row.natural("n"))?;
        if queued >= max { Err(StartError::Full { queued }) } else { Ok(()) }
    }

    /// The run as this write sees it, and keeps it.
    pub(crate) async fn run(&mut self, id: RunId) -> Result<Run> {
        let query = sql("SELECT * FROM runs WHERE id = $1").bind(id.to_string()).locking();
        let row = self.optional(query).await?.ok_or_else(|| no_run(id))?;
        run_of(&row)
    }

    pub(crate) async fn insert_run(&mut self, run: &Run, continues: Option<RunId>) -> Result<()> {
        let kind = to_json(&run.kind)?;
        let generation = to_json(&run.generation)?;
        let now = self.now_text();
        self.execute(
            sql("INSERT INTO runs (id, project, kind, request, provider, model, generation, \
                 status, reason, continues, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', $9, $10)")
            .bind(run.id.to_string())
            .bind(run.project.to_string())
            .bind(kind)
            .bind(run.request.clone())
            .bind(run.provider.clone())
            .bind(run.model.clone())
            .bind(generation)
            .bind(run.status.as_str())
            .bind(continues.map(|earlier| earlier.to_string()))
            .bind(now),
        )
        .await?;
        Ok(())
    }

    async fn check_continued(&mut self, earlier: RunId, run: &Run) -> Result<()> {
        let from = self.run(earlier).await?;
        if from.project == run.project && from.status.is_final() {
            return Ok(());
        }
        Err(StoreError::Conflict(format!(
            "run {earlier} cannot be continued: it is not a finished run of this project"
        )))
    }

    /// Adds a step: as the earlier run left it if that is satisfied (`true`), otherwise waiting.
    pub(crate) async fn insert_step(
        &mut self,
        run: RunId,
        seed: &StepSeed,
        earlier: Option<RunId>,
    ) -> Result<bool> {
        if let Some(earlier) = earlier {
            let taken = self
                .execute(
                    sql(
                        "INSERT INTO steps (run, step, position, status, attempt, reason, report, \
                         started_at, finished_at) \
                         SELECT $1, step, $3, status, attempt, reason, report, started_at, \
                         finished_at FROM steps \
                         WHERE run = $4 AND step = $2 AND status IN ('completed', 'skipped')",
                    )
                    .bind(run.to_string())
                    .bind(seed.step.clone())
                    .bind(i64::from(seed.position))
                    .bind(earlier.to_string()),
                )
                .await?;
            if taken == 1 {
                return Ok(true);
            }
        }
        self.execute(
            sql("INSERT INTO steps (run, step, position, status) VALUES ($1, $2, $3, 'waiting')")
                .bind(run.to_string())
                .bind(seed.step.clone())
                .bind(i64::from(seed.position)),
        )
        .await?;
        Ok(false)
    }

    /// Copies the documents that the satisfied steps of an earlier run left.
    async fn take_documents_over(&mut self, earlier: RunId, run: RunId) -> Result<()> {
        self.execute(
            sql("INSERT INTO documents (run, name, step, media_type, content, at) \
                 SELECT $2, document.name, document.step, document.media_type, \
                        document.content, document.at \
                 FROM documents AS document JOIN steps AS step \
                      ON step.run = $2 AND step.step = document.step \
                 WHERE document.run = $1 AND step.status IN ('completed', 'skipped')")
            .bind(earlier.to_string())
            .bind(run.to_string()),
        )
        .await?;
        Ok(())
    }

    /// Makes a run final: nobody owns it any more, steps that were not done say so, and the
    /// project follows.
    pub(crate) async fn end_run(
        &mut self,
        run: &Run,
        to: RunStatus,
        reason: &str,
        events: Vec<EventBody>,
    ) -> Result<()> {
        run.status.become_(to)?;
        if to == RunStatus::Completed {
            self.all_satisfied(run.id).await?;
        }
        let now = self.now_text();
        self.execute(
            sql("UPDATE runs SET status = $2, reason = $3, finished_at = $4, epoch = epoch + 1, \
                 lease_until = NULL, resume_at = NULL WHERE id = $1 AND status = $5")
            .bind(run.id.to_string())
            .bind(to.as_str())
            .bind(reason.to_owned())
            .bind(now.clone())
            .bind(run.status.as_str()),
        )
        .await?;
        let why =
            format!("the run {}", if to == RunStatus::Stopped { "was stopped" } else { "failed" });
        for (from, step_to) in
            [(StepStatus::Running, StepStatus::Failed), (StepStatus::Waiting, StepStatus::Blocked)]
        {
            self.execute(
                sql("UPDATE steps SET status = $3, reason = $4, finished_at = $5 \
                     WHERE run = $1 AND status = $2")
                .bind(run.id.to_string())
                .bind(from.as_str())
                .bind(step_to.as_str())
                .bind(why.clone())
                .bind(now.clone()),
            )
            .await?;
        }
        self.execute(sql("DELETE FROM questions WHERE run = $1").bind(run.id.to_string())).await?;
        let project = if to == RunStatus::Completed {
            // A run without an analysis of its own passes through `building` all the same.
            if self.project_status(&run.project).await? == ProjectStatus::Analyzing {
                self.project_becomes(&run.project, ProjectStatus::Building).await?;
            }
            ProjectStatus::Completed
        } else {
            ProjectStatus::Failed
        };
        self.project_becomes(&run.project, project).await?;
        self.append_events(&run.project, Some(run.id), events).await?;
        Ok(())
    }

    /// A run is completed only when all its steps are.
    async fn all_satisfied(&mut self, run: RunId) -> Result<()> {
        let query = sql("SELECT status FROM steps WHERE run = $1 \
                         AND status NOT IN ('completed', 'skipped') LIMIT 1");
        match self.optional(query.bind(run.to_string())).await? {
            None => Ok(()),
            Some(row) => {
                let status = row.word("status", StepStatus::parse)?;
                Err(IllegalTransition {
                    what: "run with a step",
                    from: status.as_str(),
                    to: RunStatus::Completed.as_str(),
                }
                .into())
            }
        }
    }
}
