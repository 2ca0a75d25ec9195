//! The plan of an application: the intent with every name, type and back reference worked out.
//!
//! Templates see nothing else, so that routers, client, pages and tests cannot disagree.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::planner::Planner;
use crate::offline::model::Intent;

/// The whole application.
#[derive(Debug, Clone, Serialize)]
pub(super) struct App {
    pub(super) title: String,
    pub(super) slug: String,
    pub(super) domain: String,
    pub(super) goal: String,
    pub(super) language: String,
    pub(super) vibe: String,
    pub(super) auth: bool,
    pub(super) dashboard: bool,
    pub(super) workflow: bool,
    /// The class of the people who sign in; not `User` if the application keeps users as records.
    pub(super) account: Account,
    pub(super) entities: Vec<EntityPlan>,
    /// Classes of all enumerations, in alphabetical order.
    pub(super) enum_classes: Vec<String>,
    /// What the back end has to import.
    pub(super) uses: BTreeMap<&'static str, bool>,
    pub(super) text: BTreeMap<&'static str, &'static str>,
    pub(super) notes: Vec<String>,
}

/// Who signs in.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Account {
    pub(super) class: String,
    pub(super) table: String,
}

/// Names of an entity, enough to link to it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Brief {
    pub(super) name: String,
    pub(super) snake: String,
    pub(super) plural: String,
    pub(super) path: String,
    pub(super) camel: String,
    pub(super) camel_plural: String,
    pub(super) pascal_plural: String,
    pub(super) label: String,
    pub(super) label_plural: String,
    pub(super) label_inline: String,
    pub(super) label_plural_inline: String,
    /// The field that names a record.
    pub(super) label_field: Option<String>,
    /// Whether that field is always there.
    pub(super) label_required: bool,
    /// What its lists are sorted by at first.
    pub(super) default_sort: String,
    pub(super) default_order: &'static str,
}

/// One entity, with everything that hangs on it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EntityPlan {
    #[serde(flatten)]
    pub(super) brief: Brief,
    pub(super) fields: Vec<FieldPlan>,
    pub(super) references: Vec<ReferencePlan>,
    pub(super) links: Vec<LinkPlan>,
    /// Many-to-one relations that end here.
    pub(super) children: Vec<IncomingPlan>,
    /// Many-to-many relations that end here.
    pub(super) linked: Vec<IncomingPlan>,
    pub(super) search: Vec<String>,
    pub(super) sorts: Vec<String>,
    pub(super) filters: Vec<FilterPlan>,
    /// Distinct entities whose records a form offers.
    pub(super) pickers: Vec<Brief>,
    /// Distinct entities shown on the detail page.
    pub(super) shown: Vec<Brief>,
    /// Names of the filters, for look-ups.
    pub(super) filter_names: Vec<String>,
    /// The enumeration that follows a workflow.
    pub(super) workflow: Option<String>,
    /// Whether a form may be prefilled from the address.
    pub(super) prefilled: bool,
    /// Whether a request must give anything.
    pub(super) required: bool,
    /// What a partial update must not empty.
    pub(super) not_null: Vec<String>,
    pub(super) uses: BTreeMap<&'static str, bool>,
}

/// One field.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FieldPlan {
    pub(super) name: String,
    pub(super) pascal: String,
    pub(super) camel: String,
    pub(super) label: String,
    pub(super) kind: &'static str,
    pub(super) required: bool,
    pub(super) unique: bool,
    /// Never null in the database: required, or with a default.
    pub(super) not_null: bool,
    /// A request must give it: required and without a default.
    pub(super) must: bool,
    pub(super) enum_class: Option<String>,
    pub(super) values: Vec<ValuePlan>,
    pub(super) non_negative: bool,
    pub(super) py_type: String,
    pub(super) py_input: String,
    pub(super) column: String,
    pub(super) ts_type: String,
    pub(super) textual: bool,
    pub(super) max_length: Option<u32>,
    pub(super) samples: Vec<Value>,
    pub(super) update: Value,
    /// Whether `update` surely differs from what tests create.
    pub(super) changes: bool,
    pub(super) invalid: Option<Value>,
}

/// One value of an enumeration.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ValuePlan {
    pub(super) value: String,
    pub(super) member: String,
    pub(super) label: String,
    /// What may follow in a status workflow.
    pub(super) next: Vec<String>,
}

/// A many-to-one relation, seen from the record that holds the key.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ReferencePlan {
    pub(super) name: String,
    pub(super) column: String,
    pub(super) label: String,
    pub(super) required: bool,
    pub(super) back: String,
    pub(super) itself: bool,
    /// Whether the target refers back, so that neither table can be created first.
    pub(super) circular: bool,
    pub(super) target: Brief,
}

/// A many-to-many relation, seen from its source.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LinkPlan {
    pub(super) name: String,
    pub(super) ids: String,
    pub(super) label: String,
    pub(super) back: String,
    pub(super) table: String,
    pub(super) source_column: String,
    pub(super) target_column: String,
    /// Query parameter of the list, if its name is free.
    pub(super) filter: Option<String>,
    pub(super) itself: bool,
    pub(super) target: Brief,
}

/// A relation, seen from its target.
#[derive(Debug, Clone, Serialize)]
pub(super) struct IncomingPlan {
    pub(super) name: String,
    /// Column or filter parameter of the source that leads here.
    pub(super) parameter: String,
    /// Whether the list of the source takes that parameter.
    pub(super) filterable: bool,
    pub(super) back: String,
    pub(super) required: bool,
    pub(super) label: String,
    pub(super) source: Brief,
    /// Of a many-to-many relation: its table and columns.
    pub(super) table: String,
    pub(super) source_column: String,
    pub(super) target_column: String,
}

/// A parameter of a list beside search, sort and paging.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FilterPlan {
    pub(super) name: String,
    pub(super) pascal: String,
    pub(super) label: String,
    /// `enum`, `boolean`, `reference` or `link`.
    pub(super) kind: &'static str,
    /// Of an enumeration.
    pub(super) enum_class: Option<String>,
    /// Of a link: the attribute that holds the list.
    pub(super) attribute: String,
    pub(super) target: Option<Brief>,
}

impl App {
    /// Works out the plan; the intent is cleaned first.
    pub(super) fn new(intent: &Intent) -> Self {
        Planner::new(intent).build()
    }
}
