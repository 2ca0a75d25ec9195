//! Luna writes and repairs the tests of the front end.

use gencode_crew::{Expects, Mode, Persona, Wit};
use gencode_plugin_sdk::{
    agent::{Agent, AgentAnswer, AgentRequest, Description},
    export_agent,
    types::Fault,
};

const LUNA: Persona = Persona {
    id: "luna",
    name: "Luna",
    summary: "Tester: writes and repairs the tests of the front end.",
    character: include_str!("prompts/persona.md"),
    modes: &[
        Mode {
            name: "frontend_tests",
            task: include_str!("prompts/frontend_tests.md"),
            expects: Expects::Files(&[]),
            temperature: 0.15,
        },
        Mode {
            name: "frontend_fix",
            task: include_str!("prompts/frontend_fix.md"),
            expects: Expects::Files(&[]),
            temperature: 0.1,
        },
    ],
};

struct Luna;

impl Agent for Luna {
    fn describe() -> Description {
        LUNA.describe()
    }

    fn run(request: AgentRequest) -> Result<AgentAnswer, Fault> {
        LUNA.respond(&Wit, &request)
    }
}

export_agent!(Luna);

#[cfg(test)]
mod tests;
