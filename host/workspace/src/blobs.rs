//! The blob store: content under its digest, each content once.

use std::{collections::BTreeMap, path::Path, time::SystemTime};

use gencode_core::{crash_point, digest::Digest};

use crate::{
    Result,
    limits::{MAX_BLOB_BYTES, MAX_MANIFEST_BYTES},
    local::{LocalBlobs, Stored},
};

/// All blobs of this host.
#[derive(Debug)]
pub(crate) struct Blobs {
    local: LocalBlobs,
}

impl Blobs {
    pub(crate) fn open(root: &Path) -> Result<Self> {
        Ok(Self { local: LocalBlobs::open(root)? })
    }

    /// Keeps contents. When this returns, they survive whatever happens to this process.
    pub(crate) fn put_all(&self, contents: &[&[u8]]) -> Result<()> {
        let blobs: BTreeMap<Digest, &[u8]> =
            contents.iter().map(|content| (Digest::of(content), *content)).collect();
        self.local.put_all(&blobs)?;
        crash_point!("blob.put.after");
        Ok(())
    }

    /// The content of a blob of at most `limit` bytes, checked against its name.
    pub(crate) fn get(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        self.local.get(digest, limit)
    }

    /// The content of a manifest.
    pub(crate) fn get_manifest(&self, digest: Digest) -> Result<Vec<u8>> {
        self.get(digest, MAX_MANIFEST_BYTES)
    }

    /// Reads a blob of any kind and checks it.
    pub(crate) fn verify(&self, digest: Digest) -> Result<()> {
        self.local.get(digest, MAX_BLOB_BYTES).map(drop)
    }

    /// The blobs of one shelf (the first two digits of a digest), in order of digest.
    pub(crate) fn shelf(&self, shelf: &str) -> Result<Vec<Stored>> {
        self.local.shelf(shelf)
    }

    /// Removes those of the blobs that were stored before `older_than`; returns them.
    pub(crate) fn remove(&self, digests: &[Digest], older_than: SystemTime) -> Result<Vec<Stored>> {
        self.local.remove(digests, older_than)
    }
}
