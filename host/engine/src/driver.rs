//! Drives one claimed run to its end: which steps, when, and what their ends mean.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use gencode_core::{
    crash_point,
    event::EventBody,
    ledger::Budget,
    pipeline::{Pipeline, Step},
    run::{Run, RunStatus, StepStatus},
};
use gencode_store::{Claimed, Lease, Pause, StepCommit, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Inner,
    attempt::{Attempt, StepFailure, sooner},
    clock::ExternalTime,
    ending,
    hands::{Cut, Hand},
    library::PluginSet,
    step::{self, StepEnd},
    summary::millis_between,
};

/// A run in the hands of this host.
pub(crate) struct Driver {
    engine: Arc<Inner>,
    run: Arc<Run>,
    hand: Arc<Hand>,
    pipeline: Arc<Pipeline>,
    plugins: Arc<PluginSet>,
    external: ExternalTime,
    status: BTreeMap<String, StepStatus>,
    reasons: BTreeMap<String, String>,
}

/// How the work on a run stopped, as far as this host is concerned.
enum Stop {
    /// The run is in its final state, or paused.
    Done,
    /// Something of the host is broken, or away for a while.
    Broken(StepFailure),
    /// Another host has the run.
    Lost,
    /// Somebody wants the run stopped, for this reason.
    Wanted(String),
    /// This host closes.
    Closing,
}

/// Steps that are being worked on.
type Working = JoinSet<(String, Result<StepEnd, StepFailure>)>;

/// How long the steps of a run that is cut off may take to be gone.
const BURIAL: Duration = Duration::from_secs(2);

impl Driver {
    /// Works on the run until it is final, paused, lost to another host, or the host closes.
    pub(crate) async fn drive(engine: Arc<Inner>, claimed: Claimed, closing: CancellationToken) {
        let lease = claimed.lease.clone();
        let run = Arc::new(claimed.run.clone());
        let held = engine.hands.take(lease.clone());
        // Something may be wanted of it already.
        engine.heed.notify_one();
        let mut running = Working::new();
        let stop = {
            let hand = Arc::clone(&held.hand);
            let working = async {
                match Self::prepare(Arc::clone(&engine), claimed, hand).await {
                    Ok(mut driver) => driver.work(&mut running).await,
                    Err(failure) => Stop::Broken(failure),
                }
            };
            tokio::select! {
                stop = working => stop,
                () = renew(&engine, &lease) => Stop::Lost,
                cut = held.hand.cut() => match cut {
                    Cut::Lost => Stop::Lost,
                    Cut::Stop(reason) => Stop::Wanted(reason),
                },
                () = closing.cancelled() => Stop::Closing,
            }
        };
        // Nothing of the run goes on from here: a step that is dropped takes its programs along.
        if tokio::time::timeout(BURIAL, running.shutdown()).await.is_err() {
            tracing::error!(run = %run.id, "steps of the run did not end in time");
        }
        drop(running);
        match stop {
            Stop::Done => engine.recover_from_setbacks(run.id),
            Stop::Lost => tracing::info!(run = %run.id, "the run has another owner now"),
            Stop::Broken(failure) => ending::broken(&engine, &lease, &run, failure).await,
            Stop::Wanted(reason) => ending::stopped(&engine, &run, &reason).await,
            Stop::Closing => return ending::released(&engine, &lease).await,
        }
        drop(held);
        engine.clean_up(&run).await;
    }

    async fn prepare(
        engine: Arc<Inner>,
        claimed: Claimed,
        hand: Arc<Hand>,
    ) -> Result<Self, StepFailure> {
        let run = Arc::new(claimed.run);
        crash_point!("run.drive.claimed");
        let plugins = engine
            .library
            .pinned(&run.generation)
            .await
            .map_err(|error| StepFailure::Call(Box::new(error)))?;
        engine.ensure_files(&run.project).await?;
        let external = engine.external_time(run.id);
        let status = claimed.steps.iter().map(|step| (step.step.clone(), step.status)).collect();
        Ok(Self {
            pipeline: engine.pipeline(&run.kind),
            engine,
            run,
            hand,
            plugins,
            external,
            status,
            reasons: BTreeMap::new(),
        })
    }

    async fn work(&mut self, running: &mut Working) -> Stop {
        match self.steps(running).await {
            Ok(()) => Stop::Done,
            Err(failure) => Stop::Broken(failure),
        }
    }

    async fn steps(&mut self, running: &mut Working) -> Result<(), StepFailure> {
        // Steps a dead host was in the middle of go on from their journal.
        let interrupted: Vec<String> = self
            .status
            .iter()
            .filter(|(_, status)| **status == StepStatus::Running)
            .map(|(step, _)| step.clone())
            .collect();
        let mut shortage = self.engine.space.check().await.err();
        for step in interrupted {
            if !self.hand.is_resting() && shortage.is_none() {
                self.start(running, &step);
            }
        }
        let mut suspended = None;
        loop {
            // What has begun is done to its end: less is lost, and it may well fit.
            if shortage.is_none() {
                shortage = self.engine.space.check().await.err();
            }
            if !self.hand.is_resting() && shortage.is_none() {
                self.start_ready(running).await?;
            }
            let Some(joined) = running.join_next().await else { break };
            let (step, end) = joined.map_err(|panicked| StepFailure::Call(Box::new(panicked)))?;
            match end? {
                // Steps beside it go on; the run pauses when all are done or suspended.
                StepEnd::Suspended(None) => {}
                StepEnd::Suspended(Some(pause)) => {
                    suspended = Some(match suspended.take() {
                        Some(earlier) => sooner(earlier, *pause),
                        None => *pause,
                    });
                }
                StepEnd::Ended(status, reason) => {
                    self.status.insert(step.clone(), status);
                    self.reasons.insert(step, reason);
                }
            }
        }
        let open = |step: &Step| !self.status.get(&step.id).is_some_and(|status| status.is_final());
        if self.pipeline.steps.iter().any(open) {
            return match shortage {
                Some(shortage) if suspended.is_none() && !self.hand.is_resting() => {
                    Err(shortage.into())
                }
                _ => self.pause(suspended).await,
            };
        }
        self.finish().await
    }

    /// Gives the run back until something happens.
    async fn pause(&self, suspended: Option<Pause>) -> Result<(), StepFailure> {
        let wanted = || {
            let reason = self.hand.reason();
            let (step, options) = (String::new(), Vec::new());
            let event = EventBody::RunPaused { step, question: reason.clone(), options };
            Pause { reason, events: vec![event], ..Pause::default() }
        };
        let pause = match suspended {
            // Whoever wants it to rest outweighs a moment, and waits for a question himself.
            Some(pause) if pause.question.is_some() || !self.hand.is_resting() => pause,
            _ => wanted(),
        };
        crash_point!("run.pause.before");
        self.engine.store.pause_run(&self.hand.lease, &pause).await?;
        crash_point!("run.pause.after");
        Ok(())
    }

    /// Starts what can start, and marks what never can.
    async fn start_ready(&mut self, running: &mut Working) -> Result<(), StepFailure> {
        loop {
            let status = &self.status;
            let next =
                self.pipeline.next(|id| status.get(id).copied().unwrap_or(StepStatus::Waiting));
            for (step, culprits) in &next.blocked {
                let reason = format!("needs {}", culprits.join(", "));
                self.end_without_running(step, StepStatus::Blocked, reason).await?;
            }
            let mut again = !next.blocked.is_empty();
            for step in &next.ready {
                match self.budget_gate(step).await? {
                    None => self.start(running, step),
                    Some((status, reason)) => {
                        self.end_without_running(step, status, reason).await?;
                        again = true;
                    }
                }
            }
            if !again {
                return Ok(());
            }
        }
    }

    fn start(&mut self, running: &mut Working, id: &str) {
        let Some(step) = self.pipeline.step(id).cloned() else {
            // A newer host dropped it from its pipeline while the run was going on.
            let reason = "the pipeline no longer has this step".to_owned();
            let ended = StepEnd::Ended(StepStatus::Failed, reason);
            let id = id.to_owned();
            running.spawn(async move { (id, Ok(ended)) });
            return;
        };
        self.status.insert(id.to_owned(), StepStatus::Running);
        let (engine, hand, run) =
            (Arc::clone(&self.engine), Arc::clone(&self.hand), Arc::clone(&self.run));
        let (plugins, external) = (Arc::clone(&self.plugins), self.external.clone());
        let id = id.to_owned();
        running.spawn(async move {
            let end = run_step(engine, hand, run, step, plugins, external).await;
            (id, end)
        });
    }

    /// Whether the budget lets the step begin (domain-rules §2.6). `None`: it does.
    async fn budget_gate(&self, id: &str) -> Result<Option<(StepStatus, String)>, StepFailure> {
        let Some(step) = self.pipeline.step(id) else { return Ok(None) };
        let Some((input, output)) = self.engine.prices(&self.run) else { return Ok(None) };
        let used_usd = self.engine.spent_at_worst(self.run.id).await?;
        let budget = Budget { max_usd: self.engine.config.max_usd, used_usd };
        let estimate = step.estimate_usd(input, output);
        if budget.allowed_attempts(estimate, step.max_agent_attempts) > 0 {
            return Ok(None);
        }
        let reason = format!(
            "budget exhausted: ${} of ${} are spent, one try costs about ${estimate}",
            used_usd.normalize(),
            budget.max_usd.normalize(),
        );
        Ok(Some(if step.skippable {
            (StepStatus::Skipped, reason)
        } else {
            (StepStatus::Failed, reason)
        }))
    }

    async fn end_without_running(
        &mut self,
        id: &str,
        status: StepStatus,
        reason: String,
    ) -> Result<(), StepFailure> {
        if status == StepStatus::Failed {
            // A failure is the end of a try, and a try has a beginning.
            self.engine.store.begin_step(&self.hand.lease, id, |_| Vec::new()).await?;
        }
        let event = EventBody::StepFinished {
            step: id.to_owned(),
            status,
            reason: reason.clone(),
            summary: String::new(),
        };
        let commit = StepCommit {
            step: id.to_owned(),
            status,
            reason: reason.clone(),
            report: serde_json::Value::Null,
            documents: Vec::new(),
            checkpoint: None,
            end: None,
            events: vec![event],
        };
        self.engine.store.commit_step(&self.hand.lease, &commit).await?;
        self.status.insert(id.to_owned(), status);
        self.reasons.insert(id.to_owned(), reason);
        Ok(())
    }

    async fn finish(&self) -> Result<(), StepFailure> {
        let with = |wanted: fn(StepStatus) -> bool| -> Vec<String> {
            self.pipeline
                .steps
                .iter()
                .filter(|step| self.status.get(&step.id).is_some_and(|status| wanted(*status)))
                .map(|step| step.id.clone())
                .collect()
        };
        let failed = with(|status| matches!(status, StepStatus::Failed | StepStatus::Blocked));
        let completed = with(|status| status == StepStatus::Completed);
        let skipped = with(|status| status == StepStatus::Skipped);
        let started = self.run.started_at.unwrap_or(self.run.created_at);
        let seconds = Duration::from_millis(millis_between(started, crate::now())).as_secs_f64();
        let (status, reason, event) = if failed.is_empty() {
            let message = if skipped.is_empty() {
                "The application is ready.".to_owned()
            } else {
                format!("The application is ready; skipped: {}.", skipped.join(", "))
            };
            let event = EventBody::RunCompleted { message, seconds, completed, skipped };
            (RunStatus::Completed, String::new(), event)
        } else {
            let culprit = with(|status| status == StepStatus::Failed);
            let reason = culprit
                .iter()
                .map(|step| {
                    let why = self.reasons.get(step).map_or("", String::as_str);
                    format!("step `{step}` failed: {why}")
                })
                .collect::<Vec<_>>()
                .join("; ");
            let event = EventBody::RunFailed { error: reason.clone(), seconds, completed, failed };
            (RunStatus::Failed, reason, event)
        };
        crash_point!("run.finish.before");
        self.engine.store.finish_run(&self.hand.lease, status, &reason, vec![event]).await?;
        crash_point!("run.finish.after");
        Ok(())
    }
}

/// All tries of one step. Boxed, because the compiler cannot see through so deep a future.
fn run_step(
    engine: Arc<Inner>,
    hand: Arc<Hand>,
    run: Arc<Run>,
    step: Step,
    plugins: Arc<PluginSet>,
    external: ExternalTime,
) -> BoxFuture<'static, Result<StepEnd, StepFailure>> {
    Box::pin(tries(engine, hand, run, step, plugins, external))
}

async fn tries(
    engine: Arc<Inner>,
    hand: Arc<Hand>,
    run: Arc<Run>,
    step: Step,
    plugins: Arc<PluginSet>,
    external: ExternalTime,
) -> Result<StepEnd, StepFailure> {
    loop {
        let started = |attempt| {
            vec![EventBody::StepStarted {
                step: step.id.clone(),
                title: step.title.clone(),
                performer: step.performer.clone(),
                attempt,
            }]
        };
        let number = engine.store.begin_step(&hand.lease, &step.id, started).await?;
        crash_point!("step.run.begun");
        let attempt = Attempt::begin(
            Arc::clone(&engine),
            Arc::clone(&hand),
            Arc::clone(&run),
            step.clone(),
            number,
            Arc::clone(&plugins),
            external.clone(),
        )
        .await?;
        let may_retry = number < step.max_attempts;
        match step::run(Arc::new(attempt), may_retry).await? {
            StepEnd::Ended(StepStatus::Waiting, _) => {}
            end => return Ok(end),
        }
    }
}

/// Keeps the lease alive; returns only when it is lost.
async fn renew(engine: &Inner, lease: &Lease) {
    let every = Duration::from_millis(u64::from(engine.config.lease_ms / 3).max(100));
    let mut tick = tokio::time::interval(every);
    loop {
        tick.tick().await;
        match engine.store.renew(lease, engine.config.lease_ms).await {
            Ok(()) => crash_point!("run.renew.after"),
            // Also when the run has just paused or ended; then nothing is left to be cut off.
            Err(StoreError::LeaseLost(_)) => return,
            Err(error) => tracing::warn!(run = %lease.run, %error, "the lease was not renewed"),
        }
    }
}
