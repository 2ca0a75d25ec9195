//! Tests on real directories.

mod blobs;
mod copies;
mod diffs;
mod escapes;
mod housekeeping;
mod merges;
mod overlays;
mod remote;
mod s3;
mod trees;
mod user_edits;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use gencode_core::{glob::Globs, id::ProjectId, path::WorkspacePath};

use crate::{Manifest, Overlay, SeedFile, View, Workspaces, WriteRules};

/// Workspaces in a directory of their own.
pub(crate) struct Fixture {
    pub(crate) workspaces: Workspaces,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let workspaces = open(dir.path()).await;
    Fixture { workspaces, dir }
}

pub(crate) async fn open(dir: &Path) -> Workspaces {
    Workspaces::open(&dir.join("projects"), &dir.join("blobs")).await.unwrap()
}

pub(crate) fn path(text: &str) -> WorkspacePath {
    text.parse().unwrap()
}

pub(crate) fn pid(text: &str) -> ProjectId {
    text.parse().unwrap()
}

pub(crate) fn anywhere() -> WriteRules {
    WriteRules { writes: Globs::everything(), protected: Globs::default() }
}

pub(crate) fn seed() -> Vec<SeedFile> {
    [
        ("README.md", "# App\n", false),
        ("run.sh", "#!/bin/sh\nexit 0\n", true),
        ("backend/app/main.py", "import os\n", false),
        ("frontend/src/data/mock.ts", "export {}\n", false),
    ]
    .into_iter()
    .map(|(name, content, executable)| SeedFile {
        path: path(name),
        content: content.as_bytes().to_vec(),
        executable,
    })
    .collect()
}

/// All ordinary files under a directory with their contents; staging and indexes left out.
pub(crate) fn files_in(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() && !entry.file_name().to_string_lossy().starts_with(".gencode")
            {
                let name = entry.path().strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                let bytes = std::fs::read(entry.path()).unwrap();
                found.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
    found
}

impl Fixture {
    /// A project `shop` with the seed's files.
    pub(crate) async fn scaffolded(&self) -> Manifest {
        self.workspaces.scaffold(&pid("shop"), seed()).await.unwrap().manifest
    }

    pub(crate) fn copy(&self) -> PathBuf {
        self.workspaces.path_of(&pid("shop"))
    }

    /// The manifest that has these files put or removed.
    pub(crate) async fn changed(
        &self,
        base: &Manifest,
        changes: &[(&str, Option<&str>)],
    ) -> Manifest {
        let mut overlay = Overlay::new(base.clone(), anywhere());
        for (name, content) in changes {
            match content {
                Some(content) => overlay.stage(path(name), *content).unwrap(),
                None => overlay.remove(&path(name)).unwrap(),
            }
        }
        self.workspaces.save_overlay(&overlay, crate::Author::Run).await.unwrap().manifest
    }

    /// What a view shows, as text.
    pub(crate) async fn text_of(&self, view: &impl View) -> BTreeMap<String, String> {
        let all = self.workspaces.read_all(view, |_| true).await.unwrap();
        all.into_iter()
            .map(|(path, content)| (path.to_string(), String::from_utf8(content).unwrap()))
            .collect()
    }
}

#[cfg(unix)]
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
