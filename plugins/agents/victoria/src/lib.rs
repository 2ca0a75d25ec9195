//! Victoria designs the architecture and the look.

use gencode_crew::{Expects, Mode, Persona, Wit};
use gencode_plugin_sdk::{
    agent::{Agent, AgentAnswer, AgentRequest, Description},
    export_agent,
    types::Fault,
};

const VICTORIA: Persona = Persona {
    id: "victoria",
    name: "Victoria",
    summary: "Architect: turns an intent into a design with tokens for its look.",
    character: include_str!("prompts/persona.md"),
    modes: &[Mode {
        name: "architecture",
        task: include_str!("prompts/architecture.md"),
        expects: Expects::Files(&[]),
        temperature: 0.3,
    }],
};

struct Victoria;

impl Agent for Victoria {
    fn describe() -> Description {
        VICTORIA.describe()
    }

    fn run(request: AgentRequest) -> Result<AgentAnswer, Fault> {
        VICTORIA.respond(&Wit, &request)
    }
}

export_agent!(Victoria);

#[cfg(test)]
mod tests;
