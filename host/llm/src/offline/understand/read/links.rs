//! What words like "of", "for" and "belongs to" say about the things on their two sides.

use super::super::facts::{Sort, Strength, acts};
use super::super::grammar::{Det, Item, Link};
use super::super::knowledge::{Class, Tie, knowledge};
use super::super::lexicon::lexicon;
use super::deeds::{JOINS, LINKS, MAKES, PLACES};
use super::{Entry, Reader};

impl Reader<'_> {
    pub(super) fn colon(&mut self) {
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

    pub(super) fn link(&mut self, link: Link) {
        while matches!(link, Link::With | Link::Has)
            && matches!(self.peek(0), Some(Item::Comma | Item::And))
        {
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
                        let fact = Self::field(
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

    pub(super) fn tagged_without_name(&mut self) {
        for owner in self.recent.clone() {
            self.facts.mention("tag", "tags", true, Strength::Strong);
            self.facts.relate(&owner, "tag", true, false);
        }
    }

    pub(super) fn with(&mut self, link: Link) {
        let tagging = link == Link::With
            && self.verb.as_deref().is_some_and(|verb| matches!(verb, "tag" | "label"));
        let entries = self.list(true);
        let says = |key: &str| {
            entries.iter().any(|entry| entry.phrase.words.iter().any(|word| word.key == key))
        };
        if let [one, other] = self.subject.clone().as_slice()
            && (says("many_to_many") || says("one_to_many"))
        {
            let both = says("many_to_many");
            let (source, target) = if both { (one, other) } else { (other, one) };
            self.facts.relate(source, target, both, false);
            return;
        }
        let owners: Vec<String> = if link == Link::Has {
            let subject = if self.subject.is_empty() {
                self.recent.last().cloned().into_iter().collect()
            } else {
                self.subject.clone()
            };
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

    pub(super) fn relate_all(
        &mut self,
        sources: &[String],
        entries: &[Entry],
        both: bool,
        required: bool,
    ) {
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
                        let fact = Self::field(Some(source), &key, &entry.phrase, false);
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
                // "agents are assigned to tickets": the ticket says whose it is.
                if acts(source)
                    && !acts(&key)
                    && knowledge().tie(source, &key).is_none()
                    && knowledge().tie(&key, source).is_some_and(|tie| tie != Tie::Both)
                {
                    self.facts.relate(&key, source, several, false);
                    continue;
                }
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

    pub(super) fn belongs(&mut self, link: Link) {
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
    pub(super) fn purpose(&mut self) {
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
                    let listed = entries.len() > 1;
                    let strong = plural
                        && !actor_follows
                        && (listed || (!person && knowledge().entity(&key).is_some()));
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
                Sort::Role(key) if entries.len() > 1 && key == "person" && !actor_follows => {
                    self.thing(&key, &entry.phrase, Strength::Strong);
                    self.recent = vec![key.clone()];
                    self.last = Sort::Thing(key);
                }
                Sort::Attribute(key) => {
                    let owner = self.recent.last().cloned();
                    let fact = Self::field(owner.as_deref(), &key, &entry.phrase, false);
                    self.facts.fields.push(fact);
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
    #[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
    pub(super) fn preposition(&mut self, link: Link) {
        let subjects = self.subject.clone();
        // Of "authors, orders of customers" only the orders are of customers.
        let moves = self.verb.as_deref().is_some_and(|verb| {
            matches!(
                verb,
                "assign"
                    | "attach"
                    | "link"
                    | "send"
                    | "add"
                    | "group"
                    | "organize"
                    | "organise"
                    | "categorize"
                    | "categorise"
                    | "connect"
                    | "associate"
                    | "allocate"
                    | "move"
                    | "map"
            )
        });
        let left: Vec<String> = if moves {
            self.recent.clone()
        } else {
            self.recent.last().cloned().into_iter().collect()
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
                        Self::field(left.last().map(String::as_str), &key, &entry.phrase, false);
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
        if right.is_empty()
            && entries
                .iter()
                .any(|entry| matches!(self.sort(&entry.phrase), Sort::Place(_) | Sort::App(_)))
        {
            // "class schedule for a school: …": what follows the colon is not part of the schedule.
            self.last = Sort::Nothing;
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
                    || (link == Link::Between && tie.is_none())
                    || *det == Det::Many
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
}
