//! Work that nobody approved never comes back.

use super::{
    fake::{Fake, step},
    review::{Judgement, judge},
    *,
};
use crate::handler::{Correction, Verdict};

const ROUTER: &str = "backend/app/routers/tags.py";
const KEY: &str = "derek/backend_implementation";

fn task<'a>() -> Task<'a> {
    Task {
        worker: DEREK,
        mode: "backend_implementation",
        instructions: "",
        documents: &[],
        files: &[],
        findings: &[],
        writes: &["backend/app/**"],
        review: Some("Judge it."),
        check: None,
    }
}

fn verdict(approved: bool, score: u8) -> Verdict {
    Verdict { approved, score, findings: vec![], corrections: vec![], feedback: String::new() }
}

fn error(message: &str) -> Finding {
    Finding::error("python.syntax", ROUTER, 3, 1, message)
}

#[test]
fn audit_preflight_what_fails_the_checks_never_reaches_the_reviewer() {
    let host = Fake::default()
        .with_files_from(KEY, &[(ROUTER, "broken")])
        .with_check(vec![error("invalid syntax")], vec![])
        .with_files_from(KEY, &[(ROUTER, "fine")])
        .with_answer("marcus/review", Ok(Answer::Judged(verdict(true, 8))));
    let done = work(&host, &step("backend_implementation"), &task()).unwrap();
    assert_eq!((done.score, done.files[0].content.as_str()), (Some(8), "fine"));
    assert_eq!(
        host.deeds(),
        [
            "invoke derek/backend_implementation (0 findings)",
            "check backend/app/routers/tags.py",
            "invoke derek/backend_implementation (1 findings)",
            "check backend/app/routers/tags.py",
            "invoke marcus/review (0 findings)",
        ]
    );
    let asked = host.requests();
    assert_eq!(asked[1].findings[0].message, "invalid syntax");
    assert_eq!(asked[1].files[0].content, "broken", "a retry sees what it has to repair");
    assert_eq!((asked[0].max_output_tokens, asked[1].max_output_tokens), (8000, 10_000));
}

#[test]
fn after_the_last_try_nothing_comes_back_and_the_fault_says_why() {
    let mut host = Fake::default();
    for _ in 0..3 {
        host = host
            .with_files_from(KEY, &[(ROUTER, "broken")])
            .with_check(vec![error("invalid syntax.")], vec![]);
    }
    let fault = work(&host, &step("backend_implementation"), &task()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retryable), ("work-refused", false));
    assert!(
        fault
            .message
            .contains("in 3 tries; what is wrong: backend/app/routers/tags.py:3: invalid syntax"),
        "{}",
        fault.message
    );
    assert!(!host.deeds().iter().any(|line| line.contains("review") || line.starts_with("stage")));
}

#[test]
fn a_verdict_that_cannot_be_read_never_approves() {
    let unreadable =
        || Err(Fault::retryable("unreadable-document", "document `verdict`: expected value"));
    let host = Fake::default()
        .with_files_from(KEY, &[(ROUTER, "fine")])
        .with_answer("marcus/review", unreadable())
        .with_answer("marcus/review", unreadable());
    let fault = work(&host, &step("backend_implementation"), &task()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retryable), ("unreadable-review", true));
    // A second answer that can be read counts.
    let host = Fake::default()
        .with_files_from(KEY, &[(ROUTER, "fine")])
        .with_answer("marcus/review", unreadable())
        .with_answer("marcus/review", Ok(Answer::Judged(verdict(true, 6))));
    assert_eq!(work(&host, &step("backend_implementation"), &task()).unwrap().score, Some(6));
}

#[test]
fn corrections_of_a_rejection_go_back_to_the_author() {
    let rejected = Verdict {
        corrections: vec![Correction {
            path: ROUTER.into(),
            problem: "no filter".into(),
            fix: "add it".into(),
        }],
        ..verdict(false, 4)
    };
    let host = Fake::default()
        .with_files_from(KEY, &[(ROUTER, "one"), ("backend/app/models.py", "models")])
        .with_answer("marcus/review", Ok(Answer::Judged(rejected)))
        .with_files_from(KEY, &[(ROUTER, "two")])
        .with_answer("marcus/review", Ok(Answer::Judged(verdict(true, 9))));
    let done = work(&host, &step("backend_implementation"), &task()).unwrap();
    let finding = &host.requests()[2].findings[0];
    assert_eq!((finding.message.as_str(), finding.hint.as_str()), ("no filter", "add it"));
    let contents: Vec<&str> = done.files.iter().map(|file| file.content.as_str()).collect();
    assert_eq!(contents, ["models", "two"], "what was right is kept");
}

#[test]
fn an_approval_says_so_has_the_score_and_names_no_error() {
    let with = |finding: Finding| Verdict { findings: vec![finding], ..verdict(true, 9) };
    let warning = Finding::warning("style.name", ROUTER, 0, 0, "odd name");
    assert!(matches!(judge(verdict(true, 6)), Judgement::Approved { score: 6, .. }));
    assert!(
        matches!(judge(with(warning)), Judgement::Approved { remarks, .. } if remarks.len() == 1)
    );
    for rejected in
        [verdict(true, 5), verdict(false, 10), with(error("route is missing")), verdict(false, 0)]
    {
        let Judgement::Rejected(findings) = judge(rejected) else { panic!("approved") };
        assert!(!findings.is_empty(), "a rejection has a reason");
    }
}

#[test]
fn what_a_validator_repaired_is_checked_again_and_used() {
    let better = File::new(ROUTER, "repaired");
    let host = Fake::default()
        .with_files_from(KEY, &[(ROUTER, "original")])
        .with_check(vec![error("would be wrong")], vec![better])
        .with_answer("marcus/review", Ok(Answer::Judged(verdict(true, 7))));
    let done = work(&host, &step("backend_implementation"), &task()).unwrap();
    assert_eq!(done.files[0].content, "repaired");
    assert_eq!(host.deeds().iter().filter(|line| line.starts_with("check")).count(), 2);
    assert_eq!(
        host.requests()[1].files[0].content,
        "repaired",
        "the review sees what will be written"
    );
}

#[test]
fn a_forbidden_path_is_named_and_refused() {
    let host = Fake::default()
        .with_files_from(KEY, &[("backend/Dockerfile", "FROM x"), (ROUTER, "fine")])
        .with_files_from(KEY, &[(ROUTER, "fine")])
        .with_answer("marcus/review", Ok(Answer::Judged(verdict(true, 8))));
    let done = work(&host, &step("backend_implementation"), &task()).unwrap();
    assert_eq!(done.files.len(), 1);
    let finding = &host.requests()[1].findings[0];
    assert_eq!(
        (finding.code.as_str(), finding.path.as_str()),
        ("answer.forbidden-path", "backend/Dockerfile")
    );
}

#[test]
fn an_answer_that_was_cut_off_is_asked_for_again_but_no_money_is_not() {
    let host = Fake::default()
        .with_answer(KEY, Err(Fault::retryable("truncated-answer", "the answer was cut off")))
        .with_files_from(KEY, &[(ROUTER, "fine")])
        .with_answer("marcus/review", Ok(Answer::Judged(verdict(true, 8))));
    assert!(work(&host, &step("backend_implementation"), &task()).is_ok());
    assert_eq!(host.requests()[1].findings[0].code, "answer.truncated-answer");
    for code in ["budget", "unavailable", "limit"] {
        let host = Fake::default().with_answer(KEY, Err(Fault::retryable(code, "stop")));
        assert_eq!(work(&host, &step("backend_implementation"), &task()).unwrap_err().code, code);
        assert_eq!(host.requests().len(), 1);
    }
}

#[test]
fn unimportant_files_need_no_review() {
    let host = Fake::default().with_files_from(KEY, &[("backend/app/util.py", "x = 1\n")]);
    assert_eq!(work(&host, &step("backend_implementation"), &task()).unwrap().score, None);
}

#[test]
fn a_sentence_names_ten_and_counts_the_rest() {
    let findings = vec![error("x"); 13];
    assert!(sentence(&findings).ends_with("; and 3 more"));
    assert_eq!(sentence(&[]), "no reason was given");
}
