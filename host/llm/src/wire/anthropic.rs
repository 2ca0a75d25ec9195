//! Anthropic's messages.

use serde_json::{Value, json};

use super::{Call, Reading, count};
use crate::price::Tokens;

pub(super) fn body(call: &Call<'_>) -> Value {
    let messages: Vec<Value> = call
        .dialogue()
        .into_iter()
        .map(|(role, text)| json!({ "role": role.as_str(), "content": text }))
        .collect();
    let mut body = json!({
        "model": call.model,
        "max_tokens": call.request.max_output_tokens,
        "messages": messages,
    });
    if let Some(fields) = body.as_object_mut() {
        if let Some(system) = call.system() {
            fields.insert("system".to_owned(), json!(system));
        }
        if call.temperature {
            fields.insert("temperature".to_owned(), json!(call.temperature(1.0)));
        }
    }
    body
}

pub(super) fn read(body: &Value) -> Reading {
    let tokens = tokens(body);
    let Some(content) = body.get("content").and_then(Value::as_array) else {
        return Reading::bad("no content", tokens);
    };
    let text = content
        .iter()
        .filter(|block| block.get("type").and_then(Value::as_str) == Some("text"))
        .filter_map(|block| block.get("text").and_then(Value::as_str))
        .collect();
    let finish_reason = match body.get("stop_reason").and_then(Value::as_str) {
        Some("end_turn" | "stop_sequence") => "stop",
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("refusal") => {
            return Reading::Filtered { detail: "the model declined".to_owned(), tokens };
        }
        Some(other) => other,
        None => return Reading::bad("no stop reason", tokens),
    };
    Reading::answer(text, finish_reason, tokens)
}

/// Cached parts of the prompt are counted apart from the rest of it.
fn tokens(body: &Value) -> Option<Tokens> {
    let usage = body.get("usage")?;
    let cached = count(usage.get("cache_read_input_tokens")).unwrap_or(0);
    let written = count(usage.get("cache_creation_input_tokens")).unwrap_or(0);
    let fresh = count(usage.get("input_tokens"))?;
    Some(Tokens {
        input: fresh.saturating_add(written).saturating_add(cached),
        cached,
        output: count(usage.get("output_tokens"))?,
    })
}
