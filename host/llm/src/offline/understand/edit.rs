//! Single changes of an intent that leave it valid, each with the sentence that tells of it.

mod things;

use super::super::model::{Entity, Field, FieldKind, Intent, RelationKind, Route};
use super::assemble::MAX_FIELDS;
use super::facts::{FieldFact, surface};
use super::fields;
use super::grammar::Phrase;
use super::knowledge::knowledge;
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
        if route.choice == self.intent.vibe.choice {
            self.changes.push(format!("The look already is {}.", route.choice.replace('_', " ")));
        } else {
            self.changes.push(format!("The look is now {}.", route.choice.replace('_', " ")));
            self.intent.vibe = route;
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
            fields::usually_has(&naming::snake(&entity.name), key)
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
        let mut fields = vec![fields::explicit_field(&fact, &known, &self.labels)];
        let required = fields.iter().any(|field| field.required);
        fields::finish(&mut fields);
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
        fields::finish(&mut changed);
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
}

fn field_index(entity: &Entity, key: &str) -> Option<usize> {
    let key = naming::snake(key);
    let singular = lexicon().singular(&key);
    let exact = entity.fields.iter().position(|field| {
        field.name == key || field.name == singular || naming::snake(&field.label) == key
    });
    exact.or_else(|| entity.fields.iter().position(|field| fields::same_meaning(&field.name, &key)))
}
