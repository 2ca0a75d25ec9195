//! Writing a handler: implement [`Handler`], end with [`export_handler!`](crate::export_handler).

use crate::types::Fault;

pub use crate::bindings::gencode::plugin::{
    agent_types::{AgentAnswer, AgentRequest, Answer, Authored, Correction, Diagnosis, Verdict},
    agents, ask_user, clock, config, context,
    handler_types::{HandlerDescription as Description, Outcome, StepReport, StepRequest},
    llm, memory, progress, random, sandbox,
    validator_types::CheckReport,
    validators, workspace_read, workspace_write,
};

#[doc(hidden)]
pub mod bindings {
    //! The world `handler`.
    #![expect(clippy::same_length_and_capacity, reason = "generated code")]

    wit_bindgen::generate!({
        path: "../../wit",
        world: "gencode:plugin/handler",
        pub_export_macro: true,
        default_bindings_module: "gencode_plugin_sdk::handler::bindings",
        with: {
            "gencode:plugin/types@0.1.0": crate::bindings::gencode::plugin::types,
            "gencode:plugin/log@0.1.0": crate::bindings::gencode::plugin::log,
            "gencode:plugin/agent-types@0.1.0": crate::bindings::gencode::plugin::agent_types,
            "gencode:plugin/handler-types@0.1.0": crate::bindings::gencode::plugin::handler_types,
            "gencode:plugin/validator-types@0.1.0": crate::bindings::gencode::plugin::validator_types,
            "gencode:plugin/llm@0.1.0": crate::bindings::gencode::plugin::llm,
            "gencode:plugin/workspace-read@0.1.0": crate::bindings::gencode::plugin::workspace_read,
            "gencode:plugin/workspace-write@0.1.0": crate::bindings::gencode::plugin::workspace_write,
            "gencode:plugin/agents@0.1.0": crate::bindings::gencode::plugin::agents,
            "gencode:plugin/validators@0.1.0": crate::bindings::gencode::plugin::validators,
            "gencode:plugin/sandbox@0.1.0": crate::bindings::gencode::plugin::sandbox,
            "gencode:plugin/progress@0.1.0": crate::bindings::gencode::plugin::progress,
            "gencode:plugin/ask-user@0.1.0": crate::bindings::gencode::plugin::ask_user,
            "gencode:plugin/context@0.1.0": crate::bindings::gencode::plugin::context,
            "gencode:plugin/memory@0.1.0": crate::bindings::gencode::plugin::memory,
            "gencode:plugin/clock@0.1.0": crate::bindings::gencode::plugin::clock,
            "gencode:plugin/random@0.1.0": crate::bindings::gencode::plugin::random,
            "gencode:plugin/config@0.1.0": crate::bindings::gencode::plugin::config,
        },
    });
}

/// One step of the pipeline: gathers inputs, calls agents and tools, stages outputs.
pub trait Handler {
    /// What the step needs, leaves and may write.
    fn describe() -> Description;
    /// Does the step. On a fault nothing that was staged is committed.
    fn run(request: StepRequest) -> Result<Outcome, Fault>;
}

/// Makes a type that implements [`Handler`] the handler of this component.
#[macro_export]
macro_rules! export_handler {
    ($plugin:ty) => {
        const _: () = {
            struct Export;
            impl $crate::handler::bindings::Guest for Export {
                fn describe() -> $crate::handler::Description {
                    $crate::panics::report();
                    <$plugin as $crate::handler::Handler>::describe()
                }
                fn run(
                    request: $crate::handler::StepRequest,
                ) -> ::core::result::Result<$crate::handler::Outcome, $crate::types::Fault>
                {
                    $crate::panics::report();
                    <$plugin as $crate::handler::Handler>::run(request)
                }
            }
    $crate::handler::bindings::export!(Export with_types_in $crate::handler::bindings);
        };
    };
}
