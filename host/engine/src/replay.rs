//! Replay: runs the plugins of a run again, against its journal, and compares byte for byte.
//!
//! Each try of each step is played in the lab ([`Lane::Lab`]): the pinned components get the same
//! request, files and documents, and every recorded host call is answered from the journal.
//! Nothing that is played has an effect; a call the journal does not know is a divergence.

mod compare;
mod player;
mod report;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use gencode_core::{
    id::RunId,
    run::{Run, StepRecord},
};
use gencode_runtime::{CallError, HostCall, Lane, LoadError, Plugin, Runtime};
use gencode_store::{JournalEntry, Store, StoreError};
use gencode_workspace::{ManifestDigest, WorkspaceError, Workspaces};

pub use self::report::{Difference, Divergence, Replaced, Report, Try, Used, Verdict};
use self::{
    compare::timed,
    player::{Halt, Played, Player, Position},
};
use crate::{
    base::{self, Base, BaseError, End},
    components::Components,
    conflict::CONFLICT,
    library::{self, LibraryError, PluginSet},
    scope::{Beginning, Scope},
};

/// What a replay works with. It only reads.
pub struct ReplayParts {
    pub store: Store,
    pub workspaces: Workspaces,
    /// Must be of [`Lane::Lab`], where guests are deterministic to the last bit.
    pub runtime: Arc<Runtime>,
    /// Where the bytes of every component a run began with are kept.
    pub components: PathBuf,
}

impl ReplayParts {
    fn kept(&self) -> Components {
        Components::new(self.components.clone(), self.workspaces.clone())
    }
}

/// What is played, with which plugins.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub run: RunId,
    /// Only this step.
    pub step: Option<String>,
    /// Only this try.
    pub attempt: Option<u32>,
    /// A folder of components to play instead of those the run began with.
    pub folder: Option<PathBuf>,
    /// Components to play instead of the run's ones of the same id.
    pub components: Vec<Vec<u8>>,
}

/// Why a run could not be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("there is no run `{0}`")]
    NoSuchRun(RunId),
    #[error("run {run} has no step `{step}`; its steps are {known}")]
    NoSuchStep { run: RunId, step: String, known: String },
    #[error("there was no try {0} of a chosen step")]
    NoSuchTry(u32),
    #[error("a replay needs a runtime of the lab")]
    NotInLab,
    #[error("a component given to the replay cannot be loaded")]
    Load(#[source] Box<LoadError>),
    #[error("run {run} did not use a plugin `{plugin}`")]
    NotUsed { run: RunId, plugin: String },
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("the journal of try {attempt} of step `{step}` is damaged")]
    Damaged {
        step: String,
        attempt: u32,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the journal of try {attempt} of step `{step}` was written by an older host")]
    TooOld { step: String, attempt: u32 },
    #[error("what step `{0}` began with is no longer there")]
    Base(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the host failed during the replay of step `{0}`")]
    Host(String, #[source] Box<CallError>),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Plays a run again. `progress` hears of every try before it is played: its step, its number,
/// how many were played before, and how many there are.
pub async fn replay(
    parts: &ReplayParts,
    wanted: &Wanted,
    mut progress: impl FnMut(&str, u32, usize, usize) + Send,
) -> Result<Report, ReplayError> {
    if parts.runtime.lane() != Lane::Lab {
        return Err(ReplayError::NotInLab);
    }
    let run = match parts.store.run(wanted.run).await {
        Ok(run) => Arc::new(run),
        Err(StoreError::NotFound { .. }) => return Err(ReplayError::NoSuchRun(wanted.run)),
        Err(error) => return Err(error.into()),
    };
    let tries = tries(&parts.store, &run, wanted).await?;
    let (plugins, replaced) = plugins(parts, &run, wanted).await?;
    let stage =
        Stage { parts, run: &run, plugins: Arc::new(plugins), changed: !replaced.is_empty() };
    let mut played = Vec::with_capacity(tries.len());
    for (done, (record, attempt)) in tries.iter().enumerate() {
        progress(&record.step, *attempt, done, tries.len());
        played.push(stage.play(record, *attempt).await?);
    }
    Ok(Report { run: run.id, project: run.project.clone(), replaced, tries: played })
}

/// The chosen tries, in the order of the pipeline.
async fn tries(
    store: &Store,
    run: &Run,
    wanted: &Wanted,
) -> Result<Vec<(StepRecord, u32)>, ReplayError> {
    let steps = store.steps(run.id).await?;
    if let Some(step) = &wanted.step
        && !steps.iter().any(|record| record.step == *step)
    {
        let known: Vec<&str> = steps.iter().map(|record| record.step.as_str()).collect();
        let (step, known) = (step.clone(), known.join(", "));
        return Err(ReplayError::NoSuchStep { run: run.id, step, known });
    }
    let mut tries = Vec::new();
    for record in steps {
        if wanted.step.as_ref().is_some_and(|step| *step != record.step) {
            continue;
        }
        let numbers = 1..=record.attempt;
        for number in numbers.filter(|number| wanted.attempt.is_none_or(|only| only == *number)) {
            tries.push((record.clone(), number));
        }
    }
    match wanted.attempt {
        Some(attempt) if tries.is_empty() => Err(ReplayError::NoSuchTry(attempt)),
        _ => Ok(tries),
    }
}

/// The plugins to play with, and which of them are not the run's own.
async fn plugins(
    parts: &ReplayParts,
    run: &Run,
    wanted: &Wanted,
) -> Result<(PluginSet, Vec<Replaced>), ReplayError> {
    let pinned = &run.generation.0;
    let mut given: BTreeMap<String, Arc<Plugin>> = BTreeMap::new();
    for bytes in &wanted.components {
        let plugin = parts.runtime.load(bytes.clone()).await;
        let plugin = plugin.map_err(|error| ReplayError::Load(Box::new(error)))?;
        let id = plugin.manifest.id.clone();
        if !pinned.contains_key(&id) {
            return Err(ReplayError::NotUsed { run: run.id, plugin: id });
        }
        given.insert(id, plugin);
    }
    let others = if let Some(folder) = &wanted.folder {
        library::load_folder(&parts.runtime, folder, None).await?
    } else {
        let own = pinned.iter().filter(|(id, _)| !given.contains_key(*id));
        library::load_kept(&parts.runtime, &parts.kept(), own).await?
    };
    for plugin in others {
        given.entry(plugin.manifest.id.clone()).or_insert(plugin);
    }
    let set = PluginSet::of(&parts.runtime, given.into_values()).await?;
    let played = &set.generation.0;
    let ids: BTreeSet<&String> = pinned.keys().chain(played.keys()).collect();
    let replaced = ids.into_iter().filter_map(|id| {
        let digest_in = |set: &BTreeMap<String, gencode_core::run::PinnedPlugin>| {
            set.get(id).map(|plugin| plugin.digest)
        };
        let (recorded, played) = (digest_in(pinned), digest_in(played));
        (recorded != played).then(|| Replaced { plugin: id.clone(), recorded, played })
    });
    let replaced = replaced.collect();
    Ok((set, replaced))
}

/// What all tries of a replay share.
struct Stage<'a> {
    parts: &'a ReplayParts,
    run: &'a Arc<Run>,
    plugins: Arc<PluginSet>,
    /// Whether some plugin is not the run's own.
    changed: bool,
}

/// What the journal says of one try.
struct Journal {
    base: Base,
    /// None when the try did not come to its end.
    end: Option<End>,
    calls: BTreeMap<Position, JournalEntry>,
}

impl Stage<'_> {
    async fn play(&self, record: &StepRecord, attempt: u32) -> Result<Try, ReplayError> {
        let started = Instant::now();
        let entries = self.parts.store.journal_load(self.run.id, &record.step, attempt).await;
        let entries = entries.map_err(|error| match error {
            error @ StoreError::Corrupt { .. } => damaged(&record.step, attempt, error),
            other => other.into(),
        })?;
        let mut played = Try {
            step: record.step.clone(),
            attempt,
            handler: String::new(),
            verdict: Verdict::Identical,
            fuel: 0,
            host_calls: 0,
            plugins: BTreeMap::new(),
            duration_ms: 0,
        };
        if entries.is_empty() {
            let why = "the journal of this run has nothing of it: its result was taken over, or \
                       its handler was never called";
            played.verdict = Verdict::NotRun { why: why.to_owned() };
            return Ok(played);
        }
        let journal = read(&record.step, attempt, entries)?;
        let player = self.player(&record.step, attempt, &journal, &self.plugins).await?;
        let ended = player.play().await;
        let ended =
            ended.map_err(|error| ReplayError::Host(record.step.clone(), Box::new(error)))?;
        played.verdict = match ended {
            Played::Halted(_, Halt::Damaged(error)) => {
                return Err(damaged(&record.step, attempt, error));
            }
            Played::Halted(position, Halt::JournalEnds) => Verdict::Unfinished {
                why: unfinished(&journal, &format!("its journal ends before call {position}")),
            },
            Played::Halted(position, Halt::Diverged(mut divergence, now)) => {
                if self.changed
                    && let Some(now) = now
                {
                    let recorded = self.original(&record.step, attempt, &journal, position).await?;
                    if let Some(recorded) = recorded {
                        player::show_calls(&mut divergence, &recorded, &now);
                    }
                }
                Verdict::Diverged { divergence }
            }
            Played::End(end) => self.compare(&journal, &end, &player).await,
        };
        played.handler = player.scope().step.handler.clone();
        played.plugins = player.scope().meter.read();
        played.fuel = played.plugins.values().map(|used| used.fuel).sum();
        played.host_calls = played.plugins.values().map(|used| used.host_calls).sum();
        played.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(played)
    }

    async fn compare(&self, journal: &Journal, now: &End, player: &Player) -> Verdict {
        match &journal.end {
            Some(recorded) if timed(recorded).is_none() => {
                match compare::ends(player.scope(), recorded, now).await {
                    Some(divergence) => Verdict::Diverged { divergence: Box::new(divergence) },
                    None => Verdict::Identical,
                }
            }
            _ => Verdict::Unfinished { why: unfinished(journal, "it was not committed") },
        }
    }

    /// A player of one try with these plugins.
    async fn player(
        &self,
        step: &str,
        attempt: u32,
        journal: &Journal,
        plugins: &Arc<PluginSet>,
    ) -> Result<Arc<Player>, ReplayError> {
        let gone = |source: Box<dyn std::error::Error + Send + Sync>| {
            ReplayError::Base(step.to_owned(), source)
        };
        let base = &journal.base;
        let too_old = || ReplayError::TooOld { step: step.to_owned(), attempt };
        let documents = async {
            let newest = base::visible(&self.parts.store, self.run).await?;
            base::documents(&self.parts.store, self.run, base, newest).await
        };
        let documents = documents.await.map_err(|error| match error {
            BaseError::Store(error) => error.into(),
            other => gone(other.into()),
        })?;
        let manifest = self.parts.workspaces.manifest(ManifestDigest(base.manifest)).await;
        let beginning = Beginning {
            run: Arc::clone(self.run),
            step: base.step.clone().ok_or_else(too_old)?,
            number: attempt,
            plugins: Arc::clone(plugins),
            base: manifest.map_err(|error: WorkspaceError| gone(error.into()))?,
            documents,
        };
        let (runtime, workspaces) = (Arc::clone(&self.parts.runtime), &self.parts.workspaces);
        let scope = Scope::new(beginning, runtime, workspaces.clone());
        let whole = journal.end.as_ref().is_some_and(|end| timed(end).is_none());
        Ok(Arc::new(Player::new(scope, journal.calls.clone(), whole)))
    }

    /// The recorded call at a position, in full. The journal keeps long calls by their digest only,
    /// so the run's own plugins are played up to it; none where they are no longer kept.
    async fn original(
        &self,
        step: &str,
        attempt: u32,
        journal: &Journal,
        position: Position,
    ) -> Result<Option<HostCall>, ReplayError> {
        let (kept, pinned) = (self.parts.kept(), &self.run.generation.0);
        let own = library::load_kept(&self.parts.runtime, &kept, pinned.iter()).await;
        let Ok(own) = own else { return Ok(None) };
        let own = Arc::new(PluginSet::of(&self.parts.runtime, own.into_iter()).await?);
        let player = self.player(step, attempt, journal, &own).await?;
        player.watch(position);
        // However it ends: it came to the position or it did not.
        let _ended = player.play().await;
        Ok(player.watched())
    }
}

fn damaged(
    step: &str,
    attempt: u32,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ReplayError {
    ReplayError::Damaged { step: step.to_owned(), attempt, source: source.into() }
}

fn read(step: &str, attempt: u32, entries: Vec<JournalEntry>) -> Result<Journal, ReplayError> {
    let mut base: Option<Base> = None;
    let mut end: Option<End> = None;
    let mut calls = BTreeMap::new();
    for entry in entries {
        match entry.path.as_str() {
            gencode_store::BASE => {
                let read = serde_json::from_value(entry.reply);
                base = Some(read.map_err(|error| damaged(step, attempt, error))?);
            }
            gencode_store::END => {
                let read = serde_json::from_value(entry.reply);
                end = Some(read.map_err(|error| damaged(step, attempt, error))?);
            }
            // What the user decided about the finished work is nothing a guest saw.
            path if path.starts_with(CONFLICT) => {}
            path => {
                let position = path.parse().map_err(|error| damaged(step, attempt, error))?;
                calls.insert(position, entry);
            }
        }
    }
    let base =
        base.ok_or_else(|| damaged(step, attempt, "it does not say what the try began with"))?;
    Ok(Journal { base, end, calls })
}

/// Why a try that did the same as far as it goes is not known to be the same to its end.
fn unfinished(journal: &Journal, how_far: &str) -> String {
    match journal.end.as_ref().and_then(timed) {
        Some(message) => format!("{how_far}; the try ended because of time: {message}"),
        None => format!("{how_far}: the try did not come to its end"),
    }
}
