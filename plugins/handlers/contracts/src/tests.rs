//! A contract that lacks something goes back; the intent in it is ours.

use gencode_plugin_sdk::supervise::{
    fake::{self, Fake, step},
    project::INTENT_KEY,
};
use serde_json::json;

use super::*;

const KEY: &str = "marcus/contracts";

fn intent_of_sample() -> Intent {
    fake::intent().unwrap().read().unwrap()
}

fn contract() -> Value {
    let mut paths = serde_json::Map::new();
    let mut number = 0;
    let mut operation = || {
        number += 1;
        json!({ "operationId": format!("operation{number}"), "responses": {} })
    };
    paths.insert("/api/health".into(), json!({ "get": operation() }));
    for name in ["orders", "line-items", "tags"] {
        paths.insert(format!("/api/{name}"), json!({ "get": operation(), "post": operation() }));
        let record = json!({ "get": operation(), "put": operation(), "patch": operation(), "delete": operation() });
        paths.insert(format!("/api/{name}/{{key}}"), record);
    }
    json!({ "openapi": "3.1.0", "info": { "title": "x", "version": "1" }, "paths": paths })
}

#[test]
fn what_a_contract_lacks_is_named() {
    let messages = |contract: &Value| -> Vec<String> {
        structure::check(contract, &intent_of_sample())
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    };
    assert_eq!(messages(&contract()), [""; 0]);
    let cases: [(&str, Value, &str); 5] = [
        ("/openapi", json!("3.0.3"), "`openapi` is not 3.1"),
        ("/paths/~1api~1tags~1{key}/put", json!(null), ""),
        ("/paths/~1api~1health", json!({}), "GET /api/health is missing"),
        (
            "/paths/~1api~1tags/get/operationId",
            json!("operation1"),
            "the operation id `operation1` is there twice",
        ),
        (
            "/info",
            json!({ "$ref": "#/components/schemas/Nothing" }),
            "`#/components/schemas/Nothing` refers to nothing",
        ),
    ];
    for (pointer, value, says) in cases {
        let mut broken = contract();
        *broken.pointer_mut(pointer).unwrap() = value;
        if !says.is_empty() {
            assert_eq!(messages(&broken), [says]);
        }
    }
    let mut broken = contract();
    broken["paths"]["/api/line-items/{key}"].as_object_mut().unwrap().remove("delete");
    assert_eq!(messages(&broken), ["DELETE /api/line-items/{key} of LineItem is missing"]);
    broken["paths"].as_object_mut().unwrap().remove("/api/tags");
    assert_eq!(messages(&broken).len(), 3);
    let mut with_log_in = intent_of_sample();
    with_log_in.features.push("auth".into());
    assert_eq!(structure::check(&contract(), &with_log_in).len(), 4);
}

#[test]
fn the_contract_is_written_with_the_intent_that_was_understood() {
    let mut wrong_copy = contract();
    wrong_copy[INTENT_KEY] = json!({ "title": "Something else" });
    let host = Fake::default()
        .with_sample()
        .with_files_from(KEY, &[(CONTRACT, "{}"), ("contracts.md", "# Contract")])
        .with_files_from(
            KEY,
            &[(CONTRACT, &wrong_copy.to_string()), ("contracts.md", "# Contract")],
        );
    let Outcome::Completed(report) = run(&host, &step("contracts")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(report.summary, "The contract fixes the API of 3 entities.");
    assert!(host.requests()[1].findings.len() > 10, "the empty contract went back");
    let written = host.file(CONTRACT).unwrap();
    assert_eq!(host.left("contract").unwrap().content, written);
    let value: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(value[INTENT_KEY], serde_json::to_value(intent_of_sample()).unwrap());
    assert_eq!(
        with_intent(&written, &intent_of_sample()).unwrap(),
        written,
        "already there: not a byte changes"
    );
}

#[test]
fn a_contract_may_come_as_a_document_but_not_as_two_different_ones() {
    let document = |value: &Value| vec![Document::json("contract", value).unwrap()];
    let notes = File::new("contracts.md", "# Contract");
    assert_eq!(
        check(&intent_of_sample(), std::slice::from_ref(&notes), &document(&contract())),
        []
    );
    let file = File::new(CONTRACT, contract().to_string());
    let mut other = contract();
    other["info"]["title"] = json!("y");
    assert_eq!(
        check(&intent_of_sample(), &[notes.clone(), file], &document(&other))[0].code,
        "contract.differs"
    );
    assert_eq!(check(&intent_of_sample(), &[notes], &[])[0].code, "answer.missing-file");
}
