//! The composition root: opens the concrete parts and puts them together.

use std::{ffi::OsString, path::Path, sync::Arc};

use anyhow::Context as _;
use gencode_core::ledger::{DEFAULT_MAX_INR, INR_PER_USD};
use gencode_engine::{Engine, EngineConfig, Parts, housekeeping::Duty};
use gencode_runtime::{Runtime, RuntimeConfig};
use gencode_sandbox::{Backend, Sandbox, SandboxConfig};
use gencode_store::Store;
use gencode_workspace::Workspaces;
use include_dir::{Dir, include_dir};
use rust_decimal::Decimal;

use crate::{
    cli::Global,
    config::{self, Folders},
};

/// What every generated application starts from.
static SEED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates/apps/fastapi-react/seed");

/// Programs that run in sandboxes at the same time, previews aside.
const CONCURRENT_COMMANDS: usize = 4;

/// What the host is opened for.
pub(crate) enum Purpose {
    /// One run in a terminal, with its own budget.
    OneRun { max_usd: Option<Decimal> },
    /// The API; takes up every unfinished run.
    Serve,
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
    let (take_all, serve) = match purpose {
        Purpose::Serve => (true, true),
        Purpose::OneRun { .. } => (false, false),
    };
    let max_usd = match purpose {
        Purpose::OneRun { max_usd: Some(max_usd) } => max_usd,
        _ => DEFAULT_MAX_INR / INR_PER_USD,
    };
    let engine_config = EngineConfig {
        plugins: folders.plugins.clone(),
        places: folders.places(),
        max_usd,
        lease_ms: global.lease_ms,
        max_runs: 4,
        take_all,
        attended: serve,
        start_previews: serve,
        space: config::space(folders)?,
        policy: config::policy()?,
        duty: if serve { config::duty()? } else { Duty { every: None } },
    };
    let parts = Parts { store, workspaces, runtime, gateway, sandbox, seed: seed() };
    Ok(Host { engine: Engine::open(parts, engine_config).await? })
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
        browser: config::text("CHROME").map(Into::into),
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
