//! Asking the reviewer, and when an answer of the reviewer is an approval.

use super::{Host, MARCUS, Task, call, is_answers_fault, sentence};
use crate::{
    handler::{AgentRequest, Answer, Correction, StepRequest, Verdict},
    types::{Fault, File, Finding},
};

/// Approval begins at this score.
const APPROVAL: u8 = 6;

/// Reviews that are asked for until one can be read.
const MAX_REVIEWS: usize = 2;

/// What came out of a review.
#[derive(Debug, PartialEq)]
pub enum Judgement {
    Approved { score: u8, remarks: Vec<Finding> },
    Rejected(Vec<Finding>),
}

/// Has the reviewer judge files. An answer that cannot be read is asked for once more and is a
/// fault then; it never is an approval.
pub(super) fn ask(
    host: &impl Host,
    step: &StepRequest,
    task: &Task<'_>,
    criteria: &str,
    files: Vec<File>,
) -> Result<Judgement, Fault> {
    host.at(0.9, "Marcus reviews");
    let instructions = format!(
        "{} did `{}` in the step `{}`. {criteria}",
        task.worker.persona, task.mode, step.context.step_id
    );
    let request = AgentRequest {
        context: step.context.clone(),
        mode: "review".to_owned(),
        instructions,
        documents: task.documents.to_vec(),
        files,
        findings: Vec::new(),
        max_output_tokens: step.max_output_tokens.min(12_000),
    };
    let mut tried = 0;
    let answer = loop {
        tried += 1;
        match call(host, MARCUS, request.clone()) {
            Err(fault) if is_answers_fault(&fault) && tried < MAX_REVIEWS => {}
            Err(fault) if is_answers_fault(&fault) => {
                return Err(Fault::retryable(
                    "unreadable-review",
                    format!("the review could not be read: {}", fault.message),
                ));
            }
            other => break other?,
        }
    };
    let Answer::Judged(verdict) = answer.answer else {
        return Err(Fault::permanent(
            "wrong-answer",
            "the reviewer answered with something else than a verdict",
        ));
    };
    let judgement = judge(verdict);
    let word = match &judgement {
        Judgement::Approved { score, .. } => format!("Approved, {score} of 10."),
        Judgement::Rejected(findings) => format!("Not approved: {}.", sentence(findings)),
    };
    host.say(MARCUS.persona, format!("{word} {}", answer.thinking).trim_end());
    Ok(judgement)
}

/// An approval says so, has the score, and names no error.
pub fn judge(verdict: Verdict) -> Judgement {
    let error = verdict.findings.iter().any(Finding::is_error);
    if verdict.approved && verdict.score >= APPROVAL && !error {
        return Judgement::Approved { score: verdict.score, remarks: verdict.findings };
    }
    let mut findings: Vec<Finding> =
        verdict.findings.into_iter().filter(|finding| !error || finding.is_error()).collect();
    findings.extend(verdict.corrections.into_iter().map(|Correction { path, problem, fix }| {
        Finding::error("review.correction", &path, 0, 0, problem).with_hint(fix)
    }));
    if findings.is_empty() {
        let reason = match verdict.feedback.trim() {
            "" => format!("the reviewer gave {} of 10 and no reason", verdict.score),
            feedback => feedback.to_owned(),
        };
        findings.push(Finding::error("review.rejected", "", 0, 0, reason));
    }
    Judgement::Rejected(findings)
}
