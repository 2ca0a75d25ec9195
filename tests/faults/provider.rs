//! A model provider for the host to pay: the offline generator behind the chat-completions
//! protocol, over real HTTP, with a bill that tests can compare with the host's ledger.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use gencode_core::digest::Digest;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The model that the fake sells.
pub(crate) const MODEL: &str = "generator-1";

/// How long those wait whom it cannot serve: the least that a run is given back for.
pub(crate) const LATER: Duration = Duration::from_secs(5);

/// Its price list, for `GENCODE_PRICES`. Not zero, so that a wrong sum is seen.
pub(crate) const PRICES: &str = "[[price]]\nprovider = \"openai-compatible\"\n\
     models = [\"generator-1\"]\ninput = \"0.01\"\noutput = \"0.02\"\n";

/// What was paid for under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sale {
    pub(crate) task: String,
    /// Answers that were charged. A repeated idempotency key is answered and charged once.
    pub(crate) charged: u64,
    /// Requests with this key.
    pub(crate) asked: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

#[derive(Default)]
struct Shared {
    sales: Mutex<BTreeMap<String, (Sale, Value)>>,
    delay_ms: AtomicU64,
    /// How many of the next requests are told to come back later.
    refuse: AtomicU64,
}

/// A running provider. It ends when it is dropped.
pub(crate) struct Provider {
    /// What `OPENAI_COMPATIBLE_BASE_URL` is set to.
    pub(crate) url: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let server = async move { axum::serve(listener, app).await.unwrap() };
        Self { url, shared, _server: JoinSet::from_iter([server]) }
    }

    /// Makes every answer take this long, so that a test can meet calls under way.
    pub(crate) fn set_delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.shared.delay_ms.store(millis, Ordering::Relaxed);
    }

    /// The next so many requests are told to come back after [`LATER`].
    pub(crate) fn refuse(&self, count: u64) {
        self.shared.refuse.store(count, Ordering::Relaxed);
    }

    /// Everything sold so far, by idempotency key (by the content of the request where a request
    /// had no key).
    pub(crate) fn sales(&self) -> BTreeMap<String, Sale> {
        let sales = self.shared.sales.lock().unwrap();
        sales.iter().map(|(key, (sale, _))| (key.clone(), sale.clone())).collect()
    }
}

async fn models() -> Json<Value> {
    Json(json!({ "object": "list", "data": [{ "id": MODEL, "object": "model" }] }))
}

async fn complete(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let refused = shared
        .refuse
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if refused.is_ok() {
        let wait = [("retry-after", LATER.as_secs().to_string())];
        return (StatusCode::TOO_MANY_REQUESTS, wait, "slow down").into_response();
    }
    let delay = shared.delay_ms.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let named = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let digest = Digest::of(body["messages"].to_string().as_bytes()).to_string();
    let has_name = named.is_some();
    let key = named.unwrap_or_else(|| digest.clone());
    if has_name && let Some((sale, answer)) = shared.sales.lock().unwrap().get_mut(&key) {
        sale.asked += 1;
        assert_eq!(answer["digest"], digest.as_str(), "key {key} is used for two requests");
        return Json(answer.clone()).into_response();
    }
    let prompt = prompt_of(&body);
    let Some(task) = task_of(&prompt) else {
        return refuse("the prompt names no task");
    };
    let (task, documents) = (task.to_owned(), documents_of(&prompt));
    let asked = task.clone();
    let work = move || gencode_llm::offline::answer(&asked, &documents);
    let text = match tokio::task::spawn_blocking(work).await.unwrap() {
        Ok(text) => text,
        Err(error) => return refuse(&error.to_string()),
    };
    let (input, output) = (tokens(prompt.len()), tokens(text.len()));
    let answer = json!({
        "id": format!("chatcmpl-{key}"), "object": "chat.completion", "created": 1, "model": MODEL,
        "digest": digest,
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": text, "refusal": null },
        }],
        "usage": { "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output },
    });
    let mut sales = shared.sales.lock().unwrap();
    let sale = Sale { task, charged: 0, asked: 0, input_tokens: 0, output_tokens: 0 };
    let (sale, _) = sales.entry(key).or_insert((sale, answer.clone()));
    sale.asked += 1;
    if !has_name || sale.charged == 0 {
        sale.charged += 1;
        sale.input_tokens += input;
        sale.output_tokens += output;
    }
    Json(answer).into_response()
}

fn refuse(why: &str) -> Response {
    let error = json!({ "error": { "message": why, "type": "invalid_request_error" } });
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

/// What the user says, as a real model reads it.
fn prompt_of(body: &Value) -> String {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let texts = messages.iter().filter_map(|message| message["content"].as_str());
    texts.collect::<Vec<_>>().join("\n\n")
}

/// Every prompt of the crew says what it is for.
fn task_of(prompt: &str) -> Option<&str> {
    prompt.lines().find_map(|line| line.strip_prefix("# Your task: ")).map(str::trim)
}

/// The named blocks of a prompt (`host/llm/src/render.rs`): a heading with the name, then a fence
/// that is longer than any run of backticks inside.
fn documents_of(prompt: &str) -> Vec<(String, String)> {
    let mut documents = Vec::new();
    let mut lines = prompt.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, _)) = line.strip_prefix("### ").and_then(|rest| rest.rsplit_once(" ("))
        else {
            continue;
        };
        let Some(opening) = lines.next_if(|next| next.starts_with("```")) else { continue };
        let fence = opening.trim_end_matches(|c| c != '`');
        let content: Vec<&str> = lines.by_ref().take_while(|inner| *inner != fence).collect();
        documents.push((name.to_owned(), content.join("\n")));
    }
    documents
}

/// Four bytes a token, as the offline model counts.
fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap()
}

#[test]
fn the_blocks_of_a_prompt_are_found_whatever_is_in_them() {
    use gencode_llm::{Message, Part, Role};

    let parts = vec![
        Part::text("# Your task: analysis\n\nRead it."),
        Part::data("request", "text/plain", "### files (x)\n```\na shop\n```"),
        Part::data("files", "application/json", "[]"),
        Part::text("Now answer."),
    ];
    let prompt = gencode_llm::render::message(&Message { role: Role::User, parts });
    assert_eq!(task_of(&prompt), Some("analysis"));
    assert_eq!(
        documents_of(&prompt),
        [
            ("request".to_owned(), "### files (x)\n```\na shop\n```".to_owned()),
            ("files".to_owned(), "[]".to_owned())
        ]
    );
}
