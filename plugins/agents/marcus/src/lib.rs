//! Marcus leads the crew: analysis, contracts, reviews and diagnoses.

use gencode_crew::{Expects, Mode, Persona, Wit};
use gencode_plugin_sdk::{
    agent::{Agent, AgentAnswer, AgentRequest, Description},
    export_agent,
    types::Fault,
};

const MARCUS: Persona = Persona {
    id: "marcus",
    name: "Marcus",
    summary: "Lead of the crew: analyses requests, fixes contracts, reviews and diagnoses.",
    character: include_str!("prompts/persona.md"),
    modes: &[
        Mode {
            name: "analysis",
            task: include_str!("prompts/analysis.md"),
            expects: Expects::Intent,
            temperature: 0.1,
        },
        Mode {
            name: "contracts",
            task: include_str!("prompts/contracts.md"),
            expects: Expects::Files(&[]),
            temperature: 0.1,
        },
        Mode {
            name: "review",
            task: include_str!("prompts/review.md"),
            expects: Expects::Verdict,
            temperature: 0.1,
        },
        Mode {
            name: "visual_review",
            task: include_str!("prompts/visual_review.md"),
            expects: Expects::Verdict,
            temperature: 0.1,
        },
        Mode {
            name: "diagnosis",
            task: include_str!("prompts/diagnosis.md"),
            expects: Expects::Diagnosis,
            temperature: 0.1,
        },
    ],
};

struct Marcus;

impl Agent for Marcus {
    fn describe() -> Description {
        MARCUS.describe()
    }

    fn run(request: AgentRequest) -> Result<AgentAnswer, Fault> {
        MARCUS.respond(&Wit, &request)
    }
}

export_agent!(Marcus);

#[cfg(test)]
mod tests;
