//! Seventh step: mounts every router that is there. No model takes part, and running it twice
//! changes nothing.

use gencode_plugin_sdk::{
    export_handler,
    handler::{Description, Handler, Outcome, StepRequest},
    supervise::{
        Host, Wit,
        project::{Card, report},
        wiring,
    },
    types::Fault,
};

const CARD: Card = Card {
    id: "system-integration",
    title: "Wiring",
    performer: "System",
    needs: &[],
    produces: &[],
    writes: &[wiring::REGISTRY],
    leaves: &[wiring::REGISTRY],
};

fn run(host: &impl Host, _step: &StepRequest) -> Result<Outcome, Fault> {
    let modules = wiring::wire(host)?;
    let summary = format!("{} routers are mounted: {}.", modules.len(), modules.join(", "));
    host.say("System", &summary);
    Ok(Outcome::Completed(report(summary, Vec::new(), None)))
}

struct SystemIntegration;

impl Handler for SystemIntegration {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(SystemIntegration);

#[cfg(test)]
mod tests;
