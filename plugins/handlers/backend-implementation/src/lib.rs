//! Sixth step: models, schemas and routers, as the contract says.

use gencode_plugin_sdk::{
    export_handler,
    handler::{Description, Handler, Outcome, StepRequest},
    supervise::{
        DEREK, Host, Task, Wit,
        project::{Card, documents, fixed, intent, missing, report, require},
        work,
    },
    types::{Fault, File, Finding, Intent},
};

const CARD: Card = Card {
    id: "backend-implementation",
    title: "Back end",
    performer: "Derek",
    needs: &["intent", "contract"],
    produces: &[],
    writes: &["backend/app/{models,schemas,auth}.py", "backend/app/routers/*.py", "README.md"],
    leaves: &[
        "backend/app/models.py",
        "backend/app/schemas.py",
        "backend/app/routers/*.py",
        "README.md",
    ],
};

const CRITERIA: &str = "Judge against the contract and the intent: every route, parameter, filter, status code and shape; \
    every field with its type and constraints; every relation in both directions; ownership where there is log-in. The \
    registry of routers is written by a script afterwards and is rightly missing.";

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    let intent = intent(host)?;
    require(host, "contract")?;
    let known = documents(host, &["intent", "contract", "architecture"])?;
    let seed = host.read_all(&[
        "backend/app/*.py",
        "backend/tests/conftest.py",
        "backend/requirements.txt",
    ])?;
    let approved = work(
        host,
        step,
        &Task {
            worker: DEREK,
            mode: "backend_implementation",
            instructions: "`files` is the back end that the seed brings; use what it offers.",
            documents: &known,
            files: &seed,
            findings: &[],
            writes: CARD.writes,
            review: Some(CRITERIA),
            check: Some(&|files, _| check(&intent, files)),
        },
    )?;
    host.stage(&approved.files)?;
    let summary = format!(
        "The back end is written: {} entities in {} files.",
        intent.entities.len(),
        approved.files.len()
    );
    Ok(Outcome::Completed(report(summary, approved.findings, approved.score)))
}

/// Nothing of the contract is left for later.
fn check(intent: &Intent, files: &[File]) -> Vec<Finding> {
    let mut findings = fixed(files);
    findings
        .extend(missing(files, &["backend/app/models.py", "backend/app/schemas.py", "README.md"]));
    for entity in &intent.entities {
        let path = format!("backend/app/routers/{}.py", entity.plural);
        findings.extend(missing(files, &[path.as_str()]));
    }
    for (feature, path) in
        [("auth", "backend/app/routers/auth.py"), ("dashboard", "backend/app/routers/dashboard.py")]
    {
        if intent.features.iter().any(|known| known == feature) {
            findings.extend(missing(files, &[path]));
        }
    }
    findings
}

struct BackendImplementation;

impl Handler for BackendImplementation {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(BackendImplementation);

#[cfg(test)]
mod tests;
