//! What is broken goes back once; what is left is told; nothing gets worse.

use gencode_plugin_sdk::supervise::fake::{Fake, step};

use super::*;

const PAGE: &str = "frontend/src/pages/Orders.tsx";
const BROKEN: (&str, bool, &str) = ("/orders", false, "ReferenceError: x is not defined");

fn verdict(approved: bool, findings: Vec<Finding>) -> Answer {
    let score = if approved { 8 } else { 4 };
    Answer::Judged(Verdict {
        approved,
        score,
        findings,
        corrections: vec![],
        feedback: String::new(),
    })
}

fn project() -> Fake {
    Fake::default().with_sample().with_tool("node").with_tool("browser").with_file(PAGE, "old")
}

fn completed(host: &Fake) -> Vec<(String, String)> {
    let Outcome::Completed(report) = run(host, &step("screenshot_verify")).unwrap() else {
        panic!("skipped")
    };
    assert!(!report.findings.iter().any(Finding::is_error), "a report holds no errors");
    report.findings.into_iter().map(|finding| (finding.severity, finding.code)).collect()
}

fn pair(severity: &str, code: &str) -> (String, String) {
    (severity.to_owned(), code.to_owned())
}

#[test]
fn without_node_or_browser_the_step_is_skipped() {
    for (host, missing) in
        [(Fake::default(), "node"), (Fake::default().with_tool("node"), "browser")]
    {
        let reason = format!("{missing} is not available: install {missing}");
        assert_eq!(
            run(&host.with_sample(), &step("screenshot_verify")).unwrap(),
            Outcome::Skipped(reason)
        );
    }
}

#[test]
fn a_front_end_without_faults_is_left_alone() {
    let host = project()
        .with_pages(&[("/", true, "")])
        .with_answer("marcus/visual_review", Ok(verdict(true, vec![])));
    assert_eq!(completed(&host), []);
    let deeds = host.deeds();
    assert!(
        deeds.contains(&"browse mock/frontend/dist / /orders /line-items /tags".to_owned()),
        "{deeds:?}"
    );
    assert!(!deeds.iter().any(|line| line.starts_with("stage")));
}

#[test]
fn a_console_error_is_repaired_once_and_looked_at_again() {
    let host = project()
        .with_pages(&[BROKEN])
        .with_answer(
            "marcus/visual_review",
            Ok(verdict(false, vec![Finding::warning("ui.spacing", PAGE, 0, 0, "cramped")])),
        )
        .with_files_from("derek/frontend_mock", &[(PAGE, "new"), ("frontend/src/App.tsx", "app")])
        .with_answer("marcus/review", Ok(verdict(true, vec![])))
        .with_pages(&[("/orders", true, "")]);
    assert_eq!(completed(&host), [pair("warning", "ui.spacing"), pair("info", "repair")]);
    assert_eq!(host.file(PAGE).unwrap(), "new");
    let asked = host.requests();
    assert_eq!(
        asked[0].findings[0].message, "/orders: ReferenceError: x is not defined",
        "the critic sees it"
    );
    assert_eq!(
        asked[1].findings[0].message, "/orders: ReferenceError: x is not defined",
        "the developer too"
    );
}

#[test]
fn a_repair_that_breaks_more_is_taken_back() {
    let host = project()
        .with_pages(&[BROKEN])
        .with_answer("marcus/visual_review", Ok(verdict(true, vec![])))
        .with_files_from("derek/frontend_mock", &[(PAGE, "worse"), ("frontend/src/App.tsx", "app")])
        .with_answer("marcus/review", Ok(verdict(true, vec![])))
        .with_pages(&[BROKEN, ("/tags", false, "TypeError")]);
    assert_eq!(
        completed(&host),
        [pair("warning", "browser.console"), pair("warning", "frontend.not-repaired")]
    );
    assert_eq!(
        (host.file(PAGE).as_deref(), host.file("frontend/src/App.tsx")),
        (Some("old"), None)
    );
}

#[test]
fn a_repair_that_is_refused_leaves_a_warning() {
    let mut host = project()
        .with_pages(&[BROKEN])
        .with_answer("marcus/visual_review", Ok(verdict(true, vec![])));
    for _ in 0..3 {
        host = host.with_files_from("derek/frontend_mock", &[("backend/app/main.py", "x = 1")]);
    }
    assert_eq!(
        completed(&host),
        [pair("warning", "browser.console"), pair("warning", "frontend.not-repaired")]
    );
}

#[test]
fn a_verdict_that_cannot_be_read_is_a_fault() {
    let mut host = project().with_pages(&[("/", true, "")]);
    for _ in 0..3 {
        host = host.with_answer(
            "marcus/visual_review",
            Err(Fault::retryable("unreadable-document", "no JSON")),
        );
    }
    assert_eq!(run(&host, &step("screenshot_verify")).unwrap_err().code, "unreadable-document");
}
