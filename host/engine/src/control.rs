//! What a person wants of a run: to see it, to pause it, to let it go on, to answer it, to stop it.
//!
//! Each wish is a fact in the database before it is an act, so it reaches the host that works on
//! the run, whichever that is, and outlives whoever wished it. The handle needs a store and no
//! more: the command line uses it beside a running host, and without one.

use std::{sync::Arc, time::Duration};

use gencode_core::{
    digest::Digest,
    event::EventBody,
    id::{ProjectId, RunId},
    run::{Run, RunKind, RunStatus, StepRecord},
    time::iso,
};
use gencode_runtime::{HostReply, types::HostError};
use gencode_store::{Once, Outcome, Store, StoreError, Wanted};
use rust_decimal::Decimal;
use serde::Serialize;
use tokio::time::Instant;

use crate::{Engine, EngineError, Inner, starts::stored};

/// How long a run's owner may take to cancel its work before the run is taken away from it.
const GRACE: Duration = Duration::from_secs(3);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Runs of one list.
const MAX_LISTED: u32 = 1000;

/// A key of the sender's under which a request may be repeated; none where it is not to be.
pub type Key<'a> = Option<&'a str>;

/// Everything about a run that a person may want to know.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RunView {
    pub id: RunId,
    pub project_id: ProjectId,
    /// `build` or `refine`.
    pub kind: &'static str,
    /// What was asked for in the beginning, word for word.
    pub request: String,
    /// What a refinement is to change.
    pub message: Option<String>,
    pub provider: String,
    pub model: String,
    pub status: RunStatus,
    /// Why it is paused, failed or stopped; empty otherwise.
    pub reason: String,
    /// `pause` or `stop`, while the host that works on it has not done so yet.
    pub wanted: Option<&'static str>,
    /// What it waits to be told.
    pub question: Option<QuestionView>,
    /// When it goes on by itself.
    pub resume_at: Option<String>,
    pub created_at: String,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    /// What providers reported, in US dollars, exact.
    pub spent_usd: String,
    /// Calls of which nobody knows whether they were charged; in no sum.
    pub unconfirmed: Option<Unconfirmed>,
    /// Empty in lists.
    pub steps: Vec<StepView>,
}

/// What became of a wish: the run as it stood when it was taken. A repeat of the request with the
/// same key gets the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Receipt {
    pub id: RunId,
    pub project_id: ProjectId,
    /// Still `running` where its host has yet to pause it.
    pub status: RunStatus,
    pub reason: String,
}

impl From<Run> for Receipt {
    fn from(run: Run) -> Self {
        Self { id: run.id, project_id: run.project, status: run.status, reason: run.reason }
    }
}

/// Calls that may have been charged or not: their host died, or the connection broke.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Unconfirmed {
    pub calls: u64,
    /// What they cost at most, in US dollars, exact. Budgets count it, sums do not.
    pub at_most_usd: String,
}

/// A question to the user.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct QuestionView {
    pub step: String,
    pub text: String,
    /// Possible answers; empty for free text.
    pub options: Vec<String>,
    pub default: String,
}

/// One step of a [`RunView`].
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct StepView {
    pub id: String,
    pub status: &'static str,
    pub attempt: u32,
    pub reason: String,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
}

impl From<StepRecord> for StepView {
    fn from(step: StepRecord) -> Self {
        Self {
            id: step.step,
            status: step.status.as_str(),
            attempt: step.attempt,
            reason: step.reason,
            started_at: step.started_at.map(iso),
            finished_at: step.finished_at.map(iso),
        }
    }
}

/// Sees and steers runs.
#[derive(Clone)]
pub struct Control {
    store: Store,
    /// The host of this process, if it is one: told at once what others find out by looking.
    host: Option<Arc<Inner>>,
}

impl Engine {
    /// Sees and steers runs.
    pub fn control(&self) -> Control {
        Control { store: self.0.store.clone(), host: Some(Arc::clone(&self.0)) }
    }
}

impl Control {
    /// Steers runs from a process that works on none.
    pub const fn of(store: Store) -> Self {
        Self { store, host: None }
    }

    /// The run.
    pub async fn show(&self, id: RunId) -> Result<RunView, EngineError> {
        let run = self.store.run(id).await?;
        let mut view = self.view(run).await?;
        view.steps = self.store.steps(id).await?.into_iter().map(StepView::from).collect();
        Ok(view)
    }

    /// Runs of a project, newest first.
    pub async fn runs_of(&self, project: &ProjectId) -> Result<Vec<RunView>, EngineError> {
        self.store.project(project).await?;
        self.views(self.store.runs_of(project, MAX_LISTED).await?).await
    }

    /// All runs that are not final, oldest first.
    pub async fn active(&self) -> Result<Vec<RunView>, EngineError> {
        self.views(self.store.active_runs().await?).await
    }

    pub(crate) async fn views(&self, runs: Vec<Run>) -> Result<Vec<RunView>, EngineError> {
        let mut views = Vec::with_capacity(runs.len());
        for run in runs {
            views.push(self.view(run).await?);
        }
        Ok(views)
    }

    async fn view(&self, run: Run) -> Result<RunView, EngineError> {
        let standing = self.store.standing(run.id).await?;
        let question = self.store.question(run.id).await?.map(|question| QuestionView {
            step: question.step,
            text: question.text,
            options: question.options,
            default: question.default,
        });
        let spent = self.store.run_totals(run.id).await?.all.cost_usd;
        let (kind, message) = match run.kind {
            RunKind::Build => ("build", None),
            RunKind::Refine { message } => ("refine", Some(message)),
        };
        Ok(RunView {
            id: run.id,
            project_id: run.project,
            kind,
            request: run.request,
            message,
            provider: run.provider,
            model: run.model,
            status: run.status,
            reason: run.reason,
            wanted: standing.wanted.map(|wanted| match wanted {
                Wanted::Pause => "pause",
                Wanted::Stop => "stop",
            }),
            question,
            resume_at: standing.resume_at.map(iso),
            created_at: iso(run.created_at),
            started_at: run.started_at.map(iso),
            finished_at: run.finished_at.map(iso),
            spent_usd: spent.normalize().to_string(),
            unconfirmed: self.unconfirmed(run.id).await?,
            steps: Vec::new(),
        })
    }

    async fn unconfirmed(&self, run: RunId) -> Result<Option<Unconfirmed>, EngineError> {
        let intents = self.store.intents(run).await?;
        let calls: u64 =
            intents.iter().map(|intent| u64::from(intent.lost) + u64::from(intent.pending)).sum();
        let at_most: Decimal = intents.iter().map(gencode_store::Intent::at_worst).sum();
        let at_most_usd = at_most.normalize().to_string();
        Ok((calls > 0).then_some(Unconfirmed { calls, at_most_usd }))
    }

    /// Puts a run to sleep at its next host call or between steps; nothing is lost. A run that
    /// nobody works on sleeps at once.
    pub async fn pause(&self, id: RunId, key: Key<'_>) -> Result<Receipt, EngineError> {
        let once = once(key, "pause", &id);
        let done = self.store.ask_pause(id, "Paused by the user.", once.as_ref()).await;
        self.tell_host(None);
        self.receipt(once.as_ref(), done).await
    }

    /// Lets a paused run go on, also before its time.
    pub async fn resume(&self, id: RunId, key: Key<'_>) -> Result<Receipt, EngineError> {
        let once = once(key, "resume", &id);
        let done = self.store.ask_resume(id, resumed(), once.as_ref()).await;
        self.tell_host(Some(id));
        self.receipt(once.as_ref(), done).await
    }

    /// Answers the open question of a run.
    pub async fn answer(
        &self,
        id: RunId,
        text: &str,
        key: Key<'_>,
    ) -> Result<Receipt, EngineError> {
        let once = once(key, "answer", &(id, text));
        let done = self.store.answer_run_once(id, reply(text)?, resumed(), once.as_ref()).await;
        self.tell_host(Some(id));
        self.receipt(once.as_ref(), done).await
    }

    /// Stops a run: its work and its programs are cancelled first, by the host that works on it;
    /// a host that does not within seconds loses the run. What its steps committed stays.
    pub async fn stop(
        &self,
        id: RunId,
        reason: &str,
        key: Key<'_>,
    ) -> Result<Receipt, EngineError> {
        let once = once(key, "stop", &id);
        if let Some(once) = &once
            && let Some(outcome) = self.store.outcome(once).await?
        {
            return Ok(stored::<Run>(outcome.value)?.into());
        }
        let run = self.cancel(id, reason).await?;
        let run = if run.status.is_final() { run } else { self.end(id, reason).await? };
        if let Some(once) = &once {
            self.store.keep_outcome(once, &run).await?;
        }
        Ok(run.into())
    }

    /// Brings a project out of whatever state it is in, within seconds: work and programs are
    /// cancelled where there is a host that does so, and then nothing of it is active.
    pub async fn reset(&self, project: &ProjectId) -> Result<(), EngineError> {
        const REASON: &str = "The project was reset.";
        self.store.project(project).await?;
        if let Some(host) = &self.host {
            host.previews.stop(project.as_str()).await;
        }
        // A run that cannot even be read is ended below.
        match self.store.runs_of(project, 1).await {
            Ok(runs) => {
                for run in runs.iter().filter(|run| !run.status.is_final()) {
                    if let Err(error) = self.cancel(run.id, REASON).await {
                        tracing::warn!(run = %run.id, %error, "a run was not cancelled in order");
                    }
                }
            }
            Err(error) => tracing::warn!(%project, %error, "the runs cannot be read"),
        }
        self.store.reset_project(project, REASON).await?;
        self.tell_host(None);
        Ok(())
    }

    /// Asks the owner to stop, and waits until it has or its time is up.
    async fn cancel(&self, id: RunId, reason: &str) -> Result<Run, EngineError> {
        let mut run = self.store.ask_stop(id, reason).await?;
        self.tell_host(None);
        let deadline = Instant::now() + GRACE;
        while !run.status.is_final() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
            run = self.store.run(id).await?;
        }
        Ok(run)
    }

    /// Takes a run away from an owner that is dead or hangs, and ends it.
    async fn end(&self, id: RunId, reason: &str) -> Result<Run, EngineError> {
        match self.store.stop_run(id, reason).await {
            Ok(run) => Ok(run),
            // It ended meanwhile, which is what was wanted.
            Err(StoreError::Illegal(_)) => Ok(self.store.run(id).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// What was done now, or when the same request came before.
    async fn receipt(
        &self,
        once: Option<&Once>,
        done: Result<Run, StoreError>,
    ) -> Result<Receipt, EngineError> {
        let error = match done {
            Ok(run) => return Ok(run.into()),
            Err(error) => error,
        };
        let known = known_or(&self.store, once, error.into()).await?;
        Ok(stored::<Run>(known.value)?.into())
    }

    fn tell_host(&self, run: Option<RunId>) {
        if let Some(host) = &self.host {
            host.heed.notify_one();
            if let Some(run) = run {
                host.notice(run);
            }
        }
    }
}

/// A request with its key; none without.
pub(crate) fn once(key: Key<'_>, label: &'static str, asked: &impl Serialize) -> Option<Once> {
    let key = key?.to_owned();
    // A struct of strings and numbers cannot fail to serialize; an empty text is a digest as well.
    let asked = serde_json::to_vec(&(label, asked)).unwrap_or_default();
    Some(Once { key, digest: Digest::of(&asked), label })
}

/// What a request that could not be done was answered when it came before, perhaps at the same time
/// as this one; else why it cannot be done.
pub(crate) async fn known_or(
    store: &Store,
    once: Option<&Once>,
    error: EngineError,
) -> Result<Outcome, EngineError> {
    let Some(once) = once else { return Err(error) };
    match store.outcome_by_now(once).await {
        Ok(Some(known)) => Ok(known),
        // Its key is another request's.
        Err(why @ StoreError::Conflict(_)) => Err(why.into()),
        _ => Err(error),
    }
}

/// An answer as the journal keeps it.
pub(crate) fn reply(text: &str) -> Result<serde_json::Value, EngineError> {
    let reply: Result<HostReply, HostError> = Ok(HostReply::Text(text.to_owned()));
    serde_json::to_value(reply)
        .map_err(|error| EngineError::internal("the answer cannot be stored", error))
}

pub(crate) fn resumed() -> Vec<EventBody> {
    vec![EventBody::RunResumed { message: "The run goes on.".to_owned() }]
}
