//! The file of a backup: a tar in zstd, written by one thread and read by another.
//!
//! ```text
//! backup.json                what this is: format, schema, when, by which host
//! tables/<table>/<n>.jsonl   rows of the database, one JSON object a line
//! blobs/<digest>             contents and manifests of files, as they are
//! components/<digest>.wasm   components that runs began with
//! manifest.json              what must be in it: counts, sizes and digests; written last
//! ```
//!
//! Blobs and components are named by their digests, the other entries are listed in the manifest
//! with theirs. A file that was cut off has no manifest.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, BufWriter, Read as _},
    path::Path,
};

use gencode_core::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Version of the form described above.
pub(crate) const FORMAT: u32 = 1;

pub(crate) const HEAD: &str = "backup.json";
pub(crate) const MANIFEST: &str = "manifest.json";

/// Compression: zstd's default.
const LEVEL: i32 = 3;

/// No entry is larger; one that says so is not ours.
const MAX_ENTRY_BYTES: u64 = 512 << 20;

/// Entries that wait for the disk.
pub(crate) const QUEUE: usize = 4;

/// First entry of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub format: u32,
    /// Version of the database's schema.
    pub schema: i64,
    pub created_at: Timestamp,
    /// Version of the host that made it.
    pub gencode: String,
}

/// Size and digest of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryInfo {
    pub bytes: u64,
    pub digest: Digest,
}

/// Last entry of a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    pub blobs: u64,
    pub components: u64,
    /// Bytes before compression.
    pub bytes: u64,
    /// Digest of the names of blobs and components in their order.
    pub names: Option<Digest>,
    /// All other entries.
    pub entries: BTreeMap<String, EntryInfo>,
    /// What was damaged or missing already when the backup was made.
    pub missing: Vec<String>,
}

/// Adds up what goes by, on both sides, so that the two can be compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) contents: Contents,
    names: Vec<u8>,
}

impl Tally {
    /// Takes note of an entry. False when its name is a digest and not that of its content.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) -> bool {
        let (bytes, digest) = (content.len() as u64, Digest::of(content));
        self.contents.bytes += bytes;
        let named = match name.split_once('/') {
            Some(("blobs", digest)) => {
                self.contents.blobs += 1;
                digest
            }
            Some(("components", file)) => {
                self.contents.components += 1;
                file.trim_end_matches(".wasm")
            }
            _ => {
                self.contents.entries.insert(name.to_owned(), EntryInfo { bytes, digest });
                return true;
            }
        };
        self.names.extend_from_slice(named.as_bytes());
        named == digest.to_string()
    }

    /// What was added, with the digest of the names.
    pub(crate) fn whole(mut self) -> Contents {
        self.contents.names = Some(Digest::of(&self.names));
        self.contents
    }
}

/// One entry on its way.
pub(crate) type Entry = (String, Vec<u8>);

/// Writes entries as they come, and everything to the disk. Blocks.
pub(crate) fn pack(file: File, mut entries: mpsc::Receiver<Entry>) -> io::Result<()> {
    let mut compressed = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
    compressed.include_checksum(true)?;
    let mut tar = tar::Builder::new(compressed);
    while let Some((name, content)) = entries.blocking_recv() {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_slice())?;
    }
    let file = tar.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// Reads all entries of a file. Blocks. Ends early when nobody wants more.
pub(crate) fn unpack(file: &Path, entries: &mpsc::Sender<Entry>) -> io::Result<()> {
    let file = BufReader::new(File::open(file)?);
    let mut archive = tar::Archive::new(zstd::Decoder::new(file)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.size() > MAX_ENTRY_BYTES {
            return Err(io::Error::other(format!("`{name}` is too large to be of a backup")));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if entries.blocking_send((name, content)).is_err() {
            return Ok(());
        }
    }
    // To the very end, where the checksum is.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
}
