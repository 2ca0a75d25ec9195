//! No import of sample data is left, and the sample data goes; what the user made their own stays.

use gencode_plugin_sdk::{
    handler::{Answer, Verdict},
    supervise::fake::{Fake, step},
};

use super::*;

const KEY: &str = "derek/frontend_integration";
const CLIENT: &str = "frontend/src/api/orders.ts";

fn project() -> Fake {
    let approval = Verdict {
        approved: true,
        score: 8,
        findings: vec![],
        corrections: vec![],
        feedback: String::new(),
    };
    Fake::default()
        .with_sample()
        .with_file(SAMPLE_DATA, "export const orders = [];")
        .with_file(CLIENT, "import { orders } from \"../data/mock\";")
        .with_file("frontend/src/pages/Home.tsx", "import x from '../data/mock';")
        .with_answer("marcus/review", Ok(Answer::Judged(approval)))
}

#[test]
fn every_import_of_sample_data_is_found_wherever_it_is() {
    let host = project()
        .with_files_from(KEY, &[(CLIENT, "export const list = () => fetch('/api/orders');")])
        .with_files_from(
            KEY,
            &[("frontend/src/pages/Home.tsx", "import { list } from '../api/orders';")],
        );
    let Outcome::Completed(report) = run(&host, &step("frontend_integration")).unwrap() else {
        panic!("skipped")
    };
    let finding = &host.requests()[1].findings[0];
    assert_eq!((finding.path.as_str(), finding.line), ("frontend/src/pages/Home.tsx", 1));
    assert_eq!(host.file(SAMPLE_DATA), None);
    assert_eq!(report.summary, "The front end calls the real API; 2 files changed.");
}

#[test]
fn an_answer_that_brings_the_sample_data_back_is_refused() {
    let files = [File::new(CLIENT, "fetch('/api/orders')"), File::new(SAMPLE_DATA, "[]")];
    let codes: Vec<String> = check(&[], &files).into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [FORBIDDEN]);
    assert_eq!(check(&[], &[])[0].code, "answer.missing-file");
}
