//! What a try of a step began from, and how it ended, as the journal keeps both.

use std::collections::BTreeMap;

use gencode_core::{
    digest::Digest,
    path::WorkspacePath,
    pipeline::Step,
    run::{Run, RunKind},
};
use gencode_runtime::types::{Document, Fault, Outcome};
use gencode_store::{BaseEntry, END, StepCommit, Store, StoreError};
use gencode_workspace::Change;
use serde::{Deserialize, Serialize};

use crate::{Inner, convert, scope::Work};

/// What a try of a step began from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) manifest: Digest,
    /// Names of the documents earlier steps had left.
    pub(crate) documents: Vec<String>,
    /// What these documents were, in the same order. Journals before this field have none.
    #[serde(default)]
    pub(crate) digests: Vec<Digest>,
    /// The step as the pipeline had it.
    #[serde(default)]
    pub(crate) step: Option<Step>,
}

impl Base {
    /// What a try that begins now begins from.
    pub(crate) fn now(
        manifest: Digest,
        documents: &[gencode_store::Document],
        step: &Step,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            manifest,
            documents: documents.iter().map(|document| document.name.clone()).collect(),
            digests: documents.iter().map(digest_of).collect::<Result<_, _>>()?,
            step: Some(step.clone()),
        })
    }
}

/// What a try that begins now begins from, with the documents that are there.
pub(crate) struct Fresh {
    pub(crate) base: Base,
    pub(crate) newest: Vec<gencode_store::Document>,
}

impl Fresh {
    /// What is there now.
    pub(crate) async fn now(engine: &Inner, run: &Run, step: &Step) -> Result<Self, BaseError> {
        let newest = visible(&engine.store, run).await?;
        let manifest = engine.head(&run.project).await?;
        Ok(Self { base: Base::now(manifest, &newest, step)?, newest })
    }

    /// What will be there when the end of another step is committed: its files, if it has any, and
    /// its documents.
    pub(crate) async fn after(
        engine: &Inner,
        run: &Run,
        step: &Step,
        commit: &StepCommit,
    ) -> Result<Self, BaseError> {
        let mut newest = visible(&engine.store, run).await?;
        newest.retain(|known| commit.documents.iter().all(|document| document.name != known.name));
        newest.extend(commit.documents.iter().cloned());
        // As the store has them.
        newest.sort_by(|one, other| one.name.cmp(&other.name));
        let manifest = match &commit.checkpoint {
            Some(checkpoint) => checkpoint.manifest,
            None => engine.head(&run.project).await?,
        };
        Ok(Self { base: Base::now(manifest, &newest, step)?, newest })
    }

    /// As its journal keeps it.
    pub(crate) fn entry(&self) -> Result<BaseEntry, BaseError> {
        let value = serde_json::to_value(&self.base)?;
        Ok(BaseEntry { manifest: self.base.manifest, value })
    }
}

/// How a try of a step ended, before anything of it met what others did meanwhile. Two tries that
/// are the same end the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    /// What the handler answered. A call that ended badly is a fault `plugin-…`.
    pub(crate) outcome: Result<Outcome, Fault>,
    /// Why the host did not take its work, if it did not.
    pub(crate) refused: Option<Fault>,
    /// Digests of the staged files; none for one that was removed.
    pub(crate) files: BTreeMap<WorkspacePath, Option<Digest>>,
    pub(crate) documents: Vec<Document>,
}

impl End {
    pub(crate) fn of(outcome: Result<Outcome, Fault>, refused: Option<Fault>, work: Work) -> Self {
        let digest = |change: &Change| match change {
            Change::Put { content } => Some(Digest::of(content.as_bytes())),
            Change::Remove => None,
        };
        let changes = work.overlay.changes().iter();
        let files = changes.map(|(path, change)| (path.clone(), digest(change))).collect();
        Self { outcome, refused, files, documents: work.documents }
    }

    /// Why the try did not complete its step, if it did not.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.outcome.as_ref().err().or(self.refused.as_ref())
    }
}

/// Why the documents a step began with cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a stored value cannot be read")]
    Stored(#[from] serde_json::Error),
    #[error("the document `{0}`, as the step saw it, is no longer kept")]
    Gone(String),
}

/// The documents a try began with, from those [`visible`] now. Where a later step or run replaced
/// one, the end of the try that left it still has it.
pub(crate) async fn documents(
    store: &Store,
    run: &Run,
    base: &Base,
    newest: Vec<gencode_store::Document>,
) -> Result<Vec<Document>, BaseError> {
    let mut older: Option<Vec<Document>> = None;
    let mut found = Vec::with_capacity(base.documents.len());
    for (index, name) in base.documents.iter().enumerate() {
        let wanted = base.digests.get(index).copied();
        let is_it = |document: &&gencode_store::Document| {
            document.name == *name
                && wanted.is_none_or(|wanted| digest_of(document).is_ok_and(|d| d == wanted))
        };
        if let Some(document) = newest.iter().find(is_it) {
            found.push(convert::document(document.clone()));
            continue;
        }
        let older = match &mut older {
            Some(older) => older,
            none => none.insert(left_by_tries(store, run).await?),
        };
        let document = older
            .iter()
            .map(|document| convert::stored_document(document.clone()))
            .find(|document| is_it(&document));
        let document = document.ok_or_else(|| BaseError::Gone(name.clone()))?;
        found.push(convert::document(document));
    }
    Ok(found)
}

/// Documents a step of the run can see now, by name. A refinement sees what the build left.
pub(crate) async fn visible(
    store: &Store,
    run: &Run,
) -> Result<Vec<gencode_store::Document>, StoreError> {
    match run.kind {
        RunKind::Build => store.documents(run.id).await,
        RunKind::Refine { .. } => store.project_documents(&run.project).await,
    }
}

/// Every document that a try of any run of the project left.
async fn left_by_tries(store: &Store, run: &Run) -> Result<Vec<Document>, BaseError> {
    let mut all = Vec::new();
    for entry in store.journal_of_project(&run.project, END).await? {
        all.extend(serde_json::from_value::<End>(entry.reply)?.documents);
    }
    Ok(all)
}

fn digest_of(document: &gencode_store::Document) -> Result<Digest, serde_json::Error> {
    serde_json::to_vec(document).map(|bytes| Digest::of(&bytes))
}
