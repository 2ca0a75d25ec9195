//! An instruction that is carried out while its sender waits.

use std::time::Duration;

use gencode_core::{
    event::EventBody,
    id::{ProjectId, RunId},
    run::RunStatus,
};
use gencode_workspace::ManifestDigest;
use tokio::time::Instant;

use crate::{Engine, EngineError, Said, control::Key};

/// Events read at once.
const BATCH: u32 = 500;

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
    /// the answer says that it still goes on, which it does.
    pub async fn apply(
        &self,
        id: &ProjectId,
        instruction: &str,
        limit: Duration,
        key: Key<'_>,
    ) -> Result<Applied, EngineError> {
        let mut seen = self.0.store.last_seq(id).await?;
        let before = self.0.store.latest_checkpoint(id).await?;
        let mut news = self.watch(id);
        if self.say_once(id, instruction, key).await? != Said::Refining {
            return Err(EngineError::Busy(format!(
                "project `{id}` was not waiting for a change: your words let its run go on instead"
            )));
        }
        let run = self.0.store.runs_of(id, 1).await?.into_iter().next();
        let run = run.ok_or(EngineError::Unavailable)?.id;
        let deadline = Instant::now() + limit;
        let mut rationale = String::new();
        let run = loop {
            let events = self.events_after(id, seen, BATCH).await?;
            for event in events.iter().filter(|event| event.run == Some(run)) {
                if let EventBody::StepFinished { summary, .. } = &event.body
                    && !summary.is_empty()
                    && rationale.is_empty()
                {
                    rationale.clone_from(summary);
                }
            }
            if let Some(last) = events.last() {
                seen = last.seq;
                continue;
            }
            let now = self.0.store.run(run).await?;
            if now.status.is_final() {
                break now;
            }
            let waited = tokio::time::timeout_at(deadline, news.changed()).await;
            match waited {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(EngineError::Unavailable),
                Err(_) => {
                    return Err(EngineError::Busy(format!(
                        "the change goes on as run {run}; ask for it again later"
                    )));
                }
            }
        };
        if run.status != RunStatus::Completed {
            let (status, reason) = (run.status.as_str(), run.reason);
            return Err(EngineError::Busy(format!("run {} is {status}: {reason}", run.id)));
        }
        let after = self.0.newest_checkpoint(id).await?;
        let after = self.0.workspaces.manifest(ManifestDigest(after.manifest)).await?;
        let changed = match before {
            Some(before) => {
                let before = self.0.workspaces.manifest(ManifestDigest(before.manifest)).await?;
                before.changed_paths(&after).iter().map(ToString::to_string).collect()
            }
            None => after.paths().map(ToString::to_string).collect(),
        };
        Ok(Applied { run: run.id, changed, rationale })
    }
}
