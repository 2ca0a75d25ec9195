//! How the preview of a project is started again.

use gencode_core::{crash_around, id::ProjectId};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    Result, Store,
    row::{Row, to_json},
    sql::sql,
};

/// The preview of a project. The spec's form is the sandbox's business.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewRecord {
    pub project: ProjectId,
    pub spec: Value,
    pub created_at: Timestamp,
}

fn preview_of(row: &Row) -> Result<PreviewRecord> {
    Ok(PreviewRecord {
        project: row.parsed("project")?,
        spec: row.json("spec")?,
        created_at: row.instant("created_at")?,
    })
}

impl Store {
    /// Keeps the preview of a project; the earlier one is replaced.
    pub async fn put_preview(&self, project: &ProjectId, spec: &Value) -> Result<()> {
        let spec = to_json(spec)?;
        let mut write = self.write(crash_around!("store.preview.put")).await?;
        write.project_status(project).await?;
        let now = write.now_text();
        write
            .execute(
                sql("INSERT INTO previews (project, spec, created_at) VALUES ($1, $2, $3) \
                     ON CONFLICT (project) DO UPDATE \
                     SET spec = excluded.spec, created_at = excluded.created_at")
                .bind(project.to_string())
                .bind(spec)
                .bind(now),
            )
            .await?;
        write.commit().await
    }

    /// The preview of a project, if it has one.
    pub async fn preview(&self, project: &ProjectId) -> Result<Option<PreviewRecord>> {
        let query = sql("SELECT * FROM previews WHERE project = $1").bind(project.to_string());
        let row = self.optional(query).await?;
        row.map(|row| preview_of(&row)).transpose()
    }

    /// All previews, by project.
    pub async fn previews(&self) -> Result<Vec<PreviewRecord>> {
        let rows = self.all(sql("SELECT * FROM previews ORDER BY project")).await?;
        rows.iter().map(preview_of).collect()
    }
}
