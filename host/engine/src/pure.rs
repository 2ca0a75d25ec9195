//! Host calls that are made again after a restart and in a replay: their answers depend only on
//! what is recorded. Nothing of them leaves the [`Scope`].

use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gencode_core::{digest::Digest, glob::Globs, path::WorkspacePath, plugin::Grants};
use gencode_runtime::{
    Call, CallError, Host, HostCall, HostFailure, HostReply, Plugin,
    types::{AgentAnswer, AgentCall, Document, Fault, File, FileInfo, HostError},
};
use gencode_workspace::{Content, View as _, WorkspaceError};

use crate::{checks, scope::Scope};

/// Agents of one `invoke-all` that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// The inner error is for the guest; the outer one ends it.
pub(crate) type Answer = Result<Result<HostReply, HostError>, HostFailure>;

/// Answers a call of `plugin` that is neither recorded nor only told.
pub(crate) async fn answer(scope: &Scope, plugin: &Plugin, call: HostCall) -> Answer {
    match call {
        HostCall::List { globs } => Ok(Ok(list(scope, &globs))),
        HostCall::Read { path } => read(scope, &path).await,
        HostCall::ReadAll { globs } => read_all(scope, &globs).await,
        HostCall::Stage { files } => Ok(stage(scope, files)),
        HostCall::Remove { path } => Ok(remove(scope, &path)),
        HostCall::PutDocument(document) => Ok(Ok(put(scope, document))),
        HostCall::GetDocument { name } => {
            let missing = || format!("no step before this one left a document `{name}`");
            let found = scope.document(&name).map(HostReply::Document);
            Ok(found.ok_or_else(|| refused("not-found", missing())))
        }
        HostCall::Check { files } => {
            checks::check(scope, files).await.map(|report| Ok(HostReply::Checked(report)))
        }
        HostCall::Config => {
            let config = serde_json::to_string(&plugin.manifest.config).map_err(fatal)?;
            Ok(Ok(HostReply::Text(config)))
        }
        other => {
            let capability = other.capability().as_str();
            Err(fatal(format!("`{capability}` cannot be answered from what is recorded")))
        }
    }
}

fn list(scope: &Scope, globs: &[String]) -> HostReply {
    let wanted = Globs::new(globs);
    let info = |path: WorkspacePath, content: Content| {
        let (size, digest) = match content {
            Content::Blob(entry) => (entry.size, entry.digest),
            Content::Text { content, .. } => (content.len() as u64, Digest::of(content.as_bytes())),
        };
        FileInfo { path: path.into(), size, digest: digest.to_string() }
    };
    let files = scope
        .view()
        .contents()
        .into_iter()
        .filter(|(path, _)| wanted.matches(path.as_str()))
        .map(|(path, content)| info(path, content))
        .collect();
    HostReply::Files(files)
}

async fn read(scope: &Scope, path: &str) -> Answer {
    let path: WorkspacePath = match path.parse() {
        Ok(path) => path,
        Err(error) => return Ok(Err(refused("invalid", format!("{error}")))),
    };
    match scope.workspaces.read(&scope.view(), &path).await {
        Ok(bytes) => Ok(match String::from_utf8(bytes) {
            Ok(text) => Ok(HostReply::Text(text)),
            Err(_) => Err(refused("invalid", format!("`{path}` is not a text file"))),
        }),
        Err(WorkspaceError::NotFound { .. }) => {
            Ok(Err(refused("not-found", format!("there is no file `{path}`"))))
        }
        Err(error) => Err(fatal(error)),
    }
}

async fn read_all(scope: &Scope, globs: &[String]) -> Answer {
    let wanted = Globs::new(globs);
    let files = texts(scope, move |path: &str| wanted.matches(path)).await?;
    Ok(Ok(HostReply::Contents(files)))
}

fn stage(scope: &Scope, files: Vec<File>) -> Result<HostReply, HostError> {
    // All or none: what was staged replaces the overlay only at the end.
    let mut overlay = scope.view();
    for file in files {
        let path: WorkspacePath = file
            .path
            .parse()
            .map_err(|error| refused("invalid", format!("`{}`: {error}", file.path)))?;
        overlay.stage(path, file.content).map_err(|error| refusal(&error))?;
    }
    scope.work().overlay = overlay;
    Ok(HostReply::Done)
}

fn remove(scope: &Scope, path: &str) -> Result<HostReply, HostError> {
    let path: WorkspacePath =
        path.parse().map_err(|error| refused("invalid", format!("`{path}`: {error}")))?;
    scope.work().overlay.remove(&path).map(|()| HostReply::Done).map_err(|error| refusal(&error))
}

fn put(scope: &Scope, document: Document) -> HostReply {
    let mut work = scope.work();
    work.documents.retain(|known| known.name != document.name);
    work.documents.push(document);
    HostReply::Done
}

/// Text files of the project as the step sees it, by path; binary ones are left out.
pub(crate) async fn texts(
    scope: &Scope,
    wanted: impl Fn(&str) -> bool + Send + Sync,
) -> Result<Vec<File>, HostFailure> {
    let files = scope
        .workspaces
        .read_all(&scope.view(), move |path: &WorkspacePath| wanted(path.as_str()))
        .await
        .map_err(fatal)?;
    let text = |(path, bytes): (WorkspacePath, Vec<u8>)| {
        Some(File { path: path.into(), content: String::from_utf8(bytes).ok()? })
    };
    Ok(files.into_iter().filter_map(text).collect())
}

/// Asks agents, which run again too; their own calls go to the host that `host` makes for the
/// agent at that place of the list.
pub(crate) async fn invoke(
    scope: &Scope,
    calls: Vec<AgentCall>,
    host: impl Fn(usize, &Arc<Plugin>, &AgentCall) -> Arc<dyn Host> + Send + Sync,
) -> Answer {
    let host = &host;
    let mut working = Vec::with_capacity(calls.len());
    for (index, call) in calls.into_iter().enumerate() {
        let host = move |agent: &Arc<Plugin>, call: &AgentCall| host(index, agent, call);
        working.push(invoke_one(scope, call, host).boxed());
    }
    let answers: Vec<Result<Result<AgentAnswer, Fault>, Refusal>> =
        stream::iter(working).buffered(SIDE_BY_SIDE).collect().await;
    let mut all = Vec::with_capacity(answers.len());
    for answer in answers {
        match answer {
            Ok(answer) => all.push(answer),
            Err(Refusal::Host(failure)) => return Err(failure),
            Err(Refusal::Guest(error)) => return Ok(Err(error)),
        }
    }
    Ok(Ok(HostReply::Answers(all)))
}

async fn invoke_one(
    scope: &Scope,
    call: AgentCall,
    host: impl Fn(&Arc<Plugin>, &AgentCall) -> Arc<dyn Host> + Send,
) -> Result<Result<AgentAnswer, Fault>, Refusal> {
    let Some(agent) = scope.plugins.agents.get(&call.agent) else {
        let message = format!("there is no agent `{}`", call.agent);
        return Err(Refusal::Guest(refused("not-found", message)));
    };
    let runtime_call = Call {
        grants: Grants::meet(&agent.manifest, None),
        limits: scope.limits(agent),
        host: host(agent, &call),
    };
    match scope.runtime.call_agent(agent, runtime_call, &call.request).await {
        Ok(answer) => Ok(answer),
        Err(CallError::Host(source)) => Err(Refusal::Host(HostFailure::Fatal(source))),
        Err(CallError::Suspended(why)) => Err(Refusal::Host(HostFailure::Suspend(why))),
        // The agent is to blame, not the handler that called it.
        Err(error) => Ok(Err(Fault {
            code: format!("plugin-{}", error.code()),
            message: format!("agent `{}`: {error}", call.agent),
            retryable: false,
        })),
    }
}

enum Refusal {
    Guest(HostError),
    Host(HostFailure),
}

fn refusal(error: &WorkspaceError) -> HostError {
    let code = match error {
        WorkspaceError::NotAllowed { .. } => "denied",
        WorkspaceError::NotFound { .. } => "not-found",
        WorkspaceError::Conflict { .. } => "conflict",
        WorkspaceError::TooLarge { .. } => "limit",
        _ => "invalid",
    };
    refused(code, error.to_string())
}

/// A typed refusal; the guest may go on.
pub(crate) fn refused(code: &str, message: String) -> HostError {
    HostError { code: code.to_owned(), message, retryable: false }
}

/// Ends the guest: the host cannot go on.
pub(crate) fn fatal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostFailure {
    HostFailure::Fatal(error.into())
}
