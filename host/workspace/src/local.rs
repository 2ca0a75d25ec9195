//! The local directory of blobs: content under its digest, compressed, each content once.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use cap_std::{ambient_authority, fs::Dir};
use gencode_core::{crash_point, digest::Digest};

use crate::{
    Result, WorkspaceError,
    staging::{STAGING, Staging},
};

/// zstd's default: text shrinks to a quarter at hundreds of megabytes a second.
const LEVEL: i32 = 3;

/// Most digests remembered as durable; forgetting them costs time, not safety.
const MAX_DURABLE: usize = 100_000;

/// How long a touch lasts: a blob that is named again and again is not touched each time.
const YOUNG: Duration = Duration::from_mins(1);

/// How many blobs are removed before writers get their turn.
const REMOVALS_PER_LOCK: usize = 200;

/// Name of the lock file, beside the places of [`Staging`].
const LOCK: &str = "removals";

/// Threads that wait for the disk side by side: it gathers their writes into few of its own.
const WAITERS: usize = 8;

/// A local directory of blobs: `ab/cdef…`.
#[derive(Debug)]
pub(crate) struct LocalBlobs {
    root: PathBuf,
    dir: Dir,
    staging: Staging,
    /// Blobs that this process knows to be on the disk, name and all.
    durable: Mutex<HashSet<Digest>>,
}

impl LocalBlobs {
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let fail = |error| WorkspaceError::io(root, error);
        std::fs::create_dir_all(root).map_err(fail)?;
        let staging = Staging::open(root)?;
        let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(fail)?;
        Ok(Self { root: root.to_owned(), dir, staging, durable: Mutex::default() })
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

    /// Keeps contents. When this returns, they are on the disk, and count as young.
    pub(crate) fn put_all(&self, blobs: &BTreeMap<Digest, &[u8]>) -> Result<()> {
        // Nothing is removed between the look at what is there and the end.
        let _held = self.lock(File::lock_shared)?;
        // A blob that is there but damaged is replaced: its content is at hand.
        let missing: Vec<(Digest, &[u8])> = blobs
            .iter()
            .filter(|(digest, content)| {
                self.get(**digest, content.len() as u64).is_err() || self.touch(**digest).is_err()
            })
            .map(|(digest, content)| (*digest, *content))
            .collect();
        self.make_shelves(missing.iter().map(|(digest, _)| *digest)).map_err(self.fail())?;
        side_by_side(&missing, |(digest, content)| {
            self.put(*digest, content).map_err(self.fail())
        })?;
        // Names too must be on the disk, also those of blobs that were there: whoever is just
        // writing them may not have come this far.
        let unsure = self.not_known_durable(blobs, &missing);
        let shelves: BTreeSet<String> =
            unsure.iter().map(|digest| Self::place(*digest).0).collect();
        let shelves: Vec<String> = shelves.into_iter().collect();
        side_by_side(&shelves, |shelf| sync_dir(&self.root.join(shelf)).map_err(self.fail()))?;
        self.durable().extend(unsure);
        Ok(())
    }

    /// Takes the lock that keeps removals apart from everything that counts on a blob it saw.
    fn lock(&self, take: impl Fn(&File) -> io::Result<()>) -> Result<File> {
        let path = self.root.join(STAGING).join(LOCK);
        let mut options = File::options();
        let opened = options.create(true).truncate(false).write(true).open(&path);
        opened
            .and_then(|file| take(&file).map(|()| file))
            .map_err(|error| WorkspaceError::io(&path, error))
    }

    /// Makes a blob count as young: somebody is about to name it.
    fn touch(&self, digest: Digest) -> io::Result<()> {
        let (shelf, name) = Self::place(digest);
        let file = File::open(self.root.join(shelf).join(name))?;
        let now = SystemTime::now();
        if file.metadata()?.modified()?.checked_add(YOUNG).is_some_and(|until| until > now) {
            return Ok(());
        }
        file.set_modified(now)
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<Digest>> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.len() > MAX_DURABLE {
            durable.clear();
        }
        durable
    }

    fn not_known_durable(
        &self,
        blobs: &BTreeMap<Digest, &[u8]>,
        written: &[(Digest, &[u8])],
    ) -> Vec<Digest> {
        let durable = self.durable();
        let old = blobs.keys().filter(|digest| !durable.contains(digest)).copied();
        old.chain(written.iter().map(|(digest, _)| *digest)).collect()
    }

    fn make_shelves(&self, digests: impl Iterator<Item = Digest>) -> io::Result<()> {
        let mut made = false;
        for digest in digests {
            match self.dir.create_dir(Self::place(digest).0) {
                Ok(()) => made = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        if made { sync_dir(&self.root) } else { Ok(()) }
    }

    fn put(&self, digest: Digest, content: &[u8]) -> io::Result<()> {
        let (parent, name) = Self::place(digest);
        let compressed = zstd::bulk::compress(content, LEVEL)?;
        crash_point!("blob.put.before");
        let staged = self.staging.write(&compressed, false, true)?;
        crash_point!("blob.put.inside");
        let place = Path::new(&parent).join(name);
        self.staging.dir().rename(&staged, &self.dir, place)
    }

    /// The content of a blob of at most `limit` bytes, checked against its name.
    pub(crate) fn get(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        let (parent, name) = Self::place(digest);
        let file = match self.dir.open(Path::new(&parent).join(name)) {
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

    /// The blobs of one shelf (the first two digits of a digest), in order of digest.
    pub(crate) fn shelf(&self, shelf: &str) -> Result<Vec<Stored>> {
        let list = || {
            let mut stored = Vec::new();
            let Some(entries) = found(std::fs::read_dir(self.root.join(shelf)))? else {
                return Ok(stored);
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let Some(digest) = name.to_str().and_then(|name| digest_of(shelf, name)) else {
                    continue;
                };
                // One that is removed at this moment is no longer there.
                if let Some(metadata) = found(entry.metadata())? {
                    let (bytes, modified) = (metadata.len(), metadata.modified()?);
                    stored.push(Stored { digest, bytes, modified });
                }
            }
            stored.sort_by_key(|blob| blob.digest);
            Ok(stored)
        };
        list().map_err(self.fail())
    }

    /// Removes those of the blobs that were stored before `older_than`; returns them.
    pub(crate) fn remove(&self, digests: &[Digest], older_than: SystemTime) -> Result<Vec<Stored>> {
        let mut removed = Vec::new();
        for digests in digests.chunks(REMOVALS_PER_LOCK) {
            let _held = self.lock(File::lock)?;
            for digest in digests {
                let stored = self.remove_one(*digest, older_than).map_err(self.fail())?;
                removed.extend(stored);
            }
        }
        Ok(removed)
    }

    fn remove_one(&self, digest: Digest, older_than: SystemTime) -> io::Result<Option<Stored>> {
        let (shelf, name) = Self::place(digest);
        let path = self.root.join(shelf).join(name);
        let Some(metadata) = found(std::fs::metadata(&path))? else { return Ok(None) };
        let (bytes, modified) = (metadata.len(), metadata.modified()?);
        if modified >= older_than {
            return Ok(None);
        }
        self.durable().remove(&digest);
        Ok(found(std::fs::remove_file(&path))?.map(|()| Stored { digest, bytes, modified }))
    }
}

/// What is known about a stored blob without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    /// Bytes it takes, compressed.
    pub(crate) bytes: u64,
    pub(crate) modified: SystemTime,
}

/// Makes names in a directory durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// The digest of a blob by where it lies.
fn digest_of(shelf: &str, name: &str) -> Option<Digest> {
    let digest: Digest = format!("{shelf}{name}").parse().ok()?;
    // Only the spelling we write is one of ours.
    (shelf.len() == 2 && LocalBlobs::place(digest) == (shelf.to_owned(), name.to_owned()))
        .then_some(digest)
}

/// "Not found" is an answer.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Does a job for every item on a few threads; the first error is returned.
fn side_by_side<T: Sync>(items: &[T], job: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    if let [only] = items {
        return job(only);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            job(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..items.len().min(WAITERS)).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(WorkspaceError::CutOff)))
            .fold(Ok(()), Result::and)
    })
}
