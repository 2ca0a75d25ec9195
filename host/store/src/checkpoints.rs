//! Checkpoints: which state of a project's files came after which.

use gencode_core::{
    crash_around,
    digest::Digest,
    event::EventBody,
    id::{CheckpointId, ProjectId, RunId},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{Result, Store, StoreError, connection::Write, row::Row, sql::sql};

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
    pub created_at: Timestamp,
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
        self.all(query).await?.iter().map(|row| checkpoint_of(row)).collect()
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
                 (id, project, parent, run, step, manifest, author, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(new.id.to_string())
            .bind(new.project.to_string())
            .bind(parent.map(|id| id.to_string()))
            .bind(new.run.map(|id| id.to_string()))
            .bind(new.step.clone())
            .bind(new.manifest.to_string())
            .bind(new.author.as_str())
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
            created_at: self.now,
        })
    }
}
