//! What single words of the request speak for: kind of application, features, look, and what cannot be had.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::super::model::Route;
use super::knowledge::{Domain, knowledge};
use super::lexicon::lexicon;
use super::text::{Mark, Token};

const EVIDENCE: &str = include_str!("data/evidence.txt");

struct Line {
    section: &'static str,
    option: &'static str,
    weight: u32,
    words: Vec<String>,
}

fn lines() -> &'static [Line] {
    static LINES: OnceLock<Vec<Line>> = OnceLock::new();
    LINES.get_or_init(|| {
        let mut section = "";
        let mut out = Vec::new();
        for line in EVIDENCE
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
                continue;
            }
            let mut parts = line.split(" | ").map(str::trim);
            let (Some(option), Some(weight), Some(words)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let words = words.split_whitespace().map(normal).collect();
            out.push(Line { section, option, weight: weight.parse().unwrap_or(1), words });
        }
        out
    })
}

fn normal(word: &str) -> String {
    word.replace('-', "_")
}

/// The words of a request and the expressions of up to four of them, whole words only.
pub(super) struct Grams {
    all: HashSet<String>,
    /// Single words in order, lower case.
    pub(super) words: Vec<String>,
}

impl Grams {
    pub(super) fn new(tokens: &[Token]) -> Self {
        let lexicon = lexicon();
        let mut all = HashSet::new();
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.mark == Mark::Word) {
            let mut gram = String::new();
            for (length, word) in tokens
                .iter()
                .skip(at)
                .take(4)
                .take_while(|word| word.mark == Mark::Word)
                .enumerate()
            {
                let lower = normal(word.lower.trim_start_matches("app:"));
                let lower = if word.possessive { format!("{lower}'s") } else { lower };
                if length > 0 {
                    gram.push('_');
                }
                let head = gram.clone();
                gram.push_str(&lower);
                all.insert(format!("{head}{}", lexicon.singular(&lower)));
                all.insert(gram.clone());
            }
            all.insert(normal(&token.surface.to_lowercase()));
        }
        let words = tokens
            .iter()
            .filter(|token| token.mark == Mark::Word)
            .map(|token| normal(&token.lower))
            .collect();
        Self { all, words }
    }

    /// Whether the expression occurs and is not ruled out ("without login").
    pub(super) fn has(&self, expression: &str) -> bool {
        let expression = &normal(expression);
        // "sign up for shifts" is no account.
        let found = self.all.contains(expression)
            && !(expression.starts_with("sign") && self.all.contains(&format!("{expression}_for")));
        found
            && !["no_", "without_", "without_any_", "not_", "without_a_", "no_need_for_"]
                .iter()
                .any(|not| self.all.contains(&format!("{not}{expression}")))
    }

    pub(super) fn set(&self) -> &HashSet<String> {
        &self.all
    }
}

/// The kind of application the words speak of, longest expression first.
pub(super) fn domain(grams: &Grams, verbs: &HashSet<String>) -> Option<&'static Domain> {
    let mut best: Option<(&Domain, usize)> = None;
    for domain in &knowledge().domains {
        for word in &domain.words {
            let (word, weak) = match word.strip_prefix('~') {
                Some(word) => (word, true),
                None => (word.as_str(), false),
            };
            if !grams.has(word) || verbs.contains(word) {
                continue;
            }
            let weight = if weak { 0 } else { 10 * (1 + word.matches('_').count()) }
                + usize::from(word.len() > 4);
            if best.is_none_or(|(_, known)| weight > known) {
                best = Some((domain, weight));
            }
        }
    }
    best.map(|(domain, _)| domain)
}

/// Features beyond those every application has.
pub(super) fn features(grams: &Grams) -> Vec<&'static str> {
    let mut out = Vec::new();
    for line in lines().iter().filter(|line| line.section == "feature") {
        if line.words.iter().any(|word| grams.has(word)) && !out.contains(&line.option) {
            out.push(line.option);
        }
    }
    out
}

/// What was asked for and is not part of what is built.
pub(super) fn notes(grams: &Grams) -> Vec<String> {
    lines()
        .iter()
        .filter(|line| line.section == "note" && line.words.iter().any(|word| grams.has(word)))
        .map(|line| line.option.to_owned())
        .collect()
}

/// Words that make a neighbouring adjective one about looks.
const LOOKS: &[&str] = &[
    "design",
    "look",
    "looks",
    "theme",
    "style",
    "styling",
    "ui",
    "interface",
    "colors",
    "colours",
    "feel",
    "mode",
    "app",
    "application",
    "website",
    "site",
    "vibe",
    "layout",
    "it",
];

/// Archetype: the words, and the kind of application where it is known.
pub(super) fn archetype(grams: &Grams, domain: Option<&Domain>) -> Route {
    let head = domain.map(|domain| {
        (
            domain.archetype,
            domain
                .words
                .iter()
                .map(|word| word.trim_start_matches('~'))
                .find(|word| grams.has(word))
                .unwrap_or(domain.name),
        )
    });
    route(grams, "archetype", head, "admin_dashboard", |_, _| true)
}

/// Look: only words that speak of looks, unless the word means nothing else.
pub(super) fn vibe(grams: &Grams) -> Route {
    route(grams, "vibe", None, "minimal_light", |word, weight| {
        weight != 2 || near_looks(grams, word)
    })
}

fn near_looks(grams: &Grams, word: &str) -> bool {
    grams.words.iter().enumerate().filter(|(_, found)| *found == word).any(|(at, _)| {
        let after = grams.words.iter().skip(at + 1).take(2);
        let before = grams.words.iter().take(at).rev().take(2);
        after.chain(before).any(|near| LOOKS.contains(&near.as_str()))
    })
}

fn route(
    grams: &Grams,
    section: &str,
    head: Option<(&'static str, &str)>,
    otherwise: &'static str,
    counts: impl Fn(&str, u32) -> bool,
) -> Route {
    let mut scores: Vec<(&'static str, u32, Vec<String>)> = Vec::new();
    let mut add = |option: &'static str, weight: u32, word: &str| match scores
        .iter_mut()
        .find(|(known, ..)| *known == option)
    {
        Some((_, score, words)) => {
            if !words.iter().any(|known| known == word) {
                *score += weight;
                words.push(word.to_owned());
            }
        }
        None => scores.push((option, weight, vec![word.to_owned()])),
    };
    if let Some((option, word)) = head {
        add(option, 5, &word.replace('_', " "));
    }
    for line in lines().iter().filter(|line| line.section == section) {
        for word in line.words.iter().filter(|word| grams.has(word) && counts(word, line.weight)) {
            add(line.option, line.weight, &word.replace('_', " "));
        }
    }
    let total: u32 = scores.iter().map(|(_, score, _)| score).sum();
    // The first of equals stays: the order of the file is the order of preference.
    let mut best: Option<&(&'static str, u32, Vec<String>)> = None;
    for entry in &scores {
        if best.is_none_or(|(_, score, _)| entry.1 > *score) {
            best = Some(entry);
        }
    }
    match best {
        Some((option, score, words)) => {
            let confidence = f64::from(*score) / (f64::from(total) + 2.0);
            Route {
                choice: (*option).to_owned(),
                confidence: (confidence * 100.0).round() / 100.0,
                evidence: words.iter().take(8).cloned().collect(),
            }
        }
        None => Route { choice: otherwise.to_owned(), confidence: 0.1, evidence: Vec::new() },
    }
}

/// The look a message asks for; any mention counts, since the message is about the look or nothing.
pub(super) fn vibe_asked(grams: &Grams) -> Option<Route> {
    let found = route(grams, "vibe", None, "", |_, weight| weight > 1);
    (!found.choice.is_empty()).then_some(found)
}
