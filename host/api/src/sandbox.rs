//! `/api/sandbox`: the running application of a project (http-ws-contract §2.5). There is one
//! registry of them, the engine's.

use axum::{Json, extract::State};
use gencode_core::id::ProjectId;
use gencode_engine::{EngineError, Preview, PreviewState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    error::{ApiError, Errors},
    extract::{Body, Path, Query, whole},
    openapi::OfProject,
};

/// Where the application answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Three names for one address: clients differ in which they read.
    preview_url: String,
    #[serde(rename = "previewUrl")]
    preview_url_again: String,
    url: String,
    status: &'static str,
}

/// Starts the application if need be, waits until it answers, and says where (contract §0.7).
#[utoipa::path(get, path = "/api/sandbox/{id}/preview", tag = "sandbox", params(OfProject),
    responses((status = 200, description = "It answers", body = Ready), Errors))]
pub(crate) async fn preview(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Ready>, ApiError> {
    let url = api.engine.preview(&id).await?;
    let (preview_url, preview_url_again) = (url.clone(), url.clone());
    Ok(Json(Ready { preview_url, preview_url_again, url, status: "ready" }))
}

/// One program of a sandbox.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Container {
    name: String,
    status: &'static str,
    /// Where it listens.
    ports: String,
    restarts: u32,
}

/// The programs of a sandbox: one server answers for both halves of the application.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Containers {
    app: Container,
}

/// Whether a sandbox is healthy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SandboxHealth {
    app: bool,
}

/// A sandbox as it is, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SandboxState {
    success: bool,
    project_id: ProjectId,
    /// `running`, `restarting`, `failed`, `stopped`, or `created` before it ever ran on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<Containers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<SandboxHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

const fn word(state: PreviewState) -> &'static str {
    match state {
        PreviewState::Running => "running",
        PreviewState::Restarting => "restarting",
        PreviewState::Failed => "failed",
        PreviewState::Idle => "stopped",
    }
}

async fn state_of(api: &Api, id: ProjectId) -> Result<SandboxState, EngineError> {
    let preview = api.engine.preview_state(&id).await?;
    let can_run = api.engine.preview_spec(&id).await?.is_some();
    let none = SandboxState {
        success: can_run,
        project_id: id,
        status: can_run.then_some("created"),
        containers: None,
        health: None,
        error: (!can_run).then(|| {
            "the project has no application that passed its acceptance step yet".to_owned()
        }),
    };
    let Some(Preview { url, state, restarts, .. }) = preview else { return Ok(none) };
    let app = Container { name: "app".to_owned(), status: word(state), ports: url, restarts };
    Ok(SandboxState {
        success: true,
        status: Some(word(state)),
        containers: Some(Containers { app }),
        health: Some(SandboxHealth { app: state == PreviewState::Running }),
        error: None,
        ..none
    })
}

/// How the sandbox of a project is.
#[utoipa::path(get, path = "/api/sandbox/{id}/status", tag = "sandbox", params(OfProject),
    responses((status = 200, description = "Its state", body = SandboxState), Errors))]
pub(crate) async fn status(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<SandboxState>, ApiError> {
    Ok(Json(state_of(&api, id).await?))
}

/// Looks whether the project can have a sandbox. It is made when it is started.
#[utoipa::path(post, path = "/api/sandbox/{id}/create", tag = "sandbox", params(OfProject),
    responses((status = 200, description = "Its state", body = SandboxState), Errors))]
pub(crate) async fn create(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<SandboxState>, ApiError> {
    Ok(Json(state_of(&api, id).await?))
}

/// How to start.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// Accepted from older clients: a start always waits until the application answers.
    #[serde(default, rename = "wait_healthy")]
    _wait_healthy: Option<bool>,
}

/// What a start led to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    success: bool,
    detail: SandboxState,
}

/// Starts the application and waits until it answers.
#[utoipa::path(post, path = "/api/sandbox/{id}/start", tag = "sandbox", params(OfProject, How),
    responses((status = 200, description = "It answers, or why it does not", body = Started), Errors))]
pub(crate) async fn start(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(_how): Query<How>,
) -> Result<Json<Started>, ApiError> {
    match api.engine.preview(&id).await {
        Ok(_) => Ok(Json(Started { success: true, detail: state_of(&api, id).await? })),
        Err(EngineError::NoPreview(error)) => {
            let state = state_of(&api, id).await?;
            let detail = SandboxState { success: false, error: Some(error), ..state };
            Ok(Json(Started { success: false, detail }))
        }
        Err(error) => Err(error.into()),
    }
}

/// That a sandbox is stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StopView {
    /// Whether it does not run now, which is always so.
    stopped: bool,
    /// Whether it ran before.
    was_running: bool,
    project_id: ProjectId,
}

/// Stops the application on this host.
#[utoipa::path(post, path = "/api/sandbox/{id}/stop", tag = "sandbox", params(OfProject),
    responses((status = 200, description = "It does not run", body = StopView), Errors))]
pub(crate) async fn stop(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<StopView>, ApiError> {
    let was_running = api.engine.stop_preview(&id).await?;
    Ok(Json(StopView { stopped: true, was_running, project_id: id }))
}

/// A command for a running sandbox.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Exec {
    project_id: ProjectId,
    #[serde(rename = "service")]
    _service: String,
    #[serde(rename = "command")]
    _command: String,
    /// Seconds.
    #[serde(rename = "timeout", default, deserialize_with = "whole")]
    #[schema(minimum = 0)]
    _timeout: Option<u32>,
}

/// Why no command was run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotRun {
    success: bool,
    error: &'static str,
}

/// Runs no command: nobody may run programs beside an application on this host yet.
#[utoipa::path(post, path = "/api/sandbox/exec", tag = "sandbox", request_body = Exec,
    responses((status = 200, description = "Why not", body = NotRun), Errors))]
pub(crate) async fn exec(
    State(api): State<Api>,
    Body(body): Body<Exec>,
) -> Result<Json<NotRun>, ApiError> {
    api.engine.project(&body.project_id).await?;
    let error = "this host runs no commands in a sandbox from outside; its steps and tests do";
    Ok(Json(NotRun { success: false, error }))
}
