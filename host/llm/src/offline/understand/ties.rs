//! Who belongs to whom where the request only lists things, and which deeds are records of their own.

use std::collections::HashSet;

use super::assemble::Draft;
use super::facts::{Deed, Facts, RelationFact};
use super::knowledge::{Class, Known, Role, Tie, knowledge};

/// Records that stand between who acts and what is acted on.
const EVENTS: &[(&[&str], &[&str], Option<&str>)] = &[
    (
        &["book"],
        &["booking", "reservation", "appointment", "registration", "enrollment"],
        Some("booking"),
    ),
    (&["reserve"], &["reservation", "booking"], Some("reservation")),
    (
        &["borrow", "lend", "loan"],
        &["loan", "borrowing", "checkout", "lending", "rental"],
        Some("loan"),
    ),
    (&["rent", "hire", "lease"], &["rental", "hire", "booking", "lease"], Some("rental")),
    (&["buy", "purchase", "order"], &["order", "purchase", "sale", "ticket"], Some("order")),
    (&["adopt"], &["adoption"], Some("adoption")),
    (&["apply"], &["application", "job_application"], Some("application")),
    (&["review", "rate"], &["review", "rating", "feedback"], Some("review")),
    (&["donate"], &["donation"], Some("donation")),
    (&["vote"], &["vote"], None),
    (
        &[
            "enroll",
            "enrol",
            "register",
            "sign",
            "join",
            "attend",
            "participate",
            "take",
            "study",
            "play",
            "compete",
            "volunteer",
            "subscribe",
            "follow",
            "like",
        ],
        &[
            "enrollment",
            "enrolment",
            "registration",
            "booking",
            "attendance",
            "membership",
            "participation",
            "subscription",
            "signup",
        ],
        None,
    ),
];

/// Deeds become records of their own where the words name one or where it must have dates; else both sides are linked.
pub(super) fn deeds(facts: &mut Facts, drafts: &mut Vec<Draft>) {
    let all: Vec<Deed> = std::mem::take(&mut facts.deeds);
    for deed in all {
        let has = |key: &str| {
            drafts.iter().any(|draft| draft.key == key || draft.key.ends_with(&format!("_{key}")))
        };
        if !has(&deed.subject) || !has(&deed.object) {
            continue;
        }
        let Some((_, events, usual)) =
            EVENTS.iter().find(|(verbs, ..)| verbs.contains(&deed.verb.as_str()))
        else {
            continue;
        };
        let object_tail = deed.object.rsplit('_').next().unwrap_or_default();
        if events.contains(&object_tail)
            || matches!(
                object_tail,
                "appointment"
                    | "consultation"
                    | "visit"
                    | "viewing"
                    | "lesson"
                    | "order"
                    | "application"
            )
        {
            facts.relate(&deed.object, &deed.subject, false, false);
            continue;
        }
        let named = drafts
            .iter()
            .find(|draft| {
                events
                    .iter()
                    .any(|event| draft.key == *event || draft.key.ends_with(&format!("_{event}")))
            })
            .map(|draft| draft.key.clone());
        let object = knowledge().describe(&deed.object);
        let timed =
            object.class == Class::Event || matches!(deed.object.as_str(), "class" | "course");
        let event = match (named, usual) {
            (Some(named), _) => named,
            (None, Some(usual)) if !(timed && matches!(deed.verb.as_str(), "book" | "reserve")) => {
                drafts.push(Draft {
                    key: (*usual).to_owned(),
                    surface: String::new(),
                    plural: false,
                    named: false,
                    like: (*usual).to_owned(),
                });
                (*usual).to_owned()
            }
            _ => {
                facts.relate(&deed.subject, &deed.object, true, false);
                continue;
            }
        };
        facts.relate(&event, &deed.subject, false, false);
        let lines = drafts.iter().any(|draft| {
            matches!(draft.like.as_str(), "line_item" | "order_item" | "order_line" | "cart_item")
        });
        if event == "order" {
            if !lines {
                facts.relate(&event, &deed.object, true, false);
            }
        } else {
            facts.relate(&event, &deed.object, false, false);
        }
    }
}

/// Usual ties between things that are only listed; never a second one between the same two, never a circle.
pub(super) fn usual_relations(facts: &mut Facts, drafts: &[Draft]) {
    let base = knowledge();
    let required = base.pair_order.iter().filter(|(_, _, tie)| *tie == Tie::Required);
    let others = base.pair_order.iter().filter(|(_, _, tie)| *tie != Tie::Required);
    for (child, parent, tie) in required.chain(others) {
        let find = |key: &str| {
            let exact = drafts.iter().find(|draft| draft.key == *key || draft.like == *key);
            exact
                .or_else(|| drafts.iter().find(|draft| base.canonical(&draft.key) == key))
                .map(|draft| draft.key.clone())
        };
        let (Some(child), Some(parent)) = (find(child), find(parent)) else { continue };
        tie_up(facts, &child, &parent, *tie);
    }
    for child in drafts {
        if facts.relations.iter().any(|relation| relation.source == child.key) {
            continue;
        }
        for parent in drafts.iter().filter(|parent| parent.key != child.key) {
            if (child.key.contains('_') || parent.key.contains('_'))
                && let Some(tie) = base.tie(&child.key, &parent.key)
            {
                tie_up(facts, &child.key, &parent.key, tie);
            }
        }
    }
    transactions(facts, drafts);
}

fn tie_up(facts: &mut Facts, child: &str, parent: &str, tie: Tie) {
    if child == parent || linked(facts, child, parent) {
        return;
    }
    // A comment of a named thing is not also one of everything else; an order's lines are not the shop's.
    let hangs = |relation: &RelationFact| {
        (relation.source == child && !relation.both && !super::facts::acts(&relation.target))
            || (relation.target == child && relation.both)
    };
    if matches!(child, "comment" | "tag" | "reply" | "attachment" | "review" | "label")
        && !super::facts::acts(parent)
        && facts.relations.iter().any(hangs)
    {
        return;
    }
    if tie != Tie::Both && reaches(facts, parent, child) {
        return;
    }
    // What is part of one thing hangs on what that thing is tied to already.
    let parts: Vec<&str> = facts
        .relations
        .iter()
        .filter(|relation| relation.source == child && relation.required)
        .map(|relation| relation.target.as_str())
        .collect();
    if parts.iter().any(|whole| linked(facts, whole, parent)) {
        return;
    }
    let both = tie == Tie::Both;
    let (source, target) = if both && knowledge().describe(child).class == Class::Tag {
        (parent, child)
    } else {
        (child, parent)
    };
    facts.relations.push(RelationFact {
        source: source.to_owned(),
        target: target.to_owned(),
        both,
        required: tie == Tie::Required,
    });
}

fn linked(facts: &Facts, one: &str, other: &str) -> bool {
    facts.relations.iter().any(|relation| {
        (relation.source == one && relation.target == other)
            || (relation.source == other && relation.target == one)
    })
}

/// Whether `from` refers to `to`, directly or through others.
fn reaches(facts: &Facts, from: &str, to: &str) -> bool {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut open = vec![from];
    while let Some(key) = open.pop() {
        if key == to {
            return true;
        }
        if seen.insert(key) {
            open.extend(
                facts
                    .relations
                    .iter()
                    .filter(|relation| !relation.both && relation.source == key)
                    .map(|relation| relation.target.as_str()),
            );
        }
    }
    false
}

/// What somebody does with something on a date.
const DEALS: &[&str] = &[
    "booking",
    "reservation",
    "rental",
    "loan",
    "appointment",
    "inspection",
    "sale",
    "purchase",
    "visit",
    "adoption",
    "donation",
    "delivery",
    "registration",
];

/// Bookings, rentals and the like concern somebody and something, even where the words are new.
fn transactions(facts: &mut Facts, drafts: &[Draft]) {
    let base = knowledge();
    let sold = drafts.iter().find(|draft| base.describe(&draft.like).class == Class::Thing);
    let lines = drafts.iter().find(|draft| base.canonical(&draft.like) == "line_item");
    let order = drafts
        .iter()
        .find(|draft| matches!(draft.key.as_str(), "order" | "purchase_order" | "customer_order"));
    if let (Some(order), Some(sold)) = (order, sold) {
        // What is ordered: by its lines where there are any.
        if let Some(lines) = lines {
            if !facts
                .relations
                .iter()
                .any(|relation| relation.source == lines.key && relation.target != order.key)
                && !linked(facts, &lines.key, &sold.key)
            {
                facts.relate(&lines.key, &sold.key, false, false);
            }
        } else {
            let has = facts.relations.iter().any(|relation| {
                (relation.source == order.key || relation.target == order.key)
                    && [&relation.source, &relation.target]
                        .iter()
                        .any(|key| base.describe(key).class == Class::Thing)
            });
            if !has {
                facts.relate(&order.key, &sold.key, true, false);
            }
        }
    }
    for draft in drafts {
        let tail = draft.key.rsplit('_').next().unwrap_or_default();
        if !DEALS.contains(&tail) {
            continue;
        }
        let of_class = |person: bool| {
            drafts.iter().find(|other| {
                let Known { class, role, .. } = knowledge().describe(&other.like);
                other.key != draft.key
                    && if person {
                        class == Class::Person && role != Role::One
                    } else {
                        matches!(class, Class::Thing | Class::Place)
                    }
            })
        };
        for person in [true, false] {
            let has = facts.relations.iter().any(|relation| {
                relation.source == draft.key && {
                    let class = knowledge().describe(&relation.target).class;
                    if person {
                        class == Class::Person
                    } else {
                        matches!(class, Class::Thing | Class::Place | Class::Event)
                    }
                }
            });
            if let Some(other) = of_class(person).filter(|_| !has)
                && !linked(facts, &draft.key, &other.key)
                && !reaches(facts, &other.key, &draft.key)
            {
                facts.relate(&draft.key, &other.key, false, false);
            }
        }
    }
}
