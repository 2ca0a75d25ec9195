//! Checkpoints: which state of a project's files came after which.

use gencode_core::{
    crash_around,
    digest::Digest,
    event::EventBody,
    id::{CheckpointId, ProjectId, RunId},
    run::Run,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Result, Store, StoreError,
    connection::Write,
    row::{Row, to_integer},
    runs::run_of,
    sql::sql,
};

/// Most checkpoints in one page.
const MAX_PAGE: u32 = 500;

/// Who made a state of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointAuthor {
    /// The scaffold.
    Seed,
    Run,
    User,
}

impl CheckpointAuthor {
    /// The stored and shown word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Run => "run",
            Self::User => "user",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Seed, Self::Run, Self::User].into_iter().find(|author| author.as_str() == text)
    }
}

/// A state of the files that is about to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckpoint {
    pub id: CheckpointId,
    pub project: ProjectId,
    /// The newest checkpoint when this one was made; none for the first.
    pub parent: Option<CheckpointId>,
    pub run: Option<RunId>,
    /// The step that made it; empty when none did.
    pub step: String,
    /// Digest of the manifest in the blob store.
    pub manifest: Digest,
    pub author: CheckpointAuthor,
    /// Who made it, as a person reads it.
    pub performer: String,
    /// What was done: a title, then perhaps an empty line and sentences.
    pub note: String,
}

/// A recorded state of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    pub id: CheckpointId,
    pub project: ProjectId,
    pub parent: Option<CheckpointId>,
    pub run: Option<RunId>,
    pub step: String,
    pub manifest: Digest,
    pub author: CheckpointAuthor,
    /// Empty where it was not recorded.
    pub performer: String,
    /// Its first line is a title; empty where none was recorded.
    pub note: String,
    pub created_at: Timestamp,
}

/// Some checkpoints of a project, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointPage {
    pub checkpoints: Vec<Checkpoint>,
    /// Give it to [`Store::checkpoint_page`] for the next page; none at the end.
    pub next: Option<u64>,
}

/// What became of the wish to restore files.
#[derive(Debug, Clone, PartialEq)]
pub enum Restored {
    /// They are restored by this new checkpoint.
    Done(Checkpoint),
    /// The newest checkpoint has exactly these files: nothing was written.
    Already(Checkpoint),
    /// This run is not final: nothing was written.
    Busy(Box<Run>),
    /// The parent is not the newest checkpoint any more: read again.
    Moved,
}

fn checkpoint_of(row: &Row) -> Result<Checkpoint> {
    Ok(Checkpoint {
        id: row.parsed("id")?,
        project: row.parsed("project")?,
        parent: row.optional_parsed("parent")?,
        run: row.optional_parsed("run")?,
        step: row.text("step")?,
        manifest: row.parsed("manifest")?,
        author: row.word("author", CheckpointAuthor::parse)?,
        performer: row.text("performer")?,
        note: row.text("note")?,
        created_at: row.instant("created_at")?,
    })
}

const LATEST: &str = "SELECT * FROM checkpoints WHERE project = $1 ORDER BY n DESC LIMIT 1";

impl Store {
    /// Records a checkpoint outside a run, with its events.
    ///
    /// [`StoreError::Conflict`] when its parent is not the newest checkpoint: read again and merge.
    pub async fn add_checkpoint(
        &self,
        new: &NewCheckpoint,
        events: Vec<EventBody>,
    ) -> Result<Checkpoint> {
        let mut write = self.write(crash_around!("store.checkpoint.add")).await?;
        let checkpoint = write.insert_checkpoint(new).await?;
        write.append_events(&new.project, new.run, events).await?;
        write.commit().await?;
        Ok(checkpoint)
    }

    /// The newest checkpoint of a project, if any.
    pub async fn latest_checkpoint(&self, project: &ProjectId) -> Result<Option<Checkpoint>> {
        let row = self.optional(sql(LATEST).bind(project.to_string())).await?;
        row.map(|row| checkpoint_of(&row)).transpose()
    }

    /// A checkpoint.
    pub async fn checkpoint(&self, id: CheckpointId) -> Result<Checkpoint> {
        let query = sql("SELECT * FROM checkpoints WHERE id = $1").bind(id.to_string());
        match self.optional(query).await? {
            Some(row) => checkpoint_of(&row),
            None => Err(StoreError::NotFound { what: "checkpoint", id: id.to_string() }),
        }
    }

    /// Checkpoints of a project, newest first; at most `limit`.
    pub async fn checkpoints(&self, project: &ProjectId, limit: u32) -> Result<Vec<Checkpoint>> {
        let query = sql("SELECT * FROM checkpoints WHERE project = $1 ORDER BY n DESC LIMIT $2")
            .bind(project.to_string())
            .bind(i64::from(limit));
        self.all(query).await?.iter().map(checkpoint_of).collect()
    }

    /// Checkpoints of a project, newest first; at most `limit` (and at most 500). `before` is
    /// [`CheckpointPage::next`].
    pub async fn checkpoint_page(
        &self,
        project: &ProjectId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<CheckpointPage> {
        let limit = limit.clamp(1, MAX_PAGE);
        let query = sql("SELECT * FROM checkpoints WHERE project = $1 AND n < $2 \
                         ORDER BY n DESC LIMIT $3")
        .bind(project.to_string())
        .bind(to_integer(before.unwrap_or(u64::MAX)))
        .bind(i64::from(limit) + 1);
        let mut rows = self.all(query).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().filter(|_| more).map(|row| row.natural("n"));
        Ok(CheckpointPage {
            checkpoints: rows.iter().map(checkpoint_of).collect::<Result<_>>()?,
            next: last.transpose()?,
        })
    }

    /// Makes an older state of the files the newest one. Whether a run works on the project and
    /// what is newest is looked at in the same transaction.
    pub async fn restore_checkpoint(
        &self,
        new: &NewCheckpoint,
        events: Vec<EventBody>,
    ) -> Result<Restored> {
        let mut write = self.write(crash_around!("store.checkpoint.restore")).await?;
        write.project_status(&new.project).await?;
        let active = sql("SELECT * FROM runs WHERE project = $1 \
                          AND status IN ('queued', 'running', 'paused')");
        let active = write.optional(active.bind(new.project.to_string())).await?;
        let latest = write.optional(sql(LATEST).bind(new.project.to_string())).await?;
        let latest = latest.map(|row| checkpoint_of(&row)).transpose()?;
        let restored = match (active, latest) {
            (Some(run), _) => Restored::Busy(Box::new(run_of(&run)?)),
            (None, Some(latest)) if latest.manifest == new.manifest => Restored::Already(latest),
            (None, latest) if latest.as_ref().map(|latest| latest.id) != new.parent => {
                Restored::Moved
            }
            (None, _) => {
                let checkpoint = write.insert_checkpoint(new).await?;
                write.append_events(&new.project, new.run, events).await?;
                Restored::Done(checkpoint)
            }
        };
        // Also where nothing was written: what was seen may be in the same group of writes.
        write.commit().await?;
        Ok(restored)
    }
}

impl Write {
    pub(crate) async fn insert_checkpoint(&mut self, new: &NewCheckpoint) -> Result<Checkpoint> {
        self.project_status(&new.project).await?;
        let latest = self.optional(sql(LATEST).bind(new.project.to_string())).await?;
        let latest = latest.map(|row| checkpoint_of(&row)).transpose()?;
        let parent = latest.map(|latest| latest.id);
        if parent != new.parent {
            return Err(StoreError::Conflict(format!(
                "the files of project `{}` changed meanwhile",
                new.project
            )));
        }
        let now = self.now_text();
        self.execute(
            sql("INSERT INTO checkpoints \
                 (id, project, parent, run, step, manifest, author, performer, note, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(new.id.to_string())
            .bind(new.project.to_string())
            .bind(parent.map(|id| id.to_string()))
            .bind(new.run.map(|id| id.to_string()))
            .bind(new.step.clone())
            .bind(new.manifest.to_string())
            .bind(new.author.as_str())
            .bind(new.performer.clone())
            .bind(new.note.clone())
            .bind(now),
        )
        .await?;
        Ok(Checkpoint {
            id: new.id,
            project: new.project.clone(),
            parent,
            run: new.run,
            step: new.step.clone(),
            manifest: new.manifest,
            author: new.author,
            performer: new.performer.clone(),
            note: new.note.clone(),
            created_at: self.now,
        })
    }
}
