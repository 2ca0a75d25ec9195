//! Runs a generated application's own tools away from the host.
//!
//! A program runs in its own user, pid, mount, ipc and network namespaces, sees through Landlock
//! only the system's programs and its own tree, has bounded resources, and does not outlive the
//! call that started it. No daemon and no root is needed. What the kernel refuses is left out and
//! reported by [`Sandbox::isolation`].
//!
//! **Invariant:** nothing here runs a shell, and no program starts except through the helper
//! ([`helper_main`]), which kills all of its descendants when the host lets go of it or dies.
//! *Checked by `tests/exec.rs`.*
//!
//! Where a thing is: `helper/` is the separate process, `process` the host's end of it, `install`
//! the cache of dependencies, `accept` and `browse` look at a running application, `preview`
//! keeps one running.

mod accept;
mod browse;
mod error;
mod helper;
mod install;
mod preview;
mod protocol;
mod tools;
mod types;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

pub use error::SandboxError;
pub use helper::helper_main;
pub use preview::{Preview, PreviewState, Previews, ServeSpec};
pub use protocol::Isolation;
pub use types::{
    AcceptanceReport, AcceptanceRequest, CheckResult, Command, Ecosystem, ExecResult, HttpCheck,
    Tool,
};

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
    /// Unix sockets. Its path must be shorter than 70 bytes, because a socket's is at most 107.
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
#[derive(Clone)]
pub struct Sandbox {
    _config: std::sync::Arc<SandboxConfig>,
}

impl Sandbox {
    /// Prepares the folders and tries out what the kernel allows.
    pub async fn open(_config: SandboxConfig) -> Result<Self, SandboxError> {
        Err(SandboxError::NoIsolation)
    }

    /// What separates a program without network from the host here.
    pub fn isolation(&self) -> Isolation {
        Isolation::default()
    }

    /// Looks for a toolchain. The answer is its version; the error says what to install.
    pub async fn available(&self, _tool: Tool) -> Result<String, SandboxError> {
        Err(SandboxError::NoIsolation)
    }

    /// Runs one program in a tree. A non-zero exit is a result, not an error.
    pub async fn exec(&self, _tree: &Path, _command: Command) -> Result<ExecResult, SandboxError> {
        Err(SandboxError::NoIsolation)
    }

    /// Installs what the lock file in `dir` (inside the tree) names, from the cache where possible.
    pub async fn install(
        &self,
        _tree: &Path,
        _ecosystem: Ecosystem,
        _dir: &str,
    ) -> Result<ExecResult, SandboxError> {
        Err(SandboxError::NoIsolation)
    }

    /// Starts the application, waits for its health path, calls it and opens its pages.
    pub async fn accept(
        &self,
        _tree: &Path,
        _request: AcceptanceRequest,
    ) -> Result<AcceptanceReport, SandboxError> {
        Err(SandboxError::NoIsolation)
    }

    /// Opens pages of a built front end (the folder `dir` inside the tree) in a browser.
    pub async fn browse(
        &self,
        _tree: &Path,
        _dir: &str,
        _pages: &[String],
    ) -> Result<Vec<CheckResult>, SandboxError> {
        Err(SandboxError::NoIsolation)
    }
}
