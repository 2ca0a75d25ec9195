//! The runtime from outside, with real components. One binary, because linking Wasmtime is slow.

#[path = "../../../../tests/guests/guests.rs"]
mod guests;
mod support;

mod build;
mod capabilities;
mod hostile;
mod load;
mod wasi;
