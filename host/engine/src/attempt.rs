//! One try of one step: the view of the project it works on, what it recorded before a crash, and
//! what it leaves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gencode_core::{
    digest::Digest,
    event::EventBody,
    ledger::LedgerEntry,
    pipeline::Step,
    run::{Run, RunKind},
};
use gencode_llm::IdempotencyKey;
use gencode_runtime::{
    HostCall, HostFailure,
    types::{Document, HostError, RunContext},
};
use gencode_store::{JournalEntry, Lease, StoreError};
use gencode_workspace::{GlobSet, Manifest, ManifestDigest, Overlay, WriteRules};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Inner, clock::ExternalTime, convert, library::PluginSet};

/// Shared by the handler and every agent and validator it calls.
pub(crate) struct Attempt {
    pub(crate) engine: Arc<Inner>,
    pub(crate) lease: Lease,
    pub(crate) run: Arc<Run>,
    pub(crate) step: Step,
    /// From 1.
    pub(crate) number: u32,
    pub(crate) plugins: Arc<PluginSet>,
    /// The project as it was when the step began; the same after a restart.
    pub(crate) base: Arc<Manifest>,
    /// The documents that were there when the step began; what steps beside it leave meanwhile is
    /// not seen, so that a restart sees the same.
    pub(crate) documents: Vec<Document>,
    pub(crate) external: ExternalTime,
    work: Mutex<Work>,
    recorded: HashMap<String, JournalEntry>,
    /// Handler calls before this one were made before a crash; what they told the user was told.
    replay_before: u64,
}

/// What the step has done so far. Nothing of it is in the project yet.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) overlay: Overlay,
    pub(crate) documents: Vec<Document>,
}

/// A recorded call and the one the guest makes now differ: guests must be deterministic.
#[derive(Debug, thiserror::Error)]
#[error(
    "call {path} of step `{step}` differs from the recorded one: the plugin is not deterministic, or was changed under the run"
)]
pub(crate) struct NonDeterminism {
    step: String,
    path: String,
}

/// Position in the journal that holds what the step began from.
const BASE: &str = "@base";

/// What a try of a step began from.
#[derive(Serialize, Deserialize)]
struct Base {
    manifest: Digest,
    /// Names of the documents earlier steps had left.
    documents: Vec<String>,
}

impl Attempt {
    pub(crate) async fn begin(
        engine: Arc<Inner>,
        lease: Lease,
        run: Arc<Run>,
        step: Step,
        number: u32,
        plugins: Arc<PluginSet>,
        external: ExternalTime,
    ) -> Result<Self, StepFailure> {
        let entries = engine.store.journal_load(run.id, &step.id, number).await?;
        let mut recorded: HashMap<String, JournalEntry> =
            entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let replay_before = recorded
            .keys()
            .filter_map(|path| path.split('/').next()?.parse::<u64>().ok())
            .max()
            .map_or(0, |last| last.saturating_add(1));
        let mut documents = engine.documents(&run).await?;
        let began: Base = if let Some(entry) = recorded.remove(BASE) {
            serde_json::from_value(entry.reply)?
        } else {
            let manifest = engine.head(&run.project).await?;
            let names = documents.iter().map(|document| document.name.clone()).collect();
            let began = Base { manifest, documents: names };
            let entry = JournalEntry {
                run: run.id,
                step: step.id.clone(),
                attempt: number,
                path: BASE.to_owned(),
                digest: manifest,
                call: serde_json::Value::Null,
                reply: serde_json::to_value(&began)?,
                ledger: None,
            };
            engine.store.journal_append(&lease, &entry).await?;
            began
        };
        documents.retain(|document| began.documents.contains(&document.name));
        let base = Arc::new(engine.workspaces.manifest(ManifestDigest(began.manifest)).await?);
        let writes = plugins.handlers.get(&step.handler).map(|handler| &handler.description.writes);
        let rules = WriteRules {
            writes: writes
                .map_or_else(GlobSet::default, |globs| GlobSet::parse(globs).unwrap_or_default()),
            protected: GlobSet::default(),
        };
        let overlay = Overlay::new(Manifest::clone(&base), rules);
        let work = Work { overlay, documents: Vec::new() };
        Ok(Self {
            engine,
            lease,
            run,
            step,
            number,
            plugins,
            base,
            documents: documents.into_iter().map(convert::document).collect(),
            external,
            work: Mutex::new(work),
            recorded,
            replay_before,
        })
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

    /// What the user asked of a refine run; empty elsewhere.
    pub(crate) fn message(&self) -> String {
        match &self.run.kind {
            RunKind::Build => String::new(),
            RunKind::Refine { message } => message.clone(),
        }
    }

    pub(crate) fn work(&self) -> MutexGuard<'_, Work> {
        // A panic while it was locked leaves whole files and documents: still sound to use.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the user something, once: not again while a crashed try is caught up with.
    pub(crate) async fn tell(&self, seq: u64, body: EventBody) -> Result<(), HostFailure> {
        if seq < self.replay_before {
            return Ok(());
        }
        self.engine
            .store
            .append_events(&self.run.project, Some(self.run.id), vec![body])
            .await
            .map_err(fatal)?;
        Ok(())
    }

    /// Names the call at a position for ever: the same after a crash, and no other call's.
    pub(crate) fn key_of(&self, path: &str) -> IdempotencyKey {
        IdempotencyKey::new(format!("{}/{}/{}/{path}", self.run.id, self.step.id, self.number))
    }

    /// The recorded answer of a call, if it was made before.
    pub(crate) fn recorded<T: DeserializeOwned>(
        &self,
        path: &str,
        call: &HostCall,
    ) -> Result<Option<Result<T, HostError>>, HostFailure> {
        let Some(entry) = self.recorded.get(path) else { return Ok(None) };
        if entry.digest != digest_of(call)? {
            let (step, path) = (self.step.id.clone(), path.to_owned());
            return Err(fatal(NonDeterminism { step, path }));
        }
        serde_json::from_value(entry.reply.clone()).map(Some).map_err(fatal)
    }

    /// Records the answer of a call, with what it cost.
    pub(crate) async fn record<T: Serialize>(
        &self,
        path: &str,
        call: &HostCall,
        reply: &Result<T, HostError>,
        ledger: Option<LedgerEntry>,
    ) -> Result<(), HostFailure> {
        let entry = JournalEntry {
            run: self.run.id,
            step: self.step.id.clone(),
            attempt: self.number,
            path: path.to_owned(),
            digest: digest_of(call)?,
            call: summary_of(call),
            reply: serde_json::to_value(reply).map_err(fatal)?,
            ledger,
        };
        self.engine.store.journal_append(&self.lease, &entry).await.map_err(fatal)
    }
}

/// Digest of a call, which is what a replay compares.
pub(crate) fn digest_of(call: &HostCall) -> Result<Digest, HostFailure> {
    serde_json::to_vec(call).map(|bytes| Digest::of(&bytes)).map_err(fatal)
}

/// What the journal shows of a call: its name, and its arguments where they are short. Prompts
/// and files are in the ledger's task and the checkpoints; the digest tells calls apart.
pub(crate) fn summary_of(call: &HostCall) -> serde_json::Value {
    const SHORT: usize = 2048;
    match serde_json::to_value(call) {
        Ok(value) if value.to_string().len() <= SHORT => value,
        Ok(serde_json::Value::Object(map)) => map.keys().next().cloned().into(),
        _ => serde_json::Value::Null,
    }
}

pub(crate) fn fatal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostFailure {
    HostFailure::Fatal(error.into())
}

/// Why the host, and not the plugin, could not go on with a step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepFailure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Files(#[from] gencode_workspace::WorkspaceError),
    #[error("a stored value cannot be read")]
    Stored(#[from] serde_json::Error),
    #[error("the host failed during a plugin call")]
    Call(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StepFailure {
    /// Whether another host owns the run now (or it was stopped): let go without a word.
    pub(crate) fn lost_lease(&self) -> bool {
        match self {
            Self::Store(StoreError::LeaseLost(_)) => true,
            Self::Call(source) => {
                let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
                while let Some(error) = cause {
                    if matches!(error.downcast_ref(), Some(StoreError::LeaseLost(_))) {
                        return true;
                    }
                    cause = error.source();
                }
                false
            }
            _ => false,
        }
    }
}
