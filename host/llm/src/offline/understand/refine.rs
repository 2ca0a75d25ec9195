//! Reads a wish about a finished application ("add a priority to tasks (low, high)") into changes of its intent.

use super::super::model::{Intent, RelationKind};
use super::edit::Editor;
use super::evidence::{self, Grams};
use super::facts::{Sort, sort};
use super::grammar::{self, Det, Item, Link, Phrase};
use super::text::{Mark, Token};
use super::{annotate, language, text, values};

/// What became of a wish.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refinement {
    /// The intent with the changes made.
    pub intent: Intent,
    /// One sentence per change.
    pub changes: Vec<String>,
    /// The parts of the message that led to no change, as written.
    pub not_understood: Vec<String>,
}

const ADD: &[&str] = &[
    "add",
    "include",
    "introduce",
    "create",
    "give",
    "enable",
    "need",
    "needs",
    "want",
    "insert",
    "append",
    "put",
    "support",
    "has",
    "have",
    "implement",
];
const REMOVE: &[&str] = &["remove", "delete", "drop", "hide", "disable", "omit", "strip"];
const MAKE: &[&str] =
    &["make", "set", "mark", "turn", "change", "switch", "use", "go", "apply", "let"];
const RENAME: &[&str] = &["rename", "relabel", "call"];
const LOOKS: &[&str] = &[
    "it",
    "design",
    "look",
    "theme",
    "style",
    "ui",
    "interface",
    "colors",
    "colours",
    "mode",
    "vibe",
    "layout",
    "app",
    "application",
    "site",
    "everything",
    "feel",
    "palette",
];

/// Reads a message about an application into changes; what is not understood is said.
pub fn refine(intent: &Intent, message: &str) -> Refinement {
    let mut editor = Editor::new(intent.clone());
    let mut not_understood = Vec::new();
    let tag = language::detect(message);
    let tokens = text::tokenise(message, tag == "en");
    let tokens = language::translate(tokens, tag);
    for command in commands(&tokens) {
        let before = editor.changes.len();
        run(&mut editor, &command, language::noun_first(tag));
        if editor.changes.len() == before {
            let words: Vec<&str> = command
                .iter()
                .filter(|token| token.mark == Mark::Word)
                .map(|token| token.surface.as_str())
                .collect();
            if !words.is_empty() {
                not_understood.push(words.join(" "));
            }
        }
    }
    if not_understood.is_empty() && editor.changes.is_empty() {
        let text: String = message.trim().chars().take(200).collect();
        not_understood.push(if text.is_empty() { "(an empty message)".to_owned() } else { text });
    }
    not_understood.truncate(20);
    let (intent, changes) = editor.finish();
    Refinement { intent, changes, not_understood }
}

/// One wish each: cut at ends of sentences and where a new order begins.
fn commands(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut out: Vec<Vec<Token>> = Vec::new();
    let mut current: Vec<Token> = Vec::new();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.mark {
            Mark::Open => depth += 1,
            Mark::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        let next = tokens.get(at + 1);
        let after = tokens.get(at + 2);
        let order = |token: Option<&Token>| {
            token.is_some_and(|token| {
                [REMOVE, MAKE, RENAME].iter().any(|words| token.is_one_of(words))
                    || token.is_one_of(&["add", "include", "give", "create", "enable"])
            })
        };
        let joins = token.mark == Mark::Comma || token.is_one_of(&["and", "then", "also"]);
        let filler = next.is_some_and(|next| next.is_one_of(&["then", "also", "please", "and"]));
        let cut = token.mark == Mark::Stop
            || (depth == 0 && joins && (order(next) || (filler && order(after))));
        if cut {
            if !current.is_empty() {
                out.push(std::mem::take(&mut current));
            }
        } else {
            current.push(token.clone());
        }
        if out.len() > 40 {
            break;
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

fn run(editor: &mut Editor, command: &[Token], noun_first: bool) {
    const FILLERS: &[&str] = &[
        "please", "can", "could", "you", "also", "i", "we", "would", "like", "to", "let's", "lets",
        "should", "just", "now", "then", "and", "there", "be", "want", "need", "the", "a",
    ];
    let start = command.iter().position(|token| {
        token.mark == Mark::Word
            && [ADD, REMOVE, MAKE, RENAME].iter().any(|words| token.is_one_of(words))
            && !(token.is_one_of(&["want", "need"]) && command.len() > 3)
    });
    let verb = start
        .and_then(|start| command.get(start))
        .map(|token| token.lower.clone())
        .unwrap_or_default();
    let led =
        start.is_some_and(|start| command.iter().take(start).all(|token| token.is_one_of(FILLERS)));
    let rest: Vec<Token> = if led {
        command.iter().skip(start.unwrap_or(0) + 1).cloned().collect()
    } else {
        command.to_vec()
    };
    let grams = Grams::new(command);
    let verb = if led { verb.as_str() } else { "" };
    if look(editor, &grams, verb, &rest) || feature(editor, &grams, verb, &rest) {
        return;
    }
    let mut rest = rest;
    if verb.is_empty() {
        // "products need a barcode"
        for token in rest.iter_mut().skip(1).filter(|token| {
            token.is_one_of(&["need", "needs", "require", "requires", "get", "gets"])
        }) {
            "has".clone_into(&mut token.lower);
        }
    }
    if MAKE.contains(&verb) {
        // "change status to a, b or c": what follows are the values.
        if let Some(to) = rest.iter_mut().find(|token| token.is_one_of(&["to", "into"])) {
            to.mark = Mark::Colon;
        }
    }
    let annotated = annotate::annotate(&annotate::merge(&rest));
    let items = grammar::items(&annotated, noun_first);
    if RENAME.contains(&verb)
        || (verb == "change" && rest.iter().any(|token| token.is_one_of(&["name", "label"])))
    {
        rename(editor, &rest);
    } else if REMOVE.contains(&verb) {
        remove(editor, &items, noun_first);
    } else if (MAKE.contains(&verb) || verb.is_empty()) && state(editor, &items, &rest, noun_first)
    {
    } else if verb.is_empty() || verb == "give" || ADD.contains(&verb) {
        add(editor, &items, &rest, verb, noun_first);
    } else {
        let _ = state(editor, &items, &rest, noun_first);
    }
}

/// "make it dark", "use a playful style".
fn look(editor: &mut Editor, grams: &Grams, verb: &str, rest: &[Token]) -> bool {
    let Some(route) = evidence::vibe_asked(grams) else { return false };
    let about_looks = rest.iter().any(|token| token.is_one_of(LOOKS)) || rest.len() <= 3;
    if !(about_looks
        && (MAKE.contains(&verb)
            || verb.is_empty()
            || matches!(verb, "give" | "want" | "add" | "need")))
    {
        return false;
    }
    // "add a dark chocolate product" is no wish about looks.
    let named = rest.iter().any(|token| {
        token.mark == Mark::Word
            && (editor.entity(&token.lower).is_some()
                || editor
                    .field_anywhere(&super::lexicon::lexicon().singular(&token.lower))
                    .is_some())
    });
    if named {
        return false;
    }
    editor.vibe(route);
    true
}

/// "add login", "remove the dashboard".
fn feature(editor: &mut Editor, grams: &Grams, verb: &str, rest: &[Token]) -> bool {
    let words: Vec<&Token> = rest
        .iter()
        .filter(|token| {
            token.mark == Mark::Word
                && !token.is_one_of(&[
                    "a", "an", "the", "page", "support", "feature", "system", "with", "some",
                    "for", "users", "user", "to", "in", "let", "and", "password", "up", "can",
                ])
        })
        .collect();
    let asked: Vec<&str> = evidence::features(grams)
        .into_iter()
        .filter(|feature| matches!(*feature, "auth" | "dashboard" | "comments"))
        .collect();
    let [feature] = asked.as_slice() else { return false };
    let about_field = rest.iter().any(|token| token.is_one_of(&["field", "column", "attribute"]));
    if about_field || words.len() > 6 {
        return false;
    }
    if REMOVE.contains(&verb) {
        return editor.remove_feature(feature);
    }
    if ADD.contains(&verb) || verb.is_empty() || MAKE.contains(&verb) {
        let target = rest
            .iter()
            .filter(|token| token.mark == Mark::Word)
            .find_map(|token| editor.entity(&token.lower).filter(|name| name != "Comment"));
        return editor.add_feature(feature, target.as_deref());
    }
    false
}

fn phrases(items: &[Item]) -> Vec<&Phrase> {
    items
        .iter()
        .filter_map(|item| if let Item::Phrase(phrase) = item { Some(phrase) } else { None })
        .collect()
}

fn key_of(phrase: &Phrase) -> String {
    let words: Vec<&grammar::Word> = phrase
        .words
        .iter()
        .filter(|word| {
            !matches!(
                word.key.as_str(),
                "field" | "column" | "attribute" | "property" | "entity" | "table" | "section"
            )
        })
        .collect();
    super::facts::join(&words)
}

/// What is named first and what it is to be done to: "a due date" "to tasks"; "tasks" "a due date".
#[expect(clippy::too_many_lines, reason = "one list of cases, read from top to bottom")]
fn add(editor: &mut Editor, items: &[Item], rest: &[Token], verb: &str, noun_first: bool) {
    let split = items.iter().position(|item| {
        matches!(
            item,
            Item::Link(
                Link::To
                    | Link::In
                    | Link::For
                    | Link::Has
                    | Link::Of
                    | Link::ForEach
                    | Link::Belongs
                    | Link::From
            )
        )
    });
    let split = split.or_else(|| items.iter().position(|item| verb.is_empty() && matches!(item, Item::Verb(verb) if matches!(verb.as_str(), "need" | "require" | "get" | "want" | "show"))));
    let (mut things, mut targets): (Vec<&Phrase>, Vec<&Phrase>) = match split {
        Some(at) => (
            phrases(items.get(..at).unwrap_or_default()),
            phrases(items.get(at + 1..).unwrap_or_default()),
        ),
        None => (phrases(items), Vec::new()),
    };
    let link = split.and_then(|at| items.get(at)).cloned();
    if link == Some(Item::Link(Link::Belongs)) {
        for (source, target) in
            things.iter().flat_map(|source| targets.iter().map(move |target| (source, target)))
        {
            editor.relate(&key_of(source), &key_of(target), RelationKind::ManyToOne);
        }
        return;
    }
    if matches!(link, Some(Item::Link(Link::Has) | Item::Verb(_)))
        || (verb == "give" && split.is_none())
    {
        if verb == "give" && split.is_none() && things.len() > 1 {
            targets = things.split_off(1);
        }
        std::mem::swap(&mut things, &mut targets);
    }
    // "add a field priority with values low and high"
    if verb.is_empty() && split.is_none() && !things.iter().any(|phrase| !phrase.values.is_empty())
    {
        return;
    }
    let targets: Vec<String> =
        targets.iter().filter_map(|phrase| editor.entity(&key_of(phrase))).collect();
    if split.is_some()
        && targets.is_empty()
        && link != Some(Item::Link(Link::With))
        && !things.is_empty()
        && matches!(link, Some(Item::Link(Link::To | Link::Has) | Item::Verb(_)))
    {
        return;
    }
    let says_field = rest.iter().any(|token| {
        token.is_one_of(&[
            "field",
            "fields",
            "column",
            "columns",
            "attribute",
            "attributes",
            "property",
            "properties",
        ])
    });
    let words = std::collections::HashSet::new();
    for phrase in things {
        let key = key_of(phrase);
        if key.is_empty() {
            continue;
        }
        let plural = phrase.words.last().is_some_and(|word| word.plural);
        let target = targets.first().cloned();
        let field = says_field || phrase.kind.is_some() || !phrase.values.is_empty();
        match sort(phrase, &words, false, noun_first) {
            _ if field => editor.add_field(target.as_deref(), &key, phrase),
            Sort::Attribute(key) => editor.add_field(target.as_deref(), &key, phrase),
            Sort::Dual(key, always)
                if !plural || always || target.is_some() && phrase.det == Det::One =>
            {
                editor.add_field(target.as_deref(), &key, phrase);
            }
            Sort::AttributeOf(owner, key) => {
                let owner = editor.entity(&owner).or(target);
                editor.add_field(owner.as_deref(), &key, phrase);
            }
            Sort::Thing(key) | Sort::Dual(key, _) | Sort::Role(key) | Sort::Place(key) => {
                let known = super::knowledge::knowledge().entity(&key).is_some();
                if !plural && !known && target.is_some() {
                    editor.add_field(target.as_deref(), &key, phrase);
                } else {
                    editor.add_thing(&key, phrase, &targets, plural);
                }
            }
            Sort::App(_) if super::lexicon::lexicon().attribute_listed(&key) => {
                editor.add_field(target.as_deref(), &key, phrase);
            }
            Sort::App(_) | Sort::Nothing | Sort::Quantifier => {}
        }
    }
}

fn remove(editor: &mut Editor, items: &[Item], noun_first: bool) {
    let _ = noun_first;
    let split = items
        .iter()
        .position(|item| matches!(item, Item::Link(Link::From | Link::Of | Link::In | Link::For)));
    let (things, targets) = match split {
        Some(at) => (
            phrases(items.get(..at).unwrap_or_default()),
            phrases(items.get(at + 1..).unwrap_or_default()),
        ),
        None => (phrases(items), Vec::new()),
    };
    let mut owner: Option<String> =
        targets.first().and_then(|phrase| editor.entity(&key_of(phrase)));
    for phrase in things {
        if phrase.possessive {
            owner = editor.entity(&key_of(phrase));
            continue;
        }
        editor.remove(owner.as_deref(), &key_of(phrase));
    }
}

/// "make price required", "make due date optional", "change status to a, b or c", "make rating a decimal".
fn state(editor: &mut Editor, items: &[Item], rest: &[Token], noun_first: bool) -> bool {
    let _ = noun_first;
    let required =
        rest.iter().any(|token| token.is_one_of(&["required", "mandatory", "compulsory"]));
    let optional = rest.iter().any(|token| token.is_one_of(&["optional"]));
    let unique = rest.iter().any(|token| token.is("unique"));
    let mut done = false;
    let mut owner: Option<String> = None;
    let all = phrases(items);
    for phrase in &all {
        if let Some(name) = editor.entity(&key_of(phrase)).filter(|_| all.len() > 1) {
            owner = Some(name);
        }
    }
    for phrase in all {
        let key = key_of(phrase);
        if !phrase.values.is_empty() || phrase.kind.is_some() {
            done |= editor.retype(owner.as_deref(), &key, phrase);
        } else if required || optional || unique {
            done |= editor.flag(owner.as_deref(), &key, required, optional, unique);
        }
    }
    if !done
        && let Some(kind) = rest.last().and_then(values::type_word)
        && let Some(phrase) = phrases(items).first()
    {
        let mut typed = (*phrase).clone();
        typed.kind = Some(kind);
        done = editor.retype(owner.as_deref(), &key_of(&typed), &typed);
    }
    done
}

/// "rename customers to clients", "rename the phone field to mobile number", "call tasks jobs".
fn rename(editor: &mut Editor, rest: &[Token]) {
    let small = |token: &&Token| {
        token.mark == Mark::Word
            && !token.is_one_of(&[
                "the",
                "a",
                "an",
                "field",
                "column",
                "attribute",
                "entity",
                "label",
                "name",
                "of",
                "table",
            ])
    };
    let at = rest.iter().position(|token| token.is_one_of(&["to", "as", "into"]));
    let (old, new): (Vec<&Token>, Vec<&Token>) = match at {
        Some(at) => (
            rest.iter().take(at).filter(small).collect(),
            rest.iter().skip(at + 1).filter(small).collect(),
        ),
        None => (
            rest.iter().take(1).filter(small).collect(),
            rest.iter().skip(1).filter(small).collect(),
        ),
    };
    let text = |tokens: &[&Token]| {
        tokens.iter().map(|token| token.surface.as_str()).collect::<Vec<_>>().join(" ")
    };
    let key = |tokens: &[&Token]| {
        let words: Vec<&str> = tokens.iter().map(|token| token.lower.as_str()).collect();
        super::naming::snake(&words.join(" "))
    };
    if old.is_empty() || new.is_empty() {
        return;
    }
    let owner = old
        .split_first()
        .filter(|(_, rest)| !rest.is_empty())
        .and_then(|(first, _)| editor.entity(&first.lower));
    let name: Vec<&Token> =
        if owner.is_some() { old.iter().skip(1).copied().collect() } else { old };
    editor.rename(owner.as_deref(), &key(&name), &text(&new));
}
