//! Whether the host lives, and whether it can work.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use gencode_engine::insight::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Api, error::Errors};

/// That the host lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    ok: bool,
    status: &'static str,
    timestamp: String,
}

fn health() -> Json<Health> {
    let timestamp = gencode_core::time::iso(gencode_engine::now());
    Json(Health { ok: true, status: "healthy", timestamp })
}

/// Whether the host lives. Asks nothing else.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()),
    responses((status = 200, description = "It does", body = Health), Errors))]
pub(crate) async fn live() -> Json<Health> {
    health()
}

/// Whether the host lives, under the name older clients ask for.
#[utoipa::path(get, path = "/api/health", tag = "health", security(()),
    responses((status = 200, description = "It does", body = Health), Errors))]
pub(crate) async fn healthy() -> Json<Health> {
    health()
}

/// Whether the host can work: its database answers, there is room, its plugins are there.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses(
        (status = 200, description = "It can", body = Readiness),
        (status = 503, description = "It cannot; the parts say why", body = Readiness)))]
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    let readiness = api.engine.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
