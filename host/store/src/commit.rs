//! The end of a step: everything it leaves, in one transaction.

use gencode_core::{
    crash_around,
    event::EventBody,
    project::{IllegalTransition, ProjectStatus},
    run::{RunStatus, StepStatus},
};
use serde_json::Value;

use crate::{
    Document, Lease, NewCheckpoint, Result, Store, StoreError, row::to_json, sql::sql,
    steps::illegal,
};

/// What a step leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCommit {
    pub step: String,
    /// `Waiting` puts the step back for another try.
    pub status: StepStatus,
    /// Why it was skipped, failed, blocked or put back; empty otherwise.
    pub reason: String,
    /// The handler's report; null when there is none.
    pub report: Value,
    /// By name, the newest wins.
    pub documents: Vec<Document>,
    /// Refused with [`StoreError::Conflict`] when its parent is not the newest checkpoint any more:
    /// someone saved files meanwhile.
    pub checkpoint: Option<NewCheckpoint>,
    pub events: Vec<EventBody>,
}

impl Store {
    /// Ends a step: its row, documents, checkpoint and events, all or nothing.
    pub async fn commit_step(&self, lease: &Lease, commit: &StepCommit) -> Result<()> {
        let mut write = self.write(crash_around!("store.step.commit")).await?;
        let project = write.hold(lease).await?;
        let from = write.step(lease.run, &commit.step).await?.status;
        if !from.may_become(commit.status) || commit.status == StepStatus::Running {
            return Err(illegal(from, commit.status));
        }
        let report = to_json(&commit.report)?;
        let finished = commit.status.is_final().then(|| write.now_text());
        write
            .execute(
                sql("UPDATE steps SET status = $3, reason = $4, report = $5, finished_at = $6 \
                     WHERE run = $1 AND step = $2 AND status = $7")
                .bind(lease.run.to_string())
                .bind(commit.step.clone())
                .bind(commit.status.as_str())
                .bind(commit.reason.clone())
                .bind(report)
                .bind(finished)
                .bind(from.as_str()),
            )
            .await?;
        for document in &commit.documents {
            write.put_document(lease.run, &commit.step, document).await?;
        }
        if let Some(checkpoint) = &commit.checkpoint {
            if checkpoint.project != project {
                return Err(StoreError::Conflict(format!(
                    "checkpoint {} is of another project",
                    checkpoint.id
                )));
            }
            write.insert_checkpoint(checkpoint).await?;
        }
        // The first step that is done ends the analysis (VALID-001).
        if commit.status.satisfies()
            && write.project_status(&project).await? == ProjectStatus::Analyzing
        {
            write.project_becomes(&project, ProjectStatus::Building).await?;
        }
        write.append_events(&project, Some(lease.run), commit.events.clone()).await?;
        write.commit().await
    }

    /// Ends a run. `Completed` is refused while a step is neither completed nor skipped; otherwise
    /// steps that are still running become failed and those still waiting become blocked.
    pub async fn finish_run(
        &self,
        lease: &Lease,
        status: RunStatus,
        reason: &str,
        events: Vec<EventBody>,
    ) -> Result<()> {
        let mut write = self.write(crash_around!("store.run.finish")).await?;
        write.hold(lease).await?;
        let run = write.run(lease.run).await?;
        if !status.is_final() {
            let (from, to) = (run.status.as_str(), status.as_str());
            return Err(IllegalTransition { what: "run that ends and", from, to }.into());
        }
        write.end_run(&run, status, reason, events).await?;
        write.commit().await
    }
}
