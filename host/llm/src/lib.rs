//! The model gateway: the only door through which the product talks to a language model.
//!
//! [`Gateway`] speaks to `OpenAI`, Anthropic, Gemini, Ollama, anything OpenAI-compatible, and to the
//! built-in [`offline`] model, all behind [`LanguageModel`]. It owns keys, prices, deadlines and
//! retries. It owns no budget: the caller books money in its ledger, and the order is
//!
//! 1. [`LanguageModel::estimate_max_cost`]: what the call may cost at most;
//! 2. [`Reservations::reserve`]: set that much aside, or learn that it does not fit;
//! 3. [`LanguageModel::complete`]: the call, with what the provider really charged;
//! 4. the caller books [`Usage`] in its ledger;
//! 5. [`Guard::settle`] with the ledger's new total (dropping the guard releases it unspent).
//!
//! **Invariant:** a secret is in no `Display`, `Debug` or error of this crate.
//! *Checked by `tests/it/secrets.rs`.*

mod built_in;
pub mod config;
pub mod error;
mod gateway;
mod http;
pub mod offline;
pub mod price;
pub mod provider;
pub mod recorder;
pub mod render;
pub mod request;
pub mod reservation;
pub mod retry;
mod wire;

pub use self::{
    config::{Endpoint, GatewayConfig, Limits, Secret},
    error::LlmError,
    gateway::{Gateway, LanguageModel},
    http::install_crypto,
    price::{Price, PriceTable},
    provider::{Provider, ProviderInfo},
    recorder::{Recorder, RecorderMode},
    request::{Completion, CompletionRequest, IdempotencyKey, Message, Part, Role, Usage},
    reservation::{Guard, Reservations},
};
