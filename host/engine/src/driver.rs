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
use gencode_store::{Claimed, Lease, StepCommit, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Inner,
    attempt::{Attempt, StepFailure},
    clock::ExternalTime,
    library::PluginSet,
    step::{self, StepEnd},
    summary::millis_between,
};

/// A run in the hands of this host.
pub(crate) struct Driver {
    engine: Arc<Inner>,
    run: Arc<Run>,
    lease: Lease,
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
    /// Something of the host is broken; the run fails and says so.
    Broken(StepFailure),
}

impl Driver {
    /// Works on the run until it is final, paused, lost to another host, or the host closes.
    pub(crate) async fn drive(engine: Arc<Inner>, claimed: Claimed, closing: CancellationToken) {
        let lease = claimed.lease.clone();
        let run = Arc::new(claimed.run.clone());
        let lost = CancellationToken::new();
        let renewing = renew(Arc::clone(&engine), lease.clone(), lost.clone());
        let working = async {
            match Self::prepare(Arc::clone(&engine), claimed).await {
                Ok(mut driver) => driver.work().await,
                Err(failure) => Stop::Broken(failure),
            }
        };
        tokio::select! {
            stop = working => {
                if let Stop::Broken(failure) = stop {
                    fail(&engine, &lease, &run, failure).await;
                }
            }
            () = renewing => {}
            () = lost.cancelled() => tracing::info!(run = %run.id, "the run has another owner now"),
            () = closing.cancelled() => {
                // Given back, so that the next host need not wait for the lease to end.
                if let Err(error) = engine.store.release(&lease).await
                    && !matches!(error, StoreError::LeaseLost(_))
                {
                    tracing::warn!(run = %run.id, %error, "the run could not be given back");
                }
                return;
            }
        }
        engine.clean_up(&run).await;
    }

    async fn prepare(engine: Arc<Inner>, claimed: Claimed) -> Result<Self, StepFailure> {
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
            lease: claimed.lease,
            plugins,
            external,
            status,
            reasons: BTreeMap::new(),
        })
    }

    async fn work(&mut self) -> Stop {
        let mut running: JoinSet<(String, Result<StepEnd, StepFailure>)> = JoinSet::new();
        // Steps a dead host was in the middle of go on from their journal.
        let interrupted: Vec<String> = self
            .status
            .iter()
            .filter(|(_, status)| **status == StepStatus::Running)
            .map(|(step, _)| step.clone())
            .collect();
        for step in interrupted {
            if let Err(failure) = self.start(&mut running, &step).await {
                return Stop::Broken(failure);
            }
        }
        let mut paused = false;
        loop {
            if !paused && let Err(failure) = self.start_ready(&mut running).await {
                return Stop::Broken(failure);
            }
            let Some(joined) = running.join_next().await else { break };
            let (step, end) = match joined {
                Ok(ended) => ended,
                Err(panicked) => return Stop::Broken(StepFailure::Call(Box::new(panicked))),
            };
            match end {
                Ok(StepEnd::Paused) => paused = true,
                // The others lost the lease with the one that paused.
                Err(failure) if paused && failure.lost_lease() => {}
                Ok(StepEnd::Ended(status, reason)) => {
                    self.status.insert(step.clone(), status);
                    self.reasons.insert(step, reason);
                }
                Err(failure) => return Stop::Broken(failure),
            }
        }
        if paused {
            return Stop::Done;
        }
        match self.finish().await {
            Ok(()) => Stop::Done,
            Err(failure) => Stop::Broken(failure),
        }
    }

    /// Starts what can start, and marks what never can.
    async fn start_ready(
        &mut self,
        running: &mut JoinSet<(String, Result<StepEnd, StepFailure>)>,
    ) -> Result<(), StepFailure> {
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
                    None => self.start(running, step).await?,
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

    async fn start(
        &mut self,
        running: &mut JoinSet<(String, Result<StepEnd, StepFailure>)>,
        id: &str,
    ) -> Result<(), StepFailure> {
        let Some(step) = self.pipeline.step(id).cloned() else {
            let reason = "the pipeline no longer has this step".to_owned();
            return self.end_without_running(id, StepStatus::Failed, reason).await;
        };
        self.status.insert(id.to_owned(), StepStatus::Running);
        let (engine, lease, run) =
            (Arc::clone(&self.engine), self.lease.clone(), Arc::clone(&self.run));
        let (plugins, external) = (Arc::clone(&self.plugins), self.external.clone());
        let id = id.to_owned();
        running.spawn(async move {
            let end = run_step(engine, lease, run, step, plugins, external).await;
            (id, end)
        });
        Ok(())
    }

    /// Whether the budget lets the step begin (domain-rules §2.6). `None`: it does.
    async fn budget_gate(&self, id: &str) -> Result<Option<(StepStatus, String)>, StepFailure> {
        let Some(step) = self.pipeline.step(id) else { return Ok(None) };
        let Some((input, output)) = self.engine.prices(&self.run) else { return Ok(None) };
        let used_usd = self.engine.spent(self.run.id).await?;
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
            self.engine.store.begin_step(&self.lease, id, |_| Vec::new()).await?;
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
            events: vec![event],
        };
        self.engine.store.commit_step(&self.lease, &commit).await?;
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
        self.engine.store.finish_run(&self.lease, status, &reason, vec![event]).await?;
        crash_point!("run.finish.after");
        Ok(())
    }
}

/// All tries of one step. Boxed, because the compiler cannot see through so deep a future.
fn run_step(
    engine: Arc<Inner>,
    lease: Lease,
    run: Arc<Run>,
    step: Step,
    plugins: Arc<PluginSet>,
    external: ExternalTime,
) -> BoxFuture<'static, Result<StepEnd, StepFailure>> {
    Box::pin(tries(engine, lease, run, step, plugins, external))
}

async fn tries(
    engine: Arc<Inner>,
    lease: Lease,
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
        let number = engine.store.begin_step(&lease, &step.id, started).await?;
        crash_point!("step.run.begun");
        let attempt = Attempt::begin(
            Arc::clone(&engine),
            lease.clone(),
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
async fn renew(engine: Arc<Inner>, lease: Lease, lost: CancellationToken) {
    let every = Duration::from_millis(u64::from(engine.config.lease_ms / 3).max(100));
    let mut tick = tokio::time::interval(every);
    loop {
        tick.tick().await;
        match engine.store.renew(&lease, engine.config.lease_ms).await {
            Ok(()) => crash_point!("run.renew.after"),
            // Also when the run paused or finished: then the work ends by itself.
            Err(StoreError::LeaseLost(_)) => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                lost.cancel();
                return;
            }
            Err(error) => tracing::warn!(run = %lease.run, %error, "the lease was not renewed"),
        }
    }
}

/// Ends a run whose host part broke. A lost lease is not a failure: someone else has it.
async fn fail(engine: &Inner, lease: &Lease, run: &Run, failure: StepFailure) {
    if failure.lost_lease() {
        tracing::info!(run = %run.id, "the run has another owner now");
        return;
    }
    let mut error = failure.to_string();
    let mut cause = std::error::Error::source(&failure);
    while let Some(source) = cause {
        error.push_str(": ");
        error.push_str(&source.to_string());
        cause = source.source();
    }
    tracing::error!(run = %run.id, %error, "a run failed in the host");
    let started = run.started_at.unwrap_or(run.created_at);
    let seconds = Duration::from_millis(millis_between(started, crate::now())).as_secs_f64();
    let event = EventBody::RunFailed {
        error: error.clone(),
        seconds,
        completed: Vec::new(),
        failed: Vec::new(),
    };
    if let Err(error) = engine.store.finish_run(lease, RunStatus::Failed, &error, vec![event]).await
    {
        tracing::error!(run = %run.id, %error, "the failure could not be stored; the run will be tried again");
    }
}
