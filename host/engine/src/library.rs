//! Which plugins there are: loading them, keeping their bytes, and pinning them to runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use gencode_core::{
    digest::Digest,
    pipeline::Pipeline,
    plugin::PluginKind,
    run::{Generation, PinnedPlugin},
};
use gencode_runtime::{
    Plugin, Runtime,
    types::{HandlerDescription, ValidatorDescription},
};

use gencode_core::glob::Globs;

use crate::components::{ComponentError, Components};

/// Why the plugins cannot be used. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error(
        "there is no plugin folder `{0}`: build the plugins with `gencode plugin build`, or name their folder with --plugins"
    )]
    NoFolder(PathBuf),
    #[error("cannot read the plugin `{0}`")]
    Unreadable(PathBuf, #[source] std::io::Error),
    #[error("the plugin `{0}` is broken: build it again with `gencode plugin build`")]
    Broken(PathBuf, #[source] Box<gencode_runtime::LoadError>),
    #[error("the plugin `{0}` does not describe itself")]
    Silent(String, #[source] Box<gencode_runtime::CallError>),
    #[error("two components say they are the plugin `{id}`: `{first}` and `{second}`; remove one")]
    Twice { id: String, first: PathBuf, second: PathBuf },
    #[error("the plugin `{0}` is missing in `{1}`: build it with `gencode plugin build`")]
    Missing(String, PathBuf),
    #[error("the component {digest} of plugin `{id}`, which this run began with, is not to be had")]
    Gone {
        id: String,
        digest: Digest,
        #[source]
        source: ComponentError,
    },
    #[error("cannot keep a copy of the plugin `{0}`")]
    Keep(String, #[source] ComponentError),
}

/// A validator with what it wants to see.
pub(crate) struct Validator {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) description: ValidatorDescription,
    pub(crate) files: Globs,
}

/// A handler with what it promises.
pub(crate) struct Handler {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) description: HandlerDescription,
}

/// The plugins of one generation, ready to call.
pub(crate) struct PluginSet {
    pub(crate) generation: Generation,
    pub(crate) handlers: BTreeMap<String, Handler>,
    pub(crate) agents: BTreeMap<String, Arc<Plugin>>,
    /// In order of id, which is the order in which their reports are merged.
    pub(crate) validators: Vec<Validator>,
}

/// All generations in use, and the folder of components.
pub(crate) struct Library {
    runtime: Arc<Runtime>,
    /// Kept bytes of every component a run began with, by digest.
    kept: Components,
    active: Arc<PluginSet>,
    /// Sets of older generations that unfinished runs still need.
    older: Mutex<Vec<Arc<PluginSet>>>,
}

impl Library {
    /// Loads every component of `folder` and checks that the pipelines find their handlers.
    pub(crate) async fn open(
        runtime: Arc<Runtime>,
        folder: &Path,
        kept: Components,
        pipelines: &[&Pipeline],
    ) -> Result<Self, LibraryError> {
        let files = list(folder).await?;
        let mut loading = tokio::task::JoinSet::new();
        for file in files {
            let (runtime, kept) = (Arc::clone(&runtime), kept.clone());
            loading.spawn(async move { load_file(&runtime, &kept, file).await });
        }
        let mut loaded: BTreeMap<String, (PathBuf, Arc<Plugin>)> = BTreeMap::new();
        let mut failed: Vec<(PathBuf, LibraryError)> = Vec::new();
        while let Some(result) = loading.join_next().await {
            match result {
                Ok((file, Ok(plugin))) => {
                    let id = plugin.manifest.id.clone();
                    if let Some((first, _)) = loaded.get(&id) {
                        return Err(LibraryError::Twice { id, first: first.clone(), second: file });
                    }
                    loaded.insert(id, (file, plugin));
                }
                Ok((file, Err(error))) => failed.push((file, error)),
                Err(panicked) => tracing::error!(%panicked, "loading a plugin panicked"),
            }
        }
        // The first by name, so that the message is the same every time.
        failed.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error);
        }
        let plugins = loaded.into_values().map(|(_, plugin)| plugin);
        let active = PluginSet::of(&runtime, plugins).await?;
        for step in pipelines.iter().flat_map(|pipeline| &pipeline.steps) {
            if !active.handlers.contains_key(&step.handler) {
                return Err(LibraryError::Missing(step.handler.clone(), folder.to_path_buf()));
            }
        }
        for agent in ["marcus", "victoria", "derek", "luna"] {
            if !active.agents.contains_key(agent) {
                return Err(LibraryError::Missing(agent.to_owned(), folder.to_path_buf()));
            }
        }
        Ok(Self { runtime, kept, active: Arc::new(active), older: Mutex::default() })
    }

    /// The set that new runs begin with.
    pub(crate) fn active(&self) -> Arc<PluginSet> {
        Arc::clone(&self.active)
    }

    /// The exact set a run began with, loaded again if need be.
    pub(crate) async fn pinned(
        &self,
        generation: &Generation,
    ) -> Result<Arc<PluginSet>, LibraryError> {
        if self.active.generation == *generation {
            return Ok(self.active());
        }
        let known = |sets: &Vec<Arc<PluginSet>>| {
            sets.iter().find(|set| set.generation == *generation).map(Arc::clone)
        };
        if let Some(set) = known(&self.older.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(set);
        }
        let mut plugins = Vec::with_capacity(generation.0.len());
        for (id, pinned) in &generation.0 {
            let digest = pinned.digest;
            let gone = |source| LibraryError::Gone { id: id.clone(), digest, source };
            let bytes = self.kept.get(digest).await.map_err(gone)?;
            let plugin =
                self.runtime.load(bytes).await.map_err(|error| {
                    LibraryError::Broken(self.kept.file(digest), Box::new(error))
                })?;
            plugins.push(plugin);
        }
        let set = Arc::new(PluginSet::of(&self.runtime, plugins.into_iter()).await?);
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        older.push(Arc::clone(&set));
        Ok(set)
    }

    /// Keeps the active set again, so that no cleaning takes it for forgotten.
    pub(crate) async fn keep_again(&self) -> Result<(), ComponentError> {
        for pinned in self.active.generation.0.values() {
            let bytes = self.kept.get(pinned.digest).await?;
            self.kept.keep(bytes).await?;
        }
        Ok(())
    }

    /// Lets go of a generation no run needs any more.
    pub(crate) fn forget(&self, generation: &Generation) {
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        older.retain(|set| set.generation != *generation);
    }
}

impl PluginSet {
    async fn of(
        runtime: &Runtime,
        plugins: impl Iterator<Item = Arc<Plugin>>,
    ) -> Result<Self, LibraryError> {
        let mut set = Self {
            generation: Generation::default(),
            handlers: BTreeMap::new(),
            agents: BTreeMap::new(),
            validators: Vec::new(),
        };
        for plugin in plugins {
            let manifest = &plugin.manifest;
            let id = manifest.id.clone();
            let silent = |error| LibraryError::Silent(id.clone(), Box::new(error));
            let pin = PinnedPlugin { version: manifest.version.to_string(), digest: plugin.digest };
            set.generation.0.insert(id.clone(), pin);
            match manifest.kind {
                PluginKind::Handler => {
                    let description = runtime.describe_handler(&plugin).await.map_err(silent)?;
                    set.handlers.insert(id, Handler { plugin, description });
                }
                PluginKind::Agent => {
                    set.agents.insert(id, plugin);
                }
                PluginKind::Validator => {
                    let description = runtime.describe_validator(&plugin).await.map_err(silent)?;
                    let files = Globs::new(&description.files);
                    set.validators.push(Validator { plugin, description, files });
                }
            }
        }
        set.validators.sort_by(|a, b| a.plugin.manifest.id.cmp(&b.plugin.manifest.id));
        Ok(set)
    }
}

async fn list(folder: &Path) -> Result<Vec<PathBuf>, LibraryError> {
    let mut entries = tokio::fs::read_dir(folder)
        .await
        .map_err(|_| LibraryError::NoFolder(folder.to_path_buf()))?;
    let mut files = Vec::new();
    while let Some(entry) = entries
        .next_entry()
        .await
        .map_err(|error| LibraryError::Unreadable(folder.to_path_buf(), error))?
    {
        if entry.path().extension().is_some_and(|extension| extension == "wasm") {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

async fn load_file(
    runtime: &Runtime,
    kept: &Components,
    file: PathBuf,
) -> (PathBuf, Result<Arc<Plugin>, LibraryError>) {
    let loaded = async {
        let bytes = tokio::fs::read(&file)
            .await
            .map_err(|error| LibraryError::Unreadable(file.clone(), error))?;
        let plugin = runtime
            .load(bytes.clone())
            .await
            .map_err(|error| LibraryError::Broken(file.clone(), Box::new(error)))?;
        kept.keep(bytes)
            .await
            .map_err(|error| LibraryError::Keep(plugin.manifest.id.clone(), error))?;
        Ok(plugin)
    };
    let loaded = loaded.await;
    (file, loaded)
}
