//! Which language a request is in, and its words read as English ones.

use super::text::{Mark, Number, Token};
use super::translations::{LANGUAGES, Reading, Table, plural_of, singular_of, tables};

const ENGLISH_FUNCTION_WORDS: &[&str] = &[
    "the",
    "with",
    "and",
    "for",
    "of",
    "that",
    "where",
    "can",
    "has",
    "have",
    "each",
    "their",
    "to",
    "is",
    "are",
    "my",
    "our",
    "who",
    "which",
    "an",
    "should",
    "it",
    "users",
    "app",
    "track",
    "manage",
    "by",
    "as",
    "belongs",
    "from",
    "management",
    "tracker",
    "system",
    "name",
    "want",
    "need",
    "i",
];

/// BCP 47 tag of the request's language: `en` when nothing speaks against it.
pub(super) fn detect(request: &str) -> &'static str {
    if let Some(tag) = by_script(request) {
        return tag;
    }
    let words: Vec<String> = request
        .chars()
        .take(4_000)
        .collect::<String>()
        .to_lowercase()
        .split(|c: char| !(c.is_alphanumeric() || c == '-'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let english =
        3 * words.iter().filter(|word| ENGLISH_FUNCTION_WORDS.contains(&word.as_str())).count();
    let mut best = ("en", english);
    for tag in LANGUAGES {
        let Some(table) = tables().get(tag) else { continue };
        let mut score = 0;
        for word in &words {
            let english_too = ENGLISH_FUNCTION_WORDS.contains(&word.as_str())
                || ["stop", "verb", "topic", "modal", "quantifier", "meta", "adjective"]
                    .iter()
                    .any(|class| super::lexicon::lexicon().is(class, word));
            if english_too {
                continue;
            }
            if table.function_words.contains(word) {
                score += 3;
            } else if table.readings.contains_key(word)
                && !ENGLISH_FUNCTION_WORDS.contains(&word.as_str())
            {
                // Words that English has as well ("hotel", "club", "person") say nothing.
                let shared = super::lexicon::lexicon().is_any("org", word)
                    || super::lexicon::lexicon().is_any("app", word)
                    || super::knowledge::knowledge()
                        .entity(&super::lexicon::lexicon().singular(word))
                        .is_some()
                    || super::lexicon::lexicon()
                        .attribute(&super::lexicon::lexicon().singular(word))
                        .is_some();
                score += if shared { 0 } else { 4 };
            }
            if word.chars().any(|c| typical(tag).contains(c)) {
                score += 1;
            } else if tag == "de"
                && compound(table, &Token::new(Mark::Word, word), tag).is_some()
                && !table.readings.contains_key(word)
            {
                score += 4;
            }
        }
        if score > best.1 {
            best = (tag, score);
        }
    }
    best.0
}

fn typical(tag: &str) -> &'static str {
    match tag {
        "es" => "ñáíóú¿",
        "de" => "äöüß",
        "fr" => "éèêçàœù",
        "it" => "òìùàè",
        "pt" => "ãõçáâê",
        _ => "",
    }
}

fn by_script(request: &str) -> Option<&'static str> {
    let mut latin = 0_usize;
    let mut counts: [(usize, &'static str); 10] = [
        (0, "ja"),
        (0, "ko"),
        (0, "ru"),
        (0, "ar"),
        (0, "he"),
        (0, "el"),
        (0, "hi"),
        (0, "th"),
        (0, "zh"),
        (0, "uk"),
    ];
    for c in request.chars().take(4_000).filter(|c| c.is_alphabetic()) {
        let tag = match u32::from(c) {
            0x3040..=0x30FF => "ja",
            0xAC00..=0xD7AF | 0x1100..=0x11FF => "ko",
            0x0456 | 0x0457 | 0x0491 | 0x0454 => "uk",
            0x0400..=0x04FF => "ru",
            0x0600..=0x06FF => "ar",
            0x0590..=0x05FF => "he",
            0x0370..=0x03FF => "el",
            0x0900..=0x097F => "hi",
            0x0E00..=0x0E7F => "th",
            0x4E00..=0x9FFF => "zh",
            _ => {
                latin += 1;
                continue;
            }
        };
        for (count, name) in &mut counts {
            if *name == tag {
                *count += 1;
            }
        }
    }
    let total: usize = counts.iter().map(|(count, _)| count).sum();
    if total <= latin {
        return None;
    }
    // Kana and hangul decide over the Chinese characters they are mixed with; four letters tell Ukrainian from Russian.
    let seen = |tag: &str| counts.iter().any(|(count, name)| *name == tag && *count > 0);
    for tag in ["ja", "ko", "uk"] {
        if seen(tag) {
            return Some(tag);
        }
    }
    counts.iter().max_by_key(|(count, _)| *count).map(|(_, tag)| *tag)
}

/// Whether the words of this language can be read as English ones.
pub(super) fn supported(tag: &str) -> bool {
    LANGUAGES.contains(&tag)
}

/// Romance nouns precede what describes them.
pub(super) fn noun_first(tag: &str) -> bool {
    matches!(tag, "es" | "fr" | "it" | "pt")
}

/// Reads every token as English: function words, verbs and known nouns are replaced, the surface is kept.
pub(super) fn translate(tokens: Vec<Token>, tag: &str) -> Vec<Token> {
    let Some(table) = tables().get(tag) else { return tokens };
    let tokens = split_elisions(tokens, tag);
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.mark != Mark::Word {
            out.push(token.clone());
            at += 1;
            continue;
        }
        let mut consumed = 1;
        let mut reading = None;
        for length in (1..=4).rev() {
            let Some(window) = tokens.get(at..at + length) else { continue };
            if window.iter().any(|token| token.mark != Mark::Word) {
                continue;
            }
            let key = window.iter().map(|token| token.lower.as_str()).collect::<Vec<_>>().join("_");
            if let Some(found) = table.readings.get(&key) {
                reading = Some(found.clone());
                consumed = length;
                break;
            }
        }
        let surface = tokens
            .get(at..at + consumed)
            .unwrap_or_default()
            .iter()
            .map(|token| token.surface.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        // "gérer des patients": an article, not a relation.
        let after_noun = out.last().is_some_and(|previous| {
            previous.mark == Mark::Word
                && (previous.noun.is_some()
                    || !previous.verb && !SMALL_ENGLISH.contains(&previous.lower.as_str()))
        });
        if matches!(&reading, Some(Reading::Word(word)) if word == "of") && !after_noun {
            at += consumed;
            continue;
        }
        let reading = reading
            .or_else(|| german_case(table, &token.lower, tag))
            .or_else(|| stem_reading(table, &token.lower))
            .or_else(|| compound(table, token, tag));
        let mut next = token.clone();
        next.surface = surface;
        match reading {
            Some(Reading::Drop) => {
                at += consumed;
                continue;
            }
            Some(Reading::Word(word)) => next.lower = word,
            Some(Reading::Verb(word)) => {
                next.lower = word;
                next.verb = true;
            }
            Some(Reading::Noun(word, number)) => {
                next.lower = word;
                next.noun = Some(number);
            }
            None => {
                let plural = singular_of(&next.lower, tag);
                next.noun = Some(if plural.is_some() { Number::Plural } else { Number::Singular });
                next.lower = super::naming::snake(plural.as_deref().unwrap_or(&next.lower));
                if next.lower.is_empty() {
                    at += consumed;
                    continue;
                }
            }
        }
        out.push(next);
        at += consumed;
    }
    out
}

/// English words that are no nouns.
const SMALL_ENGLISH: &[&str] = &[
    "with",
    "and",
    "or",
    "of",
    "for",
    "to",
    "in",
    "by",
    "from",
    "each",
    "has",
    "that",
    "where",
    "can",
    "belongs",
    "belongs_to",
    "track",
    "search",
];

/// German nouns in the dative and genitive: `Projekten`, `Kurses`.
fn german_case(table: &Table, word: &str, tag: &str) -> Option<Reading> {
    if tag != "de" {
        return None;
    }
    ["n", "en", "s", "es", "e"].iter().find_map(|ending| {
        match table.readings.get(word.strip_suffix(ending)?) {
            Some(Reading::Noun(key, number)) => Some(Reading::Noun(
                key.clone(),
                if ending.ends_with('n') { Number::Plural } else { *number },
            )),
            _ => None,
        }
    })
}

/// `l'utilisateur`, `dell'ordine`: two words.
fn split_elisions(tokens: Vec<Token>, tag: &str) -> Vec<Token> {
    if !matches!(tag, "fr" | "it" | "pt") {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len());
    for token in tokens {
        match token.surface.split_once('\'') {
            Some((head, tail))
                if token.mark == Mark::Word
                    && !tail.is_empty()
                    && head.len() <= 6
                    && token.lower != "aujourd'hui"
                    && token.lower != "s'inscrire" =>
            {
                out.push(Token::new(Mark::Word, &format!("{head}'")));
                let mut rest = token.clone();
                tail.clone_into(&mut rest.surface);
                rest.lower = tail.to_lowercase();
                out.push(rest);
            }
            _ => out.push(token),
        }
    }
    out
}

fn stem_reading(table: &Table, word: &str) -> Option<Reading> {
    const ENDINGS: &[&str] = &[
        "ar", "a", "an", "en", "e", "ando", "emos", "amos", "o", "er", "ir", "ado", "ada", "ados",
        "adas", "as", "ir", "uen", "ue", "irse", "arse", "uimiento", "iendo",
    ];
    let (stem, english) = table.stems.iter().find(|(stem, _)| word.starts_with(stem.as_str()))?;
    let ending = word.strip_prefix(stem.as_str())?;
    ENDINGS.contains(&ending).then(|| Reading::Verb(english.clone()))
}

/// German compounds: `Kundenverwaltung` is the management of customers, `Projektaufgaben` are tasks.
fn compound(table: &Table, token: &Token, tag: &str) -> Option<Reading> {
    if tag != "de" || token.lower.chars().count() < 8 {
        return None;
    }
    for suffix in [
        "verwaltungssystem",
        "verwaltung",
        "management",
        "verwaltungsapp",
        "planer",
        "planung",
        "buchungssystem",
        "system",
        "tracker",
        "-app",
        "app",
        "liste",
        "erfassung",
        "manager",
        "programm",
        "portal",
        "plattform",
    ] {
        let Some(stem) = token.lower.strip_suffix(suffix) else { continue };
        let stem = stem.trim_end_matches('-');
        for candidate in [
            stem,
            stem.trim_end_matches('s'),
            stem.trim_end_matches('n'),
            stem.trim_end_matches("en"),
        ] {
            if let Some(Reading::Noun(key, _)) = table.readings.get(candidate) {
                return Some(Reading::Word(format!("app:{key}")));
            }
        }
        if let Some(Reading::Word(word)) = table.readings.get(stem) {
            return Some(Reading::Word(word.clone()));
        }
    }
    for (at, _) in token.lower.char_indices().skip(3) {
        let Some((head, tail)) = token.lower.split_at_checked(at) else { continue };
        let tail = tail.trim_start_matches('-');
        if tail.len() < 4 {
            break;
        }
        let head = head.trim_end_matches('-');
        let Some(Reading::Noun(last, number)) = table.readings.get(tail) else { continue };
        for candidate in [
            head,
            head.trim_end_matches('s'),
            head.trim_end_matches('n'),
            head.trim_end_matches("en"),
        ] {
            if let Some(Reading::Noun(first, _)) = table.readings.get(candidate) {
                return Some(Reading::Noun(format!("{first}_{last}"), *number));
            }
        }
    }
    None
}

/// What a person who speaks the language calls the English `key`: singular and plural.
pub(super) fn label_of(key: &str, tag: &str) -> Option<(String, String)> {
    tables().get(tag)?.labels.get(key).cloned()
}

/// Plural of a label of the language.
pub(super) fn plural_label(label: &str, tag: &str) -> String {
    match label.split_once(' ') {
        Some((first, rest)) if noun_first(tag) => format!("{} {rest}", plural_of(first, tag)),
        _ => plural_of(label, tag),
    }
}

/// Singular of a label of the language, if it looks like a plural.
pub(super) fn singular_label(label: &str, tag: &str) -> Option<String> {
    singular_of(label, tag)
}

/// Singular and plural of a known word as it was written, in whatever case.
pub(super) fn forms_of(surface: &str, tag: &str) -> Option<(String, String)> {
    let forms = &tables().get(tag)?.forms;
    let lower = surface.to_lowercase();
    let endings: &[&str] = if tag == "de" { &["", "n", "en", "s", "es", "e"] } else { &[""] };
    endings.iter().find_map(|ending| forms.get(lower.strip_suffix(ending)?)).cloned()
}

/// A fixed phrase of the language (`manager`, `goal`, `and`).
pub(super) fn phrase(key: &str, tag: &str) -> Option<&'static str> {
    tables().get(tag)?.phrases.get(key).map(String::as_str)
}

/// One of our tags for a tag that came with an intent.
pub(super) fn known_tag(tag: &str) -> &'static str {
    LANGUAGES
        .iter()
        .copied()
        .chain(["ja", "ko", "ru", "ar", "he", "el", "hi", "th", "zh", "uk"])
        .find(|known| *known == tag)
        .unwrap_or("en")
}
