//! What a host call does to the world, and so what is promised of it after a crash
//! (`host/docs/guarantees.md`).

use gencode_runtime::HostCall;

/// What happens to a host call when its host dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Made again, with the same answer: it depends only on what is recorded and changes only what
    /// the step itself sees.
    Pure,
    /// Intended before and recorded after. Made again with the same key if its answer was not
    /// recorded, so that whoever knows keys does it once.
    Idempotent,
    /// Recorded after. Made again if its answer was not recorded.
    AtLeastOnce,
    /// The answer is a person's: recorded when given, waited for as long as it takes.
    Ask,
}

/// The effect of a call: the one place that decides it.
pub(crate) const fn effect_of(call: &HostCall) -> Effect {
    match call {
        // An agent runs again; what it asks of the host has effects of its own.
        HostCall::Invoke(_)
        | HostCall::List { .. }
        | HostCall::Read { .. }
        | HostCall::ReadAll { .. }
        | HostCall::Stage { .. }
        | HostCall::Remove { .. }
        | HostCall::PutDocument(_)
        | HostCall::GetDocument { .. }
        | HostCall::Check { .. }
        | HostCall::Config => Effect::Pure,
        HostCall::Complete(_) => Effect::Idempotent,
        // Programs run in a folder of the step's own, and memory is only set: twice is as good as
        // once. What is told is told again only if nothing was recorded after it.
        HostCall::Say { .. }
        | HostCall::At { .. }
        | HostCall::Available { .. }
        | HostCall::Install(_)
        | HostCall::Exec(_)
        | HostCall::Accept(_)
        | HostCall::Browse { .. }
        | HostCall::MemoryGet { .. }
        | HostCall::MemoryPut { .. }
        | HostCall::Now
        | HostCall::Random { .. } => Effect::AtLeastOnce,
        HostCall::Ask(_) => Effect::Ask,
    }
}
