//! The rules of the host, as plain data and plain functions.
//!
//! **Invariant:** nothing here can fail because of the outside world: no clock, no randomness,
//! no I/O, no async. *Checked by `tests/it/tidy.rs`: it depends on no crate that has any.*

pub mod access;
pub mod crash;
pub mod digest;
pub mod event;
pub mod glob;
pub mod id;
pub mod ledger;
pub mod path;
pub mod pipeline;
pub mod plugin;
pub mod project;
pub mod request;
pub mod run;
pub mod time;
