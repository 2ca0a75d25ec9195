//! A view as plain files, for programs that are run on them.

use std::{collections::BTreeMap, io, path::Path};

use cap_std::fs::{Metadata, MetadataExt};
use gencode_core::{crash_point, digest::Digest, path::WorkspacePath};
use serde::{Deserialize, Serialize};

use crate::{Content, Result, View, WorkspaceError, Workspaces, tree::Tree, workspaces::Inner};

/// Remembers what was put into a tree, so that it can be taken out again.
const INDEX: &str = ".gencode-tree.json";

/// What [`Workspaces::materialise`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Materialised {
    pub written: Vec<WorkspacePath>,
    pub removed: Vec<WorkspacePath>,
    /// How many files were right already.
    pub unchanged: usize,
}

type Index = BTreeMap<WorkspacePath, Option<Stamp>>;

/// How a file was when the host had just written it. A program cannot change a file and keep the
/// instant of its last change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    digest: Digest,
    executable: bool,
    size: u64,
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
}

impl Workspaces {
    /// Makes a directory of the host's own show a view: writes what differs, deletes what an
    /// earlier call put there and the view no longer has, leaves everything else alone
    /// (dependencies, build results).
    pub async fn materialise(&self, view: &impl View, dir: &Path) -> Result<Materialised> {
        let (contents, dir) = (view.contents(), dir.to_owned());
        self.run(move |inner| materialise(inner, contents, &dir)).await
    }
}

fn materialise(
    inner: &Inner,
    contents: BTreeMap<WorkspacePath, Content>,
    dir: &Path,
) -> Result<Materialised> {
    let fail = |error| WorkspaceError::io(dir, error);
    std::fs::create_dir_all(dir).map_err(fail)?;
    let tree = Tree::open(dir)?;
    let mut index = load_index(&tree).map_err(fail)?;
    let mut done = Materialised::default();
    let gone: Vec<WorkspacePath> =
        index.keys().filter(|path| !contents.contains_key(path)).cloned().collect();
    let mut stale = Vec::new();
    for (path, content) in contents {
        if path.as_str() == INDEX {
            return Err(WorkspaceError::NotAllowed { path, why: "the host keeps its notes there" });
        }
        let digest = match &content {
            Content::Blob(entry) => entry.digest,
            Content::Text { content, .. } => Digest::of(content.as_bytes()),
        };
        let right = match index.get(&path) {
            Some(Some(stamp)) => {
                stamp.digest == digest
                    && stamp.executable == content.executable()
                    && matches!(tree.metadata(&path), Ok(Some(metadata)) if stamp.is_of(&metadata))
            }
            _ => false,
        };
        if right {
            done.unchanged += 1;
        } else {
            stale.push((path, content, digest));
        }
    }
    if stale.is_empty() && gone.is_empty() {
        return Ok(done);
    }
    inner.prefetch(stale.iter().map(|(_, content, _)| content))?;
    // Noted before it is done: after a crash in the middle nothing is forgotten.
    crash_point!("tree.show.before");
    index.extend(stale.iter().map(|(path, _, _)| (path.clone(), None)));
    store_index(&tree, &index).map_err(fail)?;
    for path in gone {
        match tree.remove(&path) {
            // A link or a file where the directory was: not ours any more.
            Ok(()) | Err(WorkspaceError::Irregular { .. }) => {}
            Err(error) => return Err(error),
        }
        index.remove(&path);
        done.removed.push(path);
    }
    for (path, content, digest) in stale {
        // Removed first, never written into: the name may be a link, or shared with another file.
        tree.clear(&path)?;
        tree.create(&path, &inner.fetch(&content)?, content.executable())?;
        let metadata = tree.metadata(&path)?;
        let stamp = metadata.map(|found| Stamp::new(digest, content.executable(), &found));
        index.insert(path.clone(), stamp);
        done.written.push(path);
        crash_point!("tree.show.inside");
    }
    store_index(&tree, &index).map_err(fail)?;
    crash_point!("tree.show.after");
    Ok(done)
}

impl Stamp {
    fn new(digest: Digest, executable: bool, metadata: &Metadata) -> Self {
        Self {
            digest,
            executable,
            size: metadata.len(),
            inode: metadata.ino(),
            changed_s: metadata.ctime(),
            changed_ns: metadata.ctime_nsec(),
        }
    }

    fn is_of(&self, metadata: &Metadata) -> bool {
        metadata.is_file() && *self == Self::new(self.digest, self.executable, metadata)
    }
}

/// The index of an earlier call. One that is missing or unreadable is empty: all is written anew.
fn load_index(tree: &Tree) -> io::Result<Index> {
    match tree.dir().symlink_metadata(INDEX) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => {
            tree.dir().remove_file(INDEX)?;
            return Ok(Index::new());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::new()),
        Err(error) => return Err(error),
    }
    Ok(serde_json::from_slice(&tree.dir().read(INDEX)?).unwrap_or_default())
}

fn store_index(tree: &Tree, index: &Index) -> io::Result<()> {
    let aside = format!("{INDEX}.new");
    match tree.dir().remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    tree.dir().write(&aside, serde_json::to_vec(index)?)?;
    tree.dir().rename(&aside, tree.dir(), INDEX)
}
