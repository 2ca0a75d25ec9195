//! Notes of plugins that outlive a run.

use gencode_core::{crash_around, id::ProjectId};

use crate::{Result, Store, StoreError, sql::sql};

/// Most a value may have, in bytes.
pub const MAX_MEMORY_VALUE_BYTES: u64 = 64 * 1024;

/// Most keys of one plugin in one project.
pub const MAX_MEMORY_KEYS: u64 = 1_000;

/// Most a key may have, in bytes.
const MAX_KEY_BYTES: u64 = 1_024;

impl Store {
    /// A plugin's note about a project.
    pub async fn memory_get(
        &self,
        project: &ProjectId,
        plugin: &str,
        key: &str,
    ) -> Result<Option<String>> {
        let query = sql("SELECT value FROM memory WHERE project = $1 AND plugin = $2 AND key = $3")
            .bind(project.to_string())
            .bind(plugin.to_owned())
            .bind(key.to_owned());
        let row = self.optional(query).await?;
        row.map(|row| row.text("value")).transpose()
    }

    /// Keeps a plugin's note. [`StoreError::TooLarge`] beyond the limits.
    pub async fn memory_put(
        &self,
        project: &ProjectId,
        plugin: &str,
        key: &str,
        value: &str,
    ) -> Result<()> {
        for (what, bytes, limit) in
            [("a key", key.len(), MAX_KEY_BYTES), ("a value", value.len(), MAX_MEMORY_VALUE_BYTES)]
        {
            if bytes as u64 > limit {
                return Err(StoreError::TooLarge { what, limit });
            }
        }
        let mut write = self.write(crash_around!("store.memory.put")).await?;
        write.project_status(project).await?;
        let count = sql("SELECT count(*) AS others FROM memory \
                         WHERE project = $1 AND plugin = $2 AND key <> $3")
        .bind(project.to_string())
        .bind(plugin.to_owned())
        .bind(key.to_owned());
        if let Some(row) = write.optional(count).await?
            && row.natural("others")? >= MAX_MEMORY_KEYS
        {
            return Err(StoreError::TooLarge {
                what: "the number of keys",
                limit: MAX_MEMORY_KEYS,
            });
        }
        write
            .execute(
                sql("INSERT INTO memory (project, plugin, key, value) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (project, plugin, key) DO UPDATE SET value = excluded.value")
                .bind(project.to_string())
                .bind(plugin.to_owned())
                .bind(key.to_owned())
                .bind(value.to_owned()),
            )
            .await?;
        write.commit().await
    }
}
