//! What a thing has: after "with" and "has", and in brackets.

use super::super::facts::{Sort, Strength, sort};
use super::super::grammar::{Det, Phrase};
use super::super::knowledge::{Class, Known, Role, Tie, knowledge};
use super::super::lexicon::lexicon;
use super::{Entry, Reader};

impl Reader<'_> {
    pub(super) fn bracketed(&mut self, sorted: &Sort, owner: Option<String>, content: &[Phrase]) {
        let entries: Vec<Entry> = content
            .iter()
            .map(|phrase| Entry { start: 0, phrase: phrase.clone(), owner: None, inner: None })
            .collect();
        if let (Sort::Thing(_) | Sort::Dual(..) | Sort::Role(_), Some(owner)) = (sorted, owner) {
            self.contents(&[owner], &entries, true);
        } else {
            let (verb, subject) = (self.verb.take(), std::mem::take(&mut self.subject));
            self.top(&entries, Strength::Strong);
            self.verb = verb;
            self.subject = subject;
        }
    }

    /// What stands after "with" or "has", or in brackets.
    #[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
    pub(super) fn contents(&mut self, owners: &[String], entries: &[Entry], bracketed: bool) {
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
                        let fact = Self::field(Some(owner), key, phrase, false);
                        self.facts.fields.push(fact);
                    }
                    Sort::AttributeOf(of, key) => {
                        let name = if of == owner { key.clone() } else { format!("{of}_{key}") };
                        let fact = Self::field(Some(owner), &name, phrase, false);
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
                            let fact = Self::field(Some(owner), key, phrase, false);
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
                            let fact = Self::field(Some(owner), key, phrase, true);
                            self.facts.fields.push(fact);
                        } else if plural || phrase.det == Det::Many {
                            self.many(owner, key, phrase, &mut keys);
                        } else {
                            self.one(owner, key, phrase, &mut keys);
                        }
                    }
                    Sort::Place(key) if !strict && phrase.det == Det::One => {
                        self.one(owner, key, phrase, &mut keys);
                    }
                    Sort::Place(key) if strict => {
                        let fact = Self::field(Some(owner), key, phrase, true);
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
                        let fact = Self::field(Some(owner), &key, phrase, true);
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
            for fact in self
                .facts
                .fields
                .iter_mut()
                .filter(|fact| fact.owner.as_ref().is_some_and(|owner| owners.contains(owner)))
            {
                fact.listed = true;
            }
        }
        self.recent = if keys.is_empty() { owners.to_vec() } else { keys };
    }

    /// `owner` refers to one `key`.
    pub(super) fn one(&mut self, owner: &str, key: &str, phrase: &Phrase, keys: &mut Vec<String>) {
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
    pub(super) fn many(&mut self, owner: &str, key: &str, phrase: &Phrase, keys: &mut Vec<String>) {
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
                (Some(Tie::Both), _) | (_, Some(Tie::Both)) => {
                    self.facts.relate(owner, key, true, false);
                }
                (Some(_), _) => self.facts.relate(key, owner, false, true),
                (None, Some(_)) => self.facts.relate(owner, key, phrase.det == Det::Many, false),
                (None, None) => match unusual(&known, &host) {
                    Share::One => self.facts.relate(owner, key, false, false),
                    Share::Many => self.facts.relate(owner, key, true, false),
                    Share::Part => self.facts.relate(key, owner, false, true),
                },
            }
        }
        keys.push(key.to_owned());
    }

    /// "recipe app", "expense tracker": what the application is about, if nothing else says so.
    pub(super) fn describe_app(
        &mut self,
        described: &[super::super::grammar::Word],
        entry: &Entry,
    ) {
        let lexicon = lexicon();
        let useful: Vec<&super::super::grammar::Word> = described
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
        let key = super::super::facts::join(&useful);
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
    pub(super) fn describe_place(&mut self, phrase: &Phrase) {
        let lexicon = lexicon();
        let useful: Vec<&super::super::grammar::Word> = phrase
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
}

/// How a thing has several of another where nothing is known of the two together.
enum Share {
    One,
    Many,
    Part,
}

fn unusual(known: &Known, host: &Known) -> Share {
    let described =
        matches!(host.class, Class::Thing | Class::Document | Class::Work | Class::Money);
    let happens = matches!(host.class, Class::Event | Class::Work | Class::Document);
    let one = match known.class {
        Class::Classifier => true,
        Class::Person | Class::Group => known.role == Role::One && described,
        Class::Place => happens || host.class == Class::Thing,
        _ => false,
    };
    if one {
        return Share::One;
    }
    let many = match known.class {
        Class::Thing => matches!(host.class, Class::Event | Class::Document),
        Class::Person => happens || host.class == Class::Thing,
        _ => false,
    };
    if many || known.role == Role::Many { Share::Many } else { Share::Part }
}
