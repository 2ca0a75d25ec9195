//! Tenth step: tests of the front end, written, run after a build, and repaired until they pass.

use gencode_plugin_sdk::{
    export_handler,
    handler::{Description, Handler, Outcome, StepReport, StepRequest},
    supervise::{
        Host, LUNA, Task, Wit,
        project::{Card, documents, require},
        trial::Suite,
        work,
    },
    types::{Document, Fault, File, Finding},
};

const CARD: Card = Card {
    id: "testing-frontend",
    title: "Front-end tests",
    performer: "Luna",
    needs: &["intent", "contract"],
    produces: &[],
    writes: Suite::Frontend.writes(),
    leaves: &["frontend/src/**/*.test.{ts,tsx}"],
};

const TREE: &str = "frontend";

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    // Before anyone pays for tests that could not be run.
    if let Some(reason) = Suite::Frontend.missing(host)? {
        return Ok(Outcome::Skipped(reason));
    }
    require(host, "contract")?;
    let known = documents(host, &["intent", "contract"])?;
    let sources = host.read_all(&["frontend/src/**/*.{ts,tsx}"])?;
    let approved = work(
        host,
        step,
        &Task {
            worker: LUNA,
            mode: "frontend_tests",
            instructions: "`files` is the front end, and the tests that are there already.",
            documents: &known,
            files: &sources,
            findings: &[],
            writes: &["frontend/src/**/*.test.{ts,tsx}", "frontend/src/test/**"],
            // The run is the judge.
            review: None,
            check: Some(&check),
        },
    )?;
    host.stage(&approved.files)?;
    Suite::Frontend.install(host, TREE)?;
    let (tests, repairs) = Suite::Frontend.until_green(host, step, TREE)?;
    let summary = format!(
        "The front end builds and {} tests pass, {} skipped, {} repairs.",
        tests.passed,
        tests.skipped,
        repairs.len()
    );
    host.say(LUNA.persona, &summary);
    let findings = approved.findings.into_iter().chain(repairs).collect();
    let tests = vec![(Suite::Frontend.name().to_owned(), tests)];
    Ok(Outcome::Completed(StepReport { summary, findings, score: None, tests, acceptance: None }))
}

/// There are cases, and they assert something.
fn check(files: &[File], _: &[Document]) -> Vec<Finding> {
    let hollow = files
        .iter()
        .filter(|file| file.path.contains(".test."))
        .filter(|file| !file.content.contains("expect("))
        .map(|file| Finding::error("tests.hollow", &file.path, 0, 0, "the test asserts nothing"));
    let mut findings: Vec<Finding> = hollow.collect();
    if !files.iter().any(|file| file.path.contains(".test.")) {
        findings.push(Finding::error("tests.missing", "frontend/src", 0, 0, "there is no test"));
    }
    findings
}

struct TestingFrontend;

impl Handler for TestingFrontend {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(TestingFrontend);

#[cfg(test)]
mod tests;
