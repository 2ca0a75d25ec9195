//! Brings any intent into a form that code can be generated from.
//!
//! An intent may come from a real model or from a user's edit; the templates rely on what this
//! module guarantees: names are unique and safe, relations end somewhere, and no record needs
//! another one that cannot exist before it. Applying it twice changes nothing.

use std::collections::{HashMap, HashSet};

use super::names;
use crate::offline::model::{Entity, Field, FieldKind, Intent, Relation, RelationKind};

/// A cleaned copy of the intent.
pub(super) fn normalise(intent: &Intent) -> Intent {
    let mut clean = intent.clone();
    clean.title = clean.title.split_whitespace().collect::<Vec<_>>().join(" ");
    if clean.title.is_empty() {
        "Application".clone_into(&mut clean.title);
    }
    if clean.language.is_empty() {
        "en".clone_into(&mut clean.language);
    }
    let renamed = clean_entities(&mut clean);
    clean_relations(&mut clean, &renamed);
    for entity in &mut clean.entities {
        drop_shadowed_fields(entity, &clean.relations);
    }
    break_cycles(&mut clean);
    clean
}

/// Safe, unique entity names; tells which name became which.
fn clean_entities(intent: &mut Intent) -> HashMap<String, String> {
    let mut renamed = HashMap::new();
    let (mut classes, mut plurals) = (HashSet::new(), HashSet::new());
    let mut kept = Vec::new();
    for mut entity in std::mem::take(&mut intent.entities) {
        let class = names::safe_class(&entity.name);
        renamed.insert(std::mem::replace(&mut entity.name, class.clone()), class.clone());
        let raw_plural = if entity.plural.is_empty() {
            format!("{}s", names::snake(&class))
        } else {
            entity.plural
        };
        entity.plural = names::safe_plural(&raw_plural);
        if !classes.insert(class.to_ascii_lowercase()) {
            continue;
        }
        while !plurals.insert(entity.plural.clone()) {
            entity.plural.push_str("_records");
        }
        if entity.label.trim().is_empty() {
            entity.label = names::humanize(&names::snake(&class));
        }
        if entity.label_plural.trim().is_empty() {
            entity.label_plural = names::humanize(&entity.plural);
        }
        clean_fields(&mut entity);
        kept.push(entity);
    }
    intent.entities = kept;
    renamed
}

fn clean_fields(entity: &mut Entity) {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for mut field in std::mem::take(&mut entity.fields) {
        if matches!(field.name.as_str(), "id" | "created_at" | "updated_at" | "owner_id") {
            continue; // every table has them
        }
        field.name = names::safe_identifier(&field.name, &names::snake(&entity.name));
        if !seen.insert(field.name.clone()) {
            continue;
        }
        if field.label.trim().is_empty() {
            field.label = names::humanize(&field.name);
        }
        if field.kind == FieldKind::Enum {
            clean_values(&mut field);
        } else {
            field.values.clear();
        }
        // Uniqueness of these would be a trap, not a rule.
        let can_be_unique = matches!(
            field.kind,
            FieldKind::String
                | FieldKind::Email
                | FieldKind::Url
                | FieldKind::Phone
                | FieldKind::Integer
        );
        field.unique &= can_be_unique;
        kept.push(field);
    }
    if kept.is_empty() {
        kept.push(Field {
            name: "name".to_owned(),
            label: "Name".to_owned(),
            kind: FieldKind::String,
            required: true,
            ..Field::default()
        });
    }
    entity.fields = kept;
}

fn clean_values(field: &mut Field) {
    let mut seen = HashSet::new();
    field.values = field
        .values
        .iter()
        .map(|value| names::enum_value(value))
        .filter(|v| !v.is_empty() && seen.insert(v.clone()))
        .collect();
    if field.values.is_empty() {
        field.kind = FieldKind::String;
    }
}

fn clean_relations(intent: &mut Intent, renamed: &HashMap<String, String>) {
    let plural_of: HashMap<String, String> =
        intent.entities.iter().map(|entity| (entity.name.clone(), entity.plural.clone())).collect();
    let has_accounts = intent.features.iter().any(|feature| feature == "auth");
    let mut taken: HashSet<(String, String)> = HashSet::new();
    let mut pairs: HashSet<(String, String)> = HashSet::new();
    let mut kept = Vec::new();
    for mut relation in std::mem::take(&mut intent.relations) {
        let resolve =
            |name: &str| renamed.get(name).cloned().unwrap_or_else(|| names::safe_class(name));
        relation.source = resolve(&relation.source);
        relation.target = resolve(&relation.target);
        let (Some(_), Some(target_plural)) =
            (plural_of.get(&relation.source), plural_of.get(&relation.target))
        else {
            continue;
        };
        let many = relation.kind == RelationKind::ManyToMany;
        // The same pair told from both ends is one relation.
        let mirrored = pairs.contains(&(relation.target.clone(), relation.source.clone()));
        if many && (mirrored || !pairs.insert((relation.source.clone(), relation.target.clone()))) {
            continue;
        }
        let raw = match relation.name.trim() {
            "" if many => target_plural.clone(),
            "" => names::snake(&relation.target),
            name => name.to_owned(),
        };
        let source = names::snake(&relation.source);
        relation.name = names::safe_identifier(&raw, &source);
        // The column's name is made from it, however it was written.
        while !many && let Some(bare) = relation.name.strip_suffix("_id") {
            relation.name = names::safe_identifier(bare, &source);
        }
        if has_accounts && matches!(relation.name.as_str(), "owner" | "owners") {
            // With accounts, `owner_id` says whose record it is.
            relation.name = format!("{source}_{}", relation.name);
        }
        if !taken.insert((relation.source.clone(), relation.name.clone())) {
            continue;
        }
        // A record that must have a parent of its own kind could never be the first.
        relation.required &= !many && relation.source != relation.target;
        kept.push(relation);
    }
    intent.relations = kept;
}

/// A field that says less than a relation of the same name goes; the last one stays.
fn drop_shadowed_fields(entity: &mut Entity, relations: &[Relation]) {
    let mut shadowed = HashSet::new();
    for relation in relations.iter().filter(|relation| relation.source == entity.name) {
        shadowed.insert(relation.name.clone());
        shadowed.insert(format!("{}_id", relation.name));
        shadowed.insert(format!("{}_ids", names::singular(&relation.name)));
    }
    let kept: Vec<Field> =
        entity.fields.iter().filter(|field| !shadowed.contains(&field.name)).cloned().collect();
    entity.fields = kept;
    if entity.fields.is_empty() {
        let name = if shadowed.contains("name") { "title" } else { "name" };
        entity.fields.push(Field {
            name: name.to_owned(),
            label: names::humanize(name),
            kind: FieldKind::String,
            required: false,
            ..Field::default()
        });
    }
}

/// If A needs B and B needs A, neither can be created: the later relation becomes optional.
fn break_cycles(intent: &mut Intent) {
    let mut needs: HashMap<String, Vec<String>> = HashMap::new();
    for relation in intent.relations.iter_mut().filter(|relation| relation.required) {
        if reaches(&needs, &relation.target, &relation.source) {
            relation.required = false;
        } else {
            needs.entry(relation.source.clone()).or_default().push(relation.target.clone());
        }
    }
}

fn reaches(needs: &HashMap<String, Vec<String>>, from: &str, to: &str) -> bool {
    let (mut open, mut seen) = (vec![from], HashSet::new());
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            open.extend(needs.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    false
}
