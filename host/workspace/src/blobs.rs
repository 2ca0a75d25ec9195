//! The blob store: content under its digest, each content once.
//!
//! The local directory is the whole store of one machine. With a remote store it is a copy of the
//! part that this machine uses: what is stored goes to both before it counts as stored, and what
//! is missing or damaged here comes from there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::SystemTime,
};

use gencode_core::{crash_point, digest::Digest};
use tokio::runtime::Handle;

use crate::{
    BlobHealth, RemoteConfig, Result, WorkspaceError,
    housekeeping::{BlobInfo, RemovedBlobs},
    limits::{MAX_BLOB_BYTES, MAX_MANIFEST_BYTES},
    local::LocalBlobs,
    parallel::side_by_side,
    upload::Shared,
};

/// All blobs this host can get.
#[derive(Debug)]
pub(crate) struct Blobs {
    local: LocalBlobs,
    shared: Option<Shared>,
}

impl Blobs {
    /// Opens the directory and the remote store, if there is one, which must answer.
    pub(crate) fn open(
        root: &Path,
        remote: Option<&RemoteConfig>,
        runtime: Handle,
    ) -> Result<Self> {
        let local = LocalBlobs::open(root)?;
        let shared = remote.map(|config| Shared::open(config, runtime)).transpose()?;
        Ok(Self { local, shared })
    }

    /// Keeps contents. When this returns, they survive whatever happens to this process, and with
    /// a remote store whatever happens to this machine.
    pub(crate) fn put_all(&self, contents: &[&[u8]]) -> Result<()> {
        let blobs: BTreeMap<Digest, &[u8]> =
            contents.iter().map(|content| (Digest::of(content), *content)).collect();
        let new = self.local.put_all(&blobs)?;
        if let Some(shared) = &self.shared {
            shared.store_all(&blobs, &new)?;
        }
        crash_point!("blob.put.after");
        Ok(())
    }

    /// Sees to it that blobs stay which are about to be named, though their contents are not at
    /// hand. One that is nowhere is logged, not refused: the change may be the one that mends it.
    pub(crate) fn rely_on(&self, digests: &BTreeSet<Digest>) -> Result<()> {
        let not_here = self.local.touch_all(digests)?;
        let missing = match &self.shared {
            None => not_here,
            Some(shared) => {
                let (here, nowhere): (BTreeSet<_>, BTreeSet<_>) =
                    shared.missing(digests)?.into_iter().partition(|d| !not_here.contains(d));
                self.upload(shared, &here)?;
                nowhere
            }
        };
        for digest in missing {
            tracing::error!(%digest, "a state of a project names a blob that is missing");
        }
        Ok(())
    }

    /// Brings what only this machine has to the others: blobs from before there was a remote store.
    fn upload(&self, shared: &Shared, digests: &BTreeSet<Digest>) -> Result<()> {
        let digests: Vec<Digest> = digests.iter().copied().collect();
        side_by_side(&digests, |digest| match self.local.get(*digest, MAX_BLOB_BYTES) {
            Ok(content) => {
                let blob = BTreeMap::from([(*digest, content.as_slice())]);
                shared.store_all(&blob, &BTreeSet::new())
            }
            Err(error @ WorkspaceError::CorruptBlob { .. }) => {
                tracing::error!(%digest, %error, "a blob could not be shared");
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    /// The content of a blob of at most `limit` bytes, checked against its name.
    pub(crate) fn get(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        match (self.local.get(digest, limit), &self.shared) {
            (Err(error), Some(shared)) if is_lost(&error) => {
                self.get_shared(shared, digest, limit, error)
            }
            (local, _) => local,
        }
    }

    /// The content of a blob that is not, or not soundly, here, from the remote store; a copy
    /// stays here. `local` is what comes back when it is not there either.
    fn get_shared(
        &self,
        shared: &Shared,
        digest: Digest,
        limit: u64,
        local: WorkspaceError,
    ) -> Result<Vec<u8>> {
        let Some((content, packed)) = shared.get(digest, limit)? else { return Err(local) };
        match self.local.keep_packed(digest, &packed) {
            Err(error) => tracing::warn!(%digest, %error, "no local copy of a blob could be kept"),
            Ok(()) if matches!(local, WorkspaceError::CorruptBlob { .. }) => {
                tracing::warn!(%digest, "a damaged blob was replaced from the remote store");
            }
            Ok(()) => {}
        }
        Ok(content)
    }

    /// Gets copies of blobs that are not here yet, side by side. What is not to be had is left to
    /// [`Blobs::get`] to tell.
    pub(crate) fn fetch(&self, digests: impl Iterator<Item = Digest>, limit: u64) -> Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let wanted: BTreeSet<Digest> = digests.filter(|digest| !self.local.has(*digest)).collect();
        let wanted: Vec<Digest> = wanted.into_iter().collect();
        side_by_side(&wanted, |digest| {
            let missing = WorkspaceError::MissingBlob { digest: *digest };
            match self.get_shared(shared, *digest, limit, missing) {
                Err(error) if !is_lost(&error) => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// Keeps bytes for the other hosts, if there is a store they share.
    pub(crate) fn share(&self, content: &[u8]) -> Result<()> {
        self.shared.as_ref().map_or(Ok(()), |shared| shared.keep_aside(content))
    }

    /// The bytes that a host shared.
    pub(crate) fn shared(&self, digest: Digest) -> Result<Option<Vec<u8>>> {
        match &self.shared {
            Some(shared) => shared.get_aside(digest, MAX_BLOB_BYTES),
            None => Ok(None),
        }
    }

    /// The content of a manifest.
    pub(crate) fn get_manifest(&self, digest: Digest) -> Result<Vec<u8>> {
        self.get(digest, MAX_MANIFEST_BYTES)
    }

    /// Reads a blob of any kind, checks it, and puts right what can be put right.
    pub(crate) fn verify(&self, digest: Digest) -> Result<BlobHealth> {
        let local = self.local.get(digest, MAX_BLOB_BYTES);
        let Some(shared) = &self.shared else { return local.map(|_| BlobHealth::Sound) };
        match local {
            Ok(content) => {
                if shared.missing(&BTreeSet::from([digest]))?.is_empty() {
                    return Ok(BlobHealth::Sound);
                }
                let blob = BTreeMap::from([(digest, content.as_slice())]);
                shared.store_all(&blob, &BTreeSet::new())?;
                Ok(BlobHealth::Repaired)
            }
            // Most blobs of other machines are not here, and need not be.
            Err(error @ WorkspaceError::MissingBlob { .. }) => {
                shared.get(digest, MAX_BLOB_BYTES)?.map_or(Err(error), |_| Ok(BlobHealth::Sound))
            }
            Err(error @ WorkspaceError::CorruptBlob { .. }) => {
                self.get_shared(shared, digest, MAX_BLOB_BYTES, error)?;
                Ok(BlobHealth::Repaired)
            }
            Err(error) => Err(error),
        }
    }

    /// The blobs of one shelf (the first two digits of a digest), in order of digest.
    pub(crate) fn shelf(&self, shelf: &str) -> Result<Vec<BlobInfo>> {
        let mut all: BTreeMap<Digest, BlobInfo> = BTreeMap::new();
        for stored in self.local.shelf(shelf)? {
            let (local, remote) = (true, false);
            all.insert(stored.digest, BlobInfo::new(stored, local, remote));
        }
        let Some(shared) = &self.shared else { return Ok(all.into_values().collect()) };
        for stored in shared.shelf(shelf)? {
            let (local, remote) = (false, true);
            let info = all.entry(stored.digest).or_insert(BlobInfo::new(stored, local, remote));
            info.remote = true;
            info.modified = info.modified.max(stored.modified);
        }
        Ok(all.into_values().collect())
    }

    /// Removes those of the blobs that were stored before `older_than`, here and in the remote
    /// store.
    pub(crate) fn remove(
        &self,
        digests: &[Digest],
        older_than: SystemTime,
    ) -> Result<RemovedBlobs> {
        let mut removed = RemovedBlobs::default();
        for blob in self.local.remove(digests, older_than)? {
            removed.digests.insert(blob.digest);
            removed.stored_bytes = removed.stored_bytes.saturating_add(blob.bytes);
        }
        if let Some(shared) = &self.shared {
            // What is young here is about to be named, whatever its age elsewhere.
            let gone: Vec<Digest> =
                digests.iter().filter(|digest| !self.local.has(**digest)).copied().collect();
            removed.digests.extend(shared.remove(&gone, older_than)?);
        }
        Ok(removed)
    }
}

/// Whether another copy of the blob is the remedy.
fn is_lost(error: &WorkspaceError) -> bool {
    matches!(error, WorkspaceError::MissingBlob { .. } | WorkspaceError::CorruptBlob { .. })
}
