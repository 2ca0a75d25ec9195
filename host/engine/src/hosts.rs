//! Which hosts live, and the loop in which this one takes up runs. Recovery is this loop, not a
//! routine at start.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gencode_core::{crash_point, id::HostId, run::Generation};
use gencode_store::{Claim, StoreError};
use tokio::sync::Semaphore;

use crate::{Inner, driver::Driver};

/// How often the host looks for runs without being told: its own are announced.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A file that is locked exactly as long as its host lives; the kernel lets go of it even when the
/// host is killed, so its runs can be taken over at once.
pub(crate) struct HostLock {
    file: File,
}

impl HostLock {
    pub(crate) fn take(folder: &Path, host: HostId) -> std::io::Result<Self> {
        let path = folder.join(format!("{host}.lock"));
        loop {
            let file = File::create(&path)?;
            file.try_lock().map_err(std::io::Error::from)?;
            // Between the two lines above it may have been taken for a dead host's and removed.
            let (held, named) = (file.metadata()?, std::fs::metadata(&path));
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
                return Ok(Self { file });
            }
        }
    }

    /// Says which components this host begins runs with: they are not cleaned away while it lives.
    pub(crate) fn note(&mut self, generation: &Generation) -> std::io::Result<()> {
        self.file.write_all(&serde_json::to_vec(generation)?)
    }

    /// Hosts of this machine that are dead, with the files of their locks. Never the caller, whose
    /// own lock is held.
    pub(crate) fn dead(folder: &Path) -> std::io::Result<Vec<(HostId, PathBuf)>> {
        let mut dead = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let Ok(host) = name.parse::<HostId>() else { continue };
            let file = match File::options().write(true).open(&path) {
                Ok(file) => file,
                // Another host was faster.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if file.try_lock().is_ok() {
                dead.push((host, path));
            }
        }
        Ok(dead)
    }
}

/// Takes up runs until the engine closes, each in a task of its own.
pub(crate) async fn work(engine: Arc<Inner>) {
    let places = Arc::new(Semaphore::new(engine.config.max_runs));
    while !engine.closing.is_cancelled() {
        if engine.config.take_all {
            take_from_the_dead(&engine).await;
            if let Err(error) = engine.store.resume_due().await {
                tracing::warn!(%error, "waiting runs were not looked at");
            }
        }
        while let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let Some(claimed) = claim(&engine).await else { break };
            let (inner, closing) = (Arc::clone(&engine), engine.closing.clone());
            engine.tasks.spawn(async move {
                let _place = place;
                Driver::drive(inner, claimed, closing).await;
            });
        }
        tokio::select! {
            () = engine.closing.cancelled() => {}
            () = engine.wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn claim(engine: &Inner) -> Option<gencode_store::Claimed> {
    let noticed = engine.next_noticed();
    if noticed.is_none() && !engine.config.take_all {
        return None;
    }
    let only = if engine.config.take_all { None } else { noticed };
    let claim = Claim { host: engine.host, lease_ms: engine.config.lease_ms, only };
    match engine.store.claim(&claim).await {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(%error, "no run could be claimed; will try again");
            if let Some(run) = only {
                engine.notice(run);
            }
            None
        }
    }
}

async fn take_from_the_dead(engine: &Arc<Inner>) {
    let folder = engine.config.places.hosts.clone();
    let swept = tokio::task::spawn_blocking(move || HostLock::dead(&folder)).await;
    let dead = match swept {
        Ok(Ok(dead)) => dead,
        Ok(Err(error)) => {
            tracing::warn!(%error, "dead hosts were not looked for");
            return;
        }
        Err(panicked) => {
            tracing::error!(%panicked, "looking for dead hosts panicked");
            return;
        }
    };
    for (host, lock) in dead {
        crash_point!("host.recover.before");
        match engine.store.expire_host(&host).await {
            Ok(runs) => {
                crash_point!("host.recover.inside");
                if runs > 0 {
                    tracing::info!(%host, runs, "taking over the runs of a host that died");
                }
                // Only now: as long as the file is there, the next look tries again.
                if let Err(error) = tokio::fs::remove_file(&lock).await {
                    tracing::debug!(%host, %error, "another host removed the lock first");
                }
            }
            Err(error @ StoreError::Busy { .. }) => tracing::warn!(%host, %error, "will try again"),
            Err(error) => tracing::error!(%host, %error, "runs of a dead host were not taken over"),
        }
    }
}
