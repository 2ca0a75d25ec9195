//! Last step: starts the finished application, uses it as a client would, and keeps it as preview.

mod acceptance;
mod sample;

use gencode_plugin_sdk::{
    export_handler,
    handler::{
        Description, Handler, Outcome, StepReport, StepRequest,
        sandbox::{AcceptanceReport, AcceptanceRequest},
    },
    supervise::{
        Host, Wit,
        project::{Card, intent, require, route, tail},
        trial::Suite,
    },
    types::{Fault, Finding, Intent},
};
use serde_json::Value;

const CARD: Card = Card {
    id: "preview-final",
    title: "Acceptance and preview",
    performer: "System",
    needs: &["intent", "contract"],
    produces: &[],
    writes: &[],
    leaves: &[],
};

const TREE: &str = "app";

/// Failed checks that a fault names.
const MAX_NAMED: usize = 20;

fn run(host: &impl Host, _step: &StepRequest) -> Result<Outcome, Fault> {
    if let Some(reason) = Suite::Backend.missing(host)? {
        return Ok(Outcome::Skipped(reason));
    }
    let contract: Value = require(host, "contract")?.read()?;
    let intent = intent(host)?;
    let mut findings = Vec::new();
    let missing = Suite::Frontend.missing(host)?;
    let with_ui = missing.is_none();
    if let Some(reason) = missing {
        let message = format!("the user interface was neither built nor opened: {reason}");
        findings.push(Finding::warning("preview.no-ui", "", 0, 0, message));
    } else {
        Suite::Frontend.install(host, TREE)?;
        if let Some(output) = Suite::build(host, TREE)? {
            return Err(Fault::permanent("build-failed", tail(&output, 2_000)));
        }
    }
    Suite::Backend.install(host, TREE)?;
    host.at(0.7, "starting the application");
    let report = host.accept(&AcceptanceRequest {
        tree: TREE.to_owned(),
        argv: ["python", "-m", "uvicorn", "app.main:app", "--uds", "{{socket}}"]
            .map(str::to_owned)
            .to_vec(),
        cwd: "backend".to_owned(),
        env: Vec::new(),
        health_path: "/api/health".to_owned(),
        checks: acceptance::checks(&contract, &intent, with_ui),
        pages: if with_ui { pages(&intent) } else { Vec::new() },
        keep_as_preview: true,
    })?;
    if !report.passed {
        return Err(Fault::permanent("acceptance-failed", failed(&report)));
    }
    let skipped = report.checks.iter().filter(|check| check.detail.starts_with("skipped:"));
    findings.extend(skipped.map(|check| {
        Finding::warning("preview.skipped", "", 0, 0, format!("{}: {}", check.name, check.detail))
    }));
    let summary = summary(&report);
    host.say("System", &summary);
    Ok(Outcome::Completed(StepReport {
        summary,
        findings,
        score: None,
        tests: Vec::new(),
        acceptance: Some(report),
    }))
}

fn pages(intent: &Intent) -> Vec<String> {
    let entities = intent.entities.iter().filter(|entity| entity.named).map(route);
    std::iter::once("/".to_owned()).chain(entities).collect()
}

fn summary(report: &AcceptanceReport) -> String {
    let passed = report.checks.iter().filter(|check| check.passed).count();
    let preview = match report.preview_url.as_str() {
        "" => String::new(),
        url => format!(" The application runs at {url}."),
    };
    format!("The application was started and passed {passed} checks.{preview}")
}

fn failed(report: &AcceptanceReport) -> String {
    let failed: Vec<String> = report
        .checks
        .iter()
        .filter(|check| !check.passed && !check.detail.starts_with("skipped:"))
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    let more = failed.len().saturating_sub(MAX_NAMED);
    let mut named: Vec<String> = failed.iter().take(MAX_NAMED).cloned().collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    format!("{} of {} checks failed: {}", failed.len(), report.checks.len(), named.join("; "))
}

struct PreviewFinal;

impl Handler for PreviewFinal {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(PreviewFinal);

#[cfg(test)]
mod tests;
