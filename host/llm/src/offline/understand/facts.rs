//! What the sentences say, before it becomes an intent.

use super::super::model::FieldKind;
use super::grammar::{Det, Phrase, Word};
use super::knowledge::{Class, knowledge};
use super::lexicon::lexicon;
use super::text::Flags;

/// How sure it is that something is to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Describes the place ("flower shop").
    Hint,
    /// Whom or what the application is for ("for dog walkers").
    Weak,
    /// Describes the application ("recipe app").
    App,
    Strong,
}

/// A thing that was mentioned.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    pub(super) key: String,
    /// Words as written, and whether the last was a plural.
    pub(super) surface: String,
    pub(super) plural: bool,
    pub(super) strength: Strength,
}

/// A field that was mentioned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldFact {
    /// `None`: of whatever the application is mainly about.
    pub(super) owner: Option<String>,
    pub(super) key: String,
    pub(super) surface: String,
    pub(super) values: Vec<String>,
    pub(super) kind: Option<FieldKind>,
    pub(super) flags: Flags,
    /// A noun that becomes a relation where a thing of that name exists.
    pub(super) soft: bool,
    /// Listed in brackets after its thing: the list is complete.
    pub(super) listed: bool,
}

/// A relation that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RelationFact {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) both: bool,
    pub(super) required: bool,
}

/// "members borrow books": a deed that links the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) verb: String,
    pub(super) subject: String,
    pub(super) object: String,
}

/// Everything the request says.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) mentions: Vec<Mention>,
    pub(super) fields: Vec<FieldFact>,
    pub(super) relations: Vec<RelationFact>,
    pub(super) deeds: Vec<Deed>,
    /// Application phrases ("inventory management system"), words as written.
    pub(super) apps: Vec<Vec<Word>>,
}

impl Facts {
    pub(super) fn mention(&mut self, key: &str, surface: &str, plural: bool, strength: Strength) {
        // One letter is no word.
        if key.chars().count() < 2 {
            return;
        }
        if let Some(known) = self.mentions.iter_mut().find(|mention| mention.key == key) {
            known.strength = known.strength.max(strength);
            return;
        }
        self.mentions.push(Mention {
            key: key.to_owned(),
            surface: surface.to_owned(),
            plural,
            strength,
        });
    }

    pub(super) fn relate(&mut self, source: &str, target: &str, both: bool, required: bool) {
        if source == target {
            return;
        }
        let known = self.relations.iter_mut().find(|known| {
            (known.source == source && known.target == target)
                || (known.source == target && known.target == source)
        });
        match known {
            Some(known) => {
                if known.source == source {
                    known.required |= required;
                }
            }
            None => self.relations.push(RelationFact {
                source: source.to_owned(),
                target: target.to_owned(),
                both,
                required,
            }),
        }
    }
}

/// What a phrase stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sort {
    Nothing,
    /// The application itself; the words that describe it.
    App(Vec<Word>),
    /// The place the application is for ("a clinic").
    Place(String),
    /// "users": someone who uses it.
    Role(String),
    /// "list of": what follows matters.
    Quantifier,
    Attribute(String),
    /// Attribute or thing; `true`: an attribute also in the plural.
    Dual(String, bool),
    /// "customer name".
    AttributeOf(String, String),
    Thing(String),
}

/// Words that are meant technically unless the request is about such things.
const TECHNICAL: &[(&str, &[&str])] = &[
    ("page", &["cms", "wiki", "blog", "notebook", "content"]),
    ("module", &["course", "lesson", "training", "learning"]),
    ("section", &["document", "library", "warehouse", "course", "store"]),
    ("option", &["poll", "question", "survey", "product"]),
    ("column", &["board", "kanban", "card"]),
    ("model", &["car", "vehicle", "brand", "machine", "manufacturer", "cars", "bike"]),
    ("field", &["farm", "crop", "crops", "harvest", "match", "sport", "sports", "team"]),
    ("feature", &["product", "products", "customers", "vote"]),
    ("account", &["bank", "accounts", "transactions", "contacts", "transaction", "opportunities"]),
    ("register", &["cash"]),
    ("role", &["roles"]),
    ("permission", &["permissions"]),
    ("report", &["reports"]),
    ("property", &["properties"]),
    ("table", &["tables"]),
];

/// What a phrase stands for. `request_words` tells technical words from things; `labelled`: a colon or a bracket follows.
#[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
pub(super) fn sort(
    phrase: &Phrase,
    request_words: &std::collections::HashSet<String>,
    labelled: bool,
    noun_first: bool,
) -> Sort {
    let lexicon = lexicon();
    let mut words: Vec<&Word> = phrase.words.iter().collect();
    // "university club members" are members.
    let tail = words.last().is_some_and(|word| {
        !word.app
            && !lexicon.is("org", &word.key)
            && !lexicon.is("quantifier", &word.key)
            && knowledge().entity(&word.key).is_some()
    });
    if !noun_first && tail && words.len() > 1 && knowledge().entity(&join(&words)).is_none() {
        let lead = words
            .iter()
            .take(words.len() - 1)
            .take_while(|word| {
                !word.plural
                    && lexicon.is("org", &word.key)
                    && word.key != "family"
                    && word.key != "household"
            })
            .count();
        words.drain(..lead);
    }
    if let [word] = words.as_slice()
        && word.app
        && !lexicon.is("app", &word.key)
        && knowledge().entity(&word.key).is_some()
    {
        // A German compound: `Kundenverwaltung`.
        return Sort::App(vec![Word {
            app: false,
            plural: true,
            surface: String::new(),
            ..(*word).clone()
        }]);
    }
    if noun_first && words.len() > 1 && words.first().is_some_and(|word| word.app) {
        return Sort::App(words.into_iter().skip(1).cloned().collect());
    }
    if !noun_first && words.last().is_some_and(|word| word.app) {
        let described: Vec<Word> =
            words.iter().take_while(|word| !word.app).map(|word| (*word).clone()).collect();
        return Sort::App(described);
    }
    if noun_first {
        words.retain(|word| !word.app || words_len_one(phrase));
    }
    if words.len() == 1 && words.first().is_some_and(|word| word.app) {
        return Sort::App(Vec::new());
    }
    let compound_report = |words: &[&Word]| {
        words.len() > 1
            && words.last().is_some_and(|word| word.key == "report")
            && words.get(words.len() - 2).is_some_and(|word| {
                [
                    "expense",
                    "incident",
                    "inspection",
                    "lab",
                    "bug",
                    "damage",
                    "progress",
                    "test",
                    "accident",
                    "medical",
                    "school",
                    "field",
                    "trip",
                ]
                .contains(&word.key.as_str())
            })
    };
    while let Some(last) = words.last() {
        let english = lexicon.singular(&last.surface.to_lowercase()) == last.key;
        let technical = TECHNICAL.iter().find(|(word, _)| *word == last.key && english);
        let meant = technical.is_some_and(|(word, others)| {
            others.iter().any(|other| request_words.contains(*other))
                && !(labelled
                    && matches!(*word, "property" | "table" | "field" | "column" | "model"))
        });
        let meta = (lexicon.is("meta", &last.surface.to_lowercase())
            || (!english && lexicon.is("meta", &last.key))
            || technical.is_some())
            && !meant
            && !(technical.is_none() && said_in_plural(last, request_words));
        if !meta
            || compound_report(&words)
            || (words.len() > 1 && knowledge().entity(&join(&words)).is_some())
        {
            break;
        }
        words.pop();
    }
    let Some(last) = words.last().copied() else { return Sort::Nothing };
    let full = if noun_first { romance_key(&words) } else { join(&words) };
    let head = if noun_first { words.first().copied().unwrap_or(last) } else { last };
    let plural = head.plural && !lexicon.is("invariant", &head.key);
    if noun_first
        && !plural
        && phrase.det != Det::Each
        && lexicon.is("org", &head.key)
        && !lexicon.is("place_entity", &head.key)
    {
        return Sort::Place(head.key.clone());
    }
    if !noun_first
        && words.len() > 1
        && !plural
        && matches!(
            last.key.as_str(),
            "list"
                | "collection"
                | "catalog"
                | "catalogue"
                | "archive"
                | "database"
                | "directory"
                | "registry"
                | "log"
        )
        && knowledge().entity(&join(&words)).is_none()
    {
        return Sort::App(words.iter().take(words.len() - 1).map(|word| (*word).clone()).collect());
    }
    if words.len() == 1 {
        if lexicon.is("quantifier", &last.key) && !plural && knowledge().entity(&full).is_none() {
            return Sort::Quantifier;
        }
        if lexicon.is_any("roles", &full) {
            return Sort::Role(full);
        }
        if lexicon.is("topic", &full) && !plural && phrase.det != Det::Each {
            return Sort::Nothing;
        }
        if lexicon.is("org", &full)
            && !plural
            && phrase.det != Det::Each
            && !(lexicon.is("place_entity", &full)
                && phrase.det != Det::One
                && phrase.det != Det::Definite)
        {
            return Sort::Place(full);
        }
    } else if !plural
        && lexicon.is("org", &last.key)
        && (!lexicon.is("place_entity", &last.key)
            || matches!(phrase.det, Det::One | Det::Definite))
    {
        return Sort::Place(full);
    }
    if lexicon.attribute_listed(&full) || lexicon.dual(&full).is_some() {
        if let Some(always) = lexicon.dual(&full) {
            return Sort::Dual(full, always);
        }
        let singular = lexicon.singular(&full);
        let tail = singular.rsplit('_').next().unwrap_or_default();
        let thing_too = plural && (knowledge().entity(&singular).is_some() || (tail == "address"));
        return if thing_too { Sort::Dual(full, false) } else { Sort::Attribute(full) };
    }
    if knowledge().entity(&full).is_some() || noun_first {
        return Sort::Thing(full);
    }
    if let Some((head, tail)) = full.rsplit_once('_') {
        let tail_listed = lexicon.attribute_listed(tail) || lexicon.dual(tail).is_some();
        if tail_listed && knowledge().entity(head).is_some() && knowledge().entity(tail).is_none() {
            return Sort::AttributeOf(head.to_owned(), tail.to_owned());
        }
        if lexicon.attribute(&full).is_some() {
            let thing_too = plural
                && matches!(
                    tail,
                    "code"
                        | "rate"
                        | "address"
                        | "notes"
                        | "note"
                        | "summary"
                        | "instruction"
                        | "instructions"
                        | "fee"
                        | "cost"
                        | "title"
                );
            return if thing_too { Sort::Dual(full, false) } else { Sort::Attribute(full) };
        }
    }
    Sort::Thing(full)
}

/// "each case" where "cases" are listed.
fn said_in_plural(word: &Word, request_words: &std::collections::HashSet<String>) -> bool {
    let plural = lexicon().plural(&word.key);
    !word.plural
        && plural != word.key
        && request_words.contains(&plural)
        && !lexicon().is("meta", &plural)
}

fn words_len_one(phrase: &Phrase) -> bool {
    phrase.words.len() == 1
}

/// Key of several words.
pub(super) fn join(words: &[&Word]) -> String {
    words.iter().map(|word| word.key.as_str()).collect::<Vec<_>>().join("_")
}

/// In Romance languages the first noun is the head; what follows describes it and is dropped where the head is known.
fn romance_key(words: &[&Word]) -> String {
    let Some(head) = words.first() else { return String::new() };
    if knowledge().entity(&head.key).is_some() || lexicon().attribute_listed(&head.key) {
        return head.key.clone();
    }
    join(words)
}

/// Surface of a phrase.
pub(super) fn surface(phrase: &Phrase) -> String {
    let lexicon = lexicon();
    let mut words: Vec<&str> = phrase.words.iter().map(|word| word.surface.as_str()).collect();
    while words.len() > 1
        && words.last().is_some_and(|word| lexicon.is("meta", &word.to_lowercase()))
    {
        words.pop();
    }
    words.join(" ")
}

/// Whether a thing of this class acts of its own accord.
pub(super) fn acts(key: &str) -> bool {
    matches!(knowledge().describe(key).class, Class::Person | Class::Group)
}
