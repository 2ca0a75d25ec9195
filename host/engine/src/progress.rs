//! How far each step of a run is, and which one comes next.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gencode_core::{
    event::EventBody,
    ledger::Budget,
    pipeline::{self, Pipeline, Step},
    run::{Run, StepRecord, StepStatus},
};
use gencode_store::StoreError;

use crate::{Inner, base::Fresh, hands::Hand};

/// A step that began in the transaction that ended another.
pub(crate) struct Next {
    pub(crate) step: String,
    pub(crate) attempt: u32,
    pub(crate) fresh: Fresh,
}

/// Shared by the driver of a run and its steps, which run side by side.
pub(crate) struct Progress {
    pipeline: Arc<Pipeline>,
    status: Mutex<BTreeMap<String, StepStatus>>,
}

impl Progress {
    pub(crate) fn new(pipeline: Arc<Pipeline>, steps: &[StepRecord]) -> Self {
        let status = steps.iter().map(|step| (step.step.clone(), step.status)).collect();
        Self { pipeline, status: Mutex::new(status) }
    }

    fn status(&self) -> MutexGuard<'_, BTreeMap<String, StepStatus>> {
        // A panic while it was locked leaves whole entries: still sound to use.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step as the pipeline has it.
    pub(crate) fn step(&self, id: &str) -> Option<Step> {
        self.pipeline.step(id).cloned()
    }

    pub(crate) fn set(&self, id: &str, status: StepStatus) {
        self.status().insert(id.to_owned(), status);
    }

    /// Steps in such a state, in the order of the pipeline; those it no longer has come last.
    pub(crate) fn with(&self, wanted: fn(StepStatus) -> bool) -> Vec<String> {
        let status = self.status();
        let is = |id: &str| status.get(id).is_some_and(|status| wanted(*status));
        let known = self.pipeline.steps.iter().map(|step| step.id.as_str());
        let others = status.keys().map(String::as_str);
        let others = others.filter(|id| self.pipeline.step(id).is_none());
        known.chain(others).filter(|id| is(id)).map(str::to_owned).collect()
    }

    /// Whether something is left to do.
    pub(crate) fn is_open(&self) -> bool {
        let status = self.status();
        let is_final = |step: &Step| status.get(&step.id).is_some_and(|status| status.is_final());
        !self.pipeline.steps.iter().all(is_final)
    }

    /// What can begin, and what never can.
    pub(crate) fn next(&self) -> pipeline::Next {
        let status = self.status();
        self.pipeline.next(|id| status.get(id).copied().unwrap_or(StepStatus::Waiting))
    }

    /// Takes a step that waits, unless someone else has just taken it.
    pub(crate) fn take(&self, id: &str) -> bool {
        let mut status = self.status();
        let waits = status.get(id).is_none_or(|status| *status == StepStatus::Waiting);
        if waits {
            status.insert(id.to_owned(), StepStatus::Running);
        }
        waits
    }

    /// Takes a step that can begin once `done` is completed: nobody else begins it, unless it is
    /// [given back](Self::give_back).
    fn take_after(&self, done: &str) -> Option<Step> {
        let mut status = self.status();
        let next = self.pipeline.next(|id| match status.get(id) {
            _ if id == done => StepStatus::Completed,
            known => known.copied().unwrap_or(StepStatus::Waiting),
        });
        let step = self.pipeline.step(next.ready.first()?)?;
        status.insert(step.id.clone(), StepStatus::Running);
        Some(step.clone())
    }

    /// The step did not begin after all.
    pub(crate) fn give_back(&self, id: &str) {
        self.set(id, StepStatus::Waiting);
    }

    /// Takes the step that may begin in the transaction that completes `done`, if there is one.
    /// Whoever may not begin now is left to the driver, which says why.
    pub(crate) async fn take_next(
        &self,
        engine: &Inner,
        hand: &Hand,
        run: &Run,
        done: &str,
    ) -> Result<Option<Step>, StoreError> {
        if hand.is_resting() || engine.space.check().await.is_err() {
            return Ok(None);
        }
        let Some(step) = self.take_after(done) else { return Ok(None) };
        match budget_gate(engine, run, &step).await {
            Ok(None) => Ok(Some(step)),
            refused => {
                self.give_back(&step.id);
                refused.map(|_| None)
            }
        }
    }
}

/// What the history says of a try that begins.
pub(crate) fn started(step: &Step, attempt: u32) -> EventBody {
    EventBody::StepStarted {
        step: step.id.clone(),
        title: step.title.clone(),
        performer: step.performer.clone(),
        attempt,
    }
}

/// Whether the budget lets a step begin (domain-rules §2.6). `None`: it does.
pub(crate) async fn budget_gate(
    engine: &Inner,
    run: &Run,
    step: &Step,
) -> Result<Option<(StepStatus, String)>, StoreError> {
    let Some((input, output)) = engine.prices(run) else { return Ok(None) };
    let used_usd = engine.spent_at_worst(run.id).await?;
    let budget = Budget { max_usd: engine.config.max_usd, used_usd };
    let estimate = step.estimate_usd(input, output);
    if budget.allowed_attempts(estimate, step.max_agent_attempts) > 0 {
        return Ok(None);
    }
    let reason = format!(
        "budget exhausted: ${} of ${} are spent, one try costs about ${estimate}",
        used_usd.normalize(),
        budget.max_usd.normalize(),
    );
    let status = if step.skippable { StepStatus::Skipped } else { StepStatus::Failed };
    Ok(Some((status, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_taken_once() {
        let pipeline = Arc::new(Pipeline::parse(crate::BUILD_PIPELINE).unwrap());
        let first = pipeline.steps[0].id.clone();
        let ready = || {
            let progress = Progress::new(Arc::clone(&pipeline), &[]);
            progress.set(&first, StepStatus::Running);
            progress
        };
        let step = ready().take_after(&first).expect("something follows the first step").id;

        let progress = ready();
        assert_eq!(progress.take_after(&first).map(|step| step.id), Some(step.clone()));
        assert!(!progress.take(&step), "its predecessor began it");

        let progress = ready();
        assert!(progress.take(&step));
        assert_ne!(progress.take_after(&first).map(|step| step.id), Some(step.clone()));
        progress.give_back(&step);
        assert!(progress.take(&step), "it did not begin after all");
        progress.set(&step, StepStatus::Completed);
        assert!(!progress.take(&step), "it is done");
    }
}
