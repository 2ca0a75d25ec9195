//! When, again, how many at once, who has it: the engine runs pipelines of plugins over projects
//! and keeps every fact in the store before anyone hears of it.
//!
//! A run, from outside: [`Engine::create_project`], [`Engine::start_build`], then the events
//! ([`Engine::watch`], [`Engine::events_after`]) until [`Engine::summary`] is there.
//!
//! **Invariants:**
//! - a host call that costs money or could answer differently is recorded before its guest sees
//!   the answer (`guest.rs`); *checked by `tests/it/durability.rs`*;
//! - what a step wrote reaches the project in one transaction or not at all (`step.rs`);
//! - the handle decides nothing about time: who works on a run is the store's lease.

pub mod access;
mod apply;
mod attempt;
mod base;
mod checks;
mod clock;
mod components;
mod conflict;
pub mod control;
mod convert;
pub mod costs;
mod driver;
mod effects;
mod ending;
mod error;
pub mod files;
mod forks;
mod guest;
mod handler;
mod hands;
pub mod history;
mod hosts;
pub mod housekeeping;
mod inner;
pub mod insight;
mod leftovers;
mod library;
mod meters;
mod model;
mod news;
mod patience;
mod previews;
mod progress;
mod projects;
mod pure;
mod questions;
pub mod replay;
mod scope;
mod starts;
mod step;
pub mod summary;
mod tools;

use std::{path::PathBuf, sync::Arc};

use gencode_core::{
    id::{CheckpointId, ProjectId, RunId},
    pipeline::{Pipeline, PipelineError},
    run::{Run, RunKind},
};
use rust_decimal::Decimal;
use ulid::Ulid;

pub use self::{
    apply::Applied,
    components::ComponentError,
    error::EngineError,
    forks::{ForkRequest, Forked},
    history::History,
    library::LibraryError,
    news::{Closed, News},
    projects::NewProject,
};
pub use gencode_sandbox::{Preview, PreviewState};
pub(crate) use inner::Inner;

/// The default pipeline: the eleven steps of domain-rules §2.1.
const BUILD_PIPELINE: &str = include_str!("../pipeline.toml");

/// What a refinement of a finished application goes through.
const REFINE_PIPELINE: &str = include_str!("../refine.toml");

/// What the engine is made of. The binary chooses and opens the parts.
pub struct Parts {
    pub store: gencode_store::Store,
    pub workspaces: gencode_workspace::Workspaces,
    pub runtime: Arc<gencode_runtime::Runtime>,
    pub gateway: gencode_llm::Gateway,
    pub sandbox: gencode_sandbox::Sandbox,
    /// Files every project begins with: path and content.
    pub seed: Vec<(String, Vec<u8>)>,
    pub pipelines: Pipelines,
}

/// What runs go through.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipelines {
    /// From a request to an application.
    pub build: Pipeline,
    /// A change to a finished application.
    pub refine: Pipeline,
}

impl Pipelines {
    /// The ones this host comes with.
    pub fn built_in() -> Result<Self, PipelineError> {
        Ok(Self {
            build: Pipeline::parse(BUILD_PIPELINE)?,
            refine: Pipeline::parse(REFINE_PIPELINE)?,
        })
    }
}

/// How this host works.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder of the components (`*.wasm`).
    pub plugins: PathBuf,
    /// Where things are.
    pub places: housekeeping::Places,
    /// Most a run may spend, in US dollars.
    pub max_usd: Decimal,
    /// How long a lease lives without renewal, in milliseconds.
    pub lease_ms: u32,
    /// Runs this host works on at the same time.
    pub max_runs: usize,
    /// Runs that may wait for a host; a start beyond them is refused.
    pub max_queued: u64,
    /// Whether this host takes up every unfinished run it finds, or only the ones it starts.
    pub take_all: bool,
    /// Whether a user can be asked; otherwise questions get their default answer.
    pub attended: bool,
    /// Whether accepted applications are kept running in this process.
    pub start_previews: bool,
    /// How much room there must be before something new is begun.
    pub space: housekeeping::SpaceConfig,
    /// What is cleaned away.
    pub policy: housekeeping::Policy,
    /// When this host cleans up by itself.
    pub duty: housekeeping::Duty,
}

/// Why the engine does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot use the folder `{0}`")]
    Folder(PathBuf, #[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] gencode_store::StoreError),
    #[error("a file of the application template is not usable: `{0}`")]
    Seed(String),
}

/// What became of a wish to build.
#[derive(Debug)]
pub enum Start {
    /// This run was started for it.
    Started(Run),
    /// This run is going on already.
    AlreadyRunning(Run),
    /// There is an application; building again must be asked for.
    AlreadyBuilt,
    /// The last run failed or was stopped; [`Engine::say`] continues it.
    EndedBadly,
}

/// What became of something the user said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It answered the question a run was waiting with.
    Answered,
    /// The failed run goes on after its last good step.
    Continued,
    /// A refinement of the application has begun.
    Refining,
}

/// The engine. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

impl Engine {
    /// Loads the plugins, takes its place among the hosts and begins to work on runs.
    pub async fn open(parts: Parts, config: EngineConfig) -> Result<Self, OpenError> {
        let inner = Inner::open(parts, config).await?;
        let engine = Self(Arc::new(inner));
        engine.0.tasks.spawn(hosts::work(Arc::clone(&engine.0)));
        engine.0.tasks.spawn(hosts::heed(Arc::clone(&engine.0)));
        engine.0.tasks.spawn(housekeeping::work(Arc::clone(&engine.0)));
        Ok(engine)
    }

    /// Hints that a project's history grew.
    pub fn watch(&self, project: &ProjectId) -> News {
        News::new(project.clone(), self.0.store.subscribe(), self.0.closing.clone())
    }

    /// Number of steps a run of this kind has.
    pub fn steps_of(&self, kind: &RunKind) -> usize {
        self.0.pipeline(kind).steps.len()
    }

    /// Stage of the client's progress bar a step is in when this share of it is done, from 0 to 1
    /// (http-ws-contract §3.4).
    pub fn turn_of(&self, step: &str, fraction: f32) -> u32 {
        let turn = |pipeline: &Pipeline| pipeline.step(step).map(|step| step.stage(fraction));
        turn(&self.0.build).or_else(|| turn(&self.0.refine)).unwrap_or(12)
    }

    /// Asks everything to end: sockets, runs (which are given back) and previews.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// [`Engine::close`], and waits until it is so.
    pub async fn shut_down(&self) {
        self.close();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.previews.shutdown().await;
        hosts::leave(&self.0).await;
    }
}

/// The clock of the host.
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

pub(crate) fn new_run_id() -> RunId {
    RunId::from_ulid(Ulid::new())
}

pub(crate) fn new_checkpoint_id() -> CheckpointId {
    CheckpointId::from_ulid(Ulid::new())
}

/// Random digits for an id that is taken.
pub(crate) fn random_suffix() -> u16 {
    random_bytes(2).iter().fold(0, |all, byte| (all << 8) | u16::from(*byte))
}

/// Random bytes for a guest (recorded) or a suffix.
pub(crate) fn random_bytes(length: u32) -> Vec<u8> {
    let length = usize::try_from(length).unwrap_or(0);
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        // 80 of the 128 bits of a ULID are random.
        bytes.extend_from_slice(&Ulid::new().random().to_be_bytes()[6..]);
    }
    bytes.truncate(length);
    bytes
}
