//! HTTP and WebSocket surface of the host: for the existing front end (http-ws-contract), and for
//! programs (`/api/v1`).
//!
//! A request passes, in this order: its id and limits of size (`outer.rs`), CORS, the check of its
//! host and origin (`guard.rs`), who sends it (`access.rs`), how often (`limits.rs`), the audit log
//! (`audit.rs`), and then its handler.
//!
//! **Invariants:**
//! - a handler parses, calls one engine method and maps the answer. It decides nothing about
//!   projects or runs;
//! - a route is added in [`routes`] with its description, so the OpenAPI document cannot miss one.

mod access;
mod audit;
mod checkpoints;
mod deployment;
mod error;
mod etag;
mod events;
mod extract;
mod guard;
mod health;
mod host;
mod limits;
mod messages;
mod meters;
mod openapi;
mod outer;
mod projects;
mod providers;
mod runs;
mod sandbox;
mod socket;
mod tracking;
mod workspace;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get},
};
use gencode_core::id::ProjectId;
use gencode_engine::Engine;
use tokio::sync::broadcast;
use tower::ServiceBuilder;
use tower_http::{
    cors::CorsLayer,
    services::{ServeDir, ServeFile},
    set_header::SetResponseHeaderLayer,
};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{access::Doors, limits::Limits, meters::Meters};

pub use self::{
    limits::{NoRateLimit, RateLimit},
    openapi::description,
};

/// Largest accepted request body: a file of the client's editor (8 MiB) and its JSON quoting.
const MAX_BODY: usize = 20 * 1024 * 1024;

/// What browsers keep of the front end's files: their names have a hash.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The page itself is asked for again each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// What the surface needs beside the engine.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Built front end to serve at `/`, if any.
    pub frontend_dist: Option<PathBuf>,
    /// Origins that may call from a browser (http-ws-contract §6). Never `*`.
    pub allowed_origins: Vec<String>,
    /// Names by which the host may be called, beside those of its machine (DNS rebinding).
    pub allowed_hosts: Vec<String>,
    /// Proxies before this host, whose word counts for whom they pass on.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether the host listens beyond its machine: then it may be called by any address.
    pub beyond_loopback: bool,
    /// How often a caller may ask.
    pub rate_limit: RateLimit,
}

impl ApiConfig {
    /// Whether others than those on its machine are to reach the host: then it wants tokens also
    /// while it has none.
    pub fn is_for_others(&self) -> bool {
        self.beyond_loopback || !self.allowed_hosts.is_empty() || !self.trusted_proxies.is_empty()
    }
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) engine: Engine,
    /// Projects whose sockets should repeat the present state (http-ws-contract §5.9).
    pub(crate) nudges: broadcast::Sender<ProjectId>,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) limits: Arc<Option<Limits>>,
    pub(crate) meters: Arc<Meters>,
}

/// Every route of the API, with its description.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::healthy))
        .routes(routes!(health::ready))
        .routes(routes!(meters::show))
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::show, projects::delete))
        .routes(routes!(projects::page))
        .nest("/api", history())
        .nest("/api/v1", history())
        .routes(routes!(workspace::list))
        .routes(routes!(workspace::files))
        .routes(routes!(workspace::read, workspace::save))
        .routes(routes!(workspace::generate))
        .routes(routes!(workspace::resume))
        .routes(routes!(workspace::apply))
        .routes(routes!(runs::force_reset))
        .routes(routes!(runs::all))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::steps))
        .routes(routes!(runs::journal))
        .routes(routes!(runs::pause))
        .routes(routes!(runs::resume))
        .routes(routes!(runs::answer))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::retry))
        .routes(routes!(events::page))
        .routes(routes!(events::stream))
        .routes(routes!(sandbox::exec))
        .routes(routes!(sandbox::preview))
        .routes(routes!(sandbox::status))
        .routes(routes!(sandbox::create))
        .routes(routes!(sandbox::start))
        .routes(routes!(sandbox::stop))
        .routes(routes!(deployment::initialize))
        .routes(routes!(deployment::deploy))
        .routes(routes!(deployment::status))
        .routes(routes!(deployment::history))
        .routes(routes!(deployment::rollback))
        .routes(routes!(deployment::restart))
        .routes(routes!(deployment::variables, deployment::set_variables))
        .routes(routes!(deployment::set_domain))
        .routes(routes!(deployment::logs))
        .routes(routes!(deployment::download))
        .routes(routes!(deployment::metrics))
        .routes(routes!(deployment::health))
        .routes(routes!(providers::all))
        .routes(routes!(providers::available))
        .routes(routes!(providers::current))
        .routes(routes!(providers::set))
        .routes(routes!(tracking::health))
        .routes(routes!(tracking::projects))
        .routes(routes!(tracking::costs))
        .routes(routes!(tracking::budget))
        .routes(routes!(tracking::budget_of_project))
        .routes(routes!(host::agents))
        .routes(routes!(host::active))
        .routes(routes!(host::plugins))
        .routes(routes!(host::settings, host::set_settings))
        .routes(routes!(host::tokens, host::make_token))
        .routes(routes!(host::revoke_token))
        .routes(routes!(host::audit))
        .routes(routes!(host::session, host::login, host::logout))
}

/// The history of projects: beside the front end's routes and among those for programs.
fn history() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::History::openapi())
        .routes(routes!(checkpoints::list))
        .routes(routes!(checkpoints::diff))
        .routes(routes!(checkpoints::export))
        .routes(routes!(checkpoints::show))
        // Its path goes over several segments, which a description cannot say.
        .route("/projects/{id}/checkpoints/{checkpoint}/files/{*path}", get(checkpoints::file))
        .routes(routes!(checkpoints::restore))
        .routes(routes!(checkpoints::fork))
        .routes(routes!(checkpoints::compare))
}

/// Builds the router.
pub fn router(engine: Engine, config: ApiConfig) -> Router {
    let (nudges, _) = broadcast::channel(256);
    let cors = cors(&config);
    let dist = config.frontend_dist.clone();
    let api = Api {
        doors: Arc::new(Doors::new(engine.access(), config.is_for_others())),
        limits: Arc::new(Limits::new(config.rate_limit)),
        meters: Arc::new(Meters::new(&engine)),
        nudges,
        config: Arc::new(config),
        engine,
    };
    let (documented, _) = routes().split_for_parts();
    let routes = documented
        .nest("/ws", Router::new().route("/{id}", get(socket::connect)).fallback(error::not_found))
        .route("/api/{*rest}", any(error::not_found))
        .route("/api", any(error::not_found))
        // What is tried on a path that is no route changed nothing.
        .route_layer(from_fn_with_state(api.clone(), audit::note))
        .route("/openapi.json", get(openapi::show))
        .route("/asyncapi.json", get(openapi::asyncapi))
        .route("/docs", get(openapi::docs))
        .route("/login", get(openapi::login))
        .method_not_allowed_fallback(error::method_not_allowed);
    let routes = match dist {
        Some(dist) => with_frontend(routes, &dist),
        None => routes.fallback(error::not_found),
    };
    let routes = routes
        .layer(from_fn(etag::tag))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(api.clone(), limits::limit))
        .layer(from_fn_with_state(api.clone(), access::admit))
        .layer(from_fn_with_state(api.clone(), guard::check_host_and_origin))
        .layer(cors)
        .layer(from_fn_with_state(api.clone(), meters::measure))
        .layer(header("x-content-type-options", "nosniff"))
        .layer(header("referrer-policy", "same-origin"))
        .layer(header("x-frame-options", "DENY"))
        .layer(header("cross-origin-opener-policy", "same-origin"))
        .layer(from_fn(outer::answer))
        .with_state(api);
    // Before anything is routed: a client puts a second slash before its paths (contract §1.1).
    let routes = ServiceBuilder::new().map_request(without_second_slash).service(routes);
    Router::new().fallback_service(routes)
}

fn header(name: &'static str, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    let name = HeaderName::from_static(name);
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

fn cors(config: &ApiConfig) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        config.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::ACCEPT,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            header::IF_NONE_MATCH,
            outer::REQUEST_ID,
        ])
        .expose_headers([outer::REQUEST_ID, header::RETRY_AFTER, header::ETAG])
        .max_age(std::time::Duration::from_mins(10))
}

/// Serves the built front end: files that are there, otherwise its page.
fn with_frontend(routes: Router<Api>, dist: &std::path::Path) -> Router<Api> {
    let cached =
        |value: HeaderValue| SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, value);
    let assets =
        ServiceBuilder::new().layer(cached(KEEP)).service(ServeDir::new(dist.join("assets")));
    let page = ServeFile::new(dist.join("index.html"));
    // The page links a style sheet that is not there: that is no page (contract §6).
    let files =
        ServiceBuilder::new().layer(cached(ASK_AGAIN)).service(ServeDir::new(dist).fallback(page));
    routes
        .nest_service("/assets", assets)
        .route_service("/index.css", ServeFile::new(dist.join("index.css")))
        .fallback_service(files)
}

fn without_second_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.starts_with("//") {
        return request;
    }
    let path = format!("/{}", path.trim_start_matches('/'));
    let text = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if let Ok(uri) = text.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}
