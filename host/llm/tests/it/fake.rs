//! A server that answers what a test tells it to, and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures_util::stream;
use gencode_llm::{
    CompletionRequest, Endpoint, Gateway, GatewayConfig, Limits, Message, Part, Provider, Role,
    Secret,
};
use serde_json::{Value, json};

/// One thing the server does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers this.
    Say { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// Announces a whole answer, sends the beginning, and breaks the connection.
    BreakOff,
    /// Sends this many bytes without saying beforehand how many.
    Flood(usize),
    /// Answers well, after a while.
    Slow(Duration, Value),
}

impl Act {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Say {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Say { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Say { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// What the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<Asked>>,
    busy: AtomicUsize,
    busiest: AtomicUsize,
}

/// A running server; it stops when the test's runtime does.
pub(crate) struct Fake {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Fake {
    /// Does the acts in order, the last one for ever.
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(script.into_iter().collect()),
            ..Shared::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(act).with_state(shared.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The only request there was.
    pub(crate) fn asked_once(&self) -> Asked {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.into_iter().next().unwrap()
    }

    /// Most requests it worked on at once.
    pub(crate) fn busiest(&self) -> usize {
        self.shared.busiest.load(Ordering::SeqCst)
    }
}

async fn act(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let busy = shared.busy.fetch_add(1, Ordering::SeqCst) + 1;
    shared.busiest.fetch_max(busy, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    shared.asked.lock().unwrap().push(Asked {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let act = {
        let mut script = shared.script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script.front().unwrap().clone() }
    };
    let response = match act {
        Act::Say { status, headers, body } => {
            let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
        Act::BreakOff => {
            let start = Ok(Bytes::from_static(b"{\"choices\":[{\"mess"));
            let chunks = stream::iter([start, Err(std::io::Error::other("gone"))]);
            Response::builder()
                .header("content-length", "5000")
                .body(Body::from_stream(chunks))
                .unwrap()
        }
        Act::Flood(bytes) => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            let chunks =
                (0..bytes.div_ceil(64 * 1024)).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
            Response::new(Body::from_stream(stream::iter(chunks)))
        }
        Act::Slow(wait, body) => {
            tokio::time::sleep(wait).await;
            Response::new(Body::from(body.to_string()))
        }
    };
    shared.busy.fetch_sub(1, Ordering::SeqCst);
    response
}

pub(crate) const KEY: &str = "sk-test-0123456789-secret";

/// Settings with which every provider is at `url`, waits are short and keys are there.
pub(crate) fn config(url: &str) -> GatewayConfig {
    let endpoint = Endpoint {
        base_url: Some(url.to_owned()),
        api_key: Some(Secret::new(KEY)),
        ..Endpoint::default()
    };
    GatewayConfig {
        gemini: endpoint.clone(),
        openai: endpoint.clone(),
        anthropic: endpoint.clone(),
        ollama: Endpoint { api_key: None, ..endpoint.clone() },
        openai_compatible: endpoint,
        prices: gencode_llm::PriceTable::parse(
            "[[price]]\nprovider = \"openai-compatible\"\nmodels = [\"local\"]\ninput = \"1\"\noutput = \"2\"",
        )
        .unwrap(),
        limits: Limits {
            deadline: Duration::from_secs(20),
            ollama_deadline: Duration::from_secs(20),
            backoff: Duration::from_millis(4),
            ..Limits::default()
        },
        ..GatewayConfig::default()
    }
}

pub(crate) fn gateway(url: &str) -> Gateway {
    Gateway::new(config(url)).unwrap()
}

/// A request with every kind of part and role.
pub(crate) fn request() -> CompletionRequest {
    CompletionRequest {
        task: "analysis".to_owned(),
        messages: vec![
            Message::text(Role::System, "You are Marcus."),
            Message {
                role: Role::User,
                parts: vec![
                    Part::text("Analyse."),
                    Part::data("request", "text/plain", "a shop with ```orders```"),
                ],
            },
            Message::text(Role::Assistant, "Which shop?"),
            Message::text(Role::User, "Books."),
        ],
        max_output_tokens: 1000,
        temperature: 0.2,
        key: None,
    }
}

/// The second message of [`request`] as a real model reads it.
pub(crate) const RENDERED: &str =
    "Analyse.\n\n### request (text/plain)\n````text\na shop with ```orders```\n````";

/// Providers that are reached over the network, with a model that has a price.
pub(crate) const REMOTES: [(Provider, &str); 5] = [
    (Provider::OpenAi, "gpt-4o-mini"),
    (Provider::Anthropic, "claude-haiku-4-5"),
    (Provider::Gemini, "gemini-2.5-flash"),
    (Provider::Ollama, "qwen2.5-coder:7b"),
    (Provider::OpenAiCompatible, "local"),
];

/// A good answer of 100 tokens in and 20 out in the provider's own form.
pub(crate) fn good(provider: Provider, text: &str) -> Value {
    match provider {
        Provider::Anthropic => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001",
            "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": { "input_tokens": 100, "output_tokens": 20 },
        }),
        Provider::Gemini => json!({
            "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] }, "finishReason": "STOP", "index": 0 }],
            "usageMetadata": { "promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120 },
            "modelVersion": "gemini-2.5-flash",
        }),
        Provider::Ollama => json!({
            "model": "qwen2.5-coder:7b", "created_at": "2026-11-22T10:00:00Z", "done": true, "done_reason": "stop",
            "message": { "role": "assistant", "content": text },
            "total_duration": 5, "prompt_eval_count": 100, "eval_count": 20,
        }),
        _ => json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": text, "refusal": null }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120 },
        }),
    }
}
