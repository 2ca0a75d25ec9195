//! Tests are written, run and counted; without Python nobody is asked.

use gencode_plugin_sdk::supervise::fake::{Fake, step};

use super::*;

const KEY: &str = "derek/backend_tests";

const FILES: [(&str, &str); 3] = [
    ("backend/tests/test_orders.py", "def test_create():\n    assert 1\n"),
    ("backend/tests/test_line_items.py", "def test_create():\n    assert 1\n"),
    ("backend/tests/test_tags.py", "def test_create():\n    assert 1\n"),
];

#[test]
fn without_python_the_step_is_skipped_and_costs_nothing() {
    let host = Fake::default().with_sample();
    assert_eq!(
        run(&host, &step("testing_backend")).unwrap(),
        Outcome::Skipped("python is not available: install python".into())
    );
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn an_entity_without_tests_and_a_changed_fixture_go_back() {
    let mut wrong = FILES.to_vec();
    wrong[2] = ("backend/tests/conftest.py", "import pytest\n");
    let host = Fake::default()
        .with_sample()
        .with_tool("python")
        .with_files_from(KEY, &wrong)
        .with_files_from(KEY, &FILES)
        .with_command("python -m pytest", 0, "41 passed, 2 skipped in 1.20s\n");
    let Outcome::Completed(report) = run(&host, &step("testing_backend")).unwrap() else {
        panic!("skipped")
    };
    let codes: Vec<&str> = host.requests()[1]
        .findings
        .iter()
        .map(|finding| match finding.code.as_str() {
            "answer.forbidden-path" => "forbidden",
            "tests.missing" => "missing",
            _ => "other",
        })
        .collect();
    assert_eq!(codes, ["forbidden", "missing"]);
    assert_eq!(host.file("backend/tests/conftest.py"), None);
    let (name, tests) = &report.tests[0];
    assert_eq!((name.as_str(), tests.passed, tests.skipped, tests.failed), ("backend", 41, 2, 0));
    let deeds = host.deeds();
    let tools: Vec<&str> = deeds
        .iter()
        .filter(|line| line.starts_with("install") || line.starts_with("stage"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        tools[1], "install python in backend/backend",
        "what is staged is there when it is installed and run"
    );
}
