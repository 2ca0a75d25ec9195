//! Projects and the states they go through.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ProjectId, RunId};

/// State of a project (design §6, audit VALID-001).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProjectStatus {
    /// Nothing was run yet.
    Created,
    /// The first step of its first run is being worked on.
    Analyzing,
    /// A run is past its analysis.
    Building,
    /// The last run completed.
    Completed,
    /// The last run failed or was stopped; it can be continued.
    Failed,
}

/// A change of state that the rules do not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {what} that is `{from}` cannot become `{to}`")]
pub struct IllegalTransition {
    pub what: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

impl ProjectStatus {
    /// All states, for the database's check constraint.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Analyzing, Self::Building, Self::Completed, Self::Failed];

    /// The stored and shown word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Analyzing => "analyzing",
            Self::Building => "building",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Reads the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the rules allow the step from `self` to `to` (design §6).
    pub const fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Created, Self::Analyzing | Self::Failed)
                // From `completed` a refinement begins, from `failed` a continuation.
                | (Self::Analyzing | Self::Completed, Self::Building | Self::Failed)
                | (Self::Building, Self::Completed | Self::Failed)
                | (Self::Failed, Self::Building)
        )
    }

    /// Goes to `to`, if the rules allow it. Staying is always allowed.
    pub fn become_(self, to: Self) -> Result<Self, IllegalTransition> {
        if self == to || self.may_become(to) {
            Ok(to)
        } else {
            Err(IllegalTransition { what: "project", from: self.as_str(), to: to.as_str() })
        }
    }
}

/// One application and everything about it but its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    pub id: ProjectId,
    /// First 30 characters of the request (http-ws-contract §2.2).
    pub name: String,
    /// The request, word for word.
    pub description: String,
    /// The provider asked for; none for the host's default.
    pub provider: Option<String>,
    pub model: Option<String>,
    pub status: ProjectStatus,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    /// Where it was forked from; none for a project that began from a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkOrigin>,
}

/// The moment in another project's life that a forked project began from. That project may be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForkOrigin {
    pub project: ProjectId,
    pub run: RunId,
    /// The first step that was not taken over.
    pub step: String,
}

impl Project {
    /// The shown name of a request: its first 30 characters, `...` when longer.
    pub fn name_of(request: &str) -> String {
        let mut name: String = request.chars().take(30).collect();
        if request.chars().nth(30).is_some() {
            name.push_str("...");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transitions_are_exactly_those_of_the_design() {
        let mut allowed = String::new();
        for from in ProjectStatus::ALL {
            for to in ProjectStatus::ALL {
                if from.may_become(to) {
                    allowed.push_str(&format!("{} -> {}\n", from.as_str(), to.as_str()));
                }
            }
        }
        insta::assert_snapshot!(allowed, @r"
        created -> analyzing
        created -> failed
        analyzing -> building
        analyzing -> failed
        building -> completed
        building -> failed
        completed -> building
        completed -> failed
        failed -> building
        ");
    }

    #[test]
    fn a_word_that_is_no_state_is_refused() {
        assert_eq!(ProjectStatus::parse("done"), None);
        assert_eq!(
            ProjectStatus::Created.become_(ProjectStatus::Completed).unwrap_err().to_string(),
            "a project that is `created` cannot become `completed`"
        );
    }
}
