//! Projects: everything about an application but its files and history.

use gencode_core::{
    crash_around,
    id::ProjectId,
    project::{Project, ProjectStatus},
    run::RunStatus,
    time,
};

use crate::{
    Once, Result, Store, StoreError,
    connection::{KeptProject, Write},
    row::Row,
    sql::sql,
};

const MAX_PAGE: u32 = 500;

/// Some projects, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectPage {
    pub projects: Vec<Project>,
    /// Give it to [`Store::list_projects`] for the next page; none at the end.
    pub next: Option<String>,
}

fn project_of(row: &Row) -> Result<Project> {
    Ok(Project {
        id: row.parsed("id")?,
        name: row.text("name")?,
        description: row.text("description")?,
        provider: row.optional_text("provider")?,
        model: row.optional_text("model")?,
        status: row.word("status", ProjectStatus::parse)?,
        created_at: row.instant("created_at")?,
        modified_at: row.instant("modified_at")?,
        forked_from: row.optional_json("forked_from")?,
    })
}

impl Store {
    /// Adds a project. [`StoreError::Conflict`] when its id is taken.
    pub async fn create_project(&self, project: &Project) -> Result<()> {
        self.create_project_once(project, None).await
    }

    /// [`Store::create_project`] for a request that may be repeated; its outcome is the project.
    pub async fn create_project_once(&self, project: &Project, once: Option<&Once>) -> Result<()> {
        let mut write = self.write(crash_around!("store.project.create")).await?;
        if !write.insert_project(project).await? {
            return Err(StoreError::Conflict(format!(
                "there is already a project `{}`",
                project.id
            )));
        }
        write.keep_outcome(once, project).await?;
        write.commit().await
    }

    /// The project.
    pub async fn project(&self, id: &ProjectId) -> Result<Project> {
        let row = self.optional(sql("SELECT * FROM projects WHERE id = $1").bind(id.to_string()));
        match row.await? {
            Some(row) => project_of(&row),
            None => Err(no_project(id)),
        }
    }

    /// Projects, newest first; at most 500 at once. `cursor` is [`ProjectPage::next`].
    pub async fn list_projects(&self, limit: u32, cursor: Option<&str>) -> Result<ProjectPage> {
        let limit = limit.clamp(1, MAX_PAGE);
        // A cursor names the last project shown, as "created_at id": it stays right when projects
        // are added or deleted meanwhile.
        let (at, id) = cursor.and_then(|cursor| cursor.split_once(' ')).unwrap_or(("~", "~"));
        let mut rows = self
            .all(
                sql("SELECT * FROM projects WHERE (created_at, id) < ($1, $2) \
                     ORDER BY created_at DESC, id DESC LIMIT $3")
                .bind(at.to_owned())
                .bind(id.to_owned())
                .bind(i64::from(limit) + 1),
            )
            .await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let projects = rows.iter().map(project_of).collect::<Result<Vec<_>>>()?;
        let next = projects
            .last()
            .filter(|_| more)
            .map(|last| format!("{} {}", time::iso(last.created_at), last.id));
        Ok(ProjectPage { projects, next })
    }

    /// Deletes the project with its history. What it cost stays in the ledger. Refused while it has a
    /// run that is not final.
    pub async fn delete_project(&self, id: &ProjectId) -> Result<()> {
        let mut write = self.write(crash_around!("store.project.delete")).await?;
        // All runs, not only the active ones, and before the project: that is the order of all locks.
        let runs = sql("SELECT status FROM runs WHERE project = $1 ORDER BY id");
        let runs = write.all(runs.bind(id.to_string()).locking()).await?;
        let mut active = false;
        for run in &runs {
            active |= !run.word("status", RunStatus::parse)?.is_final();
        }
        if active {
            return Err(StoreError::Conflict(format!(
                "project `{id}` has a run that is not finished; stop it first"
            )));
        }
        let query = sql("DELETE FROM projects WHERE id = $1").bind(id.to_string());
        if write.execute(query).await? == 0 {
            return Err(no_project(id));
        }
        write.commit().await
    }
}

pub(crate) fn no_project(id: &ProjectId) -> StoreError {
    StoreError::NotFound { what: "project", id: id.to_string() }
}

impl Write {
    /// State of the project as this write sees it. Nobody else changes the project until the write
    /// is done.
    pub(crate) async fn project_status(&mut self, id: &ProjectId) -> Result<ProjectStatus> {
        Ok(self.keep_project(id).await?.status)
    }

    /// Reads the project and keeps it, unless this write has it already.
    pub(crate) async fn keep_project(&mut self, id: &ProjectId) -> Result<KeptProject> {
        if let Some(project) = self.project.as_ref().filter(|project| project.id == *id) {
            return Ok(project.clone());
        }
        let query = sql("SELECT status, last_seq FROM projects WHERE id = $1");
        let query = query.bind(id.to_string()).locking();
        let row = self.optional(query).await?.ok_or_else(|| no_project(id))?;
        let project = KeptProject {
            id: id.clone(),
            status: row.word("status", ProjectStatus::parse)?,
            last_seq: row.natural("last_seq")?,
        };
        self.project = Some(project.clone());
        Ok(project)
    }

    /// Takes the project to `to`, if the rules allow it.
    pub(crate) async fn project_becomes(
        &mut self,
        id: &ProjectId,
        to: ProjectStatus,
    ) -> Result<()> {
        let from = self.project_status(id).await?;
        from.become_(to)?;
        let now = self.now_text();
        self.execute(
            sql("UPDATE projects SET status = $2, modified_at = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(to.as_str())
                .bind(now),
        )
        .await?;
        if let Some(project) = &mut self.project {
            project.status = to;
        }
        Ok(())
    }
}
