//! The calls that show that an application keeps its contract, made from the contract alone.
//!
//! Every entity is created, read, found in its list, changed, replaced and deleted, with everything
//! it refers to created before and deleted after it, so that nothing is left in the preview.

use gencode_plugin_sdk::{
    handler::sandbox::HttpCheck,
    supervise::project::route,
    types::{Entity, Intent, Relation},
};
use serde_json::{Map, Value, json};

use crate::sample;

/// Account that the checks sign in with. It stays in the preview, but owns nothing.
const EMAIL: &str = "acceptance@example.com";
const PASSWORD: &str = "acceptance-check-1";

/// All checks, in order.
pub(crate) fn checks(contract: &Value, intent: &Intent, with_ui: bool) -> Vec<HttpCheck> {
    let api = Api { contract, intent, signed_in: path(contract, "/api/auth/login").is_some() };
    let mut checks = vec![
        check("health", "GET", "/api/health", 200),
        check("contract", "GET", "/api/openapi.json", 200),
    ];
    if with_ui {
        checks.push(check("start page", "GET", "/", 200));
    }
    if api.signed_in {
        checks.extend(api.sign_in());
    }
    if path(contract, "/api/dashboard").is_some() {
        checks.push(api.signed(check("dashboard", "GET", "/api/dashboard", 200)));
    }
    let order = order(intent);
    checks.extend(order.iter().flat_map(|entity| api.life(entity)));
    checks.extend(order.iter().rev().flat_map(|entity| api.death(entity)));
    checks
}

/// Entities so that what is referred to comes first; where references form a circle, the required
/// ones decide.
fn order(intent: &Intent) -> Vec<&Entity> {
    let mut left: Vec<&Entity> = intent.entities.iter().collect();
    let mut done: Vec<&Entity> = Vec::new();
    while !left.is_empty() {
        let free = |entity: &Entity, needed: &dyn Fn(&Relation) -> bool| {
            intent
                .relations
                .iter()
                .filter(|relation| {
                    relation.source == entity.name
                        && relation.target != entity.name
                        && needed(relation)
                })
                .all(|relation| !left.iter().any(|other| other.name == relation.target))
        };
        let next = left
            .iter()
            .position(|entity| free(entity, &|_| true))
            .or_else(|| left.iter().position(|entity| free(entity, &|relation| relation.required)))
            .unwrap_or(0);
        done.push(left.remove(next));
    }
    done
}

fn path<'a>(contract: &'a Value, path: &str) -> Option<&'a Value> {
    contract.get("paths")?.get(path)
}

fn check(name: &str, method: &str, path: &str, status: u16) -> HttpCheck {
    HttpCheck {
        name: name.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: String::new(),
        expect_status: vec![status],
        expect_json: Vec::new(),
        capture: Vec::new(),
    }
}

fn with_body(check: HttpCheck, body: &Value) -> HttpCheck {
    // References stand in the body as text `<<name>>` and become the captured number.
    let body = body.to_string().replace("\"<<", "{{").replace(">>\"", "}}");
    HttpCheck { body, ..check }
}

fn expecting(mut check: HttpCheck, prefix: &str, values: &[(String, Value)]) -> HttpCheck {
    check
        .expect_json
        .extend(values.iter().map(|(name, value)| (format!("{prefix}/{name}"), value.to_string())));
    check
}

/// What a property of a body is.
enum Property<'a> {
    /// A value of its own.
    Value,
    /// The number of another record, or a list of them.
    Reference(&'a Entity),
    /// Refers to something that the intent does not know; left out.
    Unknown,
}

/// The contract, and how to call it.
struct Api<'a> {
    contract: &'a Value,
    intent: &'a Intent,
    signed_in: bool,
}

impl Api<'_> {
    fn signed(&self, mut check: HttpCheck) -> HttpCheck {
        if self.signed_in {
            check.headers.push(("Authorization".to_owned(), "Bearer {{token}}".to_owned()));
        }
        check
    }

    fn sign_in(&self) -> Vec<HttpCheck> {
        let account = json!({ "email": EMAIL, "name": "Acceptance", "password": PASSWORD });
        let mut register =
            with_body(check("accounts: register", "POST", "/api/auth/register", 201), &account);
        // An earlier run may have left the account.
        register.expect_status.push(409);
        let proof = json!({ "email": EMAIL, "password": PASSWORD });
        let mut login =
            with_body(check("accounts: sign in", "POST", "/api/auth/login", 200), &proof);
        login.capture.push(("token".to_owned(), "/access_token".to_owned()));
        let wrong = json!({ "email": EMAIL, "password": "not-the-password" });
        let refused = with_body(
            check("accounts: a wrong password is refused", "POST", "/api/auth/login", 401),
            &wrong,
        );
        let me = self.signed(check("accounts: who am I", "GET", "/api/auth/me", 200));
        vec![register, login, refused, expecting(me, "", &[("email".to_owned(), json!(EMAIL))])]
    }

    /// Everything up to the last change of one record.
    fn life(&self, entity: &Entity) -> Vec<HttpCheck> {
        let list = format!("/api{}", route(entity));
        let one = format!("{list}/{{{{{}}}}}", key(entity));
        let named = |what: &str| format!("{}: {what}", entity.label);
        let schema = self.body_schema(&list);
        let mut checks = Vec::new();
        if self.signed_in {
            checks.push(check(&named("refused without a token"), "GET", &list, 401));
        }
        if schema
            .and_then(|schema| schema.get("required"))
            .and_then(Value::as_array)
            .is_some_and(|all| !all.is_empty())
        {
            let empty = check(&named("an empty body is refused"), "POST", &list, 422);
            checks.push(self.signed(with_body(empty, &json!({}))));
        }
        let first = self.body(entity, 1);
        let mut create = with_body(check(&named("create"), "POST", &list, 201), &first);
        create.capture.push((key(entity), "/id".to_owned()));
        checks.push(self.signed(expecting(create, "", &Self::comparable(entity, &first))));
        let read = self.signed(check(&named("read"), "GET", &one, 200));
        checks.push(expecting(read.clone(), "", &Self::comparable(entity, &first)));
        let listed = self.signed(check(&named("list"), "GET", &self.list_path(&list), 200));
        checks.push(expecting(listed, "/items/0", &Self::comparable(entity, &first)));

        let change = self.change(entity, &first);
        if let Some(change) = &change {
            let patch = with_body(check(&named("change"), "PATCH", &one, 200), change);
            let changed = Self::comparable(entity, change);
            checks.push(self.signed(expecting(patch, "", &changed)));
            let again = HttpCheck { name: named("read the change"), ..read.clone() };
            checks.push(expecting(again, "", &changed));
        }
        let third = self.replacement(entity, change.as_ref());
        let replace = with_body(check(&named("replace"), "PUT", &one, 200), &third);
        checks.push(self.signed(expecting(replace, "", &Self::comparable(entity, &third))));
        checks
    }

    /// The end of the record, and that it is gone.
    fn death(&self, entity: &Entity) -> Vec<HttpCheck> {
        let one = format!("/api{}/{{{{{}}}}}", route(entity), key(entity));
        let named = |what: &str| format!("{}: {what}", entity.label);
        vec![
            self.signed(check(&named("delete"), "DELETE", &one, 204)),
            self.signed(check(&named("gone"), "GET", &one, 404)),
        ]
    }

    /// The list so that the newest record is its first, where the contract can sort by number.
    fn list_path(&self, list: &str) -> String {
        let parameters = path(self.contract, list)
            .and_then(|path| path.pointer("/get/parameters"))
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let parameter = |name: &str| {
            parameters.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(name))
        };
        let by_number = parameter("sort")
            .and_then(|sort| sort.pointer("/schema/enum"))
            .and_then(Value::as_array)
            .is_some_and(|fields| fields.iter().any(|field| field == "id"));
        let mut query = Vec::new();
        if by_number {
            query.push("sort=id");
            if parameter("order").is_some() {
                query.push("order=desc");
            }
        }
        if parameter("page_size").is_some() {
            query.push("page_size=100");
        }
        if query.is_empty() { list.to_owned() } else { format!("{list}?{}", query.join("&")) }
    }

    fn body_schema(&self, list: &str) -> Option<&Value> {
        let schema = path(self.contract, list)?
            .pointer("/post/requestBody/content/application~1json/schema")?;
        Some(sample::plain(self.contract, schema))
    }

    fn properties(&self, entity: &Entity) -> Option<&Map<String, Value>> {
        self.body_schema(&format!("/api{}", route(entity)))?.get("properties")?.as_object()
    }

    /// A complete body.
    fn body(&self, entity: &Entity, number: u32) -> Value {
        let mut body = Map::new();
        for (name, schema) in self.properties(entity).into_iter().flatten() {
            let value = match self.property(entity, name, schema) {
                Property::Value => {
                    let field = entity.fields.iter().find(|field| field.name == *name);
                    sample::value(self.contract, schema, field, name, number)
                }
                Property::Reference(target) if self.comes_before(target, entity) => {
                    let key = json!(format!("<<{}>>", key(target)));
                    if self.is_list(schema) { json!([key]) } else { key }
                }
                Property::Reference(_) | Property::Unknown => continue,
            };
            body.insert(name.clone(), value);
        }
        Value::Object(body)
    }

    /// A body with one field that differs from the first: text where possible, for it is seen best.
    fn change(&self, entity: &Entity, first: &Value) -> Option<Value> {
        let second = self.body(entity, 2);
        let fields = second.as_object()?;
        let differs = |name: &&String| {
            fields.get(*name) != first.get(name.as_str())
                && entity.fields.iter().any(|field| field.name == **name)
        };
        let text = |name: &&String| {
            entity.fields.iter().any(|field| field.name == **name && field.kind == "string")
        };
        let name = fields.keys().filter(differs).find(text).or_else(|| fields.keys().find(differs));
        let mut change = Map::new();
        if let Some(name) = name {
            change.insert(name.clone(), fields.get(name)?.clone());
        }
        for (name, schema) in self.properties(entity).into_iter().flatten() {
            if let Some(next) = self.next(schema) {
                change.insert(name.clone(), next);
            }
        }
        (!change.is_empty()).then_some(Value::Object(change))
    }

    /// The value that an enumeration may take after its first.
    fn next(&self, schema: &Value) -> Option<Value> {
        let plain = sample::plain(self.contract, schema);
        let values = plain.get("enum")?.as_array()?;
        let first = values.first()?;
        match plain.get("x-gencode-transitions") {
            Some(transitions) => transitions.get(first.as_str()?)?.get(0).cloned(),
            None => values.get(1).cloned(),
        }
    }

    /// A third complete body. What is an enumeration stays as the change left it: a workflow need
    /// not allow to go back.
    fn replacement(&self, entity: &Entity, change: Option<&Value>) -> Value {
        let mut body = self.body(entity, 3);
        if let Some(object) = body.as_object_mut() {
            for (name, value) in object.iter_mut() {
                let schema = self.properties(entity).and_then(|properties| properties.get(name));
                if schema.is_some_and(|schema| {
                    sample::plain(self.contract, schema).get("enum").is_some()
                }) && let Some(changed) = change.and_then(|change| change.get(name))
                {
                    value.clone_from(changed);
                }
            }
        }
        body
    }

    /// Fields of a body whose values come back as they were sent.
    fn comparable(entity: &Entity, body: &Value) -> Vec<(String, Value)> {
        let fields = body.as_object();
        fields
            .into_iter()
            .flatten()
            .filter(|(name, value)| {
                let field = entity.fields.iter().find(|field| field.name == **name);
                field.is_some_and(|field| sample::comparable(value, &field.kind))
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// What a property of a body is.
    fn property(&self, entity: &Entity, name: &str, schema: &Value) -> Property<'_> {
        let by_name = |name: &str| {
            let found = self.intent.entities.iter().find(|entity| entity.name == name);
            found.map_or(Property::Unknown, Property::Reference)
        };
        if let Some(marked) = schema.get("x-gencode-ref").and_then(Value::as_str) {
            return by_name(marked);
        }
        if entity.fields.iter().any(|field| field.name == name) {
            return Property::Value;
        }
        let related = |kind: &str, fits: &dyn Fn(&str) -> bool| {
            let mut relations = self.intent.relations.iter();
            relations
                .find(|relation| {
                    relation.source == entity.name && relation.kind == kind && fits(&relation.name)
                })
                .map_or(Property::Unknown, |relation| by_name(&relation.target))
        };
        if let Some(stem) = name.strip_suffix("_ids") {
            // The plural of a word begins like its singular, but for the last letter (`category`).
            let length = stem.chars().count().saturating_sub(1).max(2);
            let stem: String = stem.chars().take(length).collect();
            related("many-to-many", &|relation| relation.starts_with(&stem))
        } else if let Some(stem) = name.strip_suffix("_id") {
            related("many-to-one", &|relation| relation == stem)
        } else {
            Property::Value
        }
    }

    fn is_list(&self, schema: &Value) -> bool {
        sample::plain(self.contract, schema).get("type").and_then(Value::as_str) == Some("array")
    }

    fn comes_before(&self, target: &Entity, entity: &Entity) -> bool {
        let order = order(self.intent);
        let at = |name: &str| order.iter().position(|one| one.name == name);
        at(&target.name) < at(&entity.name)
    }
}

/// Name under which the number of an entity's record is remembered.
fn key(entity: &Entity) -> String {
    format!("{}_id", entity.plural)
}

#[cfg(test)]
mod tests;
