//! What the pages of an entity show, and what their modules import for it.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::plan::{Brief, EntityPlan, FieldPlan};

/// Columns of a list, so that it stays readable.
const MAX_COLUMNS: usize = 6;

/// Everything about the pages of an entity that is not in its plan.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Pages {
    pub(super) list: ListPage,
    pub(super) detail: Imports,
    pub(super) form: FormPage,
    /// Sample data for the mock client.
    pub(super) rows: Vec<Value>,
}

/// Names to import, by module, in alphabetical order.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Imports {
    pub(super) badges: BTreeSet<&'static str>,
    pub(super) values: BTreeSet<&'static str>,
    pub(super) formats: BTreeSet<&'static str>,
    pub(super) options: BTreeSet<String>,
}

/// The list page.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ListPage {
    #[serde(flatten)]
    pub(super) imports: Imports,
    pub(super) columns: Vec<Column>,
    pub(super) toggles: bool,
    pub(super) filter_targets: Vec<Brief>,
}

/// One column of the list.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) pascal: String,
    pub(super) label: String,
    /// Kind of the field, or `label`, `reference`, `link`.
    pub(super) kind: &'static str,
    pub(super) sortable: bool,
    /// Of a reference or link: its attribute, and where the target is listed.
    pub(super) attribute: String,
    pub(super) path: String,
}

/// The form.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct FormPage {
    pub(super) types: BTreeSet<String>,
    pub(super) components: BTreeSet<&'static str>,
    pub(super) options: BTreeSet<String>,
    pub(super) required: Vec<String>,
}

impl Pages {
    pub(super) fn new(entity: &EntityPlan) -> Self {
        Self { list: list(entity), detail: detail(entity), form: form(entity), rows: rows(entity) }
    }
}

fn list(entity: &EntityPlan) -> ListPage {
    let mut imports = Imports::default();
    let mut columns = vec![Column {
        name: entity.brief.label_field.clone().unwrap_or_else(|| "id".to_owned()),
        pascal: String::new(),
        label: entity
            .fields
            .iter()
            .find(|field| Some(&field.name) == entity.brief.label_field.as_ref())
            .map_or_else(|| entity.brief.label.clone(), |field| field.label.clone()),
        kind: "label",
        sortable: true,
        attribute: String::new(),
        path: String::new(),
    }];
    let worth_showing = |field: &&FieldPlan| {
        Some(&field.name) != entity.brief.label_field.as_ref()
            && !matches!(field.kind, "text" | "url")
    };
    // What tells records apart at a glance comes first.
    let rank = |field: &&FieldPlan| match field.kind {
        "boolean" => 0,
        "enum" => 1,
        "date" | "datetime" | "decimal" => 2,
        _ => 3,
    };
    let mut shown: Vec<&FieldPlan> = entity.fields.iter().filter(worth_showing).collect();
    shown.sort_by_key(rank);
    let references = entity.references.iter().map(|reference| Column {
        name: reference.column.clone(),
        pascal: String::new(),
        label: reference.label.clone(),
        kind: "reference",
        sortable: false,
        attribute: reference.name.clone(),
        path: reference.target.path.clone(),
    });
    let links = entity.links.iter().take(1).map(|link| Column {
        name: link.ids.clone(),
        pascal: String::new(),
        label: link.label.clone(),
        kind: "link",
        sortable: false,
        attribute: link.name.clone(),
        path: link.target.path.clone(),
    });
    let relations: Vec<Column> = references.chain(links).take(3).collect();
    let space = MAX_COLUMNS - columns.len() - relations.len();
    for field in shown.into_iter().take(space) {
        if field.kind != "boolean" {
            imports.add(entity, field);
        }
        columns.push(Column {
            name: field.name.clone(),
            pascal: field.pascal.clone(),
            label: field.label.clone(),
            kind: field.kind,
            sortable: true,
            attribute: String::new(),
            path: String::new(),
        });
    }
    imports.values.extend(
        relations
            .iter()
            .map(|column| if column.kind == "link" { "ReferenceChips" } else { "ReferenceLink" }),
    );
    columns.extend(relations);
    imports.options.extend(
        entity
            .filters
            .iter()
            .filter(|filter| filter.kind == "enum")
            .map(|filter| format!("{}{}Options", entity.brief.camel, filter.pascal)),
    );
    let mut filter_targets: Vec<Brief> = Vec::new();
    for target in entity.filters.iter().filter_map(|filter| filter.target.as_ref()) {
        if filter_targets.iter().all(|known| known.name != target.name) {
            filter_targets.push(target.clone());
        }
    }
    ListPage {
        toggles: columns.iter().any(|column| column.kind == "boolean"),
        imports,
        columns,
        filter_targets,
    }
}

fn detail(entity: &EntityPlan) -> Imports {
    let mut imports = Imports::default();
    imports.formats.insert("formatDateTime");
    for field in &entity.fields {
        imports.add(entity, field);
        if entity.workflow.as_ref() == Some(&field.name) {
            imports.options.insert(format!("{}{}Transitions", entity.brief.camel, field.pascal));
        }
    }
    imports.values.extend((!entity.references.is_empty()).then_some("ReferenceLink"));
    imports.values.extend((!entity.links.is_empty()).then_some("ReferenceChips"));
    imports
}

impl Imports {
    /// What showing the value of a field takes.
    fn add(&mut self, entity: &EntityPlan, field: &FieldPlan) {
        match field.kind {
            "string" | "text" => self.formats.insert("formatText"),
            "integer" if !field.name.contains("year") => self.formats.insert("formatInteger"),
            "decimal" => self.formats.insert("formatDecimal"),
            "date" => self.formats.insert("formatDate"),
            "datetime" => self.formats.insert("formatDateTime"),
            "boolean" => self.badges.insert("Flag"),
            "enum" => {
                self.options.insert(format!("{}{}Options", entity.brief.camel, field.pascal));
                self.badges.insert("Badge")
            }
            "email" => self.values.insert("EmailLink"),
            "phone" => self.values.insert("PhoneLink"),
            "url" => self.values.insert("UrlLink"),
            _ => false,
        };
    }
}

fn form(entity: &EntityPlan) -> FormPage {
    let name = &entity.brief.name;
    let mut page = FormPage::default();
    page.types.extend([format!("{name}Create"), format!("{name}Read")]);
    for field in &entity.fields {
        page.components.insert(match field.kind {
            "text" => "TextAreaField",
            "boolean" => "CheckboxField",
            "enum" => "SelectField",
            _ => "TextField",
        });
        if let Some(class) = &field.enum_class {
            page.types.insert(class.clone());
            page.options.insert(format!("{}{}Options", entity.brief.camel, field.pascal));
            if entity.workflow.as_ref() == Some(&field.name) {
                page.options.insert(format!("{}{}Transitions", entity.brief.camel, field.pascal));
            }
        }
        if field.must {
            page.required.push(field.name.clone());
        }
    }
    page.components.extend((!entity.references.is_empty()).then_some("SelectField"));
    page.components.extend((!entity.links.is_empty()).then_some("MultiSelectField"));
    page.required.extend(
        entity.references.iter().filter(|reference| reference.required).map(|r| r.column.clone()),
    );
    page
}

/// Five records; references lead to the record of the same number, to itself never.
fn rows(entity: &EntityPlan) -> Vec<Value> {
    (0..5)
        .map(|row| {
            let number = row + 1;
            let mut record = Map::new();
            record.insert("id".to_owned(), json!(number));
            for field in &entity.fields {
                record.insert(
                    field.name.clone(),
                    field.samples.get(row).cloned().unwrap_or_default(),
                );
            }
            for reference in &entity.references {
                let target =
                    if reference.itself { (row > 0).then_some(row) } else { Some(1 + row / 2) };
                record.insert(reference.column.clone(), json!(target));
            }
            for link in &entity.links {
                let targets: Vec<usize> =
                    if link.itself { Vec::new() } else { vec![number, 1 + number % 5] };
                record.insert(link.ids.clone(), json!(targets));
            }
            record.insert("created_at".to_owned(), json!(format!("2026-01-1{row}T09:00:00Z")));
            record.insert("updated_at".to_owned(), json!(format!("2026-02-1{row}T09:00:00Z")));
            Value::Object(record)
        })
        .collect()
}
