//! Who can answer, and what the front end shows of them.

use std::{fmt, str::FromStr, time::Duration};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{config::Limits, error::LlmError};

/// A family of model servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    Gemini,
    #[serde(rename = "openai")]
    OpenAi,
    Anthropic,
    Ollama,
    /// Any server that speaks `OpenAI`'s chat completions.
    #[serde(rename = "openai-compatible")]
    OpenAiCompatible,
    /// The built-in deterministic model.
    Offline,
}

impl Provider {
    /// In the order the front end lists them (http-ws-contract §2.7).
    pub const ALL: [Self; 6] = [
        Self::Gemini,
        Self::OpenAi,
        Self::Anthropic,
        Self::Ollama,
        Self::OpenAiCompatible,
        Self::Offline,
    ];

    /// Id in settings, URLs and the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::OpenAiCompatible => "openai-compatible",
            Self::Offline => "offline",
        }
    }

    /// What a person reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gemini => "Google Gemini",
            Self::OpenAi => "OpenAI",
            Self::Anthropic => "Anthropic Claude",
            Self::Ollama => "Ollama (Local)",
            Self::OpenAiCompatible => "OpenAI-compatible",
            Self::Offline => "Offline (built in)",
        }
    }

    /// Whether it answers nobody without a key.
    pub const fn requires_api_key(self) -> bool {
        matches!(self, Self::Gemini | Self::OpenAi | Self::Anthropic)
    }

    /// Whether its calls cost nothing whatever the model: it runs on the operator's machine.
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Ollama | Self::Offline)
    }

    /// Its own address; none where only the operator can know.
    pub(crate) const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::Gemini => Some("https://generativelanguage.googleapis.com"),
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Ollama => Some("http://127.0.0.1:11434"),
            Self::OpenAiCompatible | Self::Offline => None,
        }
    }

    /// What to set before it can be used.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Gemini => "set GEMINI_API_KEY",
            Self::OpenAi => "set OPENAI_API_KEY",
            Self::Anthropic => "set ANTHROPIC_API_KEY",
            Self::Ollama => "set OLLAMA_BASE_URL",
            Self::OpenAiCompatible => {
                "set OPENAI_COMPATIBLE_BASE_URL (and OPENAI_COMPATIBLE_API_KEY where the server wants one) and name a model"
            }
            Self::Offline => "it needs nothing",
        }
    }

    /// Model of a call that names none; empty where only the operator can know.
    pub const fn default_model(self) -> &'static str {
        match self {
            Self::Gemini => "gemini-3.5-flash-lite",
            Self::OpenAi => "gpt-5-mini",
            Self::Anthropic => "claude-sonnet-5-5",
            Self::Ollama => "qwen2.5-coder:7b",
            Self::OpenAiCompatible => "",
            Self::Offline => "offline",
        }
    }

    /// Models offered to choose from. Others may be named as long as their price is known.
    pub const fn models(self) -> &'static [&'static str] {
        match self {
            Self::Gemini => &[
                "gemini-3.5-flash-lite",
                "gemini-3.5-flash",
                "gemini-3.1-pro-preview",
                "gemini-2.5-flash",
                "gemini-2.5-pro",
            ],
            Self::OpenAi => &[
                "gpt-5-mini",
                "gpt-5.6-luna",
                "gpt-5.6-terra",
                "gpt-5.4",
                "gpt-4.1",
                "gpt-4o-mini",
            ],
            Self::Anthropic => {
                &["claude-sonnet-5-5", "claude-opus-5-5", "claude-sonnet-4-5", "claude-haiku-4-5"]
            }
            Self::Ollama => &["qwen2.5-coder:7b", "llama3.1:8b", "mistral", "codellama:7b"],
            Self::OpenAiCompatible => &[],
            Self::Offline => &["offline"],
        }
    }

    pub(crate) const fn deadline(self, limits: &Limits) -> Duration {
        match self {
            Self::Ollama => limits.ollama_deadline,
            Self::Offline => limits.offline_deadline,
            _ => limits.deadline,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = LlmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == text)
            .ok_or_else(|| LlmError::NoSuchProvider(crate::error::shorten(text, 60)))
    }
}

/// One line of the list of providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// Id, for example `gemini`.
    pub id: &'static str,
    /// What a person reads, for example `Google Gemini`.
    pub name: &'static str,
    /// Default model first.
    pub models: Vec<String>,
    pub requires_api_key: bool,
    /// Whether a call could be made: key and address are there. Says nothing about reachability.
    pub configured: bool,
    /// List price of 1,000 output tokens of the default model, in US dollars; none where unknown.
    pub cost_per_1k: Option<Decimal>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for provider in Provider::ALL {
            assert_eq!(provider.as_str().parse::<Provider>().unwrap(), provider);
            assert!(
                provider.models().first().copied().unwrap_or_default() == provider.default_model(),
                "{provider}: the default model is offered first"
            );
        }
        let error = "foo".parse::<Provider>().unwrap_err();
        assert!(matches!(&error, LlmError::NoSuchProvider(name) if name == "foo"), "{error}");
    }
}
