//! The schemas of the contract: what requests and answers look like.

use serde_json::{Map, Value, json};

use super::plan::{App, EntityPlan, FieldPlan};

const MAX_INTEGER: i64 = 2_147_483_647;
const MAX_DECIMAL: f64 = 9_999_999_999.99;

/// All schemas of the contract.
pub(super) fn schemas(app: &App) -> Value {
    let mut schemas = Map::new();
    let mut add = |name: String, schema: Value| {
        schemas.insert(name, schema);
    };
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer" });
    add("Health".to_owned(), object(&[("status", text())], &["status"], "What monitoring reads."));
    if app.entities.iter().any(|entity| !entity.references.is_empty() || !entity.links.is_empty()) {
        let properties = [("id", number()), ("label", text())];
        add(
            "Reference".to_owned(),
            object(
                &properties,
                &["id", "label"],
                "Another record: its number and what a person calls it.",
            ),
        );
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
    add(
        "RegisterRequest".to_owned(),
        object(&register, &["email", "name", "password"], "A new account."),
    );
    let login = [
        ("email", json!({ "type": "string", "maxLength": 254 })),
        ("password", json!({ "type": "string", "maxLength": 128 })),
    ];
    add(
        "LoginRequest".to_owned(),
        object(&login, &["email", "password"], "The proof of who someone is."),
    );
    let token = [
        ("access_token", json!({ "type": "string" })),
        ("token_type", json!({ "type": "string", "default": "bearer" })),
    ];
    add(
        "Token".to_owned(),
        object(
            &token,
            &["access_token"],
            "What later requests carry as `Authorization: Bearer …`.",
        ),
    );
    let account = [
        ("id", json!({ "type": "integer" })),
        ("email", json!({ "type": "string" })),
        ("name", json!({ "type": "string" })),
        ("created_at", moment()),
    ];
    add(
        "AccountInfo".to_owned(),
        object(
            &account,
            &["id", "email", "name", "created_at"],
            "An account, without its password.",
        ),
    );
}

fn dashboard_schemas(add: &mut impl FnMut(String, Value)) {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer" });
    let count = [("entity", text()), ("label", text()), ("count", number())];
    add(
        "DashboardCount".to_owned(),
        object(&count, &["entity", "label", "count"], "How many records of one kind there are."),
    );
    let group = [("entity", text()), ("field", text()), ("value", text()), ("count", number())];
    let required = ["entity", "field", "value", "count"];
    add(
        "DashboardGroup".to_owned(),
        object(&group, &required, "How many records have one value of a field."),
    );
    let item = [("entity", text()), ("id", number()), ("label", text()), ("created_at", moment())];
    add(
        "DashboardItem".to_owned(),
        object(&item, &["entity", "id", "label", "created_at"], "A record that was added lately."),
    );
    let list = |name: &str| json!({ "type": "array", "items": reference(name) });
    let overview = [
        ("counts", list("DashboardCount")),
        ("groups", list("DashboardGroup")),
        ("recent", list("DashboardItem")),
    ];
    add(
        "Dashboard".to_owned(),
        object(&overview, &["counts", "groups", "recent"], "The overview."),
    );
}

fn entity_schemas(entity: &EntityPlan, add: &mut impl FnMut(String, Value)) {
    let name = &entity.brief.name;
    for field in &entity.fields {
        if let Some(class) = &field.enum_class {
            let values: Vec<&str> = field.values.iter().map(|value| value.value.as_str()).collect();
            let mut schema =
                json!({ "type": "string", "enum": values, "description": field.label });
            if entity.workflow.as_ref() == Some(&field.name) {
                let next: Map<String, Value> = field
                    .values
                    .iter()
                    .map(|value| (value.value.clone(), json!(value.next)))
                    .collect();
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
        read.insert(
            link.column.clone(),
            marked(nullable(json!({ "type": "integer" }), !link.required)),
        );
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
        read.insert(
            link.ids.clone(),
            marked(json!({ "type": "array", "items": { "type": "integer" } })),
        );
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
        (
            "total",
            json!({ "type": "integer", "description": "How many records match, on all pages" }),
        ),
        ("page", json!({ "type": "integer" })),
        ("page_size", json!({ "type": "integer" })),
    ];
    let description = format!("One page: {}.", entity.brief.label_plural);
    add(
        format!("{name}Page"),
        object(&page, &["items", "total", "page", "page_size"], &description),
    );
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

/// The number of a record.
pub(super) fn key() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": MAX_INTEGER })
}

fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A reference to a schema.
pub(super) fn reference(schema: &str) -> Value {
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

/// Sets a member of a schema that is an object.
pub(super) fn set(schema: &mut Value, key: &str, value: Value) {
    if let Some(object) = schema.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn object(properties: &[(&str, Value)], required: &[&str], description: &str) -> Value {
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "description": description, "properties": properties, "required": required })
}
