//! What is usually recorded about things, who belongs to whom, and what kinds of application keep.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::super::model::{Field, FieldKind};
use super::lexicon::{kind_named, lexicon};
use super::naming;

const ENTITIES: &str = include_str!("data/entities.txt");
const PAIRS: &str = include_str!("data/pairs.txt");
const DOMAINS: &str = include_str!("data/domains.txt");

/// What sort of thing an entity is; decides fields and relations where nothing better is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Class {
    Person,
    Event,
    Document,
    Place,
    Money,
    #[default]
    Thing,
    Work,
    Group,
    Classifier,
    Tag,
    Part,
}

/// Role when another thing is said to have several of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    /// Each belongs to one.
    #[default]
    Part,
    /// The other refers to one.
    One,
    /// Both ways.
    Many,
}

/// A known kind of thing.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) class: Class,
    pub(super) role: Role,
    pub(super) fields: Vec<Field>,
}

/// How `child` of a pair hangs on its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    Optional,
    Required,
    Both,
}

/// A kind of application.
#[derive(Debug, Clone, Default)]
pub(super) struct Domain {
    pub(super) title: &'static str,
    pub(super) name: &'static str,
    pub(super) archetype: &'static str,
    pub(super) words: Vec<String>,
    pub(super) entities: Vec<String>,
}

/// Everything known, parsed at the first call.
pub(super) struct Knowledge {
    entities: HashMap<String, Known>,
    /// Synonyms to the first of their line.
    canonical: HashMap<String, String>,
    pairs: HashMap<(String, String), Tie>,
    /// Children in the order of the file, so that filling is the same every time.
    pub(super) pair_order: Vec<(String, String, Tie)>,
    pub(super) domains: Vec<Domain>,
}

/// The knowledge base.
pub(super) fn knowledge() -> &'static Knowledge {
    static KNOWLEDGE: OnceLock<Knowledge> = OnceLock::new();
    KNOWLEDGE.get_or_init(Knowledge::parse)
}

impl Knowledge {
    fn parse() -> Self {
        let mut all = Self {
            entities: HashMap::new(),
            canonical: HashMap::new(),
            pairs: HashMap::new(),
            pair_order: Vec::new(),
            domains: Vec::new(),
        };
        for line in data_lines(ENTITIES) {
            let mut parts = line.split('|').map(str::trim);
            let (Some(keys), Some(class), Some(role), Some(fields)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let known = Known {
                class: class_named(class),
                role: role_named(role),
                fields: fields.split_whitespace().map(field_of).collect(),
            };
            let first = keys.split(',').next().unwrap_or_default().trim();
            for key in keys.split(',') {
                all.canonical.entry(key.trim().to_owned()).or_insert_with(|| first.to_owned());
                all.entities.entry(key.trim().to_owned()).or_insert_with(|| known.clone());
            }
        }
        for line in data_lines(PAIRS) {
            let (child, parents, both) = match (line.split_once(" > "), line.split_once(" * ")) {
                (Some((child, parents)), _) => (child, parents, false),
                (None, Some((child, parents))) => (child, parents, true),
                (None, None) => continue,
            };
            for parent in parents.split_whitespace() {
                let plain = parent.trim_end_matches('!');
                let tie = if both {
                    Tie::Both
                } else if plain.len() < parent.len() {
                    Tie::Required
                } else {
                    Tie::Optional
                };
                let child = child.trim().to_owned();
                all.pairs.insert((child.clone(), plain.to_owned()), tie);
                all.pair_order.push((child, plain.to_owned(), tie));
            }
        }
        let mut current: Option<Domain> = None;
        for line in data_lines(DOMAINS) {
            if let Some(head) = line.strip_prefix("= ") {
                let mut parts = head.split('|').map(str::trim);
                all.domains.extend(current.take());
                current = Some(Domain {
                    title: parts.next().unwrap_or_default(),
                    name: parts.next().unwrap_or_default(),
                    archetype: parts.next().unwrap_or_default(),
                    words: parts
                        .next()
                        .unwrap_or_default()
                        .split_whitespace()
                        .map(str::to_owned)
                        .collect(),
                    entities: Vec::new(),
                });
            } else if let Some(domain) = &mut current {
                domain.entities.extend(line.split_whitespace().map(str::to_owned));
            }
        }
        all.domains.extend(current);
        all
    }

    /// What is known about exactly this key.
    pub(super) fn entity(&self, key: &str) -> Option<&Known> {
        self.entities.get(key)
    }

    /// All known keys in order.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<&String> {
        let mut keys: Vec<&String> = self.entities.keys().collect();
        keys.sort();
        keys
    }

    /// What is known about the key, or about its last word, or by its form.
    pub(super) fn describe(&self, key: &str) -> Known {
        if let Some(known) = self.entities.get(key) {
            return known.clone();
        }
        let mut rest = key;
        while let Some((_, tail)) = rest.split_once('_') {
            if let Some(known) = self.entities.get(tail) {
                return known.clone();
            }
            rest = tail;
        }
        let class = class_by_form(rest);
        Known { class, role: Role::Part, fields: class_fields(class) }
    }

    /// How `child` hangs on `parent`, looked up by whole keys and then by last words.
    pub(super) fn tie(&self, child: &str, parent: &str) -> Option<Tie> {
        let tail = |key: &str| key.rsplit('_').next().unwrap_or(key).to_owned();
        let forms = |key: &str| {
            [
                key.to_owned(),
                self.canonical(key).to_owned(),
                tail(key),
                self.canonical(&tail(key)).to_owned(),
            ]
        };
        let (children, parents) = (forms(child), forms(parent));
        children.iter().find_map(|child| {
            parents
                .iter()
                .find_map(|parent| self.pairs.get(&(child.clone(), parent.clone())).copied())
        })
    }

    /// The usual word for it: `pupil` is a `student`.
    pub(super) fn canonical<'a>(&'a self, key: &'a str) -> &'a str {
        self.canonical.get(key).map_or(key, String::as_str)
    }
}

fn data_lines(data: &'static str) -> impl Iterator<Item = &'static str> {
    data.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn class_named(name: &str) -> Class {
    match name {
        "person" => Class::Person,
        "event" => Class::Event,
        "document" => Class::Document,
        "place" => Class::Place,
        "money" => Class::Money,
        "work" => Class::Work,
        "group" => Class::Group,
        "classifier" => Class::Classifier,
        "tag" => Class::Tag,
        "part" => Class::Part,
        _ => Class::Thing,
    }
}

fn role_named(name: &str) -> Role {
    match name {
        "one" => Role::One,
        "many" => Role::Many,
        _ => Role::Part,
    }
}

/// `name!~:kind`, `name=a/b/c!`.
fn field_of(spec: &str) -> Field {
    let (spec, values) = match spec.split_once('=') {
        Some((name, values)) => (name, values.split('/').map(str::to_owned).collect()),
        None => (spec, Vec::new()),
    };
    let (required, unique) = (spec.contains('!'), spec.contains('~'));
    let spec = spec.replace(['!', '~'], "");
    let (plain, kind) = match spec.split_once(':') {
        Some((name, kind)) => (name, kind_named(kind)),
        None => (spec.as_str(), None),
    };
    let known = lexicon().attribute(plain);
    let values: Vec<String> = if values.is_empty() && kind.is_none() {
        known.as_ref().map(|a| a.values.clone()).unwrap_or_default()
    } else {
        values
    };
    let kind = match kind {
        Some(kind) => kind,
        None if !values.is_empty() => FieldKind::Enum,
        None => known.map_or(FieldKind::String, |attribute| attribute.kind),
    };
    Field {
        name: plain.to_owned(),
        label: naming::sentence_case(&plain.replace('_', " ")),
        kind,
        required,
        unique,
        values,
    }
}

/// Words that end like persons and are none.
const OF_THINGS: &[&str] = &[
    "container",
    "shelter",
    "center",
    "theater",
    "water",
    "matter",
    "quarter",
    "register",
    "semester",
    "winter",
    "character",
    "dinner",
    "starter",
    "cluster",
    "tracker",
    "planner",
    "parameter",
    "transformer",
    "transfer",
    "power",
    "fever",
    "gender",
    "cylinder",
    "ladder",
    "hammer",
    "tumor",
    "color",
    "flavor",
    "floor",
    "door",
    "anchor",
    "armor",
    "printer",
    "computer",
    "poster",
    "paper",
    "flower",
    "sticker",
    "banner",
    "server",
    "router",
    "scanner",
    "filter",
    "counter",
    "boiler",
    "heater",
    "trailer",
    "tower",
    "river",
    "layer",
    "number",
    "order",
    "offer",
    "chapter",
    "answer",
    "locker",
    "drawer",
    "timer",
    "sensor",
    "reactor",
    "motor",
    "tractor",
    "elevator",
    "generator",
    "mirror",
    "error",
    "letter",
    "newsletter",
    "folder",
    "cover",
    "corner",
    "hamster",
    "lobster",
    "skateboarder",
    "freezer",
    "burger",
    "sweater",
    "roller",
    "charger",
    "adapter",
    "adaptor",
    "calculator",
    "monitor",
    "projector",
    "detector",
    "indicator",
    "factor",
    "sector",
    "vector",
    "amplifier",
    "speaker_cable",
    "laser",
    "meter",
    "thermometer",
    "incubator",
];

/// Class of an unknown noun by its ending.
fn class_by_form(word: &str) -> Class {
    let ends = |suffixes: &[&str]| {
        suffixes.iter().any(|suffix| word.ends_with(suffix) && word.len() > suffix.len() + 1)
    };
    if OF_THINGS.contains(&word) {
        return Class::Thing;
    }
    if ends(&["er", "or", "ist", "ian", "ee", "ant", "man", "woman", "person", "eer"])
        && !ends(&["plant", "restaurant", "tree", "coffee", "fee", "beer", "deer"])
    {
        return Class::Person;
    }
    if ends(&["tion", "sion", "ing", "ment", "ance"])
        && !ends(&[
            "building",
            "instrument",
            "apartment",
            "document",
            "equipment",
            "station",
            "ring",
            "painting",
        ])
    {
        return Class::Event;
    }
    if ends(&[
        "report", "form", "paper", "letter", "record", "entry", "log", "list", "sheet", "file",
    ]) {
        return Class::Document;
    }
    if ends(&[
        "room", "house", "yard", "site", "center", "centre", "station", "hall", "park", "field",
    ]) {
        return Class::Place;
    }
    if ends(&["fee", "cost", "fund", "tax", "price"]) {
        return Class::Money;
    }
    if ends(&["type", "category", "kind"]) {
        return Class::Classifier;
    }
    Class::Thing
}

/// Fields of an unknown noun.
fn class_fields(class: Class) -> Vec<Field> {
    let spec = match class {
        Class::Person => "name! email phone notes",
        Class::Event => "title! event_date:date status=planned/completed/cancelled notes",
        Class::Document => "title! content",
        Class::Place => "name! address capacity notes",
        Class::Money => "description:string! amount! payment_date",
        Class::Work => "title! description status=open/in_progress/done due_date",
        Class::Group | Class::Classifier => "name! description",
        Class::Tag => "name!~ color:string",
        Class::Part => "name! quantity notes",
        Class::Thing => "name! description status=active/inactive/retired notes",
    };
    spec.split_whitespace().map(field_of).collect()
}
