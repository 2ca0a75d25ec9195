//! A small S3 server: put, get, head, delete and list with paths (not virtual hosts), signatures
//! by their shape, and faults on demand.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::RemoteConfig;

pub(crate) const BUCKET: &str = "apps";
const KEY_ID: &str = "AKIAEXAMPLE";

/// What goes wrong with the next request of a method.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Status(u16),
    /// No answer at all.
    Hang,
    /// Another body than the object's.
    Body(Vec<u8>),
}

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, (Bytes, SystemTime)>,
    /// Method and key of every request, in order.
    pub(crate) requests: Vec<(Method, String)>,
    faults: HashMap<Method, VecDeque<Fault>>,
}

/// A running server. Ends with the test's runtime.
pub(crate) struct S3 {
    pub(crate) bucket: Arc<Mutex<Bucket>>,
    address: std::net::SocketAddr,
    _server: tokio::task::JoinSet<()>,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let bucket = Arc::new(Mutex::new(Bucket::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(serve).with_state(Arc::clone(&bucket));
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { bucket, address, _server: server }
    }

    /// How to reach it, with little patience.
    pub(crate) fn config(&self) -> RemoteConfig {
        self.config_with(KEY_ID)
    }

    pub(crate) fn config_with(&self, key_id: &str) -> RemoteConfig {
        config_at(&format!("http://{}", self.address), key_id)
    }

    /// Lets the next requests of a method fail.
    pub(crate) fn fail(&self, method: Method, faults: impl IntoIterator<Item = Fault>) {
        self.bucket.lock().unwrap().faults.entry(method).or_default().extend(faults);
    }

    /// Lets nothing fail any more.
    pub(crate) fn mend(&self) {
        self.bucket.lock().unwrap().faults.clear();
    }

    /// How many faults nobody met.
    pub(crate) fn faults_left(&self) -> usize {
        self.bucket.lock().unwrap().faults.values().map(VecDeque::len).sum()
    }

    /// How many requests of a method there were for blobs.
    pub(crate) fn count(&self, method: &Method) -> usize {
        let bucket = self.bucket.lock().unwrap();
        let blob = |key: &str| key.len() > 60;
        bucket.requests.iter().filter(|(found, key)| found == method && blob(key)).count()
    }

    /// Makes all objects as old as said.
    pub(crate) fn age(&self, by: Duration) {
        for (_, modified) in self.bucket.lock().unwrap().objects.values_mut() {
            *modified -= by;
        }
    }
}

pub(crate) fn config_at(endpoint: &str, key_id: &str) -> RemoteConfig {
    let settings = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", key_id),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_PAGER", "less"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut config = RemoteConfig::parse(&format!("s3://{BUCKET}/team/blobs"), settings).unwrap();
    config.timing.connect = Duration::from_millis(500);
    config.timing.request = Duration::from_millis(400);
    config.timing.retries = 3;
    config.timing.whole = Duration::from_secs(5);
    config.timing.opening = Duration::from_secs(3);
    config
}

async fn serve(
    State(bucket): State<Arc<Mutex<Bucket>>>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(why) = check_signature(&headers) {
        return (StatusCode::FORBIDDEN, format!("<Error><Code>{why}</Code></Error>"))
            .into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let Some(("apps", key)) = path.split_once('/').or(Some((path, ""))) else {
        return (StatusCode::NOT_FOUND, "<Error><Code>NoSuchBucket</Code></Error>").into_response();
    };
    let fault = {
        let mut bucket = bucket.lock().unwrap();
        bucket.requests.push((method.clone(), key.to_owned()));
        bucket.faults.get_mut(&method).and_then(VecDeque::pop_front)
    };
    let mut wrong = None;
    match fault {
        Some(Fault::Status(status)) => {
            return StatusCode::from_u16(status).unwrap().into_response();
        }
        Some(Fault::Hang) => std::future::pending::<()>().await,
        Some(Fault::Body(body)) => wrong = Some(Bytes::from(body)),
        None => {}
    }
    let mut bucket = bucket.lock().unwrap();
    match method {
        Method::PUT => {
            bucket.objects.insert(key.to_owned(), (body, SystemTime::now()));
            [(header::ETAG, "\"tag\"")].into_response()
        }
        Method::GET if query.contains_key("list-type") => list(&bucket, &query).into_response(),
        Method::GET | Method::HEAD => match bucket.objects.get(key) {
            Some((content, modified)) => {
                let modified = jiff::Timestamp::try_from(*modified).unwrap();
                let modified = jiff::fmt::rfc2822::DateTimePrinter::new()
                    .timestamp_to_rfc9110_string(&modified)
                    .unwrap();
                let headers = [(header::LAST_MODIFIED, modified), (header::ETAG, "\"tag\"".into())];
                (headers, wrong.unwrap_or_else(|| content.clone())).into_response()
            }
            None => {
                (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response()
            }
        },
        Method::DELETE => {
            bucket.objects.remove(key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// One page of at most ten, so that paging is exercised.
fn list(bucket: &Bucket, query: &HashMap<String, String>) -> String {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let after = query.get("continuation-token").map_or("", String::as_str);
    let found: Vec<_> = bucket
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
        .take(11)
        .collect();
    let mut xml = "<ListBucketResult>".to_owned();
    for (key, (content, modified)) in found.iter().take(10) {
        let modified = jiff::Timestamp::try_from(*modified).unwrap();
        write!(
            xml,
            "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>tag</ETag>\
             <Size>{}</Size></Contents>",
            content.len()
        )
        .unwrap();
    }
    if found.len() > 10 {
        write!(xml, "<NextContinuationToken>{}</NextContinuationToken>", found[9].0).unwrap();
    }
    xml + "</ListBucketResult>"
}

/// `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/s3/aws4_request, SignedHeaders=…, Signature=…`
fn check_signature(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let rest =
        text.and_then(|text| text.strip_prefix("AWS4-HMAC-SHA256 ")).ok_or("AccessDenied")?;
    let fields: HashMap<&str, &str> =
        rest.split(", ").filter_map(|field| field.split_once('=')).collect();
    let date = headers.get("x-amz-date").and_then(|date| date.to_str().ok()).ok_or("NoDate")?;
    let day = date.get(..8).ok_or("NoDate")?;
    let scope = format!("{KEY_ID}/{day}/eu-central-1/s3/aws4_request");
    if fields.get("Credential") != Some(&scope.as_str()) {
        return Err("InvalidAccessKeyId");
    }
    let signed: Vec<&str> = fields.get("SignedHeaders").ok_or("NoHeaders")?.split(';').collect();
    if !["host", "x-amz-content-sha256", "x-amz-date"].iter().all(|name| signed.contains(name)) {
        return Err("UnsignedHeaders");
    }
    let hex = |text: &&str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    fields.get("Signature").filter(|text| hex(text)).map(|_| ()).ok_or("SignatureDoesNotMatch")
}
