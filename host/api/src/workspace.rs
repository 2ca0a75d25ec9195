//! `/api/workspace`, preview and deploy: files and runs of a project (http-ws-contract §2.3, §5).

use axum::{Json, extract::State};
use gencode_core::id::ProjectId;
use gencode_engine::{Said, Start, files::Node};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Api,
    error::{ApiError, Body, Key, Path, Query},
};

pub(crate) async fn files(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Vec<Node>>, ApiError> {
    Ok(Json(api.engine.files(&id).await?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Read {
    path: String,
}

pub(crate) async fn read(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(query): Query<Read>,
) -> Result<Json<Value>, ApiError> {
    let content = api.engine.read_file(&id, &query.path).await?;
    Ok(Json(json!({ "path": query.path, "content": content })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Save {
    path: String,
    content: String,
}

pub(crate) async fn save(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(body): Body<Save>,
) -> Result<Json<Value>, ApiError> {
    api.engine.save_file(&id, &body.path, body.content).await?;
    Ok(Json(json!({ "saved": true, "path": body.path })))
}

/// The client sends its description again; the project's own request counts (contract §1.3).
#[derive(Debug, Deserialize)]
pub(crate) struct Generate {
    #[serde(rename = "description")]
    _description: String,
    /// Build once more although the project was built before. No screen sends it.
    #[serde(default)]
    restart: bool,
}

/// Starts the build, or says what is already there; never destroys anything (contract §5.9).
pub(crate) async fn generate(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    key: Key,
    Body(body): Body<Generate>,
) -> Result<Json<Value>, ApiError> {
    let start = api.engine.start_build_once(&id, body.restart, key.text()).await?;
    let mut answer = json!({ "success": true, "project_id": id });
    let message = match start {
        Start::Started(_) => "Workflow started",
        Start::AlreadyRunning(_) => {
            set(&mut answer, "already_running", Value::Bool(true));
            "This project is already being worked on"
        }
        Start::AlreadyBuilt => "This project is built; describe a change to go on",
        Start::EndedBadly => "The last run did not finish; send a message to continue it",
    };
    set(&mut answer, "message", message.into());
    if !matches!(start, Start::Started(_)) {
        // Nobody listening is fine: the state is sent on connect as well.
        let _ = api.nudges.send(id);
    }
    Ok(Json(answer))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resume {
    project_id: ProjectId,
    user_message: String,
}

/// An answer to a question, a continuation after a failure, or a refinement (contract §5.4, §5.5).
pub(crate) async fn resume(
    State(api): State<Api>,
    key: Key,
    Body(body): Body<Resume>,
) -> Result<Json<Value>, ApiError> {
    let said = api.engine.say_once(&body.project_id, &body.user_message, key.text()).await?;
    let (mode, message) = match said {
        Said::Answered => ("resume", "The run goes on"),
        Said::Continued => ("resume", "The run continues after its last good step"),
        Said::Refining => ("refine", "Refinement started"),
    };
    Ok(Json(
        json!({ "success": true, "message": message, "project_id": body.project_id, "mode": mode }),
    ))
}

/// Blocks until the application answers, or says why it does not (contract §0.7).
pub(crate) async fn preview(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Value>, ApiError> {
    let url = api.engine.preview(&id).await?;
    Ok(Json(json!({ "preview_url": url, "previewUrl": url, "url": url, "status": "ready" })))
}

/// Serves the application on this machine; the outcome goes out on the socket (contract §0.9).
pub(crate) async fn deploy(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(_): Body<serde_json::Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    let url = api.engine.publish(&id).await?;
    Ok(Json(json!({
        "success": true, "status": "active", "project_id": id, "url": url,
        "message": format!("The application is served at {url}"),
    })))
}

fn set(answer: &mut Value, key: &str, value: Value) {
    if let Some(map) = answer.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}
