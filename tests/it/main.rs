//! Black-box tests: the real binary, real components, real SQLite, real sockets.
//!
//! A test is named as a sentence about behaviour; `audit_*` tests show that a finding of the
//! audits cannot come back (design §11).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::panic,
    reason = "tests fail loudly and see the environment they are given"
)]

mod access;
mod api;
mod audit;
mod author;
mod bad_input;
mod blobs;
mod conflict;
mod control;
mod durability;
mod gate;
mod history;
mod host;
mod hostile;
mod housekeeping;
mod main_job;
mod plugins;
#[expect(dead_code, reason = "shared with other tests")]
mod postgres;
#[path = "../faults/provider.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod provider;
mod replay;
mod schemathesis;
mod surface;
mod telemetry;
mod tidy;
