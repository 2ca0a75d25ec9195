//! Sandbox calls of a step: its trees, and the external commands in them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gencode_core::{crash_point, event::EventBody};
use gencode_runtime::{
    HostCall, HostFailure, HostReply,
    types::{AcceptanceReport, AcceptanceRequest, HostError},
};
use gencode_sandbox::{SandboxError, ServeSpec};
use serde_json::json;

use crate::{
    attempt::Attempt,
    convert,
    pure::{Answer, fatal, refused},
};

/// Longest command, whatever a guest asks for (`wit/sandbox.wit`).
const MAX_COMMAND: Duration = Duration::from_mins(10);

/// Does one sandbox call.
pub(crate) async fn perform(attempt: &Arc<Attempt>, call: &HostCall) -> Answer {
    let sandbox = &attempt.engine.sandbox;
    if let Some(name) = tree_name(call)
        && !is_tree_name(name)
    {
        return Ok(Err(refused(
            "invalid",
            format!("`{name}` is not a name for a tree: 1 to 40 of a-z, 0-9 and -"),
        )));
    }
    let done = match call {
        HostCall::Available { tool } => match tool.parse() {
            Ok(tool) => {
                let _outside = attempt.external.enter();
                sandbox.available(tool).await.map(HostReply::Text)
            }
            Err(error) => Err(error),
        },
        HostCall::Install(request) => match request.ecosystem.parse() {
            Ok(ecosystem) => {
                let tree = tree(attempt, &request.tree).await?;
                let _outside = attempt.external.enter();
                sandbox
                    .install(&tree, ecosystem, &request.dir)
                    .await
                    .map(|result| HostReply::Executed(convert::exec_result(result)))
            }
            Err(error) => Err(error),
        },
        HostCall::Exec(command) => {
            let tree = tree(attempt, &command.tree).await?;
            let _outside = attempt.external.enter();
            let command = gencode_sandbox::Command {
                argv: command.argv.clone(),
                cwd: command.cwd.clone(),
                env: command.env.clone(),
                timeout: Duration::from_millis(command.timeout_ms.into()).min(MAX_COMMAND),
                network: false,
            };
            crash_point!("sandbox.exec.before");
            sandbox
                .exec(&tree, command)
                .await
                .map(|result| HostReply::Executed(convert::exec_result(result)))
        }
        HostCall::Browse { tree: name, dir, pages } => {
            let tree = tree(attempt, name).await?;
            let _outside = attempt.external.enter();
            sandbox.browse(&tree, dir, pages).await.map(|results| {
                HostReply::Pages(results.into_iter().map(convert::check_result).collect())
            })
        }
        HostCall::Accept(request) => return accept(attempt, request).await,
        other => {
            return Err(fatal(format!("`{}` is not a sandbox call", other.capability().as_str())));
        }
    };
    Ok(done.map_err(|error| refusal(&error)))
}

fn tree_name(call: &HostCall) -> Option<&str> {
    match call {
        HostCall::Install(request) => Some(&request.tree),
        HostCall::Exec(command) => Some(&command.tree),
        HostCall::Accept(request) => Some(&request.tree),
        HostCall::Browse { tree, .. } => Some(tree),
        _ => None,
    }
}

fn is_tree_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.len() <= 40 && name.chars().all(plain)
}

fn refusal(error: &SandboxError) -> HostError {
    let code = match error {
        SandboxError::Unavailable(_) | SandboxError::NoIsolation => "unavailable",
        SandboxError::Invalid(_) => "invalid",
        _ => "failed",
    };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message.push_str(": ");
        message.push_str(&source.to_string());
        cause = source.source();
    }
    refused(code, message)
}

/// The folder of a tree, brought up to date with what the step sees.
async fn tree(attempt: &Arc<Attempt>, name: &str) -> Result<PathBuf, HostFailure> {
    let folder = attempt
        .engine
        .config
        .places
        .trees
        .join(attempt.scope.run.id.to_string())
        .join(format!("{}-{name}", attempt.scope.step.id));
    let view = attempt.scope.view();
    attempt.engine.workspaces.materialise(&view, &folder).await.map_err(fatal)?;
    Ok(folder)
}

/// Starts and calls the application; a good one may stay as the project's preview.
async fn accept(attempt: &Arc<Attempt>, request: &AcceptanceRequest) -> Answer {
    let engine = &attempt.engine;
    let folder = tree(attempt, &request.tree).await?;
    let report = {
        let _outside = attempt.external.enter();
        engine.sandbox.accept(&folder, convert::acceptance_request(request)).await
    };
    crash_point!("preview.keep.before");
    let report = match report {
        Ok(report) => report,
        Err(error) => return Ok(Err(refusal(&error))),
    };
    let mut preview_url = String::new();
    if report.passed && request.keep_as_preview {
        let spec = keep(attempt, request, folder).await?;
        let place = spec.tree.clone();
        if engine.config.start_previews {
            let _outside = attempt.external.enter();
            crash_point!("preview.start.before");
            match engine.previews.start(attempt.scope.run.project.as_str(), spec).await {
                Ok(preview) => {
                    crash_point!("preview.start.after");
                    preview_url = preview.url;
                    forget_older(&place).await;
                    let body = EventBody::PreviewReady { url: preview_url.clone() };
                    engine
                        .store
                        .append_events(
                            &attempt.scope.run.project,
                            Some(attempt.scope.run.id),
                            vec![body],
                        )
                        .await
                        .map_err(fatal)?;
                }
                // The application passed; that it is not shown is worth a line, not a failure.
                Err(error) => {
                    tracing::warn!(project = %attempt.scope.run.project, %error, "the preview did not start");
                }
            }
        }
    }
    Ok(Ok(HostReply::Accepted(AcceptanceReport {
        passed: report.passed,
        checks: report.checks.into_iter().map(convert::check_result).collect(),
        preview_url,
    })))
}

/// Removes the trees of earlier previews of the project, which nothing runs in any more.
async fn forget_older(place: &Path) {
    let Some(home) = place.parent() else { return };
    let Ok(mut entries) = tokio::fs::read_dir(home).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        // Beside the trees lie folders of the sandbox that is running.
        let is_tree = entry.file_name().to_string_lossy().starts_with("run_");
        if is_tree
            && entry.path() != place
            && let Err(error) = tokio::fs::remove_dir_all(entry.path()).await
        {
            tracing::warn!(%error, "the tree of an earlier preview was not removed");
        }
    }
}

/// Moves the tree to where the project's preview lives and remembers how to start it. A preview
/// starts without the variables of the acceptance run, so with its own data.
async fn keep(
    attempt: &Arc<Attempt>,
    request: &AcceptanceRequest,
    folder: PathBuf,
) -> Result<ServeSpec, HostFailure> {
    let engine = &attempt.engine;
    let home = engine.config.places.previews.join(attempt.scope.run.project.as_str());
    let place = home.join(format!("{}-{}", attempt.scope.run.id, attempt.scope.number));
    tokio::fs::create_dir_all(&home).await.map_err(fatal)?;
    if tokio::fs::try_exists(&place).await.map_err(fatal)? {
        tokio::fs::remove_dir_all(&place).await.map_err(fatal)?;
    }
    tokio::fs::rename(&folder, &place).await.map_err(fatal)?;
    crash_point!("preview.keep.inside");
    let spec = ServeSpec {
        tree: place,
        argv: request.argv.clone(),
        cwd: request.cwd.clone(),
        env: Vec::new(),
        health_path: request.health_path.clone(),
        port: None,
        idle_timeout: None,
    };
    let stored = json!(spec);
    engine.store.put_preview(&attempt.scope.run.project, &stored).await.map_err(fatal)?;
    crash_point!("preview.keep.after");
    Ok(spec)
}
