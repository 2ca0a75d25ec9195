//! From tokens to phrases: which words are nouns, which are verbs, and what joins them.

mod verbs;

use super::super::model::FieldKind;
use super::knowledge::knowledge;
use super::lexicon::{VerbForm, lexicon};
use super::text::{Flags, Mark, Number, Token};
use verbs::{base_is_verb, determined_or_plural, starts_phrase, third_person};

/// How two phrases hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    With,
    Has,
    Belongs,
    Tagged,
    Of,
    For,
    ForEach,
    In,
    To,
    From,
    By,
    Between,
}

/// Article or number before a noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Det {
    #[default]
    None,
    One,
    Definite,
    Each,
    Many,
}

/// A word of a noun phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Singular, English where known.
    pub(super) key: String,
    pub(super) surface: String,
    pub(super) plural: bool,
    pub(super) app: bool,
}

/// A noun with what describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Phrase {
    pub(super) words: Vec<Word>,
    pub(super) det: Det,
    pub(super) flags: Flags,
    pub(super) values: Vec<String>,
    pub(super) kind: Option<FieldKind>,
    pub(super) possessive: bool,
    /// An adjective or a participle stood before the noun.
    pub(super) described: bool,
}

/// An element of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Phrase(Phrase),
    Verb(String),
    Link(Link),
    And,
    Comma,
    Colon,
    Open,
    Close,
    Stop,
    /// who, which, that
    Relative,
    /// where, when: a new clause
    Clause,
    Modal,
}

#[derive(Debug, Clone, PartialEq)]
enum Tag {
    Noun,
    App,
    Adjective,
    Det(Det),
    Skip,
    Item(Item),
}

/// Groups tokens into phrases and what joins them.
pub(super) fn items(tokens: &[Token], noun_first: bool) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::new();
    let mut phrase = Phrase::default();
    let mut last = Tag::Item(Item::Stop);
    let mut skip = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let (tag, extra) = tag(tokens, at, &last, &out);
        skip = extra;
        match &tag {
            Tag::Noun | Tag::App => {
                phrase.words.push(word(token, tag == Tag::App));
                merge_notes(&mut phrase, token);
                if token.possessive {
                    phrase.possessive = true;
                    flush(&mut out, &mut phrase, noun_first);
                }
            }
            Tag::Adjective => {
                adjective(token, &mut phrase, &mut out, tokens.get(at + 1), noun_first);
            }
            Tag::Det(det) => {
                flush(&mut out, &mut phrase, noun_first);
                phrase.det = *det;
            }
            Tag::Skip => {
                if !phrase.words.is_empty() {
                    flush(&mut out, &mut phrase, noun_first);
                }
            }
            Tag::Item(item) => {
                flush(&mut out, &mut phrase, noun_first);
                out.push(item.clone());
            }
        }
        if tag != Tag::Skip {
            last = tag;
        }
    }
    flush(&mut out, &mut phrase, noun_first);
    out
}

fn merge_notes(phrase: &mut Phrase, token: &Token) {
    if !token.values.is_empty() {
        phrase.values.clone_from(&token.values);
    }
    phrase.kind = token.kind.or(phrase.kind);
    phrase.flags.required |= token.flags.required;
    phrase.flags.optional |= token.flags.optional;
    phrase.flags.unique |= token.flags.unique;
}

/// An adjective before its noun is dropped; "optional" and the like are kept as flags, also behind the noun.
fn adjective(
    token: &Token,
    phrase: &mut Phrase,
    out: &mut [Item],
    next: Option<&Token>,
    noun_first: bool,
) {
    let flags = Flags {
        required: token.is_one_of(&["required", "mandatory"]),
        optional: token.is("optional"),
        unique: token.is("unique"),
    };
    let noun_follows = next.is_some_and(|next| {
        next.mark == Mark::Word && !next.is_one_of(&["and", "or", "with", "for", "to", "in"])
    });
    let target = if phrase.words.is_empty() && !noun_follows {
        match out.iter_mut().rev().find(|item| matches!(item, Item::Phrase(_) | Item::Stop)) {
            Some(Item::Phrase(previous)) => previous,
            _ => phrase,
        }
    } else {
        phrase
    };
    target.flags.required |= flags.required;
    target.flags.optional |= flags.optional;
    target.flags.unique |= flags.unique;
    target.described |= !noun_first;
}

fn word(token: &Token, app: bool) -> Word {
    let lexicon = lexicon();
    let (key, plural) = match token.noun {
        Some(number) => (token.lower.clone(), number == Number::Plural),
        // "notes", "hours": attributes that are plurals.
        None if lexicon.attribute_listed(&token.lower) => {
            (token.lower.clone(), lexicon.is_plural(&token.lower))
        }
        None => (lexicon.singular(&token.lower), lexicon.is_plural(&token.lower)),
    };
    Word {
        key: key.trim_start_matches("app:").to_owned(),
        surface: token.surface.clone(),
        plural,
        app,
    }
}

/// Application words that say nothing about what follows them.
const GENERIC: &[&str] = &[
    "app",
    "application",
    "system",
    "platform",
    "tool",
    "website",
    "site",
    "webapp",
    "tracker",
    "manager",
    "management",
    "organizer",
    "organiser",
    "tracking",
    "scheduling",
    "planning",
    "administration",
    "dashboard",
    "portal",
    "api",
    "backend",
    "frontend",
    "crm",
    "erp",
];

fn flush(out: &mut Vec<Item>, phrase: &mut Phrase, noun_first: bool) {
    let mut done = std::mem::take(phrase);
    if done.words.is_empty() {
        return;
    }
    if noun_first && done.words.len() > 1 {
        done.described = true;
    }
    done.words.truncate(6);
    // "project management tasks": what an application noun describes is the noun that follows it.
    if !noun_first && done.words.last().is_some_and(|word| !word.app) {
        for word in done.words.iter_mut().filter(|word| !GENERIC.contains(&word.key.as_str())) {
            word.app = false;
        }
    }
    if let Some(app) = done.words.iter().rposition(|word| word.app)
        && app + 1 < done.words.len()
        && !noun_first
    {
        done.words.drain(..=app);
    }
    out.push(Item::Phrase(done));
}

/// The tag of a word, and how many further tokens it swallows.
fn tag(tokens: &[Token], at: usize, last: &Tag, out: &[Item]) -> (Tag, usize) {
    let Some(token) = tokens.get(at) else { return (Tag::Skip, 0) };
    let one = |item: Item| (Tag::Item(item), 0);
    match token.mark {
        Mark::Word => {}
        Mark::Comma | Mark::Slash => return one(Item::Comma),
        Mark::Colon => return one(Item::Colon),
        Mark::Open => return one(Item::Open),
        Mark::Close => return one(Item::Close),
        Mark::Stop => return one(Item::Stop),
    }
    if token.verb {
        return one(Item::Verb(token.lower.clone()));
    }
    if token.lower.starts_with("app:") {
        return (Tag::App, 0);
    }
    if token.noun.is_some() || token.kind.is_some() || !token.values.is_empty() {
        return (Tag::Noun, 0);
    }
    if let Some(found) = function_word(tokens, at, last) {
        return found;
    }
    content_word(tokens, at, last, out)
}

fn function_word(tokens: &[Token], at: usize, last: &Tag) -> Option<(Tag, usize)> {
    let token = tokens.get(at)?;
    let next = tokens.get(at + 1);
    let next_is = |words: &[&str]| next.is_some_and(|token| token.is_one_of(words));
    let item = |item: Item, extra: usize| Some((Tag::Item(item), extra));
    let link = |link: Link, extra: usize| Some((Tag::Item(Item::Link(link)), extra));
    match token.lower.as_str() {
        "and" | "or" | "plus" | "nor" => item(Item::And, 0),
        "as" if next_is(&["well"]) => item(
            Item::And,
            if tokens.get(at + 2).is_some_and(|token| token.is("as")) { 2 } else { 1 },
        ),
        "with" | "including" | "featuring" | "containing" | "incl" => link(Link::With, 0),
        "has" | "have" | "having" | "contain" | "contains" | "include" | "includes"
        | "comprise" | "comprises" => link(Link::Has, 0),
        "consist" | "consists" => link(Link::Has, usize::from(next_is(&["of"]))),
        "composed" | "made" | "comprised" if next_is(&["of", "up"]) => {
            link(Link::Has, if next_is(&["up"]) { 2 } else { 1 })
        }
        "belong" | "belongs" | "belonging" | "belongs_to" => {
            link(Link::Belongs, usize::from(next_is(&["to"])))
        }
        "assigned" | "linked" | "related" | "connected" | "associated" | "attached" | "tied"
        | "allocated" | "mapped" | "bound"
            if next_is(&["to", "with"]) =>
        {
            link(Link::Belongs, 1)
        }
        "grouped" | "organized" | "organised" | "categorized" | "categorised" | "classified"
        | "divided" | "filed" | "arranged" | "split" | "sorted"
            if next_is(&["by", "into", "in", "under"]) =>
        {
            link(if token.is("sorted") && next_is(&["by"]) { Link::By } else { Link::Belongs }, 1)
        }
        "tagged" | "labelled" | "labeled" => {
            link(Link::Tagged, usize::from(next_is(&["with", "by", "as"])))
        }
        "filtered" | "searched" | "ordered" | "ranked" | "searchable" | "filterable"
        | "sortable"
            if next_is(&["by"]) =>
        {
            link(Link::By, 1)
        }
        "of" => link(Link::Of, 0),
        "for" if next_is(&["each", "every"]) => link(Link::ForEach, 1),
        "per" => link(Link::ForEach, 0),
        "for" => link(Link::For, 0),
        "in" | "into" | "inside" | "within" | "at" | "under" | "on" | "onto" | "about"
        | "against" | "across" => link(Link::In, 0),
        "from" => link(Link::From, 0),
        "by" => link(Link::By, 0),
        "between" | "among" => link(Link::Between, 0),
        "to" => {
            let verb = next.is_some_and(|token| {
                token.verb
                    || lexicon().verb(&token.lower).is_some_and(|(_, form)| form == VerbForm::Base)
            });
            if verb { item(Item::Modal, 0) } else { link(Link::To, 0) }
        }
        "each" | "every" => Some((Tag::Det(Det::Each), 0)),
        "one"
            if next_is(&["or"])
                && tokens
                    .get(at + 2)
                    .is_some_and(|token| token.is_one_of(&["more", "several", "many"])) =>
        {
            Some((Tag::Det(Det::Many), 2))
        }
        "many" | "multiple" | "several" | "various" | "numerous" => Some((Tag::Det(Det::Many), 0)),
        "a" | "an" | "one" | "single" => Some((Tag::Det(Det::One), 0)),
        "the" | "this" | "these" | "those" | "their" | "his" | "her" | "its" | "my" | "our"
        | "your" => Some((Tag::Det(Det::Definite), 0)),
        "that" | "which" | "who" => match last {
            Tag::Noun | Tag::App | Tag::Item(Item::Comma | Item::Close) => item(Item::Relative, 0),
            _ => Some((Tag::Det(Det::Definite), 0)),
        },
        "where" | "when" | "while" | "whose" | "so" | "because" | "if" | "i" | "we" | "they"
        | "you" | "it" => item(Item::Clause, 0),
        word if lexicon().is("modal", word) => item(Item::Modal, 0),
        word if lexicon().is("stop", word) => Some((Tag::Skip, 0)),
        _ => None,
    }
}

#[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
fn content_word(tokens: &[Token], at: usize, last: &Tag, out: &[Item]) -> (Tag, usize) {
    let lexicon = lexicon();
    let Some(token) = tokens.get(at) else { return (Tag::Skip, 0) };
    let next = tokens.get(at + 1);
    let word = token.lower.as_str();
    let singular = lexicon.singular(word);
    let next_app =
        next.is_some_and(|next| next.mark == Mark::Word && lexicon.is("app", &next.lower));
    // "wines I drank": what a pronoun does is a verb, known or not.
    let pronoun = at
        .checked_sub(1)
        .and_then(|before| tokens.get(before))
        .is_some_and(|token| token.is_one_of(&["i", "we", "they", "you"]));
    if pronoun && *last == Tag::Item(Item::Clause) && !lexicon.is("adjective", word) {
        return (
            Tag::Item(Item::Verb(
                lexicon.verb(word).map_or_else(|| word.to_owned(), |(base, _)| base),
            )),
            0,
        );
    }
    if let Some((base, form)) = lexicon.verb(word) {
        let noun_too = lexicon.verb_nouns.contains(&base)
            || knowledge().entity(&singular).is_some()
            || lexicon.attribute_listed(&singular)
            || lexicon.dual(&singular).is_some();
        let verb = match form {
            VerbForm::Ing => {
                let after_plural = *last == Tag::Noun
                    && at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(
                        |token| {
                            token.noun.is_none() && lexicon.is_plural(&token.lower)
                                || token.noun == Some(Number::Plural)
                        },
                    );
                if after_plural && starts_phrase(next) && !next_app && !lexicon.is("ing_noun", word)
                {
                    return (Tag::Item(Item::Verb(base)), 0);
                }
                if matches!(last, Tag::Item(Item::Link(Link::With | Link::Has)) | Tag::Det(_))
                    && starts_phrase(next)
                    && knowledge().entity(word).is_none()
                    && !lexicon.is("ing_noun", word)
                    && !next_app
                {
                    return (Tag::Adjective, 0);
                }
                let noun_too = lexicon.is("ing_noun", word)
                    || knowledge().entity(word).is_some()
                    || lexicon.attribute_listed(word);
                if !noun_too && (next_app || (*last == Tag::Noun && !starts_phrase(next))) {
                    return (Tag::App, 0);
                }
                !noun_too
                    || (matches!(
                        last,
                        Tag::Item(Item::Link(Link::For | Link::By | Link::In) | Item::Stop)
                    ) && !next_app
                        && starts_phrase(next)
                        && (*last != Tag::Item(Item::Stop)
                            || next.is_some_and(determined_or_plural)))
            }
            VerbForm::Past => {
                if next.is_some_and(|next| next.is_one_of(&["by"]))
                    && !matches!(base.as_str(), "filter" | "sort" | "search" | "order" | "group")
                {
                    return (Tag::Item(Item::Link(Link::Belongs)), 1);
                }
                if next.is_some_and(|next| {
                    next.is_one_of(&[
                        "in", "at", "from", "for", "on", "to", "into", "with", "through", "under",
                    ])
                }) {
                    return (Tag::Skip, 0);
                }
                if !matches!(last, Tag::Noun | Tag::Item(Item::Relative)) && starts_phrase(next) {
                    return (Tag::Adjective, 0);
                }
                !noun_too || *last == Tag::Noun
            }
            VerbForm::Third => !noun_too || third_person(tokens, at, last, out),
            VerbForm::Base => !noun_too || base_is_verb(tokens, at, last, out),
        };
        if verb {
            return (Tag::Item(Item::Verb(base)), 0);
        }
    }
    if lexicon.is("adjective", word) {
        let alone = lexicon.attribute_listed(word)
            && !word.starts_with("unique")
            && !starts_phrase(next)
            && out.iter().rev().take_while(|item| **item != Item::Stop).any(|item| {
                matches!(item, Item::Link(Link::With | Link::Has) | Item::Open | Item::Colon)
            });
        return (if alone { Tag::Noun } else { Tag::Adjective }, 0);
    }
    if lexicon.is("app", word) {
        let thing = knowledge().entity(word).is_some()
            && matches!(last, Tag::Det(_))
            && matches!(
                out.last(),
                Some(Item::Link(Link::Belongs | Link::In | Link::Of | Link::Has | Link::To))
            );
        let thing =
            thing || (knowledge().entity(word).is_some() && matches!(last, Tag::Det(Det::Each)));
        // "companies with name and website".
        let described = lexicon.attribute_listed(word)
            && out.iter().rev().take_while(|item| **item != Item::Stop).any(|item| {
                matches!(item, Item::Link(Link::With | Link::Has) | Item::Open | Item::Colon)
            });
        let described = described && !matches!(last, Tag::Item(Item::Stop | Item::Clause));
        return (if thing || described { Tag::Noun } else { Tag::App }, 0);
    }
    (Tag::Noun, 0)
}
