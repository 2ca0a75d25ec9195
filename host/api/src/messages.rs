//! Events as the client's messages (http-ws-contract §3.3).

use gencode_core::{
    event::{Event, EventBody},
    project::{Project, ProjectStatus},
    run::StepStatus,
    time::iso,
};
use gencode_engine::Engine;
use serde_json::{Value, json};

/// Stages the client's progress bar has (http-ws-contract §3.4).
const STAGES: u32 = 12;

/// The message for one event; none where the client has no use for it.
pub(crate) fn message(engine: &Engine, event: &Event) -> Option<Value> {
    let project = &event.project;
    let at = iso(event.at);
    let message = match &event.body {
        EventBody::RunQueued | EventBody::RunRecovered => return None,
        EventBody::RunStarted => json!({
            "type": "WORKFLOW_UPDATE", "message": "Workflow started", "step": "analysis",
            "status": "Starting", "turn": 1, "totalTurns": STAGES,
            "currentTurn": 1, "maxTurns": STAGES,
        }),
        EventBody::StepStarted { step, title, .. } => update(engine, step, 0.0, title),
        // Steps run side by side: only those in a further stage are told, so that the bar does not
        // jump.
        EventBody::StepProgress { step, fraction, activity }
            if engine.turn_of(step, *fraction) > engine.turn_of(step, 0.0) =>
        {
            update(engine, step, *fraction, activity)
        }
        EventBody::StepProgress { .. } => return None,
        EventBody::AgentSaid { agent, message, .. } => {
            json!({ "type": "AGENT_LOG", "scope": format!("AGENT:{agent}"), "message": message })
        }
        EventBody::FilesCommitted { step, paths, .. } => {
            json!({ "type": "WORKSPACE_UPDATED", "step": step, "filesWritten": paths.len() })
        }
        EventBody::FileSaved { path, .. } => {
            json!({ "type": "WORKSPACE_UPDATED", "step": "edit", "filesWritten": 1, "path": path })
        }
        EventBody::FilesRestored { paths, .. } => {
            json!({ "type": "WORKSPACE_UPDATED", "step": "restore", "filesWritten": paths.len() })
        }
        EventBody::ProjectForked { from, step, .. } => {
            log(&format!("Forked from {from} as it was before {step}"))
        }
        EventBody::StepFinished { step, status, reason, summary } => match status {
            StepStatus::Completed if step.starts_with("testing_") => {
                json!({ "type": "WORKFLOW_STAGE_COMPLETED", "step": step, "attempt": 1, "tier": "sandbox" })
            }
            // An answer to what was said in the chat.
            StepStatus::Completed if step == "refine" => {
                json!({ "type": "AGENT_MESSAGE", "message": summary })
            }
            StepStatus::Completed => log(&format!("{step}: {summary}")),
            StepStatus::Skipped => log(&format!("{step} was skipped: {reason}")),
            StepStatus::Failed | StepStatus::Blocked => log(&format!("{step} failed: {reason}")),
            StepStatus::Waiting | StepStatus::Running => return None,
        },
        EventBody::PreviewReady { url } => json!({
            "type": "PREVIEW_URL_READY", "url": url, "backend_url": url, "stage": "complete",
            "message": format!("The preview is ready at {url}"),
        }),
        EventBody::DeploymentFailed { reason } => json!({
            "type": "AGENT_MESSAGE",
            "message": format!("The application could not be deployed: {reason}"),
        }),
        EventBody::RunPaused { step, question, .. } => {
            json!({ "type": "WORKFLOW_PAUSED", "step": step, "message": question })
        }
        EventBody::RunResumed { message } => {
            json!({ "type": "WORKFLOW_RESUMED", "message": message })
        }
        EventBody::RunCompleted { message, seconds, completed, skipped } => json!({
            "type": "WORKFLOW_COMPLETE", "message": message, "duration": seconds,
            "completed": completed, "skipped": skipped, "failed": [], "totalTurns": STAGES,
        }),
        EventBody::RunFailed { error, seconds, completed, failed } => json!({
            "type": "WORKFLOW_FAILED", "error": error, "message": error, "duration": seconds,
            "completed": completed, "failed": failed,
        }),
        EventBody::RunStopped { reason } => {
            json!({ "type": "WORKFLOW_FAILED", "error": reason, "message": reason })
        }
    };
    Some(stamped(message, project.as_str(), &at, Some(event.seq)))
}

/// What a socket must hear about a project as it stands (http-ws-contract §5.7, §5.9, §8).
///
/// `history` is the project's events of its latest run, oldest first.
pub(crate) fn present_state(engine: &Engine, project: &Project, history: &[Event]) -> Vec<Value> {
    let last = |wanted: fn(&EventBody) -> bool| {
        history
            .iter()
            .rev()
            .find(|event| wanted(&event.body))
            .and_then(|event| message(engine, event))
    };
    let preview = || last(|body| matches!(body, EventBody::PreviewReady { .. }));
    let update = || {
        let moves = |body: &EventBody| {
            matches!(
                body,
                EventBody::StepStarted { .. }
                    | EventBody::StepProgress { .. }
                    | EventBody::RunStarted
            )
        };
        let mut newest_first = history.iter().rev().filter(|event| moves(&event.body));
        newest_first.find_map(|event| message(engine, event))
    };
    let paused = history.iter().rev().find_map(|event| match event.body {
        EventBody::RunPaused { .. } => Some(true),
        EventBody::RunResumed { .. } | EventBody::RunStarted => Some(false),
        _ => None,
    });
    match project.status {
        ProjectStatus::Created => Vec::new(),
        ProjectStatus::Analyzing | ProjectStatus::Building => {
            let pause = (paused == Some(true))
                .then(|| last(|body| matches!(body, EventBody::RunPaused { .. })))
                .flatten();
            update().into_iter().chain(preview()).chain(pause).collect()
        }
        ProjectStatus::Completed => preview()
            .into_iter()
            .chain(last(|body| matches!(body, EventBody::RunCompleted { .. })))
            .collect(),
        ProjectStatus::Failed => {
            last(|body| matches!(body, EventBody::RunFailed { .. } | EventBody::RunStopped { .. }))
                .into_iter()
                .collect()
        }
    }
}

/// What a step is at.
fn update(engine: &Engine, step: &str, fraction: f32, activity: &str) -> Value {
    let turn = engine.turn_of(step, fraction);
    json!({
        "type": "WORKFLOW_UPDATE", "step": step,
        "status": format!("Turn {turn}/{STAGES}: {activity}"),
        "turn": turn, "totalTurns": STAGES, "currentTurn": turn, "maxTurns": STAGES,
    })
}

fn log(message: &str) -> Value {
    json!({ "type": "AGENT_LOG", "scope": "AGENT:System", "message": message })
}

fn stamped(mut message: Value, project: &str, at: &str, seq: Option<u64>) -> Value {
    if let Some(map) = message.as_object_mut() {
        map.insert("projectId".to_owned(), project.into());
        map.insert("timestamp".to_owned(), at.into());
        if let Some(seq) = seq {
            map.insert("seq".to_owned(), seq.into());
        }
    }
    message
}
