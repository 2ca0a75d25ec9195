//! A sandbox on the real kernel, and a tree to work in.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use gencode_sandbox::{Backend, Command, ExecResult, Sandbox, SandboxConfig};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) base: TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) tree: PathBuf,
}

/// Settings as the binary hands them in.
pub(crate) fn config(base: &Path, backend: Backend) -> SandboxConfig {
    let wanted = |name: &str| {
        let lower = name.to_lowercase();
        ["path", "home", "ssl_cert_file", "node_extra_ca_certs"].contains(&lower.as_str())
            || lower.starts_with("pip_")
            || lower.starts_with("npm_config_")
            || lower.ends_with("_proxy")
    };
    SandboxConfig {
        cache_dir: base.join("cache"),
        runtime_dir: base.join("run"),
        helper: vec![env!("CARGO_BIN_EXE_gencode-sandbox-helper").into()],
        backend,
        pass_env: std::env::vars().filter(|(name, _)| wanted(name)).collect(),
        browser: None,
        concurrency: 2,
    }
}

pub(crate) async fn world() -> World {
    world_with(Backend::Process).await
}

pub(crate) async fn world_with(backend: Backend) -> World {
    let base = tempfile::Builder::new().prefix("sb").tempdir().unwrap();
    let tree = base.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let sandbox = Sandbox::open(config(base.path(), backend)).await.unwrap();
    World { base, sandbox, tree }
}

impl World {
    pub(crate) async fn python(&self, script: &str) -> ExecResult {
        self.exec(&["python3", "-c", script], Duration::from_mins(1)).await
    }

    pub(crate) async fn exec(&self, argv: &[&str], timeout: Duration) -> ExecResult {
        self.sandbox.exec(&self.tree, command(argv, timeout)).await.unwrap()
    }
}

pub(crate) fn command(argv: &[&str], timeout: Duration) -> Command {
    Command {
        argv: argv.iter().map(ToString::to_string).collect(),
        cwd: String::new(),
        env: Vec::new(),
        timeout,
        network: false,
    }
}

/// Waits for something that must become true.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}");
}

/// Whether any process on this machine has the mark in its command line.
pub(crate) fn alive(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    })
}
