//! The end of a step: everything it leaves, in one transaction.

use gencode_core::{
    crash_around,
    digest::Digest,
    event::EventBody,
    project::{IllegalTransition, ProjectStatus},
    run::{RunStatus, StepStatus},
};
use serde_json::Value;

use crate::{
    BaseEntry, Document, Lease, NewCheckpoint, Result, Store, StoreError, row::to_json, sql::sql,
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
    /// How this try of the step ended, for its journal ([`END`]); none where nothing was called.
    pub end: Option<Value>,
    pub events: Vec<EventBody>,
}

/// The step that begins with the end of another.
#[derive(Debug, Clone, PartialEq)]
pub struct NextStep {
    pub step: String,
    /// What its try begins from.
    pub base: BaseEntry,
}

/// Position in the journal of how a try ended.
pub const END: &str = "@end";

impl Store {
    /// Ends a step: its row, documents, checkpoint and events, all or nothing.
    pub async fn commit_step(&self, lease: &Lease, commit: &StepCommit) -> Result<()> {
        self.commit_step_and_begin(lease, commit, None, |_| Vec::new()).await.map(drop)
    }

    /// Ends a step and begins the next one, in the same transaction: [`Self::commit_step`], then
    /// [`Self::begin_step`] of `next`. Returns the number of its try; none when it cannot begin,
    /// which loses nothing.
    pub async fn commit_step_and_begin(
        &self,
        lease: &Lease,
        commit: &StepCommit,
        next: Option<NextStep>,
        events: impl FnOnce(u32) -> Vec<EventBody> + Send,
    ) -> Result<Option<u32>> {
        let around = crash_around!("store.step.commit");
        let (name, base) = next.map(|next| (next.step, next.base)).unzip();
        let (mut write, project, step, next) =
            self.write_to_steps(around, lease, &commit.step, name.as_deref()).await?;
        if !step.status.may_become(commit.status) || commit.status == StepStatus::Running {
            return Err(illegal(step.status, commit.status));
        }
        let report = to_json(&commit.report)?;
        if let Some(end) = &commit.end {
            let digest = Digest::of(to_json(end)?.as_bytes());
            write.insert_mark(lease.run, &step, END, digest, end.clone())?;
        }
        let finished = commit.status.is_final().then(|| write.now_text());
        write.later(
            sql("UPDATE steps SET status = $3, reason = $4, report = $5, finished_at = $6 \
                 WHERE run = $1 AND step = $2")
            .bind(lease.run.to_string())
            .bind(commit.step.clone())
            .bind(commit.status.as_str())
            .bind(commit.reason.clone())
            .bind(report)
            .bind(finished),
        );
        for document in &commit.documents {
            write.put_document(lease.run, &commit.step, document);
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
        let next = next.filter(|next| next.status.may_become(StepStatus::Running));
        let attempt = next.map(|next| write.start_step(lease.run, &next, base)).transpose()?;
        let mut bodies = commit.events.clone();
        bodies.extend(attempt.map(events).into_iter().flatten());
        write.append_events(&project, Some(lease.run), bodies).await?;
        write.commit().await?;
        Ok(attempt)
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
        let (mut write, _) = self.write_as_owner(crash_around!("store.run.finish"), lease).await?;
        let run = write.run(lease.run).await?;
        if !status.is_final() {
            let (from, to) = (run.status.as_str(), status.as_str());
            return Err(IllegalTransition { what: "run that ends and", from, to }.into());
        }
        write.end_run(&run, status, reason, events).await?;
        write.commit().await
    }
}
