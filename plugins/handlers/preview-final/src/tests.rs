//! The application is accepted as a whole or the step fails; a missing tool is said.

use gencode_plugin_sdk::{
    handler::sandbox::CheckResult,
    supervise::fake::{Fake, step},
};

use super::*;

fn report(checks: &[(&str, bool, &str)]) -> AcceptanceReport {
    AcceptanceReport {
        passed: checks.iter().all(|(_, passed, _)| *passed),
        checks: checks
            .iter()
            .map(|&(name, passed, detail)| CheckResult {
                name: name.into(),
                passed,
                detail: detail.into(),
            })
            .collect(),
        preview_url: "http://sample.localhost:8100/".into(),
    }
}

fn project() -> Fake {
    Fake::default().with_sample().with_tool("python")
}

#[test]
fn the_application_is_built_started_and_kept() {
    let host = project()
        .with_tool("node")
        .with_acceptance(report(&[("health", true, ""), ("/", true, "skipped: no browser")]));
    let Outcome::Completed(done) = run(&host, &step("preview_final")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(
        done.summary,
        "The application was started and passed 2 checks. The application runs at http://sample.localhost:8100/."
    );
    assert_eq!(done.findings[0].message, "/: skipped: no browser");
    let asked = &host.accepted()[0];
    assert!(
        asked.keep_as_preview
            && asked.argv.join(" ").ends_with("uvicorn app.main:app --uds {{socket}}")
    );
    assert_eq!(asked.pages, ["/", "/orders", "/line-items", "/tags"]);
    assert_eq!(
        &host.deeds()[..3],
        ["install node in app/frontend", "exec npm run build", "install python in app/backend"]
    );
}

#[test]
fn a_failed_check_is_a_fault_that_names_it() {
    let failed = report(&[("health", true, ""), ("Tag: create", false, "expected 201, got 500")]);
    let host = project().with_acceptance(failed);
    let fault = run(&host, &step("preview_final")).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retryable), ("acceptance-failed", false));
    assert_eq!(fault.message, "1 of 2 checks failed: Tag: create: expected 201, got 500");
}

#[test]
fn without_node_the_interface_is_left_out_and_that_is_said() {
    let host = project().with_acceptance(report(&[("health", true, "")]));
    let Outcome::Completed(done) = run(&host, &step("preview_final")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(done.findings[0].code, "preview.no-ui");
    assert!(host.accepted()[0].pages.is_empty());
    assert!(!host.accepted()[0].checks.iter().any(|check| check.path == "/"));
}

#[test]
fn without_python_nothing_can_be_started() {
    let host = Fake::default().with_sample();
    assert_eq!(
        run(&host, &step("preview_final")).unwrap(),
        Outcome::Skipped("python is not available: install python".into())
    );
}

#[test]
fn a_build_that_fails_is_a_fault() {
    let host = project().with_tool("node").with_command("npm run build", 1, "error TS1005");
    assert_eq!(run(&host, &step("preview_final")).unwrap_err().code, "build-failed");
}
