//! What a host that died left in the folders, and nobody else will take away.

use std::path::Path;

use gencode_core::id::RunId;
use gencode_store::StoreError;

use crate::Inner;

/// Removes sandbox trees of runs that have ended, and components that a dead host was just keeping.
/// At the start, and whenever another host has died. Trees of runs that go on are their owners'.
pub(crate) async fn sweep(engine: &Inner) {
    for name in names(&engine.config.places.trees).await {
        let Ok(run) = name.parse::<RunId>() else { continue };
        let ended = match engine.store.run(run).await {
            Ok(run) => run.status.is_final(),
            Err(StoreError::NotFound { .. }) => true,
            Err(error) => {
                tracing::debug!(%run, %error, "the run cannot be read");
                false
            }
        };
        if ended {
            report(&name, tokio::fs::remove_dir_all(engine.config.places.trees.join(&name)).await);
        }
    }
    for name in names(&engine.config.places.components).await {
        let Some((_, process)) = name.split_once(".partial-") else { continue };
        let lives = Path::new("/proc").join(process);
        if process.parse::<u32>().is_ok() && !tokio::fs::try_exists(lives).await.unwrap_or(true) {
            report(
                &name,
                tokio::fs::remove_file(engine.config.places.components.join(&name)).await,
            );
        }
    }
}

async fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut entries = match tokio::fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) => {
            tracing::debug!(folder = %folder.display(), %error, "a folder cannot be listed");
            return names;
        }
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names
}

fn report(name: &str, removed: std::io::Result<()>) {
    match removed {
        Ok(()) => tracing::debug!(name, "removed what a dead host left"),
        // Another host was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(name, %error, "what a dead host left was not removed"),
    }
}
