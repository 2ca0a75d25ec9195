//! Settings of the host, for example its current provider.

use gencode_core::crash_around;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Result, Store, row::to_json, sql::sql};

impl Store {
    /// A setting, if it was ever put.
    pub async fn setting<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let query = sql("SELECT value FROM settings WHERE key = $1").bind(key.to_owned());
        let row = self.optional(query).await?;
        row.map(|row| row.json("value")).transpose()
    }

    /// Keeps a setting.
    pub async fn put_setting(&self, key: &str, value: &(impl Serialize + Sync)) -> Result<()> {
        let value = to_json(value)?;
        let mut write = self.write(crash_around!("store.setting.put")).await?;
        write
            .execute(
                sql("INSERT INTO settings (key, value) VALUES ($1, $2) \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                .bind(key.to_owned())
                .bind(value),
            )
            .await?;
        write.commit().await
    }
}
