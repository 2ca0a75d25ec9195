//! What the host keeps for one call: rights, what is left of the limits, and how it ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use gencode_core::plugin::{Capability, Grants};
use serde::Serialize;

use crate::{
    error::CallError,
    host::{BoxError, Host, HostCall, HostFailure, HostReply, LogLevel},
    limits::{CallLimits, LOG_LINE_BYTES, LOG_LINES, MemoryMeter},
    time::{Timed, total},
    types::HostError,
    wasi::Wasi,
};

/// Most bytes that one call of `random.bytes` gives.
const MAX_RANDOM_BYTES: u32 = 4_096;

/// Data of a store.
pub(crate) struct CallState {
    pub(crate) sink: Arc<Sink>,
    pub(crate) memory: MemoryMeter,
    pub(crate) wasi: Option<Box<Wasi>>,
    grants: Grants,
    limits: CallLimits,
    calls: u32,
    calls_of: [u32; Capability::ALL.len()],
    seq: u64,
    boundary: u64,
    ending: Option<CallError>,
    last_error: Option<String>,
}

/// The part of a call's state that outlives a borrow of the store.
pub(crate) struct Sink {
    pub(crate) host: Arc<dyn Host>,
    lines: AtomicU32,
    host_nanos: AtomicU64,
}

/// Unwinds the guest. Why is kept in the state, as a type and not as a message.
#[derive(Debug, thiserror::Error)]
#[error("the host ended the call")]
pub(crate) struct Stop;

impl CallState {
    pub(crate) fn new(grants: Grants, limits: CallLimits, host: Arc<dyn Host>) -> Self {
        Self {
            sink: Arc::new(Sink { host, lines: AtomicU32::new(0), host_nanos: AtomicU64::new(0) }),
            memory: MemoryMeter::new(limits.memory_bytes),
            wasi: None,
            grants,
            limits,
            calls: 0,
            calls_of: [0; Capability::ALL.len()],
            seq: 0,
            boundary: 0,
            ending: None,
            last_error: None,
        }
    }

    pub(crate) const fn limits(&self) -> &CallLimits {
        &self.limits
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Takes a line of the guest's log. A panic hook writes its message there before it aborts.
    pub(crate) fn note(&mut self, level: LogLevel, message: &str) {
        if level == LogLevel::Error {
            self.last_error = Some(cut(message, LOG_LINE_BYTES).to_owned());
        }
        self.sink.log(level, message);
    }

    /// The last thing the guest complained about.
    pub(crate) fn last_error(&mut self) -> Option<String> {
        self.last_error.take()
    }

    /// Host calls so far, refused ones included.
    pub(crate) const fn calls(&self) -> u32 {
        self.calls
    }

    /// Why the host ended the call, if it did.
    pub(crate) fn take_ending(&mut self) -> Option<CallError> {
        self.ending.take()
    }

    /// Ends the call.
    pub(crate) fn stop<T>(&mut self, why: CallError) -> wasmtime::Result<T> {
        self.ending.get_or_insert(why);
        Err(Stop.into())
    }

    /// The way of every host call: grant, limits, then the engine.
    ///
    /// The outer error ends the guest; the inner one is an answer to it.
    pub(crate) async fn ask(
        &mut self,
        call: HostCall,
    ) -> wasmtime::Result<Result<HostReply, HostError>> {
        let capability = call.capability();
        if !self.grants.allows(capability) {
            self.count_call()?;
            self.sink.host.denied(capability);
            return Ok(Err(denied(capability)));
        }
        self.count_call()?;
        if let Some(refusal) = improper(&call).or_else(|| self.count_use(capability)) {
            return Ok(Err(refusal));
        }
        self.charge(json_bytes(&call))?;
        let seq = self.seq;
        self.seq += 1;
        let sink = Arc::clone(&self.sink);
        let answer = Timed { future: sink.host.call(seq, call), nanos: &sink.host_nanos }.await;
        match answer {
            Ok(Ok(reply)) => {
                self.charge(json_bytes(&reply))?;
                Ok(Ok(reply))
            }
            Ok(Err(error)) => Ok(Err(error)),
            Err(HostFailure::Suspend(why)) => self.stop(CallError::Suspended(why)),
            Err(HostFailure::Fatal(source)) => self.stop(CallError::Host(source)),
        }
    }

    /// [`Self::ask`] for calls that cannot fail in the contract: a refusal is a line of the log.
    pub(crate) async fn tell(&mut self, call: HostCall) -> wasmtime::Result<()> {
        if let Err(error) = self.ask(call).await? {
            self.sink.log(LogLevel::Debug, &format!("dropped: {}", error.message));
        }
        Ok(())
    }

    /// Takes out of a reply what the call asked for.
    pub(crate) fn take<T>(
        &mut self,
        reply: Result<HostReply, HostError>,
        pick: impl FnOnce(HostReply) -> Option<T>,
    ) -> wasmtime::Result<Result<T, HostError>> {
        match reply.map(pick) {
            Ok(Some(value)) => Ok(Ok(value)),
            Ok(None) => self.stop(CallError::Host(BoxError::from(WrongReply))),
            Err(error) => Ok(Err(error)),
        }
    }

    fn count_call(&mut self) -> wasmtime::Result<()> {
        self.calls += 1;
        if self.calls > self.limits.host_calls {
            return self.stop(CallError::HostCalls { limit: self.limits.host_calls });
        }
        Ok(())
    }

    fn count_use(&mut self, capability: Capability) -> Option<HostError> {
        let max = self.grants.max_calls(capability)?;
        let index = Capability::ALL.iter().position(|known| *known == capability)?;
        let used = self.calls_of.get_mut(index)?;
        if *used >= max {
            return Some(HostError {
                code: "limit".to_owned(),
                message: format!("`{}` may be called {max} times per call", capability.as_str()),
                retryable: false,
            });
        }
        *used += 1;
        None
    }

    fn charge(&mut self, bytes: u64) -> wasmtime::Result<()> {
        self.boundary = self.boundary.saturating_add(bytes);
        if self.boundary > self.limits.boundary_bytes {
            return self.stop(CallError::Boundary { limit: self.limits.boundary_bytes });
        }
        Ok(())
    }
}

/// The engine answered one call with the reply of another.
#[derive(Debug, thiserror::Error)]
#[error("the engine's reply does not fit the host call")]
struct WrongReply;

/// What the types of the contract cannot say.
fn improper(call: &HostCall) -> Option<HostError> {
    let (code, message) = match call {
        HostCall::Random { length } if *length > MAX_RANDOM_BYTES => {
            ("limit", format!("`random.bytes` gives at most {MAX_RANDOM_BYTES} bytes"))
        }
        // The journal is JSON, which has no such numbers.
        HostCall::Complete(request) if !request.temperature.is_finite() => {
            ("invalid", "`temperature` is not a number".to_owned())
        }
        _ => return None,
    };
    Some(HostError { code: code.to_owned(), message, retryable: false })
}

fn denied(capability: Capability) -> HostError {
    HostError {
        code: "denied".to_owned(),
        message: format!("`{}` is not granted to this plugin", capability.as_str()),
        retryable: false,
    }
}

impl Sink {
    /// Passes a line on, within the limits of [`LOG_LINES`] and [`LOG_LINE_BYTES`].
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        if self.lines.fetch_add(1, Ordering::Relaxed) < LOG_LINES {
            self.host.log(level, cut(message, LOG_LINE_BYTES));
        }
    }

    /// Says how many lines were dropped. To be called when the call is over.
    pub(crate) fn close(&self) {
        let dropped = self.lines.load(Ordering::Relaxed).saturating_sub(LOG_LINES);
        if dropped > 0 {
            self.host.log(LogLevel::Warn, &format!("{dropped} more lines were dropped"));
        }
    }

    /// Time that the host itself has computed for this call.
    pub(crate) fn host_time(&self) -> Duration {
        total(&self.host_nanos)
    }
}

/// The longest beginning of `text` of at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// Size of a value as JSON, without writing it.
fn json_bytes(value: &impl Serialize) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => u64::MAX, // a value that cannot be journaled may not pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("añb", 100), "añb");
    }

    #[test]
    fn size_is_that_of_the_json() {
        let call = HostCall::Read { path: "a\"b".to_owned() };
        assert_eq!(json_bytes(&call), serde_json::to_string(&call).unwrap().len() as u64);
    }
}
