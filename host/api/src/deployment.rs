//! `/api/deployment`: the application as this host serves it (http-ws-contract §2.6).
//!
//! An application is served by its preview, supervised, from the newest files that passed their
//! acceptance step. There are no releases, variables or domains of their own yet: what asks for
//! them is refused with a reason, and nothing is made up.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use gencode_core::{event::EventBody, id::ProjectId, time::iso};
use gencode_engine::PreviewState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    error::{ApiError, Errors},
    extract::{Body, Path, Query},
    openapi::OfProject,
    projects::page_size,
};

/// Events that are looked at for the log.
const LOG_EVENTS: u32 = 1000;

fn not_yet(what: &str) -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "not_available",
        format!("this host has no {what} yet: an application is served as it was last accepted"),
    )
}

/// What is to be deployed. Older clients send it; the path names the project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deploy {
    #[serde(rename = "projectId")]
    _project_id: String,
    custom_domain: Option<String>,
    environment_vars: Option<BTreeMap<String, String>>,
}

/// That it is served.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deployed {
    success: bool,
    status: &'static str,
    project_id: ProjectId,
    url: String,
    message: String,
}

/// Serves the application on this machine; the outcome goes out on the socket too (contract §0.9).
#[utoipa::path(post, path = "/api/deployment/{id}", tag = "deployment", params(OfProject), request_body = Deploy,
    responses((status = 200, description = "It is served", body = Deployed), Errors))]
pub(crate) async fn deploy(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(wanted): Body<Deploy>,
) -> Result<Json<Deployed>, ApiError> {
    refuse_settings(wanted.custom_domain.as_deref(), wanted.environment_vars.as_ref())?;
    let url = api.engine.publish(&id).await?;
    let message = format!("The application is served at {url}");
    Ok(Json(Deployed { success: true, status: "active", project_id: id, url, message }))
}

fn refuse_settings(
    domain: Option<&str>,
    variables: Option<&BTreeMap<String, String>>,
) -> Result<(), ApiError> {
    if domain.is_some_and(|domain| !domain.is_empty()) {
        return Err(not_yet("domains of their own"));
    }
    if variables.is_some_and(|variables| !variables.is_empty()) {
        return Err(not_yet("variables of deployments"));
    }
    Ok(())
}

/// A deployment to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Initialize {
    project_id: ProjectId,
    #[serde(rename = "projectName")]
    _project_name: String,
    custom_domain: Option<String>,
    environment_vars: Option<BTreeMap<String, String>>,
}

/// That it can come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Initialized {
    success: bool,
    project_id: ProjectId,
    status: &'static str,
}

/// Looks whether the project can be deployed. There is nothing to be kept for it.
#[utoipa::path(post, path = "/api/deployment/initialize", tag = "deployment", request_body = Initialize,
    responses((status = 200, description = "Its state", body = Initialized), Errors))]
pub(crate) async fn initialize(
    State(api): State<Api>,
    Body(wanted): Body<Initialize>,
) -> Result<Json<Initialized>, ApiError> {
    refuse_settings(wanted.custom_domain.as_deref(), wanted.environment_vars.as_ref())?;
    let (status, _) = state_of(&api, &wanted.project_id).await?;
    Ok(Json(Initialized { success: true, project_id: wanted.project_id, status }))
}

/// Status word of the client, and the preview.
async fn state_of(
    api: &Api,
    id: &ProjectId,
) -> Result<(&'static str, Option<gencode_engine::Preview>), ApiError> {
    let preview = api.engine.preview_state(id).await?;
    let status = match preview.as_ref().map(|preview| preview.state) {
        None => "not_deployed",
        // An idle one is started by the next visit.
        Some(PreviewState::Running | PreviewState::Idle) => "active",
        Some(PreviewState::Restarting) => "deploying",
        Some(PreviewState::Failed) => "failed",
    };
    Ok((status, preview))
}

/// A deployment as it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    #[serde(rename = "project_id")]
    project_id: ProjectId,
    /// `active`, `deploying`, `failed` or `not_deployed`.
    status: &'static str,
    /// Always null: there are no releases.
    version: Option<String>,
    url: Option<String>,
    /// Always null: there are no domains.
    custom_domain: Option<String>,
    /// `healthy`, `unhealthy` or `unknown`.
    container_health: &'static str,
    /// When it was last made to be served.
    deployed_at: Option<String>,
    port: Option<u16>,
}

fn health_of(status: &str) -> &'static str {
    match status {
        "active" => "healthy",
        "deploying" | "failed" => "unhealthy",
        _ => "unknown",
    }
}

/// How the deployment of a project is.
#[utoipa::path(get, path = "/api/deployment/status/{id}", tag = "deployment", params(OfProject),
    responses((status = 200, description = "Its state", body = Deployment), Errors))]
pub(crate) async fn status(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Deployment>, ApiError> {
    let (status, preview) = state_of(&api, &id).await?;
    let lines = log_of(&api, &id).await?;
    let served = lines.iter().rev().find(|line| line.is_deployment);
    Ok(Json(Deployment {
        project_id: id,
        status,
        version: None,
        url: preview.as_ref().map(|preview| preview.url.clone()),
        custom_domain: None,
        container_health: health_of(status),
        deployed_at: served.filter(|_| preview.is_some()).map(|line| line.timestamp.clone()),
        port: preview.map(|preview| preview.port),
    }))
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// At most 100; 10 where it is not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// What was deployed before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    project_id: ProjectId,
    /// Always empty: there are no releases. The checkpoints are the history of the files.
    #[schema(value_type = Vec<Object>)]
    history: Vec<serde_json::Value>,
}

/// Releases of a project. There are none yet.
#[utoipa::path(get, path = "/api/deployment/history/{id}", tag = "deployment", params(OfProject, Page),
    responses((status = 200, description = "None", body = History), Errors))]
pub(crate) async fn history(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(page): Query<Page>,
) -> Result<Json<History>, ApiError> {
    page_size(page.limit, 10, 100)?;
    api.engine.project(&id).await?;
    Ok(Json(History { project_id: id, history: Vec::new() }))
}

/// That something was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    success: bool,
    project_id: ProjectId,
    message: String,
}

/// Would go back to an earlier release. There are none yet; checkpoints can be restored.
#[utoipa::path(post, path = "/api/deployment/rollback/{id}", tag = "deployment", params(OfProject),
    responses((status = 200, description = "It is served as before", body = Done), Errors))]
pub(crate) async fn rollback(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Done>, ApiError> {
    api.engine.project(&id).await?;
    Err(not_yet("releases to go back to; restore a checkpoint instead"))
}

/// Stops the application and starts it again.
#[utoipa::path(post, path = "/api/deployment/restart/{id}", tag = "deployment", params(OfProject),
    responses((status = 200, description = "It answers again", body = Done), Errors))]
pub(crate) async fn restart(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Done>, ApiError> {
    api.engine.stop_preview(&id).await?;
    let url = api.engine.publish(&id).await?;
    let message = format!("The application answers again at {url}");
    Ok(Json(Done { success: true, project_id: id, message }))
}

/// Variables of a deployment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variables {
    environment_vars: BTreeMap<String, String>,
}

/// Variables of a project's deployment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VariablesOf {
    #[serde(rename = "project_id")]
    project_id: ProjectId,
    environment_vars: BTreeMap<String, String>,
}

/// The variables of a deployment. There are none yet.
#[utoipa::path(get, path = "/api/deployment/config/env/{id}", tag = "deployment", params(OfProject),
    responses((status = 200, description = "None", body = VariablesOf), Errors))]
pub(crate) async fn variables(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<VariablesOf>, ApiError> {
    api.engine.project(&id).await?;
    Ok(Json(VariablesOf { project_id: id, environment_vars: BTreeMap::default() }))
}

/// Would set the variables of a deployment. Only the empty set is taken yet.
#[utoipa::path(post, path = "/api/deployment/config/env/{id}", tag = "deployment", params(OfProject), request_body = Variables,
    responses((status = 200, description = "They are as wanted", body = Done), Errors))]
pub(crate) async fn set_variables(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(wanted): Body<Variables>,
) -> Result<Json<Done>, ApiError> {
    api.engine.project(&id).await?;
    refuse_settings(None, Some(&wanted.environment_vars))?;
    Ok(Json(Done { success: true, project_id: id, message: "There are none".to_owned() }))
}

/// A domain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Domain {
    custom_domain: String,
}

/// Would give a deployment a domain. Only none is taken yet.
#[utoipa::path(post, path = "/api/deployment/config/domain/{id}", tag = "deployment", params(OfProject), request_body = Domain,
    responses((status = 200, description = "It is as wanted", body = Done), Errors))]
pub(crate) async fn set_domain(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(wanted): Body<Domain>,
) -> Result<Json<Done>, ApiError> {
    api.engine.project(&id).await?;
    refuse_settings(Some(&wanted.custom_domain), None)?;
    Ok(Json(Done { success: true, project_id: id, message: "There is none".to_owned() }))
}

/// One line of a log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Line {
    timestamp: String,
    message: String,
    #[serde(skip)]
    is_deployment: bool,
}

/// What happened to a project, as lines.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogView {
    #[serde(rename = "project_id")]
    project_id: ProjectId,
    logs: Vec<Line>,
    /// The lines about its steps, as one text.
    build_logs: String,
    /// The lines about its being served, as one text.
    deployment_logs: String,
}

/// The newest lines about steps and previews, from the project's history.
async fn log_of(api: &Api, id: &ProjectId) -> Result<Vec<Line>, ApiError> {
    let (_, _, seen) = api.engine.present(id).await?;
    let from = seen.saturating_sub(u64::from(LOG_EVENTS));
    let events = api.engine.events_after(id, from, LOG_EVENTS).await?;
    Ok(events
        .iter()
        .filter_map(|event| {
            let (level, message, is_deployment) = match &event.body {
                EventBody::StepStarted { step, title, .. } => {
                    ("INFO", format!("{step}: {title}"), false)
                }
                EventBody::StepFinished { step, status, reason, .. } => {
                    let level = if reason.is_empty() { "INFO" } else { "WARNING" };
                    (level, format!("{step} is {}. {reason}", status.as_str()), false)
                }
                EventBody::RunFailed { error, .. } => ("ERROR", error.clone(), false),
                EventBody::RunStopped { reason } => ("WARNING", reason.clone(), false),
                EventBody::RunCompleted { message, .. } => ("INFO", message.clone(), false),
                EventBody::PreviewReady { url } => {
                    ("INFO", format!("The application is served at {url}"), true)
                }
                EventBody::DeploymentFailed { reason } => {
                    ("ERROR", format!("The application could not be served: {reason}"), true)
                }
                _ => return None,
            };
            let message = format!("[{level}] {}", message.trim_end());
            Some(Line { timestamp: iso(event.at), message, is_deployment })
        })
        .collect())
}

fn text(lines: &[Line], wanted: impl Fn(&Line) -> bool) -> String {
    lines
        .iter()
        .filter(|line| wanted(line))
        .map(|line| format!("{} {}\n", line.timestamp, line.message))
        .collect()
}

/// What happened to a project: its steps, and when it was served.
#[utoipa::path(get, path = "/api/deployment/logs/{id}", tag = "deployment", params(OfProject),
    responses((status = 200, description = "The newest lines", body = LogView), Errors))]
pub(crate) async fn logs(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<LogView>, ApiError> {
    let logs = log_of(&api, &id).await?;
    Ok(Json(LogView {
        project_id: id,
        build_logs: text(&logs, |line| !line.is_deployment),
        deployment_logs: text(&logs, |line| line.is_deployment),
        logs,
    }))
}

/// The same as a file.
#[utoipa::path(get, path = "/api/deployment/logs/{id}/download", tag = "deployment", params(OfProject),
    responses((status = 200, description = "The newest lines", body = String, content_type = "text/plain"), Errors))]
pub(crate) async fn download(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Response, ApiError> {
    let lines = log_of(&api, &id).await?;
    let disposition = format!("attachment; filename=\"{id}_logs.txt\"");
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, text(&lines, |_| true)).into_response())
}

/// Numbers of a running application.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metrics {
    #[serde(rename = "project_id")]
    project_id: ProjectId,
    /// Always null: this host does not measure it yet.
    cpu: Option<String>,
    /// Always null: this host does not measure it yet.
    memory: Option<String>,
    /// How often it was started again after a crash.
    restart_count: u32,
}

/// Numbers of the running application, as far as they are measured.
#[utoipa::path(get, path = "/api/deployment/metrics/{id}", tag = "deployment", params(OfProject),
    responses((status = 200, description = "The numbers", body = Metrics), Errors))]
pub(crate) async fn metrics(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Metrics>, ApiError> {
    let (_, preview) = state_of(&api, &id).await?;
    let restart_count = preview.map_or(0, |preview| preview.restarts);
    Ok(Json(Metrics { project_id: id, cpu: None, memory: None, restart_count }))
}

/// Whether it answers, in the words of one client.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthDetail {
    status: &'static str,
    last_check: String,
    is_healthy: bool,
}

/// Whether it answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthOf {
    project_id: ProjectId,
    /// `healthy`, `unhealthy` or `unknown`.
    status: &'static str,
    healthy: bool,
    health: HealthDetail,
}

/// Whether the application answers.
#[utoipa::path(get, path = "/api/deployment/health/{id}", tag = "deployment", params(OfProject),
    responses((status = 200, description = "Its health", body = HealthOf), Errors))]
pub(crate) async fn health(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<HealthOf>, ApiError> {
    let status = health_of(state_of(&api, &id).await?.0);
    let healthy = status == "healthy";
    let last_check = iso(gencode_engine::now());
    let health = HealthDetail { status, last_check, is_healthy: healthy };
    Ok(Json(HealthOf { project_id: id, status, healthy, health }))
}
