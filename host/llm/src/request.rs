//! What is asked of a model and what comes back, the same for every provider.

use std::{fmt, str::FromStr};

use gencode_core::digest::Digest;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{error::LlmError, render};

/// Largest prompt the host sends, in bytes of rendered text.
pub const MAX_PROMPT_BYTES: usize = 16 * 1024 * 1024;

/// Most messages of one request.
pub const MAX_MESSAGES: usize = 256;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    /// The word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = LlmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::System, Self::User, Self::Assistant]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| LlmError::InvalidRequest {
                detail: format!(
                    "`{}` is not a role: `system`, `user` or `assistant`",
                    crate::error::shorten(text, 40)
                ),
            })
    }
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Part {
    /// Prose for the model.
    Text { text: String },
    /// Structured input. Real models get it as a fenced block headed by its name; the offline
    /// model gets it as it is.
    Data { name: String, media_type: String, content: String },
}

impl Part {
    /// Prose.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// A named document.
    pub fn data(
        name: impl Into<String>,
        media_type: impl Into<String>,
        content: impl Into<String>,
    ) -> Self {
        Self::Data { name: name.into(), media_type: media_type.into(), content: content.into() }
    }
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub parts: Vec<Part>,
}

impl Message {
    /// A message of one prose part.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::text(text)] }
    }
}

/// Longest key as it is, in bytes; providers take at least this much.
const MAX_KEY: usize = 200;

/// Names one model call for ever: whoever makes the call again says the same key, and a provider
/// that knows keys answers and charges once. Sent as the header `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key for a call that `name` tells apart from all others. A name that is no header, or is
    /// too long for one, stands for itself by its digest.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let fits = (1..=MAX_KEY).contains(&name.len());
        if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Self(name);
        }
        Self(Digest::of(name.as_bytes()).to_string())
    }

    /// What the header says.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One model call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// What the call is for, for example `analysis` or `review`. The offline model goes by it.
    pub task: String,
    pub messages: Vec<Message>,
    /// Upper limit of the answer, in tokens.
    pub max_output_tokens: u32,
    /// Sampling temperature from 0 to 2; lowered to 1 for providers that end there.
    pub temperature: f32,
    /// Says which call this is, not what is asked: digests and recordings are without it. None
    /// where nobody could make the call again.
    #[serde(skip)]
    pub key: Option<IdempotencyKey>,
}

impl CompletionRequest {
    /// Whether the request can be sent to any model at all.
    pub fn check(&self) -> Result<(), LlmError> {
        let invalid = |detail: String| Err(LlmError::InvalidRequest { detail });
        if self.messages.len() > MAX_MESSAGES {
            return invalid(format!("more than {MAX_MESSAGES} messages"));
        }
        if !self.messages.iter().any(|message| message.role == Role::User) {
            return invalid("no message of role `user`".to_owned());
        }
        if self.max_output_tokens == 0 {
            return invalid("`max_output_tokens` is 0".to_owned());
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return invalid("`temperature` is not between 0 and 2".to_owned());
        }
        let bytes = self.prompt_bytes();
        if bytes > MAX_PROMPT_BYTES {
            return invalid(format!("the prompt has {bytes} bytes, more than {MAX_PROMPT_BYTES}"));
        }
        Ok(())
    }

    /// Size of the prompt as a real model gets it, in bytes.
    pub fn prompt_bytes(&self) -> usize {
        self.messages.iter().map(|message| render::message(message).len()).sum()
    }

    /// The data parts in order, as (name, content).
    pub fn documents(&self) -> Vec<(&str, &str)> {
        self.messages
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match part {
                Part::Data { name, content, .. } => Some((name.as_str(), content.as_str())),
                Part::Text { .. } => None,
            })
            .collect()
    }

    /// Digest of this request to this model: equal for equal calls, on every host.
    pub fn digest(&self, provider: &str, model: &str) -> Digest {
        // The derived form writes fields in declaration order, so it is canonical; a struct of
        // strings and numbers cannot fail to serialize, and an empty text would still be a digest.
        let text = serde_json::to_vec(&(provider, model, self)).unwrap_or_default();
        Digest::of(&text)
    }
}

/// What one model call used, as the provider reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub provider: String,
    pub model: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Exact, in US dollars.
    pub cost_usd: Decimal,
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    pub text: String,
    /// `stop`, `length` (cut off by the limit) or another word of the provider.
    pub finish_reason: String,
    pub usage: Usage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_always_a_header() {
        let key = IdempotencyKey::new("run_01/analysis/1/3/0/0");
        assert_eq!(key.as_str(), "run_01/analysis/1/3/0/0");
        let odd = ["", "a b", "ä", "line\nfeed", &"x".repeat(201)].map(IdempotencyKey::new);
        for key in &odd {
            let text = key.as_str();
            assert!(reqwest::header::HeaderValue::from_str(text).is_ok() && !text.is_empty());
        }
        let different: std::collections::HashSet<_> = odd.iter().collect();
        assert_eq!(different.len(), odd.len(), "different calls stay different");
    }

    #[test]
    fn a_key_is_no_part_of_what_is_asked() {
        let request = |key| CompletionRequest {
            task: "analysis".to_owned(),
            messages: vec![Message::text(Role::User, "x")],
            max_output_tokens: 10,
            temperature: 0.0,
            key,
        };
        let (with, without) = (request(Some(IdempotencyKey::new("k"))), request(None));
        assert_eq!(with.digest("openai", "m"), without.digest("openai", "m"));
    }
}
