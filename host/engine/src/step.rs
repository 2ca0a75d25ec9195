//! One try of one step: call the handler, check what it staged, commit everything or nothing.

use std::sync::Arc;

use gencode_core::{crash_point, event::EventBody, run::StepStatus};
use gencode_runtime::{
    CallError, Host, Plugin,
    types::{Fault, Outcome, StepReport},
};
use gencode_store::{NewCheckpoint, Pause, StepCommit, StoreError};
use gencode_workspace::{Author, ManifestDigest};

use crate::{
    attempt::{Attempt, StepFailure},
    convert,
    guest::Guest,
    handler,
};

/// Times a commit is tried again because someone saved files meanwhile.
const COMMIT_TRIES: u32 = 5;

/// How a step ended.
pub(crate) enum StepEnd {
    /// In this state, for this reason. `Waiting` means: try again.
    Ended(StepStatus, String),
    /// It is suspended with its journal: for what it says, or because its host wants it to rest.
    Suspended(Option<Box<Pause>>),
}

/// Runs one try.
pub(crate) async fn run(attempt: Arc<Attempt>, may_retry: bool) -> Result<StepEnd, StepFailure> {
    let fault = match handler::call(&attempt.scope, |plugin| guest(&attempt, plugin)).await {
        Ok(Ok(Outcome::Completed(report))) => match commit(&attempt, report).await? {
            Ok(end) => return Ok(end),
            Err(fault) => fault,
        },
        Ok(Ok(Outcome::Skipped(reason))) => {
            let (status, report) = (StepStatus::Skipped, serde_json::Value::Null);
            return end(&attempt, status, reason, String::new(), report).await;
        }
        Ok(Err(fault)) => fault,
        Err(CallError::Suspended(_)) => {
            return Ok(StepEnd::Suspended(attempt.suspended_for().map(Box::new)));
        }
        Err(CallError::Host(source)) => return Err(StepFailure::Call(source)),
        Err(error) => Fault {
            code: format!("plugin-{}", error.code()),
            message: format!("plugin `{}`: {error}", attempt.scope.step.handler),
            retryable: matches!(error, CallError::Busy),
        },
    };
    let status =
        if fault.retryable && may_retry { StepStatus::Waiting } else { StepStatus::Failed };
    let reason = format!("{} ({})", fault.message, fault.code);
    end(&attempt, status, reason, String::new(), serde_json::Value::Null).await
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

/// Checks and commits. The inner error means: the step's work is not good enough.
async fn commit(
    attempt: &Arc<Attempt>,
    report: StepReport,
) -> Result<Result<StepEnd, Fault>, StepFailure> {
    crash_point!("step.commit.before");
    let work = attempt.scope.work().clone();
    if let Some(fault) = handler::judge(&attempt.scope).await.map_err(host_failure)? {
        return Ok(Err(fault));
    }
    let engine = &attempt.engine;
    let documents =
        work.documents.iter().cloned().map(convert::stored_document).collect::<Vec<_>>();
    let summary = report.summary.clone();
    let stored = serde_json::to_value(Outcome::Completed(report))?;
    for _ in 0..COMMIT_TRIES {
        let mut commit = StepCommit {
            step: attempt.scope.step.id.clone(),
            status: StepStatus::Completed,
            reason: String::new(),
            report: stored.clone(),
            documents: documents.clone(),
            checkpoint: None,
            events: Vec::new(),
        };
        let mut applied = None;
        if !work.overlay.is_clean() {
            // Steps that ran side by side, and the user, may have moved the project on meanwhile.
            let head = engine.newest_checkpoint(&attempt.scope.run.project).await?;
            let from = engine.workspaces.manifest(ManifestDigest(head.manifest)).await?;
            let ours = engine.workspaces.save_overlay(&work.overlay, Author::Run).await?.manifest;
            let merged = engine.workspaces.merge3(&attempt.scope.base, &ours, &from).await?;
            if !merged.conflicts.is_empty() {
                return Ok(Err(conflict(&merged.conflicts)));
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
                paths: work.overlay.changed_paths().iter().map(ToString::to_string).collect(),
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
        match engine.store.commit_step(&attempt.lease, &commit).await {
            Ok(()) => {
                crash_point!("step.commit.after");
                if let Some((from, to)) = applied {
                    // The truth is stored; the folder follows, now or at the next start.
                    let project = &attempt.scope.run.project;
                    engine.show_committed(&attempt.lease, project, &from, &to).await;
                }
                return Ok(Ok(StepEnd::Ended(StepStatus::Completed, String::new())));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Err(Fault {
        code: "conflict".to_owned(),
        message: "the project kept changing while the step was being committed".to_owned(),
        retryable: true,
    }))
}

fn conflict(paths: &[gencode_core::path::WorkspacePath]) -> Fault {
    let names: Vec<&str> = paths.iter().map(gencode_core::path::WorkspacePath::as_str).collect();
    Fault {
        code: "conflict".to_owned(),
        message: format!(
            "you changed the same lines of {} while the step was working on them; your version was kept",
            names.join(", ")
        ),
        // The next try begins from the user's version.
        retryable: true,
    }
}

fn host_failure(failure: gencode_runtime::HostFailure) -> StepFailure {
    match failure {
        gencode_runtime::HostFailure::Fatal(source) => StepFailure::Call(source),
        gencode_runtime::HostFailure::Suspend(why) => StepFailure::Call(why.into()),
    }
}

async fn end(
    attempt: &Attempt,
    status: StepStatus,
    reason: String,
    summary: String,
    report: serde_json::Value,
) -> Result<StepEnd, StepFailure> {
    let event = EventBody::StepFinished {
        step: attempt.scope.step.id.clone(),
        status,
        reason: reason.clone(),
        summary,
    };
    let commit = StepCommit {
        step: attempt.scope.step.id.clone(),
        status,
        reason: reason.clone(),
        report,
        documents: Vec::new(),
        checkpoint: None,
        events: vec![event],
    };
    attempt.engine.store.commit_step(&attempt.lease, &commit).await?;
    Ok(StepEnd::Ended(status, reason))
}
