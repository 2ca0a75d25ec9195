//! The parts of a plan that follow from one field or one entity alone.

use std::collections::HashSet;

use super::{
    names,
    plan::{Brief, FieldPlan, FilterPlan, LinkPlan, ReferencePlan, ValuePlan},
    text,
};
use crate::offline::model::{Entity, Field, FieldKind, Relation};

/// Types of a field in every language that is generated.
pub(super) struct Types {
    pub(super) py: String,
    pub(super) input: String,
    pub(super) column: String,
    pub(super) ts: String,
    pub(super) max_length: Option<u32>,
}

pub(super) fn types(field: &Field, enum_class: Option<&str>, non_negative: bool) -> Types {
    let class = enum_class.unwrap_or_default();
    let column_class = format!("enumeration({class})");
    let (py, input, column, ts, max_length) = match field.kind {
        FieldKind::String if field.required => {
            ("str", "fields.ShortText", "sa.String(200)", "string", Some(200))
        }
        FieldKind::String => {
            ("str", "fields.OptionalShortText", "sa.String(200)", "string", Some(200))
        }
        FieldKind::Text if field.required => {
            ("str", "fields.LongText", "sa.Text", "string", Some(10_000))
        }
        FieldKind::Text => ("str", "fields.OptionalLongText", "sa.Text", "string", Some(10_000)),
        FieldKind::Integer if non_negative => ("int", "fields.Count", "sa.Integer", "number", None),
        FieldKind::Integer => ("int", "fields.Integer", "sa.Integer", "number", None),
        FieldKind::Decimal if non_negative => {
            ("Decimal", "fields.Amount", "ExactDecimal", "number", None)
        }
        FieldKind::Decimal => ("Decimal", "fields.Number", "ExactDecimal", "number", None),
        FieldKind::Boolean => ("bool", "bool", "sa.Boolean", "boolean", None),
        FieldKind::Date => ("dt.date", "dt.date", "sa.Date", "string", None),
        FieldKind::Datetime => ("dt.datetime", "fields.DateTime", "UtcDateTime", "string", None),
        FieldKind::Email => ("str", "fields.Email", "sa.String(254)", "string", Some(254)),
        FieldKind::Url => ("str", "fields.Url", "sa.String(2000)", "string", Some(2000)),
        FieldKind::Phone => ("str", "fields.Phone", "sa.String(40)", "string", Some(40)),
        FieldKind::Enum => (class, class, column_class.as_str(), class, None),
    };
    Types {
        py: py.to_owned(),
        input: input.to_owned(),
        column: column.to_owned(),
        ts: ts.to_owned(),
        max_length,
    }
}

/// Forward to any later value, one step back, and from the end to the beginning again.
pub(super) fn values(field: &Field, language: &str) -> Vec<ValuePlan> {
    let count = field.values.len();
    field
        .values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let reachable = |&(other, _): &(usize, &String)| {
                other > index
                    || other + 1 == index
                    || (index + 1 == count && other == 0 && index != 0)
            };
            ValuePlan {
                value: value.clone(),
                member: names::enum_member(value),
                label: text::enum_label(value, language),
                next: field
                    .values
                    .iter()
                    .enumerate()
                    .filter(reachable)
                    .map(|(_, value)| value.clone())
                    .collect(),
            }
        })
        .collect()
}

pub(super) fn brief(entity: &Entity, language: &str) -> Brief {
    let named = |field: &&Field| matches!(field.kind, FieldKind::String | FieldKind::Email);
    let label_field = entity
        .fields
        .iter()
        .filter(|field| field.required)
        .find(named)
        .or_else(|| {
            entity
                .fields
                .iter()
                .find(|field| named(field) && matches!(field.name.as_str(), "name" | "title"))
        })
        .or_else(|| {
            entity.fields.iter().find(|field| field.required && field.kind == FieldKind::Text)
        })
        .map(|field| field.name.clone());
    Brief {
        name: entity.name.clone(),
        snake: names::snake(&entity.name),
        plural: entity.plural.clone(),
        path: names::kebab(&entity.plural),
        camel: names::camel(&names::snake(&entity.name)),
        camel_plural: names::camel(&entity.plural),
        pascal_plural: names::pascal(&entity.plural),
        label_inline: names::within_sentence(&entity.label, language),
        label_plural_inline: names::within_sentence(&entity.label_plural, language),
        label: entity.label.clone(),
        label_plural: entity.label_plural.clone(),
        label_required: entity
            .fields
            .iter()
            .any(|field| field.required && Some(&field.name) == label_field.as_ref()),
        label_field,
        default_sort: "created_at".to_owned(),
        default_order: "desc",
    }
}

pub(super) fn sorts(fields: &[FieldPlan], references: &[ReferencePlan]) -> Vec<String> {
    let mut sorts = vec!["id".to_owned(), "created_at".to_owned(), "updated_at".to_owned()];
    sorts.extend(fields.iter().map(|field| field.name.clone()));
    sorts.extend(references.iter().map(|reference| reference.column.clone()));
    sorts
}

pub(super) fn filters(
    fields: &[FieldPlan],
    references: &[ReferencePlan],
    links: &[LinkPlan],
) -> Vec<FilterPlan> {
    let of_fields =
        fields.iter().filter(|field| matches!(field.kind, "enum" | "boolean")).map(|field| {
            FilterPlan {
                name: field.name.clone(),
                pascal: field.pascal.clone(),
                label: field.label.clone(),
                kind: field.kind,
                enum_class: field.enum_class.clone(),
                attribute: field.name.clone(),
                target: None,
            }
        });
    let of_references = references.iter().map(|reference| FilterPlan {
        name: reference.column.clone(),
        pascal: names::pascal(&reference.column),
        label: reference.label.clone(),
        kind: "reference",
        enum_class: None,
        attribute: reference.column.clone(),
        target: Some(reference.target.clone()),
    });
    let of_links = links.iter().filter_map(|link| {
        Some(FilterPlan {
            name: link.filter.clone()?,
            pascal: names::pascal(&link.name),
            label: link.target.label.clone(),
            kind: "link",
            enum_class: None,
            attribute: link.name.clone(),
            target: Some(link.target.clone()),
        })
    });
    let free = |filter: &FilterPlan| !names::LIST_PARAMETERS.contains(&filter.name.as_str());
    of_fields.chain(of_references).chain(of_links).filter(free).collect()
}

/// A relation that is called like its target has the target's label, in the language of the request.
pub(super) fn relation_label(relation: &Relation, name: &str, label: &str) -> String {
    let own = relation.name == name
        || relation.name == format!("{}_{name}", names::snake(&relation.source));
    if own { label.to_owned() } else { names::humanize(&relation.name) }
}

pub(super) fn distinct<'a>(briefs: impl Iterator<Item = &'a Brief>) -> Vec<Brief> {
    let mut seen = HashSet::new();
    briefs.filter(|brief| seen.insert(brief.name.clone())).cloned().collect()
}

pub(super) fn kind_name(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::String => "string",
        FieldKind::Text => "text",
        FieldKind::Integer => "integer",
        FieldKind::Decimal => "decimal",
        FieldKind::Boolean => "boolean",
        FieldKind::Date => "date",
        FieldKind::Datetime => "datetime",
        FieldKind::Email => "email",
        FieldKind::Url => "url",
        FieldKind::Phone => "phone",
        FieldKind::Enum => "enum",
    }
}
