//! What one try of a step sees, and what it has done so far.
//!
//! **Invariant:** nothing here reaches the outside world: no store, model, process or clock. A live
//! try and a replay share it, so that both see the same.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gencode_core::{
    glob::Globs,
    pipeline::Step,
    run::{Run, RunKind},
};
use gencode_runtime::{
    CallLimits, Lane, Plugin, Runtime, Usage,
    types::{Document, RunContext, StepRequest},
};
use gencode_workspace::{Manifest, Overlay, Workspaces, WriteRules};
use serde::Serialize;

use crate::library::PluginSet;

/// Shared by the handler and every agent and validator it calls.
pub(crate) struct Scope {
    pub(crate) run: Arc<Run>,
    pub(crate) step: Step,
    /// Of the try, from 1.
    pub(crate) number: u32,
    pub(crate) plugins: Arc<PluginSet>,
    /// Where the plugins run.
    pub(crate) runtime: Arc<Runtime>,
    /// Where contents of files are read.
    pub(crate) workspaces: Workspaces,
    /// The project as it was when the step began; the same after a restart.
    pub(crate) base: Arc<Manifest>,
    /// The documents that were there when the step began; what steps beside it leave meanwhile is
    /// not seen, so that a restart sees the same.
    pub(crate) documents: Vec<Document>,
    /// What the plugins used up.
    pub(crate) meter: Arc<Meter>,
    work: Mutex<Work>,
}

/// What the step has done so far. Nothing of it is in the project yet.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) overlay: Overlay,
    pub(crate) documents: Vec<Document>,
}

/// Adds up what the calls of each plugin used.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<BTreeMap<String, Used>>);

/// What one plugin used in all its calls together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    pub calls: u32,
    /// About one unit per instruction, the same in every replay; see [`Usage::fuel`].
    pub fuel: u64,
    pub host_calls: u32,
}

impl Meter {
    pub(crate) fn add(&self, plugin: &str, usage: Usage) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.entry(plugin.to_owned()).or_default();
        used.calls = used.calls.saturating_add(1);
        used.fuel = used.fuel.saturating_add(usage.fuel);
        used.host_calls = used.host_calls.saturating_add(usage.host_calls);
    }

    /// By plugin.
    pub(crate) fn read(&self) -> BTreeMap<String, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a step begins with.
pub(crate) struct Beginning {
    pub(crate) run: Arc<Run>,
    pub(crate) step: Step,
    pub(crate) number: u32,
    pub(crate) plugins: Arc<PluginSet>,
    pub(crate) base: Manifest,
    pub(crate) documents: Vec<Document>,
}

impl Scope {
    /// A try that has done nothing yet.
    pub(crate) fn new(beginning: Beginning, runtime: Arc<Runtime>, workspaces: Workspaces) -> Self {
        let Beginning { run, step, number, plugins, base, documents } = beginning;
        let writes = plugins.handlers.get(&step.handler).map(|handler| &handler.description.writes);
        let rules = WriteRules {
            writes: writes.map_or_else(Globs::default, |globs| Globs::only(globs)),
            protected: Globs::default(),
        };
        let base = Arc::new(base);
        let overlay = Overlay::new(Manifest::clone(&base), rules);
        let work = Mutex::new(Work { overlay, documents: Vec::new() });
        let meter = Arc::default();
        Self { run, step, number, plugins, runtime, workspaces, base, documents, meter, work }
    }

    /// The context every guest of this step gets.
    pub(crate) fn context(&self) -> RunContext {
        RunContext {
            project_id: self.run.project.to_string(),
            run_id: self.run.id.to_string(),
            step_id: self.step.id.clone(),
            attempt: self.number,
            request: self.run.request.clone(),
            provider: self.run.provider.clone(),
            model: self.run.model.clone(),
        }
    }

    /// What the handler is asked.
    pub(crate) fn request(&self) -> StepRequest {
        StepRequest {
            context: self.context(),
            max_agent_attempts: self.step.max_agent_attempts,
            max_output_tokens: self.step.max_output_tokens,
            max_output_tokens_retry: self.step.max_output_tokens_retry,
            message: self.message(),
        }
    }

    /// What the user asked of a refine run; empty elsewhere.
    fn message(&self) -> String {
        match &self.run.kind {
            RunKind::Build => String::new(),
            RunKind::Refine { message } => message.clone(),
        }
    }

    /// What one call of a plugin may use up: what it asks for, at most the host's own limits.
    pub(crate) fn limits(&self, plugin: &Plugin) -> CallLimits {
        self.in_lane(Self::asked(plugin))
    }

    /// The limits of the handler: its try has a deadline too.
    pub(crate) fn handler_limits(&self, plugin: &Plugin) -> CallLimits {
        let limits = Self::asked(plugin);
        let deadline = Duration::from_secs(self.step.deadline_seconds.into());
        self.in_lane(CallLimits { deadline: limits.deadline.min(deadline), ..limits })
    }

    fn asked(plugin: &Plugin) -> CallLimits {
        let own = CallLimits::of_kind(plugin.manifest.kind);
        own.asked(plugin.manifest.limits, &own)
    }

    fn in_lane(&self, limits: CallLimits) -> CallLimits {
        match self.runtime.lane() {
            Lane::Production => limits,
            Lane::Lab => limits.in_lab(),
        }
    }

    /// A document an earlier step left or this one put; the newest of its name.
    pub(crate) fn document(&self, name: &str) -> Option<Document> {
        let named = |document: &&Document| document.name == name;
        let put = self.work().documents.iter().find(named).cloned();
        put.or_else(|| self.documents.iter().find(named).cloned())
    }

    /// All documents this step can see, the newest of each name.
    pub(crate) fn all_documents(&self) -> Vec<Document> {
        let mut all = self.work().documents.clone();
        let put = all.len();
        for document in &self.documents {
            if !all.iter().take(put).any(|known| known.name == document.name) {
                all.push(document.clone());
            }
        }
        all
    }

    /// The project as this step sees it.
    pub(crate) fn view(&self) -> Overlay {
        self.work().overlay.clone()
    }

    pub(crate) fn work(&self) -> MutexGuard<'_, Work> {
        // A panic while it was locked leaves whole files and documents: still sound to use.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
