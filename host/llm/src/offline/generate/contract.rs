//! The contract of the generated API: OpenAPI 3.1, the source for routers, client and tests.

use serde_json::{Map, Value, json};

use super::{
    plan::{App, EntityPlan, FilterPlan},
    schemas::{key, reference, schemas, set},
};
use crate::offline::model::Intent;

/// Top-level extension that carries the whole intent.
pub(super) const INTENT: &str = "x-gencode-intent";

/// The contract of an application.
pub(super) fn contract(app: &App, intent: &Intent) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": app.title, "version": "0.1.0", "description": app.goal },
        "servers": [{ "url": "/" }],
        "tags": app.entities.iter().map(|entity| json!({ "name": entity.brief.label_plural })).collect::<Vec<_>>(),
        "paths": paths(app),
        "components": { "schemas": schemas(app) },
    });
    if let Some(object) = document.as_object_mut() {
        if app.auth {
            let flow = json!({ "password": { "tokenUrl": "/api/auth/token", "scopes": {} } });
            let scheme = json!({ "OAuth2PasswordBearer": { "type": "oauth2", "flows": flow } });
            if let Some(components) = object.get_mut("components").and_then(Value::as_object_mut) {
                components.insert("securitySchemes".to_owned(), scheme);
            }
        }
        object.insert(INTENT.to_owned(), serde_json::to_value(intent).unwrap_or_default());
    }
    document
}

fn paths(app: &App) -> Value {
    let mut paths = Map::new();
    let health = operation(
        "check_health",
        "System",
        "Answers when the application runs and reaches its database.",
        false,
    )
    .answer("200", "Healthy", Some("Health"));
    paths.insert("/api/health".to_owned(), json!({ "get": health.0 }));
    if app.auth {
        auth_paths(&mut paths);
    }
    if app.dashboard {
        let overview = operation(
            "read_dashboard",
            "Dashboard",
            "How much there is of everything, and what is new.",
            app.auth,
        )
        .answer("200", "The overview", Some("Dashboard"));
        paths.insert("/api/dashboard".to_owned(), json!({ "get": overview.0 }));
    }
    for entity in &app.entities {
        entity_paths(&mut paths, app, entity);
    }
    Value::Object(paths)
}

fn auth_paths(paths: &mut Map<String, Value>) {
    let register = operation("register_account", "Accounts", "Creates an account.", false)
        .body("RegisterRequest")
        .answer("201", "The new account", Some("AccountInfo"))
        .error("409", "The email address has an account already")
        .invalid();
    let login = operation("sign_in", "Accounts", "Signs in with a JSON body.", false)
        .body("LoginRequest")
        .answer("200", "A token", Some("Token"))
        .error("401", "Email or password is wrong")
        .invalid();
    let mut token =
        operation("sign_in_with_form", "Accounts", "Signs in with an OAuth2 password form.", false)
            .answer("200", "A token", Some("Token"))
            .error("401", "Email or password is wrong")
            .invalid();
    let form = json!({
        "type": "object",
        "required": ["username", "password"],
        "properties": {
            "grant_type": { "type": "string", "pattern": "^password$" },
            "username": { "type": "string" },
            "password": { "type": "string", "format": "password" },
            "scope": { "type": "string", "default": "" },
        },
    });
    token.set("requestBody", json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form } } }));
    let me = operation("read_account", "Accounts", "The account of the request's token.", true)
        .answer("200", "The account", Some("AccountInfo"));
    paths.insert("/api/auth/register".to_owned(), json!({ "post": register.0 }));
    paths.insert("/api/auth/login".to_owned(), json!({ "post": login.0 }));
    paths.insert("/api/auth/token".to_owned(), json!({ "post": token.0 }));
    paths.insert("/api/auth/me".to_owned(), json!({ "get": me.0 }));
}

fn entity_paths(paths: &mut Map<String, Value>, app: &App, entity: &EntityPlan) {
    let names = &entity.brief;
    let (tag, read) = (names.label_plural.as_str(), format!("{}Read", names.name));
    let (create, update, page) = (
        format!("{}Create", names.name),
        format!("{}Update", names.name),
        format!("{}Page", names.name),
    );
    let new = |id: String, summary: &str| operation(&id, tag, summary, app.auth);
    let unique = entity.fields.iter().any(|field| field.unique);
    let conflict = |operation: Operation, workflow: bool| {
        if unique || workflow {
            operation.error("409", "Conflicts with what is stored")
        } else {
            operation
        }
    };
    let workflow = entity.workflow.is_some();

    let mut list =
        new(format!("list_{}", names.plural), "One page, searched, filtered and sorted.")
            .answer("200", "The records", Some(&page))
            .invalid();
    list.set("parameters", Value::Array(list_parameters(entity)));
    let post = new(format!("create_{}", names.snake), "Creates a record.")
        .body(&create)
        .answer("201", "The new record", Some(&read))
        .invalid();
    let get = new(format!("get_{}", names.snake), "One record.")
        .answer("200", "The record", Some(&read))
        .keyed();
    let put = new(
        format!("replace_{}", names.snake),
        "Sets all fields; those left out get their default.",
    )
    .body(&create)
    .answer("200", "The changed record", Some(&read))
    .keyed();
    let patch = new(
        format!("update_{}", names.snake),
        "Sets the given fields and leaves the others alone.",
    )
    .body(&update)
    .answer("200", "The changed record", Some(&read))
    .keyed();
    let delete = new(format!("delete_{}", names.snake), "Deletes a record.")
        .answer("204", "Deleted", None)
        .keyed();

    let (post, put, patch) =
        (conflict(post, false), conflict(put, workflow), conflict(patch, workflow));
    paths.insert(format!("/api/{}", names.path), json!({ "get": list.0, "post": post.0 }));
    paths.insert(
        format!("/api/{}/{{id}}", names.path),
        json!({ "get": get.0, "put": put.0, "patch": patch.0, "delete": delete.0 }),
    );
}

fn list_parameters(entity: &EntityPlan) -> Vec<Value> {
    let parameter = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": description });
    let mut parameters = vec![
        parameter("q", json!({ "type": "string", "maxLength": 200 }), "Text to search for"),
        parameter(
            "sort",
            json!({ "type": "string", "enum": entity.sorts, "default": "id" }),
            "Field to sort by",
        ),
        parameter(
            "order",
            json!({ "type": "string", "enum": ["asc", "desc"], "default": "asc" }),
            "Direction of the sort",
        ),
        parameter(
            "page",
            json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1 }),
            "Page, counted from 1",
        ),
        parameter(
            "page_size",
            json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }),
            "Records per page",
        ),
    ];
    parameters.extend(entity.filters.iter().map(|filter| {
        let mut value = parameter(
            &filter.name,
            filter_schema(filter),
            &format!("Only with this {}", filter.label),
        );
        if let (Some(target), Some(object)) = (&filter.target, value.as_object_mut()) {
            object.insert("x-gencode-ref".to_owned(), json!(target.name));
        }
        value
    }));
    parameters
}

fn filter_schema(filter: &FilterPlan) -> Value {
    match (&filter.enum_class, filter.kind) {
        (Some(class), _) => reference(class),
        (None, "boolean") => json!({ "type": "boolean" }),
        (None, _) => key(),
    }
}

/// One operation, put together step by step.
struct Operation(Value);

fn operation(id: &str, tag: &str, summary: &str, signed_in: bool) -> Operation {
    let operation =
        Operation(json!({ "operationId": id, "tags": [tag], "summary": summary, "responses": {} }));
    if !signed_in {
        return operation;
    }
    let mut operation = operation.error("401", "Not signed in");
    operation.set("security", json!([{ "OAuth2PasswordBearer": [] }]));
    operation
}

impl Operation {
    fn set(&mut self, key: &str, value: Value) {
        set(&mut self.0, key, value);
    }

    fn body(mut self, schema: &str) -> Self {
        self.set("requestBody", json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } }));
        self
    }

    fn answer(mut self, status: &str, description: &str, schema: Option<&str>) -> Self {
        let mut response = json!({ "description": description });
        if let Some(schema) = schema {
            set(
                &mut response,
                "content",
                json!({ "application/json": { "schema": reference(schema) } }),
            );
        }
        if let Some(responses) = self.0.get_mut("responses") {
            set(responses, status, response);
        }
        self
    }

    fn error(mut self, status: &str, description: &str) -> Self {
        let schema = json!({ "type": "object", "properties": { "detail": { "type": "string" } }, "required": ["detail"] });
        let response = json!({ "description": description, "content": { "application/json": { "schema": schema } } });
        if let Some(responses) = self.0.get_mut("responses") {
            set(responses, status, response);
        }
        self
    }

    fn invalid(mut self) -> Self {
        let item = json!({ "type": "object", "properties": { "loc": { "type": "array", "items": {} }, "msg": { "type": "string" }, "type": { "type": "string" } } });
        let schema = json!({ "type": "object", "properties": { "detail": { "type": "array", "items": item } } });
        let response = json!({ "description": "The request is not valid", "content": { "application/json": { "schema": schema } } });
        if let Some(responses) = self.0.get_mut("responses") {
            set(responses, "422", response);
        }
        self
    }

    /// About one record: its number in the path, and what may be wrong with it.
    fn keyed(mut self) -> Self {
        self.set(
            "parameters",
            json!([{ "name": "id", "in": "path", "required": true, "schema": key() }]),
        );
        self.error("404", "There is no such record").invalid()
    }
}
