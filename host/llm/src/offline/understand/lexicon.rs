//! The word lists, parsed once from `data/`.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::super::model::FieldKind;

const WORDS: &str = include_str!("data/words.txt");
const ATTRIBUTES: &str = include_str!("data/attributes.txt");

/// English word classes and attribute nouns.
pub(super) struct Lexicon {
    classes: HashMap<&'static str, HashSet<String>>,
    /// Verbs that are nouns as well (`book`, `order`).
    pub(super) verb_nouns: HashSet<String>,
    plural_of: HashMap<String, String>,
    singular_of: HashMap<String, String>,
    attributes: HashMap<String, Attribute>,
    dual: HashMap<String, bool>,
    soft: HashSet<String>,
}

/// What is known about an attribute noun.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub(super) kind: FieldKind,
    pub(super) values: Vec<String>,
}

/// The lexicon, parsed at the first call.
pub(super) fn lexicon() -> &'static Lexicon {
    static LEXICON: OnceLock<Lexicon> = OnceLock::new();
    LEXICON.get_or_init(Lexicon::parse)
}

impl Lexicon {
    fn parse() -> Self {
        let mut lexicon = Self {
            classes: HashMap::new(),
            verb_nouns: HashSet::new(),
            plural_of: HashMap::new(),
            singular_of: HashMap::new(),
            attributes: HashMap::new(),
            dual: HashMap::new(),
            soft: HashSet::new(),
        };
        let mut section = "";
        for line in WORDS.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
                continue;
            }
            if section == "irregular" {
                if let Some((singular, plural)) = line.split_once(' ') {
                    lexicon.plural_of.insert(singular.to_owned(), plural.to_owned());
                    lexicon.singular_of.insert(plural.to_owned(), singular.to_owned());
                }
                continue;
            }
            for word in line.split_whitespace() {
                let plain = word.trim_end_matches('~');
                if plain.len() < word.len() {
                    lexicon.verb_nouns.insert(plain.to_owned());
                }
                lexicon.classes.entry(section).or_default().insert(plain.to_owned());
            }
        }
        for line in ATTRIBUTES.lines().map(str::trim) {
            lexicon.attribute_line(line);
        }
        lexicon
    }

    fn attribute_line(&mut self, line: &str) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        if let Some(rest) = line.strip_prefix("enum ") {
            if let Some((name, values)) = rest.split_once('=') {
                let values = values.split('/').map(str::to_owned).collect();
                self.attributes
                    .insert(name.to_owned(), Attribute { kind: FieldKind::Enum, values });
            }
            return;
        }
        let Some((kind, words)) = line.split_once(':') else { return };
        for word in words.split_whitespace() {
            match kind {
                "dual" => {
                    let plain = word.trim_end_matches('*');
                    self.dual.insert(plain.to_owned(), plain.len() < word.len());
                }
                "soft" => {
                    self.soft.insert(word.to_owned());
                }
                _ => {
                    let kind = kind_named(kind).unwrap_or_default();
                    self.attributes
                        .entry(word.to_owned())
                        .or_insert(Attribute { kind, values: Vec::new() });
                }
            }
        }
    }

    /// Whether `word` is in the section `class` of `words.txt`.
    pub(super) fn is(&self, class: &str, word: &str) -> bool {
        self.classes.get(class).is_some_and(|words| words.contains(word))
    }

    /// Whether the word is in the given class, as it is or as a plural.
    pub(super) fn is_any(&self, class: &str, word: &str) -> bool {
        self.is(class, word) || self.is(class, &self.singular(word))
    }

    /// The attribute noun `key` (singular, `_` between words), if it is one.
    pub(super) fn attribute(&self, key: &str) -> Option<Attribute> {
        if let Some(found) = self.attributes.get(key) {
            return Some(found.clone());
        }
        let last = key.rsplit('_').next().unwrap_or(key);
        let kind = match last {
            _ if last == key => return None,
            "date" | "deadline" | "birthday" => FieldKind::Date,
            "datetime" | "timestamp" => FieldKind::Datetime,
            "price" | "cost" | "amount" | "fee" | "salary" | "rate" | "percentage" | "weight"
            | "height" | "balance" | "temperature" | "hours" => FieldKind::Decimal,
            "count" | "quantity" | "minutes" | "points" | "age" | "year" | "servings" | "pages"
            | "seats" | "calories" | "reps" => FieldKind::Integer,
            "email" => FieldKind::Email,
            "phone" => FieldKind::Phone,
            "url" | "website" => FieldKind::Url,
            "name" | "number" | "code" | "title" | "id" | "identifier" | "color" | "colour"
            | "address" | "type" => FieldKind::String,
            "description" | "notes" | "instructions" | "summary" => FieldKind::Text,
            "flag" => FieldKind::Boolean,
            "status" => return self.attributes.get("status").cloned(),
            "priority" => return self.attributes.get("priority").cloned(),
            _ => return None,
        };
        Some(Attribute { kind, values: Vec::new() })
    }

    /// Attribute where it describes, thing where it stands alone; `Some(true)`: an attribute in the plural too.
    pub(super) fn dual(&self, key: &str) -> Option<bool> {
        self.dual.get(key).copied()
    }

    /// Whether `key` is listed as an attribute word for word, without the guess by its last word.
    pub(super) fn attribute_listed(&self, key: &str) -> bool {
        self.attributes.contains_key(key)
    }

    /// Whether the noun usually is a plain description when it stands in a list of attributes.
    pub(super) fn soft(&self, key: &str) -> bool {
        self.soft.contains(key)
    }

    /// Whether the word is a plural by its form.
    pub(super) fn is_plural(&self, word: &str) -> bool {
        self.is("invariant", word) || self.singular(word) != word
    }

    /// Singular of an English word; a singular stays as it is.
    pub(super) fn singular(&self, word: &str) -> String {
        if let Some(singular) = self.singular_of.get(word) {
            return singular.clone();
        }
        if self.plural_of.contains_key(word)
            || self.is("invariant", word)
            || self.is("singular_s", word)
        {
            return word.to_owned();
        }
        for (at, _) in word.char_indices().rev().filter(|(at, _)| *at >= 3) {
            // "housewives", "bookshelves", "grandchildren": the irregular part is the end of a compound.
            if let Some((head, tail)) = word.split_at_checked(at)
                && tail.len() >= 5
                && let Some(singular) = self.singular_of.get(tail)
            {
                return format!("{head}{singular}");
            }
        }
        let strip = |suffix: &str, replacement: &str| {
            word.strip_suffix(suffix).map(|stem| format!("{stem}{replacement}"))
        };
        if word.len() <= 3 {
            return match word.strip_suffix('s') {
                Some(stem) if stem.len() == 2 && !stem.ends_with(['s', 'u', 'i', 'a']) => {
                    stem.to_owned()
                }
                _ => word.to_owned(),
            };
        }
        for kept in ["ss", "us", "is"] {
            if word.ends_with(kept) && !word.ends_with("menus") {
                return word.to_owned();
            }
        }
        if word.len() > 4
            && let Some(singular) = strip("ies", "y")
        {
            return singular;
        }
        for suffix in ["sses", "shes", "ches", "xes", "zzes"] {
            if word.ends_with(suffix) {
                return strip("es", "").unwrap_or_default();
            }
        }
        strip("s", "").unwrap_or_else(|| word.to_owned())
    }

    /// Plural of an English singular; a plural stays as it is.
    pub(super) fn plural(&self, word: &str) -> String {
        if let Some(plural) = self.plural_of.get(word) {
            return plural.clone();
        }
        if self.is("invariant", word) || self.singular_of.contains_key(word) {
            return word.to_owned();
        }
        for (at, _) in word.char_indices().rev().filter(|(at, _)| *at >= 3) {
            if let Some((head, tail)) = word.split_at_checked(at)
                && tail.len() >= 4
                && let Some(plural) = self.plural_of.get(tail)
            {
                return format!("{head}{plural}");
            }
        }
        let before_y =
            word.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
        if let Some(stem) = before_y.filter(|stem| !stem.is_empty()) {
            return format!("{stem}ies");
        }
        if word.ends_with("sis") {
            return word.strip_suffix("is").map(|stem| format!("{stem}es")).unwrap_or_default();
        }
        for suffix in ["s", "x", "z", "ch", "sh"] {
            if word.ends_with(suffix) && !word.ends_with("stomach") {
                return format!("{word}es");
            }
        }
        format!("{word}s")
    }

    /// Base form and form of a verb, if the word can be one.
    pub(super) fn verb(&self, word: &str) -> Option<(String, VerbForm)> {
        let known = |base: &str| self.is("verb", base);
        if known(word) {
            return Some((word.to_owned(), VerbForm::Base));
        }
        let irregular = [
            ("made", "make"),
            ("written", "write"),
            ("wrote", "write"),
            ("taught", "teach"),
            ("led", "lead"),
            ("held", "hold"),
            ("sold", "sell"),
            ("bought", "buy"),
            ("taken", "take"),
            ("took", "take"),
            ("given", "give"),
            ("sent", "send"),
            ("kept", "keep"),
            ("built", "build"),
            ("paid", "pay"),
            ("done", "do"),
            ("seen", "see"),
            ("run", "run"),
            ("driven", "drive"),
            ("lent", "lend"),
            ("drawn", "draw"),
            ("set", "set"),
            ("met", "meet"),
            ("grown", "grow"),
            ("chosen", "choose"),
            ("shown", "show"),
            ("found", "find"),
            ("sung", "sing"),
            ("fed", "feed"),
            ("read", "read"),
            ("put", "put"),
            ("brought", "bring"),
            ("known", "know"),
        ];
        if let Some((_, base)) = irregular
            .iter()
            .find(|(form, _)| *form == word)
            .filter(|(_, base)| known(base) && *base != word)
        {
            return Some(((*base).to_owned(), VerbForm::Past));
        }
        let forms: [(&str, &[&str], VerbForm); 4] = [
            ("ing", &["", "e"], VerbForm::Ing),
            ("ied", &["y"], VerbForm::Past),
            ("ed", &["", "e"], VerbForm::Past),
            ("s", &[""], VerbForm::Third),
        ];
        for (suffix, endings, form) in forms {
            let Some(stem) = word.strip_suffix(suffix).filter(|stem| stem.len() > 1) else {
                continue;
            };
            for ending in endings {
                let base = format!("{stem}{ending}");
                if known(&base) {
                    return Some((base, form));
                }
            }
            // "planning", "tagged": the consonant is doubled.
            let mut letters = stem.chars().rev();
            if let (Some(last), Some(before)) = (letters.next(), letters.next())
                && last == before
                && suffix != "s"
                && let Some(base) = stem.strip_suffix(last).filter(|base| known(base))
            {
                return Some((base.to_owned(), form));
            }
        }
        for (suffix, replacement) in [("ies", "y"), ("es", "")] {
            if let Some(base) = word
                .strip_suffix(suffix)
                .map(|stem| format!("{stem}{replacement}"))
                .filter(|base| known(base))
            {
                return Some((base, VerbForm::Third));
            }
        }
        None
    }
}

/// Form of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VerbForm {
    Base,
    Third,
    Ing,
    Past,
}

/// Field kind by its name in the data files.
pub(super) fn kind_named(name: &str) -> Option<FieldKind> {
    Some(match name {
        "string" => FieldKind::String,
        "text" => FieldKind::Text,
        "integer" | "rating" => FieldKind::Integer,
        "decimal" => FieldKind::Decimal,
        "boolean" => FieldKind::Boolean,
        "date" => FieldKind::Date,
        "datetime" => FieldKind::Datetime,
        "email" => FieldKind::Email,
        "url" => FieldKind::Url,
        "phone" => FieldKind::Phone,
        "enum" => FieldKind::Enum,
        _ => return None,
    })
}
