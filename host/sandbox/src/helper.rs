//! The separate process that confines a program, starts it and buries what it leaves.

use std::{ffi::OsString, process::ExitCode};

/// Runs the helper. The binary calls it for its hidden subcommand, first thing in `main`: the
/// kernel gives new namespaces only to a process with a single thread.
pub fn helper_main(_args: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}
