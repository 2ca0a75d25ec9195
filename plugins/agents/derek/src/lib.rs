//! Derek writes and repairs the code of both ends.

use gencode_crew::{Expects, Mode, Persona, Wit};
use gencode_plugin_sdk::{
    agent::{Agent, AgentAnswer, AgentRequest, Description},
    export_agent,
    types::Fault,
};

const DEREK: Persona = Persona {
    id: "derek",
    name: "Derek",
    summary: "Full-stack developer: writes and repairs back end and front end.",
    character: include_str!("prompts/persona.md"),
    modes: &[
        Mode {
            name: "frontend_mock",
            task: include_str!("prompts/frontend_mock.md"),
            expects: Expects::Files(&[]),
            temperature: 0.4,
        },
        Mode {
            name: "backend_implementation",
            task: include_str!("prompts/backend_implementation.md"),
            expects: Expects::Files(&[]),
            temperature: 0.15,
        },
        Mode {
            name: "backend_tests",
            task: include_str!("prompts/backend_tests.md"),
            expects: Expects::Files(&[]),
            temperature: 0.1,
        },
        Mode {
            name: "backend_fix",
            task: include_str!("prompts/backend_fix.md"),
            expects: Expects::Files(&[]),
            temperature: 0.1,
        },
        Mode {
            name: "frontend_integration",
            task: include_str!("prompts/frontend_integration.md"),
            expects: Expects::Files(&[]),
            temperature: 0.1,
        },
        Mode {
            name: "refine",
            task: include_str!("prompts/refine.md"),
            expects: Expects::Changes,
            temperature: 0.25,
        },
    ],
};

struct Derek;

impl Agent for Derek {
    fn describe() -> Description {
        DEREK.describe()
    }

    fn run(request: AgentRequest) -> Result<AgentAnswer, Fault> {
        DEREK.respond(&Wit, &request)
    }
}

export_agent!(Derek);

#[cfg(test)]
mod tests;
