//! Folders for sockets and other passing things. Each is locked by the host that made it, so that the next host can tell the
//! folders of the living from those that a killed host left, and sweeps the latter.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{Sandbox, SandboxError, blocking, error::Doing as _};

/// How the names of the folders begin.
const PREFIX: &str = "s-";

/// A file in every folder, locked for as long as its host lives.
const LOCK: &str = "lock";

/// A folder, for example of a server's socket.
#[derive(Debug)]
pub(crate) struct SocketDir {
    dir: TempDir,
    /// The system lets go of it however the process ends.
    _lock: File,
}

impl SocketDir {
    pub(crate) async fn new(sandbox: &Sandbox) -> Result<Self, SandboxError> {
        let runtime = sandbox.0.config.runtime_dir.clone();
        blocking::run(move || {
            make(&runtime).doing(|| format!("make a folder in `{}`", runtime.display()))
        })
        .await
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }
}

/// Removes what killed hosts left.
pub(crate) fn sweep(runtime: &Path) -> io::Result<()> {
    let _door = door(runtime)?;
    for entry in std::fs::read_dir(runtime)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let is_left = match OpenOptions::new().write(true).open(entry.path().join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            // Behind the door nobody is between making a folder and locking it.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_left {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// A folder that is locked.
pub(crate) fn make(runtime: &Path) -> io::Result<SocketDir> {
    let _door = door(runtime)?;
    let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(runtime)?;
    let lock = File::create(dir.path().join(LOCK))?;
    lock.lock()?;
    Ok(SocketDir { dir, _lock: lock })
}

/// One at a time, so that nobody sweeps what is just being made.
fn door(runtime: &Path) -> io::Result<File> {
    let path = runtime.join(".door");
    let door = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    door.lock()?;
    Ok(door)
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_dead_are_swept_and_those_of_the_living_stay() {
        let runtime = tempfile::tempdir().unwrap();
        let living = make(runtime.path()).unwrap();
        let dead = make(runtime.path()).unwrap().dir.keep();
        let torn = runtime.path().join("s-torn");
        std::fs::create_dir(&torn).unwrap();
        sweep(runtime.path()).unwrap();
        assert!(living.path().is_dir());
        assert!(!dead.exists() && !torn.exists());
    }
}
