//! What happened, in the order it happened. Everything a client sees is made from these.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{CheckpointId, ProjectId, RunId},
    run::StepStatus,
};

/// One fact about a project. Stored before it is shown; never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    pub project: ProjectId,
    /// Position in the project's history, from 1, without gaps.
    pub seq: u64,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    pub run: Option<RunId>,
    pub body: EventBody,
}

/// The kinds of facts. Stored as JSON tagged by `type`: variants and fields may be added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    RunQueued,
    RunStarted,
    /// A host took the run over after another one died.
    RunRecovered,
    StepStarted {
        step: String,
        title: String,
        performer: String,
        attempt: u32,
    },
    StepProgress {
        step: String,
        fraction: f32,
        activity: String,
    },
    /// A sentence by an agent (contract message `AGENT_LOG`).
    AgentSaid {
        step: String,
        agent: String,
        message: String,
    },
    /// Files of a step reached the project.
    FilesCommitted {
        step: String,
        paths: Vec<String>,
        checkpoint: CheckpointId,
    },
    StepFinished {
        step: String,
        status: StepStatus,
        reason: String,
        summary: String,
    },
    /// The application answers under this address.
    PreviewReady {
        url: String,
    },
    /// Somebody wanted the application served, and it could not be.
    DeploymentFailed {
        reason: String,
    },
    /// The run waits for the user.
    RunPaused {
        step: String,
        question: String,
        options: Vec<String>,
    },
    RunResumed {
        message: String,
    },
    RunCompleted {
        message: String,
        seconds: f64,
        completed: Vec<String>,
        skipped: Vec<String>,
    },
    RunFailed {
        error: String,
        seconds: f64,
        completed: Vec<String>,
        failed: Vec<String>,
    },
    RunStopped {
        reason: String,
    },
    /// The user saved a file through the API.
    FileSaved {
        path: String,
        checkpoint: CheckpointId,
    },
    /// The files are again as they were in the checkpoint `from`.
    FilesRestored {
        from: CheckpointId,
        checkpoint: CheckpointId,
        paths: Vec<String>,
    },
    /// The project began as another one was before this step.
    ProjectForked {
        from: ProjectId,
        run: RunId,
        step: String,
    },
}
