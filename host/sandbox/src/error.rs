//! Why the sandbox did not do what was asked.

use std::io;

/// Variants by what the caller can do about it. A command that ran and failed is not an error.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A tool is missing. The sentence says what to install.
    #[error("{0}")]
    Unavailable(String),
    /// The request makes no sense, for example a directory outside the tree.
    #[error("{0}")]
    Invalid(String),
    /// The program could not be started.
    #[error("cannot start `{program}`: {reason}")]
    CannotStart { program: String, reason: String },
    /// The kernel offers neither namespaces nor Landlock. The operator may choose `Backend::None`.
    #[error(
        "this system offers neither user namespaces nor Landlock, so nothing would separate a generated application from the host; update the kernel, or choose the backend `none` to run without separation"
    )]
    NoIsolation,
    /// A server did not become ready. `detail` holds the end of what it wrote.
    #[error("the application did not start: {reason}\n{detail}")]
    NotReady { reason: String, detail: String },
    /// The helper process misbehaved; a fault of the host.
    #[error("the sandbox helper failed: {0}")]
    Helper(String),
    /// The system refused something.
    #[error("{doing}")]
    Io { doing: String, source: io::Error },
}

/// Adds to an I/O error what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SandboxError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SandboxError> {
        self.map_err(|source| SandboxError::Io { doing: what(), source })
    }
}
