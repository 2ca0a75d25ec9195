//! The handler of a step: how it is called and how its work is judged, live and in a replay.

use std::sync::Arc;

use gencode_core::{glob::Globs, plugin::Grants};
use gencode_runtime::{
    Call, CallError, Host, HostFailure, Plugin,
    types::{Fault, File, Finding, Outcome},
};
use gencode_workspace::Change;

use crate::{
    base::End,
    checks,
    scope::{Scope, Work},
};

/// Has the handler do its step and judges its work. `host` makes what answers the handler.
///
/// The error is one of the host or a pause; what the plugin did wrong is in the [`End`].
pub(crate) async fn work(
    scope: &Scope,
    host: impl FnOnce(&Arc<Plugin>) -> Arc<dyn Host> + Send,
) -> Result<End, CallError> {
    let outcome = match call(scope, host).await {
        Ok(outcome) => outcome,
        Err(error @ (CallError::Host(_) | CallError::Suspended(_))) => return Err(error),
        Err(error) => Err(Fault {
            code: format!("plugin-{}", error.code()),
            message: format!("plugin `{}`: {error}", scope.step.handler),
            retryable: matches!(error, CallError::Busy),
        }),
    };
    let refused = match &outcome {
        Ok(Outcome::Completed(_)) => judge(scope).await.map_err(|failure| match failure {
            HostFailure::Fatal(source) => CallError::Host(source),
            HostFailure::Suspend(why) => CallError::Suspended(why),
        })?,
        _ => None,
    };
    Ok(End::of(outcome, refused, scope.work().clone()))
}

async fn call(
    scope: &Scope,
    host: impl FnOnce(&Arc<Plugin>) -> Arc<dyn Host> + Send,
) -> Result<Result<Outcome, Fault>, CallError> {
    let Some(handler) = scope.plugins.handlers.get(&scope.step.handler) else {
        return Ok(Err(Fault {
            code: "no-handler".to_owned(),
            message: format!("there is no handler `{}`", scope.step.handler),
            retryable: false,
        }));
    };
    if let Some(name) = handler.description.needs.iter().find(|name| scope.document(name).is_none())
    {
        return Ok(Err(Fault {
            code: "missing-document".to_owned(),
            message: format!("the step needs the document `{name}`, which no step before it left"),
            retryable: false,
        }));
    }
    let plugin = &handler.plugin;
    let call = Call {
        grants: Grants::meet(&plugin.manifest, None),
        limits: scope.handler_limits(plugin),
        host: host(plugin),
    };
    scope.runtime.call_handler(plugin, call, &scope.request()).await
}

/// Why the work of a handler that says it is done is not good enough, if it is not: whatever it
/// checked itself, nothing is written that the validators refuse, and what it promised is there.
async fn judge(scope: &Scope) -> Result<Option<Fault>, HostFailure> {
    let work = scope.work().clone();
    let staged: Vec<File> = work
        .overlay
        .changes()
        .iter()
        .filter_map(|(path, change)| match change {
            Change::Put { content } => {
                Some(File { path: path.to_string(), content: content.to_string() })
            }
            Change::Remove => None,
        })
        .collect();
    if !staged.is_empty() {
        let checked = checks::check(scope, staged).await?;
        let errors: Vec<&Finding> =
            checked.findings.iter().filter(|finding| finding.severity == "error").collect();
        if let Some(first) = errors.first() {
            return Ok(Some(Fault {
                code: "preflight".to_owned(),
                message: format!(
                    "{} of the files are not fit to be written; the first: {}:{}: {} [{}]",
                    errors.len(),
                    first.path,
                    first.line,
                    first.message,
                    first.code
                ),
                retryable: true,
            }));
        }
    }
    Ok(broken_promise(scope, &work))
}

/// The files and documents the handler's description promises (domain-rules §2.4).
fn broken_promise(scope: &Scope, work: &Work) -> Option<Fault> {
    let handler = scope.plugins.handlers.get(&scope.step.handler)?;
    let paths = work.overlay.list();
    let broken = |message: String| Fault { code: "promise".to_owned(), message, retryable: true };
    for pattern in &handler.description.leaves {
        let globs = Globs::new(&[pattern]);
        if !paths.iter().any(|path| globs.matches(path.as_str())) {
            return Some(broken(format!("the step left no file `{pattern}`")));
        }
    }
    for name in &handler.description.produces {
        if !work.documents.iter().any(|document| document.name == *name) {
            return Some(broken(format!("the step left no document `{name}`")));
        }
    }
    None
}
