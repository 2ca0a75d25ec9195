//! What a run has to show at its end: the object that `gencode new --json` prints.

use std::collections::BTreeMap;

use gencode_core::run::{Generation, PinnedPlugin, Run, RunStatus, StepRecord};
use gencode_runtime::types::{Outcome, StepReport, TestReport};
use serde::Serialize;

/// Everything about a finished run (issue: `gencode new --json`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    pub project_id: Option<String>,
    pub run_id: Option<String>,
    /// `completed`, `failed` or `stopped`.
    pub status: String,
    /// Why, when it did not complete.
    pub reason: String,
    pub out_dir: String,
    pub duration_ms: u64,
    /// Total less the time in which external commands (installs, tests, builds, servers) ran.
    pub host_ms: u64,
    /// Paths of the application's files.
    pub files: Vec<String>,
    pub entities: Vec<String>,
    /// What could not be honoured.
    pub notes: Vec<String>,
    pub steps: Vec<StepSummary>,
    /// By part: `backend`, `frontend`.
    pub tests: BTreeMap<String, TestCounts>,
    pub acceptance: Option<Acceptance>,
    pub usage: Usage,
    pub plugins: Vec<PluginSummary>,
    pub preview_url: Option<String>,
}

/// One step of a [`Summary`].
#[derive(Debug, Clone, Serialize)]
pub struct StepSummary {
    pub id: String,
    /// `completed`, `skipped`, `failed` or `blocked`.
    pub status: &'static str,
    pub reason: String,
    pub attempts: u32,
    pub duration_ms: u64,
}

/// Numbers of one test suite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TestCounts {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

/// Outcome of starting and calling the application.
#[derive(Debug, Clone, Serialize)]
pub struct Acceptance {
    pub passed: bool,
    pub checks: Vec<AcceptanceCheck>,
}

/// One check of an [`Acceptance`].
#[derive(Debug, Clone, Serialize)]
pub struct AcceptanceCheck {
    pub name: String,
    pub passed: bool,
    pub detail: String,
}

/// What the model calls used.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct Usage {
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Exact, as text.
    pub cost_usd: String,
}

/// One plugin the run used.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PluginSummary {
    pub id: String,
    pub version: String,
    pub digest: String,
}

impl PluginSummary {
    /// The plugins of a generation, by id.
    pub(crate) fn all(generation: &Generation) -> Vec<Self> {
        let one = |(id, plugin): (&String, &PinnedPlugin)| Self {
            id: id.clone(),
            version: plugin.version.clone(),
            digest: plugin.digest.to_string(),
        };
        generation.0.iter().map(one).collect()
    }
}

impl TestCounts {
    pub(crate) fn of(report: &TestReport) -> Self {
        Self { passed: report.passed, failed: report.failed, skipped: report.skipped }
    }
}

impl Summary {
    /// The summary of a run that never began.
    pub fn refused(reason: String) -> Self {
        let mut summary = Self { status: "failed".to_owned(), reason, ..Self::default() };
        summary.fill_suites();
        summary
    }

    /// Whether the run completed and the application passed its acceptance step.
    pub fn succeeded(&self) -> bool {
        self.status == RunStatus::Completed.as_str()
            && self.acceptance.as_ref().is_some_and(|acceptance| acceptance.passed)
    }

    /// Both suites are always there, so that a reader needs no special case.
    fn fill_suites(&mut self) {
        for suite in ["backend", "frontend"] {
            self.tests.entry(suite.to_owned()).or_default();
        }
    }

    /// What the run's own rows say; the engine adds files, usage and times.
    pub(crate) fn of(run: &Run, steps: &[StepRecord]) -> Self {
        let mut summary = Self {
            project_id: Some(run.project.to_string()),
            run_id: Some(run.id.to_string()),
            status: run.status.as_str().to_owned(),
            reason: run.reason.clone(),
            ..Self::default()
        };
        if let (Some(start), Some(end)) = (run.started_at, run.finished_at) {
            summary.duration_ms = millis_between(start, end);
        }
        for step in steps {
            summary.steps.push(StepSummary {
                id: step.step.clone(),
                status: step.status.as_str(),
                reason: step.reason.clone(),
                attempts: step.attempt,
                duration_ms: match (step.started_at, step.finished_at) {
                    (Some(start), Some(end)) => millis_between(start, end),
                    _ => 0,
                },
            });
            if let Ok(Outcome::Completed(report)) = serde_json::from_value(step.report.clone()) {
                summary.add(report);
            }
        }
        summary.plugins = PluginSummary::all(&run.generation);
        summary.fill_suites();
        summary
    }

    fn add(&mut self, report: StepReport) {
        for (suite, numbers) in report.tests {
            self.tests.insert(suite, TestCounts::of(&numbers));
        }
        if let Some(acceptance) = report.acceptance {
            let checks = acceptance.checks.into_iter().map(|check| AcceptanceCheck {
                name: check.name,
                passed: check.passed,
                detail: check.detail,
            });
            self.acceptance =
                Some(Acceptance { passed: acceptance.passed, checks: checks.collect() });
        }
    }
}

pub(crate) fn millis_between(start: jiff::Timestamp, end: jiff::Timestamp) -> u64 {
    u64::try_from(end.duration_since(start).as_millis()).unwrap_or(0)
}
