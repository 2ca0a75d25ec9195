//! Reads a request in plain words into an [`Intent`]: which things are recorded, with which fields, and how they hang together.
//!
//! Steps: [`text`] cuts the request into tokens, [`language`] reads other languages as English, [`annotate`] joins fixed
//! expressions and hangs values and types on attributes, [`grammar`] finds nouns, verbs and links, [`read`] turns them into facts,
//! and [`assemble`] makes entities and relations of the facts and of what is known about such things ([`knowledge`]).
//!
//! Everything is pure and deterministic; any string is answered with a valid intent.

mod annotate;
mod assemble;
mod edit;
mod evidence;
mod facts;
mod fields;
mod grammar;
mod knowledge;
mod labels;
mod language;
mod lexicon;
mod mend;
mod naming;
mod read;
mod refine;
mod text;
mod ties;
mod titles;
mod translations;
mod values;
mod wide;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::model::{Field, FieldKind, Intent};
use assemble::Draft;
use evidence::Grams;
use facts::Facts;
use grammar::Item;
use knowledge::knowledge;
use labels::Labels;

pub use refine::{Refinement, refine};

const USUAL_FEATURES: [&str; 4] = ["search", "filter", "sort", "paging"];
const ALL_FEATURES: [&str; 8] =
    ["auth", "search", "filter", "sort", "paging", "dashboard", "status-workflow", "comments"];

/// What a text says, before it becomes an intent.
struct Reading {
    tag: &'static str,
    grams: Grams,
    facts: Facts,
    title: Option<String>,
    /// Words that were used as verbs only ("store recipes" is no store).
    verbs: HashSet<String>,
}

/// Reads a request.
pub fn understand(request: &str) -> Intent {
    let mut reading = read_text(request);
    mend::mend(&mut reading.facts);
    let domain = evidence::domain(&reading.grams, &reading.verbs);
    let mut features = evidence::features(&reading.grams);
    let mut notes = evidence::notes(&reading.grams);
    let labels = Labels { tag: reading.tag };
    let mut drafts = assemble::drafts(&mut reading.facts, domain, &reading.grams);
    let auth = features.contains(&"auth");
    leave_out_accounts(&mut drafts, &reading.facts, auth);
    if features.contains(&"comments") || drafts.iter().any(|draft| draft.key == "comment") {
        add_comments(&mut drafts, &mut reading.facts, &mut features);
    }
    if drafts.is_empty() && !reading.facts.fields.is_empty() {
        // "log my mood and hours of sleep": attributes of something without a name.
        drafts.push(Draft {
            key: "log_entry".to_owned(),
            surface: String::new(),
            plural: false,
            named: false,
            like: "log_entry".to_owned(),
        });
    }
    if drafts.is_empty() {
        drafts.push(Draft {
            key: "item".to_owned(),
            surface: String::new(),
            plural: false,
            named: false,
            like: "item".to_owned(),
        });
        notes.push("Nothing to record was recognised in the request; the application keeps a list of items.".to_owned());
    }
    if request.chars().nth(text::MAX_CHARS).is_some() {
        notes.push(format!(
            "Only the first {} characters of the request were read.",
            text::MAX_CHARS
        ));
    }
    ties::deeds(&mut reading.facts, &mut drafts);
    if drafts.len() > assemble::MAX_ENTITIES {
        let left_out: Vec<String> = drafts
            .iter()
            .skip(assemble::MAX_ENTITIES)
            .take(8)
            .map(|draft| draft.key.replace('_', " "))
            .collect();
        notes.push(format!(
            "Only the first {} kinds of things were built; left out: {}.",
            assemble::MAX_ENTITIES,
            left_out.join(", ")
        ));
        drafts.truncate(assemble::MAX_ENTITIES);
    }
    ties::usual_relations(&mut reading.facts, &drafts);
    give_owners(&mut reading.facts, &drafts);
    let mut entities = assemble::entities(&drafts, &reading.facts, &labels, auth);
    let relations = assemble::relations(&reading.facts, &mut entities);
    let mut entities: Vec<_> = entities.into_iter().map(|(_, entity)| entity).collect();
    if features.contains(&"status-workflow") {
        ensure_status(&mut entities, &relations, &labels);
    }
    let archetype = evidence::archetype(&reading.grams, domain);
    let vibe = evidence::vibe(&reading.grams);
    let features = ALL_FEATURES
        .iter()
        .filter(|feature| features.contains(feature) || USUAL_FEATURES.contains(feature))
        .map(|feature| (*feature).to_owned())
        .collect();
    Intent {
        title: titles::title(
            reading.title.as_deref(),
            &reading.facts,
            domain,
            entities.first(),
            reading.tag,
        ),
        domain: titles::domain_name(domain, entities.first()),
        goal: titles::goal(&entities, reading.tag),
        language: reading.tag.to_owned(),
        features,
        entities,
        relations,
        archetype,
        vibe,
        notes,
    }
}

/// Tokens, phrases and facts of a text.
fn read_text(request: &str) -> Reading {
    let tag = language::detect(request);
    let tokens = text::tokenise(request, tag == "en");
    let title = titles::given(&tokens);
    if tag != "en" && !language::supported(tag) {
        let facts = wide::facts(&tokens, tag);
        return Reading { tag, grams: Grams::new(&tokens), facts, title, verbs: HashSet::new() };
    }
    let tokens = titles::without_given(tokens);
    let tokens = language::translate(tokens, tag);
    let grams = Grams::new(&tokens);
    let tokens = annotate::annotate(&annotate::merge(&tokens));
    let noun_first = language::noun_first(tag);
    let items: Vec<Item> = grammar::items(&tokens, noun_first);
    let facts = read::Reader::new(&items, grams.set().clone(), noun_first).read();
    let mut verbs: HashSet<String> = items
        .iter()
        .filter_map(|item| if let Item::Verb(verb) = item { Some(verb.clone()) } else { None })
        .collect();
    for word in items
        .iter()
        .filter_map(|item| if let Item::Phrase(phrase) = item { Some(&phrase.words) } else { None })
        .flatten()
    {
        verbs.remove(&word.key);
    }
    Reading { tag, grams, facts, title, verbs }
}

/// Users that only log in are the accounts every application with log-in has, not a kind of record.
fn leave_out_accounts(drafts: &mut Vec<Draft>, facts: &Facts, auth: bool) {
    if !auth {
        return;
    }
    let concerned = |key: &str| {
        facts.relations.iter().any(|relation| relation.source == key || relation.target == key)
            || facts.fields.iter().any(|fact| fact.owner.as_deref() == Some(key))
    };
    // Beside these, an account is one that holds money or business, not a log-in.
    let business = drafts.iter().any(|draft| {
        matches!(
            draft.key.as_str(),
            "transaction"
                | "expense"
                | "budget"
                | "transfer"
                | "income"
                | "deposit"
                | "payment"
                | "opportunity"
                | "deal"
        )
    });
    drafts.retain(|draft| match draft.key.as_str() {
        "user_account" | "user_login" | "user_profile" => false,
        "account" => business || concerned("account"),
        "user" => concerned("user"),
        _ => true,
    });
}

/// Comments hang on what they were said to be about, else on what the application is mainly about.
fn add_comments(drafts: &mut Vec<Draft>, facts: &mut Facts, features: &mut Vec<&'static str>) {
    if !features.contains(&"comments") {
        features.push("comments");
    }
    if !drafts.iter().any(|draft| draft.key == "comment" || draft.key.ends_with("_comment")) {
        drafts.push(Draft {
            key: "comment".to_owned(),
            surface: String::new(),
            plural: false,
            named: true,
            like: "comment".to_owned(),
        });
    }
    let Some(comment) = drafts
        .iter()
        .find(|draft| draft.key == "comment" || draft.key.ends_with("_comment"))
        .map(|draft| draft.key.clone())
    else {
        return;
    };
    if facts.relations.iter().any(|relation| relation.source == comment) {
        for relation in facts.relations.iter_mut().filter(|relation| relation.source == comment) {
            relation.required = !relation.both && !facts::acts(&relation.target);
        }
        return;
    }
    let usual = drafts.iter().find(|draft| knowledge().tie(&comment, &draft.key).is_some());
    let target = usual
        .or_else(|| drafts.iter().find(|draft| draft.key != comment && !facts::acts(&draft.key)));
    let Some(target) = target.map(|draft| draft.key.clone()) else { return };
    if target != comment {
        facts.relate(&comment, &target, false, true);
    }
}

/// Fields without an owner belong to what the application is mainly about.
fn give_owners(facts: &mut Facts, drafts: &[Draft]) {
    let primary = drafts.first().map(|draft| draft.key.clone());
    for fact in &mut facts.fields {
        let known =
            fact.owner.as_ref().is_some_and(|owner| drafts.iter().any(|draft| draft.key == *owner));
        if !known && !fact.soft {
            // A plate is one of the cars, whatever the sentence before was about.
            let usual = drafts
                .iter()
                .find(|draft| fields::usually_has(&draft.like, &fact.key))
                .map(|draft| draft.key.clone());
            fact.owner = usual.or_else(|| primary.clone());
        }
    }
    let mut resolved = Vec::new();
    facts.fields.retain(|fact| {
        let thing = fact.soft && fact.kind.is_none() && fact.values.is_empty();
        let Some(owner) = fact.owner.clone() else { return false };
        let same = |draft: &&Draft| {
            draft.key == fact.key || draft.key == lexicon::lexicon().singular(&fact.key)
        };
        match drafts.iter().find(same).filter(|draft| draft.key != owner) {
            Some(target) if thing => {
                resolved.push((owner, target.key.clone()));
                false
            }
            _ => true,
        }
    });
    for (source, target) in resolved {
        facts.relate(&source, &target, false, false);
    }
}

/// A status workflow needs a status.
fn ensure_status(
    entities: &mut [super::model::Entity],
    relations: &[super::model::Relation],
    labels: &Labels,
) {
    let has = |field: &Field| {
        field.kind == FieldKind::Enum
            && (field.name == "status" || field.name == "stage" || field.name.ends_with("_status"))
    };
    if entities.iter().any(|entity| entity.fields.iter().any(has)) {
        return;
    }
    let Some(primary) = entities.first_mut() else { return };
    if relations.iter().any(|relation| relation.source == primary.name && relation.name == "status")
    {
        return;
    }
    primary.fields.retain(|field| field.name != "status");
    primary.fields.truncate(assemble::MAX_FIELDS - 1);
    primary.fields.push(labels.status(&["open", "in_progress", "done"]));
    if !primary.fields.iter().any(|field| field.required)
        && let Some(first) = primary.fields.first_mut()
    {
        first.required = true;
    }
}
