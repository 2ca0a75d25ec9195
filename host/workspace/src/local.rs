//! The local directory of blobs: content under its digest, compressed, each content once.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use cap_std::{ambient_authority, fs::Dir};
use gencode_core::{crash_point, digest::Digest};

use crate::{
    Result, WorkspaceError,
    packed::{Stored, digest_of, pack, place, unpack},
    parallel::side_by_side,
    staging::{STAGING, Staging},
};

/// Most digests remembered as durable; forgetting them costs time, not safety.
const MAX_DURABLE: usize = 100_000;

/// How long a touch lasts: a blob that is named again and again is not touched each time.
const YOUNG: Duration = Duration::from_mins(1);

/// How many blobs are removed before writers get their turn.
const REMOVALS_PER_LOCK: usize = 200;

/// Name of the lock file, beside the places of [`Staging`].
const LOCK: &str = "removals";

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

    fn fail(&self) -> impl Fn(io::Error) -> WorkspaceError {
        |error| WorkspaceError::io(&self.root, error)
    }

    /// Keeps contents. When this returns, they are on the disk, and count as young. Returns those
    /// that were not there.
    pub(crate) fn put_all(&self, blobs: &BTreeMap<Digest, &[u8]>) -> Result<BTreeSet<Digest>> {
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
        let shelves: BTreeSet<String> = unsure.iter().map(|digest| place(*digest).0).collect();
        let shelves: Vec<String> = shelves.into_iter().collect();
        side_by_side(&shelves, |shelf| sync_dir(&self.root.join(shelf)).map_err(self.fail()))?;
        self.durable().extend(unsure);
        Ok(missing.into_iter().map(|(digest, _)| digest).collect())
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
        let (shelf, name) = place(digest);
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
            match self.dir.create_dir(place(digest).0) {
                Ok(()) => made = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        if made { sync_dir(&self.root) } else { Ok(()) }
    }

    fn put(&self, digest: Digest, content: &[u8]) -> io::Result<()> {
        self.place_packed(digest, &pack(content)?)
    }

    fn place_packed(&self, digest: Digest, packed: &[u8]) -> io::Result<()> {
        let (shelf, name) = place(digest);
        crash_point!("blob.put.before");
        let staged = self.staging.write(packed, false, true)?;
        crash_point!("blob.put.inside");
        let place = Path::new(&shelf).join(name);
        self.staging.dir().rename(&staged, &self.dir, place)
    }

    /// Keeps a copy of a blob in its stored form, which was checked against its name.
    pub(crate) fn keep_packed(&self, digest: Digest, packed: &[u8]) -> Result<()> {
        let _held = self.lock(File::lock_shared)?;
        self.make_shelves([digest].into_iter()).map_err(self.fail())?;
        self.place_packed(digest, packed).map_err(self.fail())
    }

    /// Whether there is a blob of this name, sound or not.
    pub(crate) fn has(&self, digest: Digest) -> bool {
        let (shelf, name) = place(digest);
        self.dir.is_file(Path::new(&shelf).join(name))
    }

    /// Makes blobs count as young, and returns those that are not here.
    pub(crate) fn touch_all(&self, digests: &BTreeSet<Digest>) -> Result<BTreeSet<Digest>> {
        let _held = self.lock(File::lock_shared)?;
        let mut missing = BTreeSet::new();
        for digest in digests {
            if found(self.touch(*digest)).map_err(self.fail())?.is_none() {
                missing.insert(*digest);
            }
        }
        Ok(missing)
    }

    /// The content of a blob of at most `limit` bytes, checked against its name.
    pub(crate) fn get(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        let (shelf, name) = place(digest);
        match found(self.dir.open(Path::new(&shelf).join(name))).map_err(self.fail())? {
            Some(file) => unpack(file, digest, limit),
            None => Err(WorkspaceError::MissingBlob { digest }),
        }
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
        let (shelf, name) = place(digest);
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

/// Makes names in a directory durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// "Not found" is an answer.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
