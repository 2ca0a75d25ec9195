//! Paths of files inside a project.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Path of a file relative to the root of its project, with `/` as separator.
///
/// Invariant: at most 1,024 bytes and 32 components; no component is empty, `.`, `..`, ends in a
/// dot or a space, holds a control character or one of `< > : " | ? * \`, or is a reserved device
/// name; so it names the same file on every system and cannot leave the root by its text alone.
/// Symbolic links are the directory's business (`gencode-workspace`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
#[serde(try_from = "String", into = "String")]
pub struct WorkspacePath(String);

/// Why a text is not a [`WorkspacePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty")]
    Empty,
    #[error("the path is longer than 1,024 bytes")]
    TooLong,
    #[error("the path has more than 32 components")]
    TooDeep,
    #[error("`{0}` is not a relative path inside the project")]
    Outside(String),
    #[error("the path has a component that is not allowed: `{0}`")]
    Component(String),
}

/// Names that mean a device on some systems, whatever their extension.
const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

impl WorkspacePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, first to last. Never empty.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for WorkspacePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > 1024 {
            return Err(PathError::TooLong);
        }
        if text.starts_with('/') || text.split(['/', '\\']).any(|part| part == "..") {
            return Err(PathError::Outside(text.chars().take(120).collect()));
        }
        let mut depth = 0;
        for part in text.split('/') {
            depth += 1;
            let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_lowercase();
            let forbidden = |c: char| c.is_control() || "<>:\"|?*\\".contains(c);
            if part.is_empty()
                || part == "."
                || part.ends_with(['.', ' '])
                || part.chars().any(forbidden)
                || RESERVED.contains(&stem.as_str())
            {
                return Err(PathError::Component(part.chars().take(120).collect()));
            }
        }
        if depth > 32 {
            return Err(PathError::TooDeep);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for WorkspacePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WorkspacePath> for String {
    fn from(path: WorkspacePath) -> Self {
        path.0
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        for text in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "a/..",
            "../a",
            "a//b",
            "a/",
            "./a",
            "a/./b",
            "a\\b",
            "..\\a",
            "C:/a",
            "a\0b",
            "nul",
            "a/CON.txt",
            "aux.py",
            "a.",
            "a ",
            "a/b./c",
            "a\nb",
            "//a",
            "a?b",
            "a*",
        ] {
            assert!(text.parse::<WorkspacePath>().is_err(), "{text:?}");
        }
        assert_eq!("x/".repeat(32).trim_end_matches('/').parse::<WorkspacePath>().err(), None);
        assert_eq!(
            "x/".repeat(33).trim_end_matches('/').parse::<WorkspacePath>(),
            Err(PathError::TooDeep)
        );
        assert_eq!("x".repeat(1025).parse::<WorkspacePath>(), Err(PathError::TooLong));
    }

    #[test]
    fn ordinary_paths_are_accepted() {
        for text in
            ["a", ".gitignore", "backend/app/main.py", "frontend/src/pages/Größe.tsx", "a..b"]
        {
            assert_eq!(text.parse::<WorkspacePath>().unwrap().as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_never_leaves_its_root(text in "[a./\\\\]{1,40}") {
            if let Ok(path) = text.parse::<WorkspacePath>() {
                prop_assert!(path.components().all(|c| !c.is_empty() && c != "." && c != ".."));
            }
        }
    }
}
