//! What all parts of the engine share.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gencode_core::{
    crash_point,
    digest::Digest,
    id::{HostId, ProjectId, RunId},
    pipeline::Pipeline,
    run::{Run, RunKind},
};
use gencode_llm::{Gateway, Reservations};
use gencode_runtime::Runtime;
use gencode_sandbox::{Previews, Sandbox};
use gencode_store::{Checkpoint, CheckpointAuthor, Lease, NewCheckpoint, Store, StoreError};
use gencode_workspace::{Manifest, ManifestDigest, SeedFile, Workspaces};
use rust_decimal::Decimal;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use ulid::Ulid;

use crate::{
    EngineConfig, OpenError, Parts,
    attempt::StepFailure,
    clock::ExternalTime,
    components::Components,
    hands::Hands,
    hosts::HostLock,
    housekeeping::{Keeper, Space},
    library::Library,
    meters::Meters,
    model::UnderWay,
};

/// Clocks of finished runs that are remembered for their summary.
const MAX_CLOCKS: usize = 256;

/// Runs of its own that a host remembers.
const MAX_OWN: usize = 4096;

/// First wait of a run that cannot go on because something of the host is away; doubles each time.
const FIRST_SETBACK: Duration = Duration::from_millis(250);

/// Longest such wait.
const LONGEST_SETBACK: Duration = Duration::from_secs(30);

pub(crate) struct Inner {
    pub(crate) config: EngineConfig,
    pub(crate) store: Store,
    pub(crate) workspaces: Workspaces,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) gateway: Gateway,
    pub(crate) reservations: Reservations,
    pub(crate) sandbox: Sandbox,
    pub(crate) previews: Previews,
    pub(crate) library: Library,
    pub(crate) space: Space,
    pub(crate) keeper: Keeper,
    pub(crate) meters: Meters,
    pub(crate) build: Arc<Pipeline>,
    pub(crate) refine: Arc<Pipeline>,
    pub(crate) seed: Vec<SeedFile>,
    pub(crate) host: HostId,
    /// Held as long as this host lives; its end tells others.
    _lock: HostLock,
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// There may be a run to work on.
    pub(crate) wake: Notify,
    /// Something may be wanted of a run in hand.
    pub(crate) heed: Notify,
    /// The runs in hand.
    pub(crate) hands: Hands,
    /// Model calls that are under way.
    pub(crate) under_way: UnderWay,
    /// How often in a row a run was given back because something of the host was away.
    setbacks: Mutex<BTreeMap<RunId, u32>>,
    /// Runs started through this host. One that takes no others takes these up again and again.
    own: Mutex<BTreeSet<RunId>>,
    clocks: Mutex<BTreeMap<RunId, ExternalTime>>,
    /// Runs started or woken through this host that no driver has taken up yet.
    noticed: Mutex<VecDeque<RunId>>,
}

impl Inner {
    pub(crate) async fn open(parts: Parts, config: EngineConfig) -> Result<Self, OpenError> {
        for folder in [
            &config.places.components,
            &config.places.trees,
            &config.places.previews,
            &config.places.hosts,
        ] {
            create_dir(folder).await?;
        }
        let mut seed = Vec::with_capacity(parts.seed.len());
        for (path, content) in parts.seed {
            let path = path.parse().map_err(|_| OpenError::Seed(path))?;
            let executable = content.starts_with(b"#!");
            seed.push(SeedFile { path, content, executable });
        }
        let library = Library::open(
            parts.runtime.clone(),
            &config.plugins,
            Components::new(config.places.components.clone(), parts.workspaces.clone()),
            &[&parts.pipelines.build, &parts.pipelines.refine],
        )
        .await?;
        let host = HostId::from_ulid(Ulid::new());
        let mut lock = HostLock::take(&config.places.hosts, host)
            .map_err(|error| OpenError::Folder(config.places.hosts.clone(), error))?;
        lock.note(&library.active().generation)
            .map_err(|error| OpenError::Folder(config.places.hosts.clone(), error))?;
        let keeper = Keeper {
            store: parts.store.clone(),
            workspaces: parts.workspaces.clone(),
            places: config.places.clone(),
            policy: config.policy,
        };
        Ok(Self {
            space: Space::new(config.space.clone()),
            keeper,
            meters: Meters::default(),
            previews: Previews::new(parts.sandbox.clone()),
            store: parts.store,
            workspaces: parts.workspaces,
            runtime: parts.runtime,
            gateway: parts.gateway,
            reservations: Reservations::new(),
            sandbox: parts.sandbox,
            config,
            library,
            build: Arc::new(parts.pipelines.build),
            refine: Arc::new(parts.pipelines.refine),
            seed,
            host,
            _lock: lock,
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            wake: Notify::new(),
            heed: Notify::new(),
            hands: Hands::default(),
            under_way: UnderWay::default(),
            setbacks: Mutex::default(),
            own: Mutex::default(),
            clocks: Mutex::default(),
            noticed: Mutex::default(),
        })
    }

    pub(crate) fn pipeline(&self, kind: &RunKind) -> Arc<Pipeline> {
        match kind {
            RunKind::Build => Arc::clone(&self.build),
            RunKind::Refine { .. } => Arc::clone(&self.refine),
        }
    }

    /// There is a run to work on.
    pub(crate) fn notice(&self, run: RunId) {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).push_back(run);
        self.wake.notify_one();
    }

    /// A run was started through this host: there is one to work on.
    pub(crate) fn notice_own(&self, run: RunId) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        while own.len() >= MAX_OWN {
            // Run ids sort by time: the first is the oldest.
            own.pop_first();
        }
        own.insert(run);
        drop(own);
        self.notice(run);
    }

    /// Runs go on: this host works on those that are its to work on.
    pub(crate) fn notice_woken(&self, runs: &[RunId]) {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for run in runs {
            if self.config.take_all || own.contains(run) {
                self.notice(*run);
            }
        }
    }

    /// A run of this host's own that it has not in hand.
    pub(crate) fn next_own(&self) -> Option<RunId> {
        let in_hand: Vec<RunId> = self.hands.all().iter().map(|hand| hand.lease.run).collect();
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter().find(|run| !in_hand.contains(run)).copied()
    }

    /// A run that could not be claimed is looked at again, in its time.
    pub(crate) fn notice_later(&self, run: RunId) {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).push_back(run);
    }

    /// How long to wait before a run is given back once more.
    pub(crate) fn setback(&self, run: RunId) -> Duration {
        let mut setbacks = self.setbacks.lock().unwrap_or_else(PoisonError::into_inner);
        let count = setbacks.entry(run).or_default();
        let wait = FIRST_SETBACK.saturating_mul(2u32.saturating_pow(*count));
        *count = count.saturating_add(1);
        wait.min(LONGEST_SETBACK)
    }

    /// A run came to a good end, or to a rest.
    pub(crate) fn recover_from_setbacks(&self, run: RunId) {
        self.setbacks.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// A run of this host's own that no driver has taken up yet.
    pub(crate) fn next_noticed(&self) -> Option<RunId> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// What the run has spent so far, in US dollars, if every call whose outcome nobody knows was
    /// charged in full. For budgets only: what is shown as spent is what providers reported.
    pub(crate) async fn spent_at_worst(&self, run: RunId) -> Result<Decimal, StoreError> {
        // In this order: a call that is settled in between counts twice for a moment, never not.
        let intents = self.store.intents(run).await?;
        let booked = self.store.run_totals(run).await?.all.cost_usd;
        Ok(booked + self.under_way.unconfirmed(&intents))
    }

    /// Input and output price of the run's model per million tokens; none where it is not known
    /// before the call.
    pub(crate) fn prices(&self, run: &Run) -> Option<(Decimal, Decimal)> {
        let price = self.gateway.price(&run.provider, &run.model).ok()?;
        Some((price.input, price.output))
    }

    /// The clock of a run's external commands.
    pub(crate) fn external_time(&self, run: RunId) -> ExternalTime {
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        while clocks.len() >= MAX_CLOCKS {
            // Run ids sort by time: the first is the oldest.
            clocks.pop_first();
        }
        clocks.entry(run).or_default().clone()
    }

    /// The newest checkpoint of a project that has files.
    pub(crate) async fn newest_checkpoint(
        &self,
        project: &ProjectId,
    ) -> Result<Checkpoint, StoreError> {
        self.store.latest_checkpoint(project).await?.ok_or_else(|| StoreError::NotFound {
            what: "checkpoint of project",
            id: project.to_string(),
        })
    }

    /// Manifest of the newest checkpoint.
    pub(crate) async fn head(&self, project: &ProjectId) -> Result<Digest, StoreError> {
        Ok(self.newest_checkpoint(project).await?.manifest)
    }

    /// Makes the project's folder what the newest checkpoint says; scaffolds a project that has
    /// none (audit ATOMIC-001). Repairs what a crash left between a commit and its folder.
    pub(crate) async fn ensure_files(&self, project: &ProjectId) -> Result<(), StepFailure> {
        if let Some(head) = self.store.latest_checkpoint(project).await? {
            let manifest = self.workspaces.manifest(ManifestDigest(head.manifest)).await?;
            let before = match head.parent {
                Some(parent) => {
                    let parent = self.store.checkpoint(parent).await?;
                    self.workspaces.manifest(ManifestDigest(parent.manifest)).await?
                }
                None => manifest.clone(),
            };
            self.show_files(project, &before, &manifest).await;
            return Ok(());
        }
        let saved = self.workspaces.scaffold(project, self.seed.clone()).await?;
        crash_point!("project.seed.inside");
        let checkpoint = NewCheckpoint {
            id: crate::new_checkpoint_id(),
            project: project.clone(),
            parent: None,
            run: None,
            step: String::new(),
            manifest: saved.digest.0,
            author: CheckpointAuthor::Seed,
            performer: "GenCode".to_owned(),
            note: "The template every application starts from".to_owned(),
        };
        self.store.add_checkpoint(&checkpoint, Vec::new()).await?;
        crash_point!("project.seed.after");
        Ok(())
    }

    /// Lets the project's folder follow a commit. A file the user changed on disk is left alone
    /// and named in the log; the checkpoints keep both versions.
    pub(crate) async fn show_files(&self, project: &ProjectId, from: &Manifest, to: &Manifest) {
        match self.workspaces.apply(project, from, to).await {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%project, %error, "the project's folder does not follow its checkpoints");
            }
        }
    }

    /// [`Self::show_files`] after a commit of the lease's owner. A host that lost its run since
    /// then leaves the folder to the new owner, who repairs it from the checkpoints.
    pub(crate) async fn show_committed(
        &self,
        lease: &Lease,
        project: &ProjectId,
        from: &Manifest,
        to: &Manifest,
    ) {
        match self.store.check_lease(lease).await {
            Ok(()) => self.show_files(project, from, to).await,
            Err(error) => tracing::warn!(%project, %error, "the folder is left to the next owner"),
        }
    }

    /// Ends the preview that a run made, if it runs in this process.
    pub(crate) async fn stop_preview_of(&self, run: &Run) {
        let made_by_run = match self.store.preview(&run.project).await {
            Ok(Some(record)) => record.spec.to_string().contains(&run.id.to_string()),
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(run = %run.id, %error, "the preview's record cannot be read");
                false
            }
        };
        if made_by_run {
            self.previews.stop(run.project.as_str()).await;
        }
    }

    /// Removes what a run needed only while it was going on.
    pub(crate) async fn clean_up(&self, run: &Run) {
        let ended = match self.store.run(run.id).await {
            Ok(run) => run.status.is_final(),
            Err(error) => {
                tracing::debug!(run = %run.id, %error, "the run cannot be read");
                false
            }
        };
        if !ended {
            return;
        }
        self.own.lock().unwrap_or_else(PoisonError::into_inner).remove(&run.id);
        self.reservations.forget(&run.id.to_string());
        self.library.forget(&run.generation);
        crash_point!("run.clean.before");
        let trees = self.config.places.trees.join(run.id.to_string());
        if let Err(error) = tokio::fs::remove_dir_all(&trees).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(run = %run.id, %error, "the sandbox trees of a run were not removed");
        }
    }
}

async fn create_dir(folder: &Path) -> Result<(), OpenError> {
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|error| OpenError::Folder(folder.to_path_buf(), error))
}
