//! The host as a handler sees it.

use crate::{
    handler::{
        AgentAnswer, CheckReport,
        agents::{self, AgentCall},
        context, progress,
        sandbox::{
            self, AcceptanceReport, AcceptanceRequest, CheckResult, Command, ExecResult,
            InstallRequest,
        },
        validators, workspace_read, workspace_write,
    },
    types::{Document, Fault, File, HostError},
};

/// What a handler may ask of the host. A component imports only what its handler really calls.
pub trait Host {
    /// A sentence under an agent's name.
    fn say(&self, agent: &str, message: &str);
    /// How far the step is.
    fn at(&self, fraction: f32, activity: &str);
    /// Calls an agent.
    fn invoke(&self, call: &AgentCall) -> Result<Result<AgentAnswer, Fault>, HostError>;
    /// Runs the validators.
    fn check(&self, files: &[File]) -> Result<CheckReport, HostError>;
    /// Paths that match, in order.
    fn list(&self, globs: &[&str]) -> Result<Vec<String>, HostError>;
    /// Text files that match, in order of path.
    fn read_all(&self, globs: &[&str]) -> Result<Vec<File>, HostError>;
    /// Stages files.
    fn stage(&self, files: &[File]) -> Result<(), HostError>;
    /// Stages the removal of a file that a run wrote.
    fn remove(&self, path: &str) -> Result<(), HostError>;
    /// A document that an earlier step left. Error: `not-found`.
    fn document(&self, name: &str) -> Result<Document, HostError>;
    /// Leaves a document for later steps.
    fn put(&self, document: &Document) -> Result<(), HostError>;
    /// Version of a toolchain. Error: `unavailable`.
    fn available(&self, tool: &str) -> Result<String, HostError>;
    /// Installs dependencies.
    fn install(&self, request: &InstallRequest) -> Result<ExecResult, HostError>;
    /// Runs a command.
    fn exec(&self, command: &Command) -> Result<ExecResult, HostError>;
    /// Starts the application and calls it.
    fn accept(&self, request: &AcceptanceRequest) -> Result<AcceptanceReport, HostError>;
    /// Opens pages of a built front end.
    fn browse(
        &self,
        tree: &str,
        dir: &str,
        pages: &[String],
    ) -> Result<Vec<CheckResult>, HostError>;
}

/// The real host.
#[derive(Debug, Clone, Copy)]
pub struct Wit;

fn owned(globs: &[&str]) -> Vec<String> {
    globs.iter().map(|&glob| glob.to_owned()).collect()
}

impl Host for Wit {
    fn say(&self, agent: &str, message: &str) {
        if !message.trim().is_empty() {
            progress::say(agent, message);
        }
    }

    fn at(&self, fraction: f32, activity: &str) {
        progress::at(fraction, activity);
    }

    fn invoke(&self, call: &AgentCall) -> Result<Result<AgentAnswer, Fault>, HostError> {
        agents::invoke(call)
    }

    fn check(&self, files: &[File]) -> Result<CheckReport, HostError> {
        validators::check(files)
    }

    fn list(&self, globs: &[&str]) -> Result<Vec<String>, HostError> {
        Ok(workspace_read::list(&owned(globs))?.into_iter().map(|info| info.path).collect())
    }

    fn read_all(&self, globs: &[&str]) -> Result<Vec<File>, HostError> {
        workspace_read::read_all(&owned(globs))
    }

    fn stage(&self, files: &[File]) -> Result<(), HostError> {
        workspace_write::stage(files)
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        workspace_write::remove(path)
    }

    fn document(&self, name: &str) -> Result<Document, HostError> {
        context::get(name)
    }

    fn put(&self, document: &Document) -> Result<(), HostError> {
        context::put(document)
    }

    fn available(&self, tool: &str) -> Result<String, HostError> {
        sandbox::available(tool)
    }

    fn install(&self, request: &InstallRequest) -> Result<ExecResult, HostError> {
        sandbox::install(request)
    }

    fn exec(&self, command: &Command) -> Result<ExecResult, HostError> {
        sandbox::exec(command)
    }

    fn accept(&self, request: &AcceptanceRequest) -> Result<AcceptanceReport, HostError> {
        sandbox::accept(request)
    }

    fn browse(
        &self,
        tree: &str,
        dir: &str,
        pages: &[String],
    ) -> Result<Vec<CheckResult>, HostError> {
        sandbox::browse(tree, dir, pages)
    }
}
