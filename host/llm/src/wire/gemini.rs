//! Gemini's `generateContent`.

use serde_json::{Value, json};

use super::{Call, Reading, count};
use crate::{price::Tokens, request::Role};

pub(super) fn body(call: &Call<'_>) -> Value {
    let contents: Vec<Value> = call
        .dialogue()
        .into_iter()
        .map(|(role, text)| {
            let role = if role == Role::Assistant { "model" } else { "user" };
            json!({ "role": role, "parts": [{ "text": text }] })
        })
        .collect();
    let mut generation = json!({ "maxOutputTokens": call.request.max_output_tokens });
    if let Some(fields) = generation.as_object_mut()
        && call.temperature
    {
        fields.insert("temperature".to_owned(), json!(call.temperature(2.0)));
    }
    let mut body = json!({ "contents": contents, "generationConfig": generation });
    if let Some(fields) = body.as_object_mut()
        && let Some(system) = call.system()
    {
        fields.insert("systemInstruction".to_owned(), json!({ "parts": [{ "text": system }] }));
    }
    body
}

pub(super) fn read(body: &Value) -> Reading {
    let tokens = tokens(body);
    if let Some(reason) = body.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
        return Reading::Filtered { detail: format!("the prompt was blocked ({reason})"), tokens };
    }
    let Some(candidate) = body.pointer("/candidates/0") else {
        return Reading::bad("no candidates", tokens);
    };
    let text: String = candidate
        .pointer("/content/parts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|part| part.get("thought").and_then(Value::as_bool) != Some(true))
        .filter_map(|part| part.get("text").and_then(Value::as_str))
        .collect();
    let reason = candidate.get("finishReason").and_then(Value::as_str).unwrap_or("STOP");
    let finish_reason = match reason {
        "STOP" => "stop".to_owned(),
        "MAX_TOKENS" => "length".to_owned(),
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => {
            return Reading::Filtered {
                detail: format!("the answer was blocked ({reason})"),
                tokens,
            };
        }
        other => other.to_ascii_lowercase(),
    };
    Reading::answer(text, &finish_reason, tokens)
}

/// Thoughts are billed as output and counted apart from it.
fn tokens(body: &Value) -> Option<Tokens> {
    let usage = body.get("usageMetadata")?;
    let answered = count(usage.get("candidatesTokenCount")).unwrap_or(0);
    let thought = count(usage.get("thoughtsTokenCount")).unwrap_or(0);
    Some(Tokens {
        input: count(usage.get("promptTokenCount"))?,
        cached: count(usage.get("cachedContentTokenCount")).unwrap_or(0),
        output: answered.saturating_add(thought),
    })
}
