//! Spans of the host's work, as a collector of OpenTelemetry gets them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span, Status, status::StatusCode},
};
use prost::Message as _;
use tokio::{net::TcpListener, task::JoinSet};

use crate::host::Data;

/// One request to a collector.
struct Sent {
    path: String,
    headers: HeaderMap,
    spans: ExportTraceServiceRequest,
}

/// A collector that keeps what it gets.
struct Collector {
    address: String,
    got: Arc<Mutex<Vec<Sent>>>,
    _server: JoinSet<()>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::default();
        let app = Router::new().fallback(keep).with_state(Arc::clone(&got));
        let server = async move { axum::serve(listener, app).await.unwrap() };
        Self { address, got, _server: JoinSet::from_iter([server]) }
    }

    /// Everything it got, with the attributes of who sent it.
    fn spans(&self) -> Vec<(BTreeMap<String, String>, Span)> {
        let got = self.got.lock().unwrap();
        let sent = got.iter().flat_map(|sent| &sent.spans.resource_spans);
        sent.flat_map(|from| {
            let sender = attributes(&from.resource.as_ref().unwrap().attributes);
            let spans = from.scope_spans.iter().flat_map(|scope| scope.spans.clone());
            spans.map(move |span| (sender.clone(), span))
        })
        .collect()
    }
}

async fn keep(State(got): State<Arc<Mutex<Vec<Sent>>>>, uri: Uri, headers: HeaderMap, body: Bytes) {
    let spans = ExportTraceServiceRequest::decode(body).unwrap();
    got.lock().unwrap().push(Sent { path: uri.path().to_owned(), headers, spans });
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let shown = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        Any::IntValue(number) => Some(number.to_string()),
        Any::BoolValue(flag) => Some(flag.to_string()),
        other => Some(format!("{other:?}")),
    };
    pairs.iter().filter_map(|pair| Some((pair.key.clone(), shown(pair)?))).collect()
}

#[tokio::test]
async fn a_collector_gets_a_span_of_every_step_plugin_call_and_model_call() {
    let collector = Collector::start().await;
    let mut data = Data::new();
    data.env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.address),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=crew"),
        ("OTEL_SERVICE_NAME", "host-of-tests"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let request = "a library with books and quokkas";
    let (output, summary) = data.new_json(request, &[]).await;
    assert!(output.status.success(), "{summary:#}");

    for sent in collector.got.lock().unwrap().iter() {
        assert_eq!(
            (&*sent.path, &sent.headers["x-team"]),
            ("/v1/traces", &"crew".parse().unwrap())
        );
    }
    let all = collector.spans();
    for (sender, span) in &all {
        assert_eq!(sender["service.name"], "host-of-tests");
        let said = format!("{:?}", attributes(&span.attributes));
        assert!(!said.contains("books and"), "what was asked is not in spans: {said}");
    }
    let spans: BTreeMap<_, _> = all.iter().map(|(_, span)| (span.span_id.clone(), span)).collect();
    let named = |prefix: &str| -> Vec<&Span> {
        spans.values().copied().filter(|span| span.name.starts_with(prefix)).collect()
    };
    // Names of those around a span, the nearest first.
    let around = |span: &Span| -> Vec<String> {
        let parent = |span: &Span| spans.get(&span.parent_span_id).copied();
        std::iter::successors(parent(span), |span| parent(span))
            .map(|span| span.name.clone())
            .collect()
    };

    let run = named("run")[0];
    assert_eq!(attributes(&run.attributes)["status"], "completed");
    assert_eq!(
        attributes(&run.attributes)["run"],
        summary["run_id"].as_str().unwrap(),
        "{summary:#}"
    );
    let ran = summary["steps"].as_array().unwrap();
    for step in ran {
        let name = format!("step {}", step["id"].as_str().unwrap());
        let tries: Vec<_> = named(&name).into_iter().filter(|span| span.name == name).collect();
        assert!(!tries.is_empty(), "{name}");
        let last = tries.iter().max_by_key(|span| span.start_time_unix_nano).unwrap();
        assert_eq!(attributes(&last.attributes)["status"], step["status"].as_str().unwrap());
        assert!(tries.iter().all(|span| around(span) == ["run"] && span.trace_id == run.trace_id));
        // Its handler is called in it.
        let calls = named("plugin ");
        assert!(calls.iter().any(|call| around(call) == [&name, "run"]), "{name}");
    }
    let agents = named("plugin derek");
    assert!(!agents.is_empty());
    for call in &agents {
        let outer = around(call);
        assert!(outer[0].starts_with("plugin ") && outer.last().unwrap() == "run", "{outer:?}");
        assert_eq!(attributes(&call.attributes)["ended"], "well");
    }

    let calls = named("chat ");
    assert_eq!(calls.len() as u64, summary["usage"]["calls"].as_u64().unwrap(), "{summary:#}");
    let mut tokens = (0, 0);
    for call in &calls {
        let said = attributes(&call.attributes);
        assert_eq!(said["gen_ai.provider.name"], "offline");
        let count = |name: &str| said[name].parse::<u64>().unwrap();
        tokens.0 += count("gen_ai.usage.input_tokens");
        tokens.1 += count("gen_ai.usage.output_tokens");
        assert!(around(call)[0].starts_with("plugin "), "{:?}", around(call));
        assert_ne!(call.status.as_ref().map(Status::code), Some(StatusCode::Error));
    }
    let used = |name: &str| summary["usage"][name].as_u64().unwrap();
    assert_eq!(tokens, (used("input_tokens"), used("output_tokens")), "{summary:#}");
}

#[tokio::test]
async fn a_collector_that_is_away_costs_no_run_and_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut data = Data::new();
    // It takes connections and never answers.
    let address = format!("http://{}", listener.local_addr().unwrap());
    data.env = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), address),
        // Nothing is sent before the end, so that the end is what waits.
        ("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "3600000".to_owned()),
    ];
    let (output, summary) = data.new_json("a list of shoes", &[]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(summary["status"], "completed", "{said}");
    assert!(said.contains("did not reach the collector"), "{said}");

    data.env = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "collector:4318".to_owned())];
    for strict in [&["serve", "--port", "0"][..], &["config", "check"]] {
        let refused = data.run(strict).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains("http:// or https://"), "{said}");
    }
    let shown = data.run(&["projects"]).await;
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(shown.status.success() && said.contains("no spans are sent"), "{said}");
}
