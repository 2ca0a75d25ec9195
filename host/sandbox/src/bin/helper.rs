//! The helper program of this crate's tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    gencode_sandbox::helper_main(std::env::args_os().skip(1))
}
