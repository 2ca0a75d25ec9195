//! Files of projects: blobs, manifests, the staged overlay and the working copy.
//!
//! **Invariants:**
//! - the blob store and the manifests in it are the truth, a directory is a working copy of one;
//! - every path inside a project is a `WorkspacePath` resolved component by component in one
//!   `cap-std` directory; no symbolic link is ever followed;
//! - a file whose content the host did not put there is never overwritten or deleted;
//! - a file appears under its name whole or not at all (written aside, then renamed).

mod blobs;
mod diff;
mod edits;
mod error;
mod export;
mod housekeeping;
mod limits;
mod local;
mod manifest;
mod materialise;
mod merge;
mod overlay;
mod packed;
mod parallel;
mod project;
mod remote;
mod staging;
#[cfg(test)]
mod tests;
mod tree;
mod upload;
mod workspaces;

pub use diff::{ChangeKind, FileChange, FileDiff, Unshown};
pub use edits::Edits;
pub use error::WorkspaceError;
pub use export::Exported;
pub use housekeeping::{BlobHealth, BlobInfo, RemovedBlobs};
pub use limits::{MAX_FILE_BYTES, MAX_FILES, MAX_OVERLAY_BYTES};
pub use manifest::{Author, Entry, Manifest, ManifestDigest, Saved};
pub use materialise::Materialised;
pub use merge::Merged;
pub use overlay::{Change, Content, Overlay, View, WriteRules};
pub use project::SeedFile;
pub use remote::RemoteConfig;
pub use workspaces::Workspaces;

/// Short form used throughout.
pub type Result<T, E = WorkspaceError> = std::result::Result<T, E>;
