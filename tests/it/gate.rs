//! A door in front of the fake provider: it can be shut, it can ask to wait, and it knows who came.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use tokio::{task::JoinSet, time::Instant};

use crate::provider::Provider;

/// One request that came to the door.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) key: String,
    pub(crate) at: Instant,
    /// Whether it was let through.
    pub(crate) passed: bool,
}

struct Shared {
    behind: String,
    client: reqwest::Client,
    /// How many of the next requests are refused.
    refuse: AtomicU32,
    /// What they are told to wait, in seconds.
    retry_after: AtomicU64,
    /// How long the door holds a request back before it passes on, in milliseconds.
    hold: AtomicU64,
    visits: Mutex<Vec<Visit>>,
}

/// A provider behind a door. Both end when it is dropped.
pub(crate) struct Gate {
    pub(crate) url: String,
    pub(crate) provider: Provider,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl Gate {
    pub(crate) async fn start() -> Self {
        let provider = Provider::start().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let shared = Arc::new(Shared {
            behind: provider.url.trim_end_matches("/v1").to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            refuse: AtomicU32::new(0),
            retry_after: AtomicU64::new(0),
            hold: AtomicU64::new(0),
            visits: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let app = Router::new()
            .fallback(pass)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let server = async move { axum::serve(listener, app).await.unwrap() };
        Self { url, provider, shared, _server: JoinSet::from_iter([server]) }
    }

    /// The next requests are told to wait.
    pub(crate) fn refuse(&self, count: u32, retry_after: Duration) {
        self.shared.retry_after.store(retry_after.as_secs(), Ordering::SeqCst);
        self.shared.refuse.store(count, Ordering::SeqCst);
    }

    /// Every request is held back for so long from now on.
    pub(crate) fn hold(&self, time: Duration) {
        self.shared.hold.store(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.shared.visits.lock().unwrap().clone()
    }
}

async fn pass(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refused = shared
        .refuse
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        .is_ok();
    let key = headers.get("idempotency-key").map_or("", |key| key.to_str().unwrap()).to_owned();
    shared.visits.lock().unwrap().push(Visit { key, at: Instant::now(), passed: !refused });
    if refused {
        return Response::builder()
            .status(StatusCode::TOO_MANY_REQUESTS)
            .header("retry-after", shared.retry_after.load(Ordering::SeqCst))
            .body(Body::from(r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#))
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(shared.hold.load(Ordering::SeqCst))).await;
    let mut request = shared.client.request(method, format!("{}{uri}", shared.behind)).body(body);
    for name in ["content-type", "idempotency-key"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    Response::builder()
        .status(answer.status())
        .header("content-type", "application/json")
        .body(Body::from(answer.bytes().await.unwrap()))
        .unwrap()
}
