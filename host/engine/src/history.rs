//! Checkpoints for people: what states the files had, what changed, and back to any of them.

mod compare;
mod git;
mod repository;

use std::collections::{HashMap, hash_map::Entry};

use gencode_core::{
    digest::Digest,
    event::EventBody,
    id::{CheckpointId, ProjectId, RunId},
    path::WorkspacePath,
    time::iso,
};
use gencode_store::{
    Checkpoint, CheckpointAuthor, NewCheckpoint, Restored as StoreRestored, Store, StoreError,
};
use gencode_workspace::{
    Author, ChangeKind, FileChange, FileDiff, Manifest, ManifestDigest, WorkspaceError, Workspaces,
};
use serde::Serialize;

pub use self::{
    compare::{Comparison, FilesCompared, Outcome, RunOutcome, StepOutcome, StepPair},
    repository::Exported,
};
use crate::{Engine, EngineError};

/// Times a restore is tried again because someone saved files meanwhile.
const RESTORE_TRIES: u32 = 20;

/// The history of projects. Needs the database and the files, but no plugins; cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    store: Store,
    workspaces: Workspaces,
}

/// One state of a project's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CheckpointInfo {
    pub id: CheckpointId,
    /// The state before; none for the first.
    pub parent: Option<CheckpointId>,
    pub run: Option<RunId>,
    /// The step that made it; empty when none did.
    pub step: String,
    #[schema(value_type = String)]
    pub author: CheckpointAuthor,
    /// Who made it, as a person reads it; empty where it was not recorded.
    pub performer: String,
    pub created_at: String,
    /// Its first line is a title.
    pub note: String,
    /// How it differs from the state before; none when that state is no longer kept.
    pub changes: Option<ChangeCounts>,
}

/// How many files differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ChangeCounts {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
}

/// Some checkpoints, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CheckpointList {
    pub checkpoints: Vec<CheckpointInfo>,
    /// Where the next page begins; none at the end.
    pub next: Option<u64>,
}

/// A checkpoint with its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CheckpointFiles {
    #[serde(flatten)]
    pub checkpoint: CheckpointInfo,
    /// All files, sorted by path.
    pub files: Vec<FileInfo>,
    /// What changed since the state before; none when that state is no longer kept.
    #[schema(value_type = Option<Vec<Object>>)]
    pub changed: Option<Vec<FileChange>>,
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FileInfo {
    pub path: WorkspacePath,
    /// Bytes.
    pub size: u64,
    pub executable: bool,
    /// Who wrote it; what a user wrote once stays the user's.
    #[schema(value_type = String)]
    pub author: Author,
}

/// What differs between two checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CheckpointDiff {
    /// None: the state before the first checkpoint, which has no files.
    pub from: Option<CheckpointId>,
    pub to: CheckpointId,
    pub counts: ChangeCounts,
    #[schema(value_type = Vec<Object>)]
    pub files: Vec<FileDiff>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Restored {
    /// Whether there is a new checkpoint; not when the files were so already.
    pub restored: bool,
    /// The newest checkpoint.
    pub checkpoint: CheckpointInfo,
    /// Files the user changed in the project's folder. Where there are any, the folder was left
    /// alone; the checkpoint is as asked.
    pub folder_kept: Vec<WorkspacePath>,
}

impl Engine {
    /// The history of this engine's projects.
    pub fn history(&self) -> History {
        History::new(self.0.store.clone(), self.0.workspaces.clone())
    }
}

impl History {
    /// The history in a database and its files.
    pub fn new(store: Store, workspaces: Workspaces) -> Self {
        Self { store, workspaces }
    }

    /// Checkpoints of a project, newest first; `before` is [`CheckpointList::next`].
    pub async fn list(
        &self,
        project: &ProjectId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<CheckpointList, EngineError> {
        self.store.project(project).await?;
        let page = self.store.checkpoint_page(project, before, limit).await?;
        // A state is looked at twice: as itself and as the one before its successor.
        let mut known = HashMap::new();
        let mut checkpoints = Vec::with_capacity(page.checkpoints.len());
        for checkpoint in page.checkpoints {
            let before = self.before(&checkpoint).await?;
            let counts = match &before {
                Some(before) => self.counts(&mut known, *before, checkpoint.manifest).await,
                None => None,
            };
            checkpoints.push(info(checkpoint, counts));
        }
        Ok(CheckpointList { checkpoints, next: page.next })
    }

    /// A checkpoint with its files.
    pub async fn show(
        &self,
        project: &ProjectId,
        id: CheckpointId,
    ) -> Result<CheckpointFiles, EngineError> {
        let checkpoint = self.checkpoint(project, id).await?;
        let manifest = self.manifest(checkpoint.manifest).await?;
        let before = match self.before(&checkpoint).await? {
            Some(before) => self.kept_manifest(before).await,
            None => None,
        };
        let changed = before.map(|before| before.changes_to(&manifest));
        let file = |(path, entry): (&WorkspacePath, &gencode_workspace::Entry)| FileInfo {
            path: path.clone(),
            size: entry.size,
            executable: entry.executable,
            author: entry.author,
        };
        Ok(CheckpointFiles {
            checkpoint: info(checkpoint, changed.as_deref().map(count)),
            files: manifest.files().map(file).collect(),
            changed,
        })
    }

    /// Text of a file as it was in a checkpoint.
    pub async fn read_file(
        &self,
        project: &ProjectId,
        id: CheckpointId,
        path: &str,
    ) -> Result<String, EngineError> {
        let checkpoint = self.checkpoint(project, id).await?;
        let path: WorkspacePath = path.parse()?;
        let manifest = self.manifest(checkpoint.manifest).await?;
        let bytes = self.workspaces.read(&manifest, &path).await?;
        String::from_utf8(bytes).map_err(|_| EngineError::BinaryFile(path.to_string()))
    }

    /// What differs between two checkpoints. Without `to`, the newest; without `from`, the state
    /// before `to`.
    pub async fn diff(
        &self,
        project: &ProjectId,
        from: Option<CheckpointId>,
        to: Option<CheckpointId>,
    ) -> Result<CheckpointDiff, EngineError> {
        let to = match to {
            Some(id) => self.checkpoint(project, id).await?,
            None => self.head(project).await?,
        };
        let from = match from.or(to.parent) {
            Some(id) => Some(self.checkpoint(project, id).await?),
            None => None,
        };
        let old = match &from {
            Some(from) => self.manifest(from.manifest).await?,
            None => Manifest::default(),
        };
        let files = self.workspaces.diff(&old, &self.manifest(to.manifest).await?).await?;
        let counts = counted(files.iter().map(|file| file.file.change));
        Ok(CheckpointDiff { from: from.map(|from| from.id), to: to.id, counts, files })
    }

    /// Makes the files what they were in a checkpoint, by a new checkpoint: nothing is lost, and
    /// another restore undoes it. Refused while a run works on the project. Where the files are
    /// so already, nothing is written.
    pub async fn restore(
        &self,
        project: &ProjectId,
        id: CheckpointId,
    ) -> Result<Restored, EngineError> {
        let wanted = self.checkpoint(project, id).await?;
        let after = self.manifest(wanted.manifest).await?;
        for _ in 0..RESTORE_TRIES {
            let head = self.head(project).await?;
            let before = self.manifest(head.manifest).await?;
            let changes = before.changes_to(&after);
            self.keep(&after, changes.iter().map(|change| &change.path)).await?;
            let title = title_of(&wanted);
            let new = NewCheckpoint {
                id: crate::new_checkpoint_id(),
                project: project.clone(),
                parent: Some(head.id),
                run: None,
                step: String::new(),
                manifest: wanted.manifest,
                author: CheckpointAuthor::User,
                performer: "User".to_owned(),
                note: format!("Restored: {title}\n\nThe files are as they were in {id}."),
            };
            let event = EventBody::FilesRestored {
                from: id,
                checkpoint: new.id,
                paths: changes.iter().map(|change| change.path.to_string()).collect(),
            };
            match self.store.restore_checkpoint(&new, vec![event]).await? {
                StoreRestored::Done(checkpoint) => {
                    let folder_kept = self.follow(project, &before, &after).await?;
                    let checkpoint = info(checkpoint, Some(count(&changes)));
                    return Ok(Restored { restored: true, checkpoint, folder_kept });
                }
                StoreRestored::Already(checkpoint) => {
                    // The folder may lag behind: a crash came between a commit and its folder.
                    let before = self.before(&checkpoint).await?;
                    let mut known = HashMap::new();
                    let mut counts = None;
                    let mut folder_kept = Vec::new();
                    if let Some(before) = before
                        && let Some(old) = self.kept_manifest(before).await
                    {
                        folder_kept = self.follow(project, &old, &after).await?;
                        counts = self.counts(&mut known, before, checkpoint.manifest).await;
                    }
                    let checkpoint = info(checkpoint, counts);
                    return Ok(Restored { restored: false, checkpoint, folder_kept });
                }
                StoreRestored::Busy(run) => {
                    return Err(EngineError::Busy(format!(
                        "run {} of project `{project}` is {}; its files can be restored when it \
                         has ended or was stopped",
                        run.id,
                        run.status.as_str()
                    )));
                }
                StoreRestored::Moved => {}
            }
        }
        Err(EngineError::Busy(format!("the files of project `{project}` keep changing")))
    }

    /// Sees to it that a state that is about to be named again stays, and can be read. In this order:
    /// what was made young before it was found whole is not cleaned away in between.
    pub(crate) async fn keep(
        &self,
        state: &Manifest,
        paths: impl Iterator<Item = &WorkspacePath> + Send,
    ) -> Result<(), EngineError> {
        self.workspaces.save_manifest(state.clone()).await?;
        for entry in paths.filter_map(|path| state.get(path)) {
            self.workspaces.verify_blob(entry.digest).await?;
        }
        Ok(())
    }

    /// Lets the project's folder follow; names the files of the user's that kept it from that.
    async fn follow(
        &self,
        project: &ProjectId,
        before: &Manifest,
        after: &Manifest,
    ) -> Result<Vec<WorkspacePath>, EngineError> {
        match self.workspaces.apply(project, before, after).await {
            Ok(()) => Ok(Vec::new()),
            Err(WorkspaceError::Conflict { paths }) => Ok(paths),
            Err(error) => Err(error.into()),
        }
    }

    /// A checkpoint of this project.
    async fn checkpoint(
        &self,
        project: &ProjectId,
        id: CheckpointId,
    ) -> Result<Checkpoint, EngineError> {
        self.store.project(project).await?;
        let checkpoint = self.store.checkpoint(id).await?;
        if checkpoint.project != *project {
            return Err(EngineError::NoSuchCheckpoint(id.to_string()));
        }
        Ok(checkpoint)
    }

    async fn head(&self, project: &ProjectId) -> Result<Checkpoint, EngineError> {
        self.store.project(project).await?;
        let head = self.store.latest_checkpoint(project).await?;
        head.ok_or_else(|| EngineError::Busy(format!("project `{project}` has no files yet")))
    }

    async fn manifest(&self, digest: Digest) -> Result<Manifest, EngineError> {
        Ok(self.workspaces.manifest(ManifestDigest(digest)).await?)
    }

    /// A manifest that is shown if it can be: a state that is no longer kept takes only its own
    /// numbers out of a list.
    async fn kept_manifest(&self, state: Before) -> Option<Manifest> {
        let Before::State(digest) = state else { return Some(Manifest::default()) };
        match self.workspaces.manifest(ManifestDigest(digest)).await {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                tracing::warn!(manifest = %digest, %error, "a state of files cannot be read");
                None
            }
        }
    }

    /// What was before a checkpoint; none when it is no longer kept.
    async fn before(&self, checkpoint: &Checkpoint) -> Result<Option<Before>, EngineError> {
        let Some(parent) = checkpoint.parent else { return Ok(Some(Before::Nothing)) };
        match self.store.checkpoint(parent).await {
            Ok(parent) => Ok(Some(Before::State(parent.manifest))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn counts(
        &self,
        known: &mut HashMap<Before, Option<Manifest>>,
        before: Before,
        after: Digest,
    ) -> Option<ChangeCounts> {
        for state in [before, Before::State(after)] {
            if let Entry::Vacant(unknown) = known.entry(state) {
                unknown.insert(self.kept_manifest(state).await);
            }
        }
        let old = known.get(&before)?.as_ref()?;
        let new = known.get(&Before::State(after))?.as_ref()?;
        Some(count(&old.changes_to(new)))
    }
}

/// A state of the files, or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Before {
    Nothing,
    State(Digest),
}

fn count(changes: &[FileChange]) -> ChangeCounts {
    counted(changes.iter().map(|change| change.change))
}

fn counted(changes: impl Iterator<Item = ChangeKind>) -> ChangeCounts {
    let mut counts = ChangeCounts::default();
    for change in changes {
        match change {
            ChangeKind::Added => counts.added += 1,
            ChangeKind::Changed => counts.changed += 1,
            ChangeKind::Removed => counts.removed += 1,
        }
    }
    counts
}

/// What a person calls a checkpoint.
fn title_of(checkpoint: &Checkpoint) -> &str {
    let title = checkpoint.note.lines().next().unwrap_or_default();
    match (title, checkpoint.step.as_str()) {
        ("", "") => checkpoint.author.as_str(),
        ("", step) => step,
        (title, _) => title,
    }
}

fn info(checkpoint: Checkpoint, changes: Option<ChangeCounts>) -> CheckpointInfo {
    CheckpointInfo {
        id: checkpoint.id,
        parent: checkpoint.parent,
        run: checkpoint.run,
        author: checkpoint.author,
        created_at: iso(checkpoint.created_at),
        step: checkpoint.step,
        performer: checkpoint.performer,
        note: checkpoint.note,
        changes,
    }
}
