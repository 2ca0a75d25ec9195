//! `/metrics`: what the host has done and does, for Prometheus.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gencode_core::run::RunStatus;
use gencode_engine::Engine;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{Api, error::ApiError};

/// Most sockets and streams at once: each takes some memory and now and then a query.
const MAX_LISTENING: i64 = 10_000;

/// After how many seconds one of them may have gone.
const FULL_FOR: u32 = 30;

/// Upper bounds of the times of answers, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunState {
    status: &'static str,
}

/// All numbers of the host.
pub(crate) struct Meters {
    registry: Registry,
    requests: Family<Asked, Counter>,
    seconds: Family<Route, Histogram>,
    sockets: Gauge,
    runs: Family<RunState, Gauge>,
    in_hand: Gauge,
    previews: Gauge,
    plugins: Gauge,
}

impl Meters {
    pub(crate) fn new(engine: &Engine) -> Self {
        let mut registry = Registry::with_prefix("gencode");
        engine.register_meters(&mut registry);
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let seconds = Family::new_with_constructor(histogram);
        let (requests, runs) = (Family::default(), Family::default());
        let [sockets, in_hand, previews, plugins] = [(); 4].map(|()| Gauge::default());
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_seconds", "Time until the answer began", seconds.clone());
        registry.register("event_streams", "Open sockets and event streams", sockets.clone());
        registry.register("runs_active", "Unfinished runs of all hosts", runs.clone());
        registry.register("runs_in_hand", "Runs this host works on", in_hand.clone());
        registry.register("active_preview_servers", "Previews that run", previews.clone());
        registry.register("plugins_loaded", "Plugins that new runs begin with", plugins.clone());
        Self { registry, requests, seconds, sockets, runs, in_hand, previews, plugins }
    }

    /// A client listens as long as this lives.
    pub(crate) fn listening(&self) -> Result<Listening, ApiError> {
        if self.sockets.inc() >= MAX_LISTENING {
            self.sockets.dec();
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_listeners",
                format!("{MAX_LISTENING} clients listen already"),
            )
            .after(FULL_FOR));
        }
        Ok(Listening(self.sockets.clone()))
    }
}

/// Counts one open socket or stream.
pub(crate) struct Listening(Gauge);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts requests and measures how long their answers took.
pub(crate) async fn measure(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let (route, method) = (route.to_owned(), named(request.method()).to_owned());
    let start = Instant::now();
    let response = next.run(request).await;
    let meters = &api.meters;
    let asked = Asked { method, route: route.clone(), status: response.status().as_u16() };
    meters.requests.get_or_create(&asked).inc();
    meters.seconds.get_or_create(&Route { route }).observe(start.elapsed().as_secs_f64());
    response
}

/// The name of a method that is a method: others would be a number each, without end.
fn named(method: &Method) -> &str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ];
    if KNOWN.contains(method) { method.as_str() } else { "other" }
}

/// Everything that is measured, in the text format of `OpenMetrics`.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"), crate::error::Errors))]
pub(crate) async fn show(State(api): State<Api>) -> Result<Response, ApiError> {
    let gauges = api.engine.gauges().await?;
    let meters = &api.meters;
    for status in RunStatus::ALL.into_iter().filter(|status| !status.is_final()) {
        meters.runs.get_or_create(&RunState { status: status.as_str() }).set(0);
    }
    for (status, count) in gauges.runs {
        let gauge = meters.runs.get_or_create(&RunState { status: status.as_str() });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    let set = |gauge: &Gauge, count: usize| gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    set(&meters.in_hand, gauges.in_hand);
    set(&meters.previews, gauges.previews);
    set(&meters.plugins, gauges.plugins);
    let mut text = String::new();
    encode(&mut text, &meters.registry)
        .map_err(|_| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
