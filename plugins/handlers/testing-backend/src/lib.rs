//! Eighth step: tests of the back end, written, run, and repaired until they pass.

use gencode_plugin_sdk::{
    export_handler,
    handler::{Description, Handler, Outcome, StepReport, StepRequest},
    supervise::{
        DEREK, Host, Task, Wit,
        project::{Card, documents, fixed, folded, intent, require},
        trial::Suite,
        work,
    },
    types::{Fault, File, Finding, Intent},
};

const CARD: Card = Card {
    id: "testing-backend",
    title: "Back-end tests",
    performer: "Derek",
    needs: &["intent", "contract"],
    produces: &[],
    // The registry, because a repair may add a router.
    writes: Suite::Backend.writes(),
    leaves: &["backend/tests/test_*.py"],
};

const TREE: &str = "backend";

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    // Before anyone pays for tests that could not be run.
    if let Some(reason) = Suite::Backend.missing(host)? {
        return Ok(Outcome::Skipped(reason));
    }
    let intent = intent(host)?;
    require(host, "contract")?;
    let known = documents(host, &["intent", "contract"])?;
    let sources = host.read_all(&["backend/app/**/*.py", "backend/tests/*.py"])?;
    let approved = work(
        host,
        step,
        &Task {
            worker: DEREK,
            mode: "backend_tests",
            instructions: "`files` is the back end, and the tests that are there already.",
            documents: &known,
            files: &sources,
            findings: &[],
            writes: &["backend/tests/*.py"],
            // The run is the judge.
            review: None,
            check: Some(&|files, _| check(&intent, files)),
        },
    )?;
    host.stage(&approved.files)?;
    Suite::Backend.install(host, TREE)?;
    let (tests, repairs) = Suite::Backend.until_green(host, step, TREE)?;
    let summary = format!(
        "{} back-end tests pass, {} skipped, {} repairs.",
        tests.passed,
        tests.skipped,
        repairs.len()
    );
    host.say(DEREK.persona, &summary);
    let findings = approved.findings.into_iter().chain(repairs).collect();
    let tests = vec![(Suite::Backend.name().to_owned(), tests)];
    Ok(Outcome::Completed(StepReport { summary, findings, score: None, tests, acceptance: None }))
}

/// Every entity has tests with cases, and the fixtures are left alone.
fn check(intent: &Intent, files: &[File]) -> Vec<Finding> {
    let mut findings = fixed(files);
    let tests: Vec<&File> =
        files.iter().filter(|file| file.content.contains("def test_")).collect();
    let absent = intent.entities.iter().filter(|entity| {
        let plural = folded(&entity.plural);
        !tests.iter().any(|file| folded(&file.path).contains(&plural))
    });
    findings.extend(absent.map(|entity| {
        let path = format!("backend/tests/test_{}.py", entity.plural);
        Finding::error("tests.missing", &path, 0, 0, format!("{} has no tests", entity.name))
    }));
    findings
}

struct TestingBackend;

impl Handler for TestingBackend {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(TestingBackend);

#[cfg(test)]
mod tests;
