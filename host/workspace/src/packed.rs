//! The stored form of a blob: one zstd frame named `ab/cdef…`, the same on the disk and in a
//! remote store.

use std::{
    io::{self, Read},
    time::SystemTime,
};

use gencode_core::digest::Digest;

use crate::{Result, WorkspaceError};

/// zstd's default: text shrinks to a quarter at hundreds of megabytes a second.
const LEVEL: i32 = 3;

/// The stored form of a content.
pub(crate) fn pack(content: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(content, LEVEL)
}

/// The content of at most `limit` bytes from its stored form, checked against its name.
pub(crate) fn unpack(packed: impl Read, digest: Digest, limit: u64) -> Result<Vec<u8>> {
    let corrupt = |_| WorkspaceError::CorruptBlob { digest };
    let mut content = Vec::new();
    zstd::stream::read::Decoder::new(packed)
        .and_then(|decoder| decoder.take(limit.saturating_add(1)).read_to_end(&mut content))
        .map_err(corrupt)?;
    if content.len() as u64 > limit || Digest::of(&content) != digest {
        return Err(WorkspaceError::CorruptBlob { digest });
    }
    Ok(content)
}

/// Most bytes the stored form of a content of `limit` bytes has: noise does not shrink.
pub(crate) const fn most_packed(limit: u64) -> u64 {
    limit.saturating_add(limit / 64).saturating_add(1024)
}

/// Where a blob lies: its shelf (the first two digits of its digest) and its name in it.
pub(crate) fn place(digest: Digest) -> (String, String) {
    let text = digest.to_string();
    let (shelf, name) = text.split_at(2);
    (shelf.to_owned(), name.to_owned())
}

/// The digest of a blob by where it lies. Only the spelling of [`place`] is a blob's.
pub(crate) fn digest_of(shelf: &str, name: &str) -> Option<Digest> {
    let digest: Digest = format!("{shelf}{name}").parse().ok()?;
    let (its_shelf, its_name) = place(digest);
    (its_shelf == shelf && its_name == name).then_some(digest)
}

/// What is known about a stored blob without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    /// Bytes it takes, compressed.
    pub(crate) bytes: u64,
    pub(crate) modified: SystemTime,
}
