//! Fixed expressions become one token; values and types given for an attribute are hung on it.

use super::super::model::FieldKind;
use super::knowledge::knowledge;
use super::lexicon::lexicon;
use super::text::{Mark, Number, Token};
use super::values::{VALUE_WORDS, key_of, split, type_note, type_word, values};

/// Joins the words of attributes and known things that have several ("due date", "line items").
pub(super) fn merge(tokens: &[Token]) -> Vec<Token> {
    let lexicon = lexicon();
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let mut taken = 1;
        if token.mark == Mark::Word {
            for length in (2..=4).rev() {
                let Some(window) = tokens.get(at..at + length) else { continue };
                let all_words =
                    window.iter().all(|token| token.mark == Mark::Word && token.values.is_empty());
                let broken = window
                    .iter()
                    .take(length - 1)
                    .any(|token| token.possessive || token.noun == Some(Number::Plural));
                let Some(last) = window.last() else { continue };
                if !all_words || broken {
                    continue;
                }
                let head: Vec<&str> =
                    window.iter().take(length - 1).map(|token| token.lower.as_str()).collect();
                let key = format!("{}_{}", head.join("_"), key_of(last));
                let exact = format!("{}_{}", head.join("_"), last.lower);
                let found = [&key, &exact]
                    .into_iter()
                    .find(|key| lexicon.attribute_listed(key) || knowledge().entity(key).is_some());
                let Some(found) = found else { continue };
                let mut merged = token.clone();
                merged.surface =
                    window.iter().map(|token| token.surface.as_str()).collect::<Vec<_>>().join(" ");
                merged.noun = Some(
                    if last.noun == Some(Number::Plural)
                        || (last.noun.is_none() && lexicon.is_plural(&last.lower))
                    {
                        Number::Plural
                    } else {
                        Number::Singular
                    },
                );
                merged.lower.clone_from(found);
                merged.possessive = last.possessive;
                out.push(merged);
                taken = length;
                break;
            }
        }
        if taken == 1 {
            out.push(token.clone());
        }
        at += taken;
    }
    out
}

/// Hangs values, types and flags on the attributes they are given for, and removes their words.
pub(super) fn annotate(tokens: &[Token]) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        match token.mark {
            Mark::Open => depth += 1,
            Mark::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        let tracking = token.is("track")
            && tokens.get(at + 1).is_some_and(|next| next.is("of"))
            && at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|before| {
                before.is_one_of(&["keep", "keeps", "keeping", "kept", "lose"])
            });
        if tracking {
            // "keep track of": the verb is enough.
            at += 2;
            continue;
        }
        if let Some(next) = skip_marking(tokens, at).or_else(|| skip_unit(tokens, at)) {
            at = next;
            continue;
        }
        if token.mark != Mark::Word {
            out.push(token.clone());
            at += 1;
            continue;
        }
        let mut token = token.clone();
        let (kind, next) = yes_no(tokens, at);
        if let Some(kind) = kind {
            // "a yes/no flag for vegan": the type goes to the noun that follows.
            if let Some(mut noun) = tokens.get(next).cloned() {
                noun.kind = Some(kind);
                out.push(noun);
                at = next + 1;
                continue;
            }
        }
        let next = describe(&mut token, tokens, at + 1, depth > 0);
        let thing = next == at + 1 && !is_attribute(&token);
        if thing && let Some((values, after)) = states_of_thing(tokens, at) {
            out.push(token);
            out.push(Token::new(Mark::Word, "with"));
            let mut status = Token::new(Mark::Word, "status");
            status.values = values;
            status.noun = Some(Number::Singular);
            out.push(status);
            at = after;
            continue;
        }
        out.push(token);
        at = next;
    }
    out
}

fn is_attribute(token: &Token) -> bool {
    let key = key_of(token);
    lexicon().attribute(&key).is_some() || lexicon().dual(&key).is_some()
}

/// "yes/no flag [called|for]": position of the noun it speaks of.
fn yes_no(tokens: &[Token], at: usize) -> (Option<FieldKind>, usize) {
    let word = |offset: usize, words: &[&str]| {
        tokens.get(at + offset).is_some_and(|token| token.is_one_of(words))
    };
    let slash = tokens.get(at + 1).is_some_and(|token| token.mark == Mark::Slash);
    if !(slash
        && ((word(0, &["yes"]) && word(2, &["no"])) || (word(0, &["true"]) && word(2, &["false"]))))
    {
        return (None, at);
    }
    let mut next = at + 3;
    while tokens.get(next).is_some_and(|token| {
        token.is_one_of(&[
            "flag", "field", "value", "option", "called", "named", "for", "whether", "if", "it",
            "they", "are", "is", "of",
        ])
    }) {
        next += 1;
    }
    (Some(FieldKind::Boolean), next)
}

/// "mark as done" says nothing about fields: returns where to go on.
fn skip_marking(tokens: &[Token], at: usize) -> Option<usize> {
    if !tokens.get(at)?.is("as") {
        return None;
    }
    let near = tokens
        .get(at.saturating_sub(4)..at)?
        .iter()
        .any(|token| token.is_one_of(&["mark", "marked", "marking", "flag", "flagged"]));
    let value = tokens.get(at + 1).is_some_and(|token| token.is_one_of(VALUE_WORDS));
    (near && value).then_some(at + 2)
}

/// "cooking time in minutes": the unit is no field.
fn skip_unit(tokens: &[Token], at: usize) -> Option<usize> {
    const UNITS: &[&str] = &[
        "minutes",
        "hours",
        "days",
        "weeks",
        "months",
        "years",
        "euros",
        "euro",
        "eur",
        "usd",
        "dollars",
        "pounds",
        "kg",
        "kilograms",
        "grams",
        "cm",
        "meters",
        "metres",
        "km",
        "kilometers",
        "miles",
        "liters",
        "litres",
        "percent",
        "seconds",
        "stars",
        "celsius",
    ];
    let unit = tokens.get(at)?.is("in") && tokens.get(at + 1)?.is_one_of(UNITS);
    unit.then_some(at + 2)
}

/// Reads what follows an attribute; returns where to go on.
#[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
fn describe(token: &mut Token, tokens: &[Token], at: usize, in_parentheses: bool) -> usize {
    let key = key_of(token);
    let attribute = lexicon().attribute(&key);
    let enumerable = attribute.as_ref().is_some_and(|attribute| attribute.kind == FieldKind::Enum)
        || matches!(key.as_str(), "type" | "level" | "size" | "kind" | "category" | "role");
    let is_attribute =
        attribute.is_some() || lexicon().dual(&key).is_some() || lexicon().soft(&key);
    let Some(next) = tokens.get(at) else { return at };
    if next.mark == Mark::Open {
        let Some(close) = (at..(at + 40).min(tokens.len()))
            .find(|index| tokens.get(*index).is_some_and(|token| token.mark == Mark::Close))
        else {
            return at;
        };
        let content = tokens.get(at + 1..close).unwrap_or_default();
        if let Some((kind, flags)) = type_note(content) {
            token.kind = kind.or(token.kind);
            token.flags = flags;
            return close + 1;
        }
        let lead = content
            .iter()
            .take_while(|token| {
                token.is_one_of(&[
                    "e.g", "such", "as", "like", "either", "one", "of", "enum", "values",
                ]) || token.mark == Mark::Colon
            })
            .count();
        let list = split(content.get(lead..).unwrap_or_default());
        let plain = list.iter().all(|value| {
            !lexicon().attribute_listed(&value.key) || VALUE_WORDS.contains(&value.key.as_str())
        });
        let statuses =
            list.iter().filter(|value| VALUE_WORDS.contains(&value.first.as_str())).count() >= 2;
        if list.len() >= 2
            && ((is_attribute && plain && (enumerable || knowledge().entity(&key).is_none()))
                || (is_attribute && statuses))
        {
            token.values = list.into_iter().map(|value| value.text).collect();
            return close + 1;
        }
        if !is_attribute && list.len() >= 2 && statuses && plain {
            // "tasks (todo, doing, done)": left for the grammar as a status with these values.
            return at;
        }
        return at;
    }
    if !(is_attribute || in_parentheses) {
        return at;
    }
    if next.mark == Mark::Colon || next.is_one_of(&["as", "is", "being"]) {
        let mut index = at + 1;
        while tokens
            .get(index)
            .is_some_and(|token| token.is_one_of(&["a", "an", "of", "type", "is"]))
        {
            index += 1;
        }
        if let Some(kind) = tokens.get(index).and_then(type_word) {
            let ends = tokens
                .get(index + 1)
                .is_none_or(|token| token.mark != Mark::Word || token.is_one_of(&["and", "or"]));
            if ends {
                token.kind = Some(kind);
                return index + 1;
            }
        }
    }
    if next.is_one_of(&[
        "decimal", "integer", "int", "float", "string", "boolean", "bool", "datetime", "varchar",
    ]) {
        token.kind = type_word(next);
        return at + 1;
    }
    if next.mark == Mark::Word && tokens.get(at + 1).is_some_and(|token| token.mark == Mark::Slash)
    {
        if next.is_one_of(&["yes", "true"]) {
            token.kind = Some(FieldKind::Boolean);
            return at + 3;
        }
        let list = values(tokens, at);
        if list.words.len() >= 2 && is_attribute {
            token.values = list.words;
            return list.end;
        }
    }
    let (start, explicit) = connector(tokens, at);
    if start > at
        || (enumerable
            && next.is_one_of(VALUE_WORDS)
            && !next.is_one_of(&["in", "to", "on", "not"]))
    {
        if tokens.get(start).is_some_and(|token| token.is_one_of(&["yes", "true"]))
            && tokens.get(start + 1).is_some_and(|token| token.mark == Mark::Slash)
        {
            token.kind = Some(FieldKind::Boolean);
            return start + 3;
        }
        let list = values(tokens, start);
        let first_is_value = tokens.get(start).is_some_and(|token| token.is_one_of(VALUE_WORDS));
        if list.words.len() >= 2
            && is_attribute
            && (explicit || (enumerable && (list.alternative || first_is_value)))
        {
            token.values = list.words;
            return list.end;
        }
    }
    at
}

/// "can be", "which is one of", ":", "such as": where the values start, and whether the wording leaves no doubt.
fn connector(tokens: &[Token], at: usize) -> (usize, bool) {
    let mut index = at;
    let word = |index: usize, words: &[&str]| {
        tokens.get(index).is_some_and(|token| token.is_one_of(words))
    };
    if word(index, &["that", "which"]) {
        index += 1;
    }
    let mut explicit = false;
    if word(index, &["can", "may", "could", "must", "should", "will"]) && word(index + 1, &["be"]) {
        index += 2;
        explicit = true;
    } else if word(index, &["is", "are"]) {
        index += 1;
    } else if index > at {
        return (at, false);
    }
    if word(index, &["such"]) && word(index + 1, &["as"]) {
        index += 2;
        explicit = true;
    } else if word(index, &["like", "either", "e.g"]) {
        index += 1;
        explicit = true;
    } else if word(index, &["one", "any"]) && word(index + 1, &["of"]) {
        index += 2;
        explicit = true;
    } else if (word(index, &["of", "among"])
        || tokens.get(index).is_some_and(|token| token.mark == Mark::Colon))
        && index == at
    {
        index += 1;
    }
    if tokens.get(index).is_some_and(|token| token.mark == Mark::Colon) && index > at {
        index += 1;
    }
    (index, explicit)
}

/// "tasks can be open, in progress or done".
fn states_of_thing(tokens: &[Token], at: usize) -> Option<(Vec<String>, usize)> {
    let (start, _) = connector(tokens, at + 1);
    let copula = tokens.get(start.checked_sub(1)?)?.is_one_of(&["be", "is", "are", "either"]);
    let first = tokens.get(start)?;
    if start <= at + 1 || !copula || !first.is_one_of(VALUE_WORDS) {
        return None;
    }
    let list = values(tokens, start);
    (list.words.len() >= 2 && list.alternative).then_some((list.words, list.end))
}
