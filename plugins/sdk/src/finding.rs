//! Constructors of the small shared records.

use crate::types::{Fault, File, Finding, HostError};

impl Finding {
    /// Must not be written. Line and column count from 1; 0 means unknown.
    pub fn error(
        code: &str,
        path: &str,
        line: u32,
        column: u32,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: code.to_owned(),
            severity: "error".to_owned(),
            path: path.to_owned(),
            line,
            column,
            message: message.into(),
            hint: String::new(),
        }
    }

    /// May be written, should be better.
    pub fn warning(
        code: &str,
        path: &str,
        line: u32,
        column: u32,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: "warning".to_owned(), ..Self::error(code, path, line, column, message) }
    }

    /// Worth knowing.
    pub fn info(
        code: &str,
        path: &str,
        line: u32,
        column: u32,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: "info".to_owned(), ..Self::error(code, path, line, column, message) }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Whether it keeps files from being written.
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }
}

impl Fault {
    /// Another attempt would end the same way.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false }
    }

    /// Another attempt may succeed, for example because a model answers differently.
    pub fn retryable(code: &str, message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::permanent(code, message) }
    }
}

impl From<HostError> for Fault {
    /// Keeps code, message and whether to try again, so that `?` works on host calls.
    fn from(error: HostError) -> Self {
        Self { code: error.code, message: error.message, retryable: error.retryable }
    }
}

impl File {
    /// A file of the project.
    pub fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into() }
    }
}

/// Line and column, both counted from 1, of a byte offset; columns count characters.
/// An offset past the end or inside a character is the position before it.
pub fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("ab\ncd", 3), (2, 1));
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("ä\nöx", 5), (2, 2), "two-byte characters are one column");
        assert_eq!(position("ä", 1), (1, 1), "inside a character");
        assert_eq!(position("a", 99), (1, 2));
    }

    #[test]
    fn constructors_fill_in_the_severity() {
        let finding = Finding::warning("x.y", "a.py", 3, 4, "bad").with_hint("better");
        assert_eq!((finding.severity.as_str(), finding.hint.as_str()), ("warning", "better"));
        assert!(!finding.is_error());
        assert!(Finding::error("x", "", 0, 0, "m").is_error());
    }

    #[test]
    fn a_host_error_keeps_whether_to_try_again() {
        let error =
            HostError { code: "unavailable".into(), message: "down".into(), retryable: true };
        assert_eq!(Fault::from(error), Fault::retryable("unavailable", "down"));
    }
}
