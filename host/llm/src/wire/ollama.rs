//! Ollama's `/api/chat`.

use serde_json::{Value, json};

use super::{Call, Reading, count};
use crate::price::Tokens;

/// Ollama's window is a few thousand tokens unless asked for more, and it cuts off the beginning of
/// a longer prompt without a word; more than this is asked of no machine.
const MAX_CONTEXT: u64 = 131_072;
const MIN_CONTEXT: u64 = 4096;

pub(super) fn body(call: &Call<'_>) -> Value {
    let turns = call.turns();
    let bytes: usize = turns.iter().map(|(_, text)| text.len()).sum();
    let needed = u64::try_from(bytes.div_ceil(3)).unwrap_or(u64::MAX);
    let needed = needed.saturating_add(u64::from(call.request.max_output_tokens));
    // In steps, because a model is loaded anew whenever the window changes.
    let context = needed.min(MAX_CONTEXT).next_multiple_of(MIN_CONTEXT);
    let messages: Vec<Value> = turns
        .into_iter()
        .map(|(role, text)| json!({ "role": role.as_str(), "content": text }))
        .collect();
    let mut options = json!({
        "num_predict": call.request.max_output_tokens,
        "num_ctx": context.max(MIN_CONTEXT),
    });
    if let Some(fields) = options.as_object_mut()
        && call.temperature
    {
        fields.insert("temperature".to_owned(), json!(call.temperature(2.0)));
    }
    json!({ "model": call.model, "messages": messages, "stream": false, "options": options })
}

pub(super) fn read(body: &Value) -> Reading {
    // The prompt's count is left out when all of it came from the cache: then nothing was read.
    let tokens = count(body.get("eval_count")).map(|output| Tokens {
        input: count(body.get("prompt_eval_count")).unwrap_or(0),
        cached: 0,
        output,
    });
    if body.get("done").and_then(Value::as_bool) == Some(false) {
        return Reading::bad("the answer is not finished", tokens);
    }
    let Some(text) = body.pointer("/message/content").and_then(Value::as_str) else {
        return Reading::bad("no message", tokens);
    };
    let finish_reason = body.get("done_reason").and_then(Value::as_str).unwrap_or("stop");
    Reading::answer(text.to_owned(), finish_reason, tokens)
}
