//! Fifth step: what back end and front end agree on, before either is written.

mod structure;

use gencode_plugin_sdk::{
    document::{JSON, find},
    export_handler,
    handler::{Description, Handler, Outcome, StepRequest},
    supervise::{
        Host, MARCUS, Task, Wit, preflight,
        project::{CONTRACT, Card, documents, intent, report, with_intent},
        sentence, work,
    },
    types::{Document, Fault, File, Finding, Intent},
};
use serde_json::Value;

const CARD: Card = Card {
    id: "contracts",
    title: "API contract",
    performer: "Marcus",
    needs: &["intent"],
    produces: &["contract"],
    writes: &[CONTRACT, "contracts.md"],
    leaves: &[CONTRACT, "contracts.md"],
};

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    let intent = intent(host)?;
    let known = documents(host, &["intent", "architecture"])?;
    let mock = host.read_all(&["frontend/src/api/**", "frontend/src/data/**"])?;
    let approved = work(
        host,
        step,
        &Task {
            worker: MARCUS,
            mode: "contracts",
            instructions: "`files` is the client that the pages use now; what it calls has to be possible.",
            documents: &known,
            files: &mock,
            findings: &[],
            writes: CARD.writes,
            // The one who would review it wrote it; the structure is checked instead.
            review: None,
            check: Some(&|files, documents| check(&intent, files, documents)),
        },
    )?;
    let text = text_of(&approved.files, &approved.documents).unwrap_or_default();
    let text = with_intent(text, &intent)?;
    let mut files: Vec<File> =
        approved.files.into_iter().filter(|file| file.path != CONTRACT).collect();
    files.push(File::new(CONTRACT, text.clone()));
    let (files, findings) = preflight(host, files)?;
    if findings.iter().any(Finding::is_error) {
        return Err(Fault::permanent(
            "work-refused",
            format!("the contract is not right: {}", sentence(&findings)),
        ));
    }
    host.stage(&files)?;
    host.put(&Document::text("contract", JSON, text))?;
    let summary = format!("The contract fixes the API of {} entities.", intent.entities.len());
    host.say(MARCUS.persona, &summary);
    Ok(Outcome::Completed(report(summary, findings, None)))
}

/// The contract as the answer has it: as a file, as a document, or the same as both.
fn text_of<'a>(files: &'a [File], documents: &'a [Document]) -> Option<&'a str> {
    let file = files.iter().find(|file| file.path == CONTRACT).map(|file| file.content.as_str());
    file.or_else(|| find(documents, "contract").map(|document| document.content.as_str()))
}

fn check(intent: &Intent, files: &[File], documents: &[Document]) -> Vec<Finding> {
    let wrong = |code: &str, message: String| vec![Finding::error(code, CONTRACT, 0, 0, message)];
    let Some(text) = text_of(files, documents) else {
        return wrong("answer.missing-file", "the contract is missing".to_owned());
    };
    let contract: Value = match serde_json::from_str(text) {
        Ok(contract) => contract,
        Err(error) => return wrong("contract.json", format!("not JSON: {error}")),
    };
    let twice = find(documents, "contract")
        .and_then(|document| serde_json::from_str::<Value>(&document.content).ok());
    if twice.is_some_and(|twice| twice != contract) {
        return wrong(
            "contract.differs",
            "the file and the document `contract` are not the same".to_owned(),
        );
    }
    let mut findings = structure::check(&contract, intent);
    if !files.iter().any(|file| file.path == "contracts.md") {
        findings.push(Finding::error(
            "answer.missing-file",
            "contracts.md",
            0,
            0,
            "the file is missing",
        ));
    }
    findings
}

struct Contracts;

impl Handler for Contracts {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(Contracts);

#[cfg(test)]
mod tests;
