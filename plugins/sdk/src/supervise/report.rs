//! Reading what test runners print.

use serde_json::Value;

use super::project::tail;
use crate::types::TestReport;

/// Failing cases that a report names.
const MAX_FAILURES: usize = 50;

/// Characters of a failing case's message.
const MAX_MESSAGE: usize = 600;

/// The numbers of a `pytest` run, from its last line; none when there is no such line, for example
/// because the run was killed.
pub fn pytest(output: &str) -> Option<TestReport> {
    let summary = output.lines().rev().find_map(|line| {
        let line = line.trim().trim_matches('=').trim();
        let (counts, time) = line.rsplit_once(" in ")?;
        let seconds = time.split(' ').next()?.strip_suffix('s')?;
        seconds.parse::<f64>().ok().map(|_| counts)
    })?;
    let mut report = TestReport { passed: 0, failed: 0, skipped: 0, failures: Vec::new() };
    if summary != "no tests ran" {
        for part in summary.split(", ") {
            let (number, word) = part.split_once(' ')?;
            let number: u32 = number.parse().ok()?;
            match word {
                "passed" | "xfailed" | "xpassed" => report.passed += number,
                "failed" | "error" | "errors" => report.failed += number,
                "skipped" => report.skipped += number,
                _ => {}
            }
        }
    }
    report.failures = output
        .lines()
        .filter(|line| line.starts_with("FAILED ") || line.starts_with("ERROR "))
        .map(|line| line.chars().take(MAX_MESSAGE).collect())
        .take(MAX_FAILURES)
        .collect();
    Some(report)
}

/// The numbers of a `vitest run --reporter=json`; none when the output holds no report.
pub fn vitest(output: &str) -> Option<TestReport> {
    let value = json_report(output)?;
    let mut report = TestReport { passed: 0, failed: 0, skipped: 0, failures: Vec::new() };
    for suite in value.get("testResults")?.as_array()? {
        let name = suite.get("name").and_then(Value::as_str).unwrap_or("a test file");
        let name = name.rsplit_once("/frontend/").map_or(name, |(_, inside)| inside);
        let cases = suite
            .get("assertionResults")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut failed = 0_u32;
        for case in cases {
            match case.get("status").and_then(Value::as_str)? {
                "passed" => report.passed += 1,
                "failed" => {
                    failed += 1;
                    let title = case.get("fullName").and_then(Value::as_str).unwrap_or_default();
                    let messages = case.get("failureMessages").and_then(Value::as_array);
                    let message = messages.and_then(|list| list.first()).and_then(Value::as_str);
                    report.failures.push(failure(name, title, message.unwrap_or_default()));
                }
                _ => report.skipped += 1,
            }
        }
        // A file that could not be loaded fails without a case.
        if failed == 0 && suite.get("status").and_then(Value::as_str) == Some("failed") {
            failed = 1;
            let message = suite.get("message").and_then(Value::as_str).unwrap_or_default();
            report.failures.push(failure(name, "", message));
        }
        report.failed += failed;
    }
    report.failures.truncate(MAX_FAILURES);
    Some(report)
}

fn failure(file: &str, title: &str, message: &str) -> String {
    let message: String = message.trim().chars().take(MAX_MESSAGE).collect();
    [file, title, &message]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(": ")
}

/// The report is one line or the whole output; tests may print before it.
fn json_report(output: &str) -> Option<Value> {
    let read = |text: &str| {
        serde_json::from_str::<Value>(text).ok().filter(|value| value.get("testResults").is_some())
    };
    read(output.trim())
        .or_else(|| {
            output
                .lines()
                .rev()
                .find_map(|line| line.trim().starts_with('{').then(|| read(line.trim()))?)
        })
        .or_else(|| read(output.get(output.find("\n{")?..)?.trim()))
}

/// A report for a run that failed without telling what.
pub fn unknown(output: &str) -> TestReport {
    TestReport {
        passed: 0,
        failed: 1,
        skipped: 0,
        failures: vec![tail(output, MAX_MESSAGE).to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(report: Option<TestReport>) -> Option<(u32, u32, u32, usize)> {
        report.map(|report| (report.passed, report.failed, report.skipped, report.failures.len()))
    }

    #[test]
    fn pytest_is_read_from_its_last_line() {
        for (output, expected) in [
            ("....\n4 passed in 0.12s\n", Some((4, 0, 0, 0))),
            (
                "=== 1 failed, 3 passed, 2 skipped, 1 warning in 61.20s (0:01:01) ===\n",
                Some((3, 1, 2, 0)),
            ),
            (
                "F.\n=== short test summary info ===\nFAILED tests/test_a.py::test_x - assert 1 == 2\n\
                 ERROR tests/test_b.py - ImportError\n1 failed, 1 passed, 1 error in 0.50s\n",
                Some((1, 2, 0, 2)),
            ),
            ("no tests ran in 0.01s\n", Some((0, 0, 0, 0))),
            ("4 xfailed, 1 xpassed in 0.1s", Some((5, 0, 0, 0))),
            ("Killed\n", None),
            ("", None),
            ("the answer is in 5 minutes", None),
            ("lots passed in 1s", None),
        ] {
            assert_eq!(numbers(pytest(output)), expected, "{output}");
        }
    }

    #[test]
    fn vitest_is_read_from_its_json() {
        let report = r#"{"numTotalTests":3,"testResults":[
            {"name":"/x/frontend/src/a.test.tsx","status":"failed","assertionResults":[
              {"fullName":"list shows rows","status":"passed","failureMessages":[]},
              {"fullName":"list deletes","status":"failed","failureMessages":["Unable to find role"]},
              {"fullName":"later","status":"pending"}]},
            {"name":"/x/frontend/src/b.test.tsx","status":"failed","message":"Cannot find module","assertionResults":[]}]}"#;
        let parsed = vitest(report).unwrap();
        assert_eq!(numbers(Some(parsed.clone())), Some((1, 2, 1, 2)));
        assert_eq!(parsed.failures[0], "src/a.test.tsx: list deletes: Unable to find role");
        assert_eq!(parsed.failures[1], "src/b.test.tsx: Cannot find module");
        let one_line = report.replace('\n', "");
        assert!(vitest(&format!("console noise {{x}}\n{one_line}\n")).is_some());
        assert!(vitest(&format!("noise\n{report}\n")).is_some());
        assert_eq!(vitest("Error: no tests\n"), None);
        assert_eq!(vitest("{\"other\": 1}"), None);
    }
}
