//! Forks: a new project that begins in the middle of another one's run.

use gencode_core::{
    crash_around,
    digest::Digest,
    event::EventBody,
    id::RunId,
    project::{Project, ProjectStatus},
    run::{Run, RunKind, RunStatus},
    time,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    NewCheckpoint, Result, StepSeed, Store, StoreError, connection::Write, row::to_json, sql::sql,
};

/// What a step began from, as its newest try recorded it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepBase {
    /// The run in which the step was worked on: the asked one, or one that it continued.
    pub run: RunId,
    pub attempt: u32,
    pub value: Value,
    pub at: Timestamp,
}

/// What [`Store::fork`] needs.
#[derive(Debug, Clone)]
pub struct NewFork {
    pub project: Project,
    /// The run of the new project. Its status, reason and instants are set by the store.
    pub run: Run,
    pub steps: Vec<StepSeed>,
    /// The run whose steps and documents are taken over.
    pub source: RunId,
    /// Steps of the source that count as done; each is completed or skipped there.
    pub taken_over: Vec<String>,
    /// Names of the documents that were there, and the moment at which they were.
    pub documents: Vec<String>,
    pub at: Timestamp,
    /// The files the new project begins with.
    pub checkpoint: NewCheckpoint,
    pub events: Vec<EventBody>,
}

/// Why a fork was not made. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// Try another id.
    #[error("there is already a project of this id")]
    IdTaken,
    /// Fork from a later step.
    #[error("the document `{0}` is no longer as it was when the step began")]
    DocumentChanged(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// What the newest try of a step began from; none when the step was never worked on in the
    /// run or in one it continued.
    pub async fn step_base(
        &self,
        run: RunId,
        step: &str,
        position: &str,
    ) -> Result<Option<StepBase>> {
        let mut next = Some(run);
        while let Some(run) = next {
            let query =
                sql("SELECT attempt, path, digest, call, reply, checksum, at FROM journal \
                             WHERE run = $1 AND step = $2 AND path = $3 \
                             ORDER BY attempt DESC LIMIT 1")
                .bind(run.to_string())
                .bind(step.to_owned())
                .bind(position.to_owned());
            if let Some(row) = self.optional(query).await? {
                let attempt = row.small("attempt")?;
                let value = self.journal_entry(run, step, attempt, &row)?.reply;
                return Ok(Some(StepBase { run, attempt, value, at: row.instant("at")? }));
            }
            let query = sql("SELECT continues FROM runs WHERE id = $1").bind(run.to_string());
            // A run continues an older one, so this ends.
            next = match self.optional(query).await? {
                Some(row) => row.optional_parsed("continues")?,
                None => None,
            };
        }
        Ok(None)
    }

    /// Steps of a run whose files are not yet in the state a step began from (see
    /// [`Store::step_base`]): they were committed beside it or after it.
    pub async fn steps_beyond(
        &self,
        run: &Run,
        manifest: Digest,
        at: Timestamp,
    ) -> Result<Vec<String>> {
        let query = sql("SELECT DISTINCT step FROM checkpoints WHERE run = $1 AND n > \
                         coalesce((SELECT max(n) FROM checkpoints WHERE project = $2 \
                                   AND manifest = $3 AND created_at <= $4), 0)")
        .bind(run.id.to_string())
        .bind(run.project.to_string())
        .bind(manifest.to_string())
        .bind(time::iso(at));
        let rows = self.all(query).await?;
        rows.iter().map(|row| row.text("step")).collect()
    }

    /// Makes a project with its files and a waiting run in which some steps are done already, all
    /// or nothing. The source is only read.
    pub async fn fork(&self, fork: NewFork) -> Result<Run, ForkError> {
        let mut write = self.write(crash_around!("store.project.fork")).await?;
        let source = write.run(fork.source).await?;
        let project = fork.project.id.clone();
        if !write.insert_project(&fork.project).await? {
            return Err(ForkError::IdTaken);
        }
        let run = Run {
            status: RunStatus::Queued,
            reason: String::new(),
            created_at: write.now,
            started_at: None,
            finished_at: None,
            ..fork.run
        };
        write.insert_run(&run, None).await?;
        for seed in &fork.steps {
            let taken = fork.taken_over.contains(&seed.step);
            let done = write.insert_step(run.id, seed, taken.then_some(source.id)).await?;
            if taken && !done {
                let (run, step) = (source.id, &seed.step);
                let why = format!("step `{step}` of run {run} is not done");
                return Err(StoreError::Conflict(why).into());
            }
        }
        for name in &fork.documents {
            if !write.copy_document(&source, run.id, name, fork.at).await? {
                return Err(ForkError::DocumentChanged(name.clone()));
            }
        }
        write.insert_checkpoint(&fork.checkpoint).await?;
        write.project_becomes(&project, ProjectStatus::Analyzing).await?;
        if !fork.taken_over.is_empty() {
            write.project_becomes(&project, ProjectStatus::Building).await?;
        }
        let mut events = fork.events;
        events.push(EventBody::RunQueued);
        write.append_events(&project, Some(run.id), events).await?;
        write.commit().await?;
        Ok(run)
    }
}

impl Write {
    /// Adds a project; `false` when its id is taken.
    pub(crate) async fn insert_project(&mut self, project: &Project) -> Result<bool> {
        let origin = project.forked_from.as_ref();
        let origin = origin.map(to_json).transpose()?;
        let query = sql("INSERT INTO projects (id, name, description, provider, model, status, \
                         created_at, modified_at, forked_from) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING")
        .bind(project.id.to_string())
        .bind(project.name.clone())
        .bind(project.description.clone())
        .bind(project.provider.clone())
        .bind(project.model.clone())
        .bind(project.status.as_str())
        .bind(time::iso(project.created_at))
        .bind(time::iso(project.modified_at))
        .bind(origin);
        Ok(self.execute(query).await? == 1)
    }

    /// Copies a document as a run saw it at a moment; `false` when that version is gone.
    async fn copy_document(
        &mut self,
        source: &Run,
        to: RunId,
        name: &str,
        at: Timestamp,
    ) -> Result<bool> {
        // A refinement sees what all runs of its project left, a build only its own.
        let all_runs = match source.kind {
            RunKind::Build => 0,
            RunKind::Refine { .. } => 1,
        };
        let query = sql("INSERT INTO documents (run, name, step, media_type, content, at) \
                         SELECT $1, document.name, document.step, document.media_type, \
                                document.content, document.at \
                         FROM documents AS document JOIN runs AS run ON run.id = document.run \
                         WHERE document.name = $2 AND document.at <= $3 \
                         AND (run.id = $4 OR ($5 = 1 AND run.project = $6)) \
                         ORDER BY document.at DESC, run.created_at DESC, run.id DESC LIMIT 1")
        .bind(to.to_string())
        .bind(name.to_owned())
        .bind(time::iso(at))
        .bind(source.id.to_string())
        .bind(i64::from(all_runs))
        .bind(source.project.to_string());
        Ok(self.execute(query).await? == 1)
    }
}
