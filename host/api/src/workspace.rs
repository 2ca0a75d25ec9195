//! `/api/workspace`: files and runs of a project, as the front end uses them (http-ws-contract §2.3,
//! §5).

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gencode_core::id::{ProjectId, RunId};
use gencode_engine::{Said, Start, files::Node};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    audit::Target,
    checkpoints::FileText,
    error::{ApiError, Errors},
    extract::{Body, Key, Path, Query},
    openapi::{MayRepeat, OfProject},
};

/// Projects in one answer; the client has no paging.
const MAX_LISTED: u32 = 1000;

/// How long an instruction may take that is waited for.
const APPLY_LIMIT: Duration = Duration::from_mins(10);

/// The folder of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Workspace {
    id: ProjectId,
    /// Below the workspaces; never a path of the host.
    path: ProjectId,
}

/// All folders of projects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Workspaces {
    workspaces: Vec<Workspace>,
}

/// The folders of projects, newest first.
#[utoipa::path(get, path = "/api/workspace/list", tag = "workspace",
    responses((status = 200, description = "At most 1,000", body = Workspaces), Errors))]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Workspaces>, ApiError> {
    let projects = api.engine.projects(MAX_LISTED).await?;
    let workspaces = projects
        .into_iter()
        .map(|project| Workspace { path: project.id.clone(), id: project.id })
        .collect();
    Ok(Json(Workspaces { workspaces }))
}

/// The tree of a project's files. Hidden names and `node_modules` are left out.
#[utoipa::path(get, path = "/api/workspace/{id}/files", tag = "workspace", params(OfProject),
    responses((status = 200, description = "Children of the project's folder", body = Vec<Node>), Errors))]
pub(crate) async fn files(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Vec<Node>>, ApiError> {
    Ok(Json(api.engine.files(&id).await?))
}

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Read {
    /// Relative to the project.
    path: String,
}

/// Text of a file.
#[utoipa::path(get, path = "/api/workspace/{id}/file", tag = "workspace", params(OfProject, Read),
    responses((status = 200, description = "Its text", body = FileText), Errors))]
pub(crate) async fn read(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(query): Query<Read>,
) -> Result<Json<FileText>, ApiError> {
    let content = api.engine.read_file(&id, &query.path).await?;
    Ok(Json(FileText { path: query.path, content }))
}

/// A file as the user wants it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Save {
    path: String,
    content: String,
}

/// That a file is saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Saved {
    saved: bool,
    path: String,
}

/// Saves a file, as a state of its own in the project's history.
#[utoipa::path(put, path = "/api/workspace/{id}/file", tag = "workspace", params(OfProject), request_body = Save,
    responses((status = 200, description = "It is saved", body = Saved), Errors))]
pub(crate) async fn save(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Body(body): Body<Save>,
) -> Result<Json<Saved>, ApiError> {
    api.engine.save_file(&id, &body.path, body.content).await?;
    Ok(Json(Saved { saved: true, path: body.path }))
}

/// A wish to build.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Generate {
    /// The client sends its words again; the project's own request counts (contract §1.3).
    #[serde(rename = "description")]
    _description: String,
    /// Build once more although the project was built before. No screen sends it.
    #[serde(default)]
    restart: bool,
}

/// What became of a wish to build.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Generated {
    success: bool,
    project_id: ProjectId,
    /// For people.
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    already_running: Option<bool>,
}

/// Starts the build, or says what is already there; never destroys anything (contract §5.9).
#[utoipa::path(post, path = "/api/workspace/{id}/generate/backend", tag = "workspace", params(OfProject, MayRepeat),
    request_body = Generate,
    responses((status = 200, description = "Started, or why not", body = Generated), Errors))]
pub(crate) async fn generate(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    key: Key,
    Body(body): Body<Generate>,
) -> Result<Json<Generated>, ApiError> {
    let start = api.engine.start_build_once(&id, body.restart, key.text()).await?;
    let message = match start {
        Start::Started(_) => "Workflow started",
        Start::AlreadyRunning(_) => "This project is already being worked on",
        Start::AlreadyBuilt => "This project is built; describe a change to go on",
        Start::EndedBadly => "The last run did not finish; send a message to continue it",
    };
    if !matches!(start, Start::Started(_)) {
        // Nobody listening is fine: the state is sent on connect as well.
        let _ = api.nudges.send(id.clone());
    }
    let already_running = matches!(start, Start::AlreadyRunning(_)).then_some(true);
    Ok(Json(Generated { success: true, project_id: id, message, already_running }))
}

/// What the user says to a project.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Resume {
    project_id: ProjectId,
    user_message: String,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resumed {
    success: bool,
    message: &'static str,
    project_id: ProjectId,
    /// `resume`: the run goes on; `refine`: a change has begun.
    mode: &'static str,
}

/// An answer to a question, a continuation after a failure, or a change (contract §5.4, §5.5).
#[utoipa::path(post, path = "/api/workspace/resume", tag = "workspace", params(MayRepeat), request_body = Resume,
    responses((status = 200, description = "What became of it", body = Resumed), Errors))]
pub(crate) async fn resume(
    State(api): State<Api>,
    key: Key,
    Body(body): Body<Resume>,
) -> Result<Response, ApiError> {
    let said = api.engine.say_once(&body.project_id, &body.user_message, key.text()).await?;
    let (mode, message) = match said {
        Said::Answered => ("resume", "The run goes on"),
        Said::Continued => ("resume", "The run continues after its last good step"),
        Said::Refining => ("refine", "Refinement started"),
    };
    let target = Extension(Target(body.project_id.to_string()));
    let answer = Resumed { success: true, message, project_id: body.project_id, mode };
    Ok((target, Json(answer)).into_response())
}

/// An instruction to change an application.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Apply {
    #[schema(min_length = 3)]
    instruction: String,
}

/// A file that was changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangedFile {
    path: String,
}

/// What an instruction did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplyView {
    success: bool,
    /// Number of files that were changed.
    applied: usize,
    changed_files: Vec<ChangedFile>,
    /// What was done, in words.
    rationale: String,
    run: RunId,
}

/// Changes a built application as told, and waits until it is done: a refinement (contract §5.5).
/// The run goes on when the caller goes away.
#[utoipa::path(post, path = "/api/workspace/apply/{id}", tag = "workspace", params(OfProject, MayRepeat), request_body = Apply,
    responses((status = 200, description = "What was changed", body = ApplyView), Errors))]
pub(crate) async fn apply(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    key: Key,
    Body(body): Body<Apply>,
) -> Result<Json<ApplyView>, ApiError> {
    let applied = api.engine.apply(&id, &body.instruction, APPLY_LIMIT, key.text()).await?;
    Ok(Json(ApplyView {
        success: true,
        applied: applied.changed.len(),
        changed_files: applied.changed.into_iter().map(|path| ChangedFile { path }).collect(),
        rationale: applied.rationale,
        run: applied.run,
    }))
}
