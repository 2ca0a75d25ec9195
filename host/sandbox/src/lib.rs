//! Runs a generated application's own tools away from the host.
//!
//! A program runs in its own user, pid, mount, ipc and network namespaces, sees through Landlock
//! only the system's programs and its own tree, has bounded resources, and does not outlive the
//! call that started it. No daemon and no root is needed. What the kernel refuses is left out and
//! reported by [`Sandbox::isolation`].
//!
//! **Invariant:** nothing here runs a shell, and no program starts except through the helper
//! ([`helper_main`]), which kills all of its descendants when the host lets go of it or dies.
//! *Checked by `tests/it/exec.rs`.*
//!
//! Where a thing is: `helper/` is the separate process, `process` the host's end of it, `install`
//! the cache of dependencies, `accept` and `browse` look at a running application, `preview`
//! keeps one running.

mod accept;
mod blocking;
mod browse;
mod cached;
mod check;
mod devtools;
mod error;
mod folder;
mod helper;
mod http;
mod install;
mod local;
mod place;
mod preview;
mod process;
mod protocol;
mod serve;
mod tail;
mod tools;
mod types;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

pub use cached::{
    CachedDependencies, cached_dependencies, remove_dependencies, shown_dependencies,
};
pub use error::SandboxError;
pub use helper::helper_main;
pub use preview::{Preview, PreviewState, Previews, ServeSpec};
pub use protocol::Isolation;
pub use types::{
    AcceptanceReport, AcceptanceRequest, CheckResult, Command, Ecosystem, ExecResult, HttpCheck,
    Tool,
};

use self::{
    error::Doing as _,
    place::{DEVICES, Place, READABLE},
    process::{Running, text_of},
    protocol::{Limits, Network, Spec},
    tools::{Toolchains, Tools},
};

/// A socket's path has at most 107 bytes.
const MAX_RUNTIME_DIR: usize = 90;

/// How programs are kept from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// Namespaces, Landlock and resource limits of the Linux kernel.
    #[default]
    Process,
    /// Not at all. Only when the operator says so.
    None,
}

/// What a [`Sandbox`] is made of.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Installed dependencies, kept between runs.
    pub cache_dir: PathBuf,
    /// Unix sockets. Its path may have at most 90 bytes.
    pub runtime_dir: PathBuf,
    /// Program and leading arguments that end in [`helper_main`], for example `[exe, "__sandbox"]`.
    pub helper: Vec<OsString>,
    pub backend: Backend,
    /// `PATH`, `HOME` and the settings of package managers (`PIP_*`, `npm_config_*`, proxies,
    /// certificates), as the operator set them. `PATH` is searched for tools; the others reach
    /// installs only.
    pub pass_env: Vec<(String, String)>,
    /// The browser to use instead of the one found on `PATH`.
    pub browser: Option<PathBuf>,
    /// How many programs may run at once, previews aside.
    pub concurrency: usize,
}

/// Runs programs apart from the host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SandboxConfig,
    /// Arguments after the helper's program, for the helper to start itself again.
    helper_args: Vec<String>,
    private_root: bool,
    isolation: Isolation,
    tools: Tools,
    slots: Semaphore,
}

/// A program to start, before the backend adds what every program gets.
struct Launch {
    argv: Vec<String>,
    cwd: PathBuf,
    env: Vec<(String, String)>,
    network: Network,
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    home: TempDir,
    /// Wall-clock limit; none for a server.
    limit: Option<Duration>,
}

impl Sandbox {
    /// Prepares the folders and tries out what the kernel allows.
    pub async fn open(mut config: SandboxConfig) -> Result<Self, SandboxError> {
        for folder in [&mut config.cache_dir, &mut config.runtime_dir] {
            *folder = prepare(folder.clone()).await?;
        }
        let length = config.runtime_dir.as_os_str().len();
        if length > MAX_RUNTIME_DIR {
            return Err(SandboxError::Invalid(format!(
                "the folder for sockets, `{}`, has a path of {length} bytes; at most {MAX_RUNTIME_DIR} leave room for a socket's name",
                config.runtime_dir.display()
            )));
        }
        let helper_args = config.helper.iter().skip(1).map(|part| text_of(Path::new(part)));
        let mut inner = Inner {
            helper_args: helper_args.collect::<Result<_, _>>()?,
            private_root: config.backend == Backend::Process,
            isolation: Isolation::default(),
            tools: Tools::new(&config),
            slots: Semaphore::new(config.concurrency.max(1)),
            config,
        };
        let mut tried = inner.try_out().await;
        if tried.is_err() && inner.private_root {
            tracing::warn!(error = ?tried, "the kernel refuses a private root folder");
            inner.private_root = false;
            tried = inner.try_out().await;
        }
        inner.isolation = tried?;
        inner.private_root = inner.isolation.private_root;
        let separated = inner.isolation.private_root || inner.isolation.landlock_files;
        if inner.config.backend == Backend::Process && !separated {
            return Err(SandboxError::NoIsolation);
        }
        let whole = inner.isolation.private_root
            && inner.isolation.landlock_files
            && inner.isolation.network_namespace
            && inner.isolation.unprivileged;
        if whole {
            tracing::debug!(isolation = ?inner.isolation, "the sandbox is open");
        } else {
            tracing::warn!(isolation = ?inner.isolation, "generated applications are separated from the host in part only");
        }
        Ok(Self(Arc::new(inner)))
    }

    /// What separates a program without network from the host here.
    pub fn isolation(&self) -> Isolation {
        self.0.isolation
    }

    /// Looks for a toolchain. The answer is its version; the error says what to install.
    pub async fn available(&self, tool: Tool) -> Result<String, SandboxError> {
        self.0.tools.version(tool).await
    }

    /// Runs one program in a tree. A non-zero exit is a result, not an error.
    ///
    /// The limit counts from when the program starts, not while it waits for a free slot.
    pub async fn exec(&self, tree: &Path, command: Command) -> Result<ExecResult, SandboxError> {
        let place = Place::find(tree, &command.cwd).await?;
        let tools = self.0.tools.present().await;
        let network = if command.network { Network::Full } else { Network::None };
        let launch = Launch {
            argv: command.argv,
            env: place.environment(&tools, self.0.private_root, &command.env),
            network,
            readable: self.readable(&tools),
            writable: vec![place.tree.clone()],
            limit: Some(command.timeout),
            cwd: place.cwd,
            home: place.home,
        };
        self.run(launch, command.timeout).await
    }

    /// Toolchains and installed dependencies.
    fn readable(&self, tools: &Toolchains) -> Vec<PathBuf> {
        let mut readable: Vec<PathBuf> = tools.roots().map(Path::to_path_buf).collect();
        readable.push(self.0.config.cache_dir.clone());
        readable
    }

    /// Runs a program to its end, or to its limit.
    async fn run(&self, launch: Launch, limit: Duration) -> Result<ExecResult, SandboxError> {
        let _slot = self.slot().await?;
        let started = Instant::now();
        let mut running = self.0.start(launch).await?;
        let (exit_code, timed_out) = match timeout(limit, running.wait()).await {
            Ok(code) => (code?, false),
            Err(_) => (running.kill().await?, true),
        };
        Ok(ExecResult {
            exit_code,
            stdout: running.stdout(),
            stderr: running.stderr(),
            timed_out,
            duration: started.elapsed(),
        })
    }

    /// One of the programs that may run at once.
    async fn slot(&self) -> Result<SemaphorePermit<'_>, SandboxError> {
        let slot = self.0.slots.acquire().await;
        slot.map_err(|_| SandboxError::Helper("the sandbox is closed".to_owned()))
    }
}

impl Inner {
    /// Starts a program that does nothing.
    async fn try_out(&self) -> Result<Isolation, SandboxError> {
        let parent = self.config.runtime_dir.clone();
        let home = blocking::run(move || place::home_beside(&parent.join("probe"))).await?;
        let launch = Launch {
            argv: vec!["true".to_owned()],
            cwd: home.path().to_path_buf(),
            env: place::environment(home.path(), Vec::new(), self.private_root, &[]),
            network: Network::None,
            readable: Vec::new(),
            writable: Vec::new(),
            home,
            limit: Some(Duration::from_secs(30)),
        };
        let mut running = self.start(launch).await?;
        let isolation = running.isolation();
        match running.wait().await? {
            0 => Ok(isolation),
            code => Err(SandboxError::Helper(format!("`true` ended with {code}"))),
        }
    }

    async fn start(&self, launch: Launch) -> Result<Running, SandboxError> {
        if launch.argv.is_empty() {
            return Err(SandboxError::Invalid("the command is empty".to_owned()));
        }
        let home = launch.home.path().to_path_buf();
        let readable = READABLE.iter().map(PathBuf::from).chain(launch.readable);
        let writable =
            DEVICES.iter().map(PathBuf::from).chain(launch.writable).chain([home.clone()]);
        let spec = Spec {
            helper_args: self.helper_args.clone(),
            argv: launch.argv,
            cwd: text_of(&launch.cwd)?,
            env: launch.env,
            network: launch.network,
            isolate: self.config.backend == Backend::Process,
            readable: readable.map(|path| text_of(&path)).collect::<Result<_, _>>()?,
            writable: writable
                .filter(|path| path.exists())
                .map(|path| text_of(&path))
                .collect::<Result<_, _>>()?,
            private_root: self.private_root,
            temporary: text_of(&home.join("tmp"))?,
            ids: (0, 0),
            isolation: Isolation::default(),
            limits: limits(launch.limit),
        };
        Running::start(&self.config.helper, &spec, Some(launch.home)).await
    }
}

/// Bounds of one process. Generous: they stop what runs away, not what works hard.
fn limits(wall: Option<Duration>) -> Limits {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = u64::try_from(cores).unwrap_or(1);
    Limits {
        // All threads together cannot use more within the wall-clock limit.
        cpu_seconds: wall.map_or(0, |wall| (wall.as_secs() + 10).saturating_mul(cores)),
        open_files: 8192,
        file_bytes: 2 << 30,
        processes: 4096,
    }
}

/// Makes a folder, and its path free of links.
async fn prepare(folder: PathBuf) -> Result<PathBuf, SandboxError> {
    blocking::run(move || {
        std::fs::create_dir_all(&folder)
            .doing(|| format!("make the folder `{}`", folder.display()))?;
        folder.canonicalize().doing(|| format!("find the folder `{}`", folder.display()))
    })
    .await
}
