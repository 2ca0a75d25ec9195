//! Tests are written, run after a build and counted; without Node nobody is asked.

use gencode_plugin_sdk::supervise::fake::{Fake, step};

use super::*;

const KEY: &str = "luna/frontend_tests";
const TEST: &str = "frontend/src/pages/Tags.test.tsx";
const REPORT: &str = r#"{"testResults":[{"name":"a","status":"passed","assertionResults":[{"fullName":"x","status":"passed"}]}]}"#;

#[test]
fn without_node_the_step_is_skipped_and_costs_nothing() {
    let host = Fake::default().with_sample();
    assert_eq!(
        run(&host, &step("testing_frontend")).unwrap(),
        Outcome::Skipped("node is not available: install node".into())
    );
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_test_that_asserts_nothing_goes_back() {
    let host = Fake::default()
        .with_sample()
        .with_tool("node")
        .with_files_from(KEY, &[(TEST, "it('renders', () => { render(<Tags />); });")])
        .with_files_from(KEY, &[(TEST, "it('renders', () => { expect(1).toBe(1); });")])
        .with_command("vitest run", 0, REPORT);
    let Outcome::Completed(report) = run(&host, &step("testing_frontend")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(host.requests()[1].findings[0].code, "tests.hollow");
    assert_eq!((report.tests[0].0.as_str(), report.tests[0].1.passed), ("frontend", 1));
    let deeds = host.deeds();
    let tools: Vec<&str> = deeds
        .iter()
        .filter(|line| line.starts_with("install") || line.starts_with("exec"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        tools,
        [
            "install node in frontend/frontend",
            "exec npm run build",
            "exec vitest run --reporter=json"
        ]
    );
}

#[test]
fn failing_tests_are_a_fault_and_not_a_report() {
    let failing = REPORT.replace("passed", "failed");
    let mut host = Fake::default()
        .with_sample()
        .with_tool("node")
        .with_files_from(KEY, &[(TEST, "expect(1)")]);
    for round in 0..4 {
        let page = format!("page {round}");
        host = host
            .with_command("vitest run", 1, &failing)
            .with_answer(
                "marcus/diagnosis",
                Err(Fault::retryable("unreadable-document", "no JSON")),
            )
            .with_files_from("luna/frontend_fix", &[("frontend/src/pages/Tags.tsx", &page)]);
    }
    let fault = run(&host, &step("testing_frontend")).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retryable), ("tests-failed", false));
}
