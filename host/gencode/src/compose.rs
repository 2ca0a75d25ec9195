//! The composition root: opens the concrete parts and puts them together.

use std::{ffi::OsString, path::Path, sync::Arc};

use anyhow::Context as _;
use gencode_core::ledger::{DEFAULT_MAX_INR, INR_PER_USD};
use gencode_engine::{
    Engine, EngineConfig, Parts, Pipelines, housekeeping::Duty, replay::ReplayParts,
};
use gencode_runtime::{Lane, Runtime, RuntimeConfig};
use gencode_sandbox::{Backend, Sandbox, SandboxConfig};
use gencode_store::{Location, Store};
use gencode_workspace::Workspaces;
use include_dir::{Dir, include_dir};
use rust_decimal::Decimal;

use crate::{
    cli::Global,
    config::{self, Folders},
    settings,
};

/// What every generated application starts from.
static SEED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates/apps/fastapi-react/seed");

/// Programs that run in sandboxes at the same time, previews aside.
const CONCURRENT_COMMANDS: usize = 4;

/// What the host is opened for.
pub(crate) enum Purpose {
    /// One run in a terminal, with its own budget.
    OneRun { max_usd: Option<Decimal> },
    /// The API; takes up every unfinished run, so many at once, with so many waiting.
    Serve { max_runs: usize, max_queued: u64 },
}

/// An open host.
pub(crate) struct Host {
    pub(crate) engine: Engine,
}

impl Host {
    pub(crate) async fn shut_down(&self) {
        self.engine.shut_down().await;
    }
}

/// Opens everything below the data folder.
pub(crate) async fn open(
    global: &Global,
    folders: &Folders,
    purpose: Purpose,
) -> anyhow::Result<Host> {
    let data = &folders.data;
    let store = open_store(folders).await?;
    let workspaces = open_workspaces(folders).await?;
    let runtime = tokio::task::spawn_blocking({
        let cache = data.join("cache/compiled");
        move || Runtime::new(RuntimeConfig::new(cache))
    });
    let runtime = Arc::new(runtime.await?.context("cannot start the plugin runtime")?);
    let gateway = gencode_llm::Gateway::new(config::providers()?)
        .context("the model providers are not set up right")?;
    let sandbox = open_sandbox(global, data).await?;
    let (serve, max_runs, max_queued) = match purpose {
        Purpose::Serve { max_runs, max_queued } => (true, max_runs, max_queued),
        Purpose::OneRun { .. } => (false, 1, u64::MAX),
    };
    let max_usd = match purpose {
        Purpose::OneRun { max_usd: Some(max_usd) } => max_usd,
        _ => config::max_usd()?.unwrap_or(DEFAULT_MAX_INR / INR_PER_USD),
    };
    let engine_config = EngineConfig {
        plugins: folders.plugins.clone(),
        places: folders.places(),
        max_usd,
        lease_ms: global.lease_ms,
        max_runs: max_runs.max(1),
        max_queued,
        take_all: serve,
        attended: serve,
        start_previews: serve,
        space: config::space(folders)?,
        policy: config::policy()?,
        duty: if serve { config::duty()? } else { Duty { every: None } },
    };
    let pipelines = Pipelines::built_in().context("the built-in pipelines are not valid")?;
    let parts = Parts { store, workspaces, runtime, gateway, sandbox, seed: seed(), pipelines };
    Ok(Host { engine: Engine::open(parts, engine_config).await? })
}

/// Opens what a replay reads, and the lab its plugins run in. Makes no new database.
pub(crate) async fn open_replay(folders: &Folders) -> anyhow::Result<ReplayParts> {
    let data = &folders.data;
    if let Location::File(file) = &folders.database
        && !tokio::fs::try_exists(file).await.unwrap_or(false)
    {
        anyhow::bail!(
            "the data folder `{}` has no runs; choose another with --data-dir",
            data.display()
        );
    }
    let store = Store::connect(&folders.database).await?;
    let workspaces = open_workspaces(folders).await?;
    let cache = data.join("cache/compiled");
    let config = RuntimeConfig { lane: Lane::Lab, ..RuntimeConfig::new(cache) };
    let runtime = tokio::task::spawn_blocking(move || Runtime::new(config)).await?;
    let runtime = Arc::new(runtime.context("cannot start the plugin runtime")?);
    Ok(ReplayParts { store, workspaces, runtime, components: data.join("components") })
}

/// The database of the data folder, which is made where missing.
pub(crate) async fn open_store(folders: &Folders) -> anyhow::Result<Store> {
    tokio::fs::create_dir_all(&folders.data).await.with_context(|| {
        format!(
            "cannot use the data folder `{}`; choose another with --data-dir",
            folders.data.display()
        )
    })?;
    Ok(Store::connect(&folders.database).await?)
}

/// The files of the projects, and the blob store that hosts share if there is one.
pub(crate) async fn open_workspaces(folders: &Folders) -> anyhow::Result<Workspaces> {
    let blobs = folders.data.join("blobs");
    Workspaces::open_with(&folders.workspaces, &blobs, folders.blobs.as_ref())
        .await
        .context("cannot open the projects' files")
}

/// The sandbox, started through this very program.
pub(crate) async fn open_sandbox(global: &Global, data: &Path) -> anyhow::Result<Sandbox> {
    let exe = std::env::current_exe().context("cannot tell where this program is")?;
    let runtime_dir = config::runtime_dir()?;
    let config = SandboxConfig {
        cache_dir: data.join("cache/dependencies"),
        runtime_dir,
        helper: vec![exe.into_os_string(), OsString::from("__sandbox")],
        backend: if global.no_isolation { Backend::None } else { Backend::Process },
        pass_env: config::package_manager_env(),
        browser: settings::text("CHROME").map(Into::into),
        concurrency: CONCURRENT_COMMANDS,
    };
    Sandbox::open(config).await.context("cannot start the sandbox")
}

fn seed() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![&SEED];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let path = file.path().to_string_lossy().into_owned();
            files.push((path, file.contents().to_vec()));
        }
    }
    files.sort();
    files
}
