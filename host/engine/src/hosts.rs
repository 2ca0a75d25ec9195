//! Which hosts live, and the loop in which this one takes up runs. Recovery is this loop, not a
//! routine at start.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gencode_core::{crash_point, event::EventBody, id::HostId, run::Generation};
use gencode_store::{Claim, StoreError};
use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tracing::{Instrument as _, field::Empty, info_span};
use ulid::Ulid;

use crate::{EngineError, Inner, driver::Driver, hands::Hands, leftovers};

/// How often the host looks for runs without being told: its own are announced.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often the host asks what other hosts were told about its runs; its own are announced.
const HEED_EVERY: Duration = Duration::from_millis(250);

/// How often it looks whether there is space again.
const SPACE_EVERY: Duration = Duration::from_secs(3);

/// What must fit before a run that waited for space goes on.
const PROBE_BYTES: usize = 4 * 1024 * 1024;

/// How long the answer to a request is kept for its repeats.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How often older ones are forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// A file that is locked exactly as long as its host lives; the kernel lets go of it even when the
/// host is killed, so its runs can be taken over at once.
pub(crate) struct HostLock {
    file: File,
}

impl HostLock {
    fn path(folder: &Path, host: HostId) -> PathBuf {
        folder.join(format!("{host}.lock"))
    }

    pub(crate) fn take(folder: &Path, host: HostId) -> std::io::Result<Self> {
        let path = Self::path(folder, host);
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

/// A piece of work that is known to be over when its process has ended: others see it as a host that
/// has no runs.
pub(crate) struct Presence {
    pub(crate) id: HostId,
    _lock: HostLock,
    file: PathBuf,
}

impl Presence {
    pub(crate) fn take(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let id = HostId::from_ulid(Ulid::new());
        Ok(Self { id, _lock: HostLock::take(folder, id)?, file: HostLock::path(folder, id) })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // A file that stays has no lock: the next look at dead hosts takes it away.
        let _removed = std::fs::remove_file(&self.file);
    }
}

/// Takes the file of this host's lock away, unless a run could not be given back: whoever finds the
/// lock free takes such a run over at once.
pub(crate) async fn leave(engine: &Inner) {
    match engine.store.owned(&engine.host).await {
        Ok(runs) if runs.is_empty() => {}
        Ok(runs) => {
            tracing::warn!(runs = runs.len(), "runs are left to the next host of this machine");
            return;
        }
        Err(error) => {
            tracing::debug!(%error, "the lock stays: nobody knows whether runs are left");
            return;
        }
    }
    let lock = HostLock::path(&engine.config.places.hosts, engine.host);
    if let Err(error) = tokio::fs::remove_file(&lock).await {
        tracing::debug!(%error, "the lock of this host stays");
    }
}

/// Takes up runs until the engine closes, each in a task of its own.
pub(crate) async fn work(engine: Arc<Inner>) {
    let mut waiting = Waiting::default();
    let places = Arc::new(Semaphore::new(engine.config.max_runs));
    if engine.config.take_all {
        leftovers::sweep(&engine).await;
    }
    while !engine.closing.is_cancelled() {
        if engine.config.take_all {
            take_from_the_dead(&engine).await;
        }
        waiting.look(&engine).await;
        while let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let Some(claimed) = claim(&engine).await else { break };
            let (inner, closing) = (Arc::clone(&engine), engine.closing.clone());
            let run = &claimed.run;
            let span = info_span!(
                "run",
                run = %run.id,
                project = %run.project,
                model = run.model,
                status = Empty,
                otel.status_code = Empty,
            );
            let drive = async move {
                let _place = place;
                Driver::drive(inner, claimed, closing).await;
            };
            engine.tasks.spawn(drive.instrument(span));
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
    // A host that takes no others looks after its own: somebody else may have let them go on.
    let only = match noticed {
        _ if engine.config.take_all => None,
        Some(run) => Some(run),
        None => Some(engine.next_own()?),
    };
    let claim = Claim { host: engine.host, lease_ms: engine.config.lease_ms, only };
    match engine.store.claim(&claim).await {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(%error, "no run could be claimed; will try again");
            if let Some(run) = only {
                engine.notice_later(run);
            }
            None
        }
    }
}

/// Asks the store what is wanted of the runs in hand, and whether they are still this host's. Apart
/// from [`work`], so that nothing that hangs there holds a stop back.
pub(crate) async fn heed(engine: Arc<Inner>) {
    while !engine.closing.is_cancelled() {
        let hands = engine.hands.all();
        if !hands.is_empty() {
            match engine.store.owned(&engine.host).await {
                Ok(owned) => Hands::heed(&hands, &owned),
                // Nothing is known: what is written is checked by the store anyway.
                Err(error) => tracing::debug!(%error, "nothing was heard of the runs in hand"),
            }
        }
        tokio::select! {
            () = engine.closing.cancelled() => {}
            () = engine.heed.notified() => {}
            () = tokio::time::sleep(HEED_EVERY) => {}
        }
    }
}

/// Runs that go on by themselves.
#[derive(Default)]
struct Waiting {
    space_looked_for: Option<Instant>,
    requests_forgotten: Option<Instant>,
}

impl Waiting {
    /// Lets runs go on whose moment has come, or that waited for space and now have some.
    async fn look(&mut self, engine: &Arc<Inner>) {
        match engine.store.resume_due().await {
            Ok(runs) => engine.notice_woken(&runs),
            Err(error) => tracing::warn!(%error, "waiting runs were not looked at"),
        }
        if is_due(&mut self.space_looked_for, SPACE_EVERY)
            && let Err(error) = resume_stored(engine).await
        {
            tracing::debug!(%error, "runs that wait for space go on waiting");
        }
        if is_due(&mut self.requests_forgotten, FORGET_EVERY)
            && let Err(error) = engine.store.forget_requests(REMEMBERED).await
        {
            tracing::debug!(%error, "old requests were not forgotten");
        }
    }
}

fn is_due(last: &mut Option<Instant>, every: Duration) -> bool {
    let due = last.is_none_or(|last| last.elapsed() >= every);
    if due {
        *last = Some(Instant::now());
    }
    due
}

/// Lets runs go on that wait for space, if a file of some size can be written now.
async fn resume_stored(engine: &Arc<Inner>) -> Result<(), EngineError> {
    let runs = engine.store.waiting_for_storage().await?;
    if runs.is_empty() {
        return Ok(());
    }
    if engine.space.check().await.is_err() {
        return Ok(());
    }
    let probe = engine.config.places.hosts.join(format!("space-{}", engine.host));
    let written = tokio::fs::write(&probe, vec![0x5a; PROBE_BYTES]).await;
    let removed = tokio::fs::remove_file(&probe).await;
    written.and(removed).map_err(|error| EngineError::internal("there is no space yet", error))?;
    for run in runs {
        let message = "There is space again.".to_owned();
        match engine.store.resume_run(run, vec![EventBody::RunResumed { message }]).await {
            Ok(_) => engine.notice_woken(&[run]),
            // Another host was quicker.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
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
    let any = !dead.is_empty();
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
    if any {
        leftovers::sweep(engine).await;
    }
}
