//! The plan of an application: the intent with every name, type and back reference worked out.
//!
//! Templates see nothing else, so that routers, client, pages and tests cannot disagree.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use super::{names, normal::normalise, sample, text};
use crate::offline::model::{Entity, Field, FieldKind, Intent, Relation, RelationKind};

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
        Builder::new(normalise(intent)).build()
    }
}

struct Builder {
    intent: Intent,
    briefs: HashMap<String, Brief>,
    /// Attribute names already used, by entity.
    taken: HashMap<String, HashSet<String>>,
    enum_classes: HashSet<String>,
}

impl Builder {
    fn new(intent: Intent) -> Self {
        let briefs = intent.entities.iter().map(|entity| (entity.name.clone(), brief(entity, &intent.language))).collect();
        let mut taken: HashMap<String, HashSet<String>> = HashMap::new();
        for entity in &intent.entities {
            taken.entry(entity.name.clone()).or_default().extend(entity.fields.iter().map(|field| field.name.clone()));
        }
        for relation in &intent.relations {
            let names = taken.entry(relation.source.clone()).or_default();
            names.insert(relation.name.clone());
            names.insert(format!("{}_id", relation.name));
        }
        let schemas = names::SCHEMAS.iter().map(|name| (*name).to_owned());
        let enum_classes = intent.entities.iter().map(|entity| entity.name.clone()).chain(schemas).collect();
        Self { intent, briefs, taken, enum_classes }
    }

    fn build(mut self) -> App {
        let intent = self.intent.clone();
        let backs: Vec<String> = intent.relations.iter().map(|relation| self.back_name(relation)).collect();
        let entities: Vec<EntityPlan> = intent.entities.iter().map(|entity| self.entity(entity, &backs)).collect();
        let has = |feature: &str| intent.features.iter().any(|name| name == feature);
        let auth = has("auth");
        let class = ["User", "Account", "LoginAccount"]
            .into_iter()
            .find(|name| !self.briefs.contains_key(*name))
            .unwrap_or("SystemAccount");
        let table = format!("{}s", names::snake(class));
        let any = |test: &dyn Fn(&FieldPlan) -> bool| entities.iter().any(|entity| entity.fields.iter().any(test));
        let uses = BTreeMap::from([
            ("enum", any(&|field| field.kind == "enum")),
            ("date", any(&|field| field.kind == "date")),
            ("datetime", any(&|field| field.kind == "datetime")),
            ("decimal", any(&|field| field.kind == "decimal")),
            ("references", entities.iter().any(|entity| !entity.references.is_empty())),
            ("links", entities.iter().any(|entity| !entity.links.is_empty())),
        ]);
        let mut enum_classes: Vec<String> =
            entities.iter().flat_map(|entity| &entity.fields).filter_map(|field| field.enum_class.clone()).collect();
        enum_classes.sort();
        App {
            enum_classes,
            slug: names::kebab(&deunicode::deunicode(&intent.title)),
            title: intent.title.clone(),
            domain: intent.domain.clone(),
            goal: intent.goal.clone(),
            vibe: intent.vibe.choice.clone(),
            auth,
            dashboard: has("dashboard"),
            workflow: has("status-workflow"),
            account: Account { class: class.to_owned(), table },
            entities,
            uses,
            text: text::catalogue(&intent.language),
            language: intent.language.clone(),
            notes: intent.notes,
        }
    }

    /// A free name for the other end of a relation.
    fn back_name(&mut self, relation: &Relation) -> String {
        let plural = self.briefs.get(&relation.source).map_or("records", |brief| brief.plural.as_str()).to_owned();
        let taken = self.taken.entry(relation.target.clone()).or_default();
        let mut name = names::safe_identifier(&plural, "all");
        if taken.contains(&name) {
            name = format!("{}_{plural}", relation.name);
        }
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    fn entity(&mut self, entity: &Entity, backs: &[String]) -> EntityPlan {
        let intent = self.intent.clone();
        let out = || intent.relations.iter().zip(backs).filter(|(relation, _)| relation.source == entity.name);
        let references: Vec<ReferencePlan> = out()
            .filter(|(relation, _)| relation.kind == RelationKind::ManyToOne)
            .filter_map(|(relation, back)| self.reference(relation, back))
            .collect();
        let links: Vec<LinkPlan> = out()
            .filter(|(relation, _)| relation.kind == RelationKind::ManyToMany)
            .filter_map(|(relation, back)| self.link(relation, back))
            .collect();
        let fields: Vec<FieldPlan> = entity.fields.iter().map(|field| self.field(entity, field)).collect();
        let incoming = |kind: RelationKind| -> Vec<IncomingPlan> {
            let ends_here = |relation: &Relation| relation.target == entity.name && relation.kind == kind;
            intent
                .relations
                .iter()
                .zip(backs)
                .filter(|(relation, _)| ends_here(relation))
                .filter_map(|(relation, back)| self.incoming(relation, back))
                .collect()
        };
        let (children, linked) = (incoming(RelationKind::ManyToOne), incoming(RelationKind::ManyToMany));
        let workflow = if intent.features.iter().any(|name| name == "status-workflow") {
            let status = |field: &&FieldPlan| field.kind == "enum" && matches!(field.name.as_str(), "status" | "state" | "stage");
            fields.iter().find(status).map(|field| field.name.clone())
        } else {
            None
        };
        let filters = filters(&fields, &references, &links);
        let brief = brief(entity, &intent.language);
        let not_null = fields
            .iter()
            .filter(|field| field.not_null)
            .map(|field| field.name.clone())
            .chain(references.iter().filter(|reference| reference.required).map(|reference| reference.column.clone()))
            .chain(links.iter().map(|link| link.ids.clone()))
            .collect();
        let required = fields.iter().any(|field| field.must) || references.iter().any(|reference| reference.required);
        let has = |kind: &str| fields.iter().any(|field| field.kind == kind);
        let uses = BTreeMap::from([
            ("enum", has("enum")),
            ("boolean", has("boolean")),
            ("datetime", has("datetime")),
            ("date", has("date")),
            ("decimal", has("decimal")),
        ]);
        EntityPlan {
            search: fields.iter().filter(|field| field.textual).map(|field| field.name.clone()).collect(),
            sorts: sorts(&fields, &references),
            filter_names: filters.iter().map(|filter| filter.name.clone()).collect(),
            filters,
            pickers: distinct(references.iter().map(|r| &r.target).chain(links.iter().map(|l| &l.target))),
            shown: distinct(children.iter().chain(&linked).filter(|incoming| incoming.filterable).map(|incoming| &incoming.source)),
            brief,
            prefilled: !references.is_empty() || links.iter().any(|link| link.filter.is_some()),
            fields,
            references,
            links,
            children,
            linked,
            workflow,
            required,
            not_null,
            uses,
        }
    }

    fn reference(&self, relation: &Relation, back: &str) -> Option<ReferencePlan> {
        let target = self.briefs.get(&relation.target)?.clone();
        Some(ReferencePlan {
            name: relation.name.clone(),
            column: format!("{}_id", relation.name),
            label: relation_label(relation, &target.snake, &target.label),
            required: relation.required,
            back: back.to_owned(),
            itself: relation.source == relation.target,
            circular: !relation.required && relation.source != relation.target && self.refers(&relation.target, &relation.source),
            target,
        })
    }

    /// Whether the table of `from` leads to that of `to`, over any number of references.
    fn refers(&self, from: &str, to: &str) -> bool {
        let (mut open, mut seen) = (vec![from], HashSet::new());
        while let Some(name) = open.pop() {
            if name == to {
                return true;
            }
            if seen.insert(name) {
                let references = self.intent.relations.iter().filter(|relation| {
                    relation.source == name && relation.kind == RelationKind::ManyToOne && relation.target != name
                });
                open.extend(references.map(|relation| relation.target.as_str()));
            }
        }
        false
    }

    /// Whether the list of the relation's source can have a parameter of this name for the relation.
    fn filter_is_free(&self, relation: &Relation, parameter: &str) -> bool {
        !names::LIST_PARAMETERS.contains(&parameter)
            && !self.taken.get(&relation.source).is_some_and(|taken| taken.contains(parameter))
    }

    fn link(&self, relation: &Relation, back: &str) -> Option<LinkPlan> {
        let target = self.briefs.get(&relation.target)?.clone();
        let singular =
            if relation.name == target.plural { target.snake.clone() } else { names::singular(&relation.name) };
        let (table, source_column, target_column) = self.link_table(relation, &target);
        let filter = format!("{singular}_id");
        let free = self.filter_is_free(relation, &filter);
        Some(LinkPlan {
            ids: format!("{singular}_ids"),
            label: relation_label(relation, &target.plural, &target.label_plural),
            name: relation.name.clone(),
            back: back.to_owned(),
            table,
            source_column,
            target_column,
            filter: free.then_some(filter),
            itself: relation.source == relation.target,
            target,
        })
    }

    /// Name and columns of the table between the two sides.
    fn link_table(&self, relation: &Relation, target: &Brief) -> (String, String, String) {
        let source = names::snake(&relation.source);
        let prefix = if relation.source == relation.target { "other_" } else { "" };
        let mut table = format!("{source}_{}", relation.name);
        if self.briefs.values().any(|brief| brief.plural == table) {
            table.push_str("_link");
        }
        (table, format!("{source}_id"), format!("{prefix}{}_id", target.snake))
    }

    fn incoming(&self, relation: &Relation, back: &str) -> Option<IncomingPlan> {
        let source = self.briefs.get(&relation.source)?.clone();
        let target = self.briefs.get(&relation.target)?;
        let many = relation.kind == RelationKind::ManyToMany;
        let parameter = match (many, relation.name == target.plural) {
            (false, _) => format!("{}_id", relation.name),
            (true, true) => format!("{}_id", target.snake),
            (true, false) => format!("{}_id", names::singular(&relation.name)),
        };
        let plain = *back == source.plural;
        let label = if plain {
            source.label_plural.clone()
        } else {
            format!("{} ({})", source.label_plural, names::humanize(&relation.name).to_lowercase())
        };
        let (table, source_column, target_column) = self.link_table(relation, target);
        Some(IncomingPlan {
            name: relation.name.clone(),
            filterable: !names::LIST_PARAMETERS.contains(&parameter.as_str()) && (!many || self.filter_is_free(relation, &parameter)),
            parameter,
            back: back.to_owned(),
            required: relation.required,
            label,
            source,
            table,
            source_column,
            target_column,
        })
    }

    fn field(&mut self, entity: &Entity, field: &Field) -> FieldPlan {
        let enum_class = (field.kind == FieldKind::Enum).then(|| {
            let mut class = format!("{}{}", entity.name, names::pascal(&field.name));
            while !self.enum_classes.insert(class.clone()) {
                class.push_str("Choice");
            }
            class
        });
        let defaulted = matches!(field.kind, FieldKind::Boolean | FieldKind::Enum);
        let non_negative = sample::is_non_negative(&field.name);
        let types = types(field, enum_class.as_deref(), non_negative);
        let samples: Vec<Value> = (0..5).map(|row| sample::value(entity, field, row)).collect();
        let update = sample::update(entity, field);
        FieldPlan {
            name: field.name.clone(),
            pascal: names::pascal(&field.name),
            camel: names::camel(&field.name),
            label: field.label.clone(),
            kind: kind_name(field.kind),
            required: field.required,
            unique: field.unique,
            not_null: field.required || defaulted,
            must: field.required && !defaulted,
            values: values(field, &self.intent.language),
            non_negative,
            py_type: types.py,
            py_input: types.input,
            column: types.column,
            ts_type: types.ts,
            textual: matches!(
                field.kind,
                FieldKind::String | FieldKind::Text | FieldKind::Email | FieldKind::Url | FieldKind::Phone
            ),
            max_length: types.max_length,
            changes: !field.unique && samples.first() != Some(&update),
            update,
            invalid: sample::invalid(field, non_negative),
            samples,
            enum_class,
        }
    }
}

struct Types {
    py: String,
    input: String,
    column: String,
    ts: String,
    max_length: Option<u32>,
}

fn types(field: &Field, enum_class: Option<&str>, non_negative: bool) -> Types {
    let class = enum_class.unwrap_or_default();
    let column_class = format!("enumeration({class})");
    let (py, input, column, ts, max_length) = match field.kind {
        FieldKind::String if field.required => ("str", "fields.ShortText", "sa.String(200)", "string", Some(200)),
        FieldKind::String => ("str", "fields.OptionalShortText", "sa.String(200)", "string", Some(200)),
        FieldKind::Text if field.required => ("str", "fields.LongText", "sa.Text", "string", Some(10_000)),
        FieldKind::Text => ("str", "fields.OptionalLongText", "sa.Text", "string", Some(10_000)),
        FieldKind::Integer if non_negative => ("int", "fields.Count", "sa.Integer", "number", None),
        FieldKind::Integer => ("int", "fields.Integer", "sa.Integer", "number", None),
        FieldKind::Decimal if non_negative => ("Decimal", "fields.Amount", "ExactDecimal", "number", None),
        FieldKind::Decimal => ("Decimal", "fields.Number", "ExactDecimal", "number", None),
        FieldKind::Boolean => ("bool", "bool", "sa.Boolean", "boolean", None),
        FieldKind::Date => ("dt.date", "dt.date", "sa.Date", "string", None),
        FieldKind::Datetime => ("dt.datetime", "fields.DateTime", "UtcDateTime", "string", None),
        FieldKind::Email => ("str", "fields.Email", "sa.String(254)", "string", Some(254)),
        FieldKind::Url => ("str", "fields.Url", "sa.String(2000)", "string", Some(2000)),
        FieldKind::Phone => ("str", "fields.Phone", "sa.String(40)", "string", Some(40)),
        FieldKind::Enum => (class, class, column_class.as_str(), class, None),
    };
    Types { py: py.to_owned(), input: input.to_owned(), column: column.to_owned(), ts: ts.to_owned(), max_length }
}

/// Forward to any later value, one step back, and from the end to the beginning again.
fn values(field: &Field, language: &str) -> Vec<ValuePlan> {
    let count = field.values.len();
    field
        .values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let reachable = |&(other, _): &(usize, &String)| {
                other > index || other + 1 == index || (index + 1 == count && other == 0 && index != 0)
            };
            ValuePlan {
                value: value.clone(),
                member: names::enum_member(value),
                label: text::enum_label(value, language),
                next: field.values.iter().enumerate().filter(reachable).map(|(_, value)| value.clone()).collect(),
            }
        })
        .collect()
}

fn brief(entity: &Entity, language: &str) -> Brief {
    let named = |field: &&Field| matches!(field.kind, FieldKind::String | FieldKind::Email);
    let label_field = entity
        .fields
        .iter()
        .filter(|field| field.required)
        .find(named)
        .or_else(|| entity.fields.iter().find(|field| named(field) && matches!(field.name.as_str(), "name" | "title")))
        .or_else(|| entity.fields.iter().find(|field| field.required && field.kind == FieldKind::Text))
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
        label_required: entity.fields.iter().any(|field| field.required && Some(&field.name) == label_field.as_ref()),
        label_field,
        default_sort: "created_at".to_owned(),
        default_order: "desc",
    }
}

fn sorts(fields: &[FieldPlan], references: &[ReferencePlan]) -> Vec<String> {
    let mut sorts = vec!["id".to_owned(), "created_at".to_owned(), "updated_at".to_owned()];
    sorts.extend(fields.iter().map(|field| field.name.clone()));
    sorts.extend(references.iter().map(|reference| reference.column.clone()));
    sorts
}

fn filters(fields: &[FieldPlan], references: &[ReferencePlan], links: &[LinkPlan]) -> Vec<FilterPlan> {
    let of_fields = fields.iter().filter(|field| matches!(field.kind, "enum" | "boolean")).map(|field| FilterPlan {
        name: field.name.clone(),
        pascal: field.pascal.clone(),
        label: field.label.clone(),
        kind: field.kind,
        enum_class: field.enum_class.clone(),
        attribute: field.name.clone(),
        target: None,
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
fn relation_label(relation: &Relation, name: &str, label: &str) -> String {
    let own = relation.name == name || relation.name == format!("{}_{name}", names::snake(&relation.source));
    if own { label.to_owned() } else { names::humanize(&relation.name) }
}

fn distinct<'a>(briefs: impl Iterator<Item = &'a Brief>) -> Vec<Brief> {
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
