//! Runs, their steps, and the states both go through.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    id::{ProjectId, RunId},
    project::IllegalTransition,
};

/// State of a run (design §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Waiting for a host to take it.
    Queued,
    /// A host holds its lease and works on it.
    Running,
    /// Waiting for an answer, money or storage; no host works on it.
    Paused,
    /// All its steps completed or were skipped with a reason.
    Completed,
    /// A step it needed failed.
    Failed,
    /// Someone stopped it.
    Stopped,
}

impl RunStatus {
    /// All states, for the database's check constraint.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Paused, Self::Completed, Self::Failed, Self::Stopped];

    /// The stored and shown word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Reads the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing will happen to the run any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }

    /// Whether the rules allow the step from `self` to `to` (design §6).
    pub const fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Queued | Self::Paused, Self::Running)
                | (Self::Running, Self::Paused | Self::Completed)
                | (Self::Queued | Self::Running | Self::Paused, Self::Failed | Self::Stopped)
        )
    }

    /// Goes to `to`, if the rules allow it.
    pub fn become_(self, to: Self) -> Result<Self, IllegalTransition> {
        if self.may_become(to) {
            Ok(to)
        } else {
            Err(IllegalTransition { what: "run", from: self.as_str(), to: to.as_str() })
        }
    }
}

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunKind {
    /// Build the application from the project's request.
    Build,
    /// Change the finished application as the message says.
    Refine { message: String },
}

/// One execution of a pipeline for a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub project: ProjectId,
    pub kind: RunKind,
    /// The user's request, word for word. Never replaced by an answer.
    pub request: String,
    pub provider: String,
    pub model: String,
    /// The plugins this run uses to its end, whatever is activated meanwhile.
    pub generation: Generation,
    pub status: RunStatus,
    /// Why it is paused, failed or stopped; empty otherwise.
    pub reason: String,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// A set of plugins that work together: id, version and digest of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub BTreeMap<String, PinnedPlugin>);

/// One plugin of a [`Generation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPlugin {
    pub version: String,
    /// Digest of the component's bytes.
    pub digest: Digest,
}

/// State of one step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Its dependencies are not done.
    Waiting,
    /// Being worked on (or was, by a host that died).
    Running,
    /// Committed.
    Completed,
    /// Not done, for a stated reason outside the application. Never a silent success.
    Skipped,
    /// Gave up after its attempts.
    Failed,
    /// Something it needs failed.
    Blocked,
}

impl StepStatus {
    /// All states, for the database's check constraint.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Running, Self::Completed, Self::Skipped, Self::Failed, Self::Blocked];

    /// The stored and shown word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }

    /// Reads the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the step will not change any more in this run.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Skipped | Self::Failed | Self::Blocked)
    }

    /// Whether steps that depend on this one may run.
    pub const fn satisfies(self) -> bool {
        matches!(self, Self::Completed | Self::Skipped)
    }

    /// Whether the rules allow the step from `self` to `to`.
    pub const fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Waiting, Self::Running | Self::Blocked | Self::Skipped)
                | (Self::Running, Self::Completed | Self::Skipped | Self::Failed | Self::Waiting)
        )
    }
}

/// What the store keeps of one step of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// For example `backend_implementation`.
    pub step: String,
    /// Position in the pipeline, from 0.
    pub position: u32,
    pub status: StepStatus,
    /// Tries so far; survives restarts, so that limits do.
    pub attempt: u32,
    /// Why it was skipped, failed or blocked; empty otherwise.
    pub reason: String,
    /// The handler's report as JSON; null until it completed.
    pub report: serde_json::Value,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_run_never_changes() {
        for from in RunStatus::ALL.into_iter().filter(|status| status.is_final()) {
            for to in RunStatus::ALL {
                assert!(!from.may_become(to), "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn the_transitions_are_exactly_those_of_the_design() {
        let mut allowed = String::new();
        for from in RunStatus::ALL {
            for to in RunStatus::ALL {
                if from.may_become(to) {
                    allowed.push_str(&format!("{} -> {}\n", from.as_str(), to.as_str()));
                }
            }
        }
        insta::assert_snapshot!(allowed, @r"
        queued -> running
        queued -> failed
        queued -> stopped
        running -> paused
        running -> completed
        running -> failed
        running -> stopped
        paused -> running
        paused -> failed
        paused -> stopped
        ");
    }
}
