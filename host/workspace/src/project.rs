//! Working copies: making one from a seed, and taking one from a state to the next.

use std::collections::BTreeSet;

use gencode_core::{crash_point, digest::Digest, id::ProjectId, path::WorkspacePath};

use crate::{
    Author, Entry, Manifest, Result, Saved, WorkspaceError, Workspaces,
    limits::{MAX_FILE_BYTES, MAX_FILES},
    tree::{Disk, Tree},
    workspaces::Inner,
};

/// One file a project starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFile {
    pub path: WorkspacePath,
    pub content: Vec<u8>,
    pub executable: bool,
}

impl Workspaces {
    /// Makes the files of a new project: built aside, then renamed into place, so that a crash
    /// leaves the whole project or nothing of it (ATOMIC-001).
    ///
    /// Existing files are never replaced: [`WorkspaceError::Exists`], unless they are exactly the
    /// seed (left by a crash right after the rename).
    pub async fn scaffold(&self, project: &ProjectId, seed: Vec<SeedFile>) -> Result<Saved> {
        let id = project.clone();
        self.run_alone(project, move |inner| {
            check_seed(&seed)?;
            let manifest = seed
                .iter()
                .map(|file| {
                    let entry = Entry {
                        digest: Digest::of(&file.content),
                        size: file.content.len() as u64,
                        executable: file.executable,
                        author: Author::Seed,
                    };
                    (file.path.clone(), entry)
                })
                .collect();
            let contents = seed.iter().map(|file| file.content.as_slice()).collect();
            let saved = inner.save_with(manifest, contents)?;
            match inner.tree(&id)? {
                Some(tree) if equals(&tree, &saved.manifest)? => {}
                Some(_) => return Err(WorkspaceError::Exists(id)),
                None => inner.build(&id, &saved.manifest)?,
            }
            Ok(saved)
        })
        .await
    }

    /// Whether the project has a working copy.
    pub async fn exists(&self, project: &ProjectId) -> Result<bool> {
        let id = project.clone();
        self.run(move |inner| Ok(inner.tree(&id)?.is_some())).await
    }

    /// Takes the working copy from one state to another. Doing it again, or after a crash in the
    /// middle, does the rest; a missing working copy is made anew.
    ///
    /// Touches only files that differ between the states, and only where the disk has one of the
    /// two: otherwise the user changed the file, and [`WorkspaceError::Conflict`] comes back before
    /// anything is touched.
    pub async fn apply(&self, project: &ProjectId, from: &Manifest, to: &Manifest) -> Result<()> {
        let (id, from, to) = (project.clone(), from.clone(), to.clone());
        self.run_alone(project, move |inner| {
            let Some(tree) = inner.tree(&id)? else {
                return inner.build(&id, &to);
            };
            let plan = Plan::make(&tree, &from, &to)?;
            let wanted = plan.write.iter().map(|(_, entry)| entry.digest);
            inner.blobs.fetch(wanted, MAX_FILE_BYTES)?;
            // All contents before the first change: a damaged blob must not leave half a state.
            let contents = plan
                .write
                .iter()
                .map(|(path, entry)| {
                    let content = inner.blobs.get(entry.digest, MAX_FILE_BYTES)?;
                    Ok((path, entry, content))
                })
                .collect::<Result<Vec<_>>>()?;
            crash_point!("copy.apply.before");
            for path in &plan.remove {
                tree.remove(path)?;
            }
            for (path, entry, content) in contents {
                tree.replace(&inner.staging, path, &content, entry.executable).map_err(
                    |error| match error {
                        // Files of the user's keep a directory alive that should have made room.
                        WorkspaceError::Io { source, .. } if is_occupied(&source) => {
                            WorkspaceError::Conflict { paths: vec![path.clone()] }
                        }
                        other => other,
                    },
                )?;
                crash_point!("copy.apply.inside");
            }
            crash_point!("copy.apply.after");
            Ok(())
        })
        .await
    }

    /// Deletes the working copy of a project, for good. Only because the user asked for it.
    pub async fn delete(&self, project: &ProjectId) -> Result<()> {
        let id = project.clone();
        self.run_alone(project, move |inner| {
            if inner.tree(&id)?.is_none() {
                return Ok(());
            }
            // First out of sight in one step, then piece by piece: never half a project.
            let name = inner.staging.name();
            let path = inner.root.join(id.as_str());
            let fail = |error| WorkspaceError::io(&path, error);
            crash_point!("copy.delete.before");
            inner.dir.rename(id.as_str(), inner.staging.dir(), &name).map_err(fail)?;
            crash_point!("copy.delete.inside");
            inner.staging.dir().remove_dir_all(&name).map_err(fail)
        })
        .await
    }
}

fn check_seed(seed: &[SeedFile]) -> Result<()> {
    if seed.len() as u64 > MAX_FILES {
        let what = "the number of files".to_owned();
        return Err(WorkspaceError::TooLarge { what, limit: MAX_FILES });
    }
    let mut paths = BTreeSet::new();
    for file in seed {
        if file.content.len() as u64 > MAX_FILE_BYTES {
            let what = format!("the size of `{}`", file.path);
            return Err(WorkspaceError::TooLarge { what, limit: MAX_FILE_BYTES });
        }
        if !paths.insert(&file.path) {
            let (path, other) = (file.path.clone(), file.path.clone());
            return Err(WorkspaceError::Clash { path, other });
        }
    }
    Ok(())
}

impl Inner {
    /// Builds a working copy aside and renames it into place.
    fn build(&self, id: &ProjectId, manifest: &Manifest) -> Result<()> {
        let name = self.staging.name();
        let aside = self.staging.path().join(&name);
        crash_point!("copy.build.before");
        self.staging.dir().create_dir(&name).map_err(|error| WorkspaceError::io(&aside, error))?;
        let built = self.fill(&name, manifest).and_then(|()| {
            crash_point!("copy.build.inside");
            let renamed = self.staging.dir().rename(&name, &self.dir, id.as_str());
            crash_point!("copy.build.after");
            renamed.map_err(|error| WorkspaceError::io(self.root.join(id.as_str()), error))
        });
        if built.is_err() {
            // Best effort: the sweep of the next start takes what stays.
            let _removed = self.staging.dir().remove_dir_all(&name);
        }
        built
    }

    fn fill(&self, name: &str, manifest: &Manifest) -> Result<()> {
        let Some(tree) = Tree::open_in(self.staging.dir(), self.staging.path(), name)? else {
            return Err(WorkspaceError::NotFound { what: "directory", name: name.to_owned() });
        };
        self.blobs.fetch(manifest.files().map(|(_, entry)| entry.digest), MAX_FILE_BYTES)?;
        for (path, entry) in manifest.files() {
            let content = self.blobs.get(entry.digest, MAX_FILE_BYTES)?;
            tree.create(path, &content, entry.executable)?;
        }
        Ok(())
    }
}

/// Whether the working copy has exactly these files.
fn equals(tree: &Tree, manifest: &Manifest) -> Result<bool> {
    let walk = crate::edits::walk(tree, manifest)?;
    if !walk.ignored.is_empty() || walk.files.len() != manifest.len() {
        return Ok(false);
    }
    for (path, entry) in manifest.files() {
        if !matches!(tree.look(path)?, Disk::File { digest, .. } if digest == entry.digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What to do to a working copy.
#[derive(Debug, Default)]
struct Plan {
    remove: Vec<WorkspacePath>,
    write: Vec<(WorkspacePath, Entry)>,
}

impl Plan {
    fn make(tree: &Tree, from: &Manifest, to: &Manifest) -> Result<Self> {
        let mut plan = Self::default();
        let mut conflicts = Vec::new();
        for path in from.changed_paths(to) {
            let (before, after) = (from.get(&path), to.get(&path));
            let disk = tree.look(&path)?;
            let is = |entry: Option<&Entry>| match (disk, entry) {
                (Disk::Absent, None) => true,
                (Disk::File { digest, .. }, Some(entry)) => digest == entry.digest,
                // Where a directory makes room for a file or the other way round, the files that
                // go away are checked under their own paths.
                (Disk::Directory, None) => has_below(from, &path),
                (Disk::Irregular, None) => has_above(from, &path),
                _ => false,
            };
            let mode_differs = |entry: &Entry| match disk {
                Disk::File { executable, .. } => executable != entry.executable,
                _ => false,
            };
            match after {
                None if disk == Disk::Absent => {}
                None if is(before) => plan.remove.push(path),
                Some(entry) if is(Some(entry)) && !mode_differs(entry) => {}
                Some(entry) if is(Some(entry)) || is(before) => plan.write.push((path, *entry)),
                // A file of the user's where the state has a directory for removed files.
                _ => conflicts.push(path),
            }
        }
        if conflicts.is_empty() {
            Ok(plan)
        } else {
            Err(WorkspaceError::Conflict { paths: conflicts })
        }
    }
}

fn is_occupied(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{DirectoryNotEmpty, IsADirectory};
    matches!(error.kind(), DirectoryNotEmpty | IsADirectory)
}

fn has_below(manifest: &Manifest, path: &WorkspacePath) -> bool {
    let prefix = format!("{path}/");
    manifest.paths().any(|other| other.as_str().starts_with(&prefix))
}

fn has_above(manifest: &Manifest, path: &WorkspacePath) -> bool {
    manifest.paths().any(|other| {
        path.as_str().strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
    })
}
