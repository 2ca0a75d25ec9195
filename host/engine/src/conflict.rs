//! A step and the user changed the same lines: the user decides.

use gencode_core::{digest::Digest, path::WorkspacePath};
use gencode_runtime::{HostFailure, HostReply, types::Question};
use gencode_workspace::{Manifest, Merged};

use crate::{
    attempt::{Attempt, StepFailure},
    questions,
};

/// Beginning of the positions in the journal of what the user decided. No guest is there.
pub(crate) const CONFLICT: &str = "@conflict/";

const KEEP: &str = "Keep my version";
const TAKE: &str = "Take the step's version";
const AGAIN: &str = "Do the step again from my version";

/// Paths named in a question; the rest are counted.
const NAMED: usize = 5;

/// What becomes of files that both changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They stay as the user has them; the rest of the step's work is committed.
    Keep,
    /// They become what the step made of them; the user's version stays in the history.
    Take,
    /// Nothing of this try is committed, and the next one begins from the user's version.
    Again,
}

/// What the user says; none while the run waits for it.
///
/// An answer is for exactly these files as both sides have them: after another edit it is asked
/// anew.
pub(crate) async fn decide(
    attempt: &Attempt,
    merged: &Merged,
    ours: &Manifest,
    theirs: &Manifest,
) -> Result<Option<Verdict>, StepFailure> {
    let question = Question {
        text: text(&attempt.scope.step.title, &merged.conflicts),
        options: [KEEP, TAKE, AGAIN].map(str::to_owned).into(),
        default: AGAIN.to_owned(),
    };
    let path = format!("{CONFLICT}{}", name(&merged.conflicts, ours, theirs));
    match questions::ask(attempt, &path, &question).await {
        Ok(Ok(HostReply::Text(answer))) => Ok(Some(read(&answer))),
        Ok(_) => Ok(Some(Verdict::Again)),
        Err(HostFailure::Suspend(_)) => Ok(None),
        Err(HostFailure::Fatal(source)) => Err(StepFailure::Call(source)),
    }
}

fn text(title: &str, conflicts: &[WorkspacePath]) -> String {
    let mut names: Vec<&str> =
        conflicts.iter().take(NAMED).map(gencode_core::path::WorkspacePath::as_str).collect();
    let more = format!("{} more", conflicts.len().saturating_sub(NAMED));
    if conflicts.len() > NAMED {
        names.push(&more);
    }
    format!(
        "While the step \"{title}\" was working, you changed the same lines of {}. Your version is \
         safe in the history whatever you choose. What should be in the project?",
        names.join(", ")
    )
}

/// Names a conflict: other contents are another one.
fn name(conflicts: &[WorkspacePath], ours: &Manifest, theirs: &Manifest) -> Digest {
    let side = |manifest: &Manifest, path: &WorkspacePath| {
        manifest.get(path).map_or_else(String::new, |entry| entry.digest.to_string())
    };
    let lines: String = conflicts
        .iter()
        .map(|path| format!("{path}\n{}\n{}\n", side(ours, path), side(theirs, path)))
        .collect();
    Digest::of(lines.as_bytes())
}

/// Reads an answer. What is none of the options is taken for the one that loses nothing.
fn read(answer: &str) -> Verdict {
    let is = |option: &str| answer.trim().eq_ignore_ascii_case(option);
    if is(KEEP) {
        Verdict::Keep
    } else if is(TAKE) {
        Verdict::Take
    } else {
        Verdict::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(count: usize) -> Vec<WorkspacePath> {
        (0..count).map(|n| format!("f{n}").parse().unwrap()).collect()
    }

    #[test]
    fn an_answer_is_an_option_and_anything_else_loses_nothing() {
        assert_eq!(read(" keep my version\n"), Verdict::Keep);
        assert_eq!(read(TAKE), Verdict::Take);
        assert_eq!(read(AGAIN), Verdict::Again);
        assert_eq!(read("take it easy"), Verdict::Again);
    }

    #[test]
    fn many_files_are_counted() {
        assert!(text("Back end", &paths(2)).contains("lines of f0, f1."));
        assert!(text("Back end", &paths(8)).contains("f4, 3 more."));
    }
}
