//! A change is reviewed, written, wired and tested; what cannot be done is said.

use gencode_plugin_sdk::{
    handler::{Answer, Authored, Verdict},
    supervise::{
        fake::{self, Fake, step},
        project::INTENT_KEY,
    },
};

use super::*;

const KEY: &str = "derek/refine";
const ROUTER: &str = "backend/app/routers/tags.py";
const VITEST: &str = r#"{"testResults":[{"name":"a","status":"passed","assertionResults":[{"fullName":"x","status":"passed"}]}]}"#;

fn asked(message: &str) -> StepRequest {
    StepRequest { message: message.to_owned(), ..step("refine") }
}

fn project() -> Fake {
    Fake::default().with_sample().with_file(ROUTER, "router = 1\n")
}

fn approval() -> Answer {
    Answer::Judged(Verdict {
        approved: true,
        score: 9,
        findings: vec![],
        corrections: vec![],
        feedback: String::new(),
    })
}

#[test]
fn a_change_is_written_and_both_halves_are_tested() {
    let host = project()
        .with_tool("python")
        .with_tool("node")
        .with_files_from(KEY, &[(ROUTER, "router = 2\n")])
        .with_answer("marcus/review", Ok(approval()))
        .with_command("python -m pytest", 0, "5 passed in 0.1s\n")
        .with_command("vitest run", 0, VITEST);
    let Outcome::Completed(report) = run(&host, &asked("Sort tags by name.")).unwrap() else {
        panic!("skipped")
    };
    let tests: Vec<(&str, u32)> =
        report.tests.iter().map(|(name, tests)| (name.as_str(), tests.passed)).collect();
    assert_eq!(tests, [("backend", 5), ("frontend", 1)]);
    assert_eq!(host.file(ROUTER).unwrap(), "router = 2\n");
    let message = host.requests()[0]
        .documents
        .iter()
        .find(|document| document.name == "message")
        .cloned()
        .unwrap();
    assert_eq!(message.content, "Sort tags by name.");
}

#[test]
fn a_change_that_breaks_the_tests_is_a_fault() {
    let mut host = project()
        .with_tool("python")
        .with_files_from(KEY, &[(ROUTER, "router = 2\n")])
        .with_answer("marcus/review", Ok(approval()));
    for round in 0..4 {
        let router = format!("router = {round}0\n");
        host = host
            .with_command("python -m pytest", 1, "1 failed in 0.1s\n")
            .with_answer(
                "marcus/diagnosis",
                Err(Fault::retryable("unreadable-document", "no JSON")),
            )
            .with_files_from("derek/backend_fix", &[(ROUTER, &router)]);
    }
    assert_eq!(run(&host, &asked("Break it.")).unwrap_err().code, "tests-failed");
}

#[test]
fn a_changed_intent_travels_into_the_contract() {
    let mut intent: Intent = fake::intent().unwrap().read().unwrap();
    intent.title = "Order Office".into();
    let authored = Authored {
        files: vec![File::new(ROUTER, "router = 2\n")],
        documents: vec![Document::json("intent", &intent).unwrap()],
    };
    let host = project()
        .with_answer(KEY, Ok(Answer::Authored(authored)))
        .with_answer("marcus/review", Ok(approval()));
    let Outcome::Completed(report) = run(&host, &asked("Call it Order Office.")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(report.findings.len(), 2, "neither half was tested, and that is said");
    let contract = host.left("contract").unwrap();
    assert_eq!(host.file(CONTRACT).unwrap(), contract.content);
    assert_eq!(contract.read::<serde_json::Value>().unwrap()[INTENT_KEY]["title"], "Order Office");
    assert_eq!(host.left("intent").unwrap().read::<Intent>().unwrap(), intent);
}

#[test]
fn nothing_to_change_and_nothing_said_are_told_apart() {
    let contract = Fake::default().with_sample().left("contract").unwrap().content;
    let unchanged = Authored { files: vec![File::new(ROUTER, "router = 1\n")], documents: vec![] };
    let host = project()
        .with_file(CONTRACT, &contract)
        .with_answer(KEY, Ok(Answer::Authored(unchanged)))
        .with_answer("marcus/review", Ok(approval()));
    let Outcome::Completed(report) = run(&host, &asked("Make it fly.")).unwrap() else {
        panic!("skipped")
    };
    assert!(report.summary.starts_with("Nothing was changed."), "{}", report.summary);
    assert!(!host.deeds().iter().any(|line| line.starts_with("stage")));
    assert_eq!(run(&project(), &asked(" ")).unwrap_err().code, "empty-message");
}

#[test]
fn a_test_is_not_emptied() {
    let test = "backend/tests/test_tags.py";
    let before = [File::new(test, "def test_a():\n    assert 1\n")];
    assert_eq!(check(&before, &[File::new(test, "# later\n")])[0].code, "tests.hollow");
    assert_eq!(check(&before, &[File::new(test, "def test_b():\n    assert 2\n")]), []);
    assert_eq!(check(&before, &[File::new("backend/tests/conftest.py", "x")]).len(), 1);
}

const SUPPLIERS: &str = "backend/app/routers/suppliers.py";
const SUPPLIERS_TEST: &str = "backend/tests/test_suppliers.py";

/// An answer that changes the tags and takes these paths away.
fn removing(paths: &[&str], files: &[(&str, &str)]) -> Answer {
    let files = files.iter().map(|&(path, content)| File::new(path, content)).collect();
    let documents = vec![Document::json("removed", paths).unwrap()];
    Answer::Authored(Authored { files, documents })
}

fn with_suppliers() -> Fake {
    project()
        .with_file(wiring::REGISTRY, "from app.routers import (\n    suppliers,\n    tags,\n)\n")
        .with_file(SUPPLIERS, "router = 1\n")
        .with_file(SUPPLIERS_TEST, "def test_a():\n    assert 1\n")
}

#[test]
fn what_a_change_takes_away_is_gone_before_the_checks() {
    let gone = [SUPPLIERS, SUPPLIERS_TEST, "frontend/src/pages/suppliers/List.tsx"];
    let host = with_suppliers()
        .with_tool("python")
        .with_answer(KEY, Ok(removing(&gone, &[(ROUTER, "router = 2\n")])))
        .with_answer("marcus/review", Ok(approval()))
        .with_command("python -m pytest", 0, "5 passed in 0.1s\n");
    let Outcome::Completed(report) = run(&host, &asked("Remove the suppliers.")).unwrap() else {
        panic!("skipped")
    };
    assert!(report.summary.ends_with(&format!("2 files removed: {SUPPLIERS}, {SUPPLIERS_TEST}.")));
    assert_eq!((host.file(SUPPLIERS), host.file(SUPPLIERS_TEST)), (None, None));
    let deeds = host.deeds();
    assert_eq!(
        deeds[..5],
        [
            "invoke derek/refine (0 findings)".to_owned(),
            format!("remove {SUPPLIERS}"),
            format!("remove {SUPPLIERS_TEST}"),
            format!("stage {}", wiring::REGISTRY),
            format!("check {ROUTER}"),
        ],
        "what is not there is left alone"
    );
    assert!(!host.file(wiring::REGISTRY).unwrap().contains("suppliers"));
    assert!(host.file(wiring::REGISTRY).unwrap().contains("tags.router"));
}

#[test]
fn a_renamed_router_takes_the_place_of_the_old_one() {
    let vendors = "backend/app/routers/vendors.py";
    let host = with_suppliers()
        .with_answer(KEY, Ok(removing(&[SUPPLIERS], &[(vendors, "router = 3\n")])))
        .with_answer("marcus/review", Ok(approval()));
    run(&host, &asked("Rename suppliers to vendors.")).unwrap();
    let registry = host.file(wiring::REGISTRY).unwrap();
    assert!(registry.contains("vendors.router") && !registry.contains("suppliers"), "{registry}");
}

#[test]
fn a_change_may_consist_of_removals_alone() {
    let contract = Fake::default().with_sample().left("contract").unwrap().content;
    let host = with_suppliers()
        .with_file(CONTRACT, &contract)
        .with_answer(KEY, Ok(removing(&[SUPPLIERS, SUPPLIERS_TEST], &[])));
    let Outcome::Completed(report) = run(&host, &asked("Drop the supplier API.")).unwrap() else {
        panic!("skipped")
    };
    assert!(report.summary.contains("0 files changed"), "{}", report.summary);
    assert!(!host.file(wiring::REGISTRY).unwrap().contains("suppliers"));
}

#[test]
fn a_file_of_the_user_is_never_taken_away() {
    let mut host = with_suppliers().with_users_file(SUPPLIERS, "router = 9\n");
    for _ in 0..3 {
        host = host.with_answer(KEY, Ok(removing(&[SUPPLIERS], &[(ROUTER, "router = 2\n")])));
    }
    let fault = run(&host, &asked("Remove the suppliers.")).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retryable), ("users-file", false));
    assert!(fault.message.contains(SUPPLIERS), "{}", fault.message);
    assert_eq!(host.file(SUPPLIERS).unwrap(), "router = 9\n");
}

#[test]
fn only_what_the_step_may_write_is_taken_away() {
    let seed = "backend/app/main.py";
    let host = with_suppliers()
        .with_file(seed, "app = 1\n")
        .with_answer(KEY, Ok(removing(&[seed, wiring::REGISTRY, "frontend/**"], &[])))
        .with_answer(KEY, Ok(removing(&["frontend/src/**"], &[(ROUTER, "router = 2\n")])))
        .with_answer("marcus/review", Ok(approval()));
    run(&host, &asked("Remove it all.")).unwrap();
    let refused: Vec<String> =
        host.requests()[1].findings.iter().map(|finding| finding.path.clone()).collect();
    assert_eq!(refused, [wiring::REGISTRY, seed, "frontend/**"]);
    assert!(host.deeds().iter().all(|line| !line.starts_with("remove")), "a path is no glob");
    assert!(host.file(seed).is_some());
}

#[test]
fn what_a_later_try_keeps_is_put_back() {
    let wrong = Finding::error("python.import", ROUTER, 1, 1, "no module suppliers");
    let host = with_suppliers()
        .with_answer(KEY, Ok(removing(&[SUPPLIERS, SUPPLIERS_TEST], &[(ROUTER, "router = 2\n")])))
        .with_check(vec![wrong], vec![])
        .with_answer(KEY, Ok(removing(&[SUPPLIERS_TEST], &[(ROUTER, "router = 3\n")])))
        .with_answer("marcus/review", Ok(approval()));
    run(&host, &asked("Remove some of the suppliers.")).unwrap();
    assert_eq!(host.file(SUPPLIERS).unwrap(), "router = 1\n");
    assert_eq!(host.file(SUPPLIERS_TEST), None);
    assert!(host.file(wiring::REGISTRY).unwrap().contains("suppliers.router"));
}
