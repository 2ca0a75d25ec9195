//! Nothing of the contract is left for later, and scripts keep their files.

use gencode_plugin_sdk::{
    handler::{Answer, Verdict},
    supervise::fake::{Fake, step},
};

use super::*;

const KEY: &str = "derek/backend_implementation";

#[test]
fn a_router_for_every_entity_and_none_that_a_script_writes() {
    let all = [
        ("README.md", "# Order Desk"),
        ("backend/app/models.py", "models"),
        ("backend/app/schemas.py", "schemas"),
        ("backend/app/routers/orders.py", "router"),
        ("backend/app/routers/line_items.py", "router"),
        ("backend/app/routers/tags.py", "router"),
    ];
    let mut wrong = all.to_vec();
    wrong[5] = ("backend/app/routers/__init__.py", "api_router = 1");
    let approval = Verdict {
        approved: true,
        score: 8,
        findings: vec![],
        corrections: vec![],
        feedback: String::new(),
    };
    let host = Fake::default()
        .with_sample()
        .with_files_from(KEY, &wrong)
        .with_files_from(KEY, &all)
        .with_answer("marcus/review", Ok(Answer::Judged(approval)));
    let Outcome::Completed(report) = run(&host, &step("backend_implementation")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(report.summary, "The back end is written: 3 entities in 6 files.");
    assert_eq!(host.file("backend/app/routers/__init__.py"), None, "forbidden once, gone for good");
    let findings = &host.requests()[1].findings;
    let codes: Vec<(&str, &str)> =
        findings.iter().map(|finding| (finding.code.as_str(), finding.path.as_str())).collect();
    assert_eq!(
        codes,
        [
            ("answer.forbidden-path", "backend/app/routers/__init__.py"),
            ("answer.missing-file", "backend/app/routers/tags.py"),
        ]
    );
}

#[test]
fn without_a_contract_nobody_is_asked() {
    let host =
        Fake::default().with_document(gencode_plugin_sdk::supervise::fake::intent().unwrap());
    assert_eq!(run(&host, &step("backend_implementation")).unwrap_err().code, "missing-document");
    assert_eq!(host.requests().len(), 0);
}
