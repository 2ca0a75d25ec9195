//! One live try of one step: what it recorded before a crash, and who records and tells for it now.

use std::{collections::HashMap, sync::Arc};

use gencode_core::{
    digest::Digest, event::EventBody, ledger::LedgerEntry, pipeline::Step, run::Run,
};
use gencode_llm::IdempotencyKey;
use gencode_runtime::{HostCall, HostFailure, types::HostError};
use gencode_store::{JournalEntry, Lease, StoreError};
use gencode_workspace::ManifestDigest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Inner,
    clock::ExternalTime,
    convert,
    library::PluginSet,
    pure::fatal,
    scope::{Beginning, Scope},
};

/// A try that this host works on. Shared by the handler and every agent it calls.
pub(crate) struct Attempt {
    pub(crate) engine: Arc<Inner>,
    pub(crate) lease: Lease,
    /// What the step sees, and what it has done so far.
    pub(crate) scope: Scope,
    pub(crate) external: ExternalTime,
    recorded: HashMap<String, JournalEntry>,
    /// Handler calls before this one were made before a crash; what they told the user was told.
    replay_before: u64,
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
        let beginning = Beginning {
            run,
            step,
            number,
            plugins,
            base: engine.workspaces.manifest(ManifestDigest(began.manifest)).await?,
            documents: documents.into_iter().map(convert::document).collect(),
        };
        let scope = Scope::new(beginning, Arc::clone(&engine.runtime), engine.workspaces.clone());
        Ok(Self { engine, lease, scope, external, recorded, replay_before })
    }

    /// Tells the user something, once: not again while a crashed try is caught up with.
    pub(crate) async fn tell(&self, seq: u64, body: EventBody) -> Result<(), HostFailure> {
        if seq < self.replay_before {
            return Ok(());
        }
        self.engine
            .store
            .append_events(&self.scope.run.project, Some(self.scope.run.id), vec![body])
            .await
            .map_err(fatal)?;
        Ok(())
    }

    /// Names the call at a position for ever: the same after a crash, and no other call's.
    pub(crate) fn key_of(&self, path: &str) -> IdempotencyKey {
        IdempotencyKey::new(format!(
            "{}/{}/{}/{path}",
            self.scope.run.id, self.scope.step.id, self.scope.number
        ))
    }

    /// The recorded answer of a call, if it was made before.
    pub(crate) fn recorded<T: DeserializeOwned>(
        &self,
        path: &str,
        call: &HostCall,
    ) -> Result<Option<Result<T, HostError>>, HostFailure> {
        let Some(entry) = self.recorded.get(path) else { return Ok(None) };
        if entry.digest != digest_of(call)? {
            let (step, path) = (self.scope.step.id.clone(), path.to_owned());
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
            run: self.scope.run.id,
            step: self.scope.step.id.clone(),
            attempt: self.scope.number,
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
