//! The blob store: content under its digest, compressed, each content once.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::{Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};
use gencode_core::digest::Digest;

use crate::{Result, WorkspaceError, limits::MAX_MANIFEST_BYTES, staging::Staging};

/// zstd's default: text shrinks to a quarter at hundreds of megabytes a second.
const LEVEL: i32 = 3;

/// A local directory of blobs: `ab/cdef…`.
#[derive(Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
    dir: Dir,
    staging: Staging,
}

impl Blobs {
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let fail = |error| WorkspaceError::io(root, error);
        std::fs::create_dir_all(root).map_err(fail)?;
        let staging = Staging::open(root)?;
        let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(fail)?;
        Ok(Self { root: root.to_owned(), dir, staging })
    }

    /// Where a blob lives: its directory and its name in it.
    fn place(digest: Digest) -> (String, String) {
        let text = digest.to_string();
        let (shelf, name) = text.split_at(2);
        (shelf.to_owned(), name.to_owned())
    }

    fn fail(&self) -> impl Fn(io::Error) -> WorkspaceError {
        |error| WorkspaceError::io(&self.root, error)
    }

    /// Keeps contents and returns their digests, in order. When this returns, they are on the disk.
    pub(crate) fn put_all<'c>(
        &self,
        contents: impl IntoIterator<Item = &'c [u8]>,
    ) -> Result<Vec<Digest>> {
        let mut digests = Vec::new();
        let mut shelves = BTreeSet::new();
        for content in contents {
            let digest = Digest::of(content);
            // A blob that is there but damaged is replaced: we have its content at hand.
            if self.get(digest, content.len() as u64).is_err() {
                self.put(digest, content).map_err(self.fail())?;
            }
            shelves.insert(Self::place(digest).0);
            digests.push(digest);
        }
        // Also for blobs that were there: whoever is just writing them may not have come this far.
        for shelf in shelves {
            sync_dir(&self.root.join(shelf)).map_err(self.fail())?;
        }
        Ok(digests)
    }

    fn put(&self, digest: Digest, content: &[u8]) -> io::Result<()> {
        let (shelf, name) = Self::place(digest);
        let compressed = zstd::bulk::compress(content, LEVEL)?;
        match self.dir.create_dir(&shelf) {
            Ok(()) => sync_dir(&self.root)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let shelf = self.dir.open_dir(&shelf)?;
        let staged = self.staging.write(&compressed, false, true)?;
        self.staging.dir().rename(&staged, &shelf, &name)
    }

    /// The content of a blob of at most `limit` bytes, checked against its name.
    pub(crate) fn get(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        let (shelf, name) = Self::place(digest);
        let file = match self.dir.open(Path::new(&shelf).join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(WorkspaceError::MissingBlob { digest });
            }
            Err(error) => return Err(WorkspaceError::io(&self.root, error)),
        };
        let corrupt = |_| WorkspaceError::CorruptBlob { digest };
        let mut content = Vec::new();
        zstd::stream::read::Decoder::new(file)
            .and_then(|decoder| decoder.take(limit.saturating_add(1)).read_to_end(&mut content))
            .map_err(corrupt)?;
        if content.len() as u64 > limit || Digest::of(&content) != digest {
            return Err(WorkspaceError::CorruptBlob { digest });
        }
        Ok(content)
    }

    /// The content of a manifest.
    pub(crate) fn get_manifest(&self, digest: Digest) -> Result<Vec<u8>> {
        self.get(digest, MAX_MANIFEST_BYTES)
    }
}

/// Makes names in a directory durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}
