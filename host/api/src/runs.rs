//! `/api/v1/runs`: seeing and steering runs. What is wanted is stored before it is answered, so it
//! happens also when this host ends now, and on whichever host works on the run.

use axum::{Json, extract::State};
use gencode_core::id::{ProjectId, RunId};
use gencode_engine::control::{Receipt, RunView};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Api,
    error::{ApiError, Body, Key, Path},
};

pub(crate) async fn list(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "runs": api.engine.control().runs_of(&id).await? })))
}

pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<RunId>,
) -> Result<Json<RunView>, ApiError> {
    Ok(Json(api.engine.control().show(id).await?))
}

pub(crate) async fn pause(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.control().pause(id, key.text()).await?))
}

pub(crate) async fn resume(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.control().resume(id, key.text()).await?))
}

pub(crate) async fn stop(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    let reason = "Stopped by the user.";
    Ok(Json(api.engine.control().stop(id, reason, key.text()).await?))
}

/// Continues a failed or stopped run as a new one, whose receipt is the answer.
pub(crate) async fn retry(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.retry_run(id, key.text()).await?.into()))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    text: String,
}

pub(crate) async fn answer(
    State(api): State<Api>,
    Path(id): Path<RunId>,
    key: Key,
    Body(body): Body<Answer>,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(api.engine.control().answer(id, &body.text, key.text()).await?))
}

/// Brings a project out of any state it is stuck in (http-ws-contract §5.6).
pub(crate) async fn force_reset(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Value>, ApiError> {
    api.engine.control().reset(&id).await?;
    let message = "The project is at rest; send a message to continue it";
    Ok(Json(json!({ "success": true, "message": message, "project_id": id })))
}
