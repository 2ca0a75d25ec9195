//! `/api/tracking`: what was spent (http-ws-contract §2.8).

use axum::{Json, extract::State};
use gencode_core::id::ProjectId;
use gencode_engine::{costs::Costs, insight::BudgetView};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Api,
    error::{ApiError, Errors},
    extract::Path,
    openapi::OfProject,
};

/// Projects in one answer; the client has no paging.
const MAX_LISTED: u32 = 1000;

/// Ids of projects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tracked {
    projects: Vec<ProjectId>,
    count: usize,
}

/// Projects whose costs can be seen, newest first.
#[utoipa::path(get, path = "/api/tracking/projects", tag = "costs",
    responses((status = 200, description = "At most 1,000", body = Tracked), Errors))]
pub(crate) async fn projects(State(api): State<Api>) -> Result<Json<Tracked>, ApiError> {
    let projects: Vec<ProjectId> =
        api.engine.projects(MAX_LISTED).await?.into_iter().map(|project| project.id).collect();
    Ok(Json(Tracked { count: projects.len(), projects }))
}

/// What the project's latest run spent, as providers reported it. All twelve keys, always.
#[utoipa::path(get, path = "/api/tracking/{id}/costs", tag = "costs", params(OfProject),
    responses((status = 200, description = "The costs", body = Costs), Errors))]
pub(crate) async fn costs(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Costs>, ApiError> {
    Ok(Json(api.engine.costs(&id).await?))
}

/// What the project's latest run may spend and has spent.
#[utoipa::path(get, path = "/api/tracking/{id}/budget", tag = "costs", params(OfProject),
    responses((status = 200, description = "The budget", body = BudgetView), Errors))]
pub(crate) async fn budget(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<BudgetView>, ApiError> {
    Ok(Json(api.engine.budget(&id).await?))
}

/// What the project's latest run may spend and has spent.
#[utoipa::path(get, path = "/api/v1/projects/{id}/budget", tag = "costs", params(OfProject),
    responses((status = 200, description = "The budget", body = BudgetView), Errors))]
pub(crate) async fn budget_of_project(
    api: State<Api>,
    id: Path<ProjectId>,
) -> Result<Json<BudgetView>, ApiError> {
    budget(api, id).await
}

/// That costs are tracked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrackingHealth {
    status: &'static str,
    message: &'static str,
}

/// Whether the database of the costs answers.
#[utoipa::path(get, path = "/api/tracking/health", tag = "costs",
    responses((status = 200, description = "It does", body = TrackingHealth), Errors))]
pub(crate) async fn health(State(api): State<Api>) -> Result<Json<TrackingHealth>, ApiError> {
    api.engine.project_page(1, None).await?;
    Ok(Json(TrackingHealth { status: "ok", message: "The database of the costs answers" }))
}
