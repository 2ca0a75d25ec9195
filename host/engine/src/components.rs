//! The bytes of the components that runs began with: in a folder of this host, and with a remote
//! blob store there too, so that any host can take up a run of any other.

use std::path::{Path, PathBuf};

use gencode_core::{crash_point, digest::Digest};
use gencode_workspace::{WorkspaceError, Workspaces};
use tokio::io::AsyncWriteExt as _;

/// Why a component could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("cannot read or write `{0}`")]
    Folder(PathBuf, #[source] std::io::Error),
    #[error("no host keeps it any more")]
    Gone,
    #[error("its kept bytes in `{0}` are damaged; restore them from a copy")]
    Damaged(PathBuf),
    #[error("the other hosts' copy is out of reach")]
    Remote(#[from] WorkspaceError),
}

/// Kept components, each under its digest.
#[derive(Debug, Clone)]
pub(crate) struct Components {
    folder: PathBuf,
    workspaces: Workspaces,
}

impl Components {
    pub(crate) fn new(folder: PathBuf, workspaces: Workspaces) -> Self {
        Self { folder, workspaces }
    }

    /// Keeps a component, so that a run finds its exact plugins after any rebuild, here and on
    /// every host that shares the blob store.
    pub(crate) async fn keep(&self, bytes: Vec<u8>) -> Result<(), ComponentError> {
        let digest = Digest::of(&bytes);
        let file = self.file(digest);
        // Young again, so that cleaning lets it be until this host's lock says that it needs it.
        let young = file.clone();
        let young = tokio::task::spawn_blocking(move || crate::housekeeping::make_young(&young));
        let young = matches!(young.await, Ok(Ok(true)));
        if !young || !matches!(tokio::fs::read(&file).await, Ok(kept) if kept == bytes) {
            self.write(&file, &bytes).await?;
        }
        self.workspaces.share(bytes).await?;
        Ok(())
    }

    /// The bytes of a component, checked against its digest.
    pub(crate) async fn get(&self, digest: Digest) -> Result<Vec<u8>, ComponentError> {
        let file = self.file(digest);
        let local = match tokio::fs::read(&file).await {
            Ok(bytes) if Digest::of(&bytes) == digest => return Ok(bytes),
            Ok(_) => ComponentError::Damaged(file.clone()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => ComponentError::Gone,
            Err(error) => ComponentError::Folder(file.clone(), error),
        };
        let Some(bytes) = self.workspaces.shared(digest).await? else { return Err(local) };
        if matches!(local, ComponentError::Damaged(_)) {
            tracing::warn!(%digest, "a damaged component was replaced from the remote store");
        }
        self.write(&file, &bytes).await?;
        Ok(bytes)
    }

    /// Writes a file whole or not at all.
    async fn write(&self, file: &Path, bytes: &[u8]) -> Result<(), ComponentError> {
        let write = async {
            tokio::fs::create_dir_all(&self.folder).await?;
            crash_point!("component.keep.before");
            // The process id keeps two hosts that start together apart.
            let partial = file.with_extension(format!("partial-{}", std::process::id()));
            let mut open = tokio::fs::File::create(&partial).await?;
            open.write_all(bytes).await?;
            open.sync_all().await?;
            crash_point!("component.keep.inside");
            tokio::fs::rename(&partial, file).await
        };
        write.await.map_err(|error| ComponentError::Folder(file.to_path_buf(), error))
    }

    pub(crate) fn file(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.wasm"))
    }
}
