//! One call of one plugin: a fresh store, its limits, and the verdict on how it ended.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use gencode_core::plugin::{Capability, Grants, PluginKind};
use tracing::{Instrument as _, Span, field::Empty};
use wasmtime::{
    Engine, PoolConcurrencyLimitError, Store, Trap, WasmBacktrace,
    component::{ComponentExportIndex, ComponentNamedList, Lift, Lower},
};

use crate::{
    engine::{Lane, STACK_BYTES},
    error::CallError,
    host::{BoxError, Host, HostCall, HostFailure, HostReply, LogLevel, Usage},
    limits::CallLimits,
    plugin::Plugin,
    runtime::Runtime,
    state::{CallState, Sink, cut},
    time::{Timed, total},
    types::{
        AgentAnswer, AgentDescription, AgentRequest, Answer, CheckReport, CheckRequest, Fault,
        HandlerDescription, HostError, Outcome, StepRequest, ValidatorDescription,
    },
    wasi::{Surroundings, Wasi},
};

/// What a call may do, may use up, and whom it asks.
#[derive(Clone)]
pub struct Call {
    /// Capabilities: manifest ∩ operator ∩ what this call concerns.
    pub grants: Grants,
    pub limits: CallLimits,
    pub host: Arc<dyn Host>,
}

/// Dropping the future of a call ends it: the guest is gone at once, and with it the future of the
/// host call it may be waiting for.
impl Runtime {
    /// Runs one step of a pipeline. The inner error is the plugin's own word for it.
    pub async fn call_handler(
        &self,
        plugin: &Plugin,
        call: Call,
        request: &StepRequest,
    ) -> Result<Result<Outcome, Fault>, CallError> {
        let work = Some(&plugin.work);
        let (answer,) = self.call(plugin, PluginKind::Handler, work, call, (request,)).await?;
        Ok(answer)
    }

    /// Asks an agent.
    pub async fn call_agent(
        &self,
        plugin: &Plugin,
        call: Call,
        request: &AgentRequest,
    ) -> Result<Result<AgentAnswer, Fault>, CallError> {
        let work = Some(&plugin.work);
        let (answer,): (Result<AgentAnswer, Fault>,) =
            self.call(plugin, PluginKind::Agent, work, call, (request,)).await?;
        if let Ok(AgentAnswer { answer: Answer::Understood(intent), .. }) = &answer
            && !(intent.archetype.confidence.is_finite() && intent.vibe.confidence.is_finite())
        {
            // The journal is JSON, which has no such numbers: a replay would not see the same.
            return Err(CallError::Garbage { message: "a confidence is not a number".to_owned() });
        }
        Ok(answer)
    }

    /// Checks files.
    pub async fn call_validator(
        &self,
        plugin: &Plugin,
        call: Call,
        request: &CheckRequest,
    ) -> Result<Result<CheckReport, Fault>, CallError> {
        let work = Some(&plugin.work);
        let (answer,) = self.call(plugin, PluginKind::Validator, work, call, (request,)).await?;
        Ok(answer)
    }

    /// What a handler says about itself. Nothing is granted to it while it does.
    pub async fn describe_handler(&self, plugin: &Plugin) -> Result<HandlerDescription, CallError> {
        let (answer,) = self.call(plugin, PluginKind::Handler, None, describing(), ()).await?;
        Ok(answer)
    }

    /// What an agent says about itself. Nothing is granted to it while it does.
    pub async fn describe_agent(&self, plugin: &Plugin) -> Result<AgentDescription, CallError> {
        let (answer,) = self.call(plugin, PluginKind::Agent, None, describing(), ()).await?;
        Ok(answer)
    }

    /// What a validator says about itself.
    pub async fn describe_validator(
        &self,
        plugin: &Plugin,
    ) -> Result<ValidatorDescription, CallError> {
        let (answer,) = self.call(plugin, PluginKind::Validator, None, describing(), ()).await?;
        Ok(answer)
    }

    /// Calls one export: `describe`, or the one given.
    async fn call<P, R>(
        &self,
        plugin: &Plugin,
        kind: PluginKind,
        export: Option<&ComponentExportIndex>,
        call: Call,
        params: P,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let found = plugin.manifest.kind;
        if found != kind {
            return Err(CallError::WrongKind { expected: kind, found });
        }
        if !Engine::same(&self.engine, plugin.pre.engine()) {
            return Err(CallError::Foreign(plugin.digest));
        }
        // Describing itself is no work of a plugin.
        let span = export.map_or_else(Span::none, |_| span_of(plugin));
        let export = export.unwrap_or(&plugin.describe);
        // Waiting for a slot is not the plugin's time.
        let slot = self.slots_of(kind).acquire().await;
        let _slot = slot.map_err(|error| CallError::Host(error.into()))?;
        let limits = call.limits;
        let state = CallState::new(call.grants, limits, call.host);
        let sink = Arc::clone(&state.sink);
        let mut store = self.store(state)?;
        let started = Instant::now();
        let ended = {
            let computed = AtomicU64::new(0);
            let guest = async {
                if plugin.uses_wasi {
                    surround(store.data_mut()).await?;
                }
                let instance = plugin.pre.instantiate_async(&mut store).await?;
                let function = instance.get_typed_func::<P, R>(&mut store, export)?;
                function.call_async(&mut store, params).await
            };
            let guest = Timed { future: pin!(guest), nanos: &computed };
            tokio::time::timeout(limits.deadline, Guarded { guest, sink: &sink, limit: limits.cpu })
                .instrument(span.clone())
                .await
        };
        let result = match ended {
            Err(_) => Err(CallError::Deadline { limit: limits.deadline }),
            Ok(Err(OutOfTime)) => Err(CallError::Cpu { limit: limits.cpu }),
            Ok(Ok(Err(error))) => Err(verdict(&error, store.data_mut())),
            Ok(Ok(Ok(value))) => Ok(value),
        };
        // Asked without need, it is an error, which is made with a backtrace where those are wanted.
        let left = if self.lane() == Lane::Lab { store.get_fuel().ok() } else { None };
        let usage = Usage {
            fuel: left.map_or(0, |left| limits.fuel.saturating_sub(left)),
            host_calls: store.data().calls(),
            memory_bytes: store.data().memory.used() as u64,
        };
        let ended_how = result.as_ref().err().map_or("well", CallError::code);
        span.record("memory_bytes", usage.memory_bytes);
        span.record("host_calls", usage.host_calls);
        span.record("ended", ended_how);
        if result.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        tracing::debug!(
            plugin = plugin.manifest.id,
            memory = usage.memory_bytes,
            host_calls = usage.host_calls,
            host_us = sink.host_time().as_micros(),
            us = started.elapsed().as_micros(),
            ended = ended_how,
            "plugin called"
        );
        // Ends the standard streams of a WASI guest, so that their last line is in the log too.
        drop(store);
        sink.close();
        sink.host.ended(usage);
        result
    }

    /// A store of its own for every call: nothing of one is visible to the next (design.md §5).
    fn store(&self, state: CallState) -> Result<Store<CallState>, CallError> {
        let limits = *state.limits();
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        // The default deadline is "now"; with this the guest yields once per tick, so that the
        // limits on time around it are looked at (plugin-hosts.md §5.3, pitfall 4).
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(limits.value_bytes);
        if self.lane() == Lane::Lab {
            store.set_fuel(limits.fuel).map_err(|error| CallError::Host(error.into()))?;
        }
        Ok(store)
    }
}

/// The span of one call.
fn span_of(plugin: &Plugin) -> Span {
    tracing::info_span!(
        "plugin call",
        otel.name = format!("plugin {}", plugin.manifest.id),
        plugin = plugin.manifest.id,
        kind = %plugin.manifest.kind,
        memory_bytes = Empty,
        host_calls = Empty,
        ended = Empty,
        otel.status_code = Empty,
    )
}

/// Asks the journal for the time and for randomness, in this order, where they are granted.
async fn surround(state: &mut CallState) -> wasmtime::Result<()> {
    let mut surroundings = Surroundings::default();
    if state.grants().allows(Capability::Clock)
        && let Ok(HostReply::Time(now)) = state.ask(HostCall::Now).await?
    {
        surroundings.now = now;
    }
    if state.grants().allows(Capability::Random)
        && let Ok(HostReply::Bytes(seed)) = state.ask(HostCall::Random { length: 32 }).await?
        && let Ok(seed) = seed.try_into()
    {
        surroundings.seed = seed;
    }
    state.wasi = Some(Box::new(Wasi::new(&surroundings, &state.sink)));
    Ok(())
}

/// Says why a call failed. By the types of errors, never by their text.
fn verdict(error: &wasmtime::Error, state: &mut CallState) -> CallError {
    let limits = *state.limits();
    if let Some(ending) = state.take_ending() {
        return ending;
    }
    if let Some(wasmtime_wasi::I32Exit(status)) = error.downcast_ref() {
        return CallError::Exit(*status);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return CallError::Busy;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return CallError::Stack { limit: STACK_BYTES as u64 },
        Some(Trap::OutOfFuel) => return CallError::Fuel { limit: limits.fuel },
        _ => {}
    }
    // A guest that was refused memory aborts in any of several ways.
    if let Some(refusal) = state.memory.take_refusal() {
        return refusal;
    }
    let message = || cut(&format!("{:#}", error.root_cause()), 4_096).to_owned();
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => {
            CallError::Panic { message: state.last_error().unwrap_or_else(|| location(error)) }
        }
        Some(_) => CallError::Trap { message: format!("{} in {}", message(), location(error)) },
        None if is_untyped(error) => CallError::Garbage { message: message() },
        // What is left of the errors of lifting is the one whose type Wasmtime keeps to itself:
        // more data than `set_hostcall_fuel` allows. A test for each side pins this down. With a
        // backtrace the guest was in the middle of a host call; without, it had returned.
        None if error.is::<WasmBacktrace>() => {
            CallError::ValueTooLarge { limit: limits.value_bytes as u64 }
        }
        None => CallError::ResultTooLarge { limit: limits.value_bytes as u64 },
    }
}

/// Whether the error is a sentence, or one of decoding: so Wasmtime reports values that break the
/// rules of the canonical ABI.
fn is_untyped(error: &wasmtime::Error) -> bool {
    error.is::<&'static str>()
        || error.is::<String>()
        || error.is::<std::str::Utf8Error>()
        || error.is::<std::num::TryFromIntError>()
        || error.is::<std::char::DecodeUtf16Error>()
}

/// Name of the innermost function of the guest that has one.
fn location(error: &wasmtime::Error) -> String {
    error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(wasmtime::FrameInfo::func_name))
        .map_or_else(|| "a function without a name".to_owned(), |name| format!("`{name}`"))
}

/// The guest used up its time on the processor.
struct OutOfTime;

/// Looks at the guest's own time whenever it yields, which it does once per tick.
struct Guarded<'a, F> {
    guest: Timed<'a, F>,
    sink: &'a Sink,
    limit: Duration,
}

impl<F: Future + Unpin> Future for Guarded<'_, F> {
    type Output = Result<F::Output, OutOfTime>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = Pin::new(&mut self.guest).poll(context) {
            return Poll::Ready(Ok(value));
        }
        let computed = total(self.guest.nanos);
        if computed.saturating_sub(self.sink.host_time()) > self.limit {
            return Poll::Ready(Err(OutOfTime));
        }
        Poll::Pending
    }
}

/// A call without any rights, for `describe`.
fn describing() -> Call {
    struct Nobody;
    #[async_trait::async_trait]
    impl Host for Nobody {
        async fn call(
            &self,
            _: u64,
            _: HostCall,
        ) -> Result<Result<HostReply, HostError>, HostFailure> {
            Err(HostFailure::Fatal(BoxError::from("nothing is granted to `describe`")))
        }
        fn log(&self, _: LogLevel, message: &str) {
            tracing::debug!(message, "said while describing itself");
        }
    }
    let limits = CallLimits::of_kind(PluginKind::Validator);
    Call { grants: Grants::default(), limits, host: Arc::new(Nobody) }
}
