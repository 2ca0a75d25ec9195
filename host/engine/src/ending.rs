//! What becomes of a run when this host lets go of it before its end.

use std::{sync::Arc, time::Duration};

use gencode_core::{
    event::EventBody,
    run::{Run, RunStatus},
};
use gencode_store::{Lease, Pause, StoreError};

use crate::{Inner, attempt::StepFailure, patience::insist, summary::millis_between};

/// Something of the host broke. What may pass is waited for; the rest ends the run, which says why.
pub(crate) async fn broken(engine: &Arc<Inner>, lease: &Lease, run: &Run, failure: StepFailure) {
    if failure.lost_lease() {
        // Someone else has it: not a failure.
        tracing::info!(run = %run.id, "the run has another owner now");
    } else if failure.wants_space() {
        wait_for_space(engine, lease, &failure).await;
    } else if failure.may_pass() {
        again_later(engine, lease, &failure).await;
    } else {
        fail(engine, lease, run, &failure).await;
    }
}

/// The storage is full: the run waits until there is space, and says so.
async fn wait_for_space(engine: &Inner, lease: &Lease, failure: &StepFailure) {
    let reason = "no space is left; the run goes on by itself when there is some".to_owned();
    tracing::warn!(run = %lease.run, error = %chain(failure), "{reason}");
    let pause = Pause {
        reason: reason.clone(),
        waits_for_storage: true,
        events: vec![EventBody::RunPaused {
            step: String::new(),
            question: reason,
            options: Vec::new(),
        }],
        ..Pause::default()
    };
    // The database may have no space either; then it takes this when it has.
    let paused = insist(&engine.closing, async || engine.store.pause_run(lease, &pause).await);
    report(lease, "be paused", paused.await);
}

/// The database is away: the run is given back as soon as it can be, and goes on from its journal.
async fn again_later(engine: &Arc<Inner>, lease: &Lease, failure: &StepFailure) {
    let wait = engine.setback(lease.run);
    tracing::warn!(run = %lease.run, error = %chain(failure), ?wait, "the run is taken up again later");
    tokio::select! {
        () = engine.closing.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
    let released = insist(&engine.closing, async || engine.store.release(lease).await);
    report(lease, "be given back", released.await);
    engine.notice(lease.run);
}

async fn fail(engine: &Inner, lease: &Lease, run: &Run, failure: &StepFailure) {
    let error = chain(failure);
    tracing::error!(run = %run.id, %error, "a run failed in the host");
    let started = run.started_at.unwrap_or(run.created_at);
    let seconds = Duration::from_millis(millis_between(started, crate::now())).as_secs_f64();
    let event = EventBody::RunFailed {
        error: error.clone(),
        seconds,
        completed: Vec::new(),
        failed: Vec::new(),
    };
    let finished = insist(&engine.closing, async || {
        engine.store.finish_run(lease, RunStatus::Failed, &error, vec![event.clone()]).await
    });
    let finished = finished.await;
    if finished.is_ok() {
        engine.meters.run_ended(RunStatus::Failed.as_str());
    }
    report(lease, "be ended", finished);
}

/// Somebody wanted it stopped, and nothing of it goes on any more.
pub(crate) async fn stopped(engine: &Inner, run: &Run, reason: &str) {
    engine.stop_preview_of(run).await;
    let stopped = insist(&engine.closing, async || engine.store.stop_run(run.id, reason).await);
    match stopped.await {
        Ok(_) => engine.meters.run_ended(RunStatus::Stopped.as_str()),
        Err(StoreError::Illegal(_)) => {}
        Err(error) => tracing::error!(run = %run.id, %error, "the run could not be stopped"),
    }
}

/// This host closes: the run is given back, so that the next one need not wait for the lease.
pub(crate) async fn released(engine: &Inner, lease: &Lease) {
    report(lease, "be given back", engine.store.release(lease).await);
}

fn report(lease: &Lease, what: &str, done: Result<(), StoreError>) {
    match done {
        Ok(()) | Err(StoreError::LeaseLost(_)) => {}
        // Its lease ends by itself, and whoever takes the run over finds it as it was recorded.
        Err(error) => tracing::warn!(run = %lease.run, %error, "the run could not {what}"),
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
