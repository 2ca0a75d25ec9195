//! HTTP and WebSocket surface of the host, for the existing front end (http-ws-contract, the
//! parts marked LIVE).
//!
//! **Invariant:** a handler parses, calls one engine method and maps the answer. It decides
//! nothing about projects or runs.

mod checkpoints;
mod error;
mod guard;
mod messages;
mod projects;
mod providers;
mod runs;
mod socket;
mod tracking;
mod workspace;

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, header},
    middleware,
    routing::{any, get, post},
};
use gencode_engine::Engine;
use tokio::sync::broadcast;
use tower_http::{
    cors::CorsLayer,
    services::{ServeDir, ServeFile},
    set_header::SetResponseHeaderLayer,
};

/// Largest accepted request body: a file of the client's editor (8 MiB) and its JSON quoting.
const MAX_BODY: usize = 20 * 1024 * 1024;

/// What the surface needs beside the engine.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Built front end to serve at `/`, if any.
    pub frontend_dist: Option<PathBuf>,
    /// Origins that may call from a browser (http-ws-contract §6). Never `*`.
    pub allowed_origins: Vec<String>,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) engine: Engine,
    /// Projects whose sockets should repeat the present state (http-ws-contract §5.9).
    pub(crate) nudges: broadcast::Sender<gencode_core::id::ProjectId>,
    pub(crate) allowed_origins: Arc<Vec<String>>,
}

/// Builds the router.
pub fn router(engine: Engine, config: ApiConfig) -> Router {
    let (nudges, _) = broadcast::channel(256);
    let origins: Vec<HeaderValue> =
        config.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let api = Api { engine, nudges, allowed_origins: Arc::new(config.allowed_origins) };
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::ACCEPT,
            HeaderName::from_static("idempotency-key"),
        ])
        .max_age(std::time::Duration::from_mins(10));

    let routes = Router::new()
        .route("/healthz", get(health))
        .route("/api/health", get(health))
        .route("/api/projects", get(projects::list).post(projects::create))
        .route("/api/projects/{id}", get(projects::show).delete(projects::delete))
        .route("/api/projects/{id}/checkpoints", get(checkpoints::list))
        .route("/api/projects/{id}/checkpoints/diff", get(checkpoints::diff))
        .route("/api/projects/{id}/checkpoints/export", get(checkpoints::export))
        .route("/api/projects/{id}/checkpoints/{checkpoint}", get(checkpoints::show))
        .route("/api/projects/{id}/checkpoints/{checkpoint}/files/{*path}", get(checkpoints::file))
        .route("/api/projects/{id}/checkpoints/{checkpoint}/restore", post(checkpoints::restore))
        .route("/api/projects/{id}/fork", post(checkpoints::fork))
        .route("/api/projects/{id}/compare/{other}", get(checkpoints::compare))
        .route("/api/workspace/{id}/files", get(workspace::files))
        .route("/api/workspace/{id}/file", get(workspace::read).put(workspace::save))
        .route("/api/workspace/{id}/generate/backend", post(workspace::generate))
        .route("/api/workspace/{id}/force-reset", post(runs::force_reset))
        .route("/api/v1/projects/{id}/runs", get(runs::list))
        .route("/api/v1/runs/{id}", get(runs::show))
        .route("/api/v1/runs/{id}/pause", post(runs::pause))
        .route("/api/v1/runs/{id}/resume", post(runs::resume))
        .route("/api/v1/runs/{id}/answer", post(runs::answer))
        .route("/api/v1/runs/{id}/stop", post(runs::stop))
        .route("/api/v1/runs/{id}/retry", post(runs::retry))
        .route("/api/workspace/resume", post(workspace::resume))
        .route("/api/sandbox/{id}/preview", get(workspace::preview))
        .route("/api/deployment/{id}", post(workspace::deploy))
        .route("/api/providers/available", get(providers::available))
        .route("/api/providers/current", get(providers::current))
        .route("/api/providers/set", post(providers::set))
        .route("/api/tracking/projects", get(tracking::projects))
        .route("/api/tracking/{id}/costs", get(tracking::costs))
        .nest("/ws", Router::new().route("/{id}", get(socket::connect)).fallback(error::not_found))
        .route("/api/{*rest}", any(error::not_found))
        .method_not_allowed_fallback(error::method_not_allowed);
    let routes = match config.frontend_dist {
        Some(dist) => {
            let index = ServeFile::new(dist.join("index.html"));
            routes
                .nest_service("/assets", ServeDir::new(dist.join("assets")))
                .fallback_service(ServeDir::new(dist).fallback(index))
        }
        None => routes.fallback(error::not_found),
    };
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(api.clone(), guard::check_host_and_origin))
        .layer(cors)
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static("referrer-policy"),
            HeaderValue::from_static("same-origin"),
        ))
        .with_state(api)
}

async fn health() -> axum::Json<serde_json::Value> {
    let now = gencode_core::time::iso(gencode_engine::now());
    axum::Json(serde_json::json!({ "ok": true, "status": "healthy", "timestamp": now }))
}
