//! Two projects side by side: what became of them, what it took and how their files differ.

use std::collections::{BTreeMap, BTreeSet};

use gencode_core::{
    id::{ProjectId, RunId},
    project::{ForkOrigin, Project, ProjectStatus},
    run::{Run, RunKind, StepRecord, StepStatus},
};
use gencode_runtime::types::{Outcome as HandlerOutcome, StepReport};
use gencode_store::{StoreError, Total};
use gencode_workspace::{FileChange, Manifest};
use serde::Serialize;

use super::{ChangeCounts, History, count};
use crate::{
    EngineError,
    summary::{PluginSummary, TestCounts, Usage, millis_between},
};

/// Two projects side by side.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Comparison {
    pub a: Outcome,
    pub b: Outcome,
    /// Steps of either run, in the order of `a`.
    pub steps: Vec<StepPair>,
    /// From `a` to `b`, as both are now.
    pub files: FilesCompared,
    /// Plugins whose versions differ, or that only one run has: the comparison is then not only
    /// one of models or prompts.
    pub other_plugins: Vec<String>,
}

/// One project of a [`Comparison`].
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Outcome {
    pub project: ProjectId,
    pub name: String,
    pub status: ProjectStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkOrigin>,
    /// The newest run; where the other project was forked from this one, the run it came from.
    /// None where nothing was run.
    pub run: Option<RunOutcome>,
}

/// The run of an [`Outcome`].
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RunOutcome {
    pub id: RunId,
    #[serde(flatten)]
    pub kind: RunKind,
    pub request: String,
    pub provider: String,
    pub model: String,
    pub status: &'static str,
    pub reason: String,
    /// None while it goes on.
    pub duration_ms: Option<u64>,
    /// What this run itself spent; what it took over from another is not in it.
    pub usage: Usage,
    /// By part: `backend`, `frontend`.
    pub tests: BTreeMap<String, TestCounts>,
    /// Whether the application passed its acceptance; none where it was not tried.
    pub accepted: Option<bool>,
    /// Mean of the reviewers' scores, 0 to 10; none where there was no review.
    pub mean_score: Option<f64>,
    pub findings: Findings,
    pub plugins: Vec<PluginSummary>,
}

/// How many remarks reports still have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Findings {
    pub errors: u32,
    pub warnings: u32,
    pub others: u32,
}

/// One step in both runs.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct StepPair {
    pub step: String,
    pub a: Option<StepOutcome>,
    pub b: Option<StepOutcome>,
}

/// One step of a run.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct StepOutcome {
    pub status: StepStatus,
    pub reason: String,
    pub attempts: u32,
    /// None where it did not end.
    pub duration_ms: Option<u64>,
    /// Whether another run did it: then it cost nothing here.
    pub taken_over: bool,
    pub score: Option<u8>,
    pub findings: Findings,
    pub usage: Usage,
}

/// How the files differ.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FilesCompared {
    #[serde(flatten)]
    pub counts: ChangeCounts,
    pub same: usize,
    #[schema(value_type = Vec<Object>)]
    pub differing: Vec<FileChange>,
}

/// A run with its steps and what was spent.
struct Side {
    project: Project,
    run: Option<(Run, Vec<StepRecord>, gencode_store::Totals)>,
    files: Manifest,
}

impl History {
    /// Puts two projects side by side.
    pub async fn compare(&self, a: &ProjectId, b: &ProjectId) -> Result<Comparison, EngineError> {
        let (a, b) = (self.store.project(a).await?, self.store.project(b).await?);
        let run_of = |project: &Project, other: &Project| {
            let origin = other.forked_from.as_ref().filter(|origin| origin.project == project.id);
            origin.map(|origin| origin.run)
        };
        let (run_a, run_b) = (run_of(&a, &b), run_of(&b, &a));
        let (a, b) = (self.side(a, run_a).await?, self.side(b, run_b).await?);
        let differing = a.files.changes_to(&b.files);
        let counts = count(&differing);
        Ok(Comparison {
            steps: pairs(&a, &b),
            other_plugins: other_plugins(&a, &b),
            files: FilesCompared {
                same: a.files.len().saturating_sub(counts.changed + counts.removed),
                counts,
                differing,
            },
            a: outcome(&a),
            b: outcome(&b),
        })
    }

    async fn side(&self, project: Project, run: Option<RunId>) -> Result<Side, EngineError> {
        let run = match run {
            Some(id) => match self.store.run(id).await {
                Ok(run) => Some(run),
                Err(StoreError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let run = match run {
            Some(run) => Some(run),
            None => self.store.runs_of(&project.id, 1).await?.into_iter().next(),
        };
        let run = match run {
            Some(run) => {
                let steps = self.store.steps(run.id).await?;
                let totals = self.store.run_totals(run.id).await?;
                Some((run, steps, totals))
            }
            None => None,
        };
        let files = match self.store.latest_checkpoint(&project.id).await? {
            Some(head) => self.manifest(head.manifest).await?,
            None => Manifest::default(),
        };
        Ok(Side { project, run, files })
    }
}

fn outcome(side: &Side) -> Outcome {
    Outcome {
        project: side.project.id.clone(),
        name: side.project.name.clone(),
        status: side.project.status,
        forked_from: side.project.forked_from.clone(),
        run: side.run.as_ref().map(|(run, steps, totals)| run_outcome(run, steps, &totals.all)),
    }
}

fn run_outcome(run: &Run, steps: &[StepRecord], spent: &Total) -> RunOutcome {
    let mut outcome = RunOutcome {
        id: run.id,
        kind: run.kind.clone(),
        request: run.request.clone(),
        provider: run.provider.clone(),
        model: run.model.clone(),
        status: run.status.as_str(),
        reason: run.reason.clone(),
        duration_ms: duration(run.started_at, run.finished_at),
        usage: usage(spent),
        tests: BTreeMap::new(),
        accepted: None,
        mean_score: None,
        findings: Findings::default(),
        plugins: PluginSummary::all(&run.generation),
    };
    let mut scores = Vec::new();
    for report in steps.iter().filter_map(report_of) {
        scores.extend(report.score);
        outcome.findings.add(&report);
        if let Some(acceptance) = &report.acceptance {
            outcome.accepted = Some(acceptance.passed);
        }
        for (suite, numbers) in &report.tests {
            outcome.tests.insert(suite.clone(), TestCounts::of(numbers));
        }
    }
    if let Ok(count) = u32::try_from(scores.len())
        && count > 0
    {
        let sum: f64 = scores.iter().map(|score| f64::from(*score)).sum();
        outcome.mean_score = Some(sum / f64::from(count));
    }
    outcome
}

fn pairs(a: &Side, b: &Side) -> Vec<StepPair> {
    let ids = |side: &Side| -> Vec<String> {
        let steps = side.run.iter().flat_map(|(_, steps, _)| steps);
        steps.map(|record| record.step.clone()).collect()
    };
    let mut all = ids(a);
    for step in ids(b) {
        if !all.contains(&step) {
            all.push(step);
        }
    }
    all.into_iter()
        .map(|step| StepPair { a: step_outcome(a, &step), b: step_outcome(b, &step), step })
        .collect()
}

fn step_outcome(side: &Side, step: &str) -> Option<StepOutcome> {
    let (run, steps, totals) = side.run.as_ref()?;
    let record = steps.iter().find(|record| record.step == step)?;
    let report = report_of(record);
    let mut findings = Findings::default();
    if let Some(report) = &report {
        findings.add(report);
    }
    Some(StepOutcome {
        status: record.status,
        reason: record.reason.clone(),
        attempts: record.attempt,
        duration_ms: duration(record.started_at, record.finished_at),
        taken_over: record.finished_at.is_some_and(|end| end < run.created_at),
        score: report.and_then(|report| report.score),
        findings,
        usage: usage(&totals.by_step.get(step).cloned().unwrap_or_default()),
    })
}

fn report_of(record: &StepRecord) -> Option<StepReport> {
    match serde_json::from_value(record.report.clone()) {
        Ok(HandlerOutcome::Completed(report)) => Some(report),
        _ => None,
    }
}

fn other_plugins(a: &Side, b: &Side) -> Vec<String> {
    let (Some((a, ..)), Some((b, ..))) = (&a.run, &b.run) else { return Vec::new() };
    let (a, b) = (&a.generation.0, &b.generation.0);
    let ids: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    ids.into_iter().filter(|id| a.get(*id) != b.get(*id)).cloned().collect()
}

fn duration(start: Option<jiff::Timestamp>, end: Option<jiff::Timestamp>) -> Option<u64> {
    Some(millis_between(start?, end?))
}

fn usage(total: &Total) -> Usage {
    Usage {
        calls: total.calls,
        input_tokens: total.input_tokens,
        output_tokens: total.output_tokens,
        cost_usd: total.cost_usd.normalize().to_string(),
    }
}

impl Findings {
    fn add(&mut self, report: &StepReport) {
        for finding in &report.findings {
            match finding.severity.as_str() {
                "error" => self.errors += 1,
                "warning" => self.warnings += 1,
                _ => self.others += 1,
            }
        }
    }
}
