//! Changes of whole kinds of things and of how they hang together.

use super::super::super::model::{Relation, RelationKind};
use super::super::assemble::{self, Draft, MAX_ENTITIES};
use super::super::facts::{Facts, surface};
use super::super::grammar::Phrase;
use super::super::knowledge::{Class, Tie, knowledge};
use super::super::lexicon::lexicon;
use super::super::naming;
use super::Editor;

impl Editor {
    /// The accounts of the log-in are users already.
    pub(super) fn rename_users(&mut self) {
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

    pub(super) fn add_entity(&mut self, key: &str, said: &str, named: bool) -> Option<String> {
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
    pub(in super::super) fn add_thing(
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

    pub(in super::super) fn relate(&mut self, source: &str, target: &str, kind: RelationKind) {
        let (Some(source), Some(target)) = (self.entity(source), self.entity(target)) else {
            return;
        };
        if self.push_relation(&source, &target, kind, false) {
            self.changes.push(format!("{source} now refers to {target}."));
        }
    }

    pub(super) fn push_relation(
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

    pub(super) fn drop_entity(&mut self, name: &str) {
        self.intent.entities.retain(|entity| entity.name != name);
        self.intent.relations.retain(|relation| relation.source != name && relation.target != name);
        if name == "Comment" {
            self.intent.features.retain(|feature| feature != "comments");
        }
    }

    pub(super) fn remove_relation(&mut self, owner: Option<&str>, key: &str) {
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

    pub(super) fn rename_entity(&mut self, old: &str, new: &str) {
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
