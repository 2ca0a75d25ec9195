//! Two ends of the same try, side by side.

use std::collections::BTreeSet;

use gencode_core::{digest::Digest, path::WorkspacePath};
use gencode_workspace::{Author, Change, Entry, Manifest, Workspaces};
use serde::Serialize;

use crate::{
    base::End,
    replay::{
        report::{Difference, Divergence},
        text,
    },
    scope::Scope,
};

/// Faults that depend on how busy the machine was, which no replay can repeat.
const TIMED: [&str; 3] = ["plugin-deadline", "plugin-cpu", "plugin-busy"];

/// The sentence of a recorded fault that was a matter of time.
pub(super) fn timed(recorded: &End) -> Option<&str> {
    let fault = recorded.outcome.as_ref().err()?;
    TIMED.contains(&fault.code.as_str()).then_some(fault.message.as_str())
}

/// The first difference: the outcome, then the files by path, then the documents by name.
pub(super) async fn ends(scope: &Scope, recorded: &End, now: &End) -> Option<Divergence> {
    let found = |what: Difference, at: &str, before: String, after: String| Divergence {
        what,
        at: at.to_owned(),
        plugin: scope.step.handler.clone(),
        recorded: text::short(&before),
        now: text::short(&after),
        diff: text::diff(&before, &after),
    };
    if recorded.outcome != now.outcome {
        let (before, after) = (lines(&recorded.outcome), lines(&now.outcome));
        return Some(found(Difference::Outcome, "", before, after));
    }
    let paths: BTreeSet<&WorkspacePath> = recorded.files.keys().chain(now.files.keys()).collect();
    for path in paths {
        let (before, after) = (recorded.files.get(path), now.files.get(path));
        if before != after {
            let before = recorded_file(&scope.workspaces, path, before).await;
            let after = staged_file(scope, path);
            return Some(found(Difference::File, path.as_str(), before, after));
        }
    }
    let document = |end: &End, name: &str| {
        end.documents.iter().find(|document| document.name == name).map_or_else(String::new, lines)
    };
    let names: BTreeSet<&str> = recorded
        .documents
        .iter()
        .chain(&now.documents)
        .map(|document| document.name.as_str())
        .collect();
    for name in names {
        let (before, after) = (document(recorded, name), document(now, name));
        if before != after {
            return Some(found(Difference::Document, name, before, after));
        }
    }
    if recorded.refused != now.refused {
        let (before, after) = (lines(&recorded.refused), lines(&now.refused));
        return Some(found(Difference::Judgement, "", before, after));
    }
    None
}

/// The content of a file that was staged, where it is still kept: that of a failed try is not.
async fn recorded_file(
    workspaces: &Workspaces,
    path: &WorkspacePath,
    recorded: Option<&Option<Digest>>,
) -> String {
    let digest = match recorded {
        None => return String::new(),
        Some(None) => return "(removed)\n".to_owned(),
        Some(Some(digest)) => *digest,
    };
    let entry = Entry { digest, size: 0, executable: false, author: Author::Run };
    let view: Manifest = std::iter::once((path.clone(), entry)).collect();
    match workspaces.read(&view, path).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => format!("(content {digest}, which is not kept)\n"),
    }
}

fn staged_file(scope: &Scope, path: &WorkspacePath) -> String {
    match scope.view().changes().get(path) {
        Some(Change::Put { content }) => content.to_string(),
        Some(Change::Remove) => "(removed)\n".to_owned(),
        None => String::new(),
    }
}

fn lines(value: &impl Serialize) -> String {
    text::lines_of(&serde_json::to_value(value).unwrap_or_default())
}
