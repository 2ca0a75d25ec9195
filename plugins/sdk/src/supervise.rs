//! Supervision: an agent's work is checked by machines, then reviewed, and only then used.
//!
//! [`work`] is the supervised call. What it returns has passed the validators and, where a file is
//! important enough, a review; everything else is a fault that says what is wrong. There is no
//! best effort: an answer that nobody approved never comes back.
//!
//! Handlers see the host through [`Host`], so that their logic runs natively against [`fake::Fake`].

pub mod fake;
mod host;
pub mod project;
pub mod report;
mod review;
pub mod tier;
pub mod trial;
pub mod wiring;

use crate::{
    glob,
    handler::{AgentAnswer, AgentRequest, Answer, StepRequest, agents::AgentCall},
    types::{Document, Fault, File, Finding},
};
pub use host::{Host, Wit};
pub use review::{Judgement, judge};

/// Times that repaired files are checked again before the last report counts as it is.
const MAX_REPAIRS: usize = 2;

/// Findings that a fault names at most; the rest is counted.
const MAX_NAMED: usize = 10;

/// Code of findings about files that an answer must not hold; they are dropped from it.
pub const FORBIDDEN: &str = "answer.forbidden-path";

/// Who does the work of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worker {
    /// Id of the agent plugin.
    pub agent: &'static str,
    /// The name a person reads.
    pub persona: &'static str,
}

/// Lead and reviewer.
pub const MARCUS: Worker = Worker { agent: "marcus", persona: "Marcus" };
/// Architect.
pub const VICTORIA: Worker = Worker { agent: "victoria", persona: "Victoria" };
/// Developer.
pub const DEREK: Worker = Worker { agent: "derek", persona: "Derek" };
/// Tester.
pub const LUNA: Worker = Worker { agent: "luna", persona: "Luna" };

/// A check of its own that a step makes of an answer, on top of the validators.
pub type Check<'a> = &'a dyn Fn(&[File], &[Document]) -> Vec<Finding>;

/// One piece of work for an agent.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// Who does it.
    pub worker: Worker,
    /// One of the agent's modes.
    pub mode: &'a str,
    /// What is special this time, in prose.
    pub instructions: &'a str,
    /// Structured input.
    pub documents: &'a [Document],
    /// Files to look at.
    pub files: &'a [File],
    /// What is already known to be wrong with the files.
    pub findings: &'a [Finding],
    /// Globs of the files it may write.
    pub writes: &'a [&'a str],
    /// What the reviewer is told about the step; none for work that is judged by machines alone,
    /// because a test run follows.
    pub review: Option<&'a str>,
    /// The step's own check.
    pub check: Option<Check<'a>>,
}

/// Work that was approved.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved {
    /// For the user.
    pub thinking: String,
    /// Checked, repaired where a validator could, and reviewed.
    pub files: Vec<File>,
    /// For later steps.
    pub documents: Vec<Document>,
    /// The reviewer's score, where there was a review.
    pub score: Option<u8>,
    /// What is left to improve; no errors.
    pub findings: Vec<Finding>,
}

/// Has an agent do a piece of work until machines and reviewer agree, at most as often as the
/// step allows. Faults: `work-refused` with what is wrong; those of agents and host.
pub fn work(host: &impl Host, step: &StepRequest, task: &Task<'_>) -> Result<Approved, Fault> {
    let attempts = step.max_agent_attempts.max(1);
    let persona = task.worker.persona;
    let mut draft = Draft::default();
    let mut wrong: Vec<Finding> = Vec::new();
    for attempt in 1..=attempts {
        host.at(share(attempt, attempts), &format!("{persona} works, try {attempt} of {attempts}"));
        let request = AgentRequest {
            context: step.context.clone(),
            mode: task.mode.to_owned(),
            instructions: task.instructions.to_owned(),
            documents: task.documents.to_vec(),
            files: overlay(task.files, &draft.files),
            findings: [task.findings, &wrong].concat(),
            max_output_tokens: tokens(step, attempt),
        };
        wrong = match call(host, task.worker, request) {
            Ok(answer) => match round(host, step, task, &mut draft, answer)? {
                Round::Done(approved) => return Ok(approved),
                Round::Again(findings) => findings,
            },
            Err(fault) if is_answers_fault(&fault) => vec![unusable(host, persona, fault)],
            Err(fault) => return Err(fault),
        };
    }
    // Not worth another try of the whole step: its tries are used up.
    Err(Fault::permanent(
        "work-refused",
        format!(
            "{persona} could not do `{}` in {attempts} tries; what is wrong: {}",
            task.mode,
            sentence(&wrong)
        ),
    ))
}

/// What an agent has written so far. A retry may send only what it changed.
#[derive(Default)]
struct Draft {
    files: Vec<File>,
    documents: Vec<Document>,
}

/// How one try ended.
enum Round {
    Done(Approved),
    Again(Vec<Finding>),
}

/// Checks one answer, by machines and then by the reviewer.
fn round(
    host: &impl Host,
    step: &StepRequest,
    task: &Task<'_>,
    draft: &mut Draft,
    answer: AgentAnswer,
) -> Result<Round, Fault> {
    host.say(task.worker.persona, &answer.thinking);
    let Answer::Authored(authored) = answer.answer else {
        let message = format!(
            "{} answered `{}` with something else than files",
            task.worker.persona, task.mode
        );
        return Err(Fault::permanent("wrong-answer", message));
    };
    draft.files = overlay(&draft.files, &authored.files);
    draft
        .documents
        .retain(|known| authored.documents.iter().all(|document| document.name != known.name));
    draft.documents.extend(authored.documents);
    let mut problems = out_of_bounds(&draft.files, task.writes);
    if let Some(check) = task.check {
        problems.extend(check(&draft.files, &draft.documents));
    }
    // A model cannot take a file back; leaving it out next time must be enough.
    draft
        .files
        .retain(|file| !problems.iter().any(|one| one.code == FORBIDDEN && one.path == file.path));
    let (checked, findings) = preflight(host, std::mem::take(&mut draft.files))?;
    draft.files = checked;
    problems.extend(findings);
    if problems.iter().any(Finding::is_error) {
        problems.retain(Finding::is_error);
        host.say("System", &format!("Checks before the review found {}.", sentence(&problems)));
        return Ok(Round::Again(problems));
    }
    let mut score = None;
    let important = tier::important(&draft.files);
    if let (Some(criteria), false) = (task.review, important.is_empty()) {
        match review::ask(host, step, task, criteria, important)? {
            Judgement::Approved { score: given, remarks } => {
                problems.extend(remarks);
                score = Some(given);
            }
            Judgement::Rejected(findings) => return Ok(Round::Again(findings)),
        }
    }
    let Draft { files, documents } = std::mem::take(draft);
    Ok(Round::Done(Approved {
        thinking: answer.thinking,
        files,
        documents,
        score,
        findings: problems,
    }))
}

const fn tokens(step: &StepRequest, attempt: u32) -> u32 {
    if attempt == 1 { step.max_output_tokens } else { step.max_output_tokens_retry }
}

/// Tells the user, and makes the finding that goes back, of an answer that could not be used.
fn unusable(host: &impl Host, persona: &str, fault: Fault) -> Finding {
    host.say(persona, &format!("My answer could not be used: {}.", fault.message));
    Finding::error(&format!("answer.{}", fault.code), "", 0, 0, fault.message)
}

/// A question to an agent whose answer is not files.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who is asked.
    pub worker: Worker,
    /// One of the agent's modes.
    pub mode: &'a str,
    /// What is special this time, in prose.
    pub instructions: &'a str,
    /// Structured input.
    pub documents: &'a [Document],
    /// Files to look at.
    pub files: &'a [File],
    /// What is already known about them.
    pub findings: &'a [Finding],
}

/// Asks until the answer can be read, at most as often as the step allows. Answers the thinking as
/// well. Faults: those of the last answer, of agents and host; `wrong-answer`.
pub fn ask<T>(
    host: &impl Host,
    step: &StepRequest,
    question: &Question<'_>,
    read: impl Fn(Answer) -> Option<T>,
) -> Result<(String, T), Fault> {
    let Question { worker, mode, .. } = *question;
    let attempts = step.max_agent_attempts.max(1);
    let mut wrong: Vec<Finding> = Vec::new();
    let mut attempt = 1;
    loop {
        host.at(
            share(attempt, attempts),
            &format!("{} works, try {attempt} of {attempts}", worker.persona),
        );
        let request = AgentRequest {
            context: step.context.clone(),
            mode: mode.to_owned(),
            instructions: question.instructions.to_owned(),
            documents: question.documents.to_vec(),
            files: question.files.to_vec(),
            findings: [question.findings, &wrong].concat(),
            max_output_tokens: tokens(step, attempt),
        };
        match call(host, worker, request) {
            Ok(answer) => {
                host.say(worker.persona, &answer.thinking);
                let read = read(answer.answer).ok_or_else(|| {
                    let message =
                        format!("{} answered `{mode}` with something else", worker.persona);
                    Fault::permanent("wrong-answer", message)
                })?;
                return Ok((answer.thinking, read));
            }
            Err(fault) if is_answers_fault(&fault) && attempt < attempts => {
                wrong = vec![unusable(host, worker.persona, fault)];
                attempt += 1;
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Calls one agent; the host's error and the agent's fault are both faults.
pub fn call(host: &impl Host, worker: Worker, request: AgentRequest) -> Result<AgentAnswer, Fault> {
    host.invoke(&AgentCall { agent: worker.agent.to_owned(), request })?
}

/// Whether a fault is about what the model answered, so that asking again with this as a finding
/// makes sense. Everything else (money, provider, limits) is the engine's business.
fn is_answers_fault(fault: &Fault) -> bool {
    fault.retryable
        && ["answer", "document", "intent", "verdict", "diagnosis"]
            .iter()
            .any(|about| fault.code.ends_with(&format!("-{about}")))
}

/// Checks files with the validators and takes over what these repaired.
///
/// Repaired files are what is written, so they are checked again.
pub fn preflight(
    host: &impl Host,
    mut files: Vec<File>,
) -> Result<(Vec<File>, Vec<Finding>), Fault> {
    if files.is_empty() {
        return Ok((files, Vec::new()));
    }
    let mut repairs = 0;
    loop {
        let report = host.check(&files)?;
        let repaired: Vec<File> = report
            .repaired
            .into_iter()
            .filter(|better| {
                files.iter().any(|file| file.path == better.path && file.content != better.content)
            })
            .collect();
        if repaired.is_empty() || repairs == MAX_REPAIRS {
            return Ok((files, report.findings));
        }
        repairs += 1;
        files = overlay(&files, &repaired);
    }
}

fn out_of_bounds(files: &[File], writes: &[&str]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| !glob::matches_any(writes, &file.path))
        .map(|file| {
            Finding::error(FORBIDDEN, &file.path, 0, 0, "this step may not write the file")
                .with_hint(format!("leave it out; allowed are {}", writes.join(", ")))
        })
        .collect()
}

/// `below` with the files of `above` laid over it, in order of path.
pub fn overlay(below: &[File], above: &[File]) -> Vec<File> {
    let mut files: Vec<File> = below
        .iter()
        .filter(|file| !above.iter().any(|other| other.path == file.path))
        .chain(above)
        .cloned()
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Findings as one sentence for a person.
pub fn sentence(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "no reason was given".to_owned();
    }
    let mut parts: Vec<String> = findings
        .iter()
        .take(MAX_NAMED)
        .map(|finding| {
            let place = match (finding.path.as_str(), finding.line) {
                ("", _) => String::new(),
                (path, 0) => format!("{path}: "),
                (path, line) => format!("{path}:{line}: "),
            };
            format!("{place}{}", finding.message.trim_end_matches('.'))
        })
        .collect();
    if findings.len() > MAX_NAMED {
        parts.push(format!("and {} more", findings.len() - MAX_NAMED));
    }
    parts.join("; ")
}

/// How far a step is when a try begins. Tries share the first nine tenths.
fn share(attempt: u32, attempts: u32) -> f32 {
    // Tries are few; the loss of precision is none.
    let part = |number: u32| f32::from(u16::try_from(number).unwrap_or(u16::MAX));
    0.9 * part(attempt.saturating_sub(1)) / part(attempts.max(1))
}

#[cfg(test)]
mod tests;
