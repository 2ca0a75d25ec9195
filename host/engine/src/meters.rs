//! Counts of what the engine has done since its host began, for `/metrics`.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::Engine;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepEnded {
    step: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    /// The provider or the plugin.
    name: String,
    outcome: &'static str,
}

/// All counts. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    runs: Family<Ended, Counter>,
    steps: Family<StepEnded, Counter>,
    model_calls: Family<Called, Counter>,
    plugin_calls: Family<Called, Counter>,
}

impl Meters {
    pub(crate) fn run_ended(&self, status: &'static str) {
        self.runs.get_or_create(&Ended { status }).inc();
    }

    pub(crate) fn step_ended(&self, step: &str, status: &'static str) {
        self.steps.get_or_create(&StepEnded { step: step.to_owned(), status }).inc();
    }

    pub(crate) fn model_called(&self, provider: &str, went_well: bool) {
        self.model_calls.get_or_create(&called(provider, went_well)).inc();
    }

    pub(crate) fn plugin_called(&self, plugin: &str, went_well: bool) {
        self.plugin_calls.get_or_create(&called(plugin, went_well)).inc();
    }
}

fn called(name: &str, went_well: bool) -> Called {
    Called { name: name.to_owned(), outcome: if went_well { "ok" } else { "fault" } }
}

impl Engine {
    /// Adds the engine's counts to those a host shows.
    pub fn register_meters(&self, registry: &mut Registry) {
        let Meters { runs, steps, model_calls, plugin_calls } = self.0.meters.clone();
        registry.register("runs_ended", "Runs that ended on this host", runs);
        registry.register("steps_ended", "Tries of steps that ended on this host", steps);
        registry.register("model_calls", "Calls of models by this host", model_calls);
        registry.register("plugin_calls", "Calls of plugins by this host", plugin_calls);
    }
}
