//! What the analysis leaves, and that it leaves nothing it did not understand.

use gencode_plugin_sdk::supervise::fake::{self, Fake, step};

use super::*;

fn understood() -> Intent {
    fake::intent().unwrap().read().unwrap()
}

#[test]
fn the_intent_is_left_and_told() {
    let host = Fake::default().with_answer("marcus/analysis", Ok(Answer::Understood(understood())));
    let Outcome::Completed(report) = run(&host, &step("analysis")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(
        report.summary,
        "Order Desk: Orders, Line items, Tags. Features: search, filter, sort, paging. Payments are recorded, not made."
    );
    assert_eq!(report.findings[0].message, "Payments are recorded, not made.");
    assert_eq!(host.left("intent").unwrap().read::<Intent>().unwrap(), understood());
    assert_eq!(host.requests()[0].documents[0].content, step("analysis").context.request);
}

#[test]
fn an_intent_that_cannot_be_built_is_asked_for_again_and_then_a_fault() {
    let invalid = || Err(Fault::retryable("invalid-intent", "there is no entity"));
    let host = Fake::default()
        .with_answer("marcus/analysis", invalid())
        .with_answer("marcus/analysis", Ok(Answer::Understood(understood())));
    run(&host, &step("analysis")).unwrap();
    assert_eq!(host.requests()[1].findings[0].message, "there is no entity");

    let mut host = Fake::default();
    for _ in 0..3 {
        host = host.with_answer("marcus/analysis", invalid());
    }
    assert_eq!(run(&host, &step("analysis")).unwrap_err().code, "invalid-intent");
    assert_eq!(host.left("intent"), None, "no default takes its place");
}
