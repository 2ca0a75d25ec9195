//! Second thoughts about what was taken for a thing: words that only describe ("searchable",
//! "rejected"), and a subject that swallowed its verb ("agents reply with comments").

use std::collections::HashMap;

use super::{
    facts::{Facts, Mention, Strength},
    knowledge::knowledge,
    lexicon::lexicon,
};

/// Nouns that end like a description.
const REAL_NOUNS: [&str; 14] = [
    "table",
    "timetable",
    "cable",
    "vegetable",
    "constable",
    "turntable",
    "wearable",
    "collectible",
    "consumable",
    "deliverable",
    "seed",
    "feed",
    "breed",
    "weed",
];

/// Words that are a verb when a plural noun stands before them.
const DEEDS: [&str; 34] = [
    "reply", "book", "order", "review", "report", "rate", "comment", "post", "rent", "visit",
    "request", "schedule", "check", "register", "pay", "buy", "ship", "cook", "train", "vote",
    "bid", "donate", "answer", "watch", "work", "play", "teach", "attend", "log", "share",
    "manage", "track", "approve", "assign",
];

/// Plural nouns that do stand before another noun.
const PLURAL_MODIFIERS: [&str; 10] = [
    "sports",
    "sales",
    "goods",
    "news",
    "savings",
    "customs",
    "operations",
    "logistics",
    "arms",
    "records",
];

/// Corrects the mentions, and with them whatever refers to them.
pub(super) fn mend(facts: &mut Facts) {
    let mut renamed: HashMap<String, Option<String>> = HashMap::new();
    for mention in &facts.mentions {
        if only_describes(mention) {
            renamed.insert(mention.key.clone(), None);
        } else if let Some(subject) = subject_of(mention) {
            renamed.insert(mention.key.clone(), Some(subject));
        }
    }
    if renamed.is_empty() {
        return;
    }
    // What a description was said of is what the request is mainly about.
    let main = facts
        .mentions
        .iter()
        .filter(|mention| mention.strength >= Strength::App)
        .map(|mention| mention.key.clone())
        .find(|key| !renamed.contains_key(key));
    let new_name = |key: &str| match renamed.get(key) {
        None => Some(key.to_owned()),
        Some(Some(subject)) => Some(subject.clone()),
        Some(None) => main.clone(),
    };
    let mentions = std::mem::take(&mut facts.mentions);
    for mention in mentions {
        match renamed.get(&mention.key) {
            None => facts.mention(&mention.key, &mention.surface, mention.plural, mention.strength),
            Some(Some(subject)) => {
                let surface = mention.surface.split(' ').next().unwrap_or_default();
                facts.mention(subject, surface, true, mention.strength);
            }
            Some(None) => {}
        }
    }
    let relations = std::mem::take(&mut facts.relations);
    for relation in relations {
        if let (Some(source), Some(target)) =
            (new_name(&relation.source), new_name(&relation.target))
        {
            let swallowed = matches!(renamed.get(&relation.source), Some(Some(_)));
            if swallowed {
                // "agents reply with comments": the comment belongs to the agent.
                facts.relate(&target, &source, relation.both, relation.required);
            } else {
                facts.relate(&source, &target, relation.both, relation.required);
            }
        }
    }
    for field in &mut facts.fields {
        field.owner = field.owner.take().and_then(|owner| new_name(&owner));
    }
    facts.deeds.retain_mut(|deed| match (new_name(&deed.subject), new_name(&deed.object)) {
        (Some(subject), Some(object)) => {
            (deed.subject, deed.object) = (subject, object);
            deed.subject != deed.object
        }
        _ => false,
    });
}

/// A single word, not in the plural and not known as a thing, with the ending of a description.
fn only_describes(mention: &Mention) -> bool {
    let key = mention.key.as_str();
    let ending =
        (key.ends_with("ed") && key.len() >= 6) || key.ends_with("able") || key.ends_with("ible");
    ending
        && !mention.plural
        && !key.contains('_')
        && !REAL_NOUNS.contains(&key)
        && knowledge().entity(key).is_none()
}

/// "agents reply": the plural noun, in the singular, where what follows it is what it does.
fn subject_of(mention: &Mention) -> Option<String> {
    let (first, rest) = mention.surface.split_once(' ')?;
    let first = first.to_lowercase();
    let does = DEEDS.contains(&rest.to_lowercase().as_str());
    let plural = lexicon().is_plural(&first) && !PLURAL_MODIFIERS.contains(&first.as_str());
    (does && plural).then(|| lexicon().singular(&first))
}

#[cfg(test)]
mod tests {
    use super::super::understand;

    #[test]
    fn descriptions_and_swallowed_verbs_are_no_things() {
        for (request, entities) in [
            (
                "Recipes with ingredients and ratings, searchable and tagged",
                "Recipe Ingredient Rating Tag",
            ),
            (
                "Help desk where customers open tickets, agents reply with comments",
                "Customer Ticket Agent Comment",
            ),
            (
                "job applications with companies and interviews, with status applied, offered, rejected",
                "JobApplication Company Interview",
            ),
            ("sports clubs with members", "SportClub Member"),
            ("a restaurant with dining tables and reservations", "DiningTable Reservation"),
        ] {
            let intent = understand(request);
            let names: Vec<&str> =
                intent.entities.iter().map(|entity| entity.name.as_str()).collect();
            assert_eq!(names.join(" "), entities, "{request}");
        }
    }
}
