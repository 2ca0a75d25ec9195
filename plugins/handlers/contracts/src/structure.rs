//! What every contract must hold, whatever the application.

use std::collections::BTreeSet;

use gencode_plugin_sdk::{
    supervise::project::{CONTRACT, route},
    types::{Finding, Intent},
};
use serde_json::Value;

/// Methods of a list and of one record.
const LIST: [&str; 2] = ["get", "post"];
const RECORD: [&str; 4] = ["get", "put", "patch", "delete"];

/// Everything that the contract lacks.
pub(crate) fn check(contract: &Value, intent: &Intent) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong =
        |code: &str, message: String| findings.push(Finding::error(code, CONTRACT, 0, 0, message));
    if !contract
        .get("openapi")
        .and_then(Value::as_str)
        .is_some_and(|version| version.starts_with("3.1"))
    {
        wrong("contract.version", "`openapi` is not 3.1".to_owned());
    }
    for entity in &intent.entities {
        let list = format!("/api{}", route(entity));
        for method in LIST.iter().filter(|method| operation(contract, &list, method).is_none()) {
            wrong(
                "contract.missing-route",
                format!("{} {list} of {} is missing", method.to_uppercase(), entity.name),
            );
        }
        let record = record_path(contract, &list).unwrap_or_else(|| format!("{list}/{{id}}"));
        for method in RECORD.iter().filter(|method| operation(contract, &record, method).is_none())
        {
            wrong(
                "contract.missing-route",
                format!("{} {record} of {} is missing", method.to_uppercase(), entity.name),
            );
        }
    }
    let has = |feature: &str| intent.features.iter().any(|known| known == feature);
    let mut paths = vec![("get", "/api/health")];
    if has("dashboard") {
        paths.push(("get", "/api/dashboard"));
    }
    if has("auth") {
        paths.extend([
            ("post", "/api/auth/register"),
            ("post", "/api/auth/token"),
            ("post", "/api/auth/login"),
            ("get", "/api/auth/me"),
        ]);
    }
    for (method, path) in paths {
        if operation(contract, path, method).is_none() {
            wrong("contract.missing-route", format!("{} {path} is missing", method.to_uppercase()));
        }
    }
    let mut ids = BTreeSet::new();
    for id in operations(contract)
        .filter_map(|operation| operation.get("operationId"))
        .filter_map(Value::as_str)
    {
        if !ids.insert(id) {
            wrong("contract.operation-id", format!("the operation id `{id}` is there twice"));
        }
    }
    let mut references = BTreeSet::new();
    collect_references(contract, &mut references);
    for reference in references {
        if reference.strip_prefix('#').and_then(|pointer| contract.pointer(pointer)).is_none() {
            wrong("contract.reference", format!("`{reference}` refers to nothing"));
        }
    }
    findings
}

/// The path of one record below a list: the same with one parameter at the end.
fn record_path(contract: &Value, list: &str) -> Option<String> {
    let paths = contract.get("paths")?.as_object()?;
    let fits = |path: &str| {
        path.strip_prefix(list)
            .and_then(|rest| rest.strip_prefix("/{"))
            .and_then(|rest| rest.strip_suffix('}'))
            .is_some_and(|name| !name.contains(['/', '{', '}']))
    };
    paths.keys().find(|path| fits(path)).cloned()
}

fn operation<'a>(contract: &'a Value, path: &str, method: &str) -> Option<&'a Value> {
    contract.get("paths")?.get(path)?.get(method)
}

fn operations(contract: &Value) -> impl Iterator<Item = &Value> {
    let paths = contract.get("paths").and_then(Value::as_object);
    paths
        .into_iter()
        .flat_map(|paths| paths.values())
        .filter_map(Value::as_object)
        .flat_map(|path| path.values())
}

fn collect_references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
