//! Who may do what: roles, the tokens that carry them, and what is noted of every change.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::TokenId;

/// What a caller may do. Each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees projects, runs, files and costs.
    Viewer,
    /// Makes and changes projects, and spends money within their budgets.
    Editor,
    /// Steers the host itself: tokens, plugins, providers, the audit log.
    Operator,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Operator];

    /// The stored and shown form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Operator => "operator",
        }
    }

    /// The role of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// The text is not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role: viewer, editor or operator")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::parse(text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A token, without its secret: that is shown once, and only its digest is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// What it is for, in its maker's words.
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    /// When it ends to be good by itself.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it opens anything at this moment.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A change somebody made or tried to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// The token; `local` for a caller on this machine where there is none, `command line`, or
    /// `nobody` for one who has yet to log in.
    pub who: String,
    pub role: Role,
    /// What was asked, for example `POST /api/projects/{id}/fork`.
    pub action: String,
    /// What it was about, for example a project.
    pub target: String,
    /// The answer's HTTP status; 0 on the command line, [`GONE`] where nobody waited for an answer.
    pub status: u16,
    /// Id of the request, as in its answer.
    pub request: String,
}

/// Status of a change whose caller went away before it was answered: it may have been made.
pub const GONE: u16 = 499;

/// An entry of the audit log as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRow {
    /// Its position in the log.
    pub n: u64,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    #[serde(flatten)]
    pub entry: AuditEntry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_the_ones_before_it_may() {
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Operator);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("operator"));
    }

    #[test]
    fn a_token_is_good_until_it_is_revoked_or_its_time_is_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = Token {
            id: TokenId::from_ulid(1.into()),
            name: "ci".to_owned(),
            role: Role::Viewer,
            created_at: at(0),
            expires_at: Some(at(10)),
            revoked_at: None,
        };
        assert!(token.is_good(at(9)) && !token.is_good(at(10)));
        assert!(!Token { revoked_at: Some(at(5)), ..token }.is_good(at(6)));
    }
}
