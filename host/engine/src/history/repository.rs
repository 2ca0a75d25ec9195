//! A project's history as a git repository: one commit per checkpoint.

use std::{
    collections::{HashMap, HashSet},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use gencode_core::{digest::Digest, id::ProjectId, path::WorkspacePath};
use gencode_store::Checkpoint;
use gencode_workspace::{Entry, Manifest};
use serde::Serialize;
use sha1::{Digest as _, Sha1};
use ulid::Ulid;

use super::{
    History,
    git::{self, IndexLine, Kind, Leaf, Oid},
};
use crate::EngineError;

/// The branch that has everything.
const BRANCH: &str = "refs/heads/main";

/// Checkpoints read at once.
const PAGE: u32 = 500;

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Commits on the branch `main`.
    pub commits: usize,
    /// Name of the newest commit.
    pub head: String,
    /// Paths that git does not take, in any commit.
    pub left_out: Vec<WorkspacePath>,
}

/// Everything a repository will have. Contents of files are read again when they are written.
struct Plan {
    blobs: Vec<(Oid, WorkspacePath, Entry)>,
    /// Trees and commits, each before what refers to it.
    others: Vec<(Kind, Oid, Vec<u8>)>,
    commits: usize,
    head: Oid,
    /// The files of the newest commit.
    newest: Manifest,
    names: HashMap<Digest, Oid>,
    left_out: Vec<WorkspacePath>,
}

impl Plan {
    fn exported(&self) -> Exported {
        Exported {
            commits: self.commits,
            head: self.head.to_string(),
            left_out: self.left_out.clone(),
        }
    }

    fn leaf(&self, entry: &Entry) -> Option<Leaf> {
        let id = *self.names.get(&entry.digest)?;
        Some(Leaf { id, executable: entry.executable })
    }
}

impl History {
    /// Writes the history of a project as a git repository into a folder that is missing or empty:
    /// one commit per checkpoint, on the branch `main`. The same history gives the same commits.
    /// A bare repository has no working tree. The folder is whole or as it was.
    pub async fn export_git(
        &self,
        project: &ProjectId,
        folder: &Path,
        bare: bool,
    ) -> Result<Exported, EngineError> {
        let plan = self.plan(project).await?;
        let target = folder.to_owned();
        let aside = blocking(move || make_aside(&target)).await?;
        let written = self.fill(&plan, &aside, bare).await;
        let (from, to) = (aside.clone(), folder.to_owned());
        // A rename onto an empty folder replaces it; onto anything else it fails.
        let renamed = match written {
            Ok(()) => blocking(move || std::fs::rename(&from, &to)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = renamed {
            let _removed = tokio::fs::remove_dir_all(&aside).await;
            return Err(error);
        }
        Ok(plan.exported())
    }

    /// The same repository as one file that `git clone` reads (a bundle), piece by piece. Equal
    /// histories give equal bytes.
    pub async fn git_bundle(
        &self,
        project: &ProjectId,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, EngineError>>, EngineError> {
        let plan = self.plan(project).await?;
        let count = plan.blobs.len() + plan.others.len();
        let count = u32::try_from(count)
            .map_err(|_| EngineError::Busy("the history is too long for one file".to_owned()))?;
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend(count.to_be_bytes());
        let (history, head) = (self.clone(), plan.head);
        let blobs = stream::iter(plan.blobs).then(move |(_, path, entry)| {
            let history = history.clone();
            async move {
                let content = history.content(path, entry).await?;
                blocking(move || Ok(git::packed(Kind::Blob, &content))).await
            }
        });
        let others = stream::iter(plan.others)
            .then(|(kind, _, content)| blocking(move || Ok(git::packed(kind, &content))));
        let body = stream::iter([Ok(pack)]).chain(blobs).chain(others);
        // The pack ends with the digest of all of it.
        let checked = body.map(Some).chain(stream::iter([None])).scan(
            Sha1::new(),
            |digest, piece: Option<Result<Vec<u8>, EngineError>>| {
                let piece = match piece {
                    Some(Ok(bytes)) => {
                        digest.update(&bytes);
                        Ok(bytes)
                    }
                    Some(Err(error)) => Err(error),
                    None => Ok(digest.clone().finalize().to_vec()),
                };
                std::future::ready(Some(piece))
            },
        );
        let header = format!("# v2 git bundle\n{head} {BRANCH}\n{head} HEAD\n\n");
        Ok(stream::iter([Ok(header.into_bytes())]).chain(checked).boxed())
    }

    /// Reads the history once and names everything in it.
    async fn plan(&self, project: &ProjectId) -> Result<Plan, EngineError> {
        let mut plan = Plan {
            blobs: Vec::new(),
            others: Vec::new(),
            commits: 0,
            head: Oid([0; 20]),
            newest: Manifest::default(),
            names: HashMap::new(),
            left_out: Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut parent = None;
        for checkpoint in self.oldest_first(project).await? {
            let manifest = self.manifest(checkpoint.manifest).await?;
            let (kept, out): (Vec<_>, Vec<_>) = manifest
                .files()
                .map(|(path, entry)| (path.clone(), *entry))
                .partition(|(path, _)| git::may_hold(path));
            plan.left_out.extend(out.into_iter().map(|(path, _)| path));
            for (path, entry) in &kept {
                self.name(&mut plan, path, *entry).await?;
            }
            let leaves = kept.iter().filter_map(|(path, entry)| Some((path, plan.leaf(entry)?)));
            let mut trees = Vec::new();
            let root = git::tree(leaves, &mut |id, content| trees.push((Kind::Tree, id, content)));
            plan.others.extend(trees.into_iter().filter(|(_, id, _)| seen.insert(*id)));
            let content = git::commit(&checkpoint, root, parent);
            let id = git::id_of(Kind::Commit, &content);
            plan.others.push((Kind::Commit, id, content));
            parent = Some(id);
            plan.commits += 1;
            plan.head = id;
            plan.newest = kept.into_iter().collect();
        }
        if plan.commits == 0 {
            return Err(EngineError::Busy(format!("project `{project}` has no files yet")));
        }
        plan.left_out.sort();
        plan.left_out.dedup();
        Ok(plan)
    }

    async fn oldest_first(&self, project: &ProjectId) -> Result<Vec<Checkpoint>, EngineError> {
        self.store.project(project).await?;
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let page = self.store.checkpoint_page(project, before, PAGE).await?;
            all.extend(page.checkpoints);
            before = page.next;
            if before.is_none() {
                all.reverse();
                return Ok(all);
            }
        }
    }

    /// Gives a content its name, the first time it is met.
    async fn name(
        &self,
        plan: &mut Plan,
        path: &WorkspacePath,
        entry: Entry,
    ) -> Result<(), EngineError> {
        if plan.names.contains_key(&entry.digest) {
            return Ok(());
        }
        let content = self.content(path.clone(), entry).await?;
        let id = blocking(move || Ok(git::id_of(Kind::Blob, &content))).await?;
        plan.names.insert(entry.digest, id);
        plan.blobs.push((id, path.clone(), entry));
        Ok(())
    }

    async fn content(&self, path: WorkspacePath, entry: Entry) -> Result<Vec<u8>, EngineError> {
        let one: Manifest = [(path.clone(), entry)].into_iter().collect();
        Ok(self.workspaces.read(&one, &path).await?)
    }

    async fn fill(&self, plan: &Plan, folder: &Path, bare: bool) -> Result<(), EngineError> {
        let git_dir = if bare { folder.to_owned() } else { folder.join(".git") };
        let objects = git_dir.join("objects");
        for (id, path, entry) in &plan.blobs {
            let content = self.content(path.clone(), *entry).await?;
            let (objects, id) = (objects.clone(), *id);
            blocking(move || write_object(&objects, id, &git::loose(Kind::Blob, &content))).await?;
        }
        let (others, head) = (plan.others.clone(), plan.head);
        let index = (!bare).then(|| {
            let line = |(path, entry): (&WorkspacePath, &Entry)| {
                Some((path.clone(), plan.leaf(entry)?, entry.size))
            };
            plan.newest.files().filter_map(line).collect::<Vec<_>>()
        });
        blocking(move || {
            for (kind, id, content) in &others {
                write_object(&objects, *id, &git::loose(*kind, content))?;
            }
            if let Some(lines) = &index {
                let lines = lines.iter().map(|(path, leaf, size)| IndexLine {
                    path,
                    leaf: *leaf,
                    size: *size,
                });
                std::fs::write(git_dir.join("index"), git::index(lines))?;
            }
            let config = format!(
                "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = {bare}\n"
            );
            std::fs::write(git_dir.join("config"), config)?;
            let branch = git_dir.join(BRANCH);
            if let Some(heads) = branch.parent() {
                std::fs::create_dir_all(heads)?;
            }
            std::fs::write(branch, format!("{head}\n"))?;
            std::fs::write(git_dir.join("HEAD"), format!("ref: {BRANCH}\n"))
        })
        .await?;
        if !bare {
            self.workspaces.export(&plan.newest, folder).await?;
        }
        Ok(())
    }
}

/// Makes a folder beside the target, which must be missing or empty.
fn make_aside(target: &Path) -> std::io::Result<PathBuf> {
    use std::io::{Error, ErrorKind};
    let full = std::path::absolute(target)?;
    let (Some(parent), Some(name)) = (full.parent(), full.file_name()) else {
        return Err(Error::new(ErrorKind::InvalidInput, "it has no name"));
    };
    match std::fs::read_dir(&full) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Error::new(ErrorKind::DirectoryNotEmpty, "it is not empty"));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(parent)?;
    let aside = parent.join(format!(".{}.{}.gencode-new", name.to_string_lossy(), Ulid::new()));
    std::fs::create_dir(&aside)?;
    Ok(aside)
}

/// Writes an object under its name, read-only as git does.
fn write_object(objects: &Path, id: Oid, bytes: &[u8]) -> std::io::Result<()> {
    let name = id.to_string();
    let (shelf, rest) = name.split_at(2);
    let shelf = objects.join(shelf);
    std::fs::create_dir_all(&shelf)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o444)
        .open(shelf.join(rest))?;
    file.write_all(bytes)
}

/// Runs what may block beside the runtime.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, EngineError> {
    let done = tokio::task::spawn_blocking(job).await;
    let done = done.map_err(|error| EngineError::internal("the export was cut off", error))?;
    done.map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            EngineError::StorageFull
        }
        _ => EngineError::Target(error.to_string()),
    })
}
