//! `/api/projects`: create, list, show, delete (http-ws-contract §2.2); `/api/v1/projects`: the same
//! list in pages.

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gencode_core::{
    id::ProjectId,
    project::{ForkOrigin, Project, ProjectStatus},
    time::iso,
};
use gencode_engine::NewProject;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    audit::Target,
    error::{ApiError, Errors},
    extract::{Body, Key, Path, Query},
    openapi::{MayRepeat, OfProject},
};

/// Projects in one answer; the client has no paging.
const MAX_LISTED: u32 = 1000;

/// Projects of a page, where the caller does not say.
const USUAL_PAGE: u32 = 50;

/// Most projects of a page.
const MAX_PAGE: u32 = 200;

/// What is to be built.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Create {
    /// The user's words.
    #[schema(
        min_length = 3,
        max_length = 50000,
        example = "a task manager with projects and tags"
    )]
    prompt: String,
    /// None for the chosen or default one.
    provider: Option<String>,
    model: Option<String>,
}

/// A project, with all fields any screen reads.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectView {
    id: ProjectId,
    name: String,
    /// The user's words, word for word.
    description: String,
    /// The project's folder below the workspaces; never a path of the host.
    path: ProjectId,
    /// A picture, as a data URL.
    image_url: String,
    /// `YYYY-MM-DD HH:MM`, UTC.
    last_modified: String,
    created_at: String,
    status: ProjectStatus,
    provider: Option<String>,
    model: Option<String>,
    /// Where it was forked from.
    forked_from: Option<ForkOrigin>,
    /// Always true: others are not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
}

/// Some projects, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectList {
    projects: Vec<ProjectView>,
    /// Give it as `cursor` for the next page; none at the end.
    next: Option<String>,
}

/// What was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    deleted: bool,
    id: ProjectId,
}

/// Makes a project from a sentence. Nothing runs yet.
#[utoipa::path(post, path = "/api/projects", tag = "projects", request_body = Create, params(MayRepeat),
    responses((status = 200, description = "The project", body = ProjectView), Errors))]
pub(crate) async fn create(
    State(api): State<Api>,
    key: Key,
    Body(body): Body<Create>,
) -> Result<Response, ApiError> {
    let new = NewProject { request: body.prompt, provider: body.provider, model: body.model };
    let project = api.engine.create_project_once(new, key.text()).await?;
    let target = Extension(Target(project.id.to_string()));
    Ok((target, Json(shown(&project))).into_response())
}

/// All projects, newest first.
#[utoipa::path(get, path = "/api/projects", tag = "projects",
    responses((status = 200, description = "At most 1,000 projects", body = Vec<ProjectView>), Errors))]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<ProjectView>>, ApiError> {
    let projects = api.engine.projects(MAX_LISTED).await?;
    Ok(Json(projects.iter().map(shown).collect()))
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Projects of a page, at most 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Projects in pages, newest first.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", params(Page),
    responses((status = 200, description = "A page", body = ProjectList), Errors))]
pub(crate) async fn page(
    State(api): State<Api>,
    Query(page): Query<Page>,
) -> Result<Json<ProjectList>, ApiError> {
    let limit = page_size(page.limit, USUAL_PAGE, MAX_PAGE)?;
    if page.cursor.as_ref().is_some_and(|cursor| !cursor.contains(' ')) {
        return Err(ApiError::new(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "query_invalid",
            "`cursor` is `next` of the page before",
        ));
    }
    let page = api.engine.project_page(limit, page.cursor.as_deref()).await?;
    let projects = page.projects.iter().map(shown).collect();
    Ok(Json(ProjectList { projects, next: page.next }))
}

/// One project.
#[utoipa::path(get, path = "/api/projects/{id}", tag = "projects", params(OfProject),
    responses((status = 200, description = "The project", body = ProjectView), Errors))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<ProjectView>, ApiError> {
    let project = api.engine.project(&id).await?;
    Ok(Json(ProjectView { exists: Some(true), ..shown(&project) }))
}

/// Deletes a project with its files and history. Refused while it is being worked on. What was
/// paid stays in the ledger.
#[utoipa::path(delete, path = "/api/projects/{id}", tag = "projects", params(OfProject),
    responses((status = 200, description = "It is gone", body = Deleted), Errors))]
pub(crate) async fn delete(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Deleted>, ApiError> {
    api.engine.delete_project(&id).await?;
    Ok(Json(Deleted { deleted: true, id }))
}

/// The size of a page: what is asked, within limits.
pub(crate) fn page_size(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, ApiError> {
    let size = asked.unwrap_or(usual);
    if (1..=most).contains(&size) {
        return Ok(size);
    }
    Err(ApiError::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "query_invalid",
        format!("`limit` is 1 to {most}"),
    ))
}

/// As it is shown.
pub(crate) fn shown(project: &Project) -> ProjectView {
    ProjectView {
        id: project.id.clone(),
        name: project.name.clone(),
        description: project.description.clone(),
        path: project.id.clone(),
        image_url: image(&project.name),
        last_modified: project.modified_at.strftime("%Y-%m-%d %H:%M").to_string(),
        created_at: iso(project.created_at),
        status: project.status,
        provider: project.provider.clone(),
        model: project.model.clone(),
        forked_from: project.forked_from.clone(),
        exists: None,
    }
}

/// A picture that needs no network: the name on the client's colours, as a data URL.
fn image(name: &str) -> String {
    let mut label = String::new();
    for c in name.chars() {
        match c {
            '&' => label.push_str("&amp;"),
            '<' => label.push_str("&lt;"),
            '>' => label.push_str("&gt;"),
            c if c.is_control() => {}
            c => label.push(c),
        }
    }
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='600' height='400'><rect width='600' height='400' fill='#1a1a2e'/>\
         <text x='300' y='210' fill='#9333ea' font-family='sans-serif' font-size='32' text-anchor='middle'>{label}</text></svg>"
    );
    let mut url = String::from("data:image/svg+xml,");
    for byte in svg.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::image;

    #[test]
    fn a_hostile_name_stays_inside_the_picture() {
        let url = image("</text><script>é&'\"");
        assert!(url.starts_with("data:image/svg+xml,%3Csvg"));
        assert!(!url.contains("script%3E%3C") && !url.contains('<') && !url.contains('"'));
        assert!(url.contains("%26lt%3Bscript%26gt%3B"));
    }
}
