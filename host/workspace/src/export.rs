//! A view copied to where the user wants it.

use std::{collections::BTreeMap, path::Path};

use gencode_core::{digest::Digest, path::WorkspacePath};

use crate::{
    Content, Result, View, WorkspaceError, Workspaces,
    tree::{Disk, Tree},
    workspaces::Inner,
};

/// What [`Workspaces::export`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    pub written: Vec<WorkspacePath>,
    /// How many files were there already, with the same content.
    pub unchanged: usize,
}

impl Workspaces {
    /// Copies a view into a directory of the user's. Files that are there with another content
    /// are never overwritten: [`WorkspaceError::Conflict`] names them before anything is written.
    pub async fn export(&self, view: &impl View, dir: &Path) -> Result<Exported> {
        let (contents, dir) = (view.contents(), dir.to_owned());
        self.run(move |inner| export(inner, &contents, &dir)).await
    }
}

fn export(
    inner: &Inner,
    contents: &BTreeMap<WorkspacePath, Content>,
    dir: &Path,
) -> Result<Exported> {
    std::fs::create_dir_all(dir).map_err(|error| WorkspaceError::io(dir, error))?;
    let tree = Tree::open(dir)?;
    let mut done = Exported::default();
    let mut conflicts = Vec::new();
    for (path, content) in contents {
        let wanted = match content {
            Content::Blob(entry) => entry.digest,
            Content::Text { content, .. } => Digest::of(content.as_bytes()),
        };
        match tree.look(path)? {
            Disk::Absent => done.written.push(path.clone()),
            Disk::File { digest, .. } if digest == wanted => done.unchanged += 1,
            _ => conflicts.push(path.clone()),
        }
    }
    if !conflicts.is_empty() {
        return Err(WorkspaceError::Conflict { paths: conflicts });
    }
    inner.prefetch(done.written.iter().filter_map(|path| contents.get(path)))?;
    for path in &done.written {
        if let Some(content) = contents.get(path) {
            write_aside(&tree, path, &inner.fetch(content)?, content.executable())?;
        }
    }
    Ok(done)
}

/// Writes beside the place and renames, so that a crash leaves no half file under the name.
fn write_aside(tree: &Tree, path: &WorkspacePath, content: &[u8], executable: bool) -> Result<()> {
    let parent = path.as_str().strip_suffix(path.file_name()).unwrap_or_default();
    // A digest of the name: short, whatever the name's length, and the same when tried again.
    let name = Digest::of(path.file_name().as_bytes()).to_string();
    let aside: WorkspacePath = format!("{parent}.{}.gencode-new", name.get(..16).unwrap_or(&name))
        .parse()
        .map_err(|_| WorkspaceError::Irregular { path: path.to_string() })?;
    tree.remove(&aside)?;
    tree.create(&aside, content, executable)?;
    tree.rename(&aside, path)
}
