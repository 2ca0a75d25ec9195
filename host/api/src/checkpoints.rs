//! `/api/projects/{id}/checkpoints`, `fork` and `compare`: the history of a project's files.

use axum::{
    Json,
    body::Body as HttpBody,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use gencode_core::id::{CheckpointId, ProjectId, RunId};
use gencode_engine::{
    ForkRequest,
    history::{CheckpointDiff, CheckpointFiles, CheckpointList, Comparison, Restored},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Api,
    error::{ApiError, Body, Path, Query},
    projects,
};

/// Checkpoints in one answer, where the caller does not say.
const USUAL_PAGE: u32 = 50;

/// Most checkpoints in one answer: for each, the files are compared with those before it.
const MAX_PAGE: u32 = 100;

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<u64>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(page): Query<Page>,
) -> Result<Json<CheckpointList>, ApiError> {
    let limit = page.limit.unwrap_or(USUAL_PAGE).clamp(1, MAX_PAGE);
    Ok(Json(api.engine.history().list(&id, page.cursor, limit).await?))
}

pub(crate) async fn show(
    State(api): State<Api>,
    Path((id, checkpoint)): Path<(ProjectId, CheckpointId)>,
) -> Result<Json<CheckpointFiles>, ApiError> {
    Ok(Json(api.engine.history().show(&id, checkpoint).await?))
}

pub(crate) async fn file(
    State(api): State<Api>,
    Path((id, checkpoint, path)): Path<(ProjectId, CheckpointId, String)>,
) -> Result<Json<Value>, ApiError> {
    let content = api.engine.history().read_file(&id, checkpoint, &path).await?;
    Ok(Json(json!({ "path": path, "content": content })))
}

/// Without `to`, the newest checkpoint; without `from`, the one before `to`.
#[derive(Debug, Deserialize)]
pub(crate) struct Between {
    from: Option<CheckpointId>,
    to: Option<CheckpointId>,
}

pub(crate) async fn diff(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(between): Query<Between>,
) -> Result<Json<CheckpointDiff>, ApiError> {
    Ok(Json(api.engine.history().diff(&id, between.from, between.to).await?))
}

pub(crate) async fn restore(
    State(api): State<Api>,
    Path((id, checkpoint)): Path<(ProjectId, CheckpointId)>,
) -> Result<Json<Restored>, ApiError> {
    Ok(Json(api.engine.history().restore(&id, checkpoint).await?))
}

/// The whole history as one file that `git clone` reads.
pub(crate) async fn export(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Response, ApiError> {
    let bundle = api.engine.history().git_bundle(&id).await?;
    let mut response = HttpBody::from_stream(bundle).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-git-bundle"));
    let name = format!("attachment; filename=\"{id}.bundle\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fork {
    run: Option<RunId>,
    step: String,
    provider: Option<String>,
    model: Option<String>,
    prompt: Option<String>,
    name: Option<String>,
}

pub(crate) async fn fork(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(body): Body<Fork>,
) -> Result<Json<Value>, ApiError> {
    let Fork { run, step, provider, model, prompt, name } = body;
    let request = ForkRequest { run, step, provider, model, prompt, name };
    let forked = api.engine.fork(&id, request).await?;
    Ok(Json(json!({
        "project": projects::shown(&forked.project),
        "run": forked.run.id,
        "takenOver": forked.taken_over,
    })))
}

pub(crate) async fn compare(
    State(api): State<Api>,
    Path((a, b)): Path<(ProjectId, ProjectId)>,
) -> Result<Json<Comparison>, ApiError> {
    Ok(Json(api.engine.history().compare(&a, &b).await?))
}
