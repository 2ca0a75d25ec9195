//! Who does what to what.

use super::super::facts::{Deed, acts};
use super::super::knowledge::{Class, Tie, knowledge};
use super::Reader;

/// Verbs whose object belongs to who does it.
pub(super) const MAKES: &[&str] = &[
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
pub(super) const LINKS: &[&str] = &[
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
pub(super) const PLACES: &[&str] = &[
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
pub(super) const JOINS: &[&str] =
    &["link", "connect", "associate", "relate", "tie", "reference", "concern", "record"];

/// "a job uses parts".
pub(super) const USES: &[&str] =
    &["use", "need", "require", "cover", "involve", "target", "feature", "combine"];

impl Reader<'_> {
    /// Somebody does something to something.
    pub(super) fn deed(&mut self, subjects: &[String], verb: &str, objects: &[String]) {
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
                let kept =
                    matches!(knowledge().describe(object).class, Class::Money | Class::Person);
                if (LINKS.contains(&verb) && !kept) || (verb == "take" && !acts(object)) {
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
