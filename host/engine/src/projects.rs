//! What callers do with projects and runs.

use std::path::Path;

use gencode_core::{
    crash_point,
    event::{Event, EventBody},
    id::{ProjectId, RunId},
    path::WorkspacePath,
    project::{Project, ProjectStatus},
    request,
};
use gencode_llm::ProviderInfo;
use gencode_store::{CheckpointAuthor, NewCheckpoint, StoreError};
use gencode_workspace::ManifestDigest;
use serde::{Deserialize, Serialize};

use crate::{
    Engine, EngineError,
    control::{Key, known_or, once},
    costs::Costs,
    files::{self, Node},
    starts::stored,
    summary::{self, Summary},
};

/// Tries to find a free id before giving up; each adds 16 random bits.
const ID_TRIES: u32 = 16;

/// Events of the latest run that are looked at for the present state.
const STATE_EVENTS: u32 = 1000;

/// Setting under which the chosen provider is kept.
const CHOSEN_PROVIDER: &str = "provider";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// The user's words.
    pub request: String,
    /// None for the chosen or default one.
    pub provider: Option<String>,
    pub model: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChosenProvider {
    provider: String,
    model: String,
}

impl Engine {
    /// Makes a project. Nothing runs yet.
    pub async fn create_project(&self, new: NewProject) -> Result<Project, EngineError> {
        self.create_project_once(new, None).await
    }

    /// [`Engine::create_project`] for a request that may be repeated: a repeat gets the project
    /// that was made the first time, as it was then.
    pub async fn create_project_once(
        &self,
        new: NewProject,
        key: Key<'_>,
    ) -> Result<Project, EngineError> {
        let once = once(key, "created", &(&new.request, &new.provider, &new.model));
        if let Some(known) = self.known(once.as_ref()).await? {
            return stored(known.value);
        }
        let description = request::check(&new.request)?.to_owned();
        self.0.space.check().await?;
        if let Some(provider) = &new.provider {
            self.usable(provider, new.model.as_deref().unwrap_or_default())?;
        }
        let at = crate::now();
        let slug = ProjectId::slug_of(&description);
        let mut project = Project {
            id: slug.clone(),
            name: Project::name_of(&description),
            description,
            provider: new.provider,
            model: new.model,
            status: ProjectStatus::Created,
            created_at: at,
            modified_at: at,
            forked_from: None,
        };
        for _ in 0..ID_TRIES {
            match self.0.store.create_project_once(&project, once.as_ref()).await {
                Ok(()) => return Ok(project),
                Err(StoreError::Conflict(_)) => {
                    project.id = slug.with_suffix(crate::random_suffix());
                }
                Err(StoreError::Repeated) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let none = EngineError::Busy(format!("no free id was found for a project `{slug}`"));
        stored(known_or(&self.0.store, once.as_ref(), none).await?.value)
    }

    /// The project.
    pub async fn project(&self, id: &ProjectId) -> Result<Project, EngineError> {
        Ok(self.0.store.project(id).await?)
    }

    /// Projects, newest first.
    pub async fn projects(&self, limit: u32) -> Result<Vec<Project>, EngineError> {
        let mut all: Vec<Project> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.0.store.list_projects(limit, cursor.as_deref()).await?;
            all.extend(page.projects);
            cursor = page.next;
            let enough = all.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            if enough || cursor.is_none() {
                all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                return Ok(all);
            }
        }
    }

    /// One page of projects, newest first.
    pub async fn project_page(
        &self,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<gencode_store::ProjectPage, EngineError> {
        Ok(self.0.store.list_projects(limit, cursor).await?)
    }

    /// Deletes a project with its history and files. Refused while it is being worked on.
    pub async fn delete_project(&self, id: &ProjectId) -> Result<(), EngineError> {
        self.0.store.project(id).await?;
        self.0.previews.stop(id.as_str()).await;
        self.0.store.delete_project(id).await?;
        crash_point!("project.delete.inside");
        self.0.workspaces.delete(id).await?;
        crash_point!("project.delete.after");
        let preview = self.0.config.places.previews.join(id.as_str());
        match tokio::fs::remove_dir_all(&preview).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError::internal("the preview's folder was not removed", error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn provider_of(
        &self,
        project: &Project,
    ) -> Result<(String, String), StoreError> {
        let (provider, model) = self.chosen_provider().await?;
        match &project.provider {
            Some(own) => {
                let own_model = project.model.as_deref().unwrap_or_default();
                Ok(self.resolved(own, own_model))
            }
            None => Ok((provider, project.model.clone().unwrap_or(model))),
        }
    }

    async fn chosen_provider(&self) -> Result<(String, String), StoreError> {
        if let Some(chosen) = self.0.store.setting::<ChosenProvider>(CHOSEN_PROVIDER).await? {
            return Ok((chosen.provider, chosen.model));
        }
        Ok(self.resolved("", ""))
    }

    /// The words with defaults filled in; as they are where they mean nothing, so that the first
    /// model call says what is wrong.
    pub(crate) fn resolved(&self, provider: &str, model: &str) -> (String, String) {
        match self.0.gateway.resolve(provider, model) {
            Ok((provider, model)) => (provider.to_string(), model),
            Err(_) => (provider.to_owned(), model.to_owned()),
        }
    }

    /// Whether a provider can be called: it exists, is set up, and the model has a price.
    pub(crate) fn usable(&self, provider: &str, model: &str) -> Result<(), EngineError> {
        let (found, model) = self.0.gateway.resolve(provider, model)?;
        let info = self.0.gateway.providers().into_iter().find(|info| info.id == found.as_str());
        if !info.is_some_and(|info| info.configured) {
            return Err(EngineError::Provider(format!(
                "provider `{found}` is not set up: {}",
                found.hint()
            )));
        }
        self.0.gateway.price(found.as_str(), &model)?;
        Ok(())
    }

    /// The provider and model of projects that name none.
    pub async fn current_provider(&self) -> Result<(String, String), EngineError> {
        Ok(self.chosen_provider().await?)
    }

    /// Chooses the provider and model of projects that name none; kept over restarts.
    pub async fn choose_provider(&self, provider: &str, model: &str) -> Result<(), EngineError> {
        self.usable(provider, model)?;
        let (provider, model) = self.resolved(provider, model);
        let chosen = ChosenProvider { provider, model };
        Ok(self.0.store.put_setting(CHOSEN_PROVIDER, &chosen).await?)
    }

    /// Providers that can be chosen, in the client's order.
    pub fn providers(&self) -> Vec<ProviderInfo> {
        self.0.gateway.providers()
    }

    /// Stops a run, its work and its programs first. What its steps committed stays.
    pub async fn stop_run(&self, run: RunId, reason: &str) -> Result<(), EngineError> {
        self.control().stop(run, reason, None).await.map(drop)
    }

    /// Events after a sequence number, in order.
    pub async fn events_after(
        &self,
        id: &ProjectId,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<Event>, EngineError> {
        Ok(self.0.store.events_after(id, seq, limit).await?)
    }

    /// Number of the newest event of a project; 0 when there is none.
    pub async fn last_seq(&self, id: &ProjectId) -> Result<u64, EngineError> {
        Ok(self.0.store.last_seq(id).await?)
    }

    /// A project, the events of its latest run, and the number of the last event they include.
    pub async fn present(&self, id: &ProjectId) -> Result<(Project, Vec<Event>, u64), EngineError> {
        let seen = self.0.store.last_seq(id).await?;
        let project = self.0.store.project(id).await?;
        let from = seen.saturating_sub(u64::from(STATE_EVENTS));
        let mut history = self.0.store.events_after(id, from, STATE_EVENTS).await?;
        history.retain(|event| event.seq <= seen);
        let start = history.iter().rposition(|event| matches!(event.body, EventBody::RunQueued));
        let history = history.split_off(start.unwrap_or(0));
        Ok((project, history, seen))
    }

    /// What the project's latest run spent. A project without runs has spent nothing.
    pub async fn costs(&self, id: &ProjectId) -> Result<Costs, EngineError> {
        self.0.store.project(id).await?;
        let ledger = match self.0.store.runs_of(id, 1).await?.first() {
            Some(run) => self.0.store.ledger_of_run(run.id).await?,
            None => Vec::new(),
        };
        Ok(Costs::fold(&ledger, self.0.config.max_usd))
    }

    /// The file tree. A project that was not built yet has none.
    pub async fn files(&self, id: &ProjectId) -> Result<Vec<Node>, EngineError> {
        self.0.store.project(id).await?;
        let Some(head) = self.0.store.latest_checkpoint(id).await? else { return Ok(Vec::new()) };
        let manifest = self.0.workspaces.manifest(ManifestDigest(head.manifest)).await?;
        Ok(files::tree(manifest.paths().map(WorkspacePath::as_str)))
    }

    /// Text of a file.
    pub async fn read_file(&self, id: &ProjectId, path: &str) -> Result<String, EngineError> {
        self.0.store.project(id).await?;
        let path: WorkspacePath = path.parse()?;
        let missing = || EngineError::NoSuchFile(path.to_string());
        let head = self.0.store.latest_checkpoint(id).await?.ok_or_else(missing)?;
        let manifest = self.0.workspaces.manifest(ManifestDigest(head.manifest)).await?;
        let bytes = self.0.workspaces.read(&manifest, &path).await?;
        String::from_utf8(bytes).map_err(|_| EngineError::BinaryFile(path.to_string()))
    }

    /// Saves a file the user edited, as a checkpoint of its own.
    pub async fn save_file(
        &self,
        id: &ProjectId,
        path: &str,
        content: String,
    ) -> Result<(), EngineError> {
        self.0.store.project(id).await?;
        let path: WorkspacePath = path.parse()?;
        self.0.space.check().await?;
        loop {
            let Some(head) = self.0.store.latest_checkpoint(id).await? else {
                return Err(EngineError::Busy(format!(
                    "project `{id}` has no files yet; build it first"
                )));
            };
            let before = self.0.workspaces.manifest(ManifestDigest(head.manifest)).await?;
            let after = self.0.workspaces.save_user_file(&before, path.clone(), &content).await?;
            crash_point!("file.save.inside");
            let checkpoint = NewCheckpoint {
                id: crate::new_checkpoint_id(),
                project: id.clone(),
                parent: Some(head.id),
                run: None,
                step: String::new(),
                manifest: after.digest.0,
                author: CheckpointAuthor::User,
                performer: "User".to_owned(),
                note: format!("Edited {path}"),
            };
            let saved = EventBody::FileSaved { path: path.to_string(), checkpoint: checkpoint.id };
            match self.0.store.add_checkpoint(&checkpoint, vec![saved]).await {
                Ok(_) => {
                    self.0.show_files(id, &before, &after.manifest).await;
                    return Ok(());
                }
                // A step was committed in between: lay the edit over that.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes the application into a folder of the user's; never overwrites a file that differs.
    pub async fn export(&self, id: &ProjectId, folder: &Path) -> Result<(), EngineError> {
        let Some(head) = self.0.store.latest_checkpoint(id).await? else {
            return Err(EngineError::Busy(format!("project `{id}` has no files yet")));
        };
        let manifest = self.0.workspaces.manifest(ManifestDigest(head.manifest)).await?;
        self.0.workspaces.export(&manifest, folder).await?;
        Ok(())
    }

    /// Everything about a run that is final; none while it goes on.
    pub async fn summary(&self, id: RunId) -> Result<Option<Summary>, EngineError> {
        let run = self.0.store.run(id).await?;
        if !run.status.is_final() {
            return Ok(None);
        }
        let steps = self.0.store.steps(id).await?;
        let mut summary = Summary::of(&run, &steps);
        let external = self.0.external_time(id).total();
        let external = u64::try_from(external.as_millis()).unwrap_or(u64::MAX);
        summary.host_ms = summary.duration_ms.saturating_sub(external);
        if let Some(head) = self.0.store.latest_checkpoint(&run.project).await? {
            let manifest = self.0.workspaces.manifest(ManifestDigest(head.manifest)).await?;
            summary.files = manifest.paths().map(ToString::to_string).collect();
        }
        summary.out_dir = self.0.workspaces.path_of(&run.project).display().to_string();
        let totals = self.0.store.run_totals(id).await?.all;
        summary.usage = summary::Usage {
            calls: totals.calls,
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            cost_usd: totals.cost_usd.normalize().to_string(),
        };
        if let Ok(document) = self.0.store.document(id, "intent").await
            && let Ok(intent) =
                serde_json::from_str::<gencode_runtime::types::Intent>(&document.content)
        {
            summary.entities = intent.entities.into_iter().map(|entity| entity.label).collect();
            summary.notes = intent.notes;
        }
        Ok(Some(summary))
    }
}
