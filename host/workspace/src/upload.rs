//! Getting blobs into the remote store, and taking them out of it, with other hosts doing the same.
//!
//! Two rules keep a blob that somebody is about to name from being removed by another host:
//! 1. Storing makes young. A blob is stored again when its object is older than [`FRESH`], and no
//!    object younger than [`GRACE`] is removed; the time between the two is for slow commits and
//!    clocks that differ.
//! 2. Whoever removes says so first, with an object in `removing/`, and looks at an object's age
//!    only then. Whoever stored something looks for such objects afterwards; while there are any,
//!    it waits, and then stores again what was taken.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use gencode_core::digest::Digest;
use tokio::runtime::Handle;

use crate::{
    RemoteConfig, Result, WorkspaceError,
    packed::{Stored, pack, unpack},
    parallel::side_by_side,
    remote::Remote,
};

/// How long a stored blob counts as just stored.
const FRESH: Duration = Duration::from_hours(1);

/// The youngest object that is ever removed.
const GRACE: Duration = Duration::from_hours(3);

/// Where contents are that housekeeping leaves alone.
const ASIDE: &str = "aside";

/// Where the objects of hosts that are removing are.
const REMOVING: &str = "removing";

/// How long such an object may stay before its host counts as dead.
const REMOVER_DEAD: Duration = Duration::from_mins(3);

/// How long after writing it a host begins another removal: two requests, a minute each at most.
const REMOVER_STOPS: Duration = Duration::from_secs(45);

/// How often to look whether it is gone.
const REMOVER_POLL: Duration = Duration::from_millis(500);

/// Removals under one such object: few, because others wait meanwhile.
const REMOVALS_PER_SIGN: usize = 64;

/// Most blobs remembered as stored; forgetting them costs time, not safety.
const MAX_KNOWN: usize = 100_000;

/// Content from here on is asked for before it is sent.
const LARGE: usize = 256 * 1024;

/// A remote store, and what is known to be in it.
#[derive(Debug)]
pub(crate) struct Shared {
    remote: Remote,
    known: Mutex<HashMap<Digest, Known>>,
}

/// What was last seen of a blob.
#[derive(Debug, Clone, Copy)]
struct Known {
    seen: Instant,
    modified: SystemTime,
}

impl Shared {
    pub(crate) fn open(config: &RemoteConfig, runtime: Handle) -> Result<Self> {
        Ok(Self { remote: Remote::open(config, runtime)?, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, Known>> {
        let mut known = locked(&self.known);
        if known.len() > MAX_KNOWN {
            known.clear();
        }
        known
    }

    fn note(&self, digest: Digest, modified: SystemTime) {
        self.known().insert(digest, Known { seen: Instant::now(), modified });
    }

    fn is_damaged(&self, digest: Digest) -> bool {
        self.known().get(&digest).is_some_and(|known| known.modified == DAMAGED)
    }

    /// Keeps contents. When this returns, every host can get them, and none removes them soon.
    /// `new` are those that this host has never stored, which the store is unlikely to have.
    pub(crate) fn store_all(
        &self,
        blobs: &BTreeMap<Digest, &[u8]>,
        new: &BTreeSet<Digest>,
    ) -> Result<()> {
        let all: Vec<(Digest, &[u8])> = blobs.iter().map(|(d, content)| (*d, *content)).collect();
        let stored = Mutex::new(Vec::new());
        side_by_side(&all, |(digest, content)| {
            let likely = new.contains(digest) && content.len() < LARGE;
            if !self.is_fresh(*digest, !likely)? {
                self.store(*digest, content)?;
                locked(&stored).push((*digest, *content));
            }
            Ok(())
        })?;
        let stored = stored.into_inner().unwrap_or_else(PoisonError::into_inner);
        while !stored.is_empty() && self.wait_for_removers()? {
            side_by_side(&stored, |(digest, content)| match self.remote.modified(*digest)? {
                Some(_) => Ok(()),
                None => self.store(*digest, content),
            })?;
        }
        Ok(())
    }

    /// Whether a blob was stored so short a while ago that nobody removes it.
    fn is_fresh(&self, digest: Digest, ask: bool) -> Result<bool> {
        let young = |modified: SystemTime| modified + FRESH > SystemTime::now();
        if let Some(known) = self.known().get(&digest) {
            return Ok(young(known.modified));
        }
        if !ask {
            return Ok(false);
        }
        let Some(modified) = self.remote.modified(digest)? else { return Ok(false) };
        self.note(digest, modified);
        Ok(young(modified))
    }

    fn store(&self, digest: Digest, content: &[u8]) -> Result<()> {
        self.remote.put(digest, packed(digest, content)?)?;
        self.note(digest, SystemTime::now());
        Ok(())
    }

    /// Which of the blobs the store does not have, or not soundly as far as is known.
    pub(crate) fn missing(&self, digests: &BTreeSet<Digest>) -> Result<BTreeSet<Digest>> {
        let unsure: Vec<Digest> = {
            let known = self.known();
            let seen =
                |digest: &Digest| known.get(digest).is_some_and(|k| k.seen.elapsed() < FRESH);
            digests.iter().filter(|digest| !seen(digest)).copied().collect()
        };
        let missing = Mutex::new(BTreeSet::new());
        side_by_side(&unsure, |digest| {
            match self.remote.modified(*digest)? {
                Some(_) if self.is_damaged(*digest) => {
                    locked(&missing).insert(*digest);
                }
                Some(modified) => self.note(*digest, modified),
                None => {
                    locked(&missing).insert(*digest);
                }
            }
            Ok(())
        })?;
        Ok(missing.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// A blob of at most `limit` bytes: its content, checked, and its stored form. None when the
    /// store does not have it.
    pub(crate) fn get(&self, digest: Digest, limit: u64) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let checked = self.remote.get(digest, limit).and_then(|packed| match packed {
            Some(packed) => Ok(Some((unpack(packed.as_slice(), digest, limit)?, packed))),
            None => Ok(None),
        });
        match &checked {
            Ok(None) => {
                self.known().remove(&digest);
            }
            Err(WorkspaceError::CorruptBlob { .. }) => self.note(digest, DAMAGED),
            _ => {}
        }
        checked
    }

    /// Keeps a content beside the blobs, where nobody removes it.
    pub(crate) fn keep_aside(&self, content: &[u8]) -> Result<()> {
        let digest = Digest::of(content);
        let path = self.remote.named(ASIDE).join(digest.to_string());
        if self.remote.size(&path)?.is_some_and(|bytes| bytes > 0) {
            return Ok(());
        }
        self.remote.write(&path, packed(digest, content)?)
    }

    /// A content that was kept aside, checked.
    pub(crate) fn get_aside(&self, digest: Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.remote.named(ASIDE).join(digest.to_string());
        let packed = self.remote.get_at(&path, digest, limit)?;
        packed.map(|packed| unpack(packed.as_slice(), digest, limit)).transpose()
    }

    /// The blobs of one shelf, in no order.
    pub(crate) fn shelf(&self, shelf: &str) -> Result<Vec<Stored>> {
        self.remote.shelf(shelf)
    }

    /// Removes those of the blobs that were stored before `older_than`, and longer than [`GRACE`]
    /// ago; returns them.
    pub(crate) fn remove(&self, digests: &[Digest], older_than: SystemTime) -> Result<Vec<Digest>> {
        let cutoff = (SystemTime::now() - GRACE).min(older_than);
        let mut removed = Vec::new();
        for digests in digests.chunks(REMOVALS_PER_SIGN) {
            let sign = self.remote.named(REMOVING).join(ulid::Ulid::new().to_string());
            self.remote.write(&sign, b"removing\n".to_vec())?;
            let some = self.remove_some(digests, cutoff);
            self.remote.delete_named(&sign)?;
            removed.extend(some?);
        }
        Ok(removed)
    }

    fn remove_some(&self, digests: &[Digest], cutoff: SystemTime) -> Result<Vec<Digest>> {
        let began = Instant::now();
        let removed = Mutex::new(Vec::new());
        side_by_side(digests, |digest| {
            let old = |modified| modified < cutoff;
            if began.elapsed() < REMOVER_STOPS && self.remote.modified(*digest)?.is_some_and(old) {
                self.known().remove(digest);
                self.remote.delete(*digest)?;
                locked(&removed).push(*digest);
            }
            Ok(())
        })?;
        Ok(removed.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the hosts that are removing at this moment; says whether there were any. Those
    /// that begin later see how young a blob is.
    fn wait_for_removers(&self) -> Result<bool> {
        let names = || -> Result<BTreeSet<String>> {
            Ok(self.remote.list(REMOVING)?.into_iter().map(|(name, ..)| name).collect())
        };
        let first = names()?;
        let (began, mut rest) = (Instant::now(), first.clone());
        while !rest.is_empty() && began.elapsed() < REMOVER_DEAD {
            std::thread::sleep(REMOVER_POLL);
            rest = names()?.intersection(&first).cloned().collect();
        }
        for name in rest {
            tracing::warn!(name, "a host ended while it removed blobs; its sign is taken away");
            self.remote.delete_named(&self.remote.named(REMOVING).join(name))?;
        }
        Ok(!first.is_empty())
    }
}

/// The age of an object that is not what its name says: whoever has the content stores it again.
const DAMAGED: SystemTime = SystemTime::UNIX_EPOCH;

fn packed(digest: Digest, content: &[u8]) -> Result<Vec<u8>> {
    pack(content).map_err(|error| WorkspaceError::io(digest.to_string(), error))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
