//! Third step: every page works, on sample data.

use gencode_plugin_sdk::{
    export_handler,
    handler::{Description, Handler, Outcome, StepRequest},
    supervise::{
        DEREK, Host, Task, Wit,
        project::{Card, documents, folded, intent, report},
        work,
    },
    types::{Fault, File, Finding, Intent},
};

const CARD: Card = Card {
    id: "frontend-mock",
    title: "Front end on sample data",
    performer: "Derek",
    needs: &["intent"],
    produces: &[],
    writes: &[
        "frontend/index.html",
        "frontend/src/*.{ts,tsx,css}",
        "frontend/src/{api,components,data,hooks,lib,pages}/**",
    ],
    leaves: &["frontend/src/App.tsx", "frontend/src/pages/**", "frontend/src/api/**"],
};

const CRITERIA: &str = "The front end works on sample data in `src/data`; that is right at this point. Judge whether \
    every entity can be listed, created, edited and deleted, relations can be picked, loading, error and empty states \
    are there, pages import from `src/api` alone, and names and shapes are those of the intent.";

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    let intent = intent(host)?;
    let known = documents(host, &["intent", "architecture"])?;
    let seed =
        host.read_all(&["frontend/index.html", "frontend/src/**", "frontend/package.json"])?;
    let approved = work(
        host,
        step,
        &Task {
            worker: DEREK,
            mode: "frontend_mock",
            instructions: "`files` is the front end as the seed and the design leave it.",
            documents: &known,
            files: &seed,
            findings: &[],
            writes: CARD.writes,
            review: Some(CRITERIA),
            check: Some(&|files, _| check(&intent, files)),
        },
    )?;
    host.stage(&approved.files)?;
    let pages =
        approved.files.iter().filter(|file| file.path.starts_with("frontend/src/pages/")).count();
    let summary = format!(
        "The front end works on sample data: {} files, {pages} of them pages.",
        approved.files.len()
    );
    Ok(Outcome::Completed(report(summary, approved.findings, approved.score)))
}

/// Every entity that the user named has a page, and pages do not know where data comes from.
fn check(intent: &Intent, files: &[File]) -> Vec<Finding> {
    let pages: Vec<&File> =
        files.iter().filter(|file| file.path.starts_with("frontend/src/pages/")).collect();
    let absent = intent.entities.iter().filter(|entity| entity.named).filter(|entity| {
        let names = [folded(&entity.plural), folded(&entity.name)];
        !pages.iter().any(|page| names.iter().any(|name| folded(&page.path).contains(name)))
    });
    let mut findings: Vec<Finding> = absent
        .map(|entity| {
            let message = format!("no file in frontend/src/pages is named after {}", entity.name);
            Finding::error("frontend.missing-page", "frontend/src/pages", 0, 0, message)
        })
        .collect();
    if !files.iter().any(|file| file.path == "frontend/src/App.tsx") {
        findings.push(Finding::error(
            "answer.missing-file",
            "frontend/src/App.tsx",
            0,
            0,
            "the file is missing",
        ));
    }
    findings.extend(pages.iter().filter(|page| page.content.contains("data/mock")).map(|page| {
        Finding::error(
            "frontend.page-imports-data",
            &page.path,
            0,
            0,
            "the page imports sample data",
        )
        .with_hint("import functions from src/api instead")
    }));
    findings
}

struct FrontendMock;

impl Handler for FrontendMock {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(FrontendMock);

#[cfg(test)]
mod tests;
