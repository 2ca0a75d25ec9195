//! From the blocks of an answer to what the contract calls an answer.

use gencode_plugin_sdk::{
    agent::{Answer, Authored, Correction, Diagnosis, Verdict},
    answer,
    types::{Fault, Finding},
};
use serde::Deserialize;

use crate::{intent, persona::Expects};

/// Highest score of a review.
const MAX_SCORE: u8 = 10;

/// Reads what a mode expects. Every fault is worth another attempt.
pub fn read(expects: Expects, answer: answer::Answer) -> Result<Answer, Fault> {
    match expects {
        Expects::Intent => intent::read(&answer).map(Answer::Understood),
        Expects::Verdict => verdict(&answer).map(Answer::Judged),
        Expects::Diagnosis => diagnosis(&answer).map(Answer::Diagnosed),
        Expects::Files(documents) => {
            if answer.files.is_empty() {
                return Err(Fault::retryable("empty-answer", "the answer holds no file"));
            }
            if let Some(missing) = documents
                .iter()
                .find(|name| !answer.documents.iter().any(|document| document.name == **name))
            {
                return Err(Fault::retryable(
                    "missing-document",
                    format!("the answer has no document `{missing}`"),
                ));
            }
            authored(answer)
        }
        Expects::Changes => authored(answer),
    }
}

fn authored(answer: answer::Answer) -> Result<Answer, Fault> {
    // A changed intent is held to the same rules as a new one.
    if answer.documents.iter().any(|document| document.name == "intent") {
        intent::read(&answer)?;
    }
    Ok(Answer::Authored(Authored { files: answer.files, documents: answer.documents }))
}

/// As a model writes it: judgement and score must be there, the lists may be left out.
#[derive(Deserialize)]
struct RawVerdict {
    approved: bool,
    score: u8,
    #[serde(default)]
    findings: Vec<RawFinding>,
    #[serde(default)]
    corrections: Vec<Correction>,
    #[serde(default)]
    feedback: String,
}

#[derive(Deserialize)]
struct RawFinding {
    #[serde(default = "review_code")]
    code: String,
    severity: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    line: u32,
    #[serde(default)]
    column: u32,
    message: String,
    #[serde(default)]
    hint: String,
}

fn review_code() -> String {
    "review.remark".to_owned()
}

fn verdict(answer: &answer::Answer) -> Result<Verdict, Fault> {
    let raw: RawVerdict = answer.read("verdict")?;
    let unreadable = |message: String| Fault::retryable("unreadable-verdict", message);
    if raw.score > MAX_SCORE {
        return Err(unreadable(format!("score {} is more than {MAX_SCORE}", raw.score)));
    }
    if let Some(finding) = raw
        .findings
        .iter()
        .find(|finding| !["error", "warning", "info"].contains(&finding.severity.as_str()))
    {
        return Err(unreadable(format!("`{}` is not a severity", finding.severity)));
    }
    let findings = raw
        .findings
        .into_iter()
        .map(|raw| Finding {
            code: raw.code,
            severity: raw.severity,
            path: raw.path,
            line: raw.line,
            column: raw.column,
            message: raw.message,
            hint: raw.hint,
        })
        .collect();
    Ok(Verdict {
        approved: raw.approved,
        score: raw.score,
        findings,
        corrections: raw.corrections,
        feedback: raw.feedback,
    })
}

fn diagnosis(answer: &answer::Answer) -> Result<Diagnosis, Fault> {
    let diagnosis: Diagnosis = answer.read("diagnosis")?;
    if diagnosis.root_cause.trim().is_empty() || diagnosis.corrections.is_empty() {
        return Err(Fault::retryable(
            "unreadable-diagnosis",
            "a diagnosis names a cause and at least one correction",
        ));
    }
    Ok(diagnosis)
}
