//! Applications that are kept running.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Sandbox, SandboxError};

/// A server to keep running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeSpec {
    /// The folder it runs in and may change. It must stay as long as the preview.
    pub tree: PathBuf,
    /// Starts the server; `{{socket}}` stands for the Unix socket it must listen on.
    pub argv: Vec<String>,
    #[serde(default)]
    pub cwd: String,
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Path that answers 200 when the server is ready.
    pub health_path: String,
    /// Loopback port to listen on; any free one when `None`.
    #[serde(default)]
    pub port: Option<u16>,
    /// Stop after so long without a request; never when `None`.
    #[serde(default)]
    pub idle_timeout: Option<Duration>,
}

/// A preview as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    pub project: String,
    /// `http://127.0.0.1:<port>/`.
    pub url: String,
    pub port: u16,
    pub state: PreviewState,
    /// How often it was started again after a crash.
    pub restarts: u32,
}

/// Whether a preview answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreviewState {
    /// Healthy when last started.
    Running,
    /// It crashed and is being started again.
    Restarting,
    /// It crashed too often. Its address answers 502 until it is stopped.
    Failed,
}

/// The applications that are kept running, one per project. Cheap to clone; when the last clone
/// is dropped, everything stops.
#[derive(Clone)]
pub struct Previews {
    _sandbox: Sandbox,
}

impl Previews {
    /// No previews yet.
    pub fn new(sandbox: Sandbox) -> Self {
        Self { _sandbox: sandbox }
    }

    /// Starts a server, waits until it is healthy and gives it an address. A preview that the
    /// project already has is stopped first, and keeps its port unless the spec names one.
    pub async fn start(&self, _project: &str, _spec: ServeSpec) -> Result<Preview, SandboxError> {
        Err(SandboxError::NoIsolation)
    }

    /// Stops a project's preview. False when it had none.
    pub async fn stop(&self, _project: &str) -> bool {
        false
    }

    /// One project's preview.
    pub fn get(&self, _project: &str) -> Option<Preview> {
        None
    }

    /// All previews, by project.
    pub fn list(&self) -> Vec<Preview> {
        Vec::new()
    }

    /// Stops everything and waits until it has ended.
    pub async fn shutdown(&self) {}
}
