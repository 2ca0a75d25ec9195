//! What the host says of its own work: log lines, and spans for those who set up a collector.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, bail};
use axum::http::{HeaderName, HeaderValue};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use percent_encoding::percent_decode_str;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::filter_fn, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{cli::LogFormat, settings::text};

/// How long the sender of spans may take to end when it has nothing left to do.
const GRACE: Duration = Duration::from_millis(100);

/// Sends spans to a collector until it is dropped, which waits up to five seconds for the last ones.
///
/// It works on a thread of its own and must be dropped outside the runtime.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

/// Begins to write log lines and, where a collector is set, to send it spans. One that is set wrongly
/// stops no command; those that must not go on without ask [`collector`].
///
/// Log lines go to standard error; standard output belongs to results.
pub(crate) fn start(filter: &str, format: LogFormat) -> Telemetry {
    let provider = collector().and_then(|collector| collector.map(provider).transpose());
    let (provider, mistake) = match provider {
        Ok(provider) => (provider, None),
        Err(mistake) => (None, Some(mistake)),
    };
    let filter = EnvFilter::try_new(level(filter)).unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    let spans = provider.as_ref().map(|provider| {
        let tracer: SdkTracer = provider.tracer("gencode");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(is_work))
    });
    // A second subscriber would be a bug of this program, not of its user.
    let _ = tracing_subscriber::registry().with(lines).with(spans).try_init();
    if let Some(mistake) = mistake {
        tracing::warn!("no spans are sent: {mistake:#}");
    }
    Telemetry(provider)
}

/// Runs, steps and calls; not the requests of the API, which are counted (`/metrics`).
fn is_work(of: &tracing::Metadata<'_>) -> bool {
    of.is_span() && of.target().starts_with("gencode") && !of.target().starts_with("gencode_api")
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let Some(provider) = self.0.take() else { return };
        // Its own limit is five seconds.
        if let Err(error) = provider.force_flush() {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
        // What it still has it could not send.
        let _ended = provider.shutdown_with_timeout(GRACE);
    }
}

/// How much is said: as set, or all where `DEBUG` is true and nothing is (http-ws-contract §1.1).
fn level(filter: &str) -> &str {
    let debug = text("DEBUG")
        .is_some_and(|debug| matches!(&*debug.to_ascii_lowercase(), "1" | "true" | "yes" | "on"));
    if debug && filter == "warn" { "debug" } else { filter }
}

/// Where spans go.
#[derive(Debug)]
pub(crate) struct Collector {
    /// Whole address, with its path.
    traces: String,
    headers: HashMap<String, String>,
    service: Option<String>,
}

/// The collector that is set, if one is.
pub(crate) fn collector() -> anyhow::Result<Option<Collector>> {
    let traces =
        match (text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), text("OTEL_EXPORTER_OTLP_ENDPOINT")) {
            (Some(whole), _) => whole,
            (None, Some(base)) => format!("{}/v1/traces", base.trim_end_matches('/')),
            (None, None) => return Ok(None),
        };
    if !traces.starts_with("http://") && !traces.starts_with("https://") {
        bail!("the collector of spans: `{traces}` does not start with http:// or https://");
    }
    Ok(Some(Collector {
        traces,
        headers: headers(&text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default())?,
        service: match text("OTEL_SERVICE_NAME") {
            None if text("OTEL_RESOURCE_ATTRIBUTES")
                .is_some_and(|all| all.contains("service.name=")) =>
            {
                None
            }
            named => Some(named.unwrap_or_else(|| "gencode".to_owned())),
        },
    }))
}

/// Reads `name=value,name=value`, with values percent-encoded as OpenTelemetry has them.
fn headers(written: &str) -> anyhow::Result<HashMap<String, String>> {
    written
        .split(',')
        .map(str::trim)
        .filter(|header| !header.is_empty())
        .map(|header| {
            let (name, value) = header
                .split_once('=')
                .context("OTEL_EXPORTER_OTLP_HEADERS: expected `name=value,name=value`")?;
            let (name, value) = (name.trim(), percent_decode_str(value.trim()).decode_utf8_lossy());
            if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(&value).is_err() {
                bail!("OTEL_EXPORTER_OTLP_HEADERS: `{name}` or its value cannot be a header");
            }
            Ok((name.to_owned(), value.into_owned()))
        })
        .collect()
}

fn provider(to: Collector) -> anyhow::Result<SdkTracerProvider> {
    gencode_llm::install_crypto();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(&to.traces)
        .with_headers(to.headers)
        .build()
        .with_context(|| format!("cannot send spans to `{}`", to.traces))?;
    let resource = Resource::builder();
    let resource = match to.service {
        Some(name) => resource.with_service_name(name),
        None => resource,
    };
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter);
    Ok(provider.with_resource(resource.build()).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs() {
        let read = headers("authorization=Basic%20abc==, x-team = a ,").unwrap();
        assert_eq!(read["authorization"], "Basic abc==");
        assert_eq!(read["x-team"], "a");
        assert_eq!(read.len(), 2);
        let said = headers("secret-without-name").unwrap_err().to_string();
        assert!(said.contains("name=value") && !said.contains("secret-without"), "{said}");
        for wrong in ["a b=c", "x=secret%0Avalue"] {
            let said = headers(wrong).unwrap_err().to_string();
            assert!(said.contains("cannot be a header") && !said.contains("secret"), "{said}");
        }
    }
}
