//! Identifiers of runs, hosts, checkpoints, tokens and projects.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    #[error("expected an id that starts with `{expected}_`, found `{found}`")]
    WrongKind { expected: &'static str, found: String },
    #[error("`{0}` is not a valid id")]
    Malformed(String),
    #[error("`{0}` is not a project id: 1 to 100 characters, letters, digits, `_` and `-` only")]
    Project(String),
}

/// Declares id types. Append only: a released prefix is stored in databases.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Ulid);

        impl $name {
            /// Wraps a raw value. Only id sources call this.
            pub const fn from_ulid(raw: Ulid) -> Self {
                Self(raw)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let Some((prefix, raw)) = text.split_once('_') else {
                    return Err(ParseIdError::Malformed(text.to_owned()));
                };
                if prefix != $prefix {
                    return Err(ParseIdError::WrongKind { expected: $prefix, found: text.to_owned() });
                }
                Ulid::from_string(raw).map(Self).map_err(|_| ParseIdError::Malformed(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )*};
}

ids! {
    /// One execution of a pipeline for a project.
    RunId = "run";
    /// One host process, from its start to its end. Never a host name: two hosts may share one.
    HostId = "host";
    /// One state of a project's files.
    CheckpointId = "chk";
    /// A token that lets its bearer use the API.
    TokenId = "tok";
}

/// Id of a project: the name of its folder, minted from the request (http-ws-contract §1.2).
///
/// Invariant: `^[A-Za-z0-9_-]{1,100}$`, so it is one harmless path component everywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Za-z0-9_-]{1,100}$"))]
#[serde(try_from = "String", into = "String")]
pub struct ProjectId(String);

impl ProjectId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id a request asks for, before it is made unique (http-ws-contract §2.2).
    pub fn slug_of(request: &str) -> Self {
        const WORDS: [&str; 8] = ["a", "an", "the", "create", "build", "make", "develop", "please"];
        let mut text: String = request.chars().take(50).collect::<String>().to_lowercase();
        for phrase in ["i want", "i need", "for me"] {
            text = text.replace(phrase, " ");
        }
        let mut slug = String::new();
        let words = text
            .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
            .filter(|word| !word.is_empty() && !WORDS.contains(word));
        for word in words {
            if !slug.is_empty() {
                slug.push('-');
            }
            slug.push_str(word);
        }
        slug.truncate(30);
        let slug = slug.trim_end_matches('-');
        Self(if slug.len() < 3 { "project".to_owned() } else { slug.to_owned() })
    }

    /// The same slug made unique by four hexadecimal digits.
    #[must_use]
    pub fn with_suffix(&self, suffix: u16) -> Self {
        Self(format!("{}-{suffix:04x}", self.0))
    }
}

impl FromStr for ProjectId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
            return Err(ParseIdError::Project(text.chars().take(120).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ProjectId {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProjectId> for String {
    fn from(id: ProjectId) -> Self {
        id.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = CheckpointId::from_ulid(Ulid::from_parts(1, 2)).to_string();
        assert_eq!(
            id.parse::<RunId>().unwrap_err().to_string(),
            "expected an id that starts with `run_`, found `chk_00000000010000000000000002`"
        );
    }

    #[test]
    fn slugs_follow_the_contract() {
        for (request, slug) in [
            ("Build a task manager with auth and analytics", "task-manager-with-auth-and-ana"),
            ("任务管理", "project"),
            ("", "project"),
            ("todo", "todo"),
        ] {
            assert_eq!(ProjectId::slug_of(request).as_str(), slug, "{request}");
        }
    }

    proptest! {
        #[test]
        fn every_slug_is_a_valid_id(request in ".*", suffix: u16) {
            let slug = ProjectId::slug_of(&request);
            prop_assert_eq!(slug.as_str().parse::<ProjectId>().unwrap(), slug.clone());
            let suffixed = slug.with_suffix(suffix);
            prop_assert_eq!(suffixed.as_str().parse::<ProjectId>().unwrap(), suffixed);
        }

        #[test]
        fn nothing_with_a_separator_or_a_dot_is_an_id(text in ".*[./\\\\\\x00%].*") {
            prop_assert!(text.parse::<ProjectId>().is_err());
        }
    }
}
