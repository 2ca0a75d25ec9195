//! The one place that configures Wasmtime, and the thread that keeps its time.

use std::{thread, time::Duration};

use wasmtime::{
    Config, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::{
    error::StartError,
    limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS},
};

/// A guest yields to the other tasks once per tick.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Stack of a guest. Deeper recursion is `CallError::Stack`.
pub(crate) const STACK_BYTES: usize = 512 * 1024;

/// Component instances that may exist at once. [`crate::runtime::SLOTS`] stays below it.
pub(crate) const POOL_COMPONENTS: u32 = 256;

/// Memories and tables that one component may have. Those of interpreted languages have several.
pub(crate) const MAX_MEMORIES: u32 = 32;
pub(crate) const MAX_TABLES: u32 = 64;

/// Memory of a slot that is wiped by writing zeros rather than given back to the system.
/// Measured: 64 KiB beats both 0 and 1 MiB for small guests (plugin-hosts.md §2.2).
const KEEP_RESIDENT: usize = 64 * 1024;

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// Slots reserved at the start. Fast.
    Pooling,
    /// Mapped and unmapped for each call. For machines whose address space is too small.
    OnDemand,
}

/// What an engine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Real calls: epochs only. Fuel would cost such guests another 30 % (plugin-hosts.md §2.2).
    Production,
    /// Tests, replay, benchmarks: fuel as well, whose count is the same in every run.
    Lab,
}

/// The settings of every engine. Compiled artefacts are only as portable as this is stable, so
/// there is no second place that makes a `Config`.
pub(crate) fn config(lane: Lane, allocation: Allocation) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // On by default and a tax on every call; our contract is synchronous (pitfall 1).
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(lane == Lane::Lab)
        .memory_init_cow(true)
        .max_wasm_stack(STACK_BYTES)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .parallel_compilation(true);
    if lane == Lane::Lab {
        // The last sources of nondeterminism.
        config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    }
    match allocation {
        Allocation::Pooling => config.allocation_strategy(pool()),
        Allocation::OnDemand => config.allocation_strategy(InstanceAllocationStrategy::OnDemand),
    };
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(POOL_COMPONENTS)
        .total_core_instances(POOL_COMPONENTS * 8)
        .total_memories(POOL_COMPONENTS * 2)
        .total_tables(POOL_COMPONENTS * 4)
        .total_stacks(POOL_COMPONENTS)
        .max_core_instances_per_component(256)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_memories_per_module(4)
        .max_tables_per_module(8)
        .max_component_instance_size(4 * 1024 * 1024)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(MAX_MEMORY_BYTES)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(16 * 1024);
    pool
}

/// Starts an engine: with a pool where the machine gives the address space, without one elsewhere.
pub(crate) fn start(lane: Lane) -> Result<(Engine, Allocation), StartError> {
    let (engine, allocation) = match Engine::new(&config(lane, Allocation::Pooling)) {
        Ok(engine) => (engine, Allocation::Pooling),
        Err(error) => {
            tracing::warn!(
                %error,
                "no room for a pool of instances; every plugin call maps its own memory, which is slower"
            );
            let engine = Engine::new(&config(lane, Allocation::OnDemand))
                .map_err(|error| StartError::Engine(error.into()))?;
            (engine, Allocation::OnDemand)
        }
    };
    tick(engine.weak()).map_err(StartError::Ticker)?;
    Ok((engine, allocation))
}

/// Moves the epoch of one engine, and ends with it. One thread per engine, never one per call:
/// that cost others two to three orders of magnitude (wasmtime issue 11814).
pub(crate) fn tick(engine: EngineWeak) -> std::io::Result<()> {
    thread::Builder::new().name("gencode-epoch".to_owned()).spawn(move || {
        loop {
            thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lanes_start_and_the_ticker_does_not_keep_an_engine_alive() {
        for lane in [Lane::Production, Lane::Lab] {
            let (engine, _) = start(lane).unwrap();
            let weak = engine.weak();
            drop(engine);
            // The ticker holds the engine for an instant per tick only.
            let gone = (0..200).any(|_| {
                thread::sleep(Duration::from_millis(5));
                weak.upgrade().is_none()
            });
            assert!(gone, "{lane:?}");
        }
    }
}
