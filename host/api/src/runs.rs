//! `/api/v1/runs`: seeing and steering runs. What is wanted is stored before it is answered, so it
//! happens also when this host ends now, and on whichever host works on the run.

use axum::{Json, extract::State};
use gencode_core::{
    id::{ProjectId, RunId},
    run::RunStatus,
};
use gencode_engine::{
    control::{Receipt, RunView, StepView},
    insight::{JournalView, RunPage},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    error::{ApiError, Errors},
    extract::{Body, Key, Path, Query},
    openapi::{MayRepeat, OfProject, OfRun},
    projects::page_size,
};

/// Runs of a page, where the caller does not say.
const USUAL_PAGE: u32 = 50;

/// Most runs of a page.
const MAX_PAGE: u32 = 200;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only of this project.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]{1,100}$")]
    project: Option<ProjectId>,
    /// Only in this state.
    status: Option<RunStatus>,
    /// Runs of a page, at most 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(value_type = Option<String>, pattern = "^run_[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    cursor: Option<RunId>,
}

/// Runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(Filter),
    responses((status = 200, description = "A page", body = RunPage), Errors))]
pub(crate) async fn all(
    State(api): State<Api>,
    Query(filter): Query<Filter>,
) -> Result<Json<RunPage>, ApiError> {
    let Filter { project, status, limit, cursor } = filter;
    let limit = page_size(limit, USUAL_PAGE, MAX_PAGE)?;
    Ok(Json(api.engine.runs(project.as_ref(), status, cursor, limit).await?))
}

/// Runs of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunList {
    runs: Vec<RunView>,
}

/// Runs of a project, newest first; at most 1,000.
#[utoipa::path(get, path = "/api/v1/projects/{id}/runs", tag = "runs", params(OfProject),
    responses((status = 200, description = "Its runs", body = RunList), Errors))]
pub(crate) async fn list(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<RunList>, ApiError> {
    Ok(Json(RunList { runs: api.engine.control().runs_of(&id).await? }))
}

/// A run with its steps.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", params(OfRun),
    responses((status = 200, description = "The run", body = RunView), Errors))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<RunId>,
) -> Result<Json<RunView>, ApiError> {
    Ok(Json(api.engine.control().show(id).await?))
}

/// Steps of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepList {
    steps: Vec<StepView>,
}

/// The steps of a run, in order.
#[utoipa::path(get, path = "/api/v1/runs/{id}/steps", tag = "runs", params(OfRun),
    responses((status = 200, description = "Its steps", body = StepList), Errors))]
pub(crate) async fn steps(
    State(api): State<Api>,
    Path(id): Path<RunId>,
) -> Result<Json<StepList>, ApiError> {
    Ok(Json(StepList { steps: api.engine.control().show(id).await?.steps }))
}

/// Which try.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Try {
    /// For example `analysis`.
    step: String,
    /// From 1; the latest where it is not said.
    #[param(minimum = 1)]
    attempt: Option<u32>,
}

/// Recorded calls.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Journal {
    entries: Vec<JournalView>,
}

/// What the host calls of one try of a step were answered. A replay reads the same.
#[utoipa::path(get, path = "/api/v1/runs/{id}/journal", tag = "runs", params(OfRun, Try),
    responses((status = 200, description = "The calls, in order", body = Journal), Errors))]
pub(crate) async fn journal(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    Query(of): Query<Try>,
) -> Result<Json<Journal>, ApiError> {
    if of.attempt == Some(0) {
        return Err(ApiError::new(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "query_invalid",
            "`attempt` counts from 1",
        ));
    }
    Ok(Json(Journal { entries: api.engine.journal(id, &of.step, of.attempt).await? }))
}

/// Puts a run to sleep at its next host call; nothing is lost.
#[utoipa::path(post, path = "/api/v1/runs/{id}/pause", tag = "runs", params(OfRun, MayRepeat),
    responses((status = 200, description = "The run as it stood when the wish was taken", body = Receipt), Errors))]
pub(crate) async fn pause(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.control().pause(id, key.text()).await?))
}

/// Lets a paused run go on, also before its time.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", params(OfRun, MayRepeat),
    responses((status = 200, description = "The run as it stood when the wish was taken", body = Receipt), Errors))]
pub(crate) async fn resume(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.control().resume(id, key.text()).await?))
}

/// Cancels a run: its work and programs end first. What its steps committed stays.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", params(OfRun, MayRepeat),
    responses((status = 200, description = "The run as it ended", body = Receipt), Errors))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    let reason = "Stopped by the user.";
    Ok(Json(api.engine.control().stop(id, reason, key.text()).await?))
}

/// Continues a failed or stopped run after its last good step, as a new one.
#[utoipa::path(post, path = "/api/v1/runs/{id}/retry", tag = "runs", params(OfRun, MayRepeat),
    responses((status = 200, description = "The new run", body = Receipt), Errors))]
pub(crate) async fn retry(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.retry_run(id, key.text()).await?.into()))
}

/// The answer to a question.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Answer {
    text: String,
}

/// Answers the question a run waits with.
#[utoipa::path(post, path = "/api/v1/runs/{id}/answers", tag = "runs", params(OfRun, MayRepeat), request_body = Answer,
    responses((status = 200, description = "The run as it stood when the answer was taken", body = Receipt), Errors))]
pub(crate) async fn answer(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
    Body(body): Body<Answer>,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.control().answer(id, &body.text, key.text()).await?))
}

/// That a project is at rest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reset {
    success: bool,
    message: &'static str,
    project_id: ProjectId,
}

/// Brings a project out of any state it is stuck in (http-ws-contract §5.6).
#[utoipa::path(post, path = "/api/workspace/{id}/force-reset", tag = "workspace", params(OfProject),
    responses((status = 200, description = "It is at rest", body = Reset), Errors))]
pub(crate) async fn force_reset(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Reset>, ApiError> {
    api.engine.control().reset(&id).await?;
    let message = "The project is at rest; send a message to continue it";
    Ok(Json(Reset { success: true, message, project_id: id }))
}
