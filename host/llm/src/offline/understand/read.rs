//! Reads phrases and links into facts: who has what, who belongs to whom, who does what.

use std::collections::HashSet;

use super::facts::{Deed, Facts, FieldFact, Sort, Strength, acts, sort, surface};
use super::grammar::{Det, Item, Link, Phrase};
use super::knowledge::{Class, Role, Tie, knowledge};
use super::lexicon::lexicon;

/// Verbs whose object belongs to who does it.
const MAKES: &[&str] = &[
    "create",
    "place",
    "make",
    "write",
    "submit",
    "post",
    "own",
    "upload",
    "receive",
    "request",
    "teach",
    "lead",
    "host",
    "run",
    "organize",
    "organise",
    "raise",
    "open",
    "give",
    "keep",
    "log",
    "record",
    "track",
    "drive",
    "earn",
    "publish",
    "report",
    "offer",
    "sell",
    "supply",
    "produce",
    "perform",
    "pay",
    "schedule",
    "file",
    "issue",
    "prescribe",
    "claim",
    "coach",
    "train",
    "breed",
    "propose",
    "design",
    "plan",
    "start",
    "send",
    "get",
    "conduct",
    "hold",
    "share",
    "take",
];

/// Verbs that link both sides, often through a record of its own.
const LINKS: &[&str] = &[
    "book",
    "reserve",
    "borrow",
    "lend",
    "rent",
    "hire",
    "lease",
    "adopt",
    "enroll",
    "enrol",
    "join",
    "attend",
    "register",
    "buy",
    "purchase",
    "order",
    "participate",
    "subscribe",
    "follow",
    "like",
    "sign",
    "review",
    "rate",
    "apply",
    "donate",
    "vote",
    "volunteer",
    "loan",
    "study",
    "play",
    "compete",
];

/// Verbs that put one thing under another: "assign tasks to people".
const PLACES: &[&str] = &[
    "assign",
    "attach",
    "link",
    "group",
    "organize",
    "organise",
    "categorize",
    "categorise",
    "classify",
    "split",
    "connect",
    "relate",
    "associate",
    "pair",
    "match",
    "add",
    "move",
    "allocate",
    "map",
    "sort",
    "divide",
    "put",
    "nest",
    "manage",
    "track",
    "keep",
    "store",
    "save",
    "record",
    "send",
    "issue",
];

/// "a booking links a guest to a room".
const JOINS: &[&str] =
    &["link", "connect", "associate", "relate", "tie", "reference", "concern", "record"];

/// "a job uses parts".
const USES: &[&str] =
    &["use", "need", "require", "cover", "involve", "target", "feature", "combine"];

/// A member of a list.
#[derive(Debug, Clone)]
struct Entry {
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
            pending: Vec::new(), fresh: true, open_list: false }
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
                Item::Clause => {
                    self.at += 1;
                    self.verb = None;
                    self.subject = self.recent.clone();
                }
                Item::Relative => {
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
        while let Some(Item::Phrase(phrase)) = self.peek(0) {
            let mut phrase = phrase.clone();
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
            entries.push(Entry { phrase, owner, inner: content });
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
                || self.begins_clause(next)
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
        if !self.open_list {
            return self.list(false);
        }
        let start = self.at;
        let mut entries = self.list(false);
        let more = entries.len() > 1;
        if more {
            self.at = start + 1;
            entries.truncate(1);
            if entries.first().is_some_and(|entry| entry.owner.is_some()) {
                self.at += 1;
            }
            if entries.first().is_some_and(|entry| entry.inner.is_some()) {
                let _ = self.brackets();
            }
        }
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
        matches!(
            self.peek(next),
            Some(
                Item::Modal
                    | Item::Verb(_)
                    | Item::Link(Link::Has | Link::Belongs | Link::Tagged | Link::With)
            )
        ) && !(matches!(self.peek(next), Some(Item::Modal))
            && !matches!(
                self.peek(next + 1),
                Some(Item::Verb(_) | Item::Link(Link::Has | Link::Belongs | Link::Tagged))
            ))
    }

    fn field(&self, owner: Option<&str>, key: &str, phrase: &Phrase, soft: bool) -> FieldFact {
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
                    let fact = self.field(owner.as_deref(), key, &entry.phrase, false);
                    if of_follows { self.pending.push(fact) } else { self.facts.fields.push(fact) }
                }
                Sort::AttributeOf(owner, key) => {
                    let fact = self.field(Some(owner), key, &entry.phrase, false);
                    self.facts.fields.push(fact);
                }
                Sort::Dual(key, _)
                    if of_follows
                        && entries.iter().all(|entry| {
                            matches!(self.sort(&entry.phrase), Sort::Attribute(_) | Sort::Dual(..))
                        }) =>
                {
                    let fact = self.field(None, key, &entry.phrase, false);
                    self.pending.push(fact);
                }
                Sort::Thing(key) | Sort::Dual(key, _) => {
                    self.thing(key, &entry.phrase, strength);
                    if !entry.phrase.values.is_empty() {
                        let mut fact = self.field(Some(key), "status", &entry.phrase, false);
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

    fn bracketed(&mut self, sorted: &Sort, owner: Option<String>, content: &[Phrase]) {
        let entries: Vec<Entry> = content
            .iter()
            .map(|phrase| Entry { phrase: phrase.clone(), owner: None, inner: None })
            .collect();
        match (sorted, owner) {
            (Sort::Thing(_) | Sort::Dual(..) | Sort::Role(_), Some(owner)) => {
                self.contents(&[owner], &entries, true);
            }
            _ => {
                let (verb, subject) = (self.verb.take(), std::mem::take(&mut self.subject));
                self.top(&entries, Strength::Strong);
                self.verb = verb;
                self.subject = subject;
            }
        }
    }

    /// "recipe app", "expense tracker": what the application is about, if nothing else says so.
    fn describe_app(&mut self, described: &[super::grammar::Word], entry: &Entry) {
        let lexicon = lexicon();
        let useful: Vec<&super::grammar::Word> = described
            .iter()
            .filter(|word| {
                !lexicon.is("topic", &word.key)
                    && !lexicon.is("org", &word.key)
                    && !lexicon.is_any("meta", &word.key)
                    && !lexicon.is_any("roles", &word.key)
                    && !word.app
            })
            .collect();
        if useful.is_empty() || useful.len() < described.len() {
            return;
        }
        let key = super::facts::join(&useful);
        if lexicon.attribute_listed(&key) && knowledge().entity(&key).is_none() {
            return;
        }
        let last = useful.last().map(|word| word.key.clone()).unwrap_or_default();
        let surface = useful.iter().map(|word| word.surface.as_str()).collect::<Vec<_>>().join(" ");
        let plural = useful.last().is_some_and(|word| word.plural);
        // "recipe app" means recipes; "widget app" may mean anything.
        let known = knowledge().entity(&key).is_some() || knowledge().entity(&last).is_some();
        let strength =
            if known && !entry.phrase.words.iter().any(|word| lexicon.is("org", &word.key)) {
                Strength::App
            } else {
                Strength::Weak
            };
        self.facts.mention(&key, &surface, plural, strength);
    }

    /// "flower shop": what the place deals with, when nothing else is named.
    fn describe_place(&mut self, phrase: &Phrase) {
        let lexicon = lexicon();
        let useful: Vec<&super::grammar::Word> = phrase
            .words
            .iter()
            .filter(|word| {
                !lexicon.is("topic", &word.key)
                    && !lexicon.is("org", &word.key)
                    && !word.app
                    && knowledge().entity(&word.key).is_some()
            })
            .collect();
        if let [word] = useful.as_slice() {
            let word = (*word).clone();
            self.facts.mention(&word.key, &word.surface, word.plural, Strength::Hint);
        }
    }

    /// What stands after "with" or "has", or in brackets.
    fn contents(&mut self, owners: &[String], entries: &[Entry], bracketed: bool) {
        let strict = bracketed
            || entries.iter().any(|entry| {
                matches!(self.sort(&entry.phrase), Sort::Attribute(_) | Sort::AttributeOf(..))
                    || matches!(self.sort(&entry.phrase), Sort::Dual(_, true))
            });
        let mut keys: Vec<String> = Vec::new();
        for entry in entries {
            let phrase = &entry.phrase;
            let plural = if self.noun_first {
                phrase.words.first().is_some_and(|word| word.plural)
            } else {
                phrase.words.last().is_some_and(|word| word.plural)
            };
            let sorted = sort(phrase, &self.words, entry.inner.is_some(), self.noun_first);
            for owner in owners {
                match &sorted {
                    Sort::Attribute(key) => {
                        let fact = self.field(Some(owner), key, phrase, false);
                        self.facts.fields.push(fact);
                    }
                    Sort::AttributeOf(of, key) => {
                        let name = if of == owner { key.clone() } else { format!("{of}_{key}") };
                        let fact = self.field(Some(owner), &name, phrase, false);
                        self.facts.fields.push(fact);
                    }
                    Sort::Dual(key, always)
                        if !plural
                            || *always
                            || phrase.kind.is_some()
                            || (strict && lexicon().attribute_listed(key)) =>
                    {
                        let thing = !strict
                            && !plural
                            && phrase.det == Det::One
                            && knowledge().entity(key).is_some_and(|known| {
                                matches!(
                                    known.class,
                                    Class::Place | Class::Classifier | Class::Group
                                )
                            })
                            && key != "address";
                        if thing {
                            self.one(owner, key, phrase, &mut keys);
                        } else {
                            let fact = self.field(Some(owner), key, phrase, false);
                            self.facts.fields.push(fact);
                        }
                    }
                    Sort::Thing(key) | Sort::Dual(key, _) | Sort::Role(key) => {
                        let key = &if matches!(sorted, Sort::Dual(..)) {
                            lexicon().singular(key)
                        } else {
                            key.clone()
                        };
                        let described = phrase.kind.is_some() || !phrase.values.is_empty();
                        let listed_soft = lexicon().soft(key) && !plural;
                        if described
                            || (!plural
                                && (strict
                                    || (phrase.det == Det::None
                                        && knowledge().entity(key).is_none())))
                            || (bracketed && listed_soft)
                        {
                            let fact = self.field(Some(owner), key, phrase, true);
                            self.facts.fields.push(fact);
                        } else if plural || phrase.det == Det::Many {
                            self.many(owner, key, phrase, &mut keys);
                        } else {
                            self.one(owner, key, phrase, &mut keys);
                        }
                    }
                    Sort::Place(key) if !strict && phrase.det == Det::One => {
                        self.one(owner, key, phrase, &mut keys)
                    }
                    Sort::Place(key) if strict => {
                        let fact = self.field(Some(owner), key, phrase, true);
                        self.facts.fields.push(fact);
                    }
                    Sort::App(_)
                        if strict
                            && phrase.words.len() == 1
                            && phrase
                                .words
                                .iter()
                                .all(|word| knowledge().entity(&word.key).is_some()) =>
                    {
                        let key =
                            phrase.words.first().map(|word| word.key.clone()).unwrap_or_default();
                        let fact = self.field(Some(owner), &key, phrase, true);
                        self.facts.fields.push(fact);
                    }
                    Sort::App(_) | Sort::Place(_) | Sort::Nothing | Sort::Quantifier => {}
                }
            }
            if let Some(content) = &entry.inner {
                let owner = keys.last().cloned();
                self.bracketed(&sorted, owner, content);
            }
            self.last = sorted;
        }
        if bracketed {
            for fact in self.facts.fields.iter_mut().filter(|fact| fact.owner.as_ref().is_some_and(|owner| owners.contains(owner))) {
                fact.listed = true;
            }
        }
        self.recent = if keys.is_empty() { owners.to_vec() } else { keys };
    }

    /// `owner` refers to one `key`.
    fn one(&mut self, owner: &str, key: &str, phrase: &Phrase, keys: &mut Vec<String>) {
        self.thing(key, phrase, Strength::Strong);
        if phrase.det == Det::None
            && knowledge().tie(key, owner).is_some_and(|tie| tie != Tie::Both)
            && knowledge().tie(owner, key).is_none()
        {
            self.facts.relate(key, owner, false, false);
        } else {
            self.facts.relate(owner, key, false, false);
        }
        keys.push(key.to_owned());
    }

    /// `owner` has several `key`.
    fn many(&mut self, owner: &str, key: &str, phrase: &Phrase, keys: &mut Vec<String>) {
        self.thing(key, phrase, Strength::Strong);
        let base = knowledge();
        let known = base.describe(key);
        let host = base.describe(owner);
        if known.class == Class::Tag {
            let sibling =
                keys.last().filter(|sibling| base.tie(key, sibling) == Some(Tie::Both)).cloned();
            self.facts.relate(sibling.as_deref().unwrap_or(owner), key, true, false);
        } else {
            match (base.tie(key, owner), base.tie(owner, key)) {
                (Some(Tie::Both), _) => self.facts.relate(owner, key, true, false),
                (_, Some(Tie::Both)) => self.facts.relate(owner, key, true, false),
                (Some(_), _) => self.facts.relate(key, owner, false, true),
                (None, Some(_)) => self.facts.relate(owner, key, phrase.det == Det::Many, false),
                (None, None) => {
                    let describes = known.class == Class::Classifier
                        || (known.role == Role::One
                            && matches!(known.class, Class::Person | Class::Group)
                            && matches!(
                                host.class,
                                Class::Thing | Class::Document | Class::Work | Class::Money
                            ));
                    if describes {
                        self.facts.relate(owner, key, false, false);
                    } else if known.class == Class::Place && matches!(host.class, Class::Event | Class::Work | Class::Document) {
                        self.facts.relate(owner, key, false, false);
                    } else if known.class == Class::Thing && host.class == Class::Event {
                        self.facts.relate(owner, key, true, false);
                    } else if known.role == Role::Many
                        || (known.class == Class::Person
                            && matches!(
                                host.class,
                                Class::Event | Class::Work | Class::Document | Class::Thing
                            ))
                    {
                        self.facts.relate(owner, key, true, false);
                    } else {
                        self.facts.relate(key, owner, false, true);
                    }
                }
            }
        }
        keys.push(key.to_owned());
    }

    fn colon(&mut self) {
        if !matches!(self.peek(0), Some(Item::Phrase(_))) {
            return;
        }
        if self.begins_clause(0) && !matches!(self.peek(1), Some(Item::Link(Link::With))) {
            self.verb = None;
            self.last = Sort::Nothing;
            return;
        }
        let about = match &self.last {
            Sort::Thing(key) | Sort::Dual(key, _) => Some(key.clone()),
            _ => None,
        };
        let entries = self.list(false);
        match about {
            Some(owner) if self.recent.contains(&owner) => {
                self.contents(std::slice::from_ref(&owner), &entries, false);
                self.recent = vec![owner];
            }
            _ => self.top(&entries, Strength::Strong),
        }
    }

    fn link(&mut self, link: Link) {
        while matches!(link, Link::With | Link::Has) && matches!(self.peek(0), Some(Item::Comma | Item::And)) {
            self.at += 1;
        }
        if !matches!(self.peek(0), Some(Item::Phrase(_))) {
            if link == Link::Tagged {
                self.tagged_without_name();
            }
            return;
        }
        let about_app = matches!(self.last, Sort::App(_) | Sort::Place(_));
        match link {
            Link::With | Link::Has => self.with(link),
            Link::Belongs | Link::Tagged => self.belongs(link),
            Link::Of
                if matches!(
                    self.last,
                    Sort::Quantifier | Sort::Nothing | Sort::App(_) | Sort::Place(_)
                ) && self.pending.is_empty() =>
            {
                let entries = self.list(false);
                self.top(&entries, Strength::Strong);
            }
            Link::For if about_app || self.last == Sort::Nothing => self.purpose(),
            Link::By
                if self.verb.as_deref().is_some_and(|verb| {
                    matches!(verb, "filter" | "sort" | "search" | "browse" | "find" | "list")
                }) || matches!(self.last, Sort::Nothing) =>
            {
                let entries = self.list(false);
                for entry in &entries {
                    if let Sort::Attribute(key) | Sort::Dual(key, _) | Sort::AttributeOf(_, key) =
                        self.sort(&entry.phrase)
                    {
                        let fact = self.field(
                            self.recent.last().cloned().as_deref(),
                            &key,
                            &entry.phrase,
                            false,
                        );
                        self.facts.fields.push(fact);
                    }
                }
            }
            _ => self.preposition(link),
        }
    }

    fn tagged_without_name(&mut self) {
        for owner in self.recent.clone() {
            self.facts.mention("tag", "tags", true, Strength::Strong);
            self.facts.relate(&owner, "tag", true, false);
        }
    }

    fn with(&mut self, link: Link) {
        let tagging = link == Link::With
            && self.verb.as_deref().is_some_and(|verb| matches!(verb, "tag" | "label"));
        let entries = self.list(true);
        let owners: Vec<String> = if link == Link::Has {
            let subject =
                if self.subject.is_empty() { self.recent.clone() } else { self.subject.clone() };
            if matches!(self.last, Sort::App(_) | Sort::Place(_)) { Vec::new() } else { subject }
        } else if matches!(self.last, Sort::App(_) | Sort::Place(_)) {
            Vec::new()
        } else {
            self.recent.last().cloned().into_iter().collect()
        };
        if owners.is_empty() {
            let verb = self.verb.take();
            self.top(&entries, Strength::Strong);
            self.verb = verb;
            return;
        }
        if tagging {
            self.relate_all(&owners, &entries, true, false);
            return;
        }
        self.contents(&owners, &entries, false);
    }

    fn relate_all(&mut self, sources: &[String], entries: &[Entry], both: bool, required: bool) {
        let mut keys = Vec::new();
        for entry in entries {
            let key = match self.sort_as_thing(&entry.phrase, false) {
                Sort::Thing(key) | Sort::Dual(key, _) => key,
                Sort::Role(key) if knowledge().entity(&key).is_some() => key,
                Sort::Place(key)
                    if knowledge().entity(&key).is_some() && entry.phrase.det != Det::Definite =>
                {
                    key
                }
                Sort::Attribute(key) => {
                    for source in sources {
                        let fact = self.field(Some(source), &key, &entry.phrase, false);
                        self.facts.fields.push(fact);
                    }
                    continue;
                }
                _ => continue,
            };
            self.thing(&key, &entry.phrase, Strength::Strong);
            let several = entry.phrase.det == Det::Many;
            for source in sources {
                let tag = knowledge().describe(&key).class == Class::Tag;
                self.facts.relate(
                    source,
                    &key,
                    both || several || tag,
                    required && !several && !tag,
                );
            }
            keys.push(key);
        }
        if !keys.is_empty() {
            self.recent = keys;
        }
    }

    fn belongs(&mut self, link: Link) {
        let previous = self.at.checked_sub(2).and_then(|before| self.items.get(before));
        let of_subject = self.recent.is_empty()
            || (!self.subject.is_empty() && !matches!(previous, Some(Item::Phrase(_))));
        let sources = if of_subject { self.subject.clone() } else { self.recent.clone() };
        // "belongs to" is a part of; "assigned to" may be empty.
        let required = link == Link::Belongs
            && matches!(previous, Some(Item::Phrase(phrase)) if phrase.det == Det::Each);
        let entries = self.list(true);
        self.relate_all(&sources, &entries, link == Link::Tagged, required);
    }

    /// "an app for …": for whom, or for what.
    fn purpose(&mut self) {
        let entries = self.list(false);
        let actor_follows =
            matches!(self.peek(0), Some(Item::Modal | Item::Verb(_) | Item::Relative));
        for entry in &entries {
            match self.sort_as_thing(&entry.phrase, false) {
                Sort::Thing(key) | Sort::Dual(key, _) => {
                    let plural = if self.noun_first {
                        entry.phrase.words.first().is_some_and(|word| word.plural)
                    } else {
                        entry.phrase.words.last().is_some_and(|word| word.plural)
                    };
                    let person = acts(&key)
                        || entry
                            .phrase
                            .words
                            .last()
                            .is_some_and(|word| lexicon().is_any("org", &word.key));
                    let listed = entries.len() > 1 && !person;
                    let strong = plural
                        && !person
                        && !actor_follows
                        && (knowledge().entity(&key).is_some() || listed);
                    self.thing(
                        &key,
                        &entry.phrase,
                        if strong { Strength::Strong } else { Strength::Weak },
                    );
                    if let Some(content) = &entry.inner {
                        self.facts.mention(&key, "", plural, Strength::Strong);
                        self.bracketed(&Sort::Thing(key.clone()), Some(key.clone()), content);
                    }
                    if strong {
                        self.recent = vec![key.clone()];
                        self.last = Sort::Thing(key);
                    }
                }
                Sort::App(described) => {
                    self.facts.apps.push(entry.phrase.words.clone());
                    self.describe_app(&described, entry);
                }
                Sort::Place(_) => {
                    self.facts.apps.push(entry.phrase.words.clone());
                    self.describe_place(&entry.phrase);
                }
                _ => {}
            }
        }
        if matches!(self.last, Sort::App(_) | Sort::Place(_)) {
            self.subject.clear();
        }
    }

    /// "X of Y", "X in Y", "X for Y", "assign X to Y", "enroll in Y".
    fn preposition(&mut self, link: Link) {
        let subjects = self.subject.clone();
        // Of "authors, orders of customers" only the orders are of customers.
        let left: Vec<String> = if matches!(link, Link::Of | Link::For | Link::In | Link::From | Link::ForEach | Link::Between) && self.verb.is_none() {
            self.recent.last().cloned().into_iter().collect()
        } else {
            self.recent.clone()
        };
        let verb = self.verb.clone();
        let previous = self.at.checked_sub(2).and_then(|before| self.items.get(before)).cloned();
        let entries = self.list_after();
        let pending = std::mem::take(&mut self.pending);
        let mut right: Vec<(String, Det, bool)> = Vec::new();
        for entry in &entries {
            let plural = if self.noun_first {
                entry.phrase.words.first().is_some_and(|word| word.plural)
            } else {
                entry.phrase.words.last().is_some_and(|word| word.plural)
            };
            let det = entry.phrase.det;
            let concrete = plural
                || matches!(det, Det::Each | Det::One | Det::Definite | Det::Many)
                || link == Link::ForEach;
            let key = match self.sort_as_thing(&entry.phrase, false) {
                Sort::Thing(key) => key,
                Sort::Dual(key, _) if plural || det != Det::None => key,
                Sort::Role(key) if knowledge().entity(&key).is_some() && !left.is_empty() => key,
                Sort::Place(key) if det == Det::Each || link == Link::ForEach => key,
                Sort::Attribute(key)
                    if !left.is_empty() && (link == Link::By || entries.len() > 1) =>
                {
                    let fact =
                        self.field(left.last().map(String::as_str), &key, &entry.phrase, false);
                    self.facts.fields.push(fact);
                    continue;
                }
                _ => continue,
            };
            let seen = self.facts.mentions.iter().any(|mention| mention.key == key);
            let known = knowledge().entity(&key).is_some();
            let linked = left.iter().any(|left| knowledge().tie(left, &key).is_some());
            if !(seen
                || (concrete && (plural || known || det == Det::Each || link == Link::ForEach))
                || (known && linked && !self.noun_first))
            {
                continue;
            }
            // "in a notebook": a place or a means, not something to record, unless it is known or listed.
            if !plural
                && !seen
                && !known
                && link != Link::Of
                && link != Link::ForEach
                && det != Det::Each
            {
                continue;
            }
            self.thing(&key, &entry.phrase, Strength::Strong);
            if let Some(content) = &entry.inner {
                self.bracketed(&Sort::Thing(key.clone()), Some(key.clone()), content);
            }
            right.push((key, det, plural));
        }
        for mut fact in pending {
            fact.owner = right.first().map(|(key, _, _)| key.clone()).or(fact.owner);
            self.facts.fields.push(fact);
        }
        let keys: Vec<String> = right.iter().map(|(key, _, _)| key.clone()).collect();
        if let Some(verb) = verb.as_deref().filter(|verb| {
            JOINS.contains(verb)
                && !subjects.is_empty()
                && !subjects.iter().any(|subject| acts(subject))
        }) {
            self.deed(&subjects, verb, &keys);
            self.recent = subjects;
            return;
        }
        let verbal = matches!(previous, Some(Item::Verb(_)));
        if verbal || (left.is_empty() && verb.is_some()) {
            if let Some(verb) = verb {
                self.deed(&subjects, &verb, &keys);
            }
            if !keys.is_empty() {
                self.recent = keys;
            }
            return;
        }
        let places = verb.as_deref().is_none_or(|verb| {
            PLACES.contains(&verb) || MAKES.contains(&verb) || LINKS.contains(&verb)
        }) || matches!(link, Link::Of | Link::ForEach | Link::In | Link::By);
        for (key, det, _) in &right {
            for source in &left {
                if !places {
                    break;
                }
                let tie = knowledge().tie(source, key);
                let both = matches!(tie, Some(Tie::Both))
                    || knowledge().tie(key, source) == Some(Tie::Both)
                    || (link == Link::Between && tie.is_none()) || *det == Det::Many
                    || knowledge().describe(key).class == Class::Tag;
                let required = tie == Some(Tie::Required) || (link == Link::Of && *det == Det::One);
                // "students in courses" and the like: who takes part is not owned.
                self.facts.relate(source, key, both, required && !both);
            }
        }
        if left.is_empty() {
            self.recent = keys;
        }
    }

    /// Somebody does something to something.
    fn deed(&mut self, subjects: &[String], verb: &str, objects: &[String]) {
        for subject in subjects.iter().filter(|subject| !acts(subject)) {
            for object in objects.iter().filter(|object| *object != subject) {
                if JOINS.contains(&verb) {
                    self.facts.relate(subject, object, false, false);
                } else if USES.contains(&verb) {
                    let parent =
                        knowledge().tie(subject, object).is_some_and(|tie| tie != Tie::Both);
                    self.facts.relate(subject, object, !parent, false);
                }
            }
        }
        for subject in subjects.iter().filter(|subject| acts(subject)) {
            for object in objects.iter().filter(|object| *object != subject) {
                if LINKS.contains(&verb) || (verb == "take" && !acts(object)) {
                    let deed = Deed {
                        verb: verb.to_owned(),
                        subject: subject.clone(),
                        object: object.clone(),
                    };
                    if !self.facts.deeds.contains(&deed) {
                        self.facts.deeds.push(deed);
                    }
                } else if MAKES.contains(&verb) && !acts(object) {
                    let both = matches!(knowledge().tie(object, subject), Some(Tie::Both))
                        || knowledge().tie(subject, object) == Some(Tie::Both);
                    self.facts.relate(object, subject, both, false);
                }
            }
        }
    }
}
