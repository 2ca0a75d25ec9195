//! `OpenAI`'s chat completions, and the servers that speak them too.

use serde_json::{Value, json};

use super::{Call, Reading, count};
use crate::{price::Tokens, provider::Provider};

pub(super) fn body(call: &Call<'_>) -> Value {
    let messages: Vec<Value> = call
        .turns()
        .into_iter()
        .map(|(role, text)| json!({ "role": role.as_str(), "content": text }))
        .collect();
    let mut body = json!({ "model": call.model, "messages": messages, "stream": false });
    // OpenAI's newer models refuse `max_tokens`; compatible servers often know nothing else.
    let limit =
        if call.provider == Provider::OpenAi { "max_completion_tokens" } else { "max_tokens" };
    if let Some(fields) = body.as_object_mut() {
        fields.insert(limit.to_owned(), json!(call.request.max_output_tokens));
        if call.temperature {
            fields.insert("temperature".to_owned(), json!(call.temperature(2.0)));
        }
    }
    body
}

pub(super) fn read(body: &Value) -> Reading {
    let tokens = tokens(body);
    let Some(choice) = body.pointer("/choices/0") else {
        return Reading::bad("no choices", tokens);
    };
    if let Some(refusal) = choice.pointer("/message/refusal").and_then(Value::as_str) {
        return Reading::Filtered { detail: crate::error::shorten(refusal, 300), tokens };
    }
    let text = match choice.pointer("/message/content") {
        Some(Value::String(text)) => text.clone(),
        // Some servers answer in parts.
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        _ => String::new(),
    };
    let finish_reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or("stop");
    Reading::answer(text, finish_reason, tokens)
}

fn tokens(body: &Value) -> Option<Tokens> {
    let usage = body.get("usage")?;
    Some(Tokens {
        input: count(usage.get("prompt_tokens"))?,
        cached: count(usage.pointer("/prompt_tokens_details/cached_tokens")).unwrap_or(0),
        output: count(usage.get("completion_tokens"))?,
    })
}
