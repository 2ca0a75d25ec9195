//! `/api/projects`: create, list, show, delete (http-ws-contract §2.2).

use axum::{Json, extract::State};
use gencode_core::{id::ProjectId, project::Project, time::iso};
use gencode_engine::NewProject;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Api,
    error::{ApiError, Body, Key, Path},
};

/// Projects in one answer; the client has no paging.
const MAX_LISTED: u32 = 1000;

#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    prompt: String,
    provider: Option<String>,
    model: Option<String>,
}

pub(crate) async fn create(
    State(api): State<Api>,
    key: Key,
    Body(body): Body<Create>,
) -> Result<Json<Value>, ApiError> {
    let new = NewProject { request: body.prompt, provider: body.provider, model: body.model };
    let project = api.engine.create_project_once(new, key.text()).await?;
    Ok(Json(shown(&project)))
}

pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<Value>>, ApiError> {
    let projects = api.engine.projects(MAX_LISTED).await?;
    Ok(Json(projects.iter().map(shown).collect()))
}

pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Value>, ApiError> {
    let mut value = shown(&api.engine.project(&id).await?);
    if let Some(map) = value.as_object_mut() {
        map.insert("exists".to_owned(), Value::Bool(true));
    }
    Ok(Json(value))
}

pub(crate) async fn delete(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Value>, ApiError> {
    api.engine.delete_project(&id).await?;
    Ok(Json(json!({ "deleted": true, "id": id })))
}

/// All fields any screen reads; `path` is the project's folder below the workspaces, never an
/// absolute path of this machine.
pub(crate) fn shown(project: &Project) -> Value {
    json!({
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "path": project.id,
        "imageUrl": image(&project.name),
        "lastModified": project.modified_at.strftime("%Y-%m-%d %H:%M").to_string(),
        "createdAt": iso(project.created_at),
        "status": project.status,
        "provider": project.provider,
        "model": project.model,
        "forkedFrom": project.forked_from,
    })
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
