//! The dictionaries of other languages, parsed once, and how their nouns are inflected.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::text::Number;

const FOREIGN: &str = include_str!("data/foreign.txt");
const NOUNS: &str = include_str!("data/nouns.txt");
pub(super) const LANGUAGES: [&str; 5] = ["es", "de", "fr", "it", "pt"];

/// How a foreign word is read.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    Drop,
    Word(String),
    Verb(String),
    Noun(String, Number),
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) readings: HashMap<String, Reading>,
    pub(super) stems: Vec<(String, String)>,
    /// English key to the usual singular and plural.
    pub(super) labels: HashMap<String, (String, String)>,
    pub(super) phrases: HashMap<String, String>,
    pub(super) function_words: HashSet<String>,
    /// Every known form to its singular and plural.
    pub(super) forms: HashMap<String, (String, String)>,
}

pub(super) fn tables() -> &'static HashMap<&'static str, Table> {
    static TABLES: OnceLock<HashMap<&'static str, Table>> = OnceLock::new();
    TABLES.get_or_init(parse)
}

fn parse() -> HashMap<&'static str, Table> {
    let mut tables: HashMap<&'static str, Table> =
        LANGUAGES.iter().map(|tag| (*tag, Table::default())).collect();
    for line in
        NOUNS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut columns = line.split(';').map(str::trim);
        let key = columns.next().unwrap_or_default().replace(' ', "_");
        for (tag, column) in LANGUAGES.iter().zip(columns) {
            let Some(table) = tables.get_mut(tag) else { continue };
            for synonym in
                column.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "-")
            {
                let (singular, plural) = match synonym.split_once('/') {
                    Some((singular, plural)) => (singular.to_owned(), plural.to_owned()),
                    None => (synonym.to_owned(), plural_of(synonym, tag)),
                };
                table
                    .labels
                    .entry(key.clone())
                    .or_insert_with(|| (singular.clone(), plural.clone()));
                let plural_key = plural.to_lowercase().replace(' ', "_");
                for form in [&singular, &plural] {
                    table
                        .forms
                        .entry(form.to_lowercase())
                        .or_insert_with(|| (singular.clone(), plural.clone()));
                }
                let singular_key = singular.to_lowercase().replace(' ', "_");
                // A word that is the same in both numbers is taken as the plural: that is how lists name things.
                table
                    .readings
                    .entry(singular_key)
                    .or_insert_with(|| Reading::Noun(key.clone(), Number::Singular));
                let both = singular.eq_ignore_ascii_case(&plural);
                let entry = Reading::Noun(key.clone(), Number::Plural);
                if both {
                    table.readings.insert(plural_key, entry);
                } else {
                    table.readings.entry(plural_key).or_insert(entry);
                }
            }
        }
    }
    let mut section = "";
    for line in
        FOREIGN.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            continue;
        }
        let Some((english, words)) = line.split_once(" = ") else { continue };
        let english = english.trim();
        if section == "labels" {
            for word in words.split_whitespace() {
                if let Some((tag, text)) = word.split_once(':')
                    && let Some(table) = tables.get_mut(tag)
                {
                    table.phrases.insert(english.to_owned(), text.replace('_', " "));
                }
            }
            continue;
        }
        let Some(table) = tables.get_mut(section) else { continue };
        for word in words.split_whitespace() {
            if let Some(stem) = word.strip_suffix('*') {
                table.stems.push((stem.to_owned(), english.to_owned()));
                continue;
            }
            let reading = match english {
                "-" | "adj" => Reading::Drop,
                "manage" | "create" | "book" | "borrow" | "rent" | "buy" | "sell" | "enroll"
                | "assign" | "write" | "add" | "remove" | "rename" => {
                    Reading::Verb(english.to_owned())
                }
                _ => Reading::Word(english.to_owned()),
            };
            if FUNCTION_KEYS.contains(&english) {
                table.function_words.insert(word.to_owned());
            }
            table.readings.entry(word.to_owned()).or_insert(reading);
        }
    }
    tables
}

const FUNCTION_KEYS: &[&str] = &[
    "with", "and", "or", "of", "for", "each", "has", "to", "in", "by", "that", "where", "can", "-",
    "manage", "create",
];
/// Regular plural of a noun of the language.
pub(super) fn plural_of(word: &str, tag: &str) -> String {
    let vowel = word.ends_with(['a', 'e', 'i', 'o', 'u', 'á', 'é', 'í', 'ó', 'ú']);
    match tag {
        "es" if vowel => format!("{word}s"),
        "es" => match word.strip_suffix('z') {
            Some(stem) => format!("{stem}ces"),
            None => format!("{word}es"),
        },
        "fr" if word.ends_with(['s', 'x', 'z']) => word.to_owned(),
        "fr" | "pt" => format!("{word}s"),
        "it" => match (word.strip_suffix('o'), word.strip_suffix('a'), word.strip_suffix('e')) {
            (Some(stem), _, _) | (_, _, Some(stem)) => format!("{stem}i"),
            (_, Some(stem), _) => format!("{stem}e"),
            _ => word.to_owned(),
        },
        _ => word.to_owned(),
    }
}

/// Singular of an unknown noun, when the word looks like a plural.
pub(super) fn singular_of(word: &str, tag: &str) -> Option<String> {
    let replace = |suffix: &str, replacement: &str| {
        word.strip_suffix(suffix)
            .filter(|stem| stem.chars().count() > 2)
            .map(|stem| format!("{stem}{replacement}"))
    };
    match tag {
        "es" => replace("ciones", "ción")
            .or_else(|| replace("ces", "z"))
            .or_else(|| replace("ores", "or"))
            .or_else(|| replace("ales", "al"))
            .or_else(|| replace("s", "")),
        "pt" => replace("ções", "ção")
            .or_else(|| replace("ões", "ão"))
            .or_else(|| replace("ores", "or"))
            .or_else(|| replace("ais", "al"))
            .or_else(|| replace("ns", "m"))
            .or_else(|| replace("s", "")),
        "fr" => {
            replace("eaux", "eau").or_else(|| replace("aux", "al")).or_else(|| replace("s", ""))
        }
        "it" => replace("che", "ca")
            .or_else(|| replace("ghe", "ga"))
            .or_else(|| replace("chi", "co"))
            .or_else(|| replace("i", "o")),
        "de" => replace("innen", "in")
            .or_else(|| replace("ungen", "ung"))
            .or_else(|| replace("heiten", "heit"))
            .or_else(|| replace("keiten", "keit"))
            .or_else(|| replace("en", "e")),
        _ => None,
    }
}
