//! What to do when tests or a build fail: find the files that the output speaks of, and write them anew.

use serde::Serialize;

use super::{
    backend, documents::ProjectFile, frontend, frontend::Client, judge::Correction, plan::App,
};
use crate::offline::OfflineError;

type Files = Vec<(String, String)>;

/// Longest root cause that is passed on.
const MAX_CAUSE: usize = 600;

/// Why something failed, in the shape that agents read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Diagnosis {
    pub(super) root_cause: String,
    pub(super) corrections: Vec<Correction>,
}

/// Everything of the back end as the contract says it should be.
pub(super) fn canonical_backend(app: &App) -> Result<Files, OfflineError> {
    let mut files = backend::implementation(app)?;
    files.extend(backend::tests(app)?);
    Ok(files)
}

/// Everything of the finished front end as the contract says it should be.
pub(super) fn canonical_frontend(app: &App) -> Result<Files, OfflineError> {
    let mut files = frontend::pages(app)?;
    files.retain(|(path, _)| path.starts_with("frontend/src/"));
    files.extend(frontend::client(app, Client::Real)?);
    files.extend(frontend::tests(app)?);
    Ok(files)
}

/// Reads the output of a failing command.
pub(super) fn diagnose(
    app: &App,
    failure: &str,
    present: &[ProjectFile],
) -> Result<Diagnosis, OfflineError> {
    let mut canonical = canonical_backend(app)?;
    canonical.extend(canonical_frontend(app)?);
    let mut corrections: Vec<Correction> = canonical
        .iter()
        .filter(|(path, content)| {
            present.iter().any(|file| file.path == *path && file.content.trim() != content.trim())
        })
        .map(|(path, _)| Correction {
            path: path.clone(),
            problem: "It is not what the contract leads to.".to_owned(),
            fix: "Write it again from the contract.".to_owned(),
        })
        .collect();
    if corrections.is_empty() {
        let named = canonical.iter().filter(|(path, _)| is_named(failure, path));
        corrections = named
            .map(|(path, _)| Correction {
                path: path.clone(),
                problem: "The output names it.".to_owned(),
                fix: "Write it again from the contract.".to_owned(),
            })
            .collect();
    }
    if corrections.is_empty() {
        corrections.push(Correction {
            path: String::new(),
            problem: "The output names no file that the contract leads to.".to_owned(),
            fix: "Look at the environment: versions of packages, free ports, disk space."
                .to_owned(),
        });
    }
    Ok(Diagnosis { root_cause: cause(failure), corrections })
}

/// The files to write: those that are not as they should be; else those that the output names; else all.
pub(super) fn repair(canonical: Files, failure: &str, present: &[ProjectFile]) -> Files {
    let differs = |(path, content): &&(String, String)| {
        !present.iter().any(|file| file.path == *path && file.content.trim() == content.trim())
    };
    let different: Files = canonical.iter().filter(differs).cloned().collect();
    if !present.is_empty() && !different.is_empty() {
        return different;
    }
    let named: Files =
        canonical.iter().filter(|(path, _)| is_named(failure, path)).cloned().collect();
    if named.is_empty() { canonical } else { named }
}

/// Whether the output speaks of the file: commands run in `backend` or `frontend` and print paths from there.
fn is_named(failure: &str, path: &str) -> bool {
    path.split_once('/').is_some_and(|(_, inner)| failure.contains(inner))
}

/// The line that says what went wrong.
fn cause(failure: &str) -> String {
    let lines: Vec<&str> = failure.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let telling = |line: &&&str| {
        line.starts_with("E  ")
            || ["Error:", "error TS", "AssertionError", "SyntaxError", "ERROR", "FAILED", "✗", "×"]
                .iter()
                .any(|mark| line.contains(mark))
    };
    let found = lines.iter().find(telling).or_else(|| lines.last()).copied();
    let text = found
        .map_or("The command failed without a word.", |line| line.trim_start_matches("E ").trim());
    text.chars().take(MAX_CAUSE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_line_that_says_it() {
        let output = "collected 3 items\n\ntests/test_tasks.py F\n>   assert 1 == 2\nE   assert 1 == 2\n1 failed";
        assert_eq!(cause(output), "assert 1 == 2");
        assert_eq!(
            cause("src/App.tsx(3,1): error TS2304: Cannot find name 'x'."),
            "src/App.tsx(3,1): error TS2304: Cannot find name 'x'."
        );
        assert_eq!(cause(""), "The command failed without a word.");
    }
}
