//! What housekeeping needs of the blob store: what there is, whether it is sound, what is named,
//! and taking away what nothing names.
//!
//! A blob is stored before the row that names it. Whoever removes blobs must therefore leave those
//! alone that were stored a short while ago: storing a content that is there already makes its
//! blob young again, so that "stored before" is the whole rule.

use std::{collections::BTreeSet, time::SystemTime};

use gencode_core::digest::Digest;

use crate::{
    ManifestDigest, Result, Workspaces,
    limits::{INVENTORY_PAGE, MAX_BLOB_BYTES},
    packed::Stored,
};

/// One blob of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    pub digest: Digest,
    /// Bytes it takes, compressed: its local copy, or the remote one where there is no local one.
    pub stored_bytes: u64,
    /// When it was last stored, or a content that it has already was stored again (to the minute).
    pub modified: SystemTime,
    /// Whether this machine has a copy.
    pub local: bool,
    /// Whether the remote store has it.
    pub remote: bool,
}

/// What [`Workspaces::verify_blob`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobHealth {
    /// Its content is what its name says.
    Sound,
    /// The local copy was damaged and came anew from the remote store, or the remote store did not
    /// have it and got it.
    Repaired,
}

/// What [`Workspaces::remove_blobs`] took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedBlobs {
    pub digests: BTreeSet<Digest>,
    /// Bytes they took on this machine.
    pub stored_bytes: u64,
}

impl Workspaces {
    /// The next blobs after `after` in order of digest, about a thousand at most; none at the end.
    /// Nothing is read but names, so that damaged blobs are listed too, and what only the remote
    /// store has.
    pub async fn blob_inventory(&self, after: Option<Digest>) -> Result<Vec<BlobInfo>> {
        self.run(move |inner| {
            let first = after.map_or(0, |digest| digest.as_bytes().first().copied().unwrap_or(0));
            let mut page = Vec::new();
            for shelf in first..=u8::MAX {
                let stored = inner.blobs.shelf(&format!("{shelf:02x}"))?;
                let next =
                    stored.into_iter().filter(|blob| after.is_none_or(|after| blob.digest > after));
                page.extend(next);
                if page.len() >= INVENTORY_PAGE {
                    page.truncate(INVENTORY_PAGE);
                    break;
                }
            }
            Ok(page)
        })
        .await
    }

    /// Reads a blob and compares it with its name. [`crate::WorkspaceError::CorruptBlob`] and
    /// [`crate::WorkspaceError::MissingBlob`] are the bad news.
    pub async fn verify_blob(&self, digest: Digest) -> Result<BlobHealth> {
        self.run(move |inner| inner.blobs.verify(digest)).await
    }

    /// Removes those of the blobs that were stored before `older_than`, from this machine and from
    /// the remote store, which never lets go of one stored in the last three hours. One that is
    /// younger or gone already is left out of the answer.
    ///
    /// Nothing is asked about who names them: compare with [`Workspaces::referenced_by`] first, and
    /// choose `older_than` well before the moment the names were collected.
    pub async fn remove_blobs(
        &self,
        digests: &[Digest],
        older_than: SystemTime,
    ) -> Result<RemovedBlobs> {
        let digests = digests.to_vec();
        self.run(move |inner| inner.blobs.remove(&digests, older_than)).await
    }

    /// All blobs that a state of a project needs: its manifest and the contents of its files.
    pub async fn referenced_by(&self, manifest: ManifestDigest) -> Result<BTreeSet<Digest>> {
        let files = self.manifest(manifest).await?;
        Ok(files.files().map(|(_, entry)| entry.digest).chain([manifest.0]).collect())
    }

    /// The content of a blob of any kind, checked against its name.
    pub async fn blob(&self, digest: Digest) -> Result<Vec<u8>> {
        self.run(move |inner| inner.blobs.get(digest, MAX_BLOB_BYTES)).await
    }

    /// Stores contents, whatever they are. When this returns, they are kept.
    pub async fn put_blobs(&self, contents: Vec<Vec<u8>>) -> Result<()> {
        self.run(move |inner| {
            let contents: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
            inner.blobs.put_all(&contents)
        })
        .await
    }
}

impl BlobInfo {
    pub(crate) fn new(stored: Stored, local: bool, remote: bool) -> Self {
        let Stored { digest, bytes, modified } = stored;
        Self { digest, stored_bytes: bytes, modified, local, remote }
    }
}
