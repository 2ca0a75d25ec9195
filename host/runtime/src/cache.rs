//! Compiled plugins on disk.
//!
//! **Invariant:** native code is mapped only if this host wrote it. Wasmtime checks the version
//! and the settings of an artefact but not its honesty, so every artefact carries a MAC under a
//! key of this host, and what does not verify is compiled again (plugin-hosts.md §5.3, pitfall 7).
//! The bytes that were verified are the bytes that are loaded: the file is not opened twice.

use std::{
    fs,
    hash::{Hash as _, Hasher},
    io::{ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use gencode_core::digest::Digest;
use wasmtime::{Engine, component::Component};

use crate::error::StartError;

/// First bytes of a file; changes with its layout.
const MAGIC: &[u8; 8] = b"gencode1";
const MAC: usize = 32;
const KEY_FILE: &str = "key";

/// Files of the cache in bytes; the oldest go first.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// The directory of compiled plugins of one engine configuration.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
    /// Wasmtime's version, the settings and the CPU: artefacts of others have other names.
    environment: blake3::Hash,
    unique: AtomicU64,
}

impl Cache {
    /// Opens the directory, and makes it and its key where they are missing.
    pub(crate) fn open(dir: &Path, engine: &Engine) -> Result<Self, StartError> {
        let failed = |source| StartError::Cache { path: dir.to_owned(), source };
        private_dir(dir).map_err(failed)?;
        let key = read_key(dir)?;
        let mut hasher = Blake3(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // The contract is part of the name: an artefact also stands for a passed contract check.
        crate::contract::fingerprint().hash(&mut hasher);
        let environment = hasher.0.finalize();
        Ok(Self { dir: dir.to_owned(), key, environment, unique: AtomicU64::new(0) })
    }

    /// The compiled form of a component, if this host wrote one. Blocks.
    pub(crate) fn get(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled plugin cannot be read");
                return None;
            }
        };
        // Used now: the oldest go first. Not being able to say so only costs a compilation later.
        _ = fs::File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(std::time::SystemTime::now()));
        let Some(artefact) = self.verified(digest, &bytes) else {
            tracing::warn!(path = %path.display(), "a compiled plugin is not ours; compiling it again");
            return None;
        };
        #[expect(unsafe_code, reason = "the MAC says that this host compiled exactly these bytes")]
        // SAFETY: `deserialize` wants the unmodified output of `Component::serialize`. The MAC,
        // under a key only this host has, covers name and content of what `put` wrote.
        let component = unsafe { Component::deserialize(engine, artefact) };
        match component {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled plugin does not load");
                None
            }
        }
    }

    /// Keeps the compiled form. Failing to is not an error: it will be compiled again. Blocks.
    pub(crate) fn put(&self, digest: Digest, artefact: &[u8]) {
        if let Err(error) = self.write(digest, artefact) {
            tracing::warn!(dir = %self.dir.display(), %error, "a compiled plugin was not kept");
        }
    }

    fn write(&self, digest: Digest, artefact: &[u8]) -> std::io::Result<()> {
        self.make_room(artefact.len() as u64)?;
        let number = self.unique.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!(".{}-{number}.tmp", std::process::id()));
        _ = fs::remove_file(&temporary); // of a process with our number that died here
        let written = (|| {
            let mut file = private_file(&temporary)?;
            file.write_all(MAGIC)?;
            file.write_all(self.mac(digest, artefact).as_bytes())?;
            file.write_all(artefact)?;
            file.sync_all()?;
            fs::rename(&temporary, self.path(digest))
        })();
        if written.is_err() {
            _ = fs::remove_file(&temporary); // nothing more can be done about it
        }
        written
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.environment.as_bytes()).update(digest.as_bytes());
        self.dir.join(format!("{}.cwasm", hasher.finalize().to_hex()))
    }

    fn mac(&self, digest: Digest, artefact: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(self.environment.as_bytes()).update(digest.as_bytes()).update(artefact);
        hasher.finalize()
    }

    fn verified<'a>(&self, digest: Digest, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (mac, artefact) = rest.split_first_chunk::<MAC>()?;
        // Compares in constant time.
        (self.mac(digest, artefact) == blake3::Hash::from_bytes(*mac)).then_some(artefact)
    }

    /// Deletes the oldest artefacts until `more` bytes fit.
    fn make_room(&self, more: u64) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "cwasm") {
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut total = files.iter().map(|(_, size, _)| size).sum::<u64>() + more;
        for (_, size, path) in files {
            if total <= MAX_BYTES {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

/// Reads the key, or makes one. Several hosts may start at once: the first to link its key wins.
fn read_key(dir: &Path) -> Result<[u8; 32], StartError> {
    let path = dir.join(KEY_FILE);
    let failed = |source| StartError::Cache { path: path.clone(), source };
    if !path.try_exists().map_err(failed)? {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| StartError::Random(error.into()))?;
        let temporary = dir.join(format!(".{}-key.tmp", std::process::id()));
        _ = fs::remove_file(&temporary); // of a process with our number that died here
        private_file(&temporary)
            .and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()))
            .map_err(failed)?;
        match fs::hard_link(&temporary, &path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => fs::remove_file(&temporary).map_err(failed)?,
        }
    }
    let mut bytes = Vec::new();
    fs::File::open(&path).and_then(|file| file.take(33).read_to_end(&mut bytes)).map_err(failed)?;
    bytes.try_into().map_err(|_| StartError::Key(path))
}

fn private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    // It may have been there before, open to others.
    #[cfg(unix)]
    fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn private_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Lets anything that can be hashed be hashed the same way in every process.
struct Blake3(blake3::Hasher);

impl Hasher for Blake3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}
