//! Second step: a design that others can build without asking.

use gencode_plugin_sdk::{
    export_handler,
    handler::{Description, Handler, Outcome, StepRequest},
    supervise::{
        Host, Task, VICTORIA, Wit,
        project::{Card, documents, folded, intent, missing, report},
        work,
    },
    types::{Document, Fault, File, Finding, Intent},
};
use serde_json::{Map, Value};

const CARD: Card = Card {
    id: "architecture-step",
    title: "Architecture",
    performer: "Victoria",
    needs: &["intent"],
    produces: &["architecture"],
    writes: FILES,
    leaves: FILES,
};

const ARCHITECTURE: &str = "architecture.md";
const TOKENS: &str = "frontend/src/design/tokens.json";
const FILES: &[&str] = &[ARCHITECTURE, TOKENS, "frontend/src/design/theme.css"];

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    let intent = intent(host)?;
    let known = documents(host, &["intent"])?;
    let approved = work(
        host,
        step,
        &Task {
            worker: VICTORIA,
            mode: "architecture",
            instructions: "",
            documents: &known,
            files: &[],
            findings: &[],
            writes: FILES,
            // Prose and style: what can be judged by rules is, and the user reads the rest.
            review: None,
            check: Some(&|files, _| check(&intent, files)),
        },
    )?;
    host.stage(&approved.files)?;
    if let Some(file) = approved.files.iter().find(|file| file.path == ARCHITECTURE) {
        host.put(&Document::text("architecture", "text/markdown", file.content.clone()))?;
    }
    let summary = format!(
        "The architecture covers {} entities; its look is {}.",
        intent.entities.len(),
        intent.vibe.choice
    );
    Ok(Outcome::Completed(report(summary, approved.findings, approved.score)))
}

/// Every entity is designed, and the tokens can be read.
fn check(intent: &Intent, files: &[File]) -> Vec<Finding> {
    let mut findings = missing(files, FILES);
    for file in files {
        if file.path == ARCHITECTURE {
            let text = folded(&file.content);
            let absent = intent.entities.iter().filter(|entity| {
                ![&entity.name, &entity.plural, &entity.label]
                    .iter()
                    .any(|name| text.contains(&folded(name)))
            });
            findings.extend(absent.map(|entity| {
                Finding::error(
                    "architecture.missing-entity",
                    ARCHITECTURE,
                    0,
                    0,
                    format!("{} is not designed", entity.name),
                )
                .with_hint("describe its table, its routes and its page")
            }));
        }
        if file.path == TOKENS {
            let tokens: Map<String, Value> =
                serde_json::from_str(&file.content).unwrap_or_default();
            if tokens.is_empty() {
                findings.push(Finding::error(
                    "design.tokens",
                    TOKENS,
                    0,
                    0,
                    "the tokens are not a JSON object with members",
                ));
            }
        }
    }
    findings
}

struct Architecture;

impl Handler for Architecture {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(Architecture);

#[cfg(test)]
mod tests;
