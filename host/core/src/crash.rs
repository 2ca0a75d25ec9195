//! Crash points: named places at which a test ends the process, to see what it leaves behind.
//!
//! A point is compiled in only with the feature `crash-points`, which release builds never have.
//! Core does no I/O: what happens at a point is up to the hook that the binary installs with
//! [`arm`].
//!
//! # Adding a point
//! 1. Put `crash_point!("noun.deed.when");` at the place, or give a write `crash_around!("noun.deed")`.
//! 2. Add its name to [`POINTS`], which is sorted. The compiler refuses a name that is not listed,
//!    `tests/faults/points.rs` one that is listed and not used.
//! 3. `tests/faults` finds it by itself and kills the host there. A point that no scenario passes
//!    fails that test.

#[cfg(feature = "crash-points")]
use std::sync::OnceLock;

/// Whether this build has crash points.
pub const ENABLED: bool = cfg!(feature = "crash-points");

/// The name of every point, sorted.
pub const POINTS: &[&str] = &[
    "blob.put.after",
    "blob.put.before",
    "blob.put.inside",
    "component.keep.before",
    "component.keep.inside",
    "copy.apply.after",
    "copy.apply.before",
    "copy.apply.inside",
    "copy.build.after",
    "copy.build.before",
    "copy.build.inside",
    "copy.delete.before",
    "copy.delete.inside",
    "effect.call.after",
    "effect.call.before",
    "effect.call.recorded",
    "file.save.inside",
    "host.recover.before",
    "host.recover.inside",
    "manifest.save.after",
    "manifest.save.before",
    "model.call.after",
    "model.call.before",
    "model.call.recorded",
    "preview.keep.after",
    "preview.keep.before",
    "preview.keep.inside",
    "preview.start.after",
    "preview.start.before",
    "project.delete.after",
    "project.delete.inside",
    "project.seed.after",
    "project.seed.inside",
    "run.clean.before",
    "run.drive.claimed",
    "run.finish.after",
    "run.finish.before",
    "run.pause.after",
    "run.pause.before",
    "run.renew.after",
    "run.start.after",
    "sandbox.exec.before",
    "step.commit.after",
    "step.commit.before",
    "step.commit.saved",
    "step.run.begun",
    "store.audit.add.after",
    "store.audit.add.before",
    "store.audit.add.inside",
    "store.checkpoint.add.after",
    "store.checkpoint.add.before",
    "store.checkpoint.add.inside",
    "store.checkpoint.restore.after",
    "store.checkpoint.restore.before",
    "store.checkpoint.restore.inside",
    "store.event.append.after",
    "store.event.append.before",
    "store.event.append.inside",
    "store.hold.release.after",
    "store.hold.release.before",
    "store.hold.release.inside",
    "store.hold.take.after",
    "store.hold.take.before",
    "store.hold.take.inside",
    "store.host.expire.after",
    "store.host.expire.before",
    "store.host.expire.inside",
    "store.import.after",
    "store.import.before",
    "store.import.inside",
    "store.intent.add.after",
    "store.intent.add.before",
    "store.intent.add.inside",
    "store.journal.append.after",
    "store.journal.append.before",
    "store.journal.append.inside",
    "store.memory.put.after",
    "store.memory.put.before",
    "store.memory.put.inside",
    "store.preview.put.after",
    "store.preview.put.before",
    "store.preview.put.inside",
    "store.project.create.after",
    "store.project.create.before",
    "store.project.create.inside",
    "store.project.delete.after",
    "store.project.delete.before",
    "store.project.delete.inside",
    "store.project.fork.after",
    "store.project.fork.before",
    "store.project.fork.inside",
    "store.prune.after",
    "store.prune.before",
    "store.prune.inside",
    "store.request.keep.after",
    "store.request.keep.before",
    "store.request.keep.inside",
    "store.retention.set.after",
    "store.retention.set.before",
    "store.retention.set.inside",
    "store.run.answer.after",
    "store.run.answer.before",
    "store.run.answer.inside",
    "store.run.claim.after",
    "store.run.claim.before",
    "store.run.claim.inside",
    "store.run.finish.after",
    "store.run.finish.before",
    "store.run.finish.inside",
    "store.run.pause.after",
    "store.run.pause.before",
    "store.run.pause.inside",
    "store.run.release.after",
    "store.run.release.before",
    "store.run.release.inside",
    "store.run.renew.after",
    "store.run.renew.before",
    "store.run.renew.inside",
    "store.run.resume.after",
    "store.run.resume.before",
    "store.run.resume.inside",
    "store.run.resume_due.after",
    "store.run.resume_due.before",
    "store.run.resume_due.inside",
    "store.run.start.after",
    "store.run.start.before",
    "store.run.start.inside",
    "store.run.stop.after",
    "store.run.stop.before",
    "store.run.stop.inside",
    "store.setting.put.after",
    "store.setting.put.before",
    "store.setting.put.inside",
    "store.step.begin.after",
    "store.step.begin.before",
    "store.step.begin.inside",
    "store.step.commit.after",
    "store.step.commit.before",
    "store.step.commit.inside",
    "tree.show.after",
    "tree.show.before",
    "tree.show.inside",
];

/// The three points of one durable write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// Nothing is written yet.
    pub before: &'static str,
    /// All is written and nothing is durable.
    pub inside: &'static str,
    /// All is durable and the caller does not know it yet.
    pub after: &'static str,
}

/// What is done at a point.
#[cfg(feature = "crash-points")]
type Hook = Box<dyn Fn(&'static str) + Send + Sync>;

#[cfg(feature = "crash-points")]
static HOOK: OnceLock<Hook> = OnceLock::new();

/// Installs what is done at every point from now on. The first hook stays.
#[cfg(feature = "crash-points")]
pub fn arm(hook: impl Fn(&'static str) + Send + Sync + 'static) {
    let _earlier = HOOK.set(Box::new(hook));
}

/// Does nothing: this build has no crash points.
#[cfg(not(feature = "crash-points"))]
pub fn arm(_hook: impl Fn(&'static str) + Send + Sync + 'static) {}

/// Passes a point. Use [`crash_point!`](crate::crash_point), which checks the name.
#[cfg(feature = "crash-points")]
pub fn pass(name: &'static str) {
    if let Some(hook) = HOOK.get() {
        hook(name);
    }
}

/// Does nothing: this build has no crash points.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub const fn pass(_name: &'static str) {}

/// Whether a name is one of [`POINTS`]. For the compiler, which has no `contains`.
pub const fn known(name: &str) -> bool {
    let mut rest = POINTS;
    while let [first, others @ ..] = rest {
        if same(first.as_bytes(), name.as_bytes()) {
            return true;
        }
        rest = others;
    }
    false
}

const fn same(mut one: &[u8], mut other: &[u8]) -> bool {
    loop {
        match (one, other) {
            ([], []) => return true,
            ([a, one_rest @ ..], [b, other_rest @ ..]) if *a == *b => {
                one = one_rest;
                other = other_rest;
            }
            _ => return false,
        }
    }
}

/// A place at which a test may end the process. Costs nothing without the feature.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {{
        const { assert!($crate::crash::known($name), "the crash point is not in POINTS") };
        $crate::crash::pass($name);
    }};
}

/// The [`Around`] of one durable write: `crash_around!("store.claim")` names
/// `store.claim.before`, `store.claim.inside` and `store.claim.after`.
#[macro_export]
macro_rules! crash_around {
    ($name:literal) => {
        const {
            assert!(
                $crate::crash::known(concat!($name, ".before"))
                    && $crate::crash::known(concat!($name, ".inside"))
                    && $crate::crash::known(concat!($name, ".after")),
                "the crash points are not in POINTS"
            );
            $crate::crash::Around {
                before: concat!($name, ".before"),
                inside: concat!($name, ".inside"),
                after: concat!($name, ".after"),
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_each_is_there_once() {
        assert!(POINTS.is_sorted_by(|one, next| one < next), "{POINTS:?}");
        assert!(POINTS.iter().all(|name| known(name)));
        assert!(!known("blob.put") && !known("blob.put.afterwards") && !known(""));
    }
}
