//! One HTTP check: fill in what was captured, ask, compare, remember.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::{
    CheckResult, HttpCheck,
    http::{Answer, Call},
};

/// How much of an answer a message shows.
const SHOWN: usize = 600;

/// Values that earlier checks captured, by name.
#[derive(Debug, Default)]
pub(crate) struct Captured(BTreeMap<String, Value>);

/// Where a value is put, which decides how it is written.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Path,
    Header,
    Json,
    Form,
}

/// Runs one check against a server. Whether the server itself seems to be at fault comes second.
pub(crate) async fn run(
    check: &HttpCheck,
    socket: &Path,
    captured: &mut Captured,
) -> (CheckResult, bool) {
    let (outcome, servers_fault) = match prepare(check, captured) {
        Err(problem) => (Err(problem), false),
        Ok(call) => match call.send(socket).await {
            Err(problem) => (Err(problem), true),
            Ok(answer) => {
                let fault = answer.status.is_server_error();
                (judge(check, &answer, captured), fault)
            }
        },
    };
    let passed = outcome.is_ok();
    let detail = outcome.unwrap_or_else(|problem| problem);
    (CheckResult { name: check.name.clone(), passed, detail }, servers_fault)
}

fn prepare(check: &HttpCheck, captured: &Captured) -> Result<Call, String> {
    let mut headers = Vec::new();
    for (name, value) in &check.headers {
        headers.push((name.clone(), captured.fill(value, Slot::Header)?));
    }
    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let form = kind.is_some_and(|(_, value)| value.contains("form-urlencoded"));
    if kind.is_none() && !check.body.is_empty() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Call {
        method: check
            .method
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| format!("`{}` is not an HTTP method", check.method))?,
        path: captured.fill(&check.path, Slot::Path)?,
        headers,
        body: captured.fill(&check.body, if form { Slot::Form } else { Slot::Json })?,
    })
}

fn judge(check: &HttpCheck, answer: &Answer, captured: &mut Captured) -> Result<String, String> {
    let status = answer.status.as_u16();
    if !check.expect_status.contains(&status) {
        let expected: Vec<String> = check.expect_status.iter().map(u16::to_string).collect();
        return Err(format!(
            "expected status {}, found {status}: {}",
            expected.join(" or "),
            shown(answer)
        ));
    }
    if check.expect_json.is_empty() && check.capture.is_empty() {
        return Ok(format!("status {status}"));
    }
    let json: Value = serde_json::from_slice(&answer.body)
        .map_err(|err| format!("the answer is not JSON ({err}): {}", shown(answer)))?;
    for (pointer, expected) in &check.expect_json {
        let expected = captured.fill(expected, Slot::Json)?;
        let expected: Value = serde_json::from_str(&expected)
            .map_err(|err| format!("the check expects `{expected}`, which is not JSON: {err}"))?;
        match json.pointer(pointer) {
            Some(found) if equal(found, &expected) => {}
            Some(found) => {
                return Err(format!("expected `{pointer}` to be {expected}, found {found}"));
            }
            None => {
                return Err(format!(
                    "expected `{pointer}` to be {expected}, found nothing there: {}",
                    shown(answer)
                ));
            }
        }
    }
    for (name, pointer) in &check.capture {
        let found = json.pointer(pointer).ok_or_else(|| {
            format!("there is no `{pointer}` in the answer to remember: {}", shown(answer))
        })?;
        captured.0.insert(name.clone(), found.clone());
    }
    Ok(format!("status {status}"))
}

/// Equal as values: `1` and `1.0` are one number.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64().is_some_and(|left| right.as_f64() == Some(left))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

fn shown(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    if text.is_empty() { "an empty answer".to_owned() } else { text.chars().take(SHOWN).collect() }
}

impl Captured {
    /// Replaces every `{{name}}`.
    fn fill(&self, text: &str, slot: Slot) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            // Braces of nested JSON that end in `}}` are not a name.
            let name = after.split_once("}}").filter(|(name, _)| is_name(name));
            filled.push_str(before);
            if let Some((name, after)) = name {
                let name = name.trim();
                let value = self.0.get(name).ok_or_else(|| {
                    format!("nothing was remembered as `{name}` (the check that does so failed)")
                })?;
                filled.push_str(&written(value, slot));
                rest = after;
            } else {
                filled.push_str("{{");
                rest = after;
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn is_name(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn written(value: &Value, slot: Slot) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => return other.to_string(),
    };
    match slot {
        Slot::Header => text,
        // Inside the quotes that the check wrote.
        Slot::Json => {
            let quoted = Value::String(text).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        }
        Slot::Path | Slot::Form => percent_encode(&text),
    }
}

fn percent_encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn captured_values_are_written_for_their_place() {
        let mut captured = Captured::default();
        captured.0.insert("id".into(), json!(7));
        captured.0.insert("name".into(), json!("a \"b\"/c"));
        for (text, slot, expected) in [
            ("/x/{{id}}?q={{name}}", Slot::Path, "/x/7?q=a%20%22b%22%2Fc"),
            (r#"{"a":{"id":{{id}}}}"#, Slot::Json, r#"{"a":{"id":7}}"#),
            (r#"{"n":"{{ name }}"}"#, Slot::Json, r#"{"n":"a \"b\"/c"}"#),
            ("Bearer {{name}}", Slot::Header, "Bearer a \"b\"/c"),
            ("{{not a name}} {{", Slot::Header, "{{not a name}} {{"),
        ] {
            assert_eq!(captured.fill(text, slot).unwrap(), expected);
        }
        assert!(captured.fill("{{other}}", Slot::Path).unwrap_err().contains("`other`"));
    }

    #[test]
    fn numbers_are_equal_by_value() {
        assert!(equal(&json!({"a": [1]}), &json!({"a": [1.0]})));
        assert!(!equal(&json!({"a": [1]}), &json!({"a": [1, 2]})));
        assert!(!equal(&json!("1"), &json!(1)));
    }
}
