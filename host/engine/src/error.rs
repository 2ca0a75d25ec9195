//! What the engine's callers are told.

use gencode_core::{
    id::{ProjectId, RunId},
    path::PathError,
    request::RequestError,
};
use gencode_llm::LlmError;
use gencode_sandbox::SandboxError;
use gencode_store::StoreError;
use gencode_workspace::WorkspaceError;

/// Variants by what a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("there is no project `{0}`")]
    NoSuchProject(ProjectId),
    #[error("there is no run `{0}`")]
    NoSuchRun(RunId),
    #[error("there is no file `{0}`")]
    NoSuchFile(String),
    #[error("`{0}` is not a text file")]
    BinaryFile(String),
    #[error("there is no checkpoint `{0}` in this project")]
    NoSuchCheckpoint(String),
    #[error("{0}")]
    NoSuchStep(String),
    #[error("there is no token `{0}`")]
    NoSuchToken(String),
    /// A token cannot be made so.
    #[error("{0}")]
    Token(String),
    /// The run cannot be forked there.
    #[error("{0}")]
    CannotFork(String),
    /// The user's folder cannot take what is written to it.
    #[error("the folder cannot be used: {0}")]
    Target(String),
    /// The user's words cannot be used.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Something else is going on in the project.
    #[error("{0}")]
    Busy(String),
    /// The application cannot be shown.
    #[error("{0}")]
    NoPreview(String),
    /// The provider or model cannot be used.
    #[error("{0}")]
    Provider(String),
    /// A path or content is refused.
    #[error("{0}")]
    File(String),
    /// The host has too much to do: try again later.
    #[error("{0}")]
    Full(String),
    /// The database is away or busy: try again soon.
    #[error("the database does not answer; try again soon, nothing was lost")]
    Unavailable,
    #[error("the storage is full; free some space, nothing was lost")]
    StorageFull,
    /// A fault of the host or its surroundings.
    #[error("{doing}")]
    Internal {
        doing: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EngineError {
    pub(crate) fn internal(
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal { doing, source: source.into() }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::StorageFull,
            StoreError::Conflict(why) => Self::Busy(why),
            StoreError::Repeated => {
                Self::Busy("a request with this idempotency key is being done".to_owned())
            }
            error @ (StoreError::Busy { .. } | StoreError::Unavailable { .. }) => {
                tracing::warn!(%error, "a request could not be done");
                Self::Unavailable
            }
            StoreError::NotFound { what: "project", id } => match id.parse() {
                Ok(id) => Self::NoSuchProject(id),
                Err(error) => Self::internal("the store names a project wrongly", error),
            },
            StoreError::NotFound { what: "run", id } => match id.parse() {
                Ok(id) => Self::NoSuchRun(id),
                Err(error) => Self::internal("the store names a run wrongly", error),
            },
            StoreError::NotFound { what: "checkpoint", id } => Self::NoSuchCheckpoint(id),
            StoreError::NotFound { what: "token", id } => Self::NoSuchToken(id),
            other => Self::internal("the store did not do what was asked", other),
        }
    }
}

impl From<WorkspaceError> for EngineError {
    fn from(error: WorkspaceError) -> Self {
        match error {
            WorkspaceError::Full { .. } => Self::StorageFull,
            WorkspaceError::NotFound { what: "file", name } => Self::NoSuchFile(name),
            error @ (WorkspaceError::Conflict { .. }
            | WorkspaceError::TooLarge { .. }
            | WorkspaceError::Clash { .. }
            | WorkspaceError::NotAllowed { .. }) => Self::File(error.to_string()),
            error @ (WorkspaceError::RemoteUnavailable { .. }
            | WorkspaceError::RemoteRefused { .. }) => {
                Self::internal("the shared store of files cannot be used now", error)
            }
            other => Self::internal("the project's files are not as they should be", other),
        }
    }
}

impl From<PathError> for EngineError {
    fn from(error: PathError) -> Self {
        Self::File(error.to_string())
    }
}

impl From<LlmError> for EngineError {
    fn from(error: LlmError) -> Self {
        Self::Provider(error.to_string())
    }
}

impl From<SandboxError> for EngineError {
    fn from(error: SandboxError) -> Self {
        Self::NoPreview(error.to_string())
    }
}
