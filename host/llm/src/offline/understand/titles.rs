//! Title, domain and goal of an application.

use super::super::model::Entity;
use super::facts::Facts;
use super::knowledge::Domain;
use super::language;
use super::lexicon::lexicon;
use super::naming::{sentence_case, title_case};
use super::text::{Mark, Token};

const MAX_WORDS: usize = 4;

/// Where a name given by the request ("called Honey Book") begins and ends.
fn given_span(tokens: &[Token]) -> Option<(usize, usize)> {
    for (at, token) in tokens.iter().enumerate() {
        if !token.is_one_of(&[
            "called", "named", "titled", "llamada", "llamado", "namens", "appelée", "appelé",
            "chiamata", "chiamato", "chamado", "chamada",
        ]) {
            continue;
        }
        let proper = |token: &Token| {
            token.mark == Mark::Word
                && (token.quoted || token.surface.chars().next().is_some_and(char::is_uppercase))
        };
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let application = before.is_some_and(|token| {
            lexicon().is("app", &token.lower) || lexicon().is("org", &token.lower)
        }) || tokens.get(at + 1).is_some_and(|token| token.quoted);
        let length =
            tokens.iter().skip(at + 1).take_while(|token| proper(token)).take(MAX_WORDS).count();
        if application && length > 0 {
            return Some((at, at + 1 + length));
        }
    }
    None
}

/// The name the request gives.
pub(super) fn given(tokens: &[Token]) -> Option<String> {
    let (start, end) = given_span(tokens)?;
    let words: Vec<&str> =
        tokens.get(start + 1..end)?.iter().map(|token| token.surface.as_str()).collect();
    Some(words.join(" "))
}

/// The tokens without the name: its words are not things to record.
pub(super) fn without_given(tokens: Vec<Token>) -> Vec<Token> {
    let Some((start, end)) = given_span(&tokens) else { return tokens };
    tokens
        .into_iter()
        .enumerate()
        .filter(|(at, _)| *at < start || *at >= end)
        .map(|(_, token)| token)
        .collect()
}

/// Two to four words.
pub(super) fn title(
    given: Option<&str>,
    facts: &Facts,
    domain: Option<&Domain>,
    primary: Option<&Entity>,
    tag: &str,
) -> String {
    if let Some(given) = given {
        return bounded(given);
    }
    let label = primary
        .map(|entity| {
            if entity.label_plural.is_empty() {
                entity.label.clone()
            } else {
                entity.label_plural.clone()
            }
        })
        .unwrap_or_default();
    if let Some(pattern) = language::phrase("manager", tag) {
        return bounded(&pattern.replace("{}", &title_case(&label)));
    }
    if tag == "en" {
        for words in &facts.apps {
            let useful: Vec<&str> = words.iter().map(|word| word.surface.as_str()).collect();
            let described = words.iter().any(|word| !word.app && !lexicon().is("org", &word.key));
            let last = words.last().map(|word| word.key.as_str()).unwrap_or_default();
            let plain =
                matches!(last, "interface" | "homepage" | "page" | "list" | "register" | "basis");
            if described && (2..=MAX_WORDS).contains(&useful.len()) && !plain {
                return bounded(&title_case(&useful.join(" ")));
            }
        }
        if let Some(domain) = domain {
            return if domain.title.contains(' ') {
                domain.title.to_owned()
            } else if lexicon().is("org", &domain.title.to_lowercase())
                && !matches!(domain.title, "Blog" | "Forum")
            {
                format!("{} Manager", domain.title)
            } else {
                format!("{} App", domain.title)
            };
        }
    }
    let name = primary.map(|entity| entity.label.clone()).unwrap_or_default();
    bounded(&format!("{} Manager", title_case(&name)))
}

fn bounded(title: &str) -> String {
    let mut out = String::new();
    for word in title.split_whitespace().take(MAX_WORDS) {
        let word: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word);
    }
    if out.is_empty() { "Item Manager".to_owned() } else { out }
}

/// For example `e-commerce`, or what the application is mainly about.
pub(super) fn domain_name(domain: Option<&Domain>, primary: Option<&Entity>) -> String {
    match (domain, primary) {
        (Some(domain), _) => domain.name.to_owned(),
        (None, Some(primary)) => {
            format!("{} management", lexicon().singular(&primary.plural.replace('_', " ")))
        }
        (None, None) => "general".to_owned(),
    }
}

/// One sentence.
pub(super) fn goal(entities: &[Entity], tag: &str) -> String {
    let labels: Vec<String> = entities
        .iter()
        .filter(|entity| entity.named)
        .map(|entity| lower(&entity.label_plural, tag))
        .collect();
    let labels = if labels.is_empty() {
        entities.iter().map(|entity| lower(&entity.label_plural, tag)).collect()
    } else {
        labels
    };
    let and = language::phrase("and", tag).unwrap_or("and");
    let list = match labels.as_slice() {
        [] => "items".to_owned(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} {and} {last}", head.join(", ")),
    };
    match language::phrase("goal", tag) {
        Some(pattern) => sentence_case(&pattern.replace("{}", &list)),
        None => format!("Keep track of {list} in one place."),
    }
}

/// German nouns stay large.
fn lower(label: &str, tag: &str) -> String {
    let shouted = label.chars().filter(|c| c.is_uppercase()).count() > 1;
    if tag == "de" || shouted { label.to_owned() } else { label.to_lowercase() }
}
