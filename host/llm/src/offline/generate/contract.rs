//! The contract of the generated API: OpenAPI 3.1, the source for routers, client and tests.

use serde_json::{Map, Value, json};

use super::plan::{App, EntityPlan, FieldPlan, FilterPlan};
use crate::offline::model::Intent;

/// Top-level extension that carries the whole intent.
pub(super) const INTENT: &str = "x-gencode-intent";

const MAX_INTEGER: i64 = 2_147_483_647;
const MAX_DECIMAL: f64 = 9_999_999_999.99;

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
    let health = operation("check_health", "System", "Answers when the application runs and reaches its database.", false)
        .answer("200", "Healthy", Some("Health"));
    paths.insert("/api/health".to_owned(), json!({ "get": health.0 }));
    if app.auth {
        auth_paths(&mut paths);
    }
    if app.dashboard {
        let overview = operation("read_dashboard", "Dashboard", "How much there is of everything, and what is new.", app.auth)
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
    let mut token = operation("sign_in_with_form", "Accounts", "Signs in with an OAuth2 password form.", false)
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
    let (create, update, page) =
        (format!("{}Create", names.name), format!("{}Update", names.name), format!("{}Page", names.name));
    let new = |id: String, summary: &str| operation(&id, tag, summary, app.auth);
    let unique = entity.fields.iter().any(|field| field.unique);
    let conflict = |operation: Operation, workflow: bool| {
        if unique || workflow { operation.error("409", "Conflicts with what is stored") } else { operation }
    };
    let workflow = entity.workflow.is_some();

    let mut list = new(format!("list_{}", names.plural), "One page, searched, filtered and sorted.")
        .answer("200", "The records", Some(&page))
        .invalid();
    list.set("parameters", Value::Array(list_parameters(entity)));
    let post = new(format!("create_{}", names.snake), "Creates a record.")
        .body(&create)
        .answer("201", "The new record", Some(&read))
        .invalid();
    let get = new(format!("get_{}", names.snake), "One record.").answer("200", "The record", Some(&read)).keyed();
    let put = new(format!("replace_{}", names.snake), "Sets all fields; those left out get their default.")
        .body(&create)
        .answer("200", "The changed record", Some(&read))
        .keyed();
    let patch = new(format!("update_{}", names.snake), "Sets the given fields and leaves the others alone.")
        .body(&update)
        .answer("200", "The changed record", Some(&read))
        .keyed();
    let delete = new(format!("delete_{}", names.snake), "Deletes a record.").answer("204", "Deleted", None).keyed();

    let (post, put, patch) = (conflict(post, false), conflict(put, workflow), conflict(patch, workflow));
    paths.insert(format!("/api/{}", names.path), json!({ "get": list.0, "post": post.0 }));
    paths.insert(
        format!("/api/{}/{{id}}", names.path),
        json!({ "get": get.0, "put": put.0, "patch": patch.0, "delete": delete.0 }),
    );
}

fn list_parameters(entity: &EntityPlan) -> Vec<Value> {
    let parameter = |name: &str, schema: Value, description: &str| {
        json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": description })
    };
    let mut parameters = vec![
        parameter("q", json!({ "type": "string", "maxLength": 200 }), "Text to search for"),
        parameter("sort", json!({ "type": "string", "enum": entity.sorts, "default": "id" }), "Field to sort by"),
        parameter("order", json!({ "type": "string", "enum": ["asc", "desc"], "default": "asc" }), "Direction of the sort"),
        parameter("page", json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1 }), "Page, counted from 1"),
        parameter("page_size", json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }), "Records per page"),
    ];
    parameters.extend(entity.filters.iter().map(|filter| {
        let mut value = parameter(&filter.name, filter_schema(filter), &format!("Only with this {}", filter.label));
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

fn schemas(app: &App) -> Value {
    let mut schemas = Map::new();
    let mut add = |name: String, schema: Value| {
        schemas.insert(name, schema);
    };
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer" });
    add("Health".to_owned(), object(&[("status", text())], &["status"], "What monitoring reads."));
    if app.entities.iter().any(|entity| !entity.references.is_empty() || !entity.links.is_empty()) {
        let properties = [("id", number()), ("label", text())];
        add("Reference".to_owned(), object(&properties, &["id", "label"], "Another record: its number and what a person calls it."));
    }
    if app.auth {
        auth_schemas(&mut add);
    }
    if app.dashboard {
        dashboard_schemas(&mut add);
    }
    for entity in &app.entities {
        entity_schemas(entity, &mut add);
    }
    Value::Object(schemas)
}

fn auth_schemas(add: &mut impl FnMut(String, Value)) {
    let email = || json!({ "type": "string", "format": "email", "maxLength": 254 });
    let password = json!({ "type": "string", "minLength": 8, "maxLength": 128 });
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 200 });
    let register = [("email", email()), ("name", name), ("password", password)];
    add("RegisterRequest".to_owned(), object(&register, &["email", "name", "password"], "A new account."));
    let login = [
        ("email", json!({ "type": "string", "maxLength": 254 })),
        ("password", json!({ "type": "string", "maxLength": 128 })),
    ];
    add("LoginRequest".to_owned(), object(&login, &["email", "password"], "The proof of who someone is."));
    let token =
        [("access_token", json!({ "type": "string" })), ("token_type", json!({ "type": "string", "default": "bearer" }))];
    add("Token".to_owned(), object(&token, &["access_token"], "What later requests carry as `Authorization: Bearer …`."));
    let account = [
        ("id", json!({ "type": "integer" })),
        ("email", json!({ "type": "string" })),
        ("name", json!({ "type": "string" })),
        ("created_at", moment()),
    ];
    add("AccountInfo".to_owned(), object(&account, &["id", "email", "name", "created_at"], "An account, without its password."));
}

fn dashboard_schemas(add: &mut impl FnMut(String, Value)) {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer" });
    let count = [("entity", text()), ("label", text()), ("count", number())];
    add("DashboardCount".to_owned(), object(&count, &["entity", "label", "count"], "How many records of one kind there are."));
    let group = [("entity", text()), ("field", text()), ("value", text()), ("count", number())];
    let required = ["entity", "field", "value", "count"];
    add("DashboardGroup".to_owned(), object(&group, &required, "How many records have one value of a field."));
    let item = [("entity", text()), ("id", number()), ("label", text()), ("created_at", moment())];
    add("DashboardItem".to_owned(), object(&item, &["entity", "id", "label", "created_at"], "A record that was added lately."));
    let list = |name: &str| json!({ "type": "array", "items": reference(name) });
    let overview =
        [("counts", list("DashboardCount")), ("groups", list("DashboardGroup")), ("recent", list("DashboardItem"))];
    add("Dashboard".to_owned(), object(&overview, &["counts", "groups", "recent"], "The overview."));
}

fn entity_schemas(entity: &EntityPlan, add: &mut impl FnMut(String, Value)) {
    let name = &entity.brief.name;
    for field in &entity.fields {
        if let Some(class) = &field.enum_class {
            let values: Vec<&str> = field.values.iter().map(|value| value.value.as_str()).collect();
            let mut schema = json!({ "type": "string", "enum": values, "description": field.label });
            if entity.workflow.as_ref() == Some(&field.name) {
                let next: Map<String, Value> =
                    field.values.iter().map(|value| (value.value.clone(), json!(value.next))).collect();
                set(&mut schema, "x-gencode-transitions", Value::Object(next));
            }
            add(class.clone(), schema);
        }
    }
    let (mut create, mut update, mut read) = (Map::new(), Map::new(), Map::new());
    let mut required = Vec::new();
    let mut all: Vec<String> = vec!["id".to_owned()];
    read.insert("id".to_owned(), json!({ "type": "integer" }));
    for field in &entity.fields {
        let described = |schema: Value| labelled(schema, &field.label);
        create.insert(field.name.clone(), described(created(field)));
        update.insert(field.name.clone(), described(nullable(input(field), true)));
        read.insert(field.name.clone(), described(nullable(output(field), !field.not_null)));
        if field.must {
            required.push(field.name.clone());
        }
        all.push(field.name.clone());
    }
    for link in &entity.references {
        let marked = |schema: Value| marked(labelled(schema, &link.label), &link.target.name);
        create.insert(link.column.clone(), marked(nullable(key(), !link.required)));
        update.insert(link.column.clone(), marked(nullable(key(), true)));
        read.insert(link.column.clone(), marked(nullable(json!({ "type": "integer" }), !link.required)));
        read.insert(link.name.clone(), nullable(reference("Reference"), !link.required));
        if link.required {
            required.push(link.column.clone());
        }
        all.extend([link.column.clone(), link.name.clone()]);
    }
    for link in &entity.links {
        let keys = json!({ "type": "array", "items": key(), "maxItems": 1000 });
        let marked = |schema: Value| marked(labelled(schema, &link.label), &link.target.name);
        let mut with_default = keys.clone();
        set(&mut with_default, "default", json!([]));
        create.insert(link.ids.clone(), marked(with_default));
        update.insert(link.ids.clone(), marked(nullable(keys, true)));
        read.insert(link.ids.clone(), marked(json!({ "type": "array", "items": { "type": "integer" } })));
        read.insert(link.name.clone(), json!({ "type": "array", "items": reference("Reference") }));
        all.extend([link.ids.clone(), link.name.clone()]);
    }
    read.insert("created_at".to_owned(), moment());
    read.insert("updated_at".to_owned(), moment());
    all.extend(["created_at".to_owned(), "updated_at".to_owned()]);

    let mut schema = json!({ "type": "object", "description": format!("What it takes to create or replace: {}.", entity.brief.label), "properties": create });
    if !required.is_empty() {
        set(&mut schema, "required", json!(required));
    }
    add(format!("{name}Create"), schema);
    add(
        format!("{name}Update"),
        json!({ "type": "object", "description": format!("Changes to: {}.", entity.brief.label), "properties": update }),
    );
    add(
        format!("{name}Read"),
        json!({ "type": "object", "description": entity.brief.label, "properties": read, "required": all }),
    );
    let page = [
        ("items", json!({ "type": "array", "items": reference(&format!("{name}Read")) })),
        ("total", json!({ "type": "integer", "description": "How many records match, on all pages" })),
        ("page", json!({ "type": "integer" })),
        ("page_size", json!({ "type": "integer" })),
    ];
    let description = format!("One page: {}.", entity.brief.label_plural);
    add(format!("{name}Page"), object(&page, &["items", "total", "page", "page_size"], &description));
}

/// What a field accepts.
fn input(field: &FieldPlan) -> Value {
    if let Some(class) = &field.enum_class {
        return reference(class);
    }
    let minimum_length = u32::from(field.must || matches!(field.kind, "phone" | "url"));
    let text = |format: Option<&str>| {
        let mut schema = json!({ "type": "string" });
        if let Some(format) = format {
            set(&mut schema, "format", json!(format));
        } else if minimum_length > 0 {
            set(&mut schema, "minLength", json!(1));
        }
        if let Some(length) = field.max_length {
            set(&mut schema, "maxLength", json!(length));
        }
        schema
    };
    match field.kind {
        "integer" => {
            json!({ "type": "integer", "minimum": if field.non_negative { 0 } else { -MAX_INTEGER }, "maximum": MAX_INTEGER })
        }
        "decimal" => {
            let minimum = if field.non_negative { 0.0 } else { -MAX_DECIMAL };
            json!({ "type": "number", "multipleOf": 0.01, "minimum": minimum, "maximum": MAX_DECIMAL })
        }
        "boolean" => json!({ "type": "boolean" }),
        "date" => json!({ "type": "string", "format": "date" }),
        "datetime" => moment(),
        "email" => text(Some("email")),
        "url" => text(Some("uri")),
        _ => text(None),
    }
}

/// What creating a record accepts: as [`input`], with the default.
fn created(field: &FieldPlan) -> Value {
    match (field.kind, field.values.first()) {
        ("enum", Some(first)) => {
            let mut schema = json!({ "allOf": [input(field)] });
            set(&mut schema, "default", json!(first.value));
            schema
        }
        ("boolean", _) => json!({ "type": "boolean", "default": false }),
        _ => nullable(input(field), !field.must),
    }
}

/// What a field looks like in an answer: its type, without the limits of requests.
fn output(field: &FieldPlan) -> Value {
    match field.kind {
        "enum" | "boolean" | "date" | "datetime" => input(field),
        "integer" => json!({ "type": "integer" }),
        "decimal" => json!({ "type": "number" }),
        _ => json!({ "type": "string" }),
    }
}

fn key() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": MAX_INTEGER })
}

fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn nullable(schema: Value, yes: bool) -> Value {
    if yes { json!({ "anyOf": [schema, { "type": "null" }] }) } else { schema }
}

fn labelled(mut schema: Value, label: &str) -> Value {
    set(&mut schema, "title", json!(label));
    schema
}

fn marked(mut schema: Value, target: &str) -> Value {
    set(&mut schema, "x-gencode-ref", json!(target));
    schema
}

fn set(schema: &mut Value, key: &str, value: Value) {
    if let Some(object) = schema.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn object(properties: &[(&str, Value)], required: &[&str], description: &str) -> Value {
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "description": description, "properties": properties, "required": required })
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
            set(&mut response, "content", json!({ "application/json": { "schema": reference(schema) } }));
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
        self.set("parameters", json!([{ "name": "id", "in": "path", "required": true, "schema": key() }]));
        self.error("404", "There is no such record").invalid()
    }
}
