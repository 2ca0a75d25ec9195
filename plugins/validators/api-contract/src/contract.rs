//! The contract: an `OpenAPI` document.

use std::collections::BTreeSet;

use gencode_plugin_sdk::types::Finding;
use serde_json::{Map, Value};

use crate::{CONTRACT_FILE, path::Path};

/// The methods that may have an operation.
pub(crate) const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What may be called.
pub(crate) struct Contract {
    pub(crate) operations: Vec<Operation>,
}

/// One method of one path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: Path,
}

impl Contract {
    /// Reads and checks the document. None when nothing can be compared with it.
    pub(crate) fn read(text: &str, findings: &mut Vec<Finding>) -> Option<Self> {
        let mut remark = |code: &str, message: String| {
            findings.push(Finding::error(code, CONTRACT_FILE, 0, 0, message));
        };
        let document: Value = match serde_json::from_str(text) {
            Ok(document) => document,
            Err(error) => {
                let message = format!("the contract is not JSON: {error}");
                remark("api.contract", message);
                return None;
            }
        };
        if !document.get("openapi").and_then(Value::as_str).is_some_and(|v| v.starts_with("3.")) {
            remark("api.contract", "the contract is no OpenAPI 3 document".to_owned());
        }
        let Some(paths) =
            document.get("paths").and_then(Value::as_object).filter(|p| !p.is_empty())
        else {
            remark("api.contract", "the contract has no paths".to_owned());
            return None;
        };
        let mut operations = Vec::new();
        let mut ids = BTreeSet::new();
        for (path, item) in paths {
            let Some(item) = item.as_object() else {
                remark("api.contract", format!("`{path}` is no object"));
                continue;
            };
            if !path.starts_with('/') {
                remark("api.contract", format!("the path `{path}` does not begin with `/`"));
            }
            for method in METHODS {
                let Some(operation) = item.get(method) else { continue };
                let name = format!("{} {path}", method.to_uppercase());
                if operation.get("responses").and_then(Value::as_object).is_none_or(Map::is_empty) {
                    remark("api.contract", format!("`{name}` has no responses"));
                }
                if let Some(id) = operation.get("operationId").and_then(Value::as_str)
                    && !ids.insert(id)
                {
                    remark("api.contract", format!("the operationId `{id}` is used twice"));
                }
                for parameter in undeclared(path, item, operation, &document) {
                    remark(
                        "api.contract",
                        format!("`{name}` does not declare the parameter `{parameter}`"),
                    );
                }
                operations.push(Operation { method, path: Path::new(path) });
            }
        }
        let mut missing = BTreeSet::new();
        dangling(&document, &document, &mut missing);
        for reference in missing {
            remark("api.contract", format!("`{reference}` refers to nothing"));
        }
        Some(Self { operations })
    }

    /// The methods of the paths that are wanted.
    pub(crate) fn methods(&self, wanted: impl Fn(&Path) -> bool) -> Vec<&'static str> {
        let operations = self.operations.iter().filter(|operation| wanted(&operation.path));
        let mut methods: Vec<_> = operations.map(|operation| operation.method).collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }
}

/// Parameters of the path that neither the path nor the operation declares.
fn undeclared<'a>(
    path: &'a str,
    item: &Map<String, Value>,
    operation: &Value,
    document: &Value,
) -> Vec<&'a str> {
    let declared: Vec<&str> = [item.get("parameters"), operation.get("parameters")]
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten()
        .map(|parameter| match parameter.get("$ref").and_then(Value::as_str) {
            Some(reference) => target(document, reference).unwrap_or(parameter),
            None => parameter,
        })
        .filter(|parameter| parameter.get("in").and_then(Value::as_str) == Some("path"))
        .filter_map(|parameter| parameter.get("name").and_then(Value::as_str))
        .collect();
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .filter(|name| !declared.contains(name))
        .collect()
}

/// What a reference inside the document refers to.
fn target<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    document.pointer(reference.strip_prefix('#')?)
}

/// Collects the references inside the document that refer to nothing.
fn dangling(document: &Value, value: &Value, missing: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref")
                && reference.starts_with('#')
                && target(document, reference).is_none()
            {
                missing.insert(reference.clone());
            }
            object
                .iter()
                // Examples and extensions may hold anything.
                .filter(|(key, _)| !key.starts_with("x-") && !key.starts_with("example"))
                .for_each(|(_, inner)| dangling(document, inner, missing));
        }
        Value::Array(items) => items.iter().for_each(|inner| dangling(document, inner, missing)),
        _ => {}
    }
}
