//! A design that leaves something out goes back.

use gencode_plugin_sdk::supervise::fake::{Fake, step};

use super::*;

const THEME: &str = "frontend/src/design/theme.css";

#[test]
fn what_is_not_designed_goes_back_and_then_the_design_is_left() {
    let whole = "# Design\n\nOrders have line items and tags.\n";
    let host = Fake::default()
        .with_sample()
        .with_files_from(
            "victoria/architecture",
            &[(ARCHITECTURE, "# Design\n\nOrders.\n"), (TOKENS, "[]")],
        )
        .with_files_from(
            "victoria/architecture",
            &[(ARCHITECTURE, whole), (TOKENS, "{\"vibe\": \"x\"}"), (THEME, ":root {}")],
        );
    let Outcome::Completed(report) = run(&host, &step("architecture")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(report.summary, "The architecture covers 3 entities; its look is minimal_light.");
    let wrong: Vec<String> =
        host.requests()[1].findings.iter().map(|finding| finding.message.clone()).collect();
    assert_eq!(
        wrong,
        [
            "the file is missing",
            "LineItem is not designed",
            "Tag is not designed",
            "the tokens are not a JSON object with members"
        ]
    );
    assert_eq!(host.left("architecture").unwrap().content, whole);
    assert_eq!(host.file(THEME).unwrap(), ":root {}");
}
