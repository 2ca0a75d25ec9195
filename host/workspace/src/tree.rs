//! One directory with the files of a project in it. No symbolic link is ever followed.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::{
    ambient_authority,
    fs::{Dir, File, Metadata, OpenOptions},
};
use gencode_core::{digest::Digest, path::WorkspacePath};

use crate::{Result, WorkspaceError, limits::MAX_FILE_BYTES, staging::Staging};

/// What is on the disk under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Absent,
    File {
        digest: Digest,
        size: u64,
        executable: bool,
    },
    /// A regular file over the size limit.
    TooLarge,
    Directory,
    /// A link, a device, or a parent that is not a directory.
    Irregular,
}

/// An open directory and where it is, for messages.
#[derive(Debug)]
pub(crate) struct Tree {
    dir: Dir,
    path: PathBuf,
}

/// The directory a path lies in.
enum Parent {
    Found(Dir),
    Absent,
    Irregular,
}

impl Tree {
    /// Opens a directory that the host chose.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|error| WorkspaceError::io(path, error))?;
        Ok(Self { dir, path: path.to_owned() })
    }

    /// Opens a directory in another one, if it is there.
    pub(crate) fn open_in(parent: &Dir, parent_path: &Path, name: &str) -> Result<Option<Self>> {
        let path = parent_path.join(name);
        match step_into(parent, name).map_err(|error| WorkspaceError::io(&path, error))? {
            Parent::Found(dir) => Ok(Some(Self { dir, path })),
            Parent::Absent => Ok(None),
            Parent::Irregular => {
                Err(WorkspaceError::Irregular { path: path.display().to_string() })
            }
        }
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fail(&self, path: &WorkspacePath) -> impl Fn(io::Error) -> WorkspaceError {
        let path = self.path.join(path.as_str());
        move |error| WorkspaceError::io(&path, error)
    }

    fn irregular(path: &WorkspacePath) -> WorkspaceError {
        WorkspaceError::Irregular { path: path.to_string() }
    }

    fn parent(&self, path: &WorkspacePath) -> io::Result<Parent> {
        let mut dir = self.dir.try_clone()?;
        for name in parents(path) {
            match step_into(&dir, name)? {
                Parent::Found(next) => dir = next,
                other => return Ok(other),
            }
        }
        Ok(Parent::Found(dir))
    }

    /// The directory a path lies in, made where it is missing.
    fn make_parent(&self, path: &WorkspacePath) -> Result<Dir> {
        let fail = self.fail(path);
        let mut dir = self.dir.try_clone().map_err(&fail)?;
        for name in parents(path) {
            dir = match step_into(&dir, name).map_err(&fail)? {
                Parent::Found(next) => next,
                Parent::Irregular => return Err(Self::irregular(path)),
                Parent::Absent => {
                    match dir.create_dir(name) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                            return Err(fail(error));
                        }
                        _ => {}
                    }
                    dir.open_dir_nofollow(name).map_err(&fail)?
                }
            };
        }
        Ok(dir)
    }

    /// What is there, links not followed.
    pub(crate) fn metadata(&self, path: &WorkspacePath) -> Result<Option<Metadata>> {
        let fail = self.fail(path);
        match self.parent(path).map_err(&fail)? {
            Parent::Found(dir) => found(dir.symlink_metadata(path.file_name())).map_err(&fail),
            Parent::Absent => Ok(None),
            Parent::Irregular => Err(Self::irregular(path)),
        }
    }

    /// The content of a regular file of bearable size.
    pub(crate) fn read(&self, path: &WorkspacePath) -> Result<Vec<u8>> {
        let fail = self.fail(path);
        let missing = || WorkspaceError::NotFound { what: "file", name: path.to_string() };
        let dir = match self.parent(path).map_err(&fail)? {
            Parent::Found(dir) => dir,
            Parent::Absent => return Err(missing()),
            Parent::Irregular => return Err(Self::irregular(path)),
        };
        let metadata =
            found(dir.symlink_metadata(path.file_name())).map_err(&fail)?.ok_or_else(missing)?;
        if !metadata.is_file() {
            return Err(Self::irregular(path));
        }
        let file = open_nofollow(&dir, path.file_name()).map_err(&fail)?;
        // Asked again of the open file: the name may mean another one by now.
        if !file.metadata().map_err(&fail)?.is_file() {
            return Err(Self::irregular(path));
        }
        let mut content = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(&fail)?;
        if content.len() as u64 > MAX_FILE_BYTES {
            let what = format!("the size of `{path}`");
            return Err(WorkspaceError::TooLarge { what, limit: MAX_FILE_BYTES });
        }
        Ok(content)
    }

    /// What is on the disk under a path.
    pub(crate) fn look(&self, path: &WorkspacePath) -> Result<Disk> {
        let metadata = match self.metadata(path) {
            Ok(Some(metadata)) => metadata,
            Ok(None) => return Ok(Disk::Absent),
            Err(WorkspaceError::Irregular { .. }) => return Ok(Disk::Irregular),
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            return Ok(Disk::Directory);
        }
        match self.read(path) {
            Ok(content) => Ok(Disk::File {
                digest: Digest::of(&content),
                size: content.len() as u64,
                executable: is_executable(&metadata),
            }),
            Err(WorkspaceError::NotFound { .. }) => Ok(Disk::Absent),
            Err(WorkspaceError::TooLarge { .. }) => Ok(Disk::TooLarge),
            Err(WorkspaceError::Irregular { .. }) => Ok(Disk::Irregular),
            Err(error) => Err(error),
        }
    }

    /// Puts a file in its place, whole or not at all; an earlier one is replaced.
    pub(crate) fn replace(
        &self,
        staging: &Staging,
        path: &WorkspacePath,
        content: &[u8],
        executable: bool,
    ) -> Result<()> {
        let dir = self.make_parent(path)?;
        let staged = staging
            .write(content, executable, false)
            .map_err(|error| WorkspaceError::io(staging.path(), error))?;
        let renamed = staging.dir().rename(&staged, &dir, path.file_name());
        if renamed.is_err() {
            // Best effort: the sweep of the next start takes what stays.
            let _removed = staging.dir().remove_file(&staged);
        }
        renamed.map_err(self.fail(path))
    }

    /// Makes a file where none is. Not safe against a crash: for places that are checked afterwards.
    pub(crate) fn create(
        &self,
        path: &WorkspacePath,
        content: &[u8],
        executable: bool,
    ) -> Result<()> {
        let dir = self.make_parent(path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).follow(FollowSymlinks::No);
        let written = dir.open_with(path.file_name(), &options).and_then(|mut file| {
            file.write_all(content)?;
            set_executable(&file, executable)
        });
        written.map_err(self.fail(path))
    }

    /// Renames a file within its directory.
    pub(crate) fn rename(&self, from: &WorkspacePath, to: &WorkspacePath) -> Result<()> {
        let dir = self.make_parent(to)?;
        dir.rename(from.file_name(), &dir, to.file_name()).map_err(self.fail(to))
    }

    /// Removes a file or link and the directories that are empty without it.
    pub(crate) fn remove(&self, path: &WorkspacePath) -> Result<()> {
        let fail = self.fail(path);
        match self.parent(path).map_err(&fail)? {
            Parent::Found(dir) => found(dir.remove_file(path.file_name())).map_err(&fail)?,
            Parent::Absent => None,
            Parent::Irregular => return Err(Self::irregular(path)),
        };
        let mut rest = path.as_str();
        while let Some((parent, _)) = rest.rsplit_once('/') {
            rest = parent;
            let Ok(parent) = parent.parse::<WorkspacePath>() else { break };
            let removed = match self.parent(&parent).map_err(&fail)? {
                Parent::Found(dir) => dir.remove_dir(parent.file_name()).is_ok(),
                Parent::Absent => true,
                Parent::Irregular => false,
            };
            if !removed {
                break;
            }
        }
        Ok(())
    }

    /// Removes whatever keeps `path` from being a file. Only for trees that are the host's own.
    pub(crate) fn clear(&self, path: &WorkspacePath) -> Result<()> {
        let fail = self.fail(path);
        let mut dir = self.dir.try_clone().map_err(&fail)?;
        for name in parents(path) {
            dir = match step_into(&dir, name).map_err(&fail)? {
                Parent::Found(next) => next,
                Parent::Absent => return Ok(()),
                Parent::Irregular => return dir.remove_file(name).map_err(&fail),
            };
        }
        match found(dir.symlink_metadata(path.file_name())).map_err(&fail)? {
            None => Ok(()),
            Some(metadata) if metadata.is_dir() => {
                dir.remove_dir_all(path.file_name()).map_err(&fail)
            }
            Some(_) => dir.remove_file(path.file_name()).map_err(&fail),
        }
    }
}

/// The components above a file.
fn parents(path: &WorkspacePath) -> impl Iterator<Item = &str> {
    let count = path.components().count().saturating_sub(1);
    path.components().take(count)
}

/// "Not found" is an answer.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn step_into(dir: &Dir, name: &str) -> io::Result<Parent> {
    match dir.open_dir_nofollow(name) {
        Ok(next) => Ok(Parent::Found(next)),
        Err(error) => match found(dir.symlink_metadata(name))? {
            None => Ok(Parent::Absent),
            // It is a directory but cannot be entered, for example for want of permission.
            Some(metadata) if metadata.is_dir() => Err(error),
            Some(_) => Ok(Parent::Irregular),
        },
    }
}

fn open_nofollow(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Without blocking: a pipe under this name must not hold the thread.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    dir.open_with(name, &options)
}

#[cfg(unix)]
pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    use cap_std::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
pub(crate) fn is_executable(_metadata: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn set_executable(file: &File, executable: bool) -> io::Result<()> {
    use cap_std::fs::{Permissions, PermissionsExt};
    if executable { file.set_permissions(Permissions::from_mode(0o755)) } else { Ok(()) }
}

#[cfg(not(unix))]
fn set_executable(_file: &File, _executable: bool) -> io::Result<()> {
    Ok(())
}
