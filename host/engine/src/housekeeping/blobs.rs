//! Mark and sweep over the blob store.

use std::{
    collections::{BTreeSet, HashSet},
    time::SystemTime,
};

use gencode_core::digest::Digest;
use gencode_store::Gone;
use gencode_workspace::ManifestDigest;

use super::clean::{CleanError, Cleaned, Hold, Keeper};

/// Manifests read between two renewals of the hold.
const BATCH: usize = 256;

impl Keeper {
    /// Takes away the blobs that no kept state of files names.
    pub(crate) async fn sweep_blobs(
        &self,
        hold: &Hold<'_>,
        gone: &Gone,
        cleaned: &mut Cleaned,
    ) -> Result<(), CleanError> {
        // Before the names are collected: what is named later is young.
        let older_than = SystemTime::now()
            .checked_sub(self.policy.grace)
            .ok_or_else(|| CleanError::Unknown("the grace period is too long".to_owned()))?;
        let manifests = self.store.kept_manifests(gone).await?;
        let mut marked = self.mark(hold, &manifests).await?;
        // Hosts that share their blobs keep components among them.
        marked.extend(self.needed_components(gone).await?);
        let mut after = None;
        loop {
            let page = self
                .workspaces
                .blob_inventory(after)
                .await
                .map_err(|error| CleanError::Unknown(error.to_string()))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.digest);
            hold.renew().await?;
            let orphans = page
                .iter()
                .filter(|blob| !marked.contains(&blob.digest) && blob.modified < older_than);
            if hold.dry_run() {
                for blob in orphans {
                    cleaned.blobs.add(blob.stored_bytes);
                }
                continue;
            }
            let orphans: Vec<Digest> = orphans.map(|blob| blob.digest).collect();
            if orphans.is_empty() {
                continue;
            }
            let removed = self
                .workspaces
                .remove_blobs(&orphans, older_than)
                .await
                .map_err(|error| CleanError::Unknown(error.to_string()))?;
            cleaned.blobs.count += removed.digests.len() as u64;
            cleaned.blobs.bytes += removed.stored_bytes;
        }
    }

    /// All blobs that these states of files need. One state that cannot be read stops it all: what
    /// it needs is not known.
    async fn mark(
        &self,
        hold: &Hold<'_>,
        manifests: &BTreeSet<Digest>,
    ) -> Result<HashSet<Digest>, CleanError> {
        let mut marked = HashSet::new();
        for (number, manifest) in manifests.iter().enumerate() {
            if number % BATCH == 0 {
                hold.renew().await?;
            }
            let named = self
                .workspaces
                .referenced_by(ManifestDigest(*manifest))
                .await
                .map_err(|error| CleanError::Unknown(error.to_string()))?;
            marked.extend(named);
        }
        Ok(marked)
    }
}
