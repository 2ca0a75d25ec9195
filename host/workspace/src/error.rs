//! What can go wrong, by what a caller can do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use gencode_core::{digest::Digest, id::ProjectId, path::WorkspacePath};

/// Why something did not happen to a project's files.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// Ask for something that exists.
    #[error("there is no {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    /// Choose another id.
    #[error("project `{0}` has files already")]
    Exists(ProjectId),
    /// These files are the user's: merge or ask, never overwrite.
    #[error("the user changed {}", .paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", "))]
    Conflict { paths: Vec<WorkspacePath> },
    /// The caller may not write there.
    #[error("`{path}` may not be written: {why}")]
    NotAllowed { path: WorkspacePath, why: &'static str },
    /// One would be a file and a directory at once.
    #[error("`{path}` cannot be a file, because `{other}` is one")]
    Clash { path: WorkspacePath, other: WorkspacePath },
    /// It does not fit.
    #[error("{what} is more than the {limit} allowed")]
    TooLarge { what: String, limit: u64 },
    /// Something on the disk stands in the way, for example a symbolic link.
    #[error("`{path}` is not an ordinary file in ordinary directories, so it was left alone")]
    Irregular { path: String },
    /// Restore the blob store from a copy.
    #[error("blob {digest} is damaged: its content is not what its name says")]
    CorruptBlob { digest: Digest },
    /// Restore the blob store from a copy.
    #[error("blob {digest} is missing")]
    MissingBlob { digest: Digest },
    /// Make room, then try again.
    #[error("no space is left for {}", .path.display())]
    Full { path: PathBuf },
    /// Give the host write access.
    #[error("{} cannot be written; give this user write access to it", .path.display())]
    ReadOnly { path: PathBuf },
    /// For the operator.
    #[error("{} cannot be read or written", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Mend the settings of the remote blob store.
    #[error("the blob store `{store}` cannot be used: {why}")]
    BadRemote { store: String, why: String },
    /// Wait until it can be reached, then do it again: nothing that was stored is lost.
    #[error(
        "the blob store `{store}` could not {action}; see that it can be reached from here, then try again"
    )]
    RemoteUnavailable {
        store: String,
        action: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Give the host the right to do it, then do it again.
    #[error(
        "the blob store `{store}` refused to {action}; check the credentials and what they allow"
    )]
    RemoteRefused {
        store: String,
        action: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The work was cut off because the host is shutting down or a bug ended it.
    #[error("the work on the files was cut off")]
    CutOff,
}

impl WorkspaceError {
    /// Sorts a failure of the operating system at `path`.
    pub(crate) fn io(path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path }
            }
            _ => Self::Io { path, source },
        }
    }
}
