//! Drives one claimed run to its end: which steps, when, and what their ends mean.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use gencode_core::{
    crash_point,
    event::EventBody,
    run::{Run, RunStatus, StepStatus},
};
use gencode_store::{Claimed, Lease, Pause, StepCommit, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, field::Empty, info_span};

use crate::{
    Inner,
    attempt::{Attempt, StepFailure, StepWork, sooner},
    base::Fresh,
    clock::ExternalTime,
    ending,
    hands::{Cut, Hand},
    library::PluginSet,
    progress::{self, Next, Progress},
    step::{self, StepEnd},
    summary::millis_between,
};

/// A run in the hands of this host.
pub(crate) struct Driver {
    engine: Arc<Inner>,
    run: Arc<Run>,
    hand: Arc<Hand>,
    plugins: Arc<PluginSet>,
    external: ExternalTime,
    progress: Arc<Progress>,
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
        let span = Span::current();
        match stop {
            Stop::Done => engine.recover_from_setbacks(run.id),
            Stop::Lost => tracing::info!(run = %run.id, "the run has another owner now"),
            Stop::Broken(failure) => {
                span.record("otel.status_code", "ERROR");
                ending::broken(&engine, &lease, &run, failure).await;
            }
            Stop::Wanted(reason) => {
                span.record("status", RunStatus::Stopped.as_str());
                ending::stopped(&engine, &run, &reason).await;
            }
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
        let progress = Arc::new(Progress::new(engine.pipeline(&run.kind), &claimed.steps));
        Ok(Self { engine, run, hand, plugins, external, progress, reasons: BTreeMap::new() })
    }

    async fn work(&mut self, running: &mut Working) -> Stop {
        match self.steps(running).await {
            Ok(()) => Stop::Done,
            Err(failure) => Stop::Broken(failure),
        }
    }

    async fn steps(&mut self, running: &mut Working) -> Result<(), StepFailure> {
        // Steps a dead host was in the middle of go on from their journal.
        let interrupted = self.progress.with(|status| status == StepStatus::Running);
        let mut shortage = self.engine.space.check().await.err();
        for step in interrupted {
            if !self.hand.is_resting() && shortage.is_none() {
                self.start(running, &step, None);
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
                StepEnd::Ended(status, reason, next) => {
                    self.progress.set(&step, status);
                    self.reasons.insert(step, reason);
                    if let Some(next) = next {
                        let id = next.step.clone();
                        self.start(running, &id, Some(*next));
                    }
                }
            }
        }
        if self.progress.is_open() {
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
            let next = self.progress.next();
            for (step, culprits) in &next.blocked {
                let reason = format!("needs {}", culprits.join(", "));
                self.end_without_running(step, StepStatus::Blocked, reason).await?;
            }
            let mut again = !next.blocked.is_empty();
            for step in &next.ready {
                // A step that ends meanwhile may have begun it.
                if !self.progress.take(step) {
                    continue;
                }
                match self.budget_gate(step).await? {
                    None => self.start(running, step, None),
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

    /// Works on a step, which begins now, has begun in this host or began in a dead one.
    fn start(&mut self, running: &mut Working, id: &str, begun: Option<Next>) {
        let Some(step) = self.progress.step(id) else {
            // A newer host dropped it from its pipeline while the run was going on.
            let reason = "the pipeline no longer has this step".to_owned();
            let ended = StepEnd::Ended(StepStatus::Failed, reason, None);
            let id = id.to_owned();
            running.spawn(async move { (id, Ok(ended)) });
            return;
        };
        self.progress.set(id, StepStatus::Running);
        let work = StepWork {
            engine: Arc::clone(&self.engine),
            hand: Arc::clone(&self.hand),
            run: Arc::clone(&self.run),
            plugins: Arc::clone(&self.plugins),
            external: self.external.clone(),
            progress: Arc::clone(&self.progress),
            step,
        };
        let id = id.to_owned();
        running.spawn(async move { (id, run_step(work, begun).await) }.in_current_span());
    }

    /// Whether the budget lets the step begin (domain-rules §2.6). `None`: it does.
    async fn budget_gate(&self, id: &str) -> Result<Option<(StepStatus, String)>, StepFailure> {
        let Some(step) = self.progress.step(id) else { return Ok(None) };
        Ok(progress::budget_gate(&self.engine, &self.run, &step).await?)
    }

    async fn end_without_running(
        &mut self,
        id: &str,
        status: StepStatus,
        reason: String,
    ) -> Result<(), StepFailure> {
        if status == StepStatus::Failed {
            // A failure is the end of a try, and a try has a beginning.
            self.engine.store.begin_step(&self.hand.lease, id, None, |_| Vec::new()).await?;
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
        self.progress.set(id, status);
        self.reasons.insert(id.to_owned(), reason);
        Ok(())
    }

    async fn finish(&self) -> Result<(), StepFailure> {
        let with = |wanted: fn(StepStatus) -> bool| self.progress.with(wanted);
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
        self.engine.meters.run_ended(status.as_str());
        let span = Span::current();
        span.record("status", status.as_str());
        if status == RunStatus::Failed {
            span.record("otel.status_code", "ERROR");
        }
        Ok(())
    }
}

/// All tries of one step. Boxed, because the compiler cannot see through so deep a future.
fn run_step(
    work: StepWork,
    begun: Option<Next>,
) -> BoxFuture<'static, Result<StepEnd, StepFailure>> {
    Box::pin(tries(work, begun))
}

async fn tries(work: StepWork, mut begun: Option<Next>) -> Result<StepEnd, StepFailure> {
    let StepWork { engine, hand, run, step, .. } = &work;
    loop {
        let (number, fresh) = if let Some(next) = begun.take() {
            (next.attempt, Some(next.fresh))
        } else {
            let fresh = Fresh::now(engine, run, step).await?;
            let started = |attempt| vec![progress::started(step, attempt)];
            let entry = Some(fresh.entry()?);
            let begun = engine.store.begin_step(&hand.lease, &step.id, entry, started).await?;
            (begun.attempt, begun.is_new.then_some(fresh))
        };
        crash_point!("step.run.begun");
        let span = info_span!(
            "step",
            otel.name = format!("step {}", step.id),
            step = step.id,
            attempt = number,
            status = Empty,
            otel.status_code = Empty,
        );
        let end = async {
            let attempt = Attempt::begin(&work, number, fresh).await?;
            let may_retry = number < step.max_attempts;
            step::run(Arc::new(attempt), &work.progress, may_retry).await
        };
        let end = end.instrument(span.clone()).await;
        if end.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        let end = end?;
        if let StepEnd::Ended(status, ..) = &end {
            engine.meters.step_ended(&step.id, status.as_str());
            span.record("status", status.as_str());
            if matches!(status, StepStatus::Failed | StepStatus::Waiting) {
                span.record("otel.status_code", "ERROR");
            }
        }
        if !matches!(end, StepEnd::Ended(StepStatus::Waiting, ..)) {
            return Ok(end);
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
