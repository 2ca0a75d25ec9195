//! The runtime: loads plugins. How they are called is in [`crate::call`].

use std::{num::NonZero, path::PathBuf, sync::Arc, time::Instant};

use gencode_core::{digest::Digest, plugin::PluginKind};
use tokio::sync::Semaphore;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use crate::{
    blocking,
    cache::Cache,
    component::{self, Outline},
    contract,
    engine::{self, Allocation, Lane},
    error::{LoadError, StartError},
    imports,
    plugin::Plugin,
    state::CallState,
};

/// Calls of one kind of plugin at once. Three kinds together stay below the pool, so that "full"
/// never reaches a guest. Each kind has its own slots: a handler holds one while it waits for an
/// agent, and could otherwise wait for a slot that only handlers like itself hold.
const SLOTS_PER_KIND: usize = 80;

/// How a runtime is set up.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Directory of compiled plugins. Belongs to this host alone.
    pub cache_dir: PathBuf,
    /// Whether plugins may import WASI 0.2, with everything denied.
    pub allow_wasi: bool,
    /// Compilations at once; each uses every core for a part of its work.
    pub compile_permits: usize,
    /// What the engine is for.
    pub lane: Lane,
}

impl RuntimeConfig {
    /// The usual set-up with its cache in `cache_dir`.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            allow_wasi: true,
            compile_permits: std::thread::available_parallelism().map_or(1, NonZero::get),
            lane: Lane::Production,
        }
    }
}

/// Loads and calls plugins. One per process is enough; share it in an `Arc`.
pub struct Runtime {
    pub(crate) engine: Engine,
    lane: Lane,
    allocation: Allocation,
    allow_wasi: bool,
    core: Linker<CallState>,
    wasi: Linker<CallState>,
    cache: Arc<Cache>,
    compiling: Semaphore,
    slots: [Semaphore; 3],
}

impl Runtime {
    /// Starts the engine and opens the cache. Reads and writes a few small files.
    pub fn new(config: RuntimeConfig) -> Result<Self, StartError> {
        let RuntimeConfig { cache_dir, allow_wasi, compile_permits, lane } = config;
        let (engine, allocation) = engine::start(lane)?;
        let cache = Arc::new(Cache::open(&cache_dir, &engine)?);
        let failed = |error: wasmtime::Error| StartError::Engine(error.into());
        let mut core = Linker::new(&engine);
        imports::add_to_linker(&mut core).map_err(failed)?;
        let mut wasi = core.clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut wasi).map_err(failed)?;
        Ok(Self {
            engine,
            lane,
            allocation,
            allow_wasi,
            core,
            wasi,
            cache,
            compiling: Semaphore::new(compile_permits.max(1)),
            slots: [const { Semaphore::const_new(SLOTS_PER_KIND) }; 3],
        })
    }

    /// How instances get their memory on this machine. For health and metrics: on-demand is slow.
    pub const fn allocation(&self) -> Allocation {
        self.allocation
    }

    /// What its engine is for.
    pub const fn lane(&self) -> Lane {
        self.lane
    }

    /// Calls of a kind that could start now without waiting.
    pub fn free_slots(&self, kind: PluginKind) -> usize {
        self.slots_of(kind).available_permits()
    }

    pub(crate) const fn slots_of(&self, kind: PluginKind) -> &Semaphore {
        let [agents, handlers, validators] = &self.slots;
        match kind {
            PluginKind::Agent => agents,
            PluginKind::Handler => handlers,
            PluginKind::Validator => validators,
        }
    }

    /// Checks, compiles and links a component; takes its machine code from the cache if it can.
    pub async fn load(&self, bytes: Vec<u8>) -> Result<Arc<Plugin>, LoadError> {
        let start = Instant::now();
        let permit =
            self.compiling.acquire().await.map_err(|error| LoadError::Link(error.into()))?;
        let work = Work {
            engine: self.engine.clone(),
            cache: Arc::clone(&self.cache),
            allow_wasi: self.allow_wasi,
        };
        let compiled = blocking::run(move || work.compile(&bytes)).await;
        drop(permit);
        // A panic of the compiler is an error of this plugin and of no other.
        let plugin = self.link(compiled.map_err(LoadError::Compile)??)?;
        tracing::debug!(
            plugin = plugin.manifest.id,
            digest = %plugin.digest,
            from_cache = plugin.from_cache,
            ms = start.elapsed().as_millis(),
            "plugin loaded"
        );
        Ok(Arc::new(plugin))
    }

    fn link(&self, compiled: Compiled) -> Result<Plugin, LoadError> {
        let Compiled { outline, component, digest, from_cache, size } = compiled;
        let kind = outline.manifest.kind;
        let linker = if outline.uses_wasi { &self.wasi } else { &self.core };
        let pre = linker
            .instantiate_pre(&component)
            .map_err(|error| LoadError::Link(contract::chain(&error)))?;
        let export = |name: &str| {
            component
                .get_export_index(None, name)
                .ok_or_else(|| LoadError::MissingExport { kind, export: name.to_owned() })
        };
        let describe = export("describe")?;
        let work = export(match kind {
            PluginKind::Validator => "check",
            PluginKind::Agent | PluginKind::Handler => "run",
        })?;
        Ok(Plugin {
            digest,
            from_cache,
            imports: outline.imports,
            uses_wasi: outline.uses_wasi,
            size,
            pre,
            describe,
            work,
            manifest: outline.manifest,
        })
    }
}

struct Compiled {
    outline: Outline,
    component: Component,
    digest: Digest,
    from_cache: bool,
    size: usize,
}

/// The part of loading that blocks.
struct Work {
    engine: Engine,
    cache: Arc<Cache>,
    allow_wasi: bool,
}

impl Work {
    fn compile(&self, bytes: &[u8]) -> Result<Compiled, LoadError> {
        let outline = component::outline(bytes)?;
        component::check_imports(&outline, self.allow_wasi)?;
        let digest = Digest::of(bytes);
        let cached = self.cache.get(&self.engine, digest);
        let from_cache = cached.is_some();
        let component = match cached {
            Some(component) => component,
            None => self.compile_anew(bytes, digest, outline.manifest.kind)?,
        };
        Ok(Compiled { outline, component, digest, from_cache, size: bytes.len() })
    }

    fn compile_anew(
        &self,
        bytes: &[u8],
        digest: Digest,
        kind: PluginKind,
    ) -> Result<Component, LoadError> {
        contract::check(bytes, kind)?;
        let failed = |error: wasmtime::Error| LoadError::Compile(contract::chain(&error));
        let component = Component::from_binary(&self.engine, bytes).map_err(failed)?;
        // What can never fit is said now and not at the first call (plugin-hosts.md §3, item 20).
        if let Some(needs) = component.resources_required() {
            for (what, needed, limit) in [
                ("memories", needs.num_memories, engine::MAX_MEMORIES),
                ("tables", needs.num_tables, engine::MAX_TABLES),
            ] {
                if needed > limit {
                    return Err(LoadError::TooComplex { what, limit: limit as usize });
                }
            }
        }
        let artefact = component.serialize().map_err(failed)?;
        self.cache.put(digest, &artefact);
        Ok(component)
    }
}
