//! WASI 0.2 for components of other languages, with everything denied (design.md §4).
//!
//! No arguments, no environment, no directories, no sockets. Output goes to the log. Clock and
//! randomness are what the journal says, or constants where they are not granted: a guest has
//! no other source of nondeterminism, so replay is exact.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use crate::{
    host::LogLevel,
    limits::LOG_LINE_BYTES,
    state::{CallState, Sink},
};

/// Handles (streams, pollables) a guest may hold (plugin-hosts.md §6.2).
const HANDLES: usize = 1_024;

/// Length of the sequence of random bytes of one call; it repeats after that.
const RANDOM_BYTES: usize = 64 * 1024;

/// What the world looks like to a WASI guest, from the journal.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Surroundings {
    /// Milliseconds since 1970 at the start of the call; 0 where the clock is not granted.
    pub(crate) now: u64,
    /// Seed of its random bytes; zeros where randomness is not granted.
    pub(crate) seed: [u8; 32],
}

/// WASI state of one call.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    pub(crate) fn new(surroundings: &Surroundings, sink: &Arc<Sink>) -> Self {
        let mut random = vec![0; RANDOM_BYTES];
        blake3::Hasher::new_keyed(&surroundings.seed).finalize_xof().fill(&mut random);
        let mut seed = [0; 16];
        blake3::Hasher::new_keyed(&surroundings.seed)
            .update(b"seed")
            .finalize_xof()
            .fill(&mut seed);
        let line = |level| Lines { level, sink: Arc::clone(sink), rest: Arc::default() };
        let context = WasiCtx::builder()
            .stdout(line(LogLevel::Info))
            .stderr(line(LogLevel::Warn))
            .secure_random(Deterministic::new(random.clone()))
            .insecure_random(Deterministic::new(random))
            .insecure_random_seed(u128::from_le_bytes(seed))
            .max_random_size(1024 * 1024)
            .wall_clock(Clock {
                now: Duration::from_millis(surroundings.now),
                reads: AtomicU64::new(0),
            })
            .monotonic_clock(Clock { now: Duration::ZERO, reads: AtomicU64::new(0) })
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self { context, table }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Plugins that import WASI get theirs before the call; no others are linked to it.
        let sink = &self.sink;
        let wasi =
            self.wasi.get_or_insert_with(|| Box::new(Wasi::new(&Surroundings::default(), sink)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

/// A clock that stands still but for a microsecond per look, so that a replay sees the same.
struct Clock {
    now: Duration,
    reads: AtomicU64,
}

impl Clock {
    fn look(&self) -> Duration {
        self.now + Duration::from_micros(self.reads.fetch_add(1, Ordering::Relaxed))
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        self.look()
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.look().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A guest's standard output, as lines of the log.
#[derive(Clone)]
struct Lines {
    level: LogLevel,
    sink: Arc<Sink>,
    /// What was written after the last line break. Shared by every handle of the stream.
    rest: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    fn take(&self, bytes: &[u8]) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        for &byte in bytes {
            if byte == b'\n' || rest.len() >= LOG_LINE_BYTES {
                self.sink.log(self.level, &String::from_utf8_lossy(&rest));
                rest.clear();
            }
            if byte != b'\n' {
                rest.push(byte);
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // The last line of a program that does not end it.
        if let Some(rest) = Arc::get_mut(&mut self.rest) {
            let rest = rest.get_mut().unwrap_or_else(PoisonError::into_inner);
            if !rest.is_empty() {
                self.sink.log(self.level, &String::from_utf8_lossy(rest));
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only asked for by WASI 0.3, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}
