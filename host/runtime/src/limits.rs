//! What one call of a plugin may use up, and the meter of its memory.

use std::time::Duration;

use gencode_core::plugin::{LimitRequest, PluginKind};
use wasmtime::ResourceLimiter;

use crate::error::CallError;

/// Fuel that stands for a second on the processor: more than a fast machine gets through.
const LAB_FUEL_PER_SECOND: u64 = 4_000_000_000;

/// How many times longer a call may take in the lab, where machines are shared and code is slower.
const LAB_PATIENCE: u32 = 20;

const MIB: usize = 1024 * 1024;

/// Largest linear memory a slot of the pool can hold: no call gets more (plugin-hosts.md §6.2).
pub const MAX_MEMORY_BYTES: usize = 256 * MIB;

/// Elements of one table: what a slot of the pool can hold.
pub const MAX_TABLE_ELEMENTS: usize = 64 * 1024;

/// Longest line of the log; the rest of it is cut off.
pub const LOG_LINE_BYTES: usize = 4 * 1024;

/// Lines of the log per call; the rest is dropped and counted.
pub const LOG_LINES: u32 = 1_000;

/// What one call may use up. Always stated: there is no unlimited call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall-clock time of the call, host calls included.
    pub deadline: Duration,
    /// Time inside the guest's own code. Waiting for the host does not count.
    pub cpu: Duration,
    /// Memory, summed over all memories and tables of the call.
    pub memory_bytes: usize,
    /// Calls of imported functions, the log apart.
    pub host_calls: u32,
    /// One value that crosses the boundary: the arguments of a host call, or the result.
    pub value_bytes: usize,
    /// All arguments and results of host calls of the call together, as JSON.
    pub boundary_bytes: u64,
    /// Fuel; only heeded by the lab runtime.
    pub fuel: u64,
}

impl CallLimits {
    /// The host's own limits for a kind of plugin (plugin-hosts.md §6.2).
    ///
    /// Wall-clock limits of agents and handlers are long, because model calls and test runs are
    /// host calls; what bounds a guest that spins is `cpu`.
    pub const fn of_kind(kind: PluginKind) -> Self {
        let (deadline, cpu) = match kind {
            PluginKind::Validator => (10, 2),
            PluginKind::Agent => (20 * 60, 60),
            PluginKind::Handler => (2 * 60 * 60, 60),
        };
        Self {
            deadline: Duration::from_secs(deadline),
            cpu: Duration::from_secs(cpu),
            memory_bytes: 64 * MIB,
            host_calls: 10_000,
            value_bytes: 16 * MIB,
            boundary_bytes: 256 * MIB as u64,
            fuel: 10_000_000_000,
        }
    }

    /// These limits for the lab: fuel bounds a guest there, because it is the same on every machine
    /// and every day; time only ends what hangs.
    #[must_use]
    pub fn in_lab(mut self) -> Self {
        self.fuel = self.fuel.max(self.cpu.as_secs().saturating_mul(LAB_FUEL_PER_SECOND));
        self.cpu = self.cpu.saturating_mul(LAB_PATIENCE);
        self.deadline = self.deadline.max(self.cpu);
        self
    }

    /// These limits with what a manifest asks for, within `caps` of the operator.
    #[must_use]
    pub fn asked(mut self, asked: LimitRequest, caps: &Self) -> Self {
        if let Some(mib) = asked.memory_mib {
            self.memory_bytes = usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(MIB);
        }
        if let Some(ms) = asked.deadline_ms {
            self.deadline = Duration::from_millis(ms);
        }
        self.memory_bytes = self.memory_bytes.min(caps.memory_bytes).min(MAX_MEMORY_BYTES);
        self.deadline = self.deadline.min(caps.deadline);
        self
    }
}

/// Counts the memory of one call over all of its memories and tables.
///
/// Wasmtime's own limit is per linear memory, so that two memories double it; and a guest that
/// aborts after a refused `memory.grow` reports a bare `unreachable`. So this one sums, and
/// remembers that it refused (plugin-hosts.md §5.3, pitfall 11).
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: usize,
    used: usize,
    refused: Option<CallError>,
}

impl MemoryMeter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.min(MAX_MEMORY_BYTES), used: 0, refused: None }
    }

    /// The limit that the guest met first, if it asked for more than there was.
    pub(crate) fn take_refusal(&mut self) -> Option<CallError> {
        self.refused.take()
    }

    /// Highest use so far: memories and tables never shrink.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let total = self.used.saturating_add(desired.saturating_sub(current));
        let fits = total <= self.limit;
        if fits {
            self.used = total;
        } else {
            self.refuse(CallError::Memory { limit: self.limit as u64 });
        }
        fits
    }

    fn refuse(&mut self, why: CallError) {
        self.refused.get_or_insert(why);
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            self.refuse(CallError::Table { limit: MAX_TABLE_ELEMENTS });
            return Ok(false);
        }
        let bytes = |elements: usize| elements.saturating_mul(size_of::<usize>());
        Ok(self.grow(bytes(current), bytes(desired)))
    }

    fn instances(&self) -> usize {
        256
    }

    fn memories(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_and_a_refusal_is_remembered() {
        let mut meter = MemoryMeter::new(10 * 65_536);
        assert!(meter.memory_growing(0, 6 * 65_536, None).unwrap());
        assert!(!meter.memory_growing(0, 6 * 65_536, None).unwrap(), "a second memory counts too");
        assert!(meter.table_growing(0, 4 * 8_192, None).unwrap(), "what is left goes to tables");
        assert!(!meter.memory_growing(6 * 65_536, 7 * 65_536, None).unwrap());
        assert_eq!(meter.used(), 10 * 65_536);
        assert!(!meter.table_growing(0, MAX_TABLE_ELEMENTS + 1, None).unwrap());
        let first = meter.take_refusal().unwrap().to_string();
        assert_eq!(first, "memory limit 640 KiB reached");
    }

    #[test]
    fn a_manifest_asks_and_the_operator_caps() {
        let own = CallLimits::of_kind(PluginKind::Agent);
        let asked = LimitRequest { memory_mib: Some(128), deadline_ms: Some(5_000) };
        let caps = CallLimits { memory_bytes: 100 * MIB, ..own };
        let limits = own.asked(asked, &caps);
        assert_eq!(limits.memory_bytes, 100 * MIB);
        assert_eq!(limits.deadline, Duration::from_secs(5));
        assert_eq!(own.asked(LimitRequest::default(), &own), own);
    }
}
