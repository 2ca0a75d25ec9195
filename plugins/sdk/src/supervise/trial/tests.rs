//! Failing tests are diagnosed and repaired, or the step fails; they are never made to pass.

use super::*;
use crate::{
    handler::{Correction, Diagnosis},
    supervise::fake::{Fake, step},
};

const PYTEST: &str = "python -m pytest";
const ROUTER: &str = "backend/app/routers/tags.py";
const TEST: &str = "backend/tests/test_tags.py";
const GREEN: &str = "3 passed in 0.10s\n";
const RED: &str =
    "FAILED tests/test_tags.py::test_x - assert 1 == 2\n1 failed, 2 passed in 0.10s\n";

fn diagnosis(path: &str) -> Answer {
    let correction =
        Correction { path: path.into(), problem: "wrong status".into(), fix: "answer 201".into() };
    Answer::Diagnosed(Diagnosis {
        root_cause: "The route answers 200.".into(),
        corrections: vec![correction],
    })
}

fn project() -> Fake {
    Fake::default()
        .with_file(ROUTER, "router = 1\n")
        .with_file(TEST, "def test_x():\n    assert f() == 201\n")
}

#[test]
fn a_failure_is_diagnosed_repaired_and_run_again() {
    let host = project()
        .with_command(PYTEST, 1, RED)
        .with_command(PYTEST, 0, GREEN)
        .with_answer("marcus/diagnosis", Ok(diagnosis(ROUTER)))
        .with_files_from("derek/backend_fix", &[(ROUTER, "router = 2\n")]);
    let (report, repairs) =
        Suite::Backend.until_green(&host, &step("testing_backend"), "backend").unwrap();
    assert_eq!((report.passed, report.failed, repairs.len()), (3, 0, 1));
    assert_eq!(host.file(ROUTER).unwrap(), "router = 2\n");
    let asked = host.requests();
    assert!(
        asked[0]
            .documents
            .iter()
            .any(|document| document.name == "failure" && document.content.contains("1 == 2"))
    );
    assert_eq!(asked[1].findings[0].hint, "answer 201");
}

#[test]
fn three_repairs_that_do_not_help_are_a_fault_with_the_output() {
    let mut host = project();
    for round in 0..4 {
        host = host.with_command(PYTEST, 1, RED);
        let router = format!("router = {round}\n");
        host = host
            .with_answer("marcus/diagnosis", Ok(diagnosis(ROUTER)))
            .with_files_from("derek/backend_fix", &[(ROUTER, &router)]);
    }
    let fault = Suite::Backend.until_green(&host, &step("testing_backend"), "backend").unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retryable), ("tests-failed", false));
    assert!(fault.message.contains("assert 1 == 2"), "{}", fault.message);
    assert_eq!(host.deeds().iter().filter(|line| line.starts_with("exec")).count(), 4);
    assert_eq!(host.deeds().iter().filter(|line| line.contains("derek/backend_fix")).count(), 3);
}

#[test]
fn a_repair_may_not_touch_a_test_that_the_diagnosis_does_not_name() {
    let mut host = project()
        .with_command(PYTEST, 1, RED)
        .with_answer("marcus/diagnosis", Ok(diagnosis(ROUTER)));
    for _ in 0..3 {
        host = host.with_files_from(
            "derek/backend_fix",
            &[(TEST, "def test_x():\n    assert f() == 200\n")],
        );
    }
    let fault = Suite::Backend.until_green(&host, &step("testing_backend"), "backend").unwrap_err();
    assert_eq!(fault.code, "work-refused");
    assert!(host.file(TEST).unwrap().contains("201"), "the test is as it was");
}

#[test]
fn a_test_that_is_named_may_change_but_not_check_less() {
    let old = [File::new(
        TEST,
        "def test_a():\n    assert a() == 1\n\ndef test_b():\n    assert b() == 2\n",
    )];
    let codes = |new: &str, named: &[&str]| -> Vec<String> {
        guard_tests(&[File::new(TEST, new)], &old, named)
            .into_iter()
            .map(|finding| finding.code)
            .collect()
    };
    let corrected = old[0].content.replace("== 2", "== 3");
    assert_eq!(codes(&old[0].content, &[]), [""; 0], "unchanged");
    assert_eq!(codes(&corrected, &[]), ["tests.changed"]);
    assert_eq!(codes(&corrected, &[TEST]), [""; 0]);
    for weaker in [
        "def test_a():\n    assert a() == 1\n",
        "def test_a():\n    a()\n\ndef test_b():\n    assert b() == 2\n",
        "def test_a():\n    assert True\n\ndef test_b():\n    assert b() == 2\n",
        "@pytest.mark.skip\ndef test_a():\n    assert a() == 1\n\ndef test_b():\n    assert b() == 2\n",
        "",
    ] {
        assert_eq!(codes(weaker, &[TEST]), ["tests.weakened"], "{weaker}");
    }
}

#[test]
fn a_run_passes_only_if_it_says_so_and_something_was_run() {
    let run = |code: i32, output: &str| {
        Suite::Backend.run(&project().with_command(PYTEST, code, output), "backend").unwrap()
    };
    assert!(matches!(run(0, GREEN), Ran::Passed(report) if report.passed == 3));
    for (code, output) in [
        (0, "no tests ran in 0.01s\n"),
        (1, GREEN),
        (0, ""),
        (137, "Killed"),
        (0, RED),
        (5, "no tests ran in 0.01s"),
    ] {
        assert!(
            matches!(run(code, output), Ran::Failed(report, _) if report.failed >= 1),
            "{code} {output}"
        );
    }
}

#[test]
fn a_front_end_that_does_not_build_is_not_tested() {
    let host =
        Fake::default().with_command("npm run build", 2, "error TS2304: Cannot find name 'x'.");
    let Ran::Failed(report, output) = Suite::Frontend.run(&host, "frontend").unwrap() else {
        panic!("passed")
    };
    assert_eq!(report.failed, 1);
    assert!(output.contains("`npm run build` ended with 2") && output.contains("TS2304"));
    assert_eq!(host.deeds(), ["exec npm run build"]);
}

#[test]
fn a_failed_installation_says_what_was_printed() {
    let host = Fake::default().with_command("install python", 1, "No matching distribution found");
    let fault = Suite::Backend.install(&host, "backend").unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retryable), ("install-failed", true));
    assert!(fault.message.contains("No matching distribution found"));
}
