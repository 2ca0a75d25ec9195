//! Plausible values: for the mock data, for tests and for examples in the contract.

use serde_json::{Value, json};

use super::names;
use crate::offline::model::{Entity, Field, FieldKind};

const PEOPLE: [&str; 5] =
    ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Katherine Johnson", "Linus Pauling"];
const CITIES: [&str; 5] = ["Lisbon", "Oslo", "Nairobi", "Kyoto", "Montréal"];
const COLORS: [&str; 5] = ["blue", "green", "orange", "red", "teal"];

/// Names of numbers that may be below zero; all others count or cost something.
const SIGNED: [&str; 14] = [
    "temperature",
    "balance",
    "latitude",
    "longitude",
    "altitude",
    "elevation",
    "delta",
    "change",
    "offset",
    "profit",
    "difference",
    "adjustment",
    "net",
    "degree",
];

/// Whether a number of this name cannot be below zero.
pub(super) fn is_non_negative(name: &str) -> bool {
    !name.split('_').any(|word| SIGNED.contains(&word))
}

/// The value of a field in row `row` (from 0) of the sample data.
pub(super) fn value(entity: &Entity, field: &Field, row: usize) -> Value {
    let number = row + 1;
    match field.kind {
        FieldKind::String => json!(short_text(entity, field, row)),
        FieldKind::Text => {
            json!(format!("{} {number}: {}.", entity.label, field.label.to_lowercase()))
        }
        FieldKind::Integer => integer(field, number),
        FieldKind::Decimal => {
            json!([12.5, 49.99, 8.0, 120.25, 31.4].get(row).copied().unwrap_or(10.0))
        }
        FieldKind::Boolean => json!(row % 3 == 1),
        FieldKind::Date if field.name.contains("birth") => {
            json!(format!("19{}5-0{number}-1{row}", 5 + row))
        }
        FieldKind::Date => json!(format!("2026-0{number}-1{row}")),
        FieldKind::Datetime => json!(format!("2026-0{number}-1{row}T09:30:00Z")),
        FieldKind::Email => json!(format!("person{number}@example.com")),
        FieldKind::Url => {
            json!(format!("https://example.com/{}/{number}", names::kebab(&entity.plural)))
        }
        FieldKind::Phone => json!(format!("+1 555 010{number}")),
        FieldKind::Enum => json!(field.values.get(row % field.values.len().max(1))),
    }
}

/// A value that differs from that of the first row.
pub(super) fn update(entity: &Entity, field: &Field) -> Value {
    match field.kind {
        FieldKind::String => json!(format!("{} changed", short_text(entity, field, 0))),
        FieldKind::Boolean => json!(true),
        // From the first value every other one may follow.
        FieldKind::Enum => json!(field.values.get(1).or_else(|| field.values.first())),
        _ => value(entity, field, 1),
    }
}

/// A value that must be refused, where the type has one.
pub(super) fn invalid(field: &Field, non_negative: bool) -> Option<Value> {
    match field.kind {
        FieldKind::String => Some(json!("x".repeat(201))),
        FieldKind::Integer | FieldKind::Decimal if non_negative => Some(json!(-1)),
        FieldKind::Integer | FieldKind::Decimal => Some(json!("many")),
        FieldKind::Date => Some(json!("2026-02-30")),
        FieldKind::Datetime => Some(json!("yesterday")),
        FieldKind::Email => Some(json!("nobody")),
        FieldKind::Url => Some(json!("not a link")),
        FieldKind::Enum => Some(json!("no_such_value")),
        FieldKind::Boolean => Some(json!("perhaps")),
        FieldKind::Text | FieldKind::Phone => None,
    }
}

fn integer(field: &Field, number: usize) -> Value {
    if field.name.split('_').any(|word| word == "year") {
        return json!(2020 + number);
    }
    if matches!(field.name.as_str(), "rating" | "stars" | "score" | "grade") {
        return json!(1 + (number + 2) % 5);
    }
    json!(number * 3)
}

fn short_text(entity: &Entity, field: &Field, row: usize) -> String {
    let number = row + 1;
    let pick =
        |list: &[&str; 5]| list.get(row % 5).map_or_else(String::new, |text| (*text).to_owned());
    let is_person =
        entity.fields.iter().any(|field| matches!(field.kind, FieldKind::Email | FieldKind::Phone));
    let words: Vec<&str> = field.name.split('_').collect();
    let has = |word: &str| words.contains(&word);
    match field.name.as_str() {
        "first_name" => pick(&PEOPLE).split(' ').next().unwrap_or_default().to_owned(),
        "last_name" | "surname" => pick(&PEOPLE).split(' ').nth(1).unwrap_or_default().to_owned(),
        "name" | "full_name" if is_person => pick(&PEOPLE),
        _ if has("author")
            || has("assignee")
            || has("instructor")
            || has("teacher")
            || has("speaker") =>
        {
            pick(&PEOPLE)
        }
        _ if has("city") => pick(&CITIES),
        _ if has("color") || has("colour") => pick(&COLORS),
        _ if has("address") || has("street") => format!("{} Garden Street", number * 7),
        _ if has("sku") || has("code") || has("reference") || has("number") || has("isbn") => {
            format!("{}-{:03}", code_prefix(entity), number * 17)
        }
        _ if has("country") => "Portugal".to_owned(),
        "name" | "title" => format!("{} {number}", entity.label),
        _ => format!("{} {number}", field.label),
    }
}

fn code_prefix(entity: &Entity) -> String {
    entity.name.chars().take(3).collect::<String>().to_ascii_uppercase()
}
