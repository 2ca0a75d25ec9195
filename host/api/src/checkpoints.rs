//! `/projects/{id}/checkpoints`, `fork` and `compare`, below `/api` and `/api/v1`: the history of a
//! project's files.

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
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    error::{ApiError, Errors},
    extract::{Body, Path, Position, Query},
    openapi::{OfCheckpoint, OfProject},
    projects::{self, ProjectView, page_size},
};

/// Checkpoints in one answer, where the caller does not say.
const USUAL_PAGE: u32 = 50;

/// Most checkpoints in one answer: for each, the files are compared with those before it.
const MAX_PAGE: u32 = 100;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Checkpoints of a page, at most 100; 50 where it is not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 0)]
    cursor: Option<Position>,
}

/// The states of a project's files, newest first.
#[utoipa::path(get, path = "/projects/{id}/checkpoints", tag = "history", params(OfProject, Page),
    responses((status = 200, description = "A page", body = CheckpointList), Errors))]
pub(crate) async fn list(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(page): Query<Page>,
) -> Result<Json<CheckpointList>, ApiError> {
    let limit = page_size(page.limit, USUAL_PAGE, MAX_PAGE)?;
    Ok(Json(api.engine.history().list(&id, page.cursor.map(Position::get), limit).await?))
}

/// One state: all its files, and what changed.
#[utoipa::path(get, path = "/projects/{id}/checkpoints/{checkpoint}", tag = "history", params(OfCheckpoint),
    responses((status = 200, description = "The state", body = CheckpointFiles), Errors))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path((id, checkpoint)): Path<(ProjectId, CheckpointId)>,
) -> Result<Json<CheckpointFiles>, ApiError> {
    Ok(Json(api.engine.history().show(&id, checkpoint).await?))
}

/// Text of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileText {
    pub(crate) path: String,
    pub(crate) content: String,
}

/// A file as it was then.
#[utoipa::path(get, path = "/projects/{id}/checkpoints/{checkpoint}/files/{path}", tag = "history",
    params(OfCheckpoint, ("path" = String, Path, description = "Path in the project; its slashes are not encoded")),
    responses((status = 200, description = "Its text", body = FileText), Errors))]
pub(crate) async fn file(
    State(api): State<Api>,
    Path((id, checkpoint, path)): Path<(ProjectId, CheckpointId, String)>,
) -> Result<Json<FileText>, ApiError> {
    let content = api.engine.history().read_file(&id, checkpoint, &path).await?;
    Ok(Json(FileText { path, content }))
}

/// Without `to`, the newest checkpoint; without `from`, the one before `to`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Between {
    #[param(value_type = Option<String>, pattern = "^chk_[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    from: Option<CheckpointId>,
    #[param(value_type = Option<String>, pattern = "^chk_[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    to: Option<CheckpointId>,
}

/// What differs between two states.
#[utoipa::path(get, path = "/projects/{id}/checkpoints/diff", tag = "history", params(OfProject, Between),
    responses((status = 200, description = "The differences", body = CheckpointDiff), Errors))]
pub(crate) async fn diff(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(between): Query<Between>,
) -> Result<Json<CheckpointDiff>, ApiError> {
    Ok(Json(api.engine.history().diff(&id, between.from, between.to).await?))
}

/// Makes the files again what they were, as a new state: nothing is lost.
#[utoipa::path(post, path = "/projects/{id}/checkpoints/{checkpoint}/restore", tag = "history", params(OfCheckpoint),
    responses((status = 200, description = "What was done", body = Restored), Errors))]
pub(crate) async fn restore(
    State(api): State<Api>,
    Path((id, checkpoint)): Path<(ProjectId, CheckpointId)>,
) -> Result<Json<Restored>, ApiError> {
    Ok(Json(api.engine.history().restore(&id, checkpoint).await?))
}

/// The whole history as one file that `git clone` reads.
#[utoipa::path(get, path = "/projects/{id}/checkpoints/export", tag = "history", params(OfProject),
    responses((status = 200, description = "A git bundle with one commit per state", body = Vec<u8>, content_type = "application/x-git-bundle"), Errors))]
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

/// Where to fork, and what is to be otherwise.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fork {
    /// A run of the project; its latest where none is named.
    run: Option<RunId>,
    /// The first step that is done again.
    step: String,
    provider: Option<String>,
    model: Option<String>,
    prompt: Option<String>,
    name: Option<String>,
}

/// The new project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForkView {
    project: ProjectView,
    run: RunId,
    /// Steps that were taken over, and cost nothing.
    taken_over: Vec<String>,
}

/// Begins a new project as this one was before a step, perhaps with another model or request.
#[utoipa::path(post, path = "/projects/{id}/fork", tag = "history", params(OfProject), request_body = Fork,
    responses((status = 200, description = "The new project and its run", body = ForkView), Errors))]
pub(crate) async fn fork(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(body): Body<Fork>,
) -> Result<Json<ForkView>, ApiError> {
    let Fork { run, step, provider, model, prompt, name } = body;
    let request = ForkRequest { run, step, provider, model, prompt, name };
    let forked = api.engine.fork(&id, request).await?;
    Ok(Json(ForkView {
        project: projects::shown(&forked.project),
        run: forked.run.id,
        taken_over: forked.taken_over,
    }))
}

/// Puts two projects side by side: steps, costs, tests, files.
#[utoipa::path(get, path = "/projects/{id}/compare/{other}", tag = "history",
    params(OfProject, ("other" = String, Path, description = "The other project", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    responses((status = 200, description = "Both outcomes", body = Comparison), Errors))]
pub(crate) async fn compare(
    State(api): State<Api>,
    Path((a, b)): Path<(ProjectId, ProjectId)>,
) -> Result<Json<Comparison>, ApiError> {
    Ok(Json(api.engine.history().compare(&a, &b).await?))
}
