//! Who cleans up or makes a backup now: a backup must find every blob its rows name.

use std::time::Duration;

use jiff::SignedDuration;

use gencode_core::{crash_around, id::HostId, time};

use crate::{Result, Store, StoreError, sql::sql};

/// What someone wants to be let alone for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldKind {
    /// Takes things away; alone.
    Cleaning,
    /// Reads everything; beside other backups, not beside cleaning.
    Backup,
}

impl HoldKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cleaning => "cleaning",
            Self::Backup => "backup",
        }
    }
}

impl Store {
    /// Takes or renews a hold for a while. [`StoreError::Conflict`] when somebody else has one that
    /// does not go with it. A hold ends when its holder is known to be dead
    /// ([`Store::expire_host`]), or by itself when it is not renewed.
    pub async fn hold_for(&self, id: HostId, kind: HoldKind, lasting: Duration) -> Result<()> {
        let mut write = self.write(crash_around!("store.hold.take")).await?;
        write.execute(sql("UPDATE holds SET held_until = '' WHERE id = 'door'")).await?;
        let now = write.now_text();
        let query = sql("SELECT kind FROM holds WHERE kind <> 'door' AND id <> $1 \
                         AND held_until > $2 AND (kind = 'cleaning' OR $3 = 'cleaning') LIMIT 1")
        .bind(id.to_string())
        .bind(now.clone())
        .bind(kind.as_str());
        if let Some(row) = write.optional(query).await? {
            let other = row.text("kind")?;
            let what =
                if other == "backup" { "a backup is being made" } else { "a clean-up is going on" };
            return Err(StoreError::Conflict(what.to_owned()));
        }
        let lasting = SignedDuration::try_from(lasting).unwrap_or(SignedDuration::MAX);
        let until = write.now.checked_add(lasting).map_or(now, time::iso);
        let query = sql("INSERT INTO holds (id, kind, held_until) VALUES ($1, $2, $3) \
                         ON CONFLICT (id) DO UPDATE SET held_until = excluded.held_until")
        .bind(id.to_string())
        .bind(kind.as_str())
        .bind(until);
        write.execute(query).await?;
        write.commit().await
    }

    /// Gives a hold back, and forgets those that ended.
    pub async fn let_go(&self, id: HostId) -> Result<()> {
        let mut write = self.write(crash_around!("store.hold.release")).await?;
        let now = write.now_text();
        let query = sql("DELETE FROM holds WHERE kind <> 'door' AND (id = $1 OR held_until < $2)");
        write.execute(query.bind(id.to_string()).bind(now)).await?;
        write.commit().await
    }
}
