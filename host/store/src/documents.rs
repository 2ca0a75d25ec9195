//! Documents that steps leave for later ones.

use gencode_core::id::{ProjectId, RunId};
use serde::{Deserialize, Serialize};

use crate::{Result, Store, StoreError, connection::Write, row::Row, sql::sql};

/// A named text, for example the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub name: String,
    pub media_type: String,
    pub content: String,
}

fn document_of(row: &Row) -> Result<Document> {
    Ok(Document {
        name: row.text("name")?,
        media_type: row.text("media_type")?,
        content: row.text("content")?,
    })
}

impl Store {
    /// A document of a run.
    pub async fn document(&self, run: RunId, name: &str) -> Result<Document> {
        let query = sql("SELECT * FROM documents WHERE run = $1 AND name = $2");
        match self.optional(query.bind(run.to_string()).bind(name.to_owned())).await? {
            Some(row) => document_of(&row),
            None => Err(StoreError::NotFound { what: "document", id: name.to_owned() }),
        }
    }

    /// All documents of a run, by name.
    pub async fn documents(&self, run: RunId) -> Result<Vec<Document>> {
        let query = sql("SELECT * FROM documents WHERE run = $1 ORDER BY name");
        let rows = self.all(query.bind(run.to_string())).await?;
        rows.iter().map(document_of).collect()
    }

    /// The newest document of each name over all runs of a project, by name.
    pub async fn project_documents(&self, project: &ProjectId) -> Result<Vec<Document>> {
        let query = sql("SELECT name, media_type, content FROM ( \
                           SELECT document.*, row_number() OVER ( \
                             PARTITION BY document.name \
                             ORDER BY document.at DESC, run.created_at DESC, run.id DESC) AS age \
                           FROM documents AS document JOIN runs AS run ON run.id = document.run \
                           WHERE run.project = $1) AS aged \
                         WHERE age = 1 ORDER BY name");
        let rows = self.all(query.bind(project.to_string())).await?;
        rows.iter().map(document_of).collect()
    }
}

impl Write {
    pub(crate) fn put_document(&mut self, run: RunId, step: &str, document: &Document) {
        let now = self.now_text();
        self.later(
            sql("INSERT INTO documents (run, name, step, media_type, content, at) \
                 VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (run, name) DO UPDATE SET step = excluded.step, \
                 media_type = excluded.media_type, content = excluded.content, at = excluded.at")
            .bind(run.to_string())
            .bind(document.name.clone())
            .bind(step.to_owned())
            .bind(document.media_type.clone())
            .bind(document.content.clone())
            .bind(now),
        );
    }
}
