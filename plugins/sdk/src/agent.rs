//! Writing an agent: implement [`Agent`], end with [`export_agent!`](crate::export_agent).

use crate::types::Fault;

pub use crate::bindings::gencode::plugin::{
    agent_types::{
        AgentAnswer, AgentDescription as Description, AgentRequest, Answer, Authored, Correction,
        Diagnosis, Verdict,
    },
    clock, config, llm, memory, random, workspace_read,
};

#[doc(hidden)]
pub mod bindings {
    //! The world `agent`.
    #![expect(clippy::same_length_and_capacity, reason = "generated code")]

    wit_bindgen::generate!({
        path: "../../wit",
        world: "gencode:plugin/agent",
        pub_export_macro: true,
        default_bindings_module: "gencode_plugin_sdk::agent::bindings",
        with: {
            "gencode:plugin/types@0.1.0": crate::bindings::gencode::plugin::types,
            "gencode:plugin/log@0.1.0": crate::bindings::gencode::plugin::log,
            "gencode:plugin/agent-types@0.1.0": crate::bindings::gencode::plugin::agent_types,
            "gencode:plugin/llm@0.1.0": crate::bindings::gencode::plugin::llm,
            "gencode:plugin/workspace-read@0.1.0": crate::bindings::gencode::plugin::workspace_read,
            "gencode:plugin/memory@0.1.0": crate::bindings::gencode::plugin::memory,
            "gencode:plugin/clock@0.1.0": crate::bindings::gencode::plugin::clock,
            "gencode:plugin/random@0.1.0": crate::bindings::gencode::plugin::random,
            "gencode:plugin/config@0.1.0": crate::bindings::gencode::plugin::config,
        },
    });
}

/// A persona: builds prompts, asks the model, understands the answer.
pub trait Agent {
    /// Who it is and which modes it understands.
    fn describe() -> Description;
    /// Answers one request.
    fn run(request: AgentRequest) -> Result<AgentAnswer, Fault>;
}

/// Makes a type that implements [`Agent`] the agent of this component.
#[macro_export]
macro_rules! export_agent {
    ($plugin:ty) => {
        const _: () = {
            struct Export;
            impl $crate::agent::bindings::Guest for Export {
                fn describe() -> $crate::agent::Description {
                    $crate::panics::report();
                    <$plugin as $crate::agent::Agent>::describe()
                }
                fn run(
                    request: $crate::agent::AgentRequest,
                ) -> ::core::result::Result<$crate::agent::AgentAnswer, $crate::types::Fault>
                {
                    $crate::panics::report();
                    <$plugin as $crate::agent::Agent>::run(request)
                }
            }
    $crate::agent::bindings::export!(Export with_types_in $crate::agent::bindings);
        };
    };
}
