//! Keeping the host's house: what is taken away and when, and whether there is room.
//!
//! # Taking things away beside hosts that work
//!
//! Nothing here stops a host. What keeps a thing alive is a row in the database (or the lock of a
//! living process), but a thing is made before the row that names it. So there is one rule:
//!
//! - **whoever is about to name a thing makes it young**: it writes the thing, or, where it is
//!   there already, sets its time of change (`Workspaces` does so for blobs, the library for
//!   components, the sandbox for installed dependencies);
//! - **cleaning looks at the rows first and at the age last**, and takes away only what no row
//!   names and what has not been made young for the grace period. The grace period (an hour) is far
//!   longer than the time between the two (a commit).
//!
//! What follows from it, case by case:
//!
//! - *A step is being committed.* Its blobs and its manifest are young until the checkpoint is
//!   there. What it builds on is named by the `@base` entry of its journal, or was the newest
//!   checkpoint within the grace period, which retention keeps.
//! - *A checkpoint is restored or forked while retention removes it.* The restoration makes all of
//!   it young, then finds it whole, then names it: either something is gone by then and nothing is
//!   restored, or all of it stays.
//! - *A host starts.* It makes its components young, and then says in its lock file which they
//!   are; they stay as long as that lock is held, however old.
//! - *Two clean-ups, or one beside a backup.* Both need a hold in the database
//!   ([`gencode_store::HoldKind`]); a backup keeps every blob that its rows name.
//! - *The clock of the disk and the host's differ.* By less than the grace period.

mod archive;
mod backup;
mod blobs;
mod clean;
mod duty;
mod files;
mod folders;
mod inspect;
mod restore;
mod space;

pub use archive::{Contents, EntryInfo, Head};
pub use backup::{BackupError, Progress, Tell};
pub use clean::{CleanError, Cleaned, How, Keeper, Policy, Removed};
pub use duty::Duty;
pub(crate) use duty::work;
pub use files::{make_young, size_of};
pub use inspect::{BlobReport, OrphanProcess, orphan_processes};
pub use restore::{Restored, Target, restore};
pub use space::{Disk, MinFree, ParseSizeError, Shortage, Space, SpaceConfig, parse_size};

use std::path::{Path, PathBuf};

/// The folders of a host.
#[derive(Debug, Clone)]
pub struct Places {
    /// Everything the host keeps, working copies aside.
    pub data: PathBuf,
    pub workspaces: PathBuf,
    /// Bytes of components that runs began with.
    pub components: PathBuf,
    /// Sandbox trees of runs.
    pub trees: PathBuf,
    /// Trees and processes of previews.
    pub previews: PathBuf,
    /// Locks of living hosts.
    pub hosts: PathBuf,
    /// Installed dependencies of generated applications.
    pub dependencies: PathBuf,
    /// Machine code of components.
    pub compiled: PathBuf,
}

impl Places {
    /// The usual folders below a data folder.
    pub fn below(data: &Path, workspaces: &Path) -> Self {
        Self {
            data: data.to_path_buf(),
            workspaces: workspaces.to_path_buf(),
            components: data.join("components"),
            trees: data.join("trees"),
            previews: data.join("previews"),
            hosts: data.join("hosts"),
            dependencies: data.join("cache/dependencies"),
            compiled: data.join("cache/compiled"),
        }
    }
}
