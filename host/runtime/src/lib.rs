//! Plugins on Wasmtime: the only crate that knows WebAssembly.
//!
//! [`Runtime::load`] turns a component into a [`Plugin`]; `Runtime::call_*` calls it. Whatever a
//! guest wants to have done goes through the one method of [`Host`], which the engine implements.
//!
//! **Invariant:** no guest, however hostile, ends anything but its own call. *Checked by
//! `tests/it/hostile.rs` with the guests of `tests/guests`.*
//!
//! **Invariant:** nothing of one call is visible to another: each has a store of its own, and
//! pooled memory is zeroed. *Checked by `tests/it/hostile.rs`.*

#[doc(hidden)]
pub mod bare;
mod bindings;
mod blocking;
mod cache;
mod call;
mod component;
mod contract;
mod engine;
mod error;
mod host;
mod imports;
mod limits;
mod plugin;
mod runtime;
mod state;
mod time;
mod wasi;

pub mod build;
pub mod types;

pub use call::Call;
pub use component::{MANIFEST_SECTION, MAX_COMPONENT_BYTES, Outline, outline};
pub use engine::{Allocation, Lane};
pub use error::{CallError, LoadError, StartError};
pub use host::{BoxError, Host, HostCall, HostFailure, HostReply, LogLevel, Usage};
pub use limits::{CallLimits, LOG_LINE_BYTES, LOG_LINES, MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS};
pub use plugin::Plugin;
pub use runtime::{Runtime, RuntimeConfig};
