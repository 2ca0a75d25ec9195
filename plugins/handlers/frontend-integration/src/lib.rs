//! Ninth step: the front end leaves its sample data and calls the real API.

use gencode_plugin_sdk::{
    export_handler,
    handler::{Description, Handler, Outcome, StepRequest},
    supervise::{
        DEREK, FORBIDDEN, Host, Task, Wit, overlay,
        project::{Card, documents, report, require},
        work,
    },
    types::{Fault, File, Finding},
};

const CARD: Card = Card {
    id: "frontend-integration",
    title: "Front end on the real API",
    performer: "Derek",
    needs: &["contract"],
    produces: &[],
    writes: &["frontend/src/*.{ts,tsx}", "frontend/src/{api,components,data,hooks,lib,pages}/**"],
    leaves: &["frontend/src/api/**"],
};

const SAMPLE_DATA: &str = "frontend/src/data/mock.ts";

const CRITERIA: &str = "The front end now talks to the server. Judge the client against the contract: every path, method, \
    query parameter, body and answer; errors with the server's `detail`; the token where there is log-in; no sample data \
    left; pages still find every name they import.";

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    require(host, "contract")?;
    let known = documents(host, &["intent", "contract"])?;
    let sources = host.read_all(&["frontend/src/**/*.{ts,tsx}"])?;
    let approved = work(
        host,
        step,
        &Task {
            worker: DEREK,
            mode: "frontend_integration",
            instructions: "`files` is the front end as it works on sample data.",
            documents: &known,
            files: &sources,
            findings: &[],
            writes: CARD.writes,
            review: Some(CRITERIA),
            check: Some(&|files, _| check(&sources, files)),
        },
    )?;
    host.stage(&approved.files)?;
    let mut findings = approved.findings;
    if sources.iter().any(|file| file.path == SAMPLE_DATA) {
        match host.remove(SAMPLE_DATA) {
            Ok(()) => {}
            // The user made it their own; nothing imports it, so it does no harm.
            Err(error) if error.code == "conflict" => {
                findings.push(Finding::info(
                    "frontend.sample-data-kept",
                    SAMPLE_DATA,
                    0,
                    0,
                    error.message,
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let summary =
        format!("The front end calls the real API; {} files changed.", approved.files.len());
    Ok(Outcome::Completed(report(summary, findings, approved.score)))
}

/// There is a client, and no source imports sample data any more.
fn check(sources: &[File], files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !files.iter().any(|file| file.path.starts_with("frontend/src/api/")) {
        findings.push(Finding::error(
            "answer.missing-file",
            "frontend/src/api",
            0,
            0,
            "there is no client",
        ));
    }
    for file in files.iter().filter(|file| file.path == SAMPLE_DATA) {
        findings.push(
            Finding::error(FORBIDDEN, &file.path, 0, 0, "the sample data is to be removed")
                .with_hint("leave the file out"),
        );
    }
    for file in overlay(sources, files) {
        if file.path == SAMPLE_DATA {
            continue;
        }
        for (index, line) in
            file.content.lines().enumerate().filter(|(_, line)| imports_sample_data(line))
        {
            let line_number = u32::try_from(index + 1).unwrap_or(0);
            findings.push(
                Finding::error(
                    "frontend.sample-data",
                    &file.path,
                    line_number,
                    0,
                    format!("imports sample data: {}", line.trim()),
                )
                .with_hint("import from src/api instead"),
            );
        }
    }
    findings
}

/// Whether a line imports the module with the sample data, statically or not.
fn imports_sample_data(line: &str) -> bool {
    line.contains("data/mock") && (line.contains("from ") || line.contains("import"))
}

struct FrontendIntegration;

impl Handler for FrontendIntegration {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(FrontendIntegration);

#[cfg(test)]
mod tests;
