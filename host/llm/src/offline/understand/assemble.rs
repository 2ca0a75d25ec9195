//! From facts to entities and relations with safe, distinct names.

use std::collections::HashSet;

use super::super::model::{Entity, Relation, RelationKind};
use super::facts::{Facts, FieldFact, Strength};
use super::fields::fields;
use super::knowledge::{Class, Domain, knowledge};
use super::labels::Labels;
use super::naming;

pub(super) const MAX_ENTITIES: usize = 12;
pub(super) const MAX_FIELDS: usize = 20;

/// An entity before it has its names.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) key: String,
    pub(super) surface: String,
    pub(super) plural: bool,
    pub(super) named: bool,
    /// What it is described by; usually its own key.
    pub(super) like: String,
}

/// What the thing that a shop or a shelter deals with takes the place of.
const REPLACED: &[&str] = &["product", "item", "vehicle", "animal", "pet", "book", "patient_pet"];

/// Joins what was mentioned with what such an application usually keeps.
#[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
pub(super) fn drafts(
    facts: &mut Facts,
    domain: Option<&Domain>,
    grams: &super::evidence::Grams,
) -> Vec<Draft> {
    merge_references(facts);
    // "Vet" alone names the kind of application.
    let alone = facts.mentions.len() == 1 && facts.fields.is_empty();
    let of_domain = |key: &String| alone && domain.is_some_and(|domain| domain.words.contains(key));
    let strong = facts
        .mentions
        .iter()
        .any(|mention| mention.strength == Strength::Strong && !of_domain(&mention.key));
    let staged = facts.mentions.iter().any(|mention| {
        [
            "concert",
            "event",
            "show",
            "match",
            "festival",
            "screening",
            "flight",
            "venue",
            "movie",
            "play",
        ]
        .contains(&mention.key.as_str())
    });
    let like = |key: &str| {
        if key == "ticket" && staged { "event_ticket".to_owned() } else { key.to_owned() }
    };
    let draft = |mention: &super::facts::Mention| Draft {
        key: mention.key.clone(),
        surface: mention.surface.clone(),
        plural: mention.plural,
        named: true,
        like: like(&mention.key),
    };
    if strong {
        let mut out: Vec<Draft> = facts
            .mentions
            .iter()
            .filter(|mention| mention.strength >= Strength::App)
            .map(draft)
            .collect();
        out.sort_by_key(|draft| {
            facts
                .mentions
                .iter()
                .find(|mention| mention.key == draft.key)
                .map_or(1, |mention| u8::from(mention.strength != Strength::App))
        });
        return out;
    }
    let candidates: Vec<Draft> = {
        let mut all: Vec<&super::facts::Mention> = facts.mentions.iter().collect();
        all.sort_by_key(|mention| std::cmp::Reverse(mention.strength));
        all.into_iter().map(draft).collect()
    };
    let Some(domain) = domain else {
        let app: Vec<Draft> = facts
            .mentions
            .iter()
            .filter(|mention| mention.strength >= Strength::App)
            .map(draft)
            .collect();
        return if app.is_empty() { candidates } else { app };
    };
    let mut out: Vec<Draft> = domain
        .entities
        .iter()
        .map(|key| Draft {
            key: key.clone(),
            surface: String::new(),
            plural: false,
            named: grams.has(key),
            like: key.clone(),
        })
        .collect();
    for candidate in candidates {
        let strength = facts
            .mentions
            .iter()
            .find(|mention| mention.key == candidate.key)
            .map(|mention| mention.strength);
        let known = knowledge().entity(&candidate.key).is_some();
        if let Some(same) = out.iter_mut().find(|draft| draft.key == candidate.key) {
            *same = candidate;
            continue;
        }
        if domain.words.contains(&candidate.key)
            || !(known
                || strength == Some(Strength::App)
                || (strength == Some(Strength::Weak) && candidate.plural))
        {
            continue;
        }
        let person = matches!(knowledge().describe(&candidate.key).class, Class::Person);
        if person && strength != Some(Strength::App) {
            continue;
        }
        match out.iter_mut().find(|draft| {
            !person && draft.surface.is_empty() && REPLACED.contains(&draft.key.as_str())
        }) {
            Some(place) => {
                let like = if known && place.key != "product" {
                    candidate.key.clone()
                } else {
                    place.key.clone()
                };
                *place = Draft { like, ..candidate };
            }
            None => out.insert(0, candidate),
        }
    }
    out
}

/// Words for the same thing: the second is kept.
const SAME_THING: &[(&str, &str)] = &[
    ("bicycle", "bike"),
    ("film", "movie"),
    ("automobile", "car"),
    ("vendor", "supplier"),
    ("enrolment", "enrollment"),
    ("organisation", "organization"),
    ("to_do", "todo"),
];

/// "each post" after "blog posts" speaks of the blog post.
fn merge_references(facts: &mut Facts) {
    let mut renames: Vec<(String, String)> = Vec::new();
    for (at, mention) in facts.mentions.iter().enumerate() {
        if mention.key.contains('_') {
            continue;
        }
        let suffix = format!("_{}", mention.key);
        let longer: Vec<&super::facts::Mention> =
            facts.mentions.iter().take(at).filter(|other| other.key.ends_with(&suffix)).collect();
        if let [one] = longer.as_slice()
            && !(mention.plural && mention.key == "item")
        {
            renames.push((mention.key.clone(), one.key.clone()));
        }
    }
    for mention in facts.mentions.iter().filter(|mention| !mention.plural) {
        // "one lead lawyer" beside "lawyers".
        if let Some((head, tail)) = mention.key.rsplit_once('_')
            && facts.mentions.iter().any(|other| other.key == tail && other.plural)
            && knowledge().entity(&mention.key).is_none()
            && knowledge().entity(head).is_none()
        {
            renames.push((mention.key.clone(), tail.to_owned()));
        }
    }
    for (one, other) in SAME_THING {
        let seen = |key: &str| facts.mentions.iter().any(|mention| mention.key == key);
        if seen(one) && seen(other) {
            renames.push(((*one).to_owned(), (*other).to_owned()));
        }
    }
    for mention in &facts.mentions {
        // "customer orders" beside "orders": the same when the longer one only names the owner.
        if let Some((head, tail)) = mention.key.split_once('_')
            && facts.mentions.iter().any(|other| other.key == tail)
            && facts.mentions.iter().any(|other| other.key == head)
            && !renames.iter().any(|(from, _)| from == tail)
            && knowledge().tie(tail, head).is_some()
        {
            renames.push((mention.key.clone(), tail.to_owned()));
        }
    }
    for (from, to) in renames {
        facts.mentions.retain(|mention| mention.key != from);
        let fix = |key: &mut String| {
            if *key == from {
                key.clone_from(&to);
            }
        };
        for fact in &mut facts.fields {
            if let Some(owner) = &mut fact.owner {
                fix(owner);
            }
        }
        for relation in &mut facts.relations {
            fix(&mut relation.source);
            fix(&mut relation.target);
        }
        facts.relations.retain(|relation| relation.source != relation.target);
        for deed in &mut facts.deeds {
            fix(&mut deed.subject);
            fix(&mut deed.object);
        }
    }
}

/// Entities with their names and fields.
pub(super) fn entities(
    drafts: &[Draft],
    facts: &Facts,
    labels: &Labels,
    auth: bool,
) -> Vec<(String, Entity)> {
    let mut out: Vec<(String, Entity)> = Vec::new();
    for draft in drafts {
        let (mut name, mut plural) = naming::entity_names(&draft.key);
        if auth && name == "User" {
            "AppUser".clone_into(&mut name);
            "app_users".clone_into(&mut plural);
        }
        let mut counter = 2;
        while out.iter().any(|(_, known)| known.name == name || known.plural == plural) {
            let (other, others) = naming::entity_names(&format!("{}_{counter}", draft.key));
            name = other;
            plural = others;
            counter += 1;
        }
        let (label, label_plural) = labels.entity(&draft.key, &draft.surface, draft.plural);
        let known = knowledge().describe(&draft.like);
        let said: Vec<&FieldFact> = facts
            .fields
            .iter()
            .filter(|fact| fact.owner.as_deref() == Some(draft.key.as_str()))
            .collect();
        let fields = fields(&known, &said, labels);
        out.push((
            draft.key.clone(),
            Entity { name, plural, label, label_plural, fields, named: draft.named },
        ));
    }
    out
}

/// Relations with names that neither fields nor other relations have; fields that say the same give way.
pub(super) fn relations(facts: &Facts, entities: &mut [(String, Entity)]) -> Vec<Relation> {
    let mut out: Vec<Relation> = Vec::new();
    for fact in &facts.relations {
        let (Some(source), Some(target)) =
            (position(entities, &fact.source), position(entities, &fact.target))
        else {
            continue;
        };
        let Some((target_key, target_entity)) =
            entities.get(target).map(|(key, entity)| (key.clone(), entity.clone()))
        else {
            continue;
        };
        let Some((source_key, source_entity)) = entities.get_mut(source) else { continue };
        let base = if fact.both {
            target_entity.plural.clone()
        } else {
            naming::reference_name(&target_key)
        };
        let taken = |name: &str, out: &[Relation]| {
            out.iter()
                .any(|relation| relation.source == source_entity.name && relation.name == name)
        };
        let mut name = base.clone();
        if matches!(name.as_str(), "owner" | "parent" | "metadata" | "registry")
            || taken(&name, &out)
            || name.is_empty()
        {
            name = naming::reference_name(&format!("{}_{base}", naming::snake(source_key)));
        }
        if taken(&name, &out) {
            continue;
        }
        let keep = source_entity.fields.len() > 1;
        source_entity.fields.retain(|field| {
            !keep
                || !(field.name == name
                    || field.name == base
                    || field.name == format!("{name}_id")
                    || field.name == format!("{base}_name")
                    || field.name == target_key)
        });
        if source_entity.fields.is_empty()
            || source_entity.fields.iter().any(|field| field.name == name)
        {
            name = format!("linked_{name}");
        }
        if !source_entity.fields.iter().any(|field| field.required)
            && let Some(first) = source_entity.fields.first_mut()
        {
            first.required = true;
        }
        out.push(Relation {
            kind: if fact.both { RelationKind::ManyToMany } else { RelationKind::ManyToOne },
            source: source_entity.name.clone(),
            target: target_entity.name,
            name,
            required: fact.required && !fact.both,
        });
    }
    break_circles(&mut out);
    out
}

fn position(entities: &[(String, Entity)], key: &str) -> Option<usize> {
    entities.iter().position(|(known, _)| known == key)
}

/// A circle of required references could never get its first record.
fn break_circles(relations: &mut [Relation]) {
    let mut accepted: Vec<(String, String)> = Vec::new();
    for relation in relations.iter_mut().filter(|relation| relation.required) {
        let mut open = vec![relation.target.clone()];
        let mut seen = HashSet::new();
        while let Some(name) = open.pop() {
            if name == relation.source {
                relation.required = false;
                break;
            }
            if seen.insert(name.clone()) {
                open.extend(
                    accepted.iter().filter(|(from, _)| *from == name).map(|(_, to)| to.clone()),
                );
            }
        }
        if relation.required {
            accepted.push((relation.source.clone(), relation.target.clone()));
        }
    }
}
