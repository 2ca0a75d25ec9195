//! One try of one step: call the handler, check what it staged, commit everything or nothing.

use std::sync::Arc;

use gencode_core::{crash_point, event::EventBody, path::WorkspacePath, run::StepStatus};
use gencode_runtime::{
    CallError, Host, Plugin,
    types::{Fault, Outcome, StepReport},
};
use gencode_store::{NewCheckpoint, NextStep, Pause, StepCommit, StoreError};
use gencode_workspace::{Author, ManifestDigest};
use serde_json::Value;

use crate::{
    attempt::{Attempt, StepFailure},
    base::Fresh,
    conflict::{self, Verdict},
    convert,
    guest::Guest,
    handler,
    progress::{self, Next, Progress},
};

/// Times a commit is tried again because someone saved files meanwhile.
const COMMIT_TRIES: u32 = 5;

/// How a step ended.
pub(crate) enum StepEnd {
    /// In this state, for this reason. `Waiting` means: try again. With it the next step may have
    /// begun.
    Ended(StepStatus, String, Option<Box<Next>>),
    /// It is suspended with its journal: for what it says, or because its host wants it to rest.
    Suspended(Option<Box<Pause>>),
}

/// Runs one try.
pub(crate) async fn run(
    attempt: Arc<Attempt>,
    progress: &Progress,
    may_retry: bool,
) -> Result<StepEnd, StepFailure> {
    let end = match handler::work(&attempt.scope, |plugin| guest(&attempt, plugin)).await {
        Ok(end) => end,
        Err(CallError::Suspended(_)) => return Ok(suspended(&attempt)),
        Err(CallError::Host(source)) => return Err(StepFailure::Call(source)),
        Err(error) => return Err(StepFailure::Call(error.into())),
    };
    let engine = &attempt.engine;
    engine.meters.plugin_called(&attempt.scope.step.handler, end.outcome.is_ok());
    // In the same transaction as what it says: a replay compares with it.
    let recorded = serde_json::to_value(&end)?;
    let fault = match (end.fault(), &end.outcome) {
        (None, Ok(Outcome::Skipped(reason))) => {
            return stop(&attempt, StepStatus::Skipped, reason.clone(), recorded).await;
        }
        (None, Ok(Outcome::Completed(report))) => {
            match commit(&attempt, progress, report, recorded.clone()).await? {
                Ok(ended) => return Ok(ended),
                Err(fault) => fault,
            }
        }
        (Some(fault), _) | (None, Err(fault)) => fault.clone(),
    };
    let status =
        if fault.retryable && may_retry { StepStatus::Waiting } else { StepStatus::Failed };
    let reason = format!("{} ({})", fault.message, fault.code);
    stop(&attempt, status, reason, recorded).await
}

fn suspended(attempt: &Attempt) -> StepEnd {
    StepEnd::Suspended(attempt.suspended_for().map(Box::new))
}

/// The host of the handler.
fn guest(attempt: &Arc<Attempt>, plugin: &Arc<Plugin>) -> Arc<dyn Host> {
    Arc::new(Guest {
        attempt: Arc::clone(attempt),
        plugin: Arc::clone(plugin),
        path: String::new(),
        top: None,
        is_retry: false,
    })
}

/// Commits good work. The inner error means: it does not go together with what others did.
async fn commit(
    attempt: &Arc<Attempt>,
    progress: &Progress,
    report: &StepReport,
    recorded: Value,
) -> Result<Result<StepEnd, Fault>, StepFailure> {
    crash_point!("step.commit.before");
    let work = attempt.scope.work().clone();
    let engine = &attempt.engine;
    let documents =
        work.documents.iter().cloned().map(convert::stored_document).collect::<Vec<_>>();
    let summary = report.summary.clone();
    let stored = serde_json::to_value(Outcome::Completed(report.clone()))?;
    for _ in 0..COMMIT_TRIES {
        let mut commit = StepCommit {
            step: attempt.scope.step.id.clone(),
            status: StepStatus::Completed,
            reason: String::new(),
            report: stored.clone(),
            documents: documents.clone(),
            checkpoint: None,
            end: Some(recorded.clone()),
            events: Vec::new(),
        };
        let mut applied = None;
        if !work.overlay.is_clean() {
            // Steps that ran side by side, and the user, may have moved the project on meanwhile.
            let head = engine.newest_checkpoint(&attempt.scope.run.project).await?;
            let from = engine.workspaces.manifest(ManifestDigest(head.manifest)).await?;
            let ours = engine.workspaces.save_overlay(&work.overlay, Author::Run).await?.manifest;
            let mut merged = engine.workspaces.merge3(&attempt.scope.base, &ours, &from).await?;
            if !merged.conflicts.is_empty() {
                match conflict::decide(attempt, &merged, &ours, &from).await? {
                    Some(Verdict::Keep) => {}
                    Some(Verdict::Take) => merged.take_ours(&ours),
                    Some(Verdict::Again) => return Ok(Err(again(&merged.conflicts))),
                    None => return Ok(Ok(suspended(attempt))),
                }
            }
            let to = engine.workspaces.save_manifest(merged.manifest).await?;
            let checkpoint = crate::new_checkpoint_id();
            commit.checkpoint = Some(NewCheckpoint {
                id: checkpoint,
                project: attempt.scope.run.project.clone(),
                parent: Some(head.id),
                run: Some(attempt.scope.run.id),
                step: attempt.scope.step.id.clone(),
                author: gencode_store::CheckpointAuthor::Run,
                performer: attempt.scope.step.performer.clone(),
                note: format!("{}\n\n{summary}", attempt.scope.step.title).trim().to_owned(),
                manifest: to.digest.0,
            });
            commit.events.push(EventBody::FilesCommitted {
                step: attempt.scope.step.id.clone(),
                paths: from.changed_paths(&to.manifest).iter().map(ToString::to_string).collect(),
                checkpoint,
            });
            applied = Some((from, to.manifest));
        }
        commit.events.push(EventBody::StepFinished {
            step: attempt.scope.step.id.clone(),
            status: StepStatus::Completed,
            reason: String::new(),
            summary: summary.clone(),
        });
        crash_point!("step.commit.saved");
        match commit_and_begin(attempt, progress, &commit).await {
            Ok(next) => {
                crash_point!("step.commit.after");
                if let Some((from, to)) = applied {
                    // The truth is stored; the folder follows, now or at the next start.
                    let project = &attempt.scope.run.project;
                    engine.show_committed(&attempt.lease, project, &from, &to).await;
                }
                let next = next.map(Box::new);
                return Ok(Ok(StepEnd::Ended(StepStatus::Completed, String::new(), next)));
            }
            Err(StepFailure::Store(StoreError::Conflict(_))) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Err(Fault {
        code: "conflict".to_owned(),
        message: "the project kept changing while the step was being committed".to_owned(),
        retryable: true,
    }))
}

/// Completes the step, and begins the one that becomes ready by it, if one may: a run of many short
/// steps waits for the disk once for each.
async fn commit_and_begin(
    attempt: &Attempt,
    progress: &Progress,
    commit: &StepCommit,
) -> Result<Option<Next>, StepFailure> {
    let (engine, run) = (&attempt.engine, &attempt.scope.run);
    let Some(step) = progress.take_next(engine, &attempt.hand, run, &commit.step).await? else {
        engine.store.commit_step(&attempt.lease, commit).await?;
        return Ok(None);
    };
    let begun = async {
        let fresh = Fresh::after(engine, run, &step, commit).await?;
        let next = NextStep { step: step.id.clone(), base: fresh.entry()? };
        let started = |attempt| vec![progress::started(&step, attempt)];
        let store = &engine.store;
        let number =
            store.commit_step_and_begin(&attempt.lease, commit, Some(next), started).await?;
        Ok(number.map(|attempt| Next { step: step.id.clone(), attempt, fresh }))
    };
    let begun: Result<Option<Next>, StepFailure> = begun.await;
    if !matches!(begun, Ok(Some(_))) {
        progress.give_back(&step.id);
    }
    begun
}

/// The try is over: the user wants the next one to begin from his version.
fn again(paths: &[WorkspacePath]) -> Fault {
    let names: Vec<&str> = paths.iter().map(WorkspacePath::as_str).collect();
    Fault {
        code: "conflict".to_owned(),
        message: format!(
            "you changed the same lines of {} while the step was working on them; your version was kept",
            names.join(", ")
        ),
        retryable: true,
    }
}

/// Ends a try that leaves nothing in the project.
async fn stop(
    attempt: &Attempt,
    status: StepStatus,
    reason: String,
    recorded: Value,
) -> Result<StepEnd, StepFailure> {
    let event = EventBody::StepFinished {
        step: attempt.scope.step.id.clone(),
        status,
        reason: reason.clone(),
        summary: String::new(),
    };
    let commit = StepCommit {
        step: attempt.scope.step.id.clone(),
        status,
        reason: reason.clone(),
        report: Value::Null,
        documents: Vec::new(),
        checkpoint: None,
        end: Some(recorded),
        events: vec![event],
    };
    attempt.engine.store.commit_step(&attempt.lease, &commit).await?;
    Ok(StepEnd::Ended(status, reason, None))
}
