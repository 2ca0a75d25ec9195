//! `/api/tracking`: what was spent (http-ws-contract §2.8).

use axum::{Json, extract::State};
use gencode_core::id::ProjectId;
use gencode_engine::costs::Costs;
use serde_json::{Value, json};

use crate::{
    Api,
    error::{ApiError, Path},
};

/// Projects in one answer; the client has no paging.
const MAX_LISTED: u32 = 1000;

pub(crate) async fn projects(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let projects = api.engine.projects(MAX_LISTED).await?;
    let ids: Vec<&ProjectId> = projects.iter().map(|project| &project.id).collect();
    Ok(Json(json!({ "projects": ids, "count": ids.len() })))
}

pub(crate) async fn costs(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Costs>, ApiError> {
    Ok(Json(api.engine.costs(&id).await?))
}
