//! Places where things are built before they are renamed to where they belong.
//!
//! Every process has its own place beside the things it builds (renaming needs the same file
//! system) and holds a lock on it; a place without a holder was left by a crash and is swept.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use cap_std::{ambient_authority, fs::Dir};

use crate::{Result, WorkspaceError};

/// Name of the directory of all places; not a valid project id.
pub(crate) const STAGING: &str = ".staging";

/// This process's place.
#[derive(Debug)]
pub(crate) struct Staging {
    dir: Dir,
    path: PathBuf,
    next: AtomicU64,
    /// Held while the process lives; the system lets go of it however the process ends.
    _lock: File,
}

impl Staging {
    /// Makes a place under `root` and sweeps those that crashed processes left.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let all = root.join(STAGING);
        std::fs::create_dir_all(&all).map_err(|error| WorkspaceError::io(&all, error))?;
        Self::open_in(&all).map_err(|error| WorkspaceError::io(&all, error))
    }

    fn open_in(all: &Path) -> io::Result<Self> {
        // One at a time, so that nobody sweeps a place that is just being made.
        let door = lock_file(&all.join("lock"))?;
        door.lock()?;
        let mut number: u64 = 0;
        for entry in std::fs::read_dir(all)? {
            let name = entry?.file_name();
            let Some(found) = name.to_str().and_then(|name| name.strip_suffix(".lock")) else {
                continue;
            };
            number = number.max(found.parse::<u64>().unwrap_or(0).saturating_add(1));
            let lock_path = all.join(&name);
            let lock = lock_file(&lock_path)?;
            match lock.try_lock() {
                Ok(()) => {
                    remove_dir_if_there(&all.join(found))?;
                    std::fs::remove_file(&lock_path)?;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let lock = lock_file(&all.join(format!("{number}.lock")))?;
        lock.lock()?;
        let path = all.join(number.to_string());
        remove_dir_if_there(&path)?;
        std::fs::create_dir(&path)?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Self { dir, path, next: AtomicU64::new(0), _lock: lock })
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A name nobody uses in this place.
    pub(crate) fn name(&self) -> String {
        self.next.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Writes a file in this place and returns its name. `durable` waits until it is on the disk.
    pub(crate) fn write(
        &self,
        content: &[u8],
        executable: bool,
        durable: bool,
    ) -> io::Result<String> {
        let name = self.name();
        let written = self.write_as(&name, content, executable, durable);
        if written.is_err() {
            // Best effort: the sweep of the next start takes what stays.
            let _removed = self.dir.remove_file(&name);
        }
        written.map(|()| name)
    }

    fn write_as(
        &self,
        name: &str,
        content: &[u8],
        executable: bool,
        durable: bool,
    ) -> io::Result<()> {
        let mut file = self.dir.create(name)?;
        file.write_all(content)?;
        #[cfg(unix)]
        if executable {
            use cap_std::fs::PermissionsExt;
            file.set_permissions(cap_std::fs::Permissions::from_mode(0o755))?;
        }
        if durable { file.sync_data() } else { Ok(()) }
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

fn remove_dir_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
