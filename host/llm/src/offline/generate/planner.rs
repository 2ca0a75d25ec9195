//! Works out the plan of an application: back references, link tables, filters, and names that are still free.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::{
    names,
    normal::normalise,
    parts::{brief, distinct, filters, kind_name, relation_label, sorts, types, values},
    plan::{Account, App, Brief, EntityPlan, FieldPlan, IncomingPlan, LinkPlan, ReferencePlan},
    sample, text,
};
use crate::offline::model::{Entity, Field, FieldKind, Intent, Relation, RelationKind};

/// Works the plan out, one entity after the other.
pub(super) struct Planner {
    intent: Intent,
    briefs: HashMap<String, Brief>,
    /// Attribute names already used, by entity.
    taken: HashMap<String, HashSet<String>>,
    enum_classes: HashSet<String>,
}

impl Planner {
    /// Begins with a cleaned copy of the intent.
    pub(super) fn new(intent: &Intent) -> Self {
        let intent = normalise(intent);
        let briefs = intent
            .entities
            .iter()
            .map(|entity| (entity.name.clone(), brief(entity, &intent.language)))
            .collect();
        let mut taken: HashMap<String, HashSet<String>> = HashMap::new();
        for entity in &intent.entities {
            taken
                .entry(entity.name.clone())
                .or_default()
                .extend(entity.fields.iter().map(|field| field.name.clone()));
        }
        for relation in &intent.relations {
            let names = taken.entry(relation.source.clone()).or_default();
            names.insert(relation.name.clone());
            names.insert(format!("{}_id", relation.name));
        }
        let schemas = names::SCHEMAS.iter().map(|name| (*name).to_owned());
        let enum_classes =
            intent.entities.iter().map(|entity| entity.name.clone()).chain(schemas).collect();
        Self { intent, briefs, taken, enum_classes }
    }

    /// The plan.
    pub(super) fn build(mut self) -> App {
        let intent = self.intent.clone();
        let backs: Vec<String> =
            intent.relations.iter().map(|relation| self.back_name(relation)).collect();
        let entities: Vec<EntityPlan> =
            intent.entities.iter().map(|entity| self.entity(entity, &backs)).collect();
        let has = |feature: &str| intent.features.iter().any(|name| name == feature);
        let auth = has("auth");
        let class = ["User", "Account", "LoginAccount"]
            .into_iter()
            .find(|name| !self.briefs.contains_key(*name))
            .unwrap_or("SystemAccount");
        let table = format!("{}s", names::snake(class));
        let any = |test: &dyn Fn(&FieldPlan) -> bool| {
            entities.iter().any(|entity| entity.fields.iter().any(test))
        };
        let uses = BTreeMap::from([
            ("enum", any(&|field| field.kind == "enum")),
            ("date", any(&|field| field.kind == "date")),
            ("datetime", any(&|field| field.kind == "datetime")),
            ("decimal", any(&|field| field.kind == "decimal")),
            ("references", entities.iter().any(|entity| !entity.references.is_empty())),
            ("links", entities.iter().any(|entity| !entity.links.is_empty())),
        ]);
        let mut enum_classes: Vec<String> = entities
            .iter()
            .flat_map(|entity| &entity.fields)
            .filter_map(|field| field.enum_class.clone())
            .collect();
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
        let plural = self
            .briefs
            .get(&relation.source)
            .map_or("records", |brief| brief.plural.as_str())
            .to_owned();
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
        let out = || {
            intent
                .relations
                .iter()
                .zip(backs)
                .filter(|(relation, _)| relation.source == entity.name)
        };
        let references: Vec<ReferencePlan> = out()
            .filter(|(relation, _)| relation.kind == RelationKind::ManyToOne)
            .filter_map(|(relation, back)| self.reference(relation, back))
            .collect();
        let links: Vec<LinkPlan> = out()
            .filter(|(relation, _)| relation.kind == RelationKind::ManyToMany)
            .filter_map(|(relation, back)| self.link(relation, back))
            .collect();
        let fields: Vec<FieldPlan> =
            entity.fields.iter().map(|field| self.field(entity, field)).collect();
        let incoming = |kind: RelationKind| -> Vec<IncomingPlan> {
            let ends_here =
                |relation: &Relation| relation.target == entity.name && relation.kind == kind;
            intent
                .relations
                .iter()
                .zip(backs)
                .filter(|(relation, _)| ends_here(relation))
                .filter_map(|(relation, back)| self.incoming(relation, back))
                .collect()
        };
        let (children, linked) =
            (incoming(RelationKind::ManyToOne), incoming(RelationKind::ManyToMany));
        let workflow = if intent.features.iter().any(|name| name == "status-workflow") {
            let status = |field: &&FieldPlan| {
                field.kind == "enum" && matches!(field.name.as_str(), "status" | "state" | "stage")
            };
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
            .chain(
                references
                    .iter()
                    .filter(|reference| reference.required)
                    .map(|reference| reference.column.clone()),
            )
            .chain(links.iter().map(|link| link.ids.clone()))
            .collect();
        let required = fields.iter().any(|field| field.must)
            || references.iter().any(|reference| reference.required);
        let has = |kind: &str| fields.iter().any(|field| field.kind == kind);
        let uses = BTreeMap::from([
            ("enum", has("enum")),
            ("boolean", has("boolean")),
            ("datetime", has("datetime")),
            ("date", has("date")),
            ("decimal", has("decimal")),
        ]);
        EntityPlan {
            search: fields
                .iter()
                .filter(|field| field.textual)
                .map(|field| field.name.clone())
                .collect(),
            sorts: sorts(&fields, &references),
            filter_names: filters.iter().map(|filter| filter.name.clone()).collect(),
            filters,
            pickers: distinct(
                references.iter().map(|r| &r.target).chain(links.iter().map(|l| &l.target)),
            ),
            shown: distinct(
                children
                    .iter()
                    .chain(&linked)
                    .filter(|incoming| incoming.filterable)
                    .map(|incoming| &incoming.source),
            ),
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
            circular: !relation.required
                && relation.source != relation.target
                && self.refers(&relation.target, &relation.source),
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
                    relation.source == name
                        && relation.kind == RelationKind::ManyToOne
                        && relation.target != name
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
        let singular = if relation.name == target.plural {
            target.snake.clone()
        } else {
            names::singular(&relation.name)
        };
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
        // The target is part of the name: a table that leads elsewhere after a change must be another one.
        let mut table = format!("{source}_{}", relation.name);
        if relation.name != target.plural {
            table = format!("{table}_{}", target.plural);
        }
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
            filterable: !names::LIST_PARAMETERS.contains(&parameter.as_str())
                && (!many || self.filter_is_free(relation, &parameter)),
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
                FieldKind::String
                    | FieldKind::Text
                    | FieldKind::Email
                    | FieldKind::Url
                    | FieldKind::Phone
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
