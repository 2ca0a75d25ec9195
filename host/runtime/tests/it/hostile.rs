//! Guests that misbehave end their own call, with a typed fault, and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gencode_core::plugin::PluginKind;
use gencode_runtime::{
    Allocation, CallError, CallLimits, HostFailure, HostReply, Lane, LogLevel, Runtime,
    RuntimeConfig,
};
use tokio::sync::Semaphore;

use crate::{
    guests::{from_text, guest},
    support::{self, TestHost, World, call, check_request, run, world},
};

/// Calls a guest once; answers how it ended.
async fn end_of(world: &World, name: &str, host: Arc<TestHost>) -> CallError {
    let plugin = world.runtime.load(guest(name)).await.unwrap();
    let mut call = call(&plugin, host);
    if !name.ends_with("loop") {
        call.limits.cpu = Duration::from_mins(5); // another limit is to strike, on any machine
    }
    run(world, &plugin, call).await.expect_err(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_guest_ends_with_the_fault_its_file_names() {
    let world = world();
    for (name, code, says) in [
        ("loop", "cpu", "computing time limit 1s reached"),
        ("start-loop", "cpu", "computing time limit 1s reached"),
        ("memory", "memory", "memory limit 64 MiB reached"),
        ("two-memories", "memory", "memory limit 64 MiB reached"),
        ("table", "table", "limit of 65536 table elements reached"),
        ("tables", "memory", "memory limit 64 MiB reached"),
        ("big-start", "memory", "memory limit 64 MiB reached"),
        ("recursion", "stack", "stack limit 512 KiB reached (recursion too deep)"),
        ("huge-result", "result-too-large", "the result is larger than the limit of 16 MiB"),
        ("amplified-result", "result-too-large", "the result is larger than the limit of 16 MiB"),
        (
            "panic",
            "panic",
            "the plugin panicked: index out of bounds: the len is 3 but the index is 7",
        ),
        (
            "trap",
            "trap",
            "the plugin trapped: wasm trap: out of bounds memory access in a function without a name",
        ),
        (
            "bad-text",
            "garbage",
            "the plugin returned garbage: invalid utf-8 sequence of 1 bytes from index 0",
        ),
        (
            "bad-pointer",
            "garbage",
            "the plugin returned garbage: list pointer/length out of bounds of memory",
        ),
        (
            "bad-result-pointer",
            "garbage",
            "the plugin returned garbage: pointer out of bounds of memory",
        ),
        ("bad-case", "garbage", "the plugin returned garbage: invalid expected discriminant"),
        (
            "bad-realloc",
            "garbage",
            "the plugin returned garbage: realloc return: beyond end of memory",
        ),
    ] {
        let error = end_of(&world, name, TestHost::new(|_, _| unreachable!())).await;
        assert_eq!((error.code(), error.to_string().as_str()), (code, says), "{name}");
        assert!(error.is_plugin_fault(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_host_calls_name_themselves() {
    let world = world();
    let clock = TestHost::new(|_, _| Ok(Ok(HostReply::Time(7))));
    let error = end_of(&world, "many-calls", Arc::clone(&clock)).await;
    assert_eq!(error.to_string(), "limit of 10000 host calls reached");
    assert_eq!(clock.calls.lock().unwrap().len(), 10_000, "not one more reached the engine");
    let done = || TestHost::new(|_, _| Ok(Ok(HostReply::Done)));
    let error = end_of(&world, "big-value", done()).await;
    assert_eq!(error.to_string(), "one host call passed more than the limit of 16 MiB");
    let error = end_of(&world, "many-bytes", done()).await;
    assert_eq!(error.to_string(), "limit of 256 MiB over the boundary of the plugin reached");
}

/// Never answers.
struct Deaf;
#[async_trait::async_trait]
impl gencode_runtime::Host for Deaf {
    async fn call(&self, _: u64, _: gencode_runtime::HostCall) -> support::Answer {
        std::future::pending().await
    }
    fn log(&self, _: LogLevel, _: &str) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_clock_covers_the_guest_and_its_host_calls() {
    let world = world();
    let deadline = Duration::from_millis(60);
    let plugin = world.runtime.load(guest("loop")).await.unwrap();
    let mut spinning = call(&plugin, TestHost::silent());
    spinning.limits.deadline = deadline;
    let start = Instant::now();
    let error = run(&world, &plugin, spinning).await.unwrap_err();
    assert_eq!(error.to_string(), "time limit 60ms reached");
    assert!(start.elapsed() >= deadline);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    let plugin = world.runtime.load(guest("ask-memory")).await.unwrap();
    let mut waiting = call(&plugin, TestHost::silent());
    waiting.host = Arc::new(Deaf);
    waiting.limits.deadline = deadline;
    waiting.limits.cpu = Duration::from_millis(1);
    let error = run(&world, &plugin, waiting).await.unwrap_err();
    assert_eq!(error.code(), "deadline", "waiting is not computing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_do_not_notice() {
    let world = Arc::new(world());
    let good = world.runtime.load(guest("good")).await.unwrap();
    let mut bad = Vec::new();
    for name in
        ["loop", "loop", "loop", "memory", "recursion", "huge-result", "panic", "bad-pointer"]
    {
        let plugin = world.runtime.load(guest(name)).await.unwrap();
        let world = Arc::clone(&world);
        bad.push(tokio::task::JoinSet::new());
        bad.last_mut().unwrap().spawn(async move {
            let mut call = call(&plugin, TestHost::silent());
            call.limits.cpu = Duration::from_millis(200);
            run(&world, &plugin, call).await.unwrap_err().code()
        });
    }
    for _ in 0..200 {
        let call = call(&good, TestHost::silent());
        let report = world.runtime.call_validator(&good, call, &check_request()).await;
        assert!(report.unwrap().unwrap().findings.is_empty());
    }
    let mut codes = Vec::new();
    for mut set in bad {
        codes.push(set.join_next().await.unwrap().unwrap());
    }
    let expected = ["cpu", "cpu", "cpu", "memory", "stack", "result-too-large", "panic", "garbage"];
    assert_eq!(codes, expected);
}

/// Extism ends a call by moving the epoch of its neighbours too (plugin-hosts.md §1.9).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_one_call_does_not_shorten_another() {
    let world = Arc::new(world());
    let plugin = world.runtime.load(guest("loop")).await.unwrap();
    let spin = |cpu: u64| {
        let (world, plugin) = (Arc::clone(&world), Arc::clone(&plugin));
        async move {
            let mut call = call(&plugin, TestHost::silent());
            call.limits.cpu = Duration::from_millis(cpu);
            call.limits.deadline = Duration::from_mins(1);
            let start = Instant::now();
            let error = run(&world, &plugin, call).await.unwrap_err();
            (error.code(), start.elapsed())
        }
    };
    let mut long = tokio::task::JoinSet::new();
    long.spawn(spin(700));
    for _ in 0..10 {
        let (code, took) = spin(20).await;
        assert_eq!(code, "cpu");
        assert!(took >= Duration::from_millis(20));
    }
    let (code, took) = long.join_next().await.unwrap().unwrap();
    assert_eq!(code, "cpu");
    assert!(took >= Duration::from_millis(700), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_call_is_left_for_the_next() {
    let world = world();
    let plugin = world.runtime.load(guest("remember")).await.unwrap();
    for round in 0..50 {
        let call = call(&plugin, TestHost::silent());
        let report = world.runtime.call_validator(&plugin, call, &check_request()).await;
        assert!(report.unwrap_or_else(|error| panic!("call {round}: {error}")).is_ok());
    }
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_and_counted() {
    let world = world();
    let plugin = world.runtime.load(guest("log-flood")).await.unwrap();
    let host = TestHost::silent();
    run(&world, &plugin, call(&plugin, Arc::clone(&host))).await.unwrap();
    let lines = host.lines.lock().unwrap();
    assert_eq!(lines.len(), 1_001);
    assert!(
        lines[..1_000].iter().all(|(level, line)| *level == LogLevel::Info && line.len() == 4_096)
    );
    assert_eq!(lines[1_000], (LogLevel::Warn, "4000 more lines were dropped".to_owned()));
}

#[tokio::test]
async fn the_engine_can_end_a_call() {
    let world = world();
    let pause =
        TestHost::new(|_, _| Err(HostFailure::Suspend("a question to the user".to_owned())));
    let error = end_of(&world, "ask-memory", pause).await;
    assert!(matches!(&error, CallError::Suspended(why) if why == "a question to the user"));
    assert!(!error.is_plugin_fault());
    let lost = TestHost::new(|_, _| Err(HostFailure::Fatal("lease lost".into())));
    let error = end_of(&world, "ask-memory", lost).await;
    assert!(matches!(&error, CallError::Host(source) if source.to_string() == "lease lost"));
    assert!(!error.is_plugin_fault());
    let confused = TestHost::new(|_, _| Ok(Ok(HostReply::Time(1))));
    assert_eq!(end_of(&world, "ask-memory", confused).await.code(), "host");
}

#[tokio::test]
async fn a_call_has_the_memory_it_was_given() {
    let world = world();
    let plugin = world.runtime.load(guest("memory")).await.unwrap();
    let mut small = call(&plugin, TestHost::silent());
    small.limits =
        CallLimits { memory_bytes: 1 << 20, ..CallLimits::of_kind(PluginKind::Validator) };
    let error = run(&world, &plugin, small).await.unwrap_err();
    assert_eq!(error.to_string(), "memory limit 1 MiB reached");
}

/// An agent and a handler that each take eight tables, and wait for an answer of the host.
fn greedy(kind: &str) -> Vec<u8> {
    let text = format!(
        r#";; kind: {kind}
;; capabilities: memory
(module
  (import "gencode:plugin/memory@0.1.0" "get" (func $get (param i32 i32 i32)))
  (; prelude ;)
  {}
  (func (export "run") (param i32) (result i32)
    (call $get (i32.const 2048) (i32.const 3) (i32.const 4096))
    (i32.const 1024)))"#,
        "(table 1 funcref)".repeat(8)
    );
    from_text(kind, &text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_room_is_busy_and_recovers() {
    /// Counts who waits, and lets all go at once.
    struct Gate {
        waiting: AtomicUsize,
        open: Semaphore,
    }
    #[async_trait::async_trait]
    impl gencode_runtime::Host for Gate {
        async fn call(&self, _: u64, _: gencode_runtime::HostCall) -> support::Answer {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let permit = self.open.acquire().await;
            assert!(permit.is_err(), "the gate opens by being closed for good");
            Ok(Ok(HostReply::Value(None)))
        }
        fn log(&self, _: LogLevel, _: &str) {}
    }
    let world = Arc::new(world());
    if world.runtime.allocation() == Allocation::OnDemand {
        return; // there is no pool on this machine
    }
    let gate = Arc::new(Gate { waiting: AtomicUsize::new(0), open: Semaphore::new(0) });
    let ended = Arc::new(AtomicUsize::new(0));
    let mut calls = tokio::task::JoinSet::new();
    for kind in ["agent", "handler"] {
        let plugin = world.runtime.load(greedy(kind)).await.unwrap();
        for _ in 0..80 {
            let (world, plugin) = (Arc::clone(&world), Arc::clone(&plugin));
            let (gate, ended) = (Arc::clone(&gate), Arc::clone(&ended));
            calls.spawn(async move {
                let mut call = call(&plugin, TestHost::silent());
                call.host = gate;
                let result = run(&world, &plugin, call).await;
                ended.fetch_add(1, Ordering::SeqCst);
                result
            });
        }
    }
    let settled = async {
        while gate.waiting.load(Ordering::SeqCst) + ended.load(Ordering::SeqCst) < 160 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), settled).await.unwrap();
    gate.open.close();
    let (mut well, mut busy) = (0, 0);
    while let Some(result) = calls.join_next().await {
        match result.unwrap() {
            Ok(()) => well += 1,
            Err(CallError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(well > 0 && busy > 0, "{well} well, {busy} busy");
    let good = world.runtime.load(guest("good")).await.unwrap();
    run(&world, &good, call(&good, TestHost::silent())).await.unwrap();
}

#[tokio::test]
async fn the_lab_counts_fuel() {
    let cache = tempfile::tempdir().unwrap();
    let config = RuntimeConfig { lane: Lane::Lab, ..RuntimeConfig::new(cache.path()) };
    let runtime = Arc::new(Runtime::new(config).unwrap());
    let world = World { runtime, cache };
    let plugin = world.runtime.load(guest("loop")).await.unwrap();
    let mut call = call(&plugin, TestHost::silent());
    call.limits.fuel = 100_000;
    let error = run(&world, &plugin, call).await.unwrap_err();
    assert_eq!(error.to_string(), "fuel limit 100000 reached");
}

#[tokio::test]
async fn an_answer_that_cannot_be_journaled_is_garbage() {
    // Case `understood` of the answer; 1112 is the confidence of the archetype.
    let text = r#";; kind: agent
(module
  (; prelude ;)
  (func (export "run") (param i32) (result i32)
    (f64.store (i32.const 1112) (f64.const nan))
    (i32.const 1024)))"#;
    let world = world();
    let plugin = world.runtime.load(from_text("nan", text)).await.unwrap();
    let error = run(&world, &plugin, call(&plugin, TestHost::silent())).await.unwrap_err();
    assert_eq!(error.to_string(), "the plugin returned garbage: a confidence is not a number");
}
