//! The providers' protocols: how a request is written and an answer read. No I/O.

mod anthropic;
mod classify;
mod gemini;
#[cfg(test)]
mod known_errors;
mod ollama;
mod openai;

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

pub(crate) use self::classify::{classify, is_error};
use crate::{
    config::Secret,
    error::LlmError,
    price::Tokens,
    provider::Provider,
    render,
    request::{CompletionRequest, Role},
};

/// What is sent.
pub(crate) struct Call<'a> {
    pub(crate) provider: Provider,
    pub(crate) model: &'a str,
    pub(crate) request: &'a CompletionRequest,
    /// Whether the model takes a sampling temperature.
    pub(crate) temperature: bool,
}

/// What an answer says.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    /// A text, with the provider's counts.
    Answer { text: String, finish_reason: String, tokens: Tokens },
    /// The provider refused for reasons of content.
    Filtered { detail: String, tokens: Option<Tokens> },
    /// Not what the protocol says.
    Bad { detail: String, tokens: Option<Tokens> },
}

impl Reading {
    fn bad(detail: impl Into<String>, tokens: Option<Tokens>) -> Self {
        Self::Bad { detail: detail.into(), tokens }
    }

    /// An answer, unless something that must be there is not.
    fn answer(text: String, finish_reason: &str, tokens: Option<Tokens>) -> Self {
        let Some(tokens) = tokens else {
            // Unknown usage is not zero usage: what was paid must be known.
            return Self::bad("no count of the tokens used", None);
        };
        if finish_reason == "content_filter" {
            return Self::Filtered {
                detail: "the answer was cut off".to_owned(),
                tokens: Some(tokens),
            };
        }
        if text.is_empty() && finish_reason != "length" {
            return Self::bad(format!("no text (finish reason `{finish_reason}`)"), Some(tokens));
        }
        Self::Answer { text, finish_reason: finish_reason.to_owned(), tokens }
    }
}

impl Call<'_> {
    /// Address of the call.
    pub(crate) fn url(&self, base: &Url) -> Url {
        match self.provider {
            Provider::Anthropic => join(base, &["v1", "messages"]),
            Provider::Gemini => {
                join(base, &["v1beta", "models", &format!("{}:generateContent", self.model)])
            }
            Provider::Ollama => join(base, &["api", "chat"]),
            Provider::OpenAi | Provider::OpenAiCompatible | Provider::Offline => {
                join(base, &["chat", "completions"])
            }
        }
    }

    /// Body of the call.
    pub(crate) fn body(&self) -> Value {
        match self.provider {
            Provider::Anthropic => anthropic::body(self),
            Provider::Gemini => gemini::body(self),
            Provider::Ollama => ollama::body(self),
            Provider::OpenAi | Provider::OpenAiCompatible | Provider::Offline => openai::body(self),
        }
    }

    /// Reads the body of a successful answer.
    pub(crate) fn read(&self, body: &Value) -> Reading {
        match self.provider {
            Provider::Anthropic => anthropic::read(body),
            Provider::Gemini => gemini::read(body),
            Provider::Ollama => ollama::read(body),
            Provider::OpenAi | Provider::OpenAiCompatible | Provider::Offline => openai::read(body),
        }
    }

    /// The rendered turns, neighbours of the same role joined, as every provider accepts them.
    fn turns(&self) -> Vec<(Role, String)> {
        let mut turns: Vec<(Role, String)> = Vec::new();
        for message in &self.request.messages {
            let text = render::message(message);
            if text.is_empty() {
                continue;
            }
            match turns.last_mut() {
                Some((role, last)) if *role == message.role => {
                    last.push_str("\n\n");
                    last.push_str(&text);
                }
                _ => turns.push((message.role, text)),
            }
        }
        turns
    }

    /// All that the system says, for providers that take it apart from the turns.
    fn system(&self) -> Option<String> {
        let texts: Vec<String> = self
            .turns()
            .into_iter()
            .filter(|(role, _)| *role == Role::System)
            .map(|(_, text)| text)
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    /// The turns of user and model, joined again where a system message stood between.
    fn dialogue(&self) -> Vec<(Role, String)> {
        let mut turns: Vec<(Role, String)> = Vec::new();
        for (role, text) in self.turns().into_iter().filter(|(role, _)| *role != Role::System) {
            match turns.last_mut() {
                Some((last_role, last)) if *last_role == role => {
                    last.push_str("\n\n");
                    last.push_str(&text);
                }
                _ => turns.push((role, text)),
            }
        }
        turns
    }

    /// Temperature in the form JSON should show it: `0.2`, not `0.20000000298023224`.
    fn temperature(&self, max: f64) -> f64 {
        let exact = f64::from(self.request.temperature);
        ((exact * 1000.0).round() / 1000.0).clamp(0.0, max)
    }
}

/// Address of the list of models, for a probe.
pub(crate) fn models_url(provider: Provider, base: &Url) -> Url {
    match provider {
        Provider::Anthropic => join(base, &["v1", "models"]),
        Provider::Gemini => join(base, &["v1beta", "models"]),
        Provider::Ollama => join(base, &["api", "tags"]),
        Provider::OpenAi | Provider::OpenAiCompatible | Provider::Offline => {
            join(base, &["models"])
        }
    }
}

/// Ids in an answer to [`models_url`]; none if it is no such answer.
pub(crate) fn read_models(body: &Value) -> Option<Vec<String>> {
    let list = body.get("data").or_else(|| body.get("models"))?.as_array()?;
    let id = |entry: &Value| {
        let id = entry.get("id").or_else(|| entry.get("name"))?.as_str()?;
        Some(id.strip_prefix("models/").unwrap_or(id).to_owned())
    };
    Some(list.iter().filter_map(id).collect())
}

/// Headers that say who calls.
pub(crate) fn headers(provider: Provider, key: Option<&Secret>) -> Result<HeaderMap, LlmError> {
    let mut headers = HeaderMap::new();
    if provider == Provider::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    }
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(headers) };
    let (name, value) = match provider {
        Provider::Anthropic => ("x-api-key", key.expose().to_owned()),
        Provider::Gemini => ("x-goog-api-key", key.expose().to_owned()),
        _ => ("authorization", format!("Bearer {}", key.expose())),
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| LlmError::InvalidSetting {
        setting: format!("API key of {provider}"),
        detail: "it has characters that no key has".to_owned(),
    })?;
    value.set_sensitive(true);
    headers.insert(HeaderName::from_static(name), value);
    Ok(headers)
}

/// `base` with more path segments, each escaped.
fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// A count of tokens.
fn count(value: Option<&Value>) -> Option<u64> {
    value.and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Message, Part};

    pub(super) fn request(messages: &[(Role, &str)]) -> CompletionRequest {
        CompletionRequest {
            task: "analysis".to_owned(),
            messages: messages.iter().map(|(role, text)| Message::text(*role, *text)).collect(),
            max_output_tokens: 100,
            temperature: 0.2,
            key: None,
        }
    }

    #[test]
    fn neighbours_of_one_role_are_one_turn() {
        let mut request = request(&[
            (Role::System, "a"),
            (Role::User, "b"),
            (Role::System, "c"),
            (Role::User, "d"),
            (Role::Assistant, "e"),
            (Role::User, ""),
        ]);
        request
            .messages
            .push(Message { role: Role::User, parts: vec![Part::data("x", "text/plain", "y")] });
        let call = Call {
            provider: Provider::Anthropic,
            model: "m",
            request: &request,
            temperature: true,
        };
        assert_eq!(call.system().unwrap(), "a\n\nc");
        assert_eq!(
            call.dialogue(),
            [
                (Role::User, "b\n\nd".to_owned()),
                (Role::Assistant, "e".to_owned()),
                (Role::User, "### x (text/plain)\n```text\ny\n```".to_owned()),
            ]
        );
    }

    #[test]
    fn a_model_name_cannot_leave_its_place_in_the_address() {
        let request = request(&[(Role::User, "x")]);
        let base: Url = "https://example.com/proxy/".parse().unwrap();
        let call = Call {
            provider: Provider::Gemini,
            model: "../../x?y#z",
            request: &request,
            temperature: true,
        };
        assert_eq!(
            call.url(&base).as_str(),
            "https://example.com/proxy/v1beta/models/..%2F..%2Fx%3Fy%23z:generateContent"
        );
    }

    #[test]
    fn a_key_is_marked_as_secret_and_must_be_a_header() {
        let headers = headers(Provider::Gemini, Some(&Secret::new("AIza-1"))).unwrap();
        assert!(headers.get("x-goog-api-key").unwrap().is_sensitive());
        assert!(!format!("{headers:?}").contains("AIza-1"));
        let error = super::headers(Provider::OpenAi, Some(&Secret::new("a\nb"))).unwrap_err();
        assert!(!error.to_string().contains("a\nb"), "{error}");
    }
}
