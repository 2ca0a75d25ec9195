//! What a step staged over the files it started from.

use std::{collections::BTreeMap, sync::Arc};

use gencode_core::{glob::Globs, path::WorkspacePath};
use serde::{Deserialize, Serialize};

use crate::{
    Author, Entry, Manifest, Result, WorkspaceError,
    limits::{MAX_FILE_BYTES, MAX_FILES, MAX_OVERLAY_BYTES},
};

/// One staged change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The file has this content now.
    Put { content: Arc<str> },
    /// The file is gone.
    Remove,
}

/// Where a file's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In the blob store.
    Blob(Entry),
    /// Staged.
    Text { content: Arc<str>, executable: bool },
}

impl Content {
    /// Whether the file can be run.
    pub fn executable(&self) -> bool {
        match self {
            Self::Blob(entry) => entry.executable,
            Self::Text { executable, .. } => *executable,
        }
    }
}

/// Files as someone sees them: a [`Manifest`] or an [`Overlay`].
pub trait View: Sync {
    /// All paths with where their contents are, sorted by path.
    fn contents(&self) -> BTreeMap<WorkspacePath, Content>;
    /// Where the content of a file is; none when there is no such file.
    fn content(&self, path: &WorkspacePath) -> Option<Content>;
}

impl View for Manifest {
    fn contents(&self) -> BTreeMap<WorkspacePath, Content> {
        self.files().map(|(path, entry)| (path.clone(), Content::Blob(*entry))).collect()
    }

    fn content(&self, path: &WorkspacePath) -> Option<Content> {
        self.get(path).copied().map(Content::Blob)
    }
}

/// Where a step may write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteRules {
    /// Only there: [`Globs::only`].
    pub writes: Globs,
    /// Not even there.
    pub protected: Globs,
}

/// A manifest with staged changes over it. In memory; nothing is on the disk until it is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    base: Manifest,
    rules: WriteRules,
    changes: BTreeMap<WorkspacePath, Change>,
    staged_bytes: u64,
}

impl Overlay {
    /// An overlay without changes.
    pub fn new(base: Manifest, rules: WriteRules) -> Self {
        Self { base, rules, changes: BTreeMap::new(), staged_bytes: 0 }
    }

    /// The files it started from.
    pub fn base(&self) -> &Manifest {
        &self.base
    }

    /// What was staged, sorted by path.
    pub fn changes(&self) -> &BTreeMap<WorkspacePath, Change> {
        &self.changes
    }

    /// Whether nothing was staged.
    pub fn is_clean(&self) -> bool {
        self.changes.is_empty()
    }

    /// Stages a file. Its executable bit stays as it was.
    pub fn stage(&mut self, path: WorkspacePath, content: impl Into<Arc<str>>) -> Result<()> {
        let content = content.into();
        self.may_write(&path)?;
        let too_large = |what: String, limit| Err(WorkspaceError::TooLarge { what, limit });
        if content.len() as u64 > MAX_FILE_BYTES {
            return too_large(format!("the size of `{path}`"), MAX_FILE_BYTES);
        }
        let bytes = self.staged_bytes - self.bytes_at(&path) + content.len() as u64;
        if bytes > MAX_OVERLAY_BYTES {
            return too_large("the size of all staged files".to_owned(), MAX_OVERLAY_BYTES);
        }
        if !self.has(&path) {
            if self.count() >= MAX_FILES {
                return too_large("the number of files".to_owned(), MAX_FILES);
            }
            self.no_clash(&path)?;
        }
        self.staged_bytes = bytes;
        self.changes.insert(path, Change::Put { content });
        Ok(())
    }

    /// Removes a file. [`WorkspaceError::Conflict`] when it is the user's.
    pub fn remove(&mut self, path: &WorkspacePath) -> Result<()> {
        self.may_write(path)?;
        if !self.has(path) {
            return Err(WorkspaceError::NotFound { what: "file", name: path.to_string() });
        }
        let base = self.base.get(path);
        if base.is_some_and(|entry| entry.author == Author::User) {
            return Err(WorkspaceError::Conflict { paths: vec![path.clone()] });
        }
        let in_base = base.is_some();
        self.staged_bytes -= self.bytes_at(path);
        if in_base {
            self.changes.insert(path.clone(), Change::Remove);
        } else {
            self.changes.remove(path);
        }
        Ok(())
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &WorkspacePath) -> bool {
        match self.changes.get(path) {
            Some(Change::Put { .. }) => true,
            Some(Change::Remove) => false,
            None => self.base.get(path).is_some(),
        }
    }

    /// All paths, sorted.
    pub fn list(&self) -> Vec<WorkspacePath> {
        self.contents().into_keys().collect()
    }

    /// All paths that match, sorted.
    pub fn glob(&self, globs: &Globs) -> Vec<WorkspacePath> {
        self.list().into_iter().filter(|path| globs.matches(path.as_str())).collect()
    }

    /// Paths that were staged or removed, sorted.
    pub fn changed_paths(&self) -> Vec<WorkspacePath> {
        self.changes.keys().cloned().collect()
    }

    /// Whether the caller may write there at all.
    fn may_write(&self, path: &WorkspacePath) -> Result<()> {
        let refuse = |why| Err(WorkspaceError::NotAllowed { path: path.clone(), why });
        if self.rules.protected.matches(path.as_str()) {
            refuse("it is protected")
        } else if self.rules.writes.matches(path.as_str()) {
            Ok(())
        } else {
            refuse("the step did not ask to write there")
        }
    }

    /// No file may lie where another has its directory.
    fn no_clash(&self, path: &WorkspacePath) -> Result<()> {
        let clash = |other| Err(WorkspaceError::Clash { path: path.clone(), other });
        for (end, _) in path.as_str().match_indices('/') {
            let parent = path.as_str().get(..end).and_then(|parent| parent.parse().ok());
            if let Some(parent) = parent.filter(|parent| self.has(parent)) {
                return clash(parent);
            }
        }
        let prefix = format!("{path}/");
        let below = |other: &&WorkspacePath| other.as_str().starts_with(&prefix) && self.has(other);
        match self.base.paths().chain(self.changes.keys()).find(below) {
            Some(other) => clash(other.clone()),
            None => Ok(()),
        }
    }

    fn bytes_at(&self, path: &WorkspacePath) -> u64 {
        match self.changes.get(path) {
            Some(Change::Put { content }) => content.len() as u64,
            Some(Change::Remove) | None => 0,
        }
    }

    fn count(&self) -> u64 {
        let added = |(path, change): &(&WorkspacePath, &Change)| {
            matches!(change, Change::Put { .. }) && self.base.get(path).is_none()
        };
        let removed = |change: &&Change| matches!(change, Change::Remove);
        let added = self.changes.iter().filter(added).count();
        let removed = self.changes.values().filter(removed).count();
        (self.base.len() + added - removed) as u64
    }

    fn staged(&self, path: &WorkspacePath, content: &Arc<str>) -> Content {
        let executable = self.base.get(path).is_some_and(|entry| entry.executable);
        Content::Text { content: content.clone(), executable }
    }
}

impl View for Overlay {
    fn contents(&self) -> BTreeMap<WorkspacePath, Content> {
        let mut contents = self.base.contents();
        for (path, change) in &self.changes {
            match change {
                Change::Put { content } => {
                    contents.insert(path.clone(), self.staged(path, content));
                }
                Change::Remove => {
                    contents.remove(path);
                }
            }
        }
        contents
    }

    fn content(&self, path: &WorkspacePath) -> Option<Content> {
        match self.changes.get(path) {
            Some(Change::Put { content }) => Some(self.staged(path, content)),
            Some(Change::Remove) => None,
            None => self.base.content(path),
        }
    }
}

impl WriteRules {
    /// Everywhere. For the user, who owns the files.
    pub(crate) fn anywhere() -> Self {
        Self { writes: Globs::everything(), protected: Globs::default() }
    }
}
