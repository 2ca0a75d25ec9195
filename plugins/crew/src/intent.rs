//! Reading an intent strictly: what is built from it trusts every name in it.

use std::collections::{BTreeMap, BTreeSet};

use gencode_plugin_sdk::{
    answer::Answer,
    types::{Entity, Fault, Intent, Route},
};
use serde_json::{Value, json};

const KINDS: [&str; 11] = [
    "string", "text", "integer", "decimal", "boolean", "date", "datetime", "email", "url", "phone",
    "enum",
];

const ARCHETYPES: [&str; 7] = [
    "admin_dashboard",
    "saas_app",
    "content_platform",
    "landing_page",
    "realtime_collab",
    "ecommerce_store",
    "project_management",
];

const VIBES: [&str; 5] =
    ["dark_hacker", "minimal_light", "playful_colorful", "enterprise_neutral", "modern_gradient"];

/// Names that the stack gives to columns of its own.
const COLUMNS: [&str; 4] = ["id", "created_at", "updated_at", "owner_id"];

/// Words of Python, and names that a model class inherits, that cannot name a field.
const RESERVED: [&str; 35] = [
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "metadata",
    "registry",
    "model_config",
];

/// Faults are `missing-document`, `unreadable-document` or `invalid-intent`, with everything that
/// is wrong in the message.
pub fn read(answer: &Answer) -> Result<Intent, Fault> {
    let mut value: Value = answer.read("intent")?;
    complete(&mut value);
    let intent: Intent = serde_json::from_value(value).map_err(|error| {
        Fault::retryable("invalid-intent", format!("the intent cannot be read: {error}"))
    })?;
    let problems = problems(&intent);
    if problems.is_empty() {
        Ok(intent)
    } else {
        Err(Fault::retryable("invalid-intent", problems.join("; ")))
    }
}

/// Fills in what may be left out because it means nothing or no.
fn complete(value: &mut Value) {
    fill(value, &[("features", json!([])), ("relations", json!([])), ("notes", json!([]))]);
    for route in ["archetype", "vibe"] {
        if let Some(route) = value.get_mut(route) {
            fill(route, &[("confidence", json!(0.0)), ("evidence", json!([]))]);
        }
    }
    for entity in value.get_mut("entities").and_then(Value::as_array_mut).into_iter().flatten() {
        fill(entity, &[("named", json!(true))]);
        for field in entity.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
            fill(
                field,
                &[("required", json!(false)), ("unique", json!(false)), ("values", json!([]))],
            );
        }
    }
    for relation in value.get_mut("relations").and_then(Value::as_array_mut).into_iter().flatten() {
        fill(relation, &[("required", json!(false))]);
    }
}

fn fill(value: &mut Value, defaults: &[(&str, Value)]) {
    if let Some(object) = value.as_object_mut() {
        for (key, default) in defaults {
            object.entry(*key).or_insert_with(|| default.clone());
        }
    }
}

/// Everything that is wrong with an intent, as sentences; empty when it can be built.
pub fn problems(intent: &Intent) -> Vec<String> {
    let mut found = Vec::new();
    for (what, text) in
        [("title", &intent.title), ("goal", &intent.goal), ("language", &intent.language)]
    {
        if text.trim().is_empty() {
            found.push(format!("the {what} is empty"));
        }
    }
    if intent.entities.is_empty() {
        found.push("there is no entity".to_owned());
    }
    let mut names = BTreeSet::new();
    let mut plurals = BTreeSet::new();
    for entity in &intent.entities {
        if !names.insert(entity.name.to_ascii_lowercase()) {
            found.push(format!("entity `{}` is there twice", entity.name));
        }
        if !plurals.insert(entity.plural.as_str()) {
            found.push(format!("plural `{}` is there twice", entity.plural));
        }
        entity_problems(entity, &mut found);
    }
    relation_problems(intent, &mut found);
    route_problems("archetype", &intent.archetype, &ARCHETYPES, &mut found);
    route_problems("vibe", &intent.vibe, &VIBES, &mut found);
    found
}

fn entity_problems(entity: &Entity, found: &mut Vec<String>) {
    let name = &entity.name;
    if !is_pascal(name) {
        found.push(format!("`{name}` is not a PascalCase ASCII name of an entity"));
    }
    if !is_snake(&entity.plural) {
        found.push(format!("plural `{}` of {name} is not snake_case", entity.plural));
    }
    if entity.label.trim().is_empty() || entity.label_plural.trim().is_empty() {
        found.push(format!("{name} has no label"));
    }
    if entity.fields.is_empty() {
        found.push(format!("{name} has no field"));
    }
    let mut fields = BTreeSet::new();
    for field in &entity.fields {
        let at = format!("{name}.{}", field.name);
        if !is_snake(&field.name) {
            found.push(format!("`{at}` is not snake_case"));
        } else if RESERVED.contains(&field.name.as_str()) || COLUMNS.contains(&field.name.as_str())
        {
            found.push(format!("`{at}` is a reserved name"));
        }
        if !fields.insert(field.name.as_str()) {
            found.push(format!("`{at}` is there twice"));
        }
        if field.label.trim().is_empty() {
            found.push(format!("`{at}` has no label"));
        }
        if !KINDS.contains(&field.kind.as_str()) {
            found.push(format!("`{at}` has the unknown kind `{}`", field.kind));
        }
        let distinct: BTreeSet<&String> = field.values.iter().collect();
        if field.kind == "enum" {
            if field.values.is_empty() || distinct.len() != field.values.len() {
                found.push(format!("the enum `{at}` needs distinct values"));
            }
            if let Some(value) = field.values.iter().find(|value| !is_word(value)) {
                found.push(format!("`{value}` of the enum `{at}` is not a plain ASCII word"));
            }
        } else if !field.values.is_empty() {
            found.push(format!("`{at}` has values but is not an enum"));
        }
    }
}

fn relation_problems(intent: &Intent, found: &mut Vec<String>) {
    let entity = |name: &str| intent.entities.iter().find(|entity| entity.name == name);
    let mut taken: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut needs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for relation in &intent.relations {
        let at = format!("{}.{}", relation.source, relation.name);
        for end in [&relation.source, &relation.target] {
            if entity(end).is_none() {
                found.push(format!("relation `{at}` refers to `{end}`, which is no entity"));
            }
        }
        if !["many-to-one", "many-to-many"].contains(&relation.kind.as_str()) {
            found.push(format!("relation `{at}` has the unknown kind `{}`", relation.kind));
        }
        if !is_snake(&relation.name) {
            found.push(format!("`{at}` is not snake_case"));
        }
        if !taken.insert((&relation.source, &relation.name)) {
            found.push(format!("relation `{at}` is there twice"));
        }
        let column = format!("{}_id", relation.name);
        if entity(&relation.source).is_some_and(|source| {
            source.fields.iter().any(|field| field.name == relation.name || field.name == column)
        }) {
            found.push(format!("relation `{at}` and a field have the same name"));
        }
        if relation.required && relation.kind == "many-to-one" {
            needs.entry(&relation.source).or_default().push(&relation.target);
        }
    }
    // Entities that need each other can never be created.
    let mut possible: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = possible.len();
        for entity in &intent.entities {
            let targets = needs.get(entity.name.as_str()).map(Vec::as_slice).unwrap_or_default();
            if targets.iter().all(|target| possible.contains(target)) {
                possible.insert(&entity.name);
            }
        }
        if possible.len() == before {
            break;
        }
    }
    for entity in intent.entities.iter().filter(|entity| !possible.contains(entity.name.as_str())) {
        found.push(format!("{} needs itself, directly or through others", entity.name));
    }
}

fn route_problems(what: &str, route: &Route, choices: &[&str], found: &mut Vec<String>) {
    if !choices.contains(&route.choice.as_str()) {
        found.push(format!("`{}` is not a known {what}", route.choice));
    }
    if !(0.0..=1.0).contains(&route.confidence) {
        found.push(format!("the confidence of the {what} is not between 0 and 1"));
    }
}

fn is_pascal(text: &str) -> bool {
    text.len() <= 60
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_snake(text: &str) -> bool {
    text.len() <= 60
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A value of an enum: letters and digits, and `_`, `-` between them.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 60
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests;
