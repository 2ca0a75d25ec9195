//! Values that a contract accepts.

use gencode_plugin_sdk::types::EntityField;
use serde_json::{Value, json};

/// Follows references and leaves out the alternative `null`, to what a value really has to be.
pub(crate) fn plain<'a>(contract: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // Deeper nesting than this does not describe a field.
    for _ in 0..8 {
        let inner = if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            reference.strip_prefix('#').and_then(|pointer| contract.pointer(pointer))
        } else {
            ["anyOf", "oneOf", "allOf"]
                .iter()
                .find_map(|key| schema.get(*key))
                .and_then(Value::as_array)
                .and_then(|choices| {
                    choices
                        .iter()
                        .find(|choice| choice.get("type").and_then(Value::as_str) != Some("null"))
                })
        };
        match inner {
            Some(inner) => schema = inner,
            None => break,
        }
    }
    schema
}

/// A value of a field; other numbers give other values. The kind comes from the intent where the
/// field is in it, else from the schema.
pub(crate) fn value(
    contract: &Value,
    schema: &Value,
    field: Option<&EntityField>,
    name: &str,
    number: u32,
) -> Value {
    let plain = plain(contract, schema);
    if let Some(values) = plain.get("enum").and_then(Value::as_array) {
        return values.first().cloned().unwrap_or_default();
    }
    let format = plain.get("format").and_then(Value::as_str);
    let kind = match (field.map(|field| field.kind.as_str()), kind_of(plain, format)) {
        (Some("enum"), other) => {
            return field
                .and_then(|field| field.values.first())
                .map_or_else(|| json!(other), |first| json!(first));
        }
        (Some(kind), _) | (None, kind) => kind,
    };
    match kind {
        "integer" => json!(
            clamp(plain, f64::from(number)).round().to_string().parse::<i64>().unwrap_or_default()
        ),
        "decimal" => {
            let amount = clamp(plain, 12.25 + f64::from(number));
            // Some write money as text, so that no digit is lost.
            if plain.get("type").and_then(Value::as_str) == Some("string") {
                json!(format!("{amount:.2}"))
            } else {
                json!(amount)
            }
        }
        "boolean" => json!(number % 2 == 1),
        "date" => json!(format!("2031-05-{:02}", 1 + number % 28)),
        "datetime" => json!(format!("2031-05-{:02}T09:30:00Z", 1 + number % 28)),
        "email" => json!(format!("sample.{number}@example.com")),
        "url" => json!(format!("https://example.com/sample/{number}")),
        "phone" => json!(format!("+1 555 01{:02}", number % 100)),
        // Not ASCII alone: text has to survive the way through the database.
        _ => json!(fit(plain, &format!("Sample {number} {} äß", name.replace('_', " ")))),
    }
}

/// Whether an answer can be compared with what was sent, character by character.
pub(crate) fn comparable(value: &Value, kind: &str) -> bool {
    !matches!(kind, "datetime") && !value.is_object() && !value.is_array() && !value.is_null()
}

fn kind_of(plain: &Value, format: Option<&str>) -> &'static str {
    match (plain.get("type").and_then(Value::as_str), format) {
        (Some("integer"), _) => "integer",
        (Some("number"), _) => "decimal",
        (Some("boolean"), _) => "boolean",
        (_, Some("date")) => "date",
        (_, Some("date-time")) => "datetime",
        (_, Some("email")) => "email",
        (_, Some("uri")) => "url",
        (_, Some("decimal")) => "decimal",
        _ => "string",
    }
}

fn clamp(plain: &Value, value: f64) -> f64 {
    let limit = |key: &str| plain.get(key).and_then(Value::as_f64);
    let value = limit("minimum").map_or(value, |minimum| value.max(minimum));
    let value = limit("exclusiveMinimum")
        .map_or(value, |minimum| if value > minimum { value } else { minimum + 1.0 });
    limit("maximum").map_or(value, |maximum| value.min(maximum))
}

fn fit(plain: &Value, text: &str) -> String {
    let limit = plain
        .get("maxLength")
        .and_then(Value::as_u64)
        .and_then(|limit| usize::try_from(limit).ok());
    text.chars().take(limit.unwrap_or(usize::MAX)).collect::<String>().trim_end().to_owned()
}
