//! Pipelines: which steps a run has, as data.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::run::StepStatus;

/// The steps of a run and how they depend on each other. Read from `pipeline.toml`.
///
/// Invariant: step ids are unique and the dependencies have no cycle (checked by [`Pipeline::parse`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pipeline {
    /// Agents its handlers ask. A host does not start without them.
    #[serde(default)]
    pub agents: Vec<String>,
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One step: who does it, after what, within which limits (domain-rules §2.1, §2.6, §2.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    pub id: String,
    /// Id of the handler plugin.
    pub handler: String,
    /// What a person reads.
    pub title: String,
    /// Who does it, as a person reads it.
    pub performer: String,
    #[serde(default)]
    pub after: Vec<String>,
    /// Stage of the twelve the client shows (http-ws-contract §3.4).
    pub turn: u32,
    /// Stages it goes through, from [`turn`](Self::turn) on.
    #[serde(default = "one")]
    pub turns: u32,
    /// Whether the run may go on without it when the budget is short.
    #[serde(default)]
    pub skippable: bool,
    /// Tries its agents may make.
    pub max_agent_attempts: u32,
    /// Times the step is tried as a whole after a retryable fault.
    #[serde(default = "one")]
    pub max_attempts: u32,
    /// Estimate of one try, in tokens.
    #[serde(default)]
    pub estimated_input_tokens: u32,
    #[serde(default)]
    pub estimated_output_tokens: u32,
    pub max_output_tokens: u32,
    pub max_output_tokens_retry: u32,
    /// Wall-clock limit of one try of the step, in seconds, external commands included.
    pub deadline_seconds: u32,
}

impl Step {
    /// The stage the client shows when this share of the step is done, from 0 to 1.
    pub fn stage(&self, fraction: f32) -> u32 {
        let share = |stages: u32| f64::from(stages) / f64::from(self.turns);
        let passed = (1..self.turns).take_while(|stages| f64::from(fraction) >= share(*stages));
        self.turn.saturating_add(u32::try_from(passed.count()).unwrap_or(u32::MAX))
    }
}

const fn one() -> u32 {
    1
}

/// Why a pipeline is refused.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error("the pipeline is not valid")]
    Toml(#[source] Box<toml::de::Error>),
    #[error("step `{0}` is there twice")]
    Duplicate(String),
    #[error("step `{step}` comes after `{after}`, which does not exist")]
    Unknown { step: String, after: String },
    #[error("step `{0}` depends on itself, directly or through others")]
    Cycle(String),
}

impl Pipeline {
    /// Reads and checks a `pipeline.toml`.
    pub fn parse(text: &str) -> Result<Self, PipelineError> {
        let pipeline: Self =
            toml::from_str(text).map_err(|error| PipelineError::Toml(Box::new(error)))?;
        let mut known = BTreeSet::new();
        for step in &pipeline.steps {
            if !known.insert(step.id.as_str()) {
                return Err(PipelineError::Duplicate(step.id.clone()));
            }
        }
        for step in &pipeline.steps {
            if let Some(after) = step.after.iter().find(|after| !known.contains(after.as_str())) {
                return Err(PipelineError::Unknown { step: step.id.clone(), after: after.clone() });
            }
        }
        let mut done: BTreeSet<&str> = BTreeSet::new();
        loop {
            let before = done.len();
            for step in &pipeline.steps {
                if step.after.iter().all(|after| done.contains(after.as_str())) {
                    done.insert(&step.id);
                }
            }
            if done.len() == before {
                break;
            }
        }
        match pipeline.steps.iter().find(|step| !done.contains(step.id.as_str())) {
            Some(step) => Err(PipelineError::Cycle(step.id.clone())),
            None => Ok(pipeline),
        }
    }

    /// The step with this id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// What to do next, given the state of every step.
    ///
    /// `status` answers for each step id. Steps whose dependencies are all satisfied come back
    /// as ready; steps behind a failed or blocked one come back as blocked, with the culprits.
    pub fn next(&self, status: impl Fn(&str) -> StepStatus) -> Next {
        let mut next = Next::default();
        for step in &self.steps {
            if status(&step.id) != StepStatus::Waiting {
                continue;
            }
            let culprits: Vec<String> = step
                .after
                .iter()
                .filter(|after| matches!(status(after), StepStatus::Failed | StepStatus::Blocked))
                .cloned()
                .collect();
            if !culprits.is_empty() {
                next.blocked.push((step.id.clone(), culprits));
            } else if step.after.iter().all(|after| status(after).satisfies()) {
                next.ready.push(step.id.clone());
            }
        }
        next
    }
}

/// Answer of [`Pipeline::next`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Steps that can start now, in pipeline order. Independent ones run side by side.
    pub ready: Vec<String>,
    /// Steps that can never start, with the steps that failed.
    pub blocked: Vec<(String, Vec<String>)>,
}

impl Step {
    /// Estimated cost of one try at these prices (US dollars per million tokens).
    pub fn estimate_usd(&self, input_price: Decimal, output_price: Decimal) -> Decimal {
        let million = Decimal::from(1_000_000);
        Decimal::from(self.estimated_input_tokens) / million * input_price
            + Decimal::from(self.estimated_output_tokens) / million * output_price
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(edges: &[(&str, &[&str])]) -> Result<Pipeline, PipelineError> {
        let text: String = edges
            .iter()
            .map(|(id, after)| {
                format!(
                    "[[step]]\nid = \"{id}\"\nhandler = \"{id}\"\ntitle = \"\"\nperformer = \"\"\nafter = {after:?}\n\
                     turn = 1\nmax-agent-attempts = 1\nmax-output-tokens = 1\nmax-output-tokens-retry = 1\ndeadline-seconds = 1\n"
                )
            })
            .collect();
        Pipeline::parse(&text)
    }

    #[test]
    fn a_step_goes_through_its_stages_as_it_comes_further() {
        let mut step = pipeline(&[("a", &[])]).unwrap().steps.remove(0);
        let stages = |step: &Step| [-1.0, 0.0, 0.5, 0.9, 1.0, 7.0, f32::NAN].map(|f| step.stage(f));
        assert_eq!(stages(&step), [1; 7]);
        (step.turn, step.turns) = (6, 2);
        assert_eq!(stages(&step), [6, 6, 7, 7, 7, 7, 6]);
    }

    #[test]
    fn a_cycle_a_stranger_and_a_twin_are_refused() {
        assert!(matches!(pipeline(&[("a", &["b"]), ("b", &["a"])]), Err(PipelineError::Cycle(_))));
        assert!(matches!(pipeline(&[("a", &["x"])]), Err(PipelineError::Unknown { .. })));
        assert!(matches!(pipeline(&[("a", &[]), ("a", &[])]), Err(PipelineError::Duplicate(_))));
    }

    #[test]
    fn independent_steps_are_ready_together_and_a_failure_blocks_what_follows() {
        let pipeline =
            pipeline(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]).unwrap();
        let next =
            pipeline.next(|id| if id == "a" { StepStatus::Completed } else { StepStatus::Waiting });
        assert_eq!(next.ready, ["b", "c"]);
        let next = pipeline.next(|id| match id {
            "a" => StepStatus::Skipped,
            "b" => StepStatus::Failed,
            "c" => StepStatus::Running,
            _ => StepStatus::Waiting,
        });
        assert!(next.ready.is_empty(), "{:?}", next.ready);
        assert_eq!(next.blocked, [("d".to_owned(), vec!["b".to_owned()])]);
    }
}
