//! The fields of an entity: what was said about it, and what is usual.

use std::collections::HashSet;

use super::super::model::{Field, FieldKind};
use super::assemble::MAX_FIELDS;
use super::facts::FieldFact;
use super::knowledge::{Known, knowledge};
use super::labels::Labels;
use super::lexicon::lexicon;
use super::naming;

/// What was said about the thing, and what is usual; when the request describes it itself, only that.
pub(super) fn fields(known: &Known, said: &[&FieldFact], labels: &Labels) -> Vec<Field> {
    let mut explicit: Vec<Field> = Vec::new();
    for fact in said {
        let field = explicit_field(fact, known, labels);
        match explicit.iter_mut().find(|other| other.name == field.name) {
            Some(other) => {
                if other.values.is_empty() || !fact.values.is_empty() {
                    *other = field;
                }
            }
            None => explicit.push(field),
        }
    }
    let described = explicit.len() >= 3
        || (explicit.len() == 2 && said.iter().any(|fact| fact.listed))
        || (explicit.len() == 2 && explicit.iter().any(|field| is_name(&field.name)));
    let mut out: Vec<Field> = Vec::new();
    if described {
        if !explicit.iter().any(|field| {
            is_name(&field.name) || (field.required && field.kind == FieldKind::String)
        }) {
            let usual_name =
                known.fields.iter().find(|field| field.kind == FieldKind::String && field.required);
            let text = |field: &&mut Field| field.kind == FieldKind::String;
            let identity =
                |field: &&mut Field| field.kind == FieldKind::String && identifies(&field.name);
            let found = if explicit.iter_mut().any(|mut field| identity(&mut field)) {
                explicit.iter_mut().find(identity)
            } else if usual_name.is_none() {
                explicit.iter_mut().find(text)
            } else {
                None
            };
            match (found, usual_name) {
                (Some(field), _) => field.required = true,
                (None, Some(usual)) => out.push(labels.field(usual.clone())),
                (None, None) => {}
            }
        }
        out.extend(explicit);
    } else {
        for field in &known.fields {
            match explicit.iter().position(|other| {
                other.name == field.name || same_meaning(&other.name, &field.name)
            }) {
                Some(at) => {
                    let mut own = explicit.remove(at);
                    own.required |= field.required;
                    out.push(own);
                }
                None => out.push(labels.field(field.clone())),
            }
        }
        out.extend(explicit);
    }
    finish(&mut out);
    out
}

/// First the name of a record, safe and distinct names, and not too many.
pub(super) fn finish(fields: &mut Vec<Field>) {
    for field in fields.iter_mut() {
        field.name = naming::field_name(&field.name);
        if field.kind == FieldKind::Enum {
            let mut seen = HashSet::new();
            field.values = field
                .values
                .iter()
                .map(|value| naming::enum_value(value))
                .filter(|value| !value.is_empty() && seen.insert(value.clone()))
                .take(20)
                .collect();
            if field.values.is_empty() {
                field.kind = FieldKind::String;
            }
        } else {
            field.values.clear();
        }
    }
    let mut seen = HashSet::new();
    fields.retain(|field| seen.insert(field.name.clone()));
    let naming_field = fields
        .iter()
        .position(|field| is_name(&field.name) && field.kind == FieldKind::String)
        .or_else(|| {
            fields.iter().position(|field| field.kind == FieldKind::String && field.required)
        });
    if let Some(at) = naming_field {
        let mut field = fields.remove(at);
        field.required = true;
        fields.insert(0, field);
    }
    if !fields.iter().any(|field| field.required)
        && let Some(first) = fields.first_mut()
    {
        first.required = true;
    }
    fields.truncate(MAX_FIELDS);
}

fn is_name(name: &str) -> bool {
    matches!(
        name,
        "name"
            | "title"
            | "subject"
            | "full_name"
            | "first_name"
            | "label"
            | "headline"
            | "company_name"
    )
}

/// Whether things of this kind usually have such a field.
pub(super) fn usually_has(like: &str, key: &str) -> bool {
    !matches!(key, "status" | "notes" | "description" | "name")
        && knowledge()
            .describe(like)
            .fields
            .iter()
            .any(|field| field.name == key || same_meaning(&field.name, key))
}

/// Text by which a record can be told from others.
fn identifies(name: &str) -> bool {
    matches!(
        name,
        "code"
            | "reference"
            | "isbn"
            | "sku"
            | "barcode"
            | "symbol"
            | "handle"
            | "username"
            | "license_plate"
            | "plate"
            | "model"
            | "term"
            | "question"
            | "word"
            | "vin"
            | "last_name"
    ) || name.ends_with("_number")
        || name.ends_with("_code")
        || name.ends_with("_name")
        || name.ends_with("_title")
        || name == "number"
}

pub(super) fn same_meaning(one: &str, other: &str) -> bool {
    const SAME: &[&[&str]] = &[
        &["due_date", "deadline", "due"],
        &["stock", "quantity", "stock_level", "stock_quantity", "quantity_in_stock", "qty"],
        &["notes", "remarks", "comments_text", "observations"],
        &["phone", "phone_number", "telephone", "mobile"],
        &["email", "email_address", "e_mail"],
        &["date_of_birth", "birth_date", "birthday", "birthdate", "dob"],
        &["status", "state"],
        &["description", "details", "summary"],
        &["name", "title", "full_name"],
        &["amount", "total", "total_amount", "total_price", "value"],
        &["publication_year", "year", "year_published", "published_year"],
        &["page_count", "pages", "number_of_pages"],
        &[
            "starts_at",
            "start_time",
            "start_date",
            "on_date",
            "date",
            "date_and_time",
            "scheduled_at",
            "appointment_time",
            "time",
            "at_time",
            "event_date",
            "exam_date",
            "inspection_date",
            "visit_date",
            "workout_date",
            "work_date",
            "expense_date",
            "transaction_date",
        ],
        &["ends_at", "end_time", "end_date"],
        &["url", "link", "website"],
        &["price", "unit_price", "cost", "daily_rate", "price_per_night"],
        &["content", "body", "text"],
        &["duration_minutes", "duration"],
        &["code", "number", "reference", "order_number", "invoice_number"],
        &["hours", "hours_worked"],
        &["license_plate", "plate", "plate_number"],
        &["seats", "capacity"],
    ];
    SAME.iter().any(|group| group.contains(&one) && group.contains(&other))
}

/// A field as the request describes it.
pub(super) fn explicit_field(fact: &FieldFact, known: &Known, labels: &Labels) -> Field {
    let key = fact.key.trim_matches('_');
    let attribute =
        lexicon().attribute(key).or_else(|| lexicon().attribute(&lexicon().singular(key)));
    let usual = known.fields.iter().find(|field| field.name == key);
    let mut kind = match (fact.kind, fact.values.is_empty(), usual, &attribute) {
        (Some(kind), ..) => kind,
        (None, false, ..) => FieldKind::Enum,
        (None, true, Some(usual), _) => usual.kind,
        (None, true, None, Some(attribute)) => attribute.kind,
        (None, true, None, None) => FieldKind::String,
    };
    let mut values = if !fact.values.is_empty() {
        fact.values.clone()
    } else if let Some(usual) = usual {
        usual.values.clone()
    } else {
        attribute.map(|attribute| attribute.values).unwrap_or_default()
    };
    if matches!(values.as_slice(), [one, other] if one.eq_ignore_ascii_case("yes") && other.eq_ignore_ascii_case("no"))
    {
        kind = FieldKind::Boolean;
        values.clear();
    }
    let (flag, name) = match key.strip_suffix("_flag") {
        Some(name) => (true, name),
        None => (false, key),
    };
    if flag {
        kind = FieldKind::Boolean;
    }
    Field {
        name: naming::field_name(name),
        label: labels.said_field(name, &fact.surface),
        kind,
        required: !fact.flags.optional
            && (fact.flags.required || usual.is_some_and(|usual| usual.required)),
        unique: fact.flags.unique || usual.is_some_and(|usual| usual.unique),
        values,
    }
}
