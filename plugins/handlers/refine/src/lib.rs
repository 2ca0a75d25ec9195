//! After the run: changes the finished application as its user says, and shows that it still works.

mod removal;

use std::fmt::Write as _;

use gencode_plugin_sdk::{
    document::{JSON, find},
    export_handler,
    handler::{Description, Handler, Outcome, StepReport, StepRequest},
    supervise::{
        Approved, DEREK, Host, Task, Wit,
        project::{CONTRACT, Card, changed, documents, fixed, intent, require, with_intent},
        trial::Suite,
        wiring, work,
    },
    types::{Document, Fault, File, Finding, Intent, TestReport},
};
use removal::Removal;

const CARD: Card = Card {
    id: "refine",
    title: "Refinement",
    performer: "Derek",
    needs: &["intent", "contract"],
    produces: &[],
    writes: &[
        "README.md",
        "architecture.md",
        "contracts.md",
        CONTRACT,
        "backend/app/{models,schemas,auth}.py",
        "backend/app/routers/*.py",
        "backend/tests/*.py",
        "frontend/index.html",
        "frontend/src/**",
    ],
    leaves: &[],
};

const CRITERIA: &str = "The finished application was changed as `message` says. Judge whether the change is complete (data, \
    API, pages, tests), agrees with the contract, and leaves everything else as it was.";

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    if step.message.trim().is_empty() {
        return Err(Fault::permanent("empty-message", "nobody said what to change"));
    }
    require(host, "contract")?;
    let intent = intent(host)?;
    let mut known = documents(host, &["intent", "contract", "architecture"])?;
    known.push(Document::text("message", "text/plain", step.message.clone()));
    let files = host.read_all(&[
        "README.md",
        "contracts.md",
        "backend/app/**/*.py",
        "backend/tests/*.py",
        "frontend/index.html",
        "frontend/src/**",
    ])?;
    let removal = Removal::new(host, CARD.writes);
    let judged = |written: &[File], left: &[Document]| {
        let mut findings = check(&files, written);
        findings.extend(removal.settle(written, left));
        findings
    };
    let approved = work(
        host,
        step,
        &Task {
            worker: DEREK,
            mode: "refine",
            instructions: "`files` is the application as it is.",
            documents: &known,
            files: &files,
            findings: &[],
            writes: CARD.writes,
            review: Some(CRITERIA),
            check: Some(&judged),
        },
    );
    let (approved, removed) = removal.finish(approved)?;
    let mut findings = approved.findings.clone();
    let score = approved.score;
    let thinking = approved.thinking.clone();
    let written = keep(host, approved, intent, &removed)?;
    if written.is_empty() && removed.is_empty() {
        let summary = format!("Nothing was changed. {thinking}");
        return Ok(Outcome::Completed(StepReport {
            summary,
            findings,
            score,
            tests: Vec::new(),
            acceptance: None,
        }));
    }
    let mut tests = Vec::new();
    for suite in [Suite::Backend, Suite::Frontend] {
        if let Some(reason) = suite.missing(host)? {
            let message = format!("{} was not tested: {reason}", suite.name());
            findings.push(Finding::warning("tests.skipped", "", 0, 0, message));
            continue;
        }
        let (report, repairs) = prove(host, step, suite)?;
        findings.extend(repairs);
        tests.push((suite.name().to_owned(), report));
    }
    let mut changes = format!("{} files changed: {}.", written.len(), written.join(", "));
    if !removed.is_empty() {
        // Writing to a `String` cannot fail.
        let _ = write!(changes, " {} files removed: {}.", removed.len(), removed.join(", "));
    }
    host.say(DEREK.persona, &changes);
    // It answers the user: first what was understood, then what became of it.
    let summary = format!("{thinking}\n\n{changes}").trim().to_owned();
    Ok(Outcome::Completed(StepReport { summary, findings, score, tests, acceptance: None }))
}

/// Stages what changed and leaves the changed documents. Answers the paths.
fn keep(
    host: &impl Host,
    approved: Approved,
    intent: Intent,
    removed: &[String],
) -> Result<Vec<String>, Fault> {
    let intent = match find(&approved.documents, "intent") {
        Some(document) => {
            host.put(document)?;
            document.read()?
        }
        None => intent,
    };
    let mut files = approved.files;
    let in_file = files.iter().find(|file| file.path == CONTRACT).map(|file| file.content.clone());
    let contract = match in_file
        .or_else(|| find(&approved.documents, "contract").map(|doc| doc.content.clone()))
    {
        Some(contract) => contract,
        None => require(host, "contract")?.content,
    };
    let contract = with_intent(&contract, &intent)?;
    files.retain(|file| file.path != CONTRACT);
    files.push(File::new(CONTRACT, contract.clone()));
    let files = changed(host, files)?;
    if files.is_empty() && removed.is_empty() {
        return Ok(Vec::new());
    }
    if !files.is_empty() {
        host.stage(&files)?;
    }
    if files.iter().any(|file| file.path == CONTRACT) {
        host.put(&Document::text("contract", JSON, contract))?;
    }
    wiring::wire(host)?;
    Ok(files.into_iter().map(|file| file.path).collect())
}

fn prove(
    host: &impl Host,
    step: &StepRequest,
    suite: Suite,
) -> Result<(TestReport, Vec<Finding>), Fault> {
    suite.install(host, suite.name())?;
    suite.until_green(host, step, suite.name())
}

/// Scripts' files stay theirs, and no test is emptied.
fn check(before: &[File], written: &[File]) -> Vec<Finding> {
    let mut findings = fixed(written);
    let cases =
        |file: &File| file.content.contains("def test_") || file.content.contains("expect(");
    let emptied = written.iter().filter(|file| {
        before.iter().any(|old| old.path == file.path && cases(old)) && !cases(file)
    });
    findings.extend(emptied.map(|file| {
        Finding::error("tests.hollow", &file.path, 0, 0, "the test checks nothing any more")
            .with_hint("adapt its cases to the change")
    }));
    findings
}

struct Refine;

impl Handler for Refine {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(Refine);

#[cfg(test)]
mod tests;
