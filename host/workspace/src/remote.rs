//! The remote store of blobs: what every host of an installation can reach.
//!
//! An object is a blob in its stored form under `<prefix>/ab/cdef…`. Everything here blocks, and
//! belongs on threads that may; every request has a deadline and ends in one of three errors, by
//! what an operator does about it.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::TryStreamExt as _;
use gencode_core::digest::Digest;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload,
    RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    local::LocalFileSystem,
    path::Path,
};
use tokio::runtime::Handle;

use crate::{
    Result, WorkspaceError,
    packed::{Stored, digest_of, most_packed, place},
};

/// Object that says in which form the blobs are kept.
const FORMAT_NAME: &str = "format";
const FORMAT: &[u8] = b"gencode blobs 1\n";

/// Requests of this host under way at once, whoever makes them.
const REQUESTS: usize = 16;

/// Where the blobs of all hosts of an installation are, and how to get there.
#[derive(Clone)]
pub struct RemoteConfig {
    /// As the operator wrote it. Has no secrets.
    name: String,
    kind: Kind,
    pub(crate) timing: Timing,
}

#[derive(Clone)]
enum Kind {
    Bucket { bucket: String, prefix: Path, settings: Vec<(AmazonS3ConfigKey, String)> },
    Folder(PathBuf),
}

/// How long to wait and how often to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) connect: Duration,
    /// One request; a file of 8 MiB must get through a slow line.
    pub(crate) request: Duration,
    pub(crate) retries: usize,
    /// A request with all its retries.
    pub(crate) whole: Duration,
    /// The look whether the store answers, when the host starts.
    pub(crate) opening: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
            retries: 4,
            whole: Duration::from_mins(1),
            opening: Duration::from_secs(15),
        }
    }
}

impl fmt::Debug for RemoteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteConfig").field(&self.name).finish()
    }
}

impl RemoteConfig {
    /// Reads `s3://bucket/prefix` or `file:///shared/folder`. `settings` are the environment's
    /// `AWS_…` variables (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, …); those that say
    /// nothing about S3 are passed over. [`WorkspaceError::BadRemote`] says what is wrong.
    pub fn parse(url: &str, settings: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let bad = |why: &str| bad_remote(url, why);
        let kind = if let Some(rest) = url.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if bucket.is_empty() || !bucket.chars().all(plain) {
                return Err(bad("after `s3://` comes the name of a bucket"));
            }
            let prefix = Path::parse(prefix.trim_end_matches('/'))
                .map_err(|_| bad("the part after the bucket is not a plain path"))?;
            let known = |(name, value): (String, String)| {
                let key = name.to_ascii_lowercase();
                let key = key.starts_with("aws_").then(|| key.parse().ok()).flatten()?;
                Some((key, value))
            };
            let settings = settings.into_iter().filter_map(known).collect();
            Kind::Bucket { bucket: bucket.to_owned(), prefix, settings }
        } else if let Some(path) = url.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err(bad("after `file://` comes an absolute path"));
            }
            Kind::Folder(PathBuf::from(path))
        } else {
            return Err(bad("write `s3://bucket/prefix` or `file:///shared/folder`"));
        };
        Ok(Self { name: url.to_owned(), kind, timing: Timing::default() })
    }

    fn connect(&self) -> Result<(Arc<dyn ObjectStore>, Path)> {
        match &self.kind {
            Kind::Folder(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|error| WorkspaceError::io(folder, error))?;
                let store = LocalFileSystem::new_with_prefix(folder)
                    .map_err(|error| bad_remote(&self.name, &error.to_string()))?;
                Ok((Arc::new(store.with_fsync(true)), Path::default()))
            }
            Kind::Bucket { bucket, prefix, settings } => {
                // Fails only when one is installed already.
                drop(rustls::crypto::ring::default_provider().install_default());
                let Timing { connect, request, retries, whole, .. } = self.timing;
                let client =
                    ClientOptions::new().with_connect_timeout(connect).with_timeout(request);
                let backoff = BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(4),
                    base: 2.0,
                };
                // One request per removal is understood by every provider.
                let mut builder = AmazonS3Builder::new()
                    .with_client_options(client)
                    .with_retry(RetryConfig { backoff, max_retries: retries, retry_timeout: whole })
                    .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
                for (key, value) in settings {
                    builder = builder.with_config(*key, value);
                }
                let store = builder
                    .with_bucket_name(bucket)
                    .build()
                    .map_err(|error| bad_remote(&self.name, &error.to_string()))?;
                Ok((Arc::new(store), prefix.clone()))
            }
        }
    }
}

fn bad_remote(store: &str, why: &str) -> WorkspaceError {
    WorkspaceError::BadRemote { store: store.to_owned(), why: why.to_owned() }
}

/// An open remote store.
#[derive(Debug)]
pub(crate) struct Remote {
    name: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Handle,
    slots: tokio::sync::Semaphore,
    whole: Duration,
}

impl Remote {
    /// Opens a store and sees that it answers. Call it on a thread that may block, with the
    /// runtime that is to do the requests.
    pub(crate) fn open(config: &RemoteConfig, runtime: Handle) -> Result<Self> {
        let (store, prefix) = config.connect()?;
        let slots = tokio::sync::Semaphore::new(REQUESTS);
        let name = config.name.clone();
        let whole = config.timing.opening;
        let mut remote = Self { name, store, prefix, runtime, slots, whole };
        remote.check_format()?;
        remote.whole = config.timing.whole;
        Ok(remote)
    }

    fn check_format(&self) -> Result<()> {
        let path = self.named(FORMAT_NAME);
        match self.read("say in which form it keeps blobs", &path, FORMAT.len() as u64)? {
            Some(object) if object.bytes == FORMAT => Ok(()),
            Some(_) => Err(bad_remote(&self.name, "what it holds is not for this version")),
            None => self.write(&path, FORMAT.to_vec()),
        }
    }

    /// An object beside the blobs.
    pub(crate) fn named(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    fn path(&self, digest: Digest) -> Path {
        let (shelf, name) = place(digest);
        self.prefix.clone().join(shelf).join(name)
    }

    /// When a blob was stored, if it is there.
    pub(crate) fn modified(&self, digest: Digest) -> Result<Option<SystemTime>> {
        Ok(self.head(&self.path(digest))?.map(|meta| meta.last_modified.into()))
    }

    /// The bytes of an object, if it is there.
    pub(crate) fn size(&self, path: &Path) -> Result<Option<u64>> {
        Ok(self.head(path)?.map(|meta| meta.size))
    }

    fn head(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        let action = "say whether it has a blob";
        self.found(action, self.ask(action, self.store.head(path)))
    }

    /// The stored form of a blob whose content has at most `limit` bytes, not checked.
    pub(crate) fn get(&self, digest: Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        self.get_at(&self.path(digest), digest, limit)
    }

    /// The same, wherever it is.
    pub(crate) fn get_at(
        &self,
        path: &Path,
        digest: Digest,
        limit: u64,
    ) -> Result<Option<Vec<u8>>> {
        match self.read("give a blob", path, most_packed(limit))? {
            Some(Object { bytes, whole: true }) => Ok(Some(bytes)),
            Some(Object { whole: false, .. }) => Err(WorkspaceError::CorruptBlob { digest }),
            None => Ok(None),
        }
    }

    /// Stores a blob in its stored form, or stores it again. When this returns, it is durable.
    pub(crate) fn put(&self, digest: Digest, packed: Vec<u8>) -> Result<()> {
        self.write(&self.path(digest), packed)
    }

    /// Removes a blob, if it is there.
    pub(crate) fn delete(&self, digest: Digest) -> Result<()> {
        self.delete_named(&self.path(digest))
    }

    /// The blobs of one shelf, in no order.
    pub(crate) fn shelf(&self, shelf: &str) -> Result<Vec<Stored>> {
        let objects = self.list(shelf)?;
        let stored = objects.into_iter().filter_map(|(name, bytes, modified)| {
            Some(Stored { digest: digest_of(shelf, &name)?, bytes, modified })
        });
        Ok(stored.collect())
    }

    /// Name, size and time of everything in a folder.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<(String, u64, SystemTime)>> {
        let action = "list its blobs";
        let folder = self.named(folder);
        let objects = self.store.list(Some(&folder)).try_collect::<Vec<_>>();
        let objects = self.found(action, self.ask(action, objects))?.unwrap_or_default();
        let named = objects.into_iter().filter_map(|meta| {
            Some((meta.location.filename()?.to_owned(), meta.size, meta.last_modified.into()))
        });
        Ok(named.collect())
    }

    pub(crate) fn write(&self, path: &Path, bytes: Vec<u8>) -> Result<()> {
        let action = "store a blob";
        let put = self.store.put(path, PutPayload::from(bytes));
        match self.ask(action, put) {
            Ok(_) => Ok(()),
            Err(fault) => Err(self.error(action, fault)),
        }
    }

    pub(crate) fn delete_named(&self, path: &Path) -> Result<()> {
        let action = "remove a blob";
        self.found(action, self.ask(action, self.store.delete(path))).map(drop)
    }

    fn read(&self, action: &'static str, path: &Path, limit: u64) -> Result<Option<Object>> {
        let read = async {
            let found = self.store.get(path).await?;
            if found.meta.size > limit {
                return Ok(Object { bytes: Vec::new(), whole: false });
            }
            Ok(Object { bytes: found.bytes().await?.into(), whole: true })
        };
        self.found(action, self.ask(action, read))
    }

    /// Does requests within the deadline.
    fn ask<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Fault> {
        let work = async {
            let _slot = self.slots.acquire().await;
            work.await
        };
        match self.runtime.block_on(async { tokio::time::timeout(self.whole, work).await }) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Fault::Store(error)),
            Err(_) => {
                tracing::warn!(store = self.name, "the blob store did not {action} in time");
                Err(Fault::Late(self.whole))
            }
        }
    }

    /// "Not found" is an answer.
    fn found<T>(&self, action: &'static str, answer: Result<T, Fault>) -> Result<Option<T>> {
        match answer {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Store(Error::NotFound { .. })) => Ok(None),
            Err(fault) => Err(self.error(action, fault)),
        }
    }

    fn error(&self, action: &'static str, fault: Fault) -> WorkspaceError {
        let store = self.name.clone();
        match fault {
            Fault::Store(
                source @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }),
            ) => WorkspaceError::RemoteRefused { store, action, source: Box::new(source) },
            Fault::Store(source) => match io_kind(&source) {
                Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) => {
                    WorkspaceError::Full { path: PathBuf::from(store) }
                }
                Some(std::io::ErrorKind::PermissionDenied) => {
                    WorkspaceError::RemoteRefused { store, action, source: Box::new(source) }
                }
                _ => WorkspaceError::RemoteUnavailable { store, action, source: Box::new(source) },
            },
            late @ Fault::Late(_) => {
                WorkspaceError::RemoteUnavailable { store, action, source: Box::new(late) }
            }
        }
    }
}

struct Object {
    bytes: Vec<u8>,
    /// False when it has more bytes than anybody wants.
    whole: bool,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(Error),
    #[error("there was no answer within {} seconds", .0.as_secs_f32())]
    Late(Duration),
}

/// The failure of the operating system below an error, if any.
fn io_kind(error: &Error) -> Option<std::io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}
