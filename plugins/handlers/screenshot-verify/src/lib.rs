//! Fourth step: someone looks at the front end. What a browser reports and what the lead criticises
//! goes back to the developer once; what is left afterwards is told to the user.

use gencode_plugin_sdk::{
    export_handler,
    handler::{
        Answer, Correction, Description, Handler, Outcome, StepRequest, Verdict,
        sandbox::CheckResult,
    },
    supervise::{
        DEREK, Host, MARCUS, Question, Task, Wit, ask,
        project::{Card, changed, documents, intent, missing_tool, report, route, tail},
        sentence,
        trial::Suite,
        work,
    },
    types::{Document, Fault, File, Finding, Intent},
};

const CARD: Card = Card {
    id: "screenshot-verify",
    title: "Look at the front end",
    performer: "Marcus",
    needs: &["intent"],
    produces: &[],
    writes: &[
        "frontend/index.html",
        "frontend/src/*.{ts,tsx,css}",
        "frontend/src/{api,components,data,hooks,lib,pages}/**",
    ],
    leaves: &[],
};

const TREE: &str = "mock";

/// Characters of a build's output that travel on as a finding.
const EXCERPT: usize = 2_000;

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    if let Some(reason) = missing_tool(host, &["node", "browser"])? {
        return Ok(Outcome::Skipped(reason));
    }
    let intent = intent(host)?;
    let known = documents(host, &["intent", "architecture"])?;
    Suite::Frontend.install(host, TREE)?;
    let mut broken = look(host, &intent)?;
    let (verdict, remarks) = criticise(host, step, &known, &broken)?;
    let wrong: Vec<Finding> =
        broken.iter().chain(&remarks).filter(|finding| finding.is_error()).cloned().collect();
    let mut findings = remarks;
    if !wrong.is_empty() {
        host.say("System", &format!("The front end goes back once: {}.", sentence(&wrong)));
        let (repaired, after) = repair(host, step, &intent, &known, &wrong, &broken)?;
        findings.push(repaired);
        broken = after;
    }
    let pages = intent.entities.len() + 1;
    let summary = format!(
        "{pages} pages were opened, {} problems are left; {} of 10.",
        broken.len(),
        verdict.score
    );
    // Advice, not a gate: what ships is opened again at the end, and there it has to be right.
    let findings = broken.into_iter().chain(findings).map(as_advice).collect();
    Ok(Outcome::Completed(report(summary, findings, Some(verdict.score))))
}

/// Builds the front end and opens its pages. Answers what is broken.
fn look(host: &impl Host, intent: &Intent) -> Result<Vec<Finding>, Fault> {
    if let Some(output) = Suite::build(host, TREE)? {
        return Ok(vec![Finding::error("frontend.build", "", 0, 0, tail(&output, EXCERPT))]);
    }
    host.at(0.6, "opening the pages in a browser");
    let mut pages = vec!["/".to_owned()];
    pages.extend(intent.entities.iter().filter(|entity| entity.named).map(route));
    Ok(host.browse(TREE, "frontend/dist", &pages)?.iter().filter_map(as_finding).collect())
}

fn as_finding(result: &CheckResult) -> Option<Finding> {
    let broken = !result.passed && !result.detail.starts_with("skipped:");
    broken.then(|| {
        Finding::error("browser.console", "", 0, 0, format!("{}: {}", result.name, result.detail))
    })
}

/// The lead's judgement of what the browser and the sources show.
fn criticise(
    host: &impl Host,
    step: &StepRequest,
    known: &[Document],
    broken: &[Finding],
) -> Result<(Verdict, Vec<Finding>), Fault> {
    let files = host.read_all(&[
        "frontend/src/design/*",
        "frontend/src/App.tsx",
        "frontend/src/pages/**/*.tsx",
        "frontend/src/components/**/*.tsx",
    ])?;
    let question = Question {
        worker: MARCUS,
        mode: "visual_review",
        instructions: "`findings` is what a browser reported when it opened the pages; empty means nothing.",
        documents: known,
        files: &files,
        findings: broken,
    };
    let (_, verdict) = ask(host, step, &question, |answer| match answer {
        Answer::Judged(verdict) => Some(verdict),
        _ => None,
    })?;
    let mut remarks = verdict.findings.clone();
    remarks.extend(verdict.corrections.iter().map(|Correction { path, problem, fix }| {
        // A correction of something approved is a wish.
        let finding =
            Finding::error("review.correction", path, 0, 0, problem.clone()).with_hint(fix.clone());
        if verdict.approved { as_advice(finding) } else { finding }
    }));
    Ok((verdict, remarks))
}

/// One round of repair. What comes out is looked at again; a repair that breaks more than it mends
/// is taken back. Answers a remark and what is broken afterwards.
fn repair(
    host: &impl Host,
    step: &StepRequest,
    intent: &Intent,
    known: &[Document],
    wrong: &[Finding],
    broken: &[Finding],
) -> Result<(Finding, Vec<Finding>), Fault> {
    let before = host.read_all(&["frontend/index.html", "frontend/src/**"])?;
    let task = Task {
        worker: DEREK,
        mode: "frontend_mock",
        instructions: "The front end is written; `findings` is what is wrong with it. Repair this and nothing else.",
        documents: known,
        files: &before,
        findings: wrong,
        writes: CARD.writes,
        review: Some(
            "Only what the findings named had to change; the front end still works on sample data.",
        ),
        check: None,
    };
    let approved = match work(host, step, &task) {
        Ok(approved) => approved,
        Err(fault) if fault.code == "work-refused" => {
            return Ok((
                Finding::warning("frontend.not-repaired", "", 0, 0, fault.message),
                broken.to_vec(),
            ));
        }
        Err(fault) => return Err(fault),
    };
    let files = changed(host, approved.files)?;
    if files.is_empty() {
        let remark = Finding::warning(
            "frontend.not-repaired",
            "",
            0,
            0,
            "the developer found nothing to change",
        );
        return Ok((remark, broken.to_vec()));
    }
    host.stage(&files)?;
    let after = look(host, intent)?;
    if after.len() > broken.len() {
        take_back(host, &files, &before)?;
        let remark = Finding::warning(
            "frontend.not-repaired",
            "",
            0,
            0,
            "the repair broke more than it mended",
        );
        return Ok((remark, broken.to_vec()));
    }
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    Ok((
        Finding::info("repair", "", 0, 0, format!("Changed after the look: {}.", paths.join(", "))),
        after,
    ))
}

fn take_back(host: &impl Host, files: &[File], before: &[File]) -> Result<(), Fault> {
    let is_in = |files: &[File], path: &str| files.iter().any(|file| file.path == path);
    let originals: Vec<File> =
        before.iter().filter(|old| is_in(files, &old.path)).cloned().collect();
    if !originals.is_empty() {
        host.stage(&originals)?;
    }
    for file in files.iter().filter(|file| !is_in(before, &file.path)) {
        host.remove(&file.path)?;
    }
    Ok(())
}

fn as_advice(finding: Finding) -> Finding {
    if finding.is_error() { Finding { severity: "warning".to_owned(), ..finding } } else { finding }
}

struct ScreenshotVerify;

impl Handler for ScreenshotVerify {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(ScreenshotVerify);

#[cfg(test)]
mod tests;
