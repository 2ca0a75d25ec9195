//! Forks: a run goes on from one of its steps in a project of its own, with another model or
//! another prompt. What was done before that step is taken over and not paid again.

use std::collections::BTreeSet;

use gencode_core::{
    event::EventBody,
    id::{ProjectId, RunId},
    pipeline::Pipeline,
    project::{ForkOrigin, Project, ProjectStatus},
    request,
    run::{Run, RunKind, StepRecord},
};
use gencode_store::{
    BASE, CheckpointAuthor, ForkError, NewCheckpoint, NewFork, StepBase, StepSeed, StoreError,
};
use gencode_workspace::ManifestDigest;
use jiff::Timestamp;

use crate::{Engine, EngineError, base::Base};

/// Tries to find a free id before giving up; each adds 16 random bits.
const ID_TRIES: u32 = 16;

/// Runs of a project that are looked at for one that worked on a step.
const RUNS_LOOKED_AT: u32 = 100;

/// Most characters a name may have.
const MAX_NAME: usize = 100;

/// What is to be forked, and what is to be different.
#[derive(Debug, Clone, Default)]
pub struct ForkRequest {
    /// None for the newest run that worked on the step.
    pub run: Option<RunId>,
    /// The first step that is done anew.
    pub step: String,
    /// None for those of the run.
    pub provider: Option<String>,
    pub model: Option<String>,
    /// The request for the steps that are done anew (for a refinement: the change that is asked
    /// for); none for the run's own.
    pub prompt: Option<String>,
    /// None for one made from the request.
    pub name: Option<String>,
}

/// A new project in the middle of its run.
#[derive(Debug, Clone)]
pub struct Forked {
    pub project: Project,
    /// Waits for a host like any run.
    pub run: Run,
    /// Steps that are done already, in pipeline order.
    pub taken_over: Vec<String>,
}

/// The run whose steps are taken over, and what the step began from there.
struct Source {
    /// The run that was asked for; it may have continued `run`.
    asked: Run,
    run: Run,
    began: StepBase,
    base: Base,
    taken_over: Vec<String>,
}

impl Engine {
    /// Makes a project whose run has done what the other project's run had done when `step` began,
    /// and starts it there. The other project is only read; the fork itself costs nothing.
    ///
    /// What plugins remember about the other project is not taken over: it has no history.
    pub async fn fork(&self, id: &ProjectId, fork: ForkRequest) -> Result<Forked, EngineError> {
        self.0.store.project(id).await?;
        let source = self.source(id, &fork).await?;
        // Before anything is written: the files must be readable, and stay.
        let files = self.0.workspaces.manifest(ManifestDigest(source.base.manifest)).await?;
        self.history().keep(&files, files.paths()).await?;
        let project = self.forked_project(id, &fork, &source)?;
        let new = self.new_fork(&source, &fork, project)?;
        let (mut project, taken_over) = (new.project.clone(), new.taken_over.clone());
        let run = self.store_fork(new).await?;
        self.0.notice(run.id);
        project = self.0.store.project(&run.project).await.unwrap_or(project);
        Ok(Forked { project, run, taken_over })
    }

    async fn source(&self, id: &ProjectId, fork: &ForkRequest) -> Result<Source, EngineError> {
        let step = fork.step.as_str();
        let runs = match fork.run {
            Some(run) => {
                let found = self.0.store.run(run).await?;
                if found.project != *id {
                    return Err(EngineError::NoSuchRun(run));
                }
                vec![found]
            }
            None => self.0.store.runs_of(id, RUNS_LOOKED_AT).await?,
        };
        if runs.is_empty() {
            return Err(EngineError::CannotFork(format!("project `{id}` was never built")));
        }
        let mut known = BTreeSet::new();
        for asked in runs {
            let pipeline = self.0.pipeline(&asked.kind);
            known.extend(pipeline.steps.iter().map(|step| step.id.clone()));
            if pipeline.step(step).is_none() {
                continue;
            }
            let Some(began) = self.0.store.step_base(asked.id, step, BASE).await? else { continue };
            let base: Base = serde_json::from_value(began.value.clone())
                .map_err(|error| EngineError::internal("what a step began from", error))?;
            let run = self.0.store.run(began.run).await?;
            let records = self.0.store.steps(run.id).await?;
            let beyond = self.0.store.steps_beyond(&run, base.manifest, began.at).await?;
            let taken_over = taken_over(&pipeline, &records, step, began.at, &beyond)
                .map_err(EngineError::CannotFork)?;
            return Ok(Source { asked, run, began, base, taken_over });
        }
        if !known.contains(step) {
            let steps = known.into_iter().collect::<Vec<_>>().join("`, `");
            return Err(EngineError::NoSuchStep(format!(
                "there is no step `{step}`; the steps are `{steps}`"
            )));
        }
        Err(EngineError::CannotFork(self.why_not(id, fork).await?))
    }

    /// Says why a step that exists cannot be forked from.
    async fn why_not(&self, id: &ProjectId, fork: &ForkRequest) -> Result<String, EngineError> {
        let project = self.0.store.project(id).await?;
        let step = &fork.step;
        let mut text = format!("step `{step}` was not worked on in project `{id}`");
        if let Some(origin) = project.forked_from {
            text.push_str(&format!(
                ", which was forked from `{}` before step `{}`; steps before that are forked there",
                origin.project, origin.step
            ));
        }
        Ok(text)
    }

    fn forked_project(
        &self,
        id: &ProjectId,
        fork: &ForkRequest,
        source: &Source,
    ) -> Result<Project, EngineError> {
        let (provider, model) = self.model_of(fork, &source.asked)?;
        let description = match (&fork.prompt, &source.run.kind) {
            (Some(prompt), RunKind::Build) => request::check(prompt)?.to_owned(),
            _ => source.run.request.clone(),
        };
        let name = match &fork.name {
            Some(name) => check_name(name)?,
            None => Project::name_of(&description),
        };
        let at = crate::now();
        Ok(Project {
            id: ProjectId::slug_of(fork.name.as_deref().unwrap_or(&description)),
            name,
            description,
            provider: Some(provider),
            model: Some(model),
            status: ProjectStatus::Created,
            created_at: at,
            modified_at: at,
            forked_from: Some(ForkOrigin {
                project: id.clone(),
                run: source.asked.id,
                step: fork.step.clone(),
            }),
        })
    }

    /// Provider and model of the fork; checked where they are not the run's own.
    fn model_of(&self, fork: &ForkRequest, run: &Run) -> Result<(String, String), EngineError> {
        let (provider, model) = match (&fork.provider, &fork.model) {
            (None, None) => return Ok((run.provider.clone(), run.model.clone())),
            (Some(provider), model) => (provider.as_str(), model.as_deref().unwrap_or_default()),
            (None, Some(model)) => (run.provider.as_str(), model.as_str()),
        };
        self.usable(provider, model)?;
        Ok(self.resolved(provider, model))
    }

    fn new_fork(
        &self,
        source: &Source,
        fork: &ForkRequest,
        project: Project,
    ) -> Result<NewFork, EngineError> {
        let kind = match (&fork.prompt, &source.run.kind) {
            (Some(prompt), RunKind::Refine { .. }) => {
                RunKind::Refine { message: request::check(prompt)?.to_owned() }
            }
            (_, kind) => kind.clone(),
        };
        let run = Run {
            id: crate::new_run_id(),
            project: project.id.clone(),
            kind,
            request: project.description.clone(),
            provider: project.provider.clone().unwrap_or_default(),
            model: project.model.clone().unwrap_or_default(),
            generation: self.0.library.active().generation.clone(),
            ..source.run.clone()
        };
        let pipeline = self.0.pipeline(&run.kind);
        let from = &source.asked;
        let note = format!(
            "Forked from {} before `{}`\n\nThe files are as they were when the step began in {}.",
            from.project, fork.step, from.id
        );
        Ok(NewFork {
            steps: pipeline
                .steps
                .iter()
                .zip(0u32..)
                .map(|(step, position)| StepSeed { step: step.id.clone(), position })
                .collect(),
            source: source.run.id,
            taken_over: source.taken_over.clone(),
            documents: source.base.documents.clone(),
            at: source.began.at,
            checkpoint: NewCheckpoint {
                id: crate::new_checkpoint_id(),
                project: project.id.clone(),
                parent: None,
                run: None,
                step: String::new(),
                manifest: source.base.manifest,
                author: CheckpointAuthor::Seed,
                performer: "GenCode".to_owned(),
                note,
            },
            events: vec![EventBody::ProjectForked {
                from: from.project.clone(),
                run: from.id,
                step: fork.step.clone(),
            }],
            project,
            run,
        })
    }

    /// Stores the fork under the first id that is free.
    async fn store_fork(&self, mut new: NewFork) -> Result<Run, EngineError> {
        let slug = new.project.id.clone();
        for _ in 0..ID_TRIES {
            match self.0.store.fork(new.clone()).await {
                Ok(run) => return Ok(run),
                Err(ForkError::IdTaken) => {
                    let id = slug.with_suffix(crate::random_suffix());
                    new.project.id = id.clone();
                    new.run.project = id.clone();
                    new.checkpoint.project = id;
                }
                Err(error @ ForkError::DocumentChanged(_)) => {
                    return Err(EngineError::CannotFork(error.to_string()));
                }
                Err(ForkError::Store(StoreError::Conflict(why))) => {
                    return Err(EngineError::CannotFork(why));
                }
                Err(ForkError::Store(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Busy(format!("no free id was found for a project `{slug}`")))
    }
}

/// Steps that were done when `step` began, in pipeline order. What it needs must be among them.
fn taken_over(
    pipeline: &Pipeline,
    records: &[StepRecord],
    step: &str,
    began: Timestamp,
    beyond: &[String],
) -> Result<Vec<String>, String> {
    let done = |id: &str| {
        let record = records.iter().find(|record| record.step == id);
        record.is_some_and(|record| {
            record.status.satisfies()
                && record.finished_at.is_some_and(|end| end <= began)
                && !beyond.iter().any(|step| step == id)
        })
    };
    let others = pipeline.steps.iter().map(|other| other.id.as_str()).filter(|id| *id != step);
    let taken: Vec<&str> = others.filter(|id| done(id)).collect();
    let mut needed = vec![step];
    let mut checked = BTreeSet::new();
    while let Some(id) = needed.pop() {
        let after = pipeline.step(id).map(|step| step.after.as_slice()).unwrap_or_default();
        for before in after {
            if !taken.contains(&before.as_str()) {
                return Err(format!(
                    "step `{step}` needs `{before}`, which is no longer as it was when it began"
                ));
            }
            if checked.insert(before.as_str()) {
                needed.push(before);
            }
        }
    }
    Ok(taken.into_iter().map(ToOwned::to_owned).collect())
}

fn check_name(name: &str) -> Result<String, EngineError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(EngineError::CannotFork(format!(
            "a name has 1 to {MAX_NAME} characters and no control characters"
        )));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use gencode_core::run::StepStatus;

    use super::*;

    fn record(step: &str, status: StepStatus, end: i64) -> StepRecord {
        let end = Timestamp::from_second(end).unwrap();
        StepRecord {
            step: step.to_owned(),
            position: 0,
            status,
            attempt: 1,
            reason: String::new(),
            report: serde_json::Value::Null,
            started_at: None,
            finished_at: Some(end),
        }
    }

    fn pipeline() -> Pipeline {
        let step = |id: &str, after: &[&str]| {
            format!(
                "[[step]]\nid = \"{id}\"\nhandler = \"h\"\ntitle = \"\"\nperformer = \"\"\nafter = {after:?}\n\
                 turn = 1\nmax-agent-attempts = 1\nmax-output-tokens = 1\nmax-output-tokens-retry = 1\n\
                 deadline-seconds = 1\n"
            )
        };
        let text = [
            step("plan", &[]),
            step("look", &["plan"]),
            step("write", &["plan"]),
            step("test", &["write"]),
        ]
        .concat();
        Pipeline::parse(&text).unwrap()
    }

    #[test]
    fn what_was_done_when_the_step_began_is_taken_over_and_nothing_else() {
        let began = Timestamp::from_second(100).unwrap();
        let done = StepStatus::Completed;
        let records = [
            record("plan", done, 10),
            record("look", StepStatus::Skipped, 99),
            record("write", done, 150),
            record("test", done, 200),
        ];
        let taken = |records: &[StepRecord], beyond: &[String]| {
            taken_over(&pipeline(), records, "write", began, beyond)
        };
        assert_eq!(taken(&records, &[]).unwrap(), ["plan", "look"]);
        // Its files came after the step had begun, whatever the clocks say.
        assert_eq!(taken(&records, &["look".to_owned()]).unwrap(), ["plan"]);
        let late = [record("plan", done, 10), record("look", done, 101)];
        assert_eq!(taken(&late, &[]).unwrap(), ["plan"]);
        let failed = [record("plan", StepStatus::Failed, 10)];
        assert!(taken(&failed, &[]).unwrap_err().contains("`plan`"));
    }
}
