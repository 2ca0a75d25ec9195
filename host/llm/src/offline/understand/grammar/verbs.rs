//! Words that can be both: whether they are the verb here.

use super::super::lexicon::lexicon;
use super::super::text::{Mark, Number, Token};
use super::{Item, Link, Tag};

/// Whether a noun phrase can start here.
pub(super) fn starts_phrase(token: Option<&Token>) -> bool {
    let Some(token) = token.filter(|token| token.mark == Mark::Word) else { return false };
    if token.noun.is_some()
        || token.is_one_of(&[
            "a", "an", "the", "their", "my", "our", "its", "each", "every", "one", "many",
            "multiple", "several", "new", "all",
        ])
    {
        return true;
    }
    let lexicon = lexicon();
    !(lexicon.is("stop", &token.lower)
        || lexicon.is("modal", &token.lower)
        || token.is_one_of(&[
            "and", "or", "with", "of", "for", "has", "have", "that", "which", "who", "where",
            "plus",
        ]))
}

/// "each member books a class": the word that could be a plural is the verb of a singular subject.
pub(super) fn third_person(tokens: &[Token], at: usize, last: &Tag, out: &[Item]) -> bool {
    if matches!(last, Tag::Item(Item::Relative)) {
        return true;
    }
    let subject = at
        .checked_sub(1)
        .and_then(|before| tokens.get(before))
        .is_some_and(|token| token.mark == Mark::Word && !lexicon().is_plural(&token.lower));
    let next = tokens.get(at + 1);
    let object = next.is_some_and(|next| {
        next.is_one_of(&["a", "an", "the", "one", "many", "several", "multiple", "their", "its"])
    });
    let determined = at
        .checked_sub(2)
        .and_then(|before| tokens.get(before))
        .is_some_and(|token| token.is_one_of(&["a", "an", "each", "every", "the", "one"]));
    let object = object
        || (determined
            && starts_phrase(next)
            && next.is_some_and(|next| {
                next.noun != Some(Number::Singular) && !lexicon().is("app", &next.lower)
            }));
    *last == Tag::Noun && subject && object && !matches!(out.last(), Some(Item::Link(Link::With)))
}

/// Whether a word that can be both is the verb: after "to" or "can", as an order, or between a plural subject and its object.
pub(super) fn base_is_verb(tokens: &[Token], at: usize, last: &Tag, out: &[Item]) -> bool {
    let next = tokens.get(at + 1);
    let next_app =
        next.is_some_and(|next| next.mark == Mark::Word && lexicon().is("app", &next.lower));
    match last {
        Tag::Item(Item::Modal | Item::Relative) => true,
        Tag::Item(Item::Clause) => starts_phrase(next) && !next_app,
        Tag::Item(Item::Stop | Item::Colon) => {
            starts_phrase(next) && !next_app && next.is_some_and(determined_or_plural)
        }
        Tag::Item(Item::And | Item::Comma) => {
            let clause: Vec<&Item> = out
                .iter()
                .rev()
                .take_while(|item| !matches!(item, Item::Stop | Item::Clause))
                .collect();
            let after_verb = matches!(clause.get(1), Some(Item::Verb(_)));
            let verbal = clause.iter().any(|item| matches!(item, Item::Modal | Item::Verb(_)));
            after_verb || (verbal && next.is_some_and(determined_or_plural) && !next_app)
        }
        Tag::Noun => {
            let plural =
                at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|token| {
                    token.noun == Some(Number::Plural)
                        || (token.noun.is_none() && lexicon().is_plural(&token.lower))
                });
            plural
                && (starts_phrase(next)
                    || next.is_some_and(|next| next.is_one_of(&["for", "in", "on", "and", "to"])))
        }
        _ => false,
    }
}

pub(super) fn determined_or_plural(token: &Token) -> bool {
    token.noun == Some(Number::Plural)
        || token.is_one_of(&[
            "a", "an", "the", "their", "my", "our", "its", "each", "every", "new", "all",
            "multiple", "many", "and", "or", "them", "it", "him", "us", "me",
        ])
        || (token.noun.is_none() && token.mark == Mark::Word && lexicon().is_plural(&token.lower))
}
