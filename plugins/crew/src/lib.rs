//! What the agents of the core crew share: the stack they build for, how a prompt is put
//! together, and how an answer is read.
//!
//! **Invariant:** an answer is understood completely or it is a fault; nothing here fills in a
//! verdict, an approval or an intent that a model did not give.

pub mod intent;
pub mod persona;
pub mod prompt;
pub mod reading;

pub use persona::{Expects, Mode, Model, Persona, Wit};
