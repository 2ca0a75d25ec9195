//! Components the host knows.

use gencode_core::{crash_around, digest::Digest};
use jiff::Timestamp;

use crate::{Result, Store, row::Row, sql::sql};

/// A component that was added once. Never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRecord {
    /// Digest of the component's bytes.
    pub digest: Digest,
    pub id: String,
    pub version: String,
    /// Text of its `plugin.toml`.
    pub manifest: String,
    pub added_at: Timestamp,
}

fn plugin_of(row: &Row) -> Result<PluginRecord> {
    Ok(PluginRecord {
        digest: row.parsed("digest")?,
        id: row.text("id")?,
        version: row.text("version")?,
        manifest: row.text("manifest")?,
        added_at: row.instant("added_at")?,
    })
}

impl Store {
    /// Makes a component known. Returns false when it was known already.
    pub async fn add_plugin(
        &self,
        digest: Digest,
        id: &str,
        version: &str,
        manifest: &str,
    ) -> Result<bool> {
        let mut write = self.write(crash_around!("store.plugin.add")).await?;
        let now = write.now_text();
        let added = write
            .execute(
                sql("INSERT INTO plugins (digest, id, version, manifest, added_at) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO NOTHING")
                .bind(digest.to_string())
                .bind(id.to_owned())
                .bind(version.to_owned())
                .bind(manifest.to_owned())
                .bind(now),
            )
            .await?;
        write.commit().await?;
        Ok(added == 1)
    }

    /// A component by its digest, if known.
    pub async fn plugin(&self, digest: Digest) -> Result<Option<PluginRecord>> {
        let query = sql("SELECT * FROM plugins WHERE digest = $1").bind(digest.to_string());
        let row = self.optional(query).await?;
        row.map(|row| plugin_of(&row)).transpose()
    }

    /// All known components, by id, oldest first.
    pub async fn plugins(&self) -> Result<Vec<PluginRecord>> {
        let rows = self.all(sql("SELECT * FROM plugins ORDER BY id, added_at, digest")).await?;
        rows.iter().map(plugin_of).collect()
    }
}
