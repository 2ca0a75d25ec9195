//! An instruction that is carried out while its sender waits.

use std::time::Duration;

use gencode_core::{
    id::{ProjectId, RunId},
    run::{Run, RunStatus},
};
use gencode_runtime::types::Outcome;
use gencode_workspace::{Manifest, ManifestDigest};
use tokio::time::Instant;

use crate::{
    Engine, EngineError, Said,
    control::{Key, once},
    starts::stored,
};

/// States of the files that are looked through for those of the run.
const STATES: u32 = 1000;

/// What an instruction did.
#[derive(Debug, Clone)]
pub struct Applied {
    pub run: RunId,
    /// Paths of the files that are other than before, sorted.
    pub changed: Vec<String>,
    /// What was done, in words of the one who did it.
    pub rationale: String,
}

impl Engine {
    /// Changes a built application as told by a refinement, and waits for its end. After `limit`
    /// the answer says that it still goes on, which it does. All that is answered is read from what
    /// the run left, so a repeat gets the same.
    pub async fn apply(
        &self,
        id: &ProjectId,
        instruction: &str,
        limit: Duration,
        key: Key<'_>,
    ) -> Result<Applied, EngineError> {
        let mut news = self.watch(id);
        if self.say_once(id, instruction, key).await? != Said::Refining {
            return Err(EngineError::Busy(format!(
                "project `{id}` was not waiting for a change: your words let its run go on instead"
            )));
        }
        let mut run = self.refining(id, instruction, key).await?;
        let deadline = Instant::now() + limit;
        while !run.status.is_final() {
            match tokio::time::timeout_at(deadline, news.changed()).await {
                Ok(Ok(())) => run = self.0.store.run(run.id).await?,
                Ok(Err(_)) => return Err(EngineError::Unavailable),
                Err(_) => {
                    let id = run.id;
                    return Err(EngineError::Busy(format!(
                        "the change goes on as run {id}; ask for it again later"
                    )));
                }
            }
        }
        if run.status != RunStatus::Completed {
            let (status, reason) = (run.status.as_str(), run.reason);
            return Err(EngineError::Busy(format!("run {} is {status}: {reason}", run.id)));
        }
        self.applied(&run).await
    }

    /// The run that the instruction started.
    async fn refining(
        &self,
        id: &ProjectId,
        instruction: &str,
        key: Key<'_>,
    ) -> Result<Run, EngineError> {
        let once = once(key, "said", &(id, instruction));
        let known = self.known(once.as_ref()).await?;
        if let Some(known) = known {
            return Ok(self.0.store.run(stored::<Run>(known.value)?.id).await?);
        }
        let latest = self.0.store.runs_of(id, 1).await?.into_iter().next();
        latest.ok_or(EngineError::Unavailable)
    }

    /// What a run did to the files, and what it says of it.
    async fn applied(&self, run: &Run) -> Result<Applied, EngineError> {
        let states = self.0.store.checkpoints(&run.project, STATES).await?;
        let own = || states.iter().filter(|state| state.run == Some(run.id));
        let changed = match (own().next_back().and_then(|first| first.parent), own().next()) {
            (Some(before), Some(after)) => {
                let before = self.0.store.checkpoint(before).await?;
                let (before, after) = (
                    self.0.workspaces.manifest(ManifestDigest(before.manifest)).await?,
                    self.0.workspaces.manifest(ManifestDigest(after.manifest)).await?,
                );
                paths(&before, &after)
            }
            _ => Vec::new(),
        };
        let steps = self.0.store.steps(run.id).await?;
        let summary =
            steps.into_iter().find_map(|step| match serde_json::from_value(step.report) {
                Ok(Outcome::Completed(report)) if !report.summary.is_empty() => {
                    Some(report.summary)
                }
                _ => None,
            });
        Ok(Applied { run: run.id, changed, rationale: summary.unwrap_or_default() })
    }
}

fn paths(before: &Manifest, after: &Manifest) -> Vec<String> {
    before.changed_paths(after).iter().map(ToString::to_string).collect()
}
