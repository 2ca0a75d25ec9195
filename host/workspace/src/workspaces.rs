//! The one place all file work goes through: off the runtime's threads, a few jobs at once, one
//! writer per project.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use cap_std::{ambient_authority, fs::Dir};
use gencode_core::{crash_point, digest::Digest, id::ProjectId, path::WorkspacePath};
use tokio::sync::{OwnedMutexGuard, Semaphore};

use crate::{
    Author, Change, Content, Entry, Manifest, ManifestDigest, Overlay, RemoteConfig, Result, Saved,
    View, WorkspaceError,
    blobs::Blobs,
    limits::{BLOCKING_JOBS, MAX_BLOB_BYTES, MAX_FILE_BYTES, MAX_FILES},
    overlay::WriteRules,
    staging::Staging,
    tree::Tree,
};

/// The files of all projects. Clones are the same.
#[derive(Debug, Clone)]
pub struct Workspaces {
    inner: Arc<Inner>,
    jobs: Arc<Semaphore>,
    writers: Arc<Mutex<HashMap<ProjectId, Arc<tokio::sync::Mutex<()>>>>>,
}

/// What a blocking job works with.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: PathBuf,
    pub(crate) dir: Dir,
    pub(crate) staging: Staging,
    pub(crate) blobs: Blobs,
}

impl Workspaces {
    /// Opens the working copies under `root` (`<root>/<project id>`) and the blob store in
    /// `blobs`; both are made where missing. What crashed processes left half done is swept.
    pub async fn open(root: &Path, blobs: &Path) -> Result<Self> {
        Self::open_with(root, blobs, None).await
    }

    /// The same, with a remote blob store that several hosts share: then `blobs` is this machine's
    /// copy of what it uses. The remote store must answer.
    pub async fn open_with(
        root: &Path,
        blobs: &Path,
        remote: Option<&RemoteConfig>,
    ) -> Result<Self> {
        let (root, blobs, remote) = (root.to_owned(), blobs.to_owned(), remote.cloned());
        let runtime = tokio::runtime::Handle::current();
        let open = move || {
            let fail = |error| WorkspaceError::io(&root, error);
            std::fs::create_dir_all(&root).map_err(fail)?;
            let staging = Staging::open(&root)?;
            let dir = Dir::open_ambient_dir(&root, ambient_authority()).map_err(fail)?;
            let blobs = Blobs::open(&blobs, remote.as_ref(), runtime)?;
            Ok(Inner { root, dir, staging, blobs })
        };
        let inner =
            tokio::task::spawn_blocking(open).await.map_err(|_| WorkspaceError::CutOff)??;
        Ok(Self {
            inner: Arc::new(inner),
            jobs: Arc::new(Semaphore::new(BLOCKING_JOBS)),
            writers: Arc::default(),
        })
    }

    /// Where the working copy of a project is.
    pub fn path_of(&self, project: &ProjectId) -> PathBuf {
        self.inner.root.join(project.as_str())
    }

    /// Runs a job on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.jobs.clone().acquire_owned().await.map_err(|_| WorkspaceError::CutOff)?;
        let inner = self.inner.clone();
        let job = move || {
            let _held = permit;
            job(&inner)
        };
        tokio::task::spawn_blocking(job).await.map_err(|_| WorkspaceError::CutOff)?
    }

    /// Runs a job that changes a working copy; one at a time per project.
    pub(crate) async fn run_alone<T: Send + 'static>(
        &self,
        project: &ProjectId,
        job: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let alone = self.alone(project).await;
        self.run(move |inner| {
            // Moved here, so that it is held to the end even when the caller goes away.
            let _held = alone;
            job(inner)
        })
        .await
    }

    async fn alone(&self, project: &ProjectId) -> OwnedMutexGuard<()> {
        let mutex = {
            let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            writers.retain(|_, mutex| Arc::strong_count(mutex) > 1);
            writers.entry(project.clone()).or_default().clone()
        };
        mutex.lock_owned().await
    }

    /// The content of one file of a view.
    pub async fn read(&self, view: &impl View, path: &WorkspacePath) -> Result<Vec<u8>> {
        let Some(content) = view.content(path) else {
            return Err(WorkspaceError::NotFound { what: "file", name: path.to_string() });
        };
        match content {
            Content::Text { content, .. } => Ok(content.as_bytes().to_vec()),
            Content::Blob(entry) => {
                self.run(move |inner| inner.blobs.get(entry.digest, MAX_FILE_BYTES)).await
            }
        }
    }

    /// The contents of all files of a view that `wanted` accepts, sorted by path.
    pub async fn read_all(
        &self,
        view: &impl View,
        wanted: impl Fn(&WorkspacePath) -> bool + Send,
    ) -> Result<Vec<(WorkspacePath, Vec<u8>)>> {
        let mut contents = view.contents();
        contents.retain(|path, _| wanted(path));
        self.run(move |inner| {
            inner.prefetch(contents.values())?;
            contents.into_iter().map(|(path, content)| Ok((path, inner.fetch(&content)?))).collect()
        })
        .await
    }

    /// Keeps bytes that are no file of a project (at most 64 MiB) for the other hosts, out of
    /// reach of [`Workspaces::remove_blobs`]. Without a remote store there are no others, and
    /// nothing happens.
    pub async fn share(&self, content: Vec<u8>) -> Result<()> {
        if content.len() as u64 > MAX_BLOB_BYTES {
            let what = "the size of what is shared".to_owned();
            return Err(WorkspaceError::TooLarge { what, limit: MAX_BLOB_BYTES });
        }
        self.run(move |inner| inner.blobs.share(&content)).await
    }

    /// The bytes that some host shared, if one did.
    pub async fn shared(&self, digest: Digest) -> Result<Option<Vec<u8>>> {
        self.run(move |inner| inner.blobs.shared(digest)).await
    }

    /// The stored manifest.
    pub async fn manifest(&self, digest: ManifestDigest) -> Result<Manifest> {
        self.run(move |inner| {
            let text = inner.blobs.get_manifest(digest.0)?;
            serde_json::from_slice(&text)
                .map_err(|_| WorkspaceError::CorruptBlob { digest: digest.0 })
        })
        .await
    }

    /// Stores a manifest whose blobs are stored already.
    pub async fn save_manifest(&self, manifest: Manifest) -> Result<Saved> {
        self.run(move |inner| inner.save_with(manifest, Vec::new())).await
    }

    /// Stores what was staged, blobs first, and the manifest of the result. The working copy is
    /// not touched: record the checkpoint, then [`Workspaces::apply`].
    pub async fn save_overlay(&self, overlay: &Overlay, author: Author) -> Result<Saved> {
        let (mut manifest, changes) = (overlay.base().clone(), overlay.changes().clone());
        self.run(move |inner| {
            let mut contents = Vec::new();
            for (path, change) in &changes {
                let Change::Put { content } = change else {
                    manifest.remove(path);
                    continue;
                };
                contents.push(content.as_bytes());
                let digest = Digest::of(content.as_bytes());
                let before = manifest.get(path);
                let entry = Entry {
                    digest,
                    size: content.len() as u64,
                    executable: before.is_some_and(|entry| entry.executable),
                    author: match before {
                        // Unchanged content has its author still; a user's file stays the user's.
                        Some(entry) if entry.digest == digest || entry.author == Author::User => {
                            entry.author
                        }
                        _ => author,
                    },
                };
                manifest.insert(path.clone(), entry);
            }
            inner.save_with(manifest, contents)
        })
        .await
    }

    /// Stores a file that the user wrote through the API. The working copy is not touched: record
    /// the checkpoint, then [`Workspaces::apply`].
    pub async fn save_user_file(
        &self,
        base: &Manifest,
        path: WorkspacePath,
        content: &str,
    ) -> Result<Saved> {
        let mut overlay = Overlay::new(base.clone(), WriteRules::anywhere());
        overlay.stage(path.clone(), content)?;
        let mut manifest = self.save_overlay(&overlay, Author::User).await?.manifest;
        if let Some(entry) = manifest.get(&path).copied() {
            manifest.insert(path, Entry { author: Author::User, ..entry });
        }
        self.save_manifest(manifest).await
    }
}

impl Inner {
    /// Stores contents and the manifest that names them, in one go.
    pub(crate) fn save_with(&self, manifest: Manifest, contents: Vec<&[u8]>) -> Result<Saved> {
        if manifest.len() as u64 > MAX_FILES {
            let what = "the number of files".to_owned();
            return Err(WorkspaceError::TooLarge { what, limit: MAX_FILES });
        }
        let text = serde_json::to_vec(&manifest)
            .map_err(|error| WorkspaceError::io(&self.root, error.into()))?;
        let all: Vec<&[u8]> = contents.into_iter().chain([text.as_slice()]).collect();
        let stored: BTreeSet<Digest> = all.iter().map(|content| Digest::of(content)).collect();
        let named = manifest.files().map(|(_, entry)| entry.digest);
        self.blobs.rely_on(&named.filter(|digest| !stored.contains(digest)).collect())?;
        crash_point!("manifest.save.before");
        self.blobs.put_all(&all)?;
        crash_point!("manifest.save.after");
        Ok(Saved { digest: ManifestDigest(Digest::of(&text)), manifest })
    }

    /// Gets local copies of the contents that are only in the remote store, many at once.
    pub(crate) fn prefetch<'c>(&self, contents: impl Iterator<Item = &'c Content>) -> Result<()> {
        let blobs = contents.filter_map(|content| match content {
            Content::Blob(entry) => Some(entry.digest),
            Content::Text { .. } => None,
        });
        self.blobs.fetch(blobs, MAX_FILE_BYTES)
    }

    /// The bytes of a content.
    pub(crate) fn fetch(&self, content: &Content) -> Result<Vec<u8>> {
        match content {
            Content::Text { content, .. } => Ok(content.as_bytes().to_vec()),
            Content::Blob(entry) => self.blobs.get(entry.digest, MAX_FILE_BYTES),
        }
    }

    /// The working copy of a project, if it has one.
    pub(crate) fn tree(&self, project: &ProjectId) -> Result<Option<Tree>> {
        Tree::open_in(&self.dir, &self.root, project.as_str())
    }
}
