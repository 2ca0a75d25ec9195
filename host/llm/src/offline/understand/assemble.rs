//! From facts to entities and relations with safe, distinct names.

use std::collections::HashSet;

use super::super::model::{Entity, Field, FieldKind, Relation, RelationKind};
use super::facts::{Deed, Facts, FieldFact, RelationFact, Strength};
use super::knowledge::{Class, Domain, Known, Role, Tie, knowledge};
use super::labels::Labels;
use super::lexicon::lexicon;
use super::naming;

pub(super) const MAX_ENTITIES: usize = 12;
pub(super) const MAX_FIELDS: usize = 20;

/// An entity before it has its names.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) key: String,
    pub(super) surface: String,
    pub(super) plural: bool,
    pub(super) named: bool,
    /// What it is described by; usually its own key.
    pub(super) like: String,
}

/// Joins what was mentioned with what such an application usually keeps.
pub(super) fn drafts(
    facts: &mut Facts,
    domain: Option<&Domain>,
    grams: &super::evidence::Grams,
) -> Vec<Draft> {
    merge_references(facts);
    let strong = facts.mentions.iter().any(|mention| mention.strength == Strength::Strong);
    let draft = |mention: &super::facts::Mention| Draft {
        key: mention.key.clone(),
        surface: mention.surface.clone(),
        plural: mention.plural,
        named: true,
        like: mention.key.clone(),
    };
    if strong {
        let mut out: Vec<Draft> = facts
            .mentions
            .iter()
            .filter(|mention| mention.strength >= Strength::App)
            .map(draft)
            .collect();
        out.sort_by_key(|draft| {
            facts
                .mentions
                .iter()
                .find(|mention| mention.key == draft.key)
                .map_or(1, |mention| u8::from(mention.strength != Strength::App))
        });
        return out;
    }
    let candidates: Vec<Draft> = {
        let mut all: Vec<&super::facts::Mention> = facts.mentions.iter().collect();
        all.sort_by_key(|mention| std::cmp::Reverse(mention.strength));
        all.into_iter().map(draft).collect()
    };
    let Some(domain) = domain else {
        let app: Vec<Draft> = facts
            .mentions
            .iter()
            .filter(|mention| mention.strength >= Strength::App)
            .map(draft)
            .collect();
        return if app.is_empty() { candidates } else { app };
    };
    let mut out: Vec<Draft> = domain
        .entities
        .iter()
        .map(|key| Draft {
            key: key.clone(),
            surface: String::new(),
            plural: false,
            named: grams.has(key),
            like: key.clone(),
        })
        .collect();
    for candidate in candidates {
        let strength = facts
            .mentions
            .iter()
            .find(|mention| mention.key == candidate.key)
            .map(|mention| mention.strength);
        let known = knowledge().entity(&candidate.key).is_some();
        if let Some(same) = out.iter_mut().find(|draft| draft.key == candidate.key) {
            *same = candidate;
            continue;
        }
        if domain.words.contains(&candidate.key)
            || !(known
                || strength == Some(Strength::App)
                || (strength == Some(Strength::Weak) && candidate.plural))
        {
            continue;
        }
        let person = matches!(knowledge().describe(&candidate.key).class, Class::Person);
        if person && strength != Some(Strength::App) {
            continue;
        }
        const REPLACED: &[&str] =
            &["product", "item", "vehicle", "animal", "pet", "book", "patient_pet"];
        match out.iter_mut().find(|draft| {
            !person && draft.surface.is_empty() && REPLACED.contains(&draft.key.as_str())
        }) {
            Some(place) => {
                let like = if known && place.key != "product" {
                    candidate.key.clone()
                } else {
                    place.key.clone()
                };
                *place = Draft { like, ..candidate };
            }
            None => out.insert(0, candidate),
        }
    }
    out
}

/// "each post" after "blog posts" speaks of the blog post.
fn merge_references(facts: &mut Facts) {
    let mut renames: Vec<(String, String)> = Vec::new();
    for (at, mention) in facts.mentions.iter().enumerate() {
        if mention.key.contains('_') {
            continue;
        }
        let suffix = format!("_{}", mention.key);
        let longer: Vec<&super::facts::Mention> =
            facts.mentions.iter().take(at).filter(|other| other.key.ends_with(&suffix)).collect();
        if let [one] = longer.as_slice()
            && !(mention.plural && mention.key == "item")
        {
            renames.push((mention.key.clone(), one.key.clone()));
        }
    }
    const SAME_THING: &[(&str, &str)] = &[
        ("bicycle", "bike"),
        ("film", "movie"),
        ("automobile", "car"),
        ("vendor", "supplier"),
        ("enrolment", "enrollment"),
        ("organisation", "organization"),
        ("to_do", "todo"),
    ];
    for (one, other) in SAME_THING {
        let seen = |key: &str| facts.mentions.iter().any(|mention| mention.key == key);
        if seen(one) && seen(other) {
            renames.push(((*one).to_owned(), (*other).to_owned()));
        }
    }
    for mention in &facts.mentions {
        // "customer orders" beside "orders": the same when the longer one only names the owner.
        if let Some((head, tail)) = mention.key.split_once('_')
            && facts.mentions.iter().any(|other| other.key == tail)
            && facts.mentions.iter().any(|other| other.key == head)
            && !renames.iter().any(|(from, _)| from == tail)
            && knowledge().tie(tail, head).is_some()
        {
            renames.push((mention.key.clone(), tail.to_owned()));
        }
    }
    for (from, to) in renames {
        facts.mentions.retain(|mention| mention.key != from);
        let fix = |key: &mut String| {
            if *key == from {
                key.clone_from(&to);
            }
        };
        for fact in &mut facts.fields {
            if let Some(owner) = &mut fact.owner {
                fix(owner);
            }
        }
        for relation in &mut facts.relations {
            fix(&mut relation.source);
            fix(&mut relation.target);
        }
        facts.relations.retain(|relation| relation.source != relation.target);
        for deed in &mut facts.deeds {
            fix(&mut deed.subject);
            fix(&mut deed.object);
        }
    }
}

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
        match lines {
            Some(lines) => {
                if !facts
                    .relations
                    .iter()
                    .any(|relation| relation.source == lines.key && relation.target != order.key)
                    && !linked(facts, &lines.key, &sold.key)
                {
                    facts.relate(&lines.key, &sold.key, false, false);
                }
            }
            None => {
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
    }
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

/// Entities with their names and fields.
pub(super) fn entities(
    drafts: &[Draft],
    facts: &Facts,
    labels: &Labels,
    auth: bool,
) -> Vec<(String, Entity)> {
    let mut out: Vec<(String, Entity)> = Vec::new();
    for draft in drafts {
        let (mut name, mut plural) = naming::entity_names(&draft.key);
        if auth && name == "User" {
            "AppUser".clone_into(&mut name);
            "app_users".clone_into(&mut plural);
        }
        let mut counter = 2;
        while out.iter().any(|(_, known)| known.name == name || known.plural == plural) {
            let (other, others) = naming::entity_names(&format!("{}_{counter}", draft.key));
            name = other;
            plural = others;
            counter += 1;
        }
        let (label, label_plural) = labels.entity(&draft.key, &draft.surface, draft.plural);
        let known = knowledge().describe(&draft.like);
        let said: Vec<&FieldFact> = facts
            .fields
            .iter()
            .filter(|fact| fact.owner.as_deref() == Some(draft.key.as_str()))
            .collect();
        let fields = fields(&known, &said, labels);
        out.push((
            draft.key.clone(),
            Entity { name, plural, label, label_plural, fields, named: draft.named },
        ));
    }
    out
}

/// What was said about the thing, and what is usual; when the request describes it itself, only that.
fn fields(known: &Known, said: &[&FieldFact], labels: &Labels) -> Vec<Field> {
    let mut explicit: Vec<Field> = Vec::new();
    for fact in said {
        let field = explicit_field(fact, known, labels);
        match explicit.iter_mut().find(|other| other.name == field.name) {
            Some(other) => {
                if other.values.is_empty() || !fact.values.is_empty() {
                    *other = field;
                }
            }
            None => explicit.push(field),
        }
    }
    let described = explicit.len() >= 3
        || (explicit.len() == 2 && said.iter().any(|fact| fact.listed))
        || (explicit.len() == 2 && explicit.iter().any(|field| is_name(&field.name)));
    let mut out: Vec<Field> = Vec::new();
    if described {
        if !explicit.iter().any(|field| {
            is_name(&field.name) || (field.required && field.kind == FieldKind::String)
        }) {
            let usual_name =
                known.fields.iter().find(|field| field.kind == FieldKind::String && field.required);
            let text = |field: &&mut Field| field.kind == FieldKind::String;
            let identity =
                |field: &&mut Field| field.kind == FieldKind::String && identifies(&field.name);
            let found = if explicit.iter_mut().any(|mut field| identity(&&mut field)) {
                explicit.iter_mut().find(identity)
            } else if usual_name.is_none() {
                explicit.iter_mut().find(text)
            } else {
                None
            };
            match (found, usual_name) {
                (Some(field), _) => field.required = true,
                (None, Some(usual)) => out.push(labels.field(usual.clone())),
                (None, None) => {}
            }
        }
        out.extend(explicit);
    } else {
        for field in &known.fields {
            match explicit.iter().position(|other| {
                other.name == field.name || same_meaning(&other.name, &field.name)
            }) {
                Some(at) => {
                    let mut own = explicit.remove(at);
                    own.required |= field.required;
                    out.push(own);
                }
                None => out.push(labels.field(field.clone())),
            }
        }
        out.extend(explicit);
    }
    finish(&mut out);
    out
}

/// First the name of a record, safe and distinct names, and not too many.
pub(super) fn finish(fields: &mut Vec<Field>) {
    for field in fields.iter_mut() {
        field.name = naming::field_name(&field.name);
        if field.kind == FieldKind::Enum {
            let mut seen = HashSet::new();
            field.values = field
                .values
                .iter()
                .map(|value| naming::enum_value(value))
                .filter(|value| !value.is_empty() && seen.insert(value.clone()))
                .take(20)
                .collect();
            if field.values.is_empty() {
                field.kind = FieldKind::String;
            }
        } else {
            field.values.clear();
        }
    }
    let mut seen = HashSet::new();
    fields.retain(|field| seen.insert(field.name.clone()));
    let naming_field = fields
        .iter()
        .position(|field| is_name(&field.name) && field.kind == FieldKind::String)
        .or_else(|| {
            fields.iter().position(|field| field.kind == FieldKind::String && field.required)
        });
    if let Some(at) = naming_field {
        let mut field = fields.remove(at);
        field.required = true;
        fields.insert(0, field);
    }
    if !fields.iter().any(|field| field.required)
        && let Some(first) = fields.first_mut()
    {
        first.required = true;
    }
    fields.truncate(MAX_FIELDS);
}

fn is_name(name: &str) -> bool {
    matches!(
        name,
        "name"
            | "title"
            | "subject"
            | "full_name"
            | "first_name"
            | "label"
            | "headline"
            | "company_name"
    )
}

/// Whether things of this kind usually have such a field.
pub(super) fn usually_has(like: &str, key: &str) -> bool {
    !matches!(key, "status" | "notes" | "description" | "name")
        && knowledge()
            .describe(like)
            .fields
            .iter()
            .any(|field| field.name == key || same_meaning(&field.name, key))
}

/// Text by which a record can be told from others.
fn identifies(name: &str) -> bool {
    matches!(
        name,
        "code"
            | "reference"
            | "isbn"
            | "sku"
            | "barcode"
            | "symbol"
            | "handle"
            | "username"
            | "license_plate"
            | "plate"
            | "model"
            | "term"
            | "question"
            | "word"
            | "vin"
            | "last_name"
    ) || name.ends_with("_number")
        || name.ends_with("_code")
        || name.ends_with("_name")
        || name.ends_with("_title")
        || name == "number"
}

pub(super) fn same_meaning(one: &str, other: &str) -> bool {
    const SAME: &[&[&str]] = &[
        &["due_date", "deadline", "due"],
        &["stock", "quantity", "stock_level", "stock_quantity", "quantity_in_stock", "qty"],
        &["notes", "remarks", "comments_text", "observations"],
        &["phone", "phone_number", "telephone", "mobile"],
        &["email", "email_address", "e_mail"],
        &["date_of_birth", "birth_date", "birthday", "birthdate", "dob"],
        &["status", "state"],
        &["description", "details", "summary"],
        &["name", "title", "full_name"],
        &["amount", "total", "total_amount", "total_price", "value"],
        &["publication_year", "year", "year_published", "published_year"],
        &["page_count", "pages", "number_of_pages"],
        &[
            "starts_at",
            "start_time",
            "start_date",
            "on_date",
            "date",
            "date_and_time",
            "scheduled_at",
            "appointment_time",
            "time",
            "at_time",
            "event_date",
            "exam_date",
            "inspection_date",
            "visit_date",
            "workout_date",
            "work_date",
            "expense_date",
            "transaction_date",
        ],
        &["ends_at", "end_time", "end_date"],
        &["url", "link", "website"],
        &["price", "unit_price", "cost", "daily_rate", "price_per_night"],
        &["content", "body", "text"],
        &["duration_minutes", "duration"],
        &["code", "number", "reference", "order_number", "invoice_number"],
        &["hours", "hours_worked"],
        &["license_plate", "plate", "plate_number"],
        &["seats", "capacity"],
    ];
    SAME.iter().any(|group| group.contains(&one) && group.contains(&other))
}

/// A field as the request describes it.
pub(super) fn explicit_field(fact: &FieldFact, known: &Known, labels: &Labels) -> Field {
    let key = fact.key.trim_matches('_');
    let attribute =
        lexicon().attribute(key).or_else(|| lexicon().attribute(&lexicon().singular(key)));
    let usual = known.fields.iter().find(|field| field.name == key);
    let mut kind = match (fact.kind, fact.values.is_empty(), usual, &attribute) {
        (Some(kind), ..) => kind,
        (None, false, ..) => FieldKind::Enum,
        (None, true, Some(usual), _) => usual.kind,
        (None, true, None, Some(attribute)) => attribute.kind,
        (None, true, None, None) => FieldKind::String,
    };
    let mut values = if !fact.values.is_empty() {
        fact.values.clone()
    } else if let Some(usual) = usual {
        usual.values.clone()
    } else {
        attribute.map(|attribute| attribute.values).unwrap_or_default()
    };
    if matches!(values.as_slice(), [one, other] if one.eq_ignore_ascii_case("yes") && other.eq_ignore_ascii_case("no"))
    {
        kind = FieldKind::Boolean;
        values.clear();
    }
    let (flag, name) = match key.strip_suffix("_flag") {
        Some(name) => (true, name),
        None => (false, key),
    };
    if flag {
        kind = FieldKind::Boolean;
    }
    Field {
        name: naming::field_name(name),
        label: labels.said_field(name, &fact.surface),
        kind,
        required: !fact.flags.optional
            && (fact.flags.required || usual.is_some_and(|usual| usual.required)),
        unique: fact.flags.unique || usual.is_some_and(|usual| usual.unique),
        values,
    }
}

/// Relations with names that neither fields nor other relations have; fields that say the same give way.
pub(super) fn relations(facts: &Facts, entities: &mut [(String, Entity)]) -> Vec<Relation> {
    let mut out: Vec<Relation> = Vec::new();
    for fact in &facts.relations {
        let (Some(source), Some(target)) =
            (position(entities, &fact.source), position(entities, &fact.target))
        else {
            continue;
        };
        let Some((target_key, target_entity)) =
            entities.get(target).map(|(key, entity)| (key.clone(), entity.clone()))
        else {
            continue;
        };
        let Some((source_key, source_entity)) = entities.get_mut(source) else { continue };
        let base = if fact.both {
            target_entity.plural.clone()
        } else {
            naming::reference_name(&target_key)
        };
        let taken = |name: &str, out: &[Relation]| {
            out.iter()
                .any(|relation| relation.source == source_entity.name && relation.name == name)
        };
        let mut name = base.clone();
        if matches!(name.as_str(), "owner" | "parent" | "metadata" | "registry")
            || taken(&name, &out)
            || name.is_empty()
        {
            name = naming::reference_name(&format!("{}_{base}", naming::snake(source_key)));
        }
        if taken(&name, &out) {
            continue;
        }
        let keep = source_entity.fields.len() > 1;
        source_entity.fields.retain(|field| {
            !keep
                || !(field.name == name
                    || field.name == base
                    || field.name == format!("{name}_id")
                    || field.name == format!("{base}_name")
                    || field.name == target_key)
        });
        if source_entity.fields.is_empty()
            || source_entity.fields.iter().any(|field| field.name == name)
        {
            name = format!("linked_{name}");
        }
        if !source_entity.fields.iter().any(|field| field.required)
            && let Some(first) = source_entity.fields.first_mut()
        {
            first.required = true;
        }
        out.push(Relation {
            kind: if fact.both { RelationKind::ManyToMany } else { RelationKind::ManyToOne },
            source: source_entity.name.clone(),
            target: target_entity.name,
            name,
            required: fact.required && !fact.both,
        });
    }
    break_circles(&mut out);
    out
}

fn position(entities: &[(String, Entity)], key: &str) -> Option<usize> {
    entities.iter().position(|(known, _)| known == key)
}

/// A circle of required references could never get its first record.
fn break_circles(relations: &mut [Relation]) {
    let mut accepted: Vec<(String, String)> = Vec::new();
    for relation in relations.iter_mut().filter(|relation| relation.required) {
        let mut open = vec![relation.target.clone()];
        let mut seen = HashSet::new();
        while let Some(name) = open.pop() {
            if name == relation.source {
                relation.required = false;
                break;
            }
            if seen.insert(name.clone()) {
                open.extend(
                    accepted.iter().filter(|(from, _)| *from == name).map(|(_, to)| to.clone()),
                );
            }
        }
        if relation.required {
            accepted.push((relation.source.clone(), relation.target.clone()));
        }
    }
}
