//! The description of the API (OpenAPI 3.1), made from the handlers, and pages that show it without
//! the internet.

use std::sync::LazyLock;

use axum::{
    Json,
    http::header,
    response::{Html, IntoResponse as _, Response},
};
use utoipa::{
    IntoParams, Modify, OpenApi,
    openapi::{
        self,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    access::COOKIE,
    error::{ErrorBody, Errors, Problem},
};

/// What the description says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "GenCode Studio Host",
        description = "Applications from a sentence: projects, their runs, files and history.\n\n\
            `/api/v1` is for programs: its lists have cursors, and requests with an \
            `Idempotency-Key` can be repeated. The other routes are those of the web front end. \
            Errors are JSON with a `code` that stays as it is, or problem details for callers that \
            accept `application/problem+json`. The messages of `/ws/{id}` are described in \
            `/asyncapi.json`."
    ),
    components(schemas(ErrorBody, Problem)),
    security(("token" = []), ("cookie" = [])),
    modifiers(&Security),
    tags(
        (name = "projects", description = "Projects of the front end"),
        (name = "workspace", description = "Files and runs of a project, for the front end"),
        (name = "history", description = "States of a project's files"),
        (name = "runs", description = "Seeing and steering runs"),
        (name = "events", description = "What happens, each fact once"),
        (name = "sandbox", description = "The running application"),
        (name = "deployment", description = "The application as it is served"),
        (name = "providers", description = "Models"),
        (name = "costs", description = "What was spent"),
        (name = "host", description = "Plugins, agents, settings, tokens and the audit log"),
        (name = "health", description = "How the host is"),
    )
)]
pub(crate) struct Description;

/// What the history of projects says beside its routes.
#[derive(OpenApi)]
#[openapi(paths(crate::checkpoints::file))]
pub(crate) struct History;

struct Security;

impl Modify for Security {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of `gencode token create`. Wanted once there is a token; before that, \
                 whoever is on the host's machine may do all.",
            ))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            COOKIE,
            "The same token, as `POST /api/v1/session` sets it for browsers.",
        )));
        components.add_security_scheme("cookie", cookie);
        for (name, response) in Errors::described() {
            components.responses.insert(name, response.into());
        }
        // The version of the program says nothing about the API's.
        "1".clone_into(&mut description.info.version);
    }
}

/// A project in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path parameter")]
pub(crate) struct OfProject {
    /// Id of the project.
    #[param(pattern = "^[A-Za-z0-9_-]{1,100}$", example = "todo-app")]
    id: String,
}

/// A run in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path parameter")]
pub(crate) struct OfRun {
    /// Id of the run.
    #[param(
        pattern = "^run_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        example = "run_01KB2Q4ZJ8Y3V5T7W9X1A2C3D4"
    )]
    id: String,
}

/// A checkpoint of a project in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes path parameters")]
pub(crate) struct OfCheckpoint {
    /// Id of the project.
    #[param(pattern = "^[A-Za-z0-9_-]{1,100}$", example = "todo-app")]
    id: String,
    /// Id of the checkpoint.
    #[param(
        pattern = "^chk_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        example = "chk_01KB2Q4ZJ8Y3V5T7W9X1A2C3D4"
    )]
    checkpoint: String,
}

/// The header with which a request may be repeated.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header")]
pub(crate) struct MayRepeat {
    /// A repeat with the same key gets the same answer and does nothing twice.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = "^[!-~]+$"
    )]
    idempotency_key: Option<String>,
}

/// The description of the messages on sockets and event streams.
const ASYNCAPI: &str = include_str!("../asyncapi.json");

/// A page that shows `/openapi.json`; it needs nothing from elsewhere.
const PAGE: &str = include_str!("../docs.html");

/// A page that turns a token into a session of the browser.
const LOGIN: &str = include_str!("../login.html");

/// What the two pages may do: their own script and style, and this host's API.
const PAGES_MAY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(crate) async fn docs() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, PAGES_MAY)], Html(PAGE)).into_response()
}

pub(crate) async fn login() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, PAGES_MAY)], Html(LOGIN)).into_response()
}

pub(crate) async fn asyncapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], ASYNCAPI).into_response()
}

/// The description, with what the routes say. Made once: it is never another.
pub fn description() -> &'static openapi::OpenApi {
    static DESCRIPTION: LazyLock<openapi::OpenApi> = LazyLock::new(|| {
        let mut description = crate::routes().into_openapi();
        name_operations(&mut description);
        description
    });
    &DESCRIPTION
}

/// Names each operation by its method and path: names of handlers are not unique, and an id must be.
fn name_operations(description: &mut openapi::OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let words: Vec<&str> = path
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let path = words.join("_");
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{path}"));
            }
        }
    }
}

pub(crate) async fn show() -> Json<&'static openapi::OpenApi> {
    Json(description())
}
