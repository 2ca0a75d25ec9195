//! Single changes of an intent that leave it valid, each with the sentence that tells of it.

use super::super::model::{Entity, Field, FieldKind, Intent, Relation, RelationKind, Route};
use super::assemble::{self, Draft, MAX_ENTITIES, MAX_FIELDS};
use super::facts::{Facts, FieldFact, surface};
use super::grammar::Phrase;
use super::knowledge::{Class, Tie, knowledge};
use super::labels::Labels;
use super::lexicon::lexicon;
use super::naming;

/// An intent under change.
pub(super) struct Editor {
    intent: Intent,
    pub(super) changes: Vec<String>,
    labels: Labels,
}

impl Editor {
    pub(super) fn new(intent: Intent) -> Self {
        let tag = super::language::known_tag(&intent.language);
        Self { intent, changes: Vec::new(), labels: Labels { tag } }
    }

    pub(super) fn finish(self) -> (Intent, Vec<String>) {
        (self.intent, self.changes)
    }

    /// Name of the entity that the words mean.
    pub(super) fn entity(&self, words: &str) -> Option<String> {
        let key = naming::snake(words);
        let singular = lexicon().singular(&key);
        let named = |entity: &&Entity| {
            let names = [
                naming::snake(&entity.name),
                entity.plural.clone(),
                naming::snake(&entity.label),
                naming::snake(&entity.label_plural),
            ];
            names.iter().any(|name| *name == key || *name == singular)
        };
        let found = self.intent.entities.iter().find(named);
        let found = found.or_else(|| {
            self.intent
                .entities
                .iter()
                .find(|entity| naming::snake(&entity.name).ends_with(&format!("_{singular}")))
        });
        found.filter(|_| !key.is_empty()).map(|entity| entity.name.clone())
    }

    fn find(&self, name: &str) -> Option<&Entity> {
        self.intent.entities.iter().find(|entity| entity.name == name)
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Entity> {
        self.intent.entities.iter_mut().find(|entity| entity.name == name)
    }

    /// Entity and index of the field that the words mean: the first entity that has it.
    pub(super) fn field_anywhere(&self, key: &str) -> Option<(String, usize)> {
        self.intent
            .entities
            .iter()
            .find_map(|entity| Some((entity.name.clone(), field_index(entity, key)?)))
    }

    fn field(&self, owner: Option<&str>, key: &str) -> Option<(String, usize)> {
        match owner {
            Some(owner) => Some((owner.to_owned(), field_index(self.find(owner)?, key)?)),
            None => self.field_anywhere(key).or_else(|| {
                // "task status"
                let (owner, rest) = key.split_once('_')?;
                let owner = self.entity(owner)?;
                let at = field_index(self.find(&owner)?, rest)?;
                Some((owner, at))
            }),
        }
    }

    pub(super) fn vibe(&mut self, route: Route) {
        if route.choice != self.intent.vibe.choice {
            self.changes.push(format!("The look is now {}.", route.choice.replace('_', " ")));
            self.intent.vibe = route;
        } else {
            self.changes.push(format!("The look already is {}.", route.choice.replace('_', " ")));
        }
    }

    pub(super) fn add_feature(&mut self, feature: &str, target: Option<&str>) -> bool {
        if self.intent.features.iter().any(|known| known == feature) {
            return false;
        }
        let order = [
            "auth",
            "search",
            "filter",
            "sort",
            "paging",
            "dashboard",
            "status-workflow",
            "comments",
        ];
        self.intent.features.push(feature.to_owned());
        self.intent.features.sort_by_key(|feature| {
            order.iter().position(|known| known == feature).unwrap_or(order.len())
        });
        match feature {
            "auth" => {
                self.changes.push(
                    "Users can sign up and log in; each sees only their own records.".to_owned(),
                );
                self.rename_users();
            }
            "dashboard" => self.changes.push("A dashboard shows counts.".to_owned()),
            _ => {
                let target = target
                    .map(str::to_owned)
                    .or_else(|| self.intent.entities.first().map(|entity| entity.name.clone()));
                if let Some(target) = target {
                    self.add_entity("comment", "comments", true);
                    self.push_relation("Comment", &target, RelationKind::ManyToOne, true);
                    let label = self
                        .find(&target)
                        .map(|entity| entity.label_plural.to_lowercase())
                        .unwrap_or_default();
                    self.changes.push(format!("Added comments to {label}."));
                }
            }
        }
        true
    }

    /// The accounts of the log-in are users already.
    fn rename_users(&mut self) {
        if let Some(entity) = self.find_mut("User") {
            "AppUser".clone_into(&mut entity.name);
            "app_users".clone_into(&mut entity.plural);
            for relation in &mut self.intent.relations {
                for end in [&mut relation.source, &mut relation.target] {
                    if end == "User" {
                        "AppUser".clone_into(end);
                    }
                }
            }
        }
    }

    pub(super) fn remove_feature(&mut self, feature: &str) -> bool {
        let before = self.intent.features.len();
        self.intent.features.retain(|known| known != feature);
        if self.intent.features.len() == before {
            return false;
        }
        match feature {
            "comments" => {
                if let Some(name) =
                    self.entity("comment").filter(|_| self.intent.entities.len() > 1)
                {
                    self.drop_entity(&name);
                }
                self.changes.push("Removed the comments.".to_owned());
            }
            "auth" => self.changes.push("Removed the log-in.".to_owned()),
            _ => self.changes.push(format!("Removed the {feature}.")),
        }
        true
    }

    pub(super) fn add_field(&mut self, owner: Option<&str>, key: &str, phrase: &Phrase) {
        let usual = self.intent.entities.iter().find(|entity| {
            assemble::usually_has(&naming::snake(&entity.name), key)
                && field_index(entity, key).is_none()
        });
        let primary = self.intent.entities.first();
        let Some(name) = owner
            .map(str::to_owned)
            .or_else(|| usual.or(primary).map(|entity| entity.name.clone()))
        else {
            return;
        };
        let fact = FieldFact {
            owner: None,
            key: key.to_owned(),
            surface: surface(phrase),
            values: phrase.values.clone(),
            kind: phrase.kind,
            flags: phrase.flags,
            soft: false,
            listed: false,
        };
        let known = knowledge().describe(&naming::snake(&name));
        let mut fields = vec![assemble::explicit_field(&fact, &known, &self.labels)];
        let required = fields.iter().any(|field| field.required);
        assemble::finish(&mut fields);
        let Some(mut field) = fields.pop() else { return };
        field.required = required;
        let reference = self.intent.relations.iter().any(|relation| {
            relation.source == name
                && (relation.name == field.name || format!("{}_id", relation.name) == field.name)
        });
        let Some(entity) = self.find_mut(&name) else { return };
        if reference || entity.fields.len() >= MAX_FIELDS {
            return;
        }
        let label = entity.label_plural.to_lowercase();
        let text = match entity.fields.iter_mut().find(|known| known.name == field.name) {
            Some(known)
                if !field.values.is_empty()
                    && known.values != field.values
                    && !fact.values.is_empty() =>
            {
                known.kind = field.kind;
                known.values.clone_from(&field.values);
                format!("Set the values of {} of {label}.", field.label.to_lowercase())
            }
            Some(_) => format!("{} of {label} was there already.", field.label),
            None => {
                let text = format!("Added {} to {label}.", field.label.to_lowercase());
                entity.fields.push(field);
                text
            }
        };
        self.changes.push(text);
    }

    fn add_entity(&mut self, key: &str, said: &str, named: bool) -> Option<String> {
        let (name, _) = naming::entity_names(key);
        if self.find(&name).is_some() {
            return Some(name);
        }
        if self.intent.entities.len() >= MAX_ENTITIES {
            return None;
        }
        let draft = Draft {
            key: key.to_owned(),
            surface: said.to_owned(),
            plural: true,
            named,
            like: key.to_owned(),
        };
        let auth = self.intent.features.iter().any(|feature| feature == "auth");
        let made = assemble::entities(&[draft], &Facts::default(), &self.labels, auth);
        let (_, entity) = made.into_iter().next()?;
        let taken = self
            .intent
            .entities
            .iter()
            .any(|known| known.name == entity.name || known.plural == entity.plural);
        let name = entity.name.clone();
        if !taken {
            self.intent.entities.push(entity);
        }
        Some(name)
    }

    /// A new kind of thing, tied to the targets or as usual.
    pub(super) fn add_thing(
        &mut self,
        key: &str,
        phrase: &Phrase,
        targets: &[String],
        plural: bool,
    ) {
        let existed = self.entity(key);
        let name = match &existed {
            Some(name) => Some(name.clone()),
            None => self.add_entity(key, &surface(phrase), true),
        };
        let Some(name) = name else { return };
        let label =
            self.find(&name).map(|entity| entity.label_plural.to_lowercase()).unwrap_or_default();
        if existed.is_none() {
            self.changes.push(format!("Added {label}."));
        }
        let base = knowledge();
        let known = base.describe(key);
        let usual: Vec<String> = self
            .intent
            .entities
            .iter()
            .map(|entity| entity.name.clone())
            .filter(|other| *other != name)
            .collect();
        let all = if targets.is_empty() { &usual } else { targets };
        for target in all {
            let other = naming::snake(target);
            let (child, parent) = (base.tie(key, &other), base.tie(&other, key));
            if targets.is_empty() && child.is_none() && parent.is_none() {
                continue;
            }
            let many = RelationKind::ManyToMany;
            let one = RelationKind::ManyToOne;
            let made = match (child, parent) {
                _ if known.class == Class::Tag => self.push_relation(target, &name, many, false),
                (Some(Tie::Both), _) | (_, Some(Tie::Both)) => {
                    self.push_relation(target, &name, many, false)
                }
                (Some(tie), _) => self.push_relation(&name, target, one, tie == Tie::Required),
                (None, Some(_)) => self.push_relation(target, &name, one, false),
                (None, None) if !plural || known.class == Class::Classifier => {
                    self.push_relation(target, &name, one, false)
                }
                (None, None) => self.push_relation(&name, target, one, false),
            };
            if made && existed.is_some() {
                self.changes.push(format!(
                    "Linked {label} with {}.",
                    self.find(target)
                        .map(|entity| entity.label_plural.to_lowercase())
                        .unwrap_or_default()
                ));
            }
        }
    }

    pub(super) fn relate(&mut self, source: &str, target: &str, kind: RelationKind) {
        let (Some(source), Some(target)) = (self.entity(source), self.entity(target)) else {
            return;
        };
        if self.push_relation(&source, &target, kind, false) {
            self.changes.push(format!("{source} now refers to {target}."));
        }
    }

    fn push_relation(
        &mut self,
        source: &str,
        target: &str,
        kind: RelationKind,
        required: bool,
    ) -> bool {
        let linked = self.intent.relations.iter().any(|known| {
            (known.source == source && known.target == target)
                || (known.source == target && known.target == source)
        });
        if linked || source == target {
            return false;
        }
        let Some(other) = self.find(target) else { return false };
        let base = if kind == RelationKind::ManyToMany {
            other.plural.clone()
        } else {
            naming::snake(&other.name)
        };
        let taken = |name: &str| {
            self.intent.relations.iter().any(|known| known.source == source && known.name == name)
                || self.find(source).is_some_and(|entity| {
                    entity
                        .fields
                        .iter()
                        .any(|field| field.name == name || field.name == format!("{name}_id"))
                })
                || matches!(name, "owner" | "parent" | "metadata" | "registry")
        };
        let mut name = base.clone();
        if taken(&name) {
            name = format!("{}_{base}", naming::snake(source));
        }
        if taken(&name) {
            return false;
        }
        self.intent.relations.push(Relation {
            kind,
            source: source.to_owned(),
            target: target.to_owned(),
            name,
            required,
        });
        true
    }

    fn drop_entity(&mut self, name: &str) {
        self.intent.entities.retain(|entity| entity.name != name);
        self.intent.relations.retain(|relation| relation.source != name && relation.target != name);
        if name == "Comment" {
            self.intent.features.retain(|feature| feature != "comments");
        }
    }

    /// A field, or a kind of thing while another is left.
    pub(super) fn remove(&mut self, owner: Option<&str>, key: &str) {
        if owner.is_none()
            && let Some(name) = self.entity(key)
        {
            if self.intent.entities.len() > 1 {
                let label = self
                    .find(&name)
                    .map(|entity| entity.label_plural.to_lowercase())
                    .unwrap_or_default();
                self.drop_entity(&name);
                self.changes.push(format!("Removed {label}."));
            }
            return;
        }
        let Some((name, at)) = self.field(owner, key) else {
            self.remove_relation(owner, key);
            return;
        };
        let Some(entity) = self.find_mut(&name).filter(|entity| entity.fields.len() > 1) else {
            return;
        };
        let field = entity.fields.remove(at);
        if !entity.fields.iter().any(|field| field.required)
            && let Some(first) = entity.fields.first_mut()
        {
            first.required = true;
        }
        let label = entity.label_plural.to_lowercase();
        self.changes.push(format!("Removed {} from {label}.", field.label.to_lowercase()));
    }

    fn remove_relation(&mut self, owner: Option<&str>, key: &str) {
        let Some(owner) = owner else { return };
        let other = self.entity(key);
        let before = self.intent.relations.len();
        self.intent.relations.retain(|relation| {
            let ends = [&relation.source, &relation.target];
            !(ends.contains(&&owner.to_owned())
                && other.as_ref().is_some_and(|other| ends.contains(&other)))
        });
        if self.intent.relations.len() < before {
            self.changes.push(format!(
                "Removed the link between {owner} and {}.",
                other.unwrap_or_default()
            ));
        }
    }

    pub(super) fn flag(
        &mut self,
        owner: Option<&str>,
        key: &str,
        required: bool,
        optional: bool,
        unique: bool,
    ) -> bool {
        let Some((name, at)) = self.field(owner, key) else { return false };
        let Some(entity) = self.find_mut(&name) else { return false };
        let others =
            entity.fields.iter().enumerate().any(|(index, field)| index != at && field.required);
        let label = entity.label_plural.to_lowercase();
        let Some(field) = entity.fields.get_mut(at) else { return false };
        if optional && !others {
            return false;
        }
        field.required = required || (field.required && !optional);
        field.unique |= unique;
        let now = if unique {
            "unique"
        } else if required {
            "required"
        } else {
            "optional"
        };
        let text = format!("{} of {label} is now {now}.", field.label);
        self.changes.push(text);
        true
    }

    pub(super) fn retype(&mut self, owner: Option<&str>, key: &str, phrase: &Phrase) -> bool {
        let Some((name, at)) = self.field(owner, key) else { return false };
        let Some(entity) = self.find_mut(&name) else { return false };
        let label = entity.label_plural.to_lowercase();
        let Some(field) = entity.fields.get_mut(at) else { return false };
        let mut changed: Vec<Field> = vec![field.clone()];
        for next in &mut changed {
            if !phrase.values.is_empty() {
                next.kind = FieldKind::Enum;
                next.values.clone_from(&phrase.values);
            } else if let Some(kind) = phrase.kind {
                next.kind = kind;
                next.values.clear();
            }
        }
        let required = field.required;
        assemble::finish(&mut changed);
        let Some(mut next) = changed.pop() else { return false };
        next.required = required;
        let text = format!("Changed {} of {label}.", next.label.to_lowercase());
        *field = next;
        self.changes.push(text);
        true
    }

    /// A field or a kind of thing gets another name and label.
    pub(super) fn rename(&mut self, owner: Option<&str>, key: &str, new: &str) {
        let new: String = new.chars().filter(|c| !c.is_control()).take(60).collect();
        if owner.is_none()
            && let Some(name) = self.entity(key)
        {
            self.rename_entity(&name, &new);
            return;
        }
        let Some((name, at)) =
            self.field(owner, key).or_else(|| self.field(owner, &lexicon().singular(key)))
        else {
            return;
        };
        let field_name = naming::field_name(&new);
        let taken = self.intent.relations.iter().any(|relation| {
            relation.source == name
                && (relation.name == field_name || format!("{}_id", relation.name) == field_name)
        });
        let Some(entity) = self.find_mut(&name) else { return };
        if taken
            || entity
                .fields
                .iter()
                .enumerate()
                .any(|(index, field)| index != at && field.name == field_name)
        {
            return;
        }
        let Some(field) = entity.fields.get_mut(at) else { return };
        let old = std::mem::replace(&mut field.label, naming::sentence_case(&new));
        field.name = field_name;
        let text = format!("Renamed {} to {}.", old.to_lowercase(), field.label.to_lowercase());
        self.changes.push(text);
    }

    fn rename_entity(&mut self, old: &str, new: &str) {
        let lower = naming::snake(new);
        let key = match lower.rsplit_once('_') {
            Some((head, last)) => format!("{head}_{}", lexicon().singular(last)),
            None => lexicon().singular(&lower),
        };
        let (name, plural) = naming::entity_names(&key);
        if key.is_empty()
            || self.intent.entities.iter().any(|entity| {
                entity.name != old && (entity.name == name || entity.plural == plural)
            })
        {
            return;
        }
        let (label, label_plural) = self.labels.entity(&key, new, lower != key);
        let Some(entity) = self.find_mut(old) else { return };
        let before = std::mem::replace(&mut entity.label_plural, label_plural);
        entity.label = label;
        entity.name.clone_from(&name);
        entity.plural = plural;
        let after = entity.label_plural.to_lowercase();
        let (old_key, new_key) = (naming::snake(old), naming::snake(&name));
        for relation in &mut self.intent.relations {
            if relation.source == old {
                relation.source.clone_from(&name);
            }
            if relation.target == old {
                relation.target.clone_from(&name);
                if relation.name == old_key && new_key != "owner" {
                    relation.name.clone_from(&new_key);
                }
            }
        }
        self.changes.push(format!("Renamed {} to {after}.", before.to_lowercase()));
    }
}

fn field_index(entity: &Entity, key: &str) -> Option<usize> {
    let key = naming::snake(key);
    let singular = lexicon().singular(&key);
    let exact = entity.fields.iter().position(|field| {
        field.name == key || field.name == singular || naming::snake(&field.label) == key
    });
    exact.or_else(|| {
        entity.fields.iter().position(|field| assemble::same_meaning(&field.name, &key))
    })
}
