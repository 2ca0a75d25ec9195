//! Reads phrases and links into facts: who has what, who belongs to whom, who does what.

mod contents;
mod deeds;
mod links;

use std::collections::HashSet;

use super::facts::{Facts, FieldFact, Sort, Strength, sort, surface};
use super::grammar::{Item, Link, Phrase};
use super::knowledge::knowledge;
use super::lexicon::lexicon;

/// A member of a list.
#[derive(Debug, Clone)]
struct Entry {
    /// Where it begins among the items.
    start: usize,
    phrase: Phrase,
    owner: Option<Phrase>,
    inner: Option<Vec<Phrase>>,
}

pub(super) struct Reader<'a> {
    items: &'a [Item],
    at: usize,
    words: HashSet<String>,
    noun_first: bool,
    pub(super) facts: Facts,
    /// What the sentence is about.
    subject: Vec<String>,
    verb: Option<String>,
    /// The things named last; a following "with" speaks of them.
    recent: Vec<String>,
    /// Sort of the phrase named last.
    last: Sort,
    /// "price and stock" before "of products".
    pending: Vec<FieldFact>,
    /// Nothing was named yet in this sentence.
    fresh: bool,
    /// The list named last has several members and no "and" yet.
    open_list: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(items: &'a [Item], words: HashSet<String>, noun_first: bool) -> Self {
        Self {
            items,
            at: 0,
            words,
            noun_first,
            facts: Facts::default(),
            subject: Vec::new(),
            verb: None,
            recent: Vec::new(),
            last: Sort::Nothing,
            pending: Vec::new(),
            fresh: true,
            open_list: false,
        }
    }

    pub(super) fn read(mut self) -> Facts {
        while let Some(item) = self.items.get(self.at) {
            match item {
                Item::Phrase(_) => {
                    let entries = self.list(false);
                    self.top(&entries, Strength::Strong);
                }
                Item::Link(link) => {
                    self.at += 1;
                    self.link(*link);
                }
                Item::Colon => {
                    self.at += 1;
                    self.colon();
                }
                Item::Stop => {
                    self.at += 1;
                    self.subject.clear();
                    self.verb = None;
                    self.last = Sort::Nothing;
                    self.fresh = true;
                }
                Item::Clause | Item::Relative => {
                    self.at += 1;
                    self.verb = None;
                    self.subject = self.recent.clone();
                }
                Item::Verb(verb) => {
                    self.verb = Some(verb.clone());
                    self.at += 1;
                }
                Item::And | Item::Comma | Item::Open | Item::Close | Item::Modal => self.at += 1,
            }
        }
        let pending = std::mem::take(&mut self.pending);
        self.facts.fields.extend(pending);
        self.facts
    }

    fn peek(&self, offset: usize) -> Option<&Item> {
        self.items.get(self.at + offset)
    }

    fn sort(&self, phrase: &Phrase) -> Sort {
        sort(phrase, &self.words, false, self.noun_first)
    }

    /// "notes" is an attribute, but the thing is a note.
    fn sort_as_thing(&self, phrase: &Phrase, labelled: bool) -> Sort {
        match sort(phrase, &self.words, labelled, self.noun_first) {
            Sort::Dual(key, always) => Sort::Dual(lexicon().singular(&key), always),
            other => other,
        }
    }

    /// A list of phrases: "a, b and c". Ends where the next phrase begins a clause of its own; `inner`: inside a "with", where a list that
    /// has had its "and" is over.
    fn list(&mut self, inner: bool) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut closed = false;
        let before = self.at.checked_sub(1).and_then(|before| self.items.get(before));
        let opens =
            !inner && matches!(before, None | Some(Item::Stop | Item::Clause | Item::Colon));
        while let Some(Item::Phrase(phrase)) = self.peek(0) {
            let mut phrase = phrase.clone();
            let start = self.at;
            self.at += 1;
            let mut owner = None;
            if phrase.possessive
                && let Some(Item::Phrase(next)) = self.peek(0)
            {
                let det = phrase.det;
                owner = Some(phrase);
                phrase = next.clone();
                phrase.det = det;
                self.at += 1;
            }
            let content = self.brackets();
            entries.push(Entry { start, phrase, owner, inner: content });
            let mut next = 0;
            let mut joined = false;
            let mut comma = false;
            while let Some(item @ (Item::Comma | Item::And)) = self.peek(next) {
                joined |= *item == Item::And;
                comma |= *item == Item::Comma;
                next += 1;
            }
            if next == 0
                || !matches!(self.peek(next), Some(Item::Phrase(_)))
                || (self.begins_clause(next) && !(opens && joined && self.acts_together(next)))
                || (inner && closed && comma)
            {
                break;
            }
            closed |= joined;
            self.at += next;
            if entries.len() >= 40 {
                break;
            }
        }
        self.open_list = entries.len() > 1 && !closed;
        entries
    }

    /// What follows a preposition. In "books, orders of customers and reviews" the "and" ends the outer list.
    fn list_after(&mut self) -> Vec<Entry> {
        let outer = self.open_list;
        let mut entries = self.list(false);
        let linked = matches!(
            self.peek(0),
            Some(Item::Link(
                Link::Of | Link::To | Link::From | Link::For | Link::By | Link::Between
            ))
        );
        // "donations from donors and sales to customers": the last member has a link of its own.
        let keep = match (outer, linked) {
            (true, _) => 1,
            (false, true) => entries.len().saturating_sub(1).max(1),
            (false, false) => entries.len(),
        };
        if let Some(next) = entries.get(keep) {
            self.at = next.start;
        }
        entries.truncate(keep);
        self.open_list = false;
        entries
    }

    /// Phrases in brackets that follow.
    fn brackets(&mut self) -> Option<Vec<Phrase>> {
        if self.peek(0) != Some(&Item::Open) {
            return None;
        }
        let mut content = Vec::new();
        let mut depth = 0_usize;
        while let Some(item) = self.peek(0) {
            match item {
                Item::Open => depth += 1,
                Item::Close => depth = depth.saturating_sub(1),
                Item::Phrase(phrase) => content.push(phrase.clone()),
                Item::Stop if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
            if depth == 0 || content.len() > 40 {
                break;
            }
        }
        Some(content)
    }

    /// Whether the phrase at `offset` is the subject of what follows it.
    fn begins_clause(&self, offset: usize) -> bool {
        let mut next = offset + 1;
        if self.peek(next) == Some(&Item::Open) {
            while self.peek(next).is_some_and(|item| *item != Item::Close) {
                next += 1;
            }
            next += 1;
        }
        match self.peek(next) {
            Some(Item::Verb(_)) => true,
            Some(Item::Link(link)) => {
                matches!(link, Link::Has | Link::Belongs | Link::Tagged | Link::With)
            }
            Some(Item::Modal) => matches!(
                self.peek(next + 1),
                Some(Item::Verb(_) | Item::Link(Link::Has | Link::Belongs | Link::Tagged))
            ),
            _ => false,
        }
    }

    /// "authors and books have …": both are the subject.
    fn acts_together(&self, offset: usize) -> bool {
        matches!(
            self.peek(offset + 1),
            Some(
                Item::Modal | Item::Verb(_) | Item::Link(Link::Has | Link::Belongs | Link::Tagged)
            )
        )
    }

    fn field(owner: Option<&str>, key: &str, phrase: &Phrase, soft: bool) -> FieldFact {
        FieldFact {
            owner: owner.map(str::to_owned),
            key: key.to_owned(),
            surface: surface(phrase),
            values: phrase.values.clone(),
            kind: phrase.kind,
            flags: phrase.flags,
            soft,
            listed: false,
        }
    }

    fn thing(&mut self, key: &str, phrase: &Phrase, strength: Strength) {
        let plural = if self.noun_first {
            phrase.words.first().is_some_and(|word| word.plural)
        } else {
            phrase.words.last().is_some_and(|word| word.plural)
        };
        self.facts.mention(key, &surface(phrase), plural, strength);
    }

    /// Phrases that stand on their own.
    #[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
    fn top(&mut self, entries: &[Entry], strength: Strength) {
        let subject_follows = matches!(
            self.peek(0),
            Some(
                Item::Modal | Item::Verb(_) | Item::Link(Link::Has | Link::Belongs | Link::Tagged)
            )
        );
        let of_follows = self.peek(0) == Some(&Item::Link(Link::Of));
        let labelled = self.peek(0) == Some(&Item::Colon);
        let mut keys: Vec<String> = Vec::new();
        for entry in entries {
            let sorted = self.sort_as_thing(&entry.phrase, labelled || entry.inner.is_some());
            let single = entries.len() == 1;
            match &sorted {
                Sort::App(described) => {
                    self.facts.apps.push(entry.phrase.words.clone());
                    self.describe_app(described, entry);
                    if single {
                        self.recent.clear();
                        self.subject.clear();
                    }
                }
                Sort::Place(_) => {
                    self.facts.apps.push(entry.phrase.words.clone());
                    self.describe_place(&entry.phrase);
                    if single {
                        self.recent.clear();
                        self.subject.clear();
                    }
                }
                Sort::Role(key) => {
                    let object = !subject_follows
                        && (self.verb.as_deref().is_some_and(|verb| {
                            !matches!(
                                verb,
                                "allow" | "let" | "enable" | "help" | "use" | "notify" | "remind"
                            )
                        }) || !single);
                    if object && knowledge().entity(key).is_some() {
                        self.thing(key, &entry.phrase, strength);
                        keys.push(key.clone());
                    }
                }
                Sort::Attribute(key) => {
                    let owner = keys.last().cloned().or_else(|| {
                        if self.verb.is_some() || self.fresh {
                            None
                        } else {
                            self.recent.last().cloned()
                        }
                    });
                    let fact = Self::field(owner.as_deref(), key, &entry.phrase, false);
                    if of_follows { self.pending.push(fact) } else { self.facts.fields.push(fact) }
                }
                Sort::AttributeOf(owner, key) => {
                    let fact = Self::field(Some(owner), key, &entry.phrase, false);
                    self.facts.fields.push(fact);
                }
                Sort::Dual(key, _)
                    if of_follows
                        && entries.iter().all(|entry| {
                            matches!(self.sort(&entry.phrase), Sort::Attribute(_) | Sort::Dual(..))
                        }) =>
                {
                    let fact = Self::field(None, key, &entry.phrase, false);
                    self.pending.push(fact);
                }
                Sort::Thing(key) | Sort::Dual(key, _) => {
                    self.thing(key, &entry.phrase, strength);
                    if !entry.phrase.values.is_empty() {
                        let mut fact = Self::field(Some(key), "status", &entry.phrase, false);
                        "Status".clone_into(&mut fact.surface);
                        self.facts.fields.push(fact);
                    }
                    if let Some(owner) = &entry.owner
                        && let Sort::Thing(parent) = self.sort(owner)
                    {
                        self.thing(&parent, owner, strength);
                        self.facts.relate(key, &parent, false, false);
                    }
                    keys.push(key.clone());
                }
                Sort::Nothing | Sort::Quantifier => {}
            }
            if let Some(content) = &entry.inner {
                self.bracketed(&sorted, keys.last().cloned(), content);
            }
            self.last = sorted;
        }
        let fresh = subject_follows || self.verb.is_none();
        if fresh {
            if subject_follows {
                self.verb = None;
            }
            self.subject.clone_from(&keys);
        } else if let Some(verb) = self.verb.clone() {
            let subject = self.subject.clone();
            self.deed(&subject, &verb, &keys);
        }
        if !keys.is_empty() {
            self.recent = keys;
            self.fresh = false;
        }
    }
}
