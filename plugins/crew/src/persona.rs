//! A persona: who is asked, for what, and what comes back.

use gencode_plugin_sdk::{
    agent::{
        AgentAnswer, AgentRequest, Description,
        llm::{self, Completion, CompletionRequest},
    },
    answer,
    types::{Fault, HostError},
};

use crate::{prompt, reading};

/// One agent of the crew.
#[derive(Debug, Clone, Copy)]
pub struct Persona {
    /// Same as in `plugin.toml`.
    pub id: &'static str,
    /// For example `Marcus`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Who the model plays.
    pub character: &'static str,
    /// What can be asked of it.
    pub modes: &'static [Mode],
}

/// One thing that can be asked of an agent.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// For example `review`.
    pub name: &'static str,
    /// What to do and what to answer.
    pub task: &'static str,
    /// What the answer has to hold.
    pub expects: Expects,
    /// Sampling temperature of a first try, from 0 to 2; a retry is cooler.
    pub temperature: f32,
}

/// What an answer has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// The document `intent`.
    Intent,
    /// The document `verdict`.
    Verdict,
    /// The document `diagnosis`.
    Diagnosis,
    /// At least one file, and documents with these names.
    Files(&'static [&'static str]),
    /// Files or documents, whatever the change needs.
    Changes,
}

/// Who completes a prompt. The host, or a script in tests.
pub trait Model {
    /// Asks once.
    fn complete(&self, request: &CompletionRequest) -> Result<Completion, HostError>;
}

/// The model of this run, through the host.
#[derive(Debug, Clone, Copy)]
pub struct Wit;

impl Model for Wit {
    fn complete(&self, request: &CompletionRequest) -> Result<Completion, HostError> {
        llm::complete(request)
    }
}

impl Persona {
    /// What `describe` answers.
    pub fn describe(&self) -> Description {
        Description {
            id: self.id.to_owned(),
            persona: self.name.to_owned(),
            summary: self.summary.to_owned(),
            modes: self.modes.iter().map(|mode| mode.name.to_owned()).collect(),
        }
    }

    /// Asks the model and reads its answer. Faults: `unknown-mode`, those of the host's call, and
    /// those of an answer that cannot be used, which are worth another attempt.
    pub fn respond(
        &self,
        model: &impl Model,
        request: &AgentRequest,
    ) -> Result<AgentAnswer, Fault> {
        let mode = self.modes.iter().find(|mode| mode.name == request.mode).ok_or_else(|| {
            let known: Vec<&str> = self.modes.iter().map(|mode| mode.name).collect();
            Fault::permanent(
                "unknown-mode",
                format!("{} has no mode `{}`, only {}", self.name, request.mode, known.join(", ")),
            )
        })?;
        let completion = model.complete(&prompt::build(self, mode, request)?)?;
        if completion.finish_reason == "length" {
            return Err(Fault::retryable(
                "truncated-answer",
                format!("the answer was cut off at {} tokens", request.max_output_tokens),
            ));
        }
        let answer = answer::Answer::parse(&completion.text)?;
        Ok(AgentAnswer {
            thinking: answer.thinking.clone(),
            answer: reading::read(mode.expects, answer)?,
            usage: vec![completion.usage],
        })
    }
}

#[cfg(test)]
mod tests;
