//! What the engine implements: one method through which every effect of a guest goes.

use async_trait::async_trait;
use gencode_core::plugin::Capability;
use serde::{Deserialize, Serialize};

use crate::types::{
    AcceptanceReport, AcceptanceRequest, AgentAnswer, AgentCall, CheckReport, CheckResult, Command,
    Completion, CompletionRequest, Document, ExecResult, Fault, File, FileInfo, HostError,
    InstallRequest, Question,
};

/// An error of the engine, whatever it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Answers the host calls of one guest call.
///
/// The runtime has checked grants and limits before it asks. One method, so that journaling and
/// replay (design.md §6) are one place.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Does what the guest asks.
    ///
    /// `seq` counts the calls that reach this method within one guest call, from 0. Denied and
    /// refused calls and log lines are not counted.
    async fn call(
        &self,
        seq: u64,
        call: HostCall,
    ) -> Result<Result<HostReply, HostError>, HostFailure>;

    /// Takes one line for the operator, already cut to its limit.
    fn log(&self, level: LogLevel, message: &str);

    /// Notes that the guest asked for what it was not granted. For the audit trail.
    fn denied(&self, _capability: Capability) {}

    /// Hears what the call used up, once, when it is over.
    fn ended(&self, _usage: Usage) {}
}

/// What one call of a plugin used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Fuel, about one unit per instruction; the same in every run. Zero outside the lab.
    pub fuel: u64,
    /// Calls of imported functions, refused ones included, the log apart.
    pub host_calls: u32,
    /// Most memory it had, over all memories and tables.
    pub memory_bytes: u64,
}

/// Why the engine ends a guest call from within a host call. The guest is dropped.
#[derive(Debug, thiserror::Error)]
pub enum HostFailure {
    /// The step has to pause, for the reason given. The call ends as `CallError::Suspended`.
    #[error("the step pauses: {0}")]
    Suspend(String),
    /// The engine cannot go on, for example because it lost its lease. Ends as `CallError::Host`.
    #[error("the engine cannot answer")]
    Fatal(#[source] BoxError),
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

impl LogLevel {
    /// The level a guest names; an unknown name is `Info`.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "error" => Self::Error,
            "warn" => Self::Warn,
            "debug" => Self::Debug,
            _ => Self::Info,
        }
    }
}

/// A call of an imported interface, as data. This is what the journal digests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostCall {
    /// `llm.complete`. Reply: [`HostReply::Completion`].
    Complete(CompletionRequest),
    /// `workspace-read.list`. Reply: [`HostReply::Files`].
    List { globs: Vec<String> },
    /// `workspace-read.read`. Reply: [`HostReply::Text`].
    Read { path: String },
    /// `workspace-read.read-all`. Reply: [`HostReply::Contents`].
    ReadAll { globs: Vec<String> },
    /// `workspace-write.stage`. Reply: [`HostReply::Done`].
    Stage { files: Vec<File> },
    /// `workspace-write.remove`. Reply: [`HostReply::Done`].
    Remove { path: String },
    /// `agents.invoke` and `agents.invoke-all`. Reply: [`HostReply::Answers`], one per call.
    Invoke(Vec<AgentCall>),
    /// `validators.check`. Reply: [`HostReply::Checked`].
    Check { files: Vec<File> },
    /// `sandbox.available`. Reply: [`HostReply::Text`].
    Available { tool: String },
    /// `sandbox.install`. Reply: [`HostReply::Executed`].
    Install(InstallRequest),
    /// `sandbox.exec`. Reply: [`HostReply::Executed`].
    Exec(Command),
    /// `sandbox.accept`. Reply: [`HostReply::Accepted`].
    Accept(AcceptanceRequest),
    /// `sandbox.browse`. Reply: [`HostReply::Pages`].
    Browse { tree: String, dir: String, pages: Vec<String> },
    /// `progress.say`. Reply: [`HostReply::Done`].
    Say { agent: String, message: String },
    /// `progress.at`. Reply: [`HostReply::Done`].
    At { fraction: f32, activity: String },
    /// `ask-user.ask`. Reply: [`HostReply::Text`].
    Ask(Question),
    /// `context.get`. Reply: [`HostReply::Document`].
    GetDocument { name: String },
    /// `context.put`. Reply: [`HostReply::Done`].
    PutDocument(Document),
    /// `memory.get`. Reply: [`HostReply::Value`].
    MemoryGet { key: String },
    /// `memory.put`. Reply: [`HostReply::Done`].
    MemoryPut { key: String, value: String },
    /// `clock.now`. Reply: [`HostReply::Time`].
    Now,
    /// `random.bytes`. Reply: [`HostReply::Bytes`] of exactly `length` bytes.
    Random { length: u32 },
    /// `config.get`. Reply: [`HostReply::Text`].
    Config,
}

impl HostCall {
    /// The capability it needs.
    pub const fn capability(&self) -> Capability {
        match self {
            Self::Complete(_) => Capability::Llm,
            Self::List { .. } | Self::Read { .. } | Self::ReadAll { .. } => {
                Capability::WorkspaceRead
            }
            Self::Stage { .. } | Self::Remove { .. } => Capability::WorkspaceWrite,
            Self::Invoke(_) => Capability::Agents,
            Self::Check { .. } => Capability::Validators,
            Self::Available { .. }
            | Self::Install(_)
            | Self::Exec(_)
            | Self::Accept(_)
            | Self::Browse { .. } => Capability::Sandbox,
            Self::Say { .. } | Self::At { .. } => Capability::Progress,
            Self::Ask(_) => Capability::AskUser,
            Self::GetDocument { .. } | Self::PutDocument(_) => Capability::Context,
            Self::MemoryGet { .. } | Self::MemoryPut { .. } => Capability::Memory,
            Self::Now => Capability::Clock,
            Self::Random { .. } => Capability::Random,
            Self::Config => Capability::Config,
        }
    }
}

/// What a host call answers. Which call has which reply is written at [`HostCall`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostReply {
    /// Nothing to say.
    Done,
    /// One text: a file, a tool's version, the user's answer, the settings.
    Text(String),
    Completion(Completion),
    Files(Vec<FileInfo>),
    Contents(Vec<File>),
    Answers(Vec<Result<AgentAnswer, Fault>>),
    Checked(CheckReport),
    Executed(ExecResult),
    Accepted(AcceptanceReport),
    Pages(Vec<CheckResult>),
    Document(Document),
    Value(Option<String>),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Time(u64),
    Bytes(Vec<u8>),
}
