//! What all parts of the engine share.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
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
use gencode_store::{Checkpoint, CheckpointAuthor, Document, NewCheckpoint, Store, StoreError};
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
    hosts::HostLock,
    housekeeping::{Keeper, Space},
    library::Library,
};

/// Clocks of finished runs that are remembered for their summary.
const MAX_CLOCKS: usize = 256;

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
    clocks: Mutex<BTreeMap<RunId, ExternalTime>>,
    /// Runs started or woken through this host that no driver has taken up yet.
    noticed: Mutex<VecDeque<RunId>>,
}

impl Inner {
    pub(crate) async fn open(
        parts: Parts,
        config: EngineConfig,
        build: Arc<Pipeline>,
        refine: Arc<Pipeline>,
    ) -> Result<Self, OpenError> {
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
            &[&build, &refine],
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
            previews: Previews::new(parts.sandbox.clone()),
            store: parts.store,
            workspaces: parts.workspaces,
            runtime: parts.runtime,
            gateway: parts.gateway,
            reservations: Reservations::new(),
            sandbox: parts.sandbox,
            config,
            library,
            build,
            refine,
            seed,
            host,
            _lock: lock,
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            wake: Notify::new(),
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

    /// A run of this host's own that no driver has taken up yet.
    pub(crate) fn next_noticed(&self) -> Option<RunId> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Documents a step of the run can see, by name. A refinement sees what the build left.
    pub(crate) async fn documents(&self, run: &Run) -> Result<Vec<Document>, StoreError> {
        match run.kind {
            RunKind::Build => self.store.documents(run.id).await,
            RunKind::Refine { .. } => self.store.project_documents(&run.project).await,
        }
    }

    /// What the run has spent so far, in US dollars.
    pub(crate) async fn spent(&self, run: RunId) -> Result<Decimal, StoreError> {
        Ok(self.store.run_totals(run).await?.all.cost_usd)
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
