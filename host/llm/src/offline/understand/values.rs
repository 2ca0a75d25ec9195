//! Lists of values and names of types, as they stand behind an attribute.

use super::super::model::FieldKind;
use super::lexicon::lexicon;
use super::text::{Flags, Mark, Token};

/// Words that are states or degrees: they introduce a list of values.
pub(super) const VALUE_WORDS: &[&str] = &[
    "open",
    "closed",
    "done",
    "todo",
    "doing",
    "draft",
    "published",
    "active",
    "inactive",
    "pending",
    "low",
    "medium",
    "high",
    "new",
    "urgent",
    "normal",
    "planned",
    "scheduled",
    "completed",
    "complete",
    "cancelled",
    "canceled",
    "confirmed",
    "paid",
    "unpaid",
    "shipped",
    "delivered",
    "approved",
    "rejected",
    "available",
    "borrowed",
    "reserved",
    "rented",
    "sold",
    "in",
    "started",
    "finished",
    "resolved",
    "archived",
    "sent",
    "overdue",
    "won",
    "lost",
    "booked",
    "beginner",
    "easy",
    "hard",
    "small",
    "large",
    "basic",
    "premium",
    "standard",
    "single",
    "double",
    "male",
    "female",
    "present",
    "absent",
    "submitted",
    "accepted",
    "backlog",
    "blocked",
    "critical",
    "occupied",
    "free",
    "healthy",
    "sick",
    "abierto",
    "cerrado",
    "pendiente",
    "offen",
    "ouvert",
    "aperto",
    "aberto",
    "checked",
    "returned",
    "waiting",
    "processing",
    "failed",
    "passed",
    "not",
    "to",
    "on",
    "unread",
    "read",
    "wishlist",
    "reading",
    "bronze",
    "vegan",
];

pub(super) fn key_of(token: &Token) -> String {
    if token.noun.is_some() { token.lower.clone() } else { lexicon().singular(&token.lower) }
}

pub(super) struct Values {
    pub(super) words: Vec<String>,
    pub(super) end: usize,
    /// Joined by "or" or a slash.
    pub(super) alternative: bool,
}

/// A list of values from `start` on.
pub(super) fn values(tokens: &[Token], start: usize) -> Values {
    const END: &[&str] = &[
        "with", "where", "which", "that", "who", "for", "so", "when", "by", "per", "each", "every",
        "users", "user", "they", "we", "i", "it", "plus", "has", "have", "can",
    ];
    let mut out = Values { words: Vec::new(), end: start, alternative: false };
    let mut at = start;
    let mut closing = false;
    loop {
        let mut words: Vec<&str> = Vec::new();
        let first = tokens.get(at);
        if first
            .is_some_and(|token| token.is_one_of(&["a", "an", "the", "each", "every", "or", "and"]))
        {
            break;
        }
        while let Some(token) = tokens.get(at).filter(|token| {
            token.mark == Mark::Word && !token.is_one_of(&["and", "or"]) && !token.is_one_of(END)
        }) {
            words.push(token.surface.as_str());
            at += 1;
        }
        let attribute = first.is_some_and(|token| {
            lexicon().attribute_listed(&key_of(token)) && !token.is_one_of(VALUE_WORDS)
        });
        if words.is_empty() || words.len() > 3 || (attribute && !closing && !out.words.is_empty()) {
            break;
        }
        out.words.push(words.join(" "));
        out.end = at;
        let Some(separator) = tokens.get(at) else { break };
        let slash = separator.mark == Mark::Slash;
        if closing && !slash {
            break;
        }
        if slash {
            out.alternative = true;
            at += 1;
        } else if separator.mark == Mark::Comma {
            at += 1;
            if let Some(word) = tokens.get(at).filter(|token| token.is_one_of(&["and", "or"])) {
                out.alternative |= word.is("or");
                closing = true;
                at += 1;
            }
        } else if separator.is_one_of(&["and", "or"]) {
            out.alternative |= separator.is("or");
            closing = true;
            at += 1;
        } else {
            break;
        }
        if out.words.len() >= 12 {
            break;
        }
    }
    out
}

pub(super) struct Piece {
    pub(super) text: String,
    pub(super) key: String,
    pub(super) first: String,
}

/// Splits the content of parentheses at separators.
pub(super) fn split(content: &[Token]) -> Vec<Piece> {
    content
        .split(|token| {
            matches!(token.mark, Mark::Comma | Mark::Slash | Mark::Stop | Mark::Colon)
                || token.is_one_of(&["and", "or"])
        })
        .filter_map(|words| {
            let first = words.first()?;
            let text =
                words.iter().map(|token| token.surface.as_str()).collect::<Vec<_>>().join(" ");
            let key = words.iter().map(key_of).collect::<Vec<_>>().join("_");
            Some(Piece { text, key, first: first.lower.clone() })
        })
        .take(20)
        .collect()
}

/// "(decimal)", "(yes/no)", "(optional, unique)": nothing but types and flags.
pub(super) fn type_note(content: &[Token]) -> Option<(Option<FieldKind>, Flags)> {
    let mut kind = None;
    let mut flags = Flags::default();
    let mut words = 0;
    for token in content.iter().filter(|token| token.mark == Mark::Word) {
        words += 1;
        match token.lower.as_str() {
            "required" | "mandatory" => flags.required = true,
            "optional" => flags.optional = true,
            "unique" => flags.unique = true,
            "yes" | "no" | "true" | "false" => kind = Some(FieldKind::Boolean),
            "long" | "short" | "positive" | "and" | "not" | "null" | "empty" | "field" => {}
            _ => kind = Some(type_word(token)?),
        }
    }
    (words > 0).then_some((kind, flags))
}

/// A word that names a type.
pub(super) fn type_word(token: &Token) -> Option<FieldKind> {
    Some(match token.lower.as_str() {
        "decimal" | "float" | "money" | "numeric" | "currency" | "double" | "real" => {
            FieldKind::Decimal
        }
        "integer" | "int" | "number" | "whole" => FieldKind::Integer,
        "string" | "varchar" | "str" => FieldKind::String,
        "text" | "longtext" | "textarea" | "multiline" | "markdown" => FieldKind::Text,
        "boolean" | "bool" | "checkbox" | "flag" | "yes/no" => FieldKind::Boolean,
        "date" => FieldKind::Date,
        "datetime" | "timestamp" | "time" => FieldKind::Datetime,
        "email" => FieldKind::Email,
        "url" | "link" => FieldKind::Url,
        "phone" => FieldKind::Phone,
        _ => return None,
    })
}
