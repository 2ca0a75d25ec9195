//! What makes runs: a build, what the user says, and a second try of what failed.

use gencode_core::{
    crash_point,
    id::{ProjectId, RunId},
    project::{Project, ProjectStatus},
    request,
    run::{Run, RunKind, RunStatus},
};
use gencode_store::{NewRun, Once, Outcome, StartError, StepSeed, StoreError};
use serde::de::DeserializeOwned;

use crate::{
    Engine, EngineError, Said, Start,
    control::{self, Key, known_or, once},
};

/// Labels under which what was said is kept.
const ANSWERED: &str = "answered";
const CONTINUED: &str = "continued";
const REFINING: &str = "refining";

impl Engine {
    /// Builds the application, unless that is going on or done (http-ws-contract §5.9). Of any
    /// number of simultaneous calls one starts a run. `again` builds a finished one once more.
    pub async fn start_build(&self, id: &ProjectId, again: bool) -> Result<Start, EngineError> {
        self.start_build_once(id, again, None).await
    }

    /// [`Engine::start_build`] for a request that may be repeated: a repeat gets the same answer
    /// and starts nothing.
    pub async fn start_build_once(
        &self,
        id: &ProjectId,
        again: bool,
        key: Key<'_>,
    ) -> Result<Start, EngineError> {
        let started = once(key, "started", &(id, again));
        if let Some(known) = self.known(started.as_ref()).await? {
            return start_of(known);
        }
        let project = self.0.store.project(id).await?;
        if again || !matches!(project.status, ProjectStatus::Completed | ProjectStatus::Failed) {
            self.0.space.check().await?;
        }
        let start = match project.status {
            ProjectStatus::Completed if !again => Start::AlreadyBuilt,
            ProjectStatus::Failed if !again => Start::EndedBadly,
            _ => match self.start(&project, RunKind::Build, None, started.as_ref()).await {
                Ok(run) => return Ok(Start::Started(run)),
                Err(StartError::AlreadyRunning(run)) => Start::AlreadyRunning(*run),
                Err(StartError::Store(error @ StoreError::Repeated)) => {
                    let known = known_or(&self.0.store, started.as_ref(), error.into()).await?;
                    return start_of(known);
                }
                Err(error) => return Err(refusal(error)),
            },
        };
        // One of several that came at once with the same key may have started it.
        if let Some(known) = self.known(started.as_ref()).await? {
            return start_of(known);
        }
        if let Some(once) = started {
            let (label, run) = match &start {
                Start::AlreadyBuilt => ("already_built", None),
                Start::EndedBadly => ("ended_badly", None),
                Start::AlreadyRunning(run) | Start::Started(run) => ("already_running", Some(run)),
            };
            self.0.store.keep_outcome(&Once { label, ..once }, &run).await?;
        }
        Ok(start)
    }

    /// Takes what the user says: the answer to a question, the wish to continue a failed run, or
    /// a change to the finished application.
    pub async fn say(&self, id: &ProjectId, message: &str) -> Result<Said, EngineError> {
        self.say_once(id, message, None).await
    }

    /// [`Engine::say`] for a request that may be repeated.
    pub async fn say_once(
        &self,
        id: &ProjectId,
        message: &str,
        key: Key<'_>,
    ) -> Result<Said, EngineError> {
        let once = once(key, "said", &(id, message));
        if let Some(known) = self.known(once.as_ref()).await? {
            return Ok(said_of(&known.label));
        }
        let said = self.take_words(id, message, once.as_ref()).await;
        // Of several that came at once one was heard; the others are repeats of it.
        match said {
            Ok(said) => Ok(said),
            Err(error) => Ok(said_of(&known_or(&self.0.store, once.as_ref(), error).await?.label)),
        }
    }

    async fn take_words(
        &self,
        id: &ProjectId,
        message: &str,
        once: Option<&Once>,
    ) -> Result<Said, EngineError> {
        let project = self.0.store.project(id).await?;
        let latest = self.0.store.runs_of(id, 1).await?.into_iter().next();
        let Some(latest) = latest else {
            return Err(EngineError::Busy(format!("project `{id}` was never built")));
        };
        let once = |label| once.map(|once| Once { label, ..once.clone() });
        match latest.status {
            RunStatus::Paused => {
                let once = once(ANSWERED);
                if self.0.store.question(latest.id).await?.is_some() {
                    let reply = control::reply(message)?;
                    self.0
                        .store
                        .answer_run_once(latest.id, reply, control::resumed(), once.as_ref())
                        .await?;
                } else {
                    let resumed = control::resumed();
                    self.0.store.ask_resume(latest.id, resumed, once.as_ref()).await?;
                }
                self.0.notice(latest.id);
                Ok(Said::Answered)
            }
            RunStatus::Queued | RunStatus::Running => Err(EngineError::Busy(format!(
                "project `{id}` is being worked on; wait for it to end"
            ))),
            RunStatus::Failed | RunStatus::Stopped => {
                let (kind, from) = (latest.kind, Some(latest.id));
                self.begin(&project, kind, from, once(CONTINUED).as_ref()).await?;
                Ok(Said::Continued)
            }
            RunStatus::Completed => {
                let message = request::check(message)?.to_owned();
                let kind = RunKind::Refine { message };
                self.begin(&project, kind, None, once(REFINING).as_ref()).await?;
                Ok(Said::Refining)
            }
        }
    }

    /// Continues a failed or stopped run after its last good step, as a new run. Only the latest
    /// run of a project can be continued.
    pub async fn retry_run(&self, id: RunId, key: Key<'_>) -> Result<Run, EngineError> {
        let once = once(key, "retried", &id);
        if let Some(known) = self.known(once.as_ref()).await? {
            return stored(known.value);
        }
        let run = self.0.store.run(id).await?;
        let latest = self.0.store.runs_of(&run.project, 1).await?.into_iter().next();
        if !matches!(run.status, RunStatus::Failed | RunStatus::Stopped)
            || latest.is_some_and(|latest| latest.id != id)
        {
            let status = run.status.as_str();
            return Err(EngineError::Busy(format!(
                "run {id} cannot be continued: it is {status}, and only the latest run of a project that failed or was stopped can be"
            )));
        }
        let project = self.0.store.project(&run.project).await?;
        match self.begin(&project, run.kind, Some(id), once.as_ref()).await {
            Ok(run) => Ok(run),
            Err(error) => stored(known_or(&self.0.store, once.as_ref(), error).await?.value),
        }
    }

    /// What a request was answered before.
    pub(crate) async fn known(&self, once: Option<&Once>) -> Result<Option<Outcome>, EngineError> {
        match once {
            Some(once) => Ok(self.0.store.outcome(once).await?),
            None => Ok(None),
        }
    }

    async fn begin(
        &self,
        project: &Project,
        kind: RunKind,
        continues: Option<RunId>,
        once: Option<&Once>,
    ) -> Result<Run, EngineError> {
        self.0.space.check().await?;
        self.start(project, kind, continues, once).await.map_err(refusal)
    }

    async fn start(
        &self,
        project: &Project,
        kind: RunKind,
        continues: Option<RunId>,
        once: Option<&Once>,
    ) -> Result<Run, StartError> {
        let (provider, model) = self.provider_of(project).await?;
        let pipeline = self.0.pipeline(&kind);
        let steps = pipeline
            .steps
            .iter()
            .zip(0u32..)
            .map(|(step, position)| StepSeed { step: step.id.clone(), position })
            .collect();
        let run = Run {
            id: crate::new_run_id(),
            project: project.id.clone(),
            kind,
            request: project.description.clone(),
            provider,
            model,
            generation: self.0.library.active().generation.clone(),
            status: RunStatus::Queued,
            reason: String::new(),
            created_at: crate::now(),
            started_at: None,
            finished_at: None,
        };
        let new = NewRun { run, steps, continues };
        let run = self.0.store.start_run_once(new, once, Some(self.0.config.max_queued)).await?;
        crash_point!("run.start.after");
        self.0.notice_own(run.id);
        Ok(run)
    }
}

fn said_of(label: &str) -> Said {
    match label {
        CONTINUED => Said::Continued,
        REFINING => Said::Refining,
        _ => Said::Answered,
    }
}

fn start_of(known: Outcome) -> Result<Start, EngineError> {
    Ok(match known.label.as_str() {
        "already_built" => Start::AlreadyBuilt,
        "ended_badly" => Start::EndedBadly,
        "already_running" => Start::AlreadyRunning(stored(known.value)?),
        _ => Start::Started(stored(known.value)?),
    })
}

pub(crate) fn stored<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, EngineError> {
    serde_json::from_value(value)
        .map_err(|error| EngineError::internal("a kept outcome cannot be read", error))
}

fn refusal(error: StartError) -> EngineError {
    match error {
        StartError::AlreadyRunning(run) => {
            EngineError::Busy(format!("run {} of project `{}` is going on", run.id, run.project))
        }
        error @ StartError::Full { .. } => EngineError::Full(error.to_string()),
        StartError::Store(error) => error.into(),
    }
}
