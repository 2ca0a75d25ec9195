//! One live try of one step: what it recorded before a crash, and who records and tells for it now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gencode_core::{
    digest::Digest, event::EventBody, ledger::LedgerEntry, pipeline::Step, run::Run,
};
use gencode_llm::IdempotencyKey;
use gencode_runtime::{HostCall, HostFailure, types::HostError};
use gencode_store::{BASE, CallSite, JournalEntry, Lease, Pause, StoreError};
use gencode_workspace::ManifestDigest;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{
    Inner,
    base::{self, BaseError, Fresh},
    clock::ExternalTime,
    hands::Hand,
    housekeeping::Shortage,
    library::PluginSet,
    patience::{Waits, any_cause, may_pass, wants_space},
    progress::Progress,
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
    /// How this host is told to rest.
    pub(crate) hand: Arc<Hand>,
    recorded: HashMap<String, JournalEntry>,
    /// Calls that may not be made before a moment.
    waiting: HashMap<String, Timestamp>,
    /// Sandbox calls that were answered from the record: this host may lack what they left.
    answered: Mutex<Vec<HostCall>>,
    /// What the step is suspended for.
    pause: Mutex<Option<Pause>>,
    /// Handler calls before this one were made before a crash; what they told the user was told.
    replay_before: u64,
}

/// One step and what it needs of its run.
pub(crate) struct StepWork {
    pub(crate) engine: Arc<Inner>,
    pub(crate) hand: Arc<Hand>,
    pub(crate) run: Arc<Run>,
    pub(crate) plugins: Arc<PluginSet>,
    pub(crate) external: ExternalTime,
    pub(crate) progress: Arc<Progress>,
    pub(crate) step: Step,
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

/// How long an answer is held in memory while the database is away; then the step lets go of it,
/// and the run goes on from what is recorded.
const PATIENCE: Duration = Duration::from_mins(1);

impl Attempt {
    /// Begins try `number`, or takes it up where a host left it: then nothing is `fresh`.
    pub(crate) async fn begin(
        work: &StepWork,
        number: u32,
        fresh: Option<Fresh>,
    ) -> Result<Self, StepFailure> {
        let StepWork { engine, hand, run, plugins, external, step, .. } = work;
        let (engine, run) = (Arc::clone(engine), Arc::clone(run));
        let (recorded, waiting, Fresh { base: began, newest }) = match fresh {
            Some(fresh) => (HashMap::new(), HashMap::new(), fresh),
            None => Self::remembered(work, number).await?,
        };
        let replay_before = recorded
            .keys()
            .filter_map(|path| path.split('/').next()?.parse::<u64>().ok())
            .max()
            .map_or(0, |last| last.saturating_add(1));
        let documents = base::documents(&engine.store, &run, &began, newest).await?;
        let beginning = Beginning {
            run,
            // As it was when the try began, whatever the pipeline says today.
            step: began.step.unwrap_or_else(|| step.clone()),
            number,
            plugins: Arc::clone(plugins),
            base: engine.workspaces.manifest(ManifestDigest(began.manifest)).await?,
            documents,
        };
        let scope = Scope::new(beginning, Arc::clone(&engine.runtime), engine.workspaces.clone());
        Ok(Self {
            engine,
            lease: hand.lease.clone(),
            scope,
            external: external.clone(),
            hand: Arc::clone(hand),
            recorded,
            waiting,
            answered: Mutex::default(),
            pause: Mutex::default(),
            replay_before,
        })
    }

    /// What a try that began before has recorded, which of its calls may not be made yet, and what
    /// it began from.
    async fn remembered(
        work: &StepWork,
        number: u32,
    ) -> Result<(HashMap<String, JournalEntry>, HashMap<String, Timestamp>, Fresh), StepFailure>
    {
        let StepWork { engine, hand, run, step, .. } = work;
        let entries = engine.store.journal_load(run.id, &step.id, number).await?;
        let mut recorded: HashMap<String, JournalEntry> =
            entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let here = |site: &CallSite| site.step == step.id && site.attempt == number;
        let intents = engine.store.intents(run.id).await?;
        let waiting = intents
            .into_iter()
            .filter(|intent| here(&intent.site))
            .filter_map(|intent| Some((intent.site.path, intent.retry_at?)))
            .collect();
        let fresh = if let Some(entry) = recorded.remove(BASE) {
            let base = serde_json::from_value(entry.reply)?;
            Fresh { base, newest: base::visible(&engine.store, run).await? }
        } else {
            // It was about to end without working, or an older host died as it began: nothing of
            // it was done.
            let fresh = Fresh::now(engine, run, step).await?;
            let entry = JournalEntry {
                run: run.id,
                step: step.id.clone(),
                attempt: number,
                path: BASE.to_owned(),
                digest: fresh.base.manifest,
                call: serde_json::Value::Null,
                reply: serde_json::to_value(&fresh.base)?,
                ledger: None,
            };
            engine.store.journal_append(&hand.lease, &entry).await?;
            fresh
        };
        Ok((recorded, waiting, fresh))
    }

    /// Tells the user something, once: not again while a crashed try is caught up with.
    pub(crate) async fn tell(&self, seq: u64, body: EventBody) -> Result<(), HostFailure> {
        if seq < self.replay_before {
            return Ok(());
        }
        self.engine.store.tell(&self.lease, vec![body]).await.map_err(fatal)
    }

    /// Suspends the step; what it waits for is stored when nothing of the run goes on any more. A
    /// person's answer is waited for before a moment.
    pub(crate) fn suspend(&self, pause: Pause) {
        let mut own = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *own = Some(match own.take() {
            Some(earlier) => sooner(earlier, pause),
            None => pause,
        });
    }

    /// What the step is suspended for; none when its host only wants it to rest.
    pub(crate) fn suspended_for(&self) -> Option<Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes that a sandbox call was answered from the record.
    pub(crate) fn note_answered(&self, call: HostCall) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// Sandbox calls that were answered from the record, in order.
    pub(crate) fn answered_from_record(&self) -> Vec<HostCall> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Before when the call at a position may not be made.
    pub(crate) fn waits_until(&self, path: &str) -> Option<Timestamp> {
        self.waiting.get(path).copied()
    }

    /// Where a call is made.
    pub(crate) fn site(&self, path: &str) -> CallSite {
        CallSite {
            run: self.scope.run.id,
            step: self.scope.step.id.clone(),
            attempt: self.scope.number,
            path: path.to_owned(),
        }
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
        self.keep(self.entry(path, call, reply, ledger)?, None).await
    }

    /// Records the answer of a call that was intended; `known` says whether nothing about its cost
    /// is left open.
    pub(crate) async fn settle<T: Serialize>(
        &self,
        path: &str,
        call: &HostCall,
        reply: &Result<T, HostError>,
        ledger: Option<LedgerEntry>,
        known: bool,
    ) -> Result<(), HostFailure> {
        self.keep(self.entry(path, call, reply, ledger)?, Some(known)).await
    }

    fn entry<T: Serialize>(
        &self,
        path: &str,
        call: &HostCall,
        reply: &Result<T, HostError>,
        ledger: Option<LedgerEntry>,
    ) -> Result<JournalEntry, HostFailure> {
        Ok(JournalEntry {
            run: self.scope.run.id,
            step: self.scope.step.id.clone(),
            attempt: self.scope.number,
            path: path.to_owned(),
            digest: digest_of(call)?,
            call: summary_of(call),
            reply: serde_json::to_value(reply).map_err(fatal)?,
            ledger,
        })
    }

    /// Writes an entry, however often the database has to be asked: an answer that is lost is
    /// paid for again.
    async fn keep(&self, entry: JournalEntry, known: Option<bool>) -> Result<(), HostFailure> {
        let store = &self.engine.store;
        let until = Instant::now() + PATIENCE;
        let mut waits = Waits::default();
        let mut unsure = false;
        loop {
            let kept = match known {
                Some(known) => store.journal_settle(&self.lease, &entry, known).await,
                None => store.journal_append(&self.lease, &entry).await,
            };
            match kept {
                Ok(()) => return Ok(()),
                // The connection broke after the commit: what is there is ours.
                Err(StoreError::Conflict(_)) if unsure && self.is_kept(&entry).await? => {
                    return Ok(());
                }
                Err(error) if may_pass(&error) && Instant::now() < until => {
                    tracing::debug!(run = %entry.run, %error, "an answer is kept until it can be recorded");
                    unsure = true;
                    waits.wait().await;
                }
                Err(error) => return Err(fatal(error)),
            }
        }
    }

    async fn is_kept(&self, entry: &JournalEntry) -> Result<bool, HostFailure> {
        let store = &self.engine.store;
        let kept =
            store.journal_load(entry.run, &entry.step, entry.attempt).await.map_err(fatal)?;
        Ok(kept.iter().any(|kept| kept.path == entry.path && kept.reply == entry.reply))
    }
}

/// Which of two pauses goes first: a question, otherwise the earlier moment.
pub(crate) fn sooner(one: Pause, other: Pause) -> Pause {
    match (&one.question, &other.question, one.resume_at, other.resume_at) {
        (Some(_), ..) => one,
        (None, Some(_), ..) => other,
        (None, None, Some(first), Some(second)) if second < first => other,
        (None, None, None, Some(_)) => other,
        _ => one,
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
    #[error(transparent)]
    Began(#[from] BaseError),
    #[error("a stored value cannot be read")]
    Stored(#[from] serde_json::Error),
    #[error("there is no room for another step")]
    NoRoom(#[from] Shortage),
    #[error("the host failed during a plugin call")]
    Call(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StepFailure {
    /// Whether another host owns the run now (or it was stopped): let go without a word.
    pub(crate) fn lost_lease(&self) -> bool {
        self.any_store_error(|error| matches!(error, StoreError::LeaseLost(_)))
    }

    /// Whether the same work may succeed later: the database is away, or storage is full.
    pub(crate) fn may_pass(&self) -> bool {
        self.wants_space() || self.any_store_error(may_pass)
    }

    /// Whether there is no space left.
    pub(crate) fn wants_space(&self) -> bool {
        match self {
            Self::Store(error) | Self::Began(BaseError::Store(error)) => wants_space(error),
            Self::Files(error) => wants_space(error),
            Self::Call(source) => wants_space(source.as_ref()),
            Self::NoRoom(_) => true,
            Self::Began(_) | Self::Stored(_) => false,
        }
    }

    fn any_store_error(&self, fits: impl Fn(&StoreError) -> bool) -> bool {
        match self {
            Self::Store(error) | Self::Began(BaseError::Store(error)) => fits(error),
            Self::Call(source) => {
                any_cause(source.as_ref(), |error| error.downcast_ref().is_some_and(&fits))
            }
            Self::Files(_) | Self::Began(_) | Self::NoRoom(_) | Self::Stored(_) => false,
        }
    }
}
