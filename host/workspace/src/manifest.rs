//! Manifests: which files a state of a project has.

use std::{collections::BTreeMap, fmt};

use gencode_core::{digest::Digest, path::WorkspacePath};
use serde::{Deserialize, Serialize};

/// Who wrote a file. Sticky: what a user wrote once stays the user's, whoever changes it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    Run,
    User,
    Seed,
}

/// One file of a [`Manifest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Digest of the content.
    pub digest: Digest,
    /// Bytes of the content.
    pub size: u64,
    pub executable: bool,
    pub author: Author,
}

/// All files of one state of a project. Equal states have equal text forms and so equal digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Text", into = "Text")]
pub struct Manifest {
    files: BTreeMap<WorkspacePath, Entry>,
}

/// The stored form: a version, and a sorted list so that a path is a value like the others.
#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    files: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    path: WorkspacePath,
    #[serde(flatten)]
    entry: Entry,
}

impl From<Text> for Manifest {
    fn from(text: Text) -> Self {
        text.files.into_iter().map(|line| (line.path, line.entry)).collect()
    }
}

impl From<Manifest> for Text {
    fn from(manifest: Manifest) -> Self {
        let files = manifest.files.into_iter().map(|(path, entry)| Line { path, entry }).collect();
        Self { version: 1, files }
    }
}

impl FromIterator<(WorkspacePath, Entry)> for Manifest {
    fn from_iter<I: IntoIterator<Item = (WorkspacePath, Entry)>>(files: I) -> Self {
        Self { files: files.into_iter().collect() }
    }
}

impl Manifest {
    /// The file at `path`, if any.
    pub fn get(&self, path: &WorkspacePath) -> Option<&Entry> {
        self.files.get(path)
    }

    /// All files, sorted by path.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&WorkspacePath, &Entry)> {
        self.files.iter()
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &WorkspacePath> {
        self.files.keys()
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(crate) fn insert(&mut self, path: WorkspacePath, entry: Entry) {
        self.files.insert(path, entry);
    }

    pub(crate) fn remove(&mut self, path: &WorkspacePath) {
        self.files.remove(path);
    }

    /// Paths whose content or mode differs between `self` and `other`, sorted.
    pub fn changed_paths(&self, other: &Self) -> Vec<WorkspacePath> {
        let mut paths: Vec<WorkspacePath> = self
            .files
            .iter()
            .filter(|(path, entry)| !other.get(path).is_some_and(|found| found.same_file(entry)))
            .map(|(path, _)| path.clone())
            .chain(other.paths().filter(|path| self.get(path).is_none()).cloned())
            .collect();
        paths.sort();
        paths
    }
}

impl Entry {
    /// Whether two entries mean the same file, whoever wrote it.
    pub(crate) fn same_file(&self, other: &Self) -> bool {
        self.digest == other.digest && self.executable == other.executable
    }
}

/// Digest of a stored manifest: the name of one state of a project's files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestDigest(pub Digest);

impl fmt::Display for ManifestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ManifestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A manifest that is in the blob store with all its blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub digest: ManifestDigest,
    pub manifest: Manifest,
}
