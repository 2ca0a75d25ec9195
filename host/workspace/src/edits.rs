//! What the user did to a working copy behind the host's back.

use std::{collections::BTreeSet, io};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use gencode_core::{id::ProjectId, path::WorkspacePath};

use crate::{
    Author, Entry, Manifest, Result, WorkspaceError, Workspaces,
    limits::MAX_FILES,
    tree::{Tree, is_executable},
    workspaces::Inner,
};

/// Directories that tools make; what lies in them is nobody's work. Tracked files in them count.
const TOOL_DIRS: [&str; 11] = [
    ".git",
    "node_modules",
    "dist",
    "__pycache__",
    ".venv",
    ".pytest_cache",
    ".ruff_cache",
    ".mypy_cache",
    ".vite",
    "coverage",
    ".idea",
];

/// Where a running application keeps its data.
const DATA_DIRS: [&str; 2] = ["data", "backend/data"];

/// Files that tools or a running application make, or that hold secrets.
const TOOL_FILES: [&str; 2] = [".env", ".DS_Store"];
const TOOL_SUFFIXES: [&str; 8] =
    [".pyc", ".db", ".db-wal", ".db-shm", ".sqlite3", ".log", ".tsbuildinfo", ".swp"];

/// How deep a directory may lie; the same as for a path.
const MAX_DEPTH: usize = 32;

/// Bytes of changed files that are stored together.
const SAVED_AT_ONCE: u64 = 16 * 1024 * 1024;

/// The differences between a working copy and a manifest. All lists are sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// The working copy as a manifest; its blobs are stored. What differs is the user's.
    pub manifest: Manifest,
    pub added: Vec<WorkspacePath>,
    pub modified: Vec<WorkspacePath>,
    pub deleted: Vec<WorkspacePath>,
    /// What cannot be tracked, and why; tracked files among them stay in `manifest` as they were.
    pub ignored: Vec<(String, String)>,
}

impl Edits {
    /// Whether the working copy is as the manifest says.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.deleted.is_empty()
    }
}

/// What lies in a working copy.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) files: BTreeSet<WorkspacePath>,
    pub(crate) ignored: Vec<(String, String)>,
}

impl Workspaces {
    /// Compares the working copy with what it should be and stores what the user changed.
    pub async fn scan(&self, project: &ProjectId, base: &Manifest) -> Result<Edits> {
        let (id, base) = (project.clone(), base.clone());
        self.run_alone(project, move |inner| match inner.tree(&id)? {
            Some(tree) => scan(inner, &tree, &base),
            None => Err(WorkspaceError::NotFound { what: "project", name: id.to_string() }),
        })
        .await
    }
}

fn scan(inner: &Inner, tree: &Tree, base: &Manifest) -> Result<Edits> {
    let walk = walk(tree, base)?;
    let mut edits = Edits { ignored: walk.ignored, ..Edits::default() };
    let (mut unsaved, mut unsaved_bytes) = (Vec::new(), 0);
    for path in &walk.files {
        let before = base.get(path).copied();
        let (content, executable) = match content_of(tree, path) {
            Ok(Some(found)) => found,
            // Gone between the listing and the look.
            Ok(None) => continue,
            Err(error @ (WorkspaceError::TooLarge { .. } | WorkspaceError::Irregular { .. })) => {
                edits.ignored.push((path.to_string(), error.to_string()));
                if let Some(entry) = before {
                    edits.manifest.insert(path.clone(), entry);
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let digest = gencode_core::digest::Digest::of(&content);
        if let Some(entry) = before
            && entry.digest == digest
            && entry.executable == executable
        {
            edits.manifest.insert(path.clone(), entry);
            continue;
        }
        let size = content.len() as u64;
        unsaved_bytes += size;
        unsaved.push(content);
        if unsaved_bytes >= SAVED_AT_ONCE {
            inner.save_all(&mut unsaved)?;
            unsaved_bytes = 0;
        }
        let entry = Entry { digest, size, executable, author: Author::User };
        edits.manifest.insert(path.clone(), entry);
        let list = if before.is_some() { &mut edits.modified } else { &mut edits.added };
        list.push(path.clone());
    }
    inner.save_all(&mut unsaved)?;
    for (path, entry) in base.files() {
        if edits.manifest.get(path).is_some() {
            continue;
        }
        if edits.ignored.iter().any(|(ignored, _)| covers(ignored, path)) {
            edits.manifest.insert(path.clone(), *entry);
        } else {
            edits.deleted.push(path.clone());
        }
    }
    Ok(edits)
}

impl Inner {
    fn save_all(&self, contents: &mut Vec<Vec<u8>>) -> Result<()> {
        if contents.is_empty() {
            return Ok(());
        }
        let all: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        self.blobs.put_all(&all)?;
        contents.clear();
        Ok(())
    }
}

fn content_of(tree: &Tree, path: &WorkspacePath) -> Result<Option<(Vec<u8>, bool)>> {
    let Some(metadata) = tree.metadata(path)? else { return Ok(None) };
    match tree.read(path) {
        Ok(content) => Ok(Some((content, is_executable(&metadata)))),
        Err(WorkspaceError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an ignored file or directory is `path` or holds it.
fn covers(ignored: &str, path: &WorkspacePath) -> bool {
    path.as_str().strip_prefix(ignored).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lists a working copy, leaving out what tools made.
pub(crate) fn walk(tree: &Tree, base: &Manifest) -> Result<Walk> {
    let mut walk = Walk::default();
    let fail = |error| WorkspaceError::io(tree.path(), error);
    let root = tree.dir().try_clone().map_err(fail)?;
    let mut open = vec![(root, String::new(), 0)];
    while let Some((dir, prefix, depth)) = open.pop() {
        let mut entries = Vec::new();
        for entry in dir.entries().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            match entry.file_name().into_string() {
                Ok(name) => entries.push((name, entry.file_type().map_err(fail)?)),
                Err(name) => {
                    let path = format!("{prefix}{}", name.to_string_lossy());
                    walk.ignored.push((path, "its name is not UTF-8".to_owned()));
                }
            }
        }
        for (name, kind) in entries {
            let path = format!("{prefix}{name}");
            if kind.is_dir() {
                if is_tool_dir(&name, &path) && !has_tracked(base, &path) {
                    continue;
                }
                match enter(&dir, &name, depth).map_err(fail)? {
                    Some(next) => open.push((next, format!("{path}/"), depth + 1)),
                    None => walk.ignored.push((path, "it lies too deep".to_owned())),
                }
                continue;
            }
            let tracked = path.parse().is_ok_and(|path| base.get(&path).is_some());
            if is_tool_file(&name) && !tracked {
                continue;
            }
            match path.parse::<WorkspacePath>() {
                Ok(parsed) if kind.is_file() => {
                    walk.files.insert(parsed);
                }
                Ok(_) => walk.ignored.push((path, "it is not an ordinary file".to_owned())),
                Err(error) => walk.ignored.push((path, error.to_string())),
            }
            if walk.files.len() as u64 > MAX_FILES {
                let what = "the number of files".to_owned();
                return Err(WorkspaceError::TooLarge { what, limit: MAX_FILES });
            }
        }
    }
    walk.ignored.sort();
    Ok(walk)
}

/// Opens a directory; none when it lies too deep. One that just vanished counts as too deep to
/// matter: the next scan sees it gone.
fn enter(dir: &Dir, name: &str, depth: usize) -> io::Result<Option<Dir>> {
    if depth + 1 >= MAX_DEPTH {
        return Ok(None);
    }
    match dir.open_dir_nofollow(name) {
        Ok(next) => Ok(Some(next)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_tool_dir(name: &str, path: &str) -> bool {
    TOOL_DIRS.contains(&name) || DATA_DIRS.contains(&path) || name.ends_with(".egg-info")
}

fn is_tool_file(name: &str) -> bool {
    TOOL_FILES.contains(&name) || TOOL_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

fn has_tracked(base: &Manifest, dir: &str) -> bool {
    let prefix = format!("{dir}/");
    base.paths().any(|path| path.as_str().starts_with(&prefix))
}
