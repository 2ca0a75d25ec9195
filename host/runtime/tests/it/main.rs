//! The runtime from outside, with real components. One binary, because linking Wasmtime is slow.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "the exceptions of `.clippy.toml` do not reach helpers of tests"
)]

#[path = "../../../../tests/guests/guests.rs"]
mod guests;
mod support;

mod build;
mod capabilities;
mod hostile;
mod load;
mod wasi;
