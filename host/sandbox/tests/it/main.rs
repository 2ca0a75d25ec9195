//! The sandbox on the real kernel, in one program.

mod accept;
mod common;
mod exec;
mod install;
mod preview;
