//! What there is to see of a host: its plugins and agents, budgets, journals, and how it is.

use gencode_core::{
    id::{ProjectId, RunId},
    ledger::{Budget, INR_PER_USD},
    run::{RunStatus, StepStatus},
    time::iso,
};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Engine, EngineError,
    control::RunView,
    costs::{Costs, Tally},
};

/// Who the agents are: plugin, name and role (domain-rules §3).
const CREW: [(&str, &str, &str); 4] = [
    ("marcus", "Marcus", "Lead Architect"),
    ("victoria", "Victoria", "Senior Architect"),
    ("derek", "Derek", "Full-Stack Developer"),
    ("luna", "Luna", "QA Engineer"),
];

/// A plugin that new runs begin with.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PluginView {
    pub id: String,
    /// `agent`, `handler` or `validator`.
    pub kind: String,
    pub version: String,
    /// Version of the contract it was built against.
    pub contract: String,
    pub summary: String,
    /// Digest of the component.
    pub digest: String,
    /// Size of the component in bytes.
    pub size: usize,
    /// What it may do, and no more.
    pub capabilities: Vec<String>,
    /// Interfaces it imports.
    pub imports: Vec<String>,
    /// Whether it imports WASI, which no core plugin does.
    pub uses_wasi: bool,
}

/// One of the crew.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentView {
    /// As the client knows it, for example `Marcus`.
    pub name: String,
    pub role: String,
    /// `working` while a step it performs is being worked on, otherwise `available`; `missing` when
    /// no plugin plays it.
    pub status: &'static str,
    /// Version of its plugin.
    pub version: Option<String>,
    /// Projects it works on now.
    pub projects: Vec<ProjectId>,
}

/// A project somebody works on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActiveProject {
    pub project_id: ProjectId,
    pub run: RunId,
    pub running: bool,
    /// Steps that are being worked on.
    pub steps: Vec<String>,
}

/// Tokens that went in and came out.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct TokenCounts {
    pub input: u64,
    pub output: u64,
}

/// What a project's latest run may spend and has spent (http-ws-contract §2.8).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BudgetView {
    pub status: &'static str,
    pub used_usd: f64,
    pub used_inr: f64,
    pub remaining_usd: f64,
    pub remaining_inr: f64,
    pub max_usd: f64,
    pub max_inr: f64,
    pub tokens: TokenCounts,
    pub by_step: std::collections::BTreeMap<String, Tally>,
    pub total_calls: u64,
    pub run_started_at: Option<String>,
    /// Exact, and with what calls of unknown outcome cost at most: the budget holds against this.
    pub used_at_worst_usd: String,
}

/// One recorded host call.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JournalView {
    pub step: String,
    pub attempt: u32,
    /// Position of the call among all of its try.
    pub path: String,
    pub digest: String,
    /// The call; only its name where it is long.
    pub call: serde_json::Value,
    /// What it was answered.
    pub reply: serde_json::Value,
}

/// Some runs, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunPage {
    pub runs: Vec<RunView>,
    /// Give it as `cursor` for the next page; none at the end.
    pub next: Option<RunId>,
}

/// Whether a host can do its work. Each part says what is wrong, in a sentence, or nothing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    pub database: Option<String>,
    pub storage: Option<String>,
    pub plugins: Option<String>,
    pub closing: bool,
}

/// Numbers of the moment, for `/metrics`.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// Runs that are not final, of all hosts, by state.
    pub runs: Vec<(RunStatus, u64)>,
    /// Runs this host works on.
    pub in_hand: usize,
    pub previews: usize,
    pub plugins: usize,
}

impl Engine {
    /// The plugins that new runs begin with, by id.
    pub fn plugins(&self) -> Vec<PluginView> {
        let set = self.0.library.active();
        let handlers = set.handlers.values().map(|handler| &handler.plugin);
        let validators = set.validators.iter().map(|validator| &validator.plugin);
        let mut plugins: Vec<PluginView> = handlers
            .chain(set.agents.values())
            .chain(validators)
            .map(|plugin| {
                let manifest = &plugin.manifest;
                PluginView {
                    id: manifest.id.clone(),
                    kind: manifest.kind.to_string(),
                    version: manifest.version.to_string(),
                    contract: manifest.contract.to_string(),
                    summary: manifest.summary.clone(),
                    digest: plugin.digest.to_string(),
                    size: plugin.size,
                    capabilities: capabilities(manifest),
                    imports: plugin.imports.clone(),
                    uses_wasi: plugin.uses_wasi,
                }
            })
            .collect();
        plugins.sort_by(|one, other| one.id.cmp(&other.id));
        plugins
    }

    /// The crew, and what each of them does now.
    pub async fn agents(&self) -> Result<Vec<AgentView>, EngineError> {
        let set = self.0.library.active();
        let active = self.active_projects().await?;
        let of_crew = |(id, name, role): (&str, &str, &str)| {
            let performs = |step: &String| self.performer_of(step) == name;
            let mine = active.iter().filter(|active| active.steps.iter().any(performs));
            let projects: Vec<ProjectId> = mine.map(|active| active.project_id.clone()).collect();
            let plugin = set.agents.get(id);
            AgentView {
                name: name.to_owned(),
                role: role.to_owned(),
                status: match plugin {
                    None => "missing",
                    Some(_) if projects.is_empty() => "available",
                    Some(_) => "working",
                },
                version: plugin.map(|plugin| plugin.manifest.version.to_string()),
                projects,
            }
        };
        Ok(CREW.into_iter().map(of_crew).collect())
    }

    /// Projects that somebody works on, on whichever host.
    pub async fn active_projects(&self) -> Result<Vec<ActiveProject>, EngineError> {
        let mut active = Vec::new();
        for run in self.0.store.active_runs().await? {
            let steps = self.0.store.steps(run.id).await?;
            let steps = steps.into_iter().filter(|step| step.status == StepStatus::Running);
            active.push(ActiveProject {
                project_id: run.project,
                run: run.id,
                running: run.status == RunStatus::Running,
                steps: steps.map(|step| step.step).collect(),
            });
        }
        Ok(active)
    }

    fn performer_of(&self, step: &str) -> String {
        let step = self.0.build.step(step).or_else(|| self.0.refine.step(step));
        step.map(|step| step.performer.clone()).unwrap_or_default()
    }

    /// What the project's latest run may spend and has spent.
    pub async fn budget(&self, id: &ProjectId) -> Result<BudgetView, EngineError> {
        self.0.store.project(id).await?;
        let run = self.0.store.runs_of(id, 1).await?.into_iter().next();
        let max_usd = self.0.config.max_usd;
        let (ledger, at_worst) = match &run {
            Some(run) => {
                (self.0.store.ledger_of_run(run.id).await?, self.0.spent_at_worst(run.id).await?)
            }
            None => (Vec::new(), Decimal::ZERO),
        };
        let costs = Costs::fold(&ledger, max_usd);
        let used_usd: Decimal = ledger.iter().map(|entry| entry.cost_usd).sum();
        let budget = Budget { max_usd, used_usd };
        let shown = crate::costs::shown;
        Ok(BudgetView {
            status: budget.status(),
            used_usd: shown(used_usd, 6),
            used_inr: shown(used_usd * INR_PER_USD, 2),
            remaining_usd: shown(budget.remaining(), 6),
            remaining_inr: shown(budget.remaining() * INR_PER_USD, 2),
            max_usd: shown(max_usd, 6),
            max_inr: shown(max_usd * INR_PER_USD, 2),
            tokens: TokenCounts {
                input: costs.total_input_tokens,
                output: costs.total_output_tokens,
            },
            total_calls: ledger.len() as u64,
            by_step: costs.by_step.into_iter().map(|(step, costs)| (step, costs.tally)).collect(),
            run_started_at: run.and_then(|run| run.started_at).map(iso),
            used_at_worst_usd: at_worst.normalize().to_string(),
        })
    }

    /// Runs of one project or of all, in one state or in any, newest first.
    pub async fn runs(
        &self,
        project: Option<&ProjectId>,
        status: Option<RunStatus>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<RunPage, EngineError> {
        let more = limit.saturating_add(1);
        let mut runs = self.0.store.list_runs(project, status, before, more).await?;
        let is_last = runs.len() <= usize::try_from(limit).unwrap_or(usize::MAX);
        runs.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = if is_last { None } else { runs.last().map(|run| run.id) };
        Ok(RunPage { runs: self.control().views(runs).await?, next })
    }

    /// What the host calls of one try of a step were answered, in order; of its latest try when
    /// none is named.
    pub async fn journal(
        &self,
        run: RunId,
        step: &str,
        attempt: Option<u32>,
    ) -> Result<Vec<JournalView>, EngineError> {
        self.0.store.run(run).await?;
        let steps = self.0.store.steps(run).await?;
        let record = steps.into_iter().find(|record| record.step == step);
        let record = record
            .ok_or_else(|| EngineError::NoSuchStep(format!("run {run} has no step `{step}`")))?;
        let attempt = attempt.unwrap_or(record.attempt);
        let entries = self.0.store.journal_load(run, step, attempt).await?;
        Ok(entries
            .into_iter()
            .map(|entry| JournalView {
                step: entry.step,
                attempt: entry.attempt,
                path: entry.path,
                digest: entry.digest.to_string(),
                call: entry.call,
                reply: entry.reply,
            })
            .collect())
    }

    /// Whether this host can do its work.
    pub async fn readiness(&self) -> Readiness {
        let database = match self.0.store.ping().await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%error, "the host is not ready");
                Some("the database does not answer".to_owned())
            }
        };
        let storage = self.0.space.check().await.err().map(|shortage| {
            tracing::warn!(%shortage, "the host is not ready");
            "there is too little room to begin anything".to_owned()
        });
        let missing = self
            .0
            .build
            .steps
            .iter()
            .find(|step| !self.0.library.active().handlers.contains_key(&step.handler));
        let plugins = missing.map(|step| format!("the plugin `{}` is missing", step.handler));
        let closing = self.0.closing.is_cancelled();
        let ready = database.is_none() && storage.is_none() && plugins.is_none() && !closing;
        Readiness { ready, database, storage, plugins, closing }
    }

    /// Numbers of the moment.
    pub async fn gauges(&self) -> Result<Gauges, EngineError> {
        Ok(Gauges {
            runs: self.0.store.count_active().await?,
            in_hand: self.0.hands.all().len(),
            previews: self.0.previews.list().len(),
            plugins: self.0.library.active().generation.0.len(),
        })
    }
}

fn capabilities(manifest: &gencode_core::plugin::Manifest) -> Vec<String> {
    manifest.capabilities.keys().map(|capability| capability.as_str().to_owned()).collect()
}
