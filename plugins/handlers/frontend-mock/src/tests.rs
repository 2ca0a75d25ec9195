//! Every entity has a page, and pages do not know their data.

use gencode_plugin_sdk::{
    handler::{Answer, Verdict},
    supervise::fake::{Fake, step},
};

use super::*;

const KEY: &str = "derek/frontend_mock";

fn pages(orders: &str) -> Vec<(&'static str, String)> {
    vec![
        ("frontend/src/App.tsx", "app".to_owned()),
        ("frontend/src/api/client.ts", "client".to_owned()),
        ("frontend/src/pages/Orders.tsx", orders.to_owned()),
        ("frontend/src/pages/line-items/List.tsx", "list".to_owned()),
        ("frontend/src/pages/TagPage.tsx", "tags".to_owned()),
    ]
}

fn answered(host: Fake, files: &[(&'static str, String)]) -> Fake {
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, content)| (*path, content.as_str())).collect();
    host.with_files_from(KEY, &files)
}

#[test]
fn a_missing_page_and_a_page_that_knows_its_data_go_back() {
    let mut first = pages("import { orders } from '../data/mock';");
    first.truncate(3);
    let approval = Verdict {
        approved: true,
        score: 7,
        findings: vec![],
        corrections: vec![],
        feedback: String::new(),
    };
    let host = answered(answered(Fake::default().with_sample(), &first), &pages("orders"))
        .with_answer("marcus/review", Ok(Answer::Judged(approval)));
    let Outcome::Completed(report) = run(&host, &step("frontend_mock")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(
        (report.score, report.summary.as_str()),
        (Some(7), "The front end works on sample data: 5 files, 3 of them pages.")
    );
    let wrong: Vec<String> =
        host.requests()[1].findings.iter().map(|finding| finding.message.clone()).collect();
    assert_eq!(
        wrong,
        [
            "no file in frontend/src/pages is named after LineItem",
            "no file in frontend/src/pages is named after Tag",
            "the page imports sample data",
        ]
    );
}
