//! What the runtime costs on top of Wasmtime: a validator called through `Runtime::call_validator`,
//! and the same component called on bare Wasmtime with the same settings, a fresh store each.
//!
//! Both are measured in turns, in the same process, so that a busy machine slows both; the ratio
//! of the best rounds is what counts. `--check` fails above [`TARGET`].
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail loudly")]

#[path = "../../../tests/guests/guests.rs"]
mod guests;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gencode_core::plugin::{Grants, PluginKind};
use gencode_runtime::{
    BoxError, Call, CallLimits, Host, HostCall, HostFailure, HostReply, LogLevel, Runtime,
    RuntimeConfig, bare,
    types::{CheckReport, CheckRequest, Fault, File, HostError, RunContext},
};
use wasmtime::{
    Store, StoreLimits, StoreLimitsBuilder,
    component::{Component, Linker},
};

/// How much dearer a call may be (issue: fresh-store call of a small validator).
const TARGET: f64 = 1.5;
const ROUNDS: usize = 60;
const CALLS: u32 = 400;

struct Nobody;

#[async_trait]
impl Host for Nobody {
    async fn call(&self, _: u64, _: HostCall) -> Result<Result<HostReply, HostError>, HostFailure> {
        Err(HostFailure::Fatal(BoxError::from("a validator has no host calls")))
    }
    fn log(&self, _: LogLevel, _: &str) {}
}

/// What an embedder of Wasmtime keeps who only wants its own memory limit.
struct Bare {
    limits: StoreLimits,
}

fn request() -> CheckRequest {
    let context = RunContext {
        project_id: "demo".to_owned(),
        run_id: "run_01".to_owned(),
        step_id: "backend_implementation".to_owned(),
        attempt: 1,
        request: "a task manager with projects and tags".to_owned(),
        provider: "offline".to_owned(),
        model: "offline".to_owned(),
    };
    let file =
        |n: usize| File { path: format!("backend/app/{n}.py"), content: "x = 1\n".repeat(100) };
    CheckRequest { context, files: (0..4).map(file).collect(), documents: Vec::new() }
}

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ratio = tokio.block_on(measure());
    if check && ratio > TARGET {
        println!("too dear: the target is {TARGET}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn measure() -> f64 {
    let cache = tempfile::tempdir().unwrap();
    let bytes = guests::guest("good");
    let runtime = Runtime::new(RuntimeConfig::new(cache.path())).unwrap();
    let plugin = runtime.load(bytes.clone()).await.unwrap();
    let host: Arc<dyn Host> = Arc::new(Nobody);
    let limits = CallLimits::of_kind(PluginKind::Validator);

    let engine = bare::engine(runtime.allocation()).unwrap();
    let component = Component::from_binary(&engine, &bytes).unwrap();
    let mut linker = Linker::<Bare>::new(&engine);
    let mut log = linker.instance("gencode:plugin/log@0.1.0").unwrap();
    log.func_wrap("write", |_, (_, _): (String, String)| Ok(())).unwrap();
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let pre = linker.instantiate_pre(&component).unwrap();
    let export = component.get_export_index(None, "check").unwrap();

    let request = request();
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            let mut store = Store::new(
                &engine,
                Bare { limits: StoreLimitsBuilder::new().memory_size(64 << 20).build() },
            );
            store.limiter(|state| &mut state.limits);
            store.set_epoch_deadline(1);
            store.epoch_deadline_async_yield_and_update(1);
            store.set_hostcall_fuel(16 << 20);
            let instance = pre.instantiate_async(&mut store).await.unwrap();
            let function = instance
                .get_typed_func::<(&CheckRequest,), (Result<CheckReport, Fault>,)>(
                    &mut store, &export,
                )
                .unwrap();
            let (report,) = function.call_async(&mut store, (&request,)).await.unwrap();
            assert!(report.is_ok());
        }
        theirs = theirs.min(start.elapsed());

        let start = Instant::now();
        for _ in 0..CALLS {
            let call = Call { grants: Grants::default(), limits, host: Arc::clone(&host) };
            let report = runtime.call_validator(&plugin, call, &request).await.unwrap();
            assert!(report.is_ok());
        }
        ours = ours.min(start.elapsed());
    }
    let each = |total: Duration| total.as_secs_f64() * 1e6 / f64::from(CALLS);
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("allocation       {:?}", runtime.allocation());
    println!("bare Wasmtime    {:8.2} µs per call", each(theirs));
    println!("gencode-runtime  {:8.2} µs per call", each(ours));
    println!("ratio            {ratio:8.2}");
    ratio
}
