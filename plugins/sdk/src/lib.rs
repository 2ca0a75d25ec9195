//! What an author of a `GenCode` plugin needs.
//!
//! A plugin enables one of the features `agent`, `handler` or `validator`, implements the trait of
//! the module of that name and ends with its `export_…!` line. Records are the same types in every
//! module: [`types::File`] is what a validator checks and what a handler stages.

mod bindings {
    //! Every interface of the contract, generated once. The worlds refer to these.
    #![expect(clippy::same_length_and_capacity, reason = "generated code")]

    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package gencode:sdk;
            world shared {
                import gencode:plugin/types@0.1.0;
                import gencode:plugin/log@0.1.0;
                import gencode:plugin/validator-types@0.1.0;
                import gencode:plugin/agent-types@0.1.0;
                import gencode:plugin/handler-types@0.1.0;
                import gencode:plugin/llm@0.1.0;
                import gencode:plugin/workspace-read@0.1.0;
                import gencode:plugin/workspace-write@0.1.0;
                import gencode:plugin/agents@0.1.0;
                import gencode:plugin/validators@0.1.0;
                import gencode:plugin/sandbox@0.1.0;
                import gencode:plugin/progress@0.1.0;
                import gencode:plugin/ask-user@0.1.0;
                import gencode:plugin/context@0.1.0;
                import gencode:plugin/memory@0.1.0;
                import gencode:plugin/clock@0.1.0;
                import gencode:plugin/random@0.1.0;
                import gencode:plugin/config@0.1.0;
            }
        ",
        world: "shared",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Clone, serde::Serialize, serde::Deserialize],
    });
}

pub mod answer;
pub mod document;
pub mod finding;
pub mod glob;
pub mod log;
pub mod nesting;
#[doc(hidden)]
pub mod panics;
pub mod testing;

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "handler")]
pub mod handler;
#[cfg(feature = "handler")]
pub mod supervise;
#[cfg(feature = "validator")]
pub mod validator;

pub use bindings::gencode::plugin::types;

/// The example of the authors' page, compiled as it stands there.
#[cfg(all(doctest, feature = "validator"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
