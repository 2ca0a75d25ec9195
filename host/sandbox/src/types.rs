//! The records of `wit/sandbox.wit`, as this crate takes and gives them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One program to run in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; never a shell line.
    pub argv: Vec<String>,
    /// Directory inside the tree; empty for its root.
    #[serde(default)]
    pub cwd: String,
    /// Additional environment variables; nothing is inherited.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Wall-clock limit.
    pub timeout: Duration,
    /// Whether it may use the network.
    #[serde(default)]
    pub network: bool,
}

/// What became of a program that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecResult {
    /// Exit code; 128 + signal when killed by one.
    pub exit_code: i32,
    /// Last 256 KiB of each stream.
    pub stdout: String,
    pub stderr: String,
    pub timed_out: bool,
    pub duration: Duration,
}

impl ExecResult {
    /// Whether the program ended by itself with exit code 0.
    pub fn succeeded(&self) -> bool {
        self.exit_code == 0 && !self.timed_out
    }
}

/// Whose packages to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// Reads `requirements.lock`, makes `.venv`.
    Python,
    /// Reads `package-lock.json`, makes `node_modules`.
    Node,
}

impl std::str::FromStr for Ecosystem {
    type Err = crate::SandboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "python" => Ok(Self::Python),
            "node" => Ok(Self::Node),
            _ => Err(crate::SandboxError::Invalid(format!(
                "expected the ecosystem `python` or `node`, found `{text}`"
            ))),
        }
    }
}

/// A toolchain that generated applications need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Python 3.11 or newer.
    Python,
    /// Node 20 or newer, with npm.
    Node,
    /// Chromium or Chrome.
    Browser,
}

impl std::str::FromStr for Tool {
    type Err = crate::SandboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "python" => Ok(Self::Python),
            "node" => Ok(Self::Node),
            "browser" => Ok(Self::Browser),
            _ => Err(crate::SandboxError::Invalid(format!(
                "expected the tool `python`, `node` or `browser`, found `{text}`"
            ))),
        }
    }
}

/// One HTTP call of an acceptance run. `{{name}}` in path, headers and body stands for a captured value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCheck {
    pub name: String,
    pub method: String,
    /// Path and query.
    pub path: String,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// JSON text (or a form, with its own content type in `headers`); empty for none.
    #[serde(default)]
    pub body: String,
    /// Status codes that are right.
    pub expect_status: Vec<u16>,
    /// (JSON pointer, JSON value) pairs that must hold in the answer.
    #[serde(default)]
    pub expect_json: Vec<(String, String)>,
    /// (name, JSON pointer) pairs to remember for later checks.
    #[serde(default)]
    pub capture: Vec<(String, String)>,
}

/// An application to start, call and look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptanceRequest {
    /// Starts the server; `{{socket}}` stands for the Unix socket it must listen on.
    pub argv: Vec<String>,
    #[serde(default)]
    pub cwd: String,
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Path that answers 200 when the server is ready.
    pub health_path: String,
    /// Run in order; a failing one does not stop the others.
    #[serde(default)]
    pub checks: Vec<HttpCheck>,
    /// Paths of pages to open in a browser; console errors fail them.
    #[serde(default)]
    pub pages: Vec<String>,
}

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub name: String,
    /// True for a skipped check too: it found nothing wrong. `detail` tells the two apart.
    pub passed: bool,
    /// `skipped: <reason>` when it could not run.
    pub detail: String,
}

impl CheckResult {
    /// Whether the check could not run.
    pub fn skipped(&self) -> bool {
        self.detail.starts_with("skipped:")
    }
}

/// What an acceptance run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptanceReport {
    /// Whether every check that could run passed.
    pub passed: bool,
    pub checks: Vec<CheckResult>,
}
