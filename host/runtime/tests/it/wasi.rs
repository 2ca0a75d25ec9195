//! Components that import WASI get an empty world whose clock and dice are the journal's.

use std::sync::Arc;

use gencode_core::plugin::{Grants, PluginKind};
use gencode_runtime::{
    CallError, HostCall, HostReply, LoadError, LogLevel, Runtime, RuntimeConfig,
    build::{BuildError, WasiImports, componentize},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{
    guests::manifest,
    support::{TestHost, ask, call, run, world},
};

/// The part of WASI that the guest uses.
const WASI: &str = "
    package test:wasi;
    world guest {
        include gencode:plugin/agent@0.1.0;
        import wasi:cli/environment@0.2.0;
        import wasi:cli/stdout@0.2.0;
        import wasi:cli/exit@0.2.0;
        import wasi:clocks/wall-clock@0.2.0;
        import wasi:random/random@0.2.0;
    }
    package wasi:cli@0.2.0 {
        interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
        }
        interface exit { exit: func(status: result); }
        interface stdout {
            use wasi:io/streams@0.2.0.{output-stream};
            get-stdout: func() -> output-stream;
        }
    }
    package wasi:io@0.2.0 {
        interface error { resource error; }
        interface streams {
            use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream {
                blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
            }
        }
    }
    package wasi:clocks@0.2.0 {
        interface wall-clock {
            record datetime { seconds: u64, nanoseconds: u32 }
            now: func() -> datetime;
        }
    }
    package wasi:random@0.2.0 {
        interface random { get-random-u64: func() -> u64; }
    }";

/// Faults with the eight bytes of seconds and the eight of randomness as its `code`, turned into
/// letters; traps if it finds arguments or environment variables.
const GUEST: &str = r#"
;; kind: agent
;; capabilities: clock, random
(module
  (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
  (; prelude ;)
  (data (i32.const 3000) "first line\nsecond, without an end")
  (func $letters (param $value i64) (param $to i32)
    (local $n i32)
    (loop $next
      (i32.store8 (i32.add (local.get $to) (local.get $n))
        (i32.add (i32.const 97) (i32.wrap_i64 (i64.and (local.get $value) (i64.const 15)))))
      (local.set $value (i64.shr_u (local.get $value) (i64.const 4)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 16)))))
  (func (export "run") (param i32) (result i32)
    (call $environment (i32.const 2048))
    (if (i32.load (i32.const 2052)) (then unreachable))
    (call $arguments (i32.const 2048))
    (if (i32.load (i32.const 2052)) (then unreachable))
    (call $write (call $stdout) (i32.const 3000) (i32.const 33) (i32.const 2048))
    (call $now (i32.const 2048))
    (call $letters (i64.load (i32.const 2048)) (i32.const 4096))
    (call $letters (call $random) (i32.const 4112))
    (; more ;)
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1032) (i32.const 4096))
    (i32.store (i32.const 1036) (i32.const 32))
    (i32.const 1024)))
"#;

fn core_module(more: &str) -> Vec<u8> {
    core_module_of(WASI, &GUEST.replace("(; more ;)", more))
}

fn core_module_of(wasi: &str, guest: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let package = resolve.push_str("wasi.wit", wasi).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let prelude = include_str!("../../../../tests/guests/prelude.wat");
    let mut module = wat::parse_str(guest.replace("(; prelude ;)", prelude)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

fn component(more: &str) -> Vec<u8> {
    let toml = manifest("wasi", GUEST);
    componentize(&core_module(more), &toml, PluginKind::Agent, WasiImports::Allow).unwrap()
}

fn letters(value: u64) -> String {
    (0..16).map(|n| char::from(b'a' + u8::try_from(value >> (4 * n) & 15).unwrap())).collect()
}

#[tokio::test]
async fn the_world_of_wasi_is_empty_and_its_clock_and_dice_are_journaled() {
    let world = world();
    let plugin = world.runtime.load(component("")).await.unwrap();
    assert!(plugin.uses_wasi);
    let journal = |seed: u8| {
        TestHost::new(move |_, call| match call {
            HostCall::Now => Ok(Ok(HostReply::Time(1_800_000_000_123))),
            HostCall::Random { length: 32 } => Ok(Ok(HostReply::Bytes(vec![seed; 32]))),
            other => panic!("{other:?}"),
        })
    };
    let mut codes = Vec::new();
    for seed in [1, 1, 2] {
        let host = journal(seed);
        let answer = ask(&world.runtime, &plugin, call(&plugin, Arc::clone(&host)));
        let code = answer.await.unwrap().unwrap_err().code;
        assert_eq!(code[..16], letters(1_800_000_000));
        codes.push(code);
        let calls = host.calls.lock().unwrap();
        assert_eq!(*calls, [(0, HostCall::Now), (1, HostCall::Random { length: 32 })]);
        let lines = host.lines.lock().unwrap();
        let expected = ["first line", "second, without an end"];
        assert_eq!(*lines, expected.map(|line| (LogLevel::Info, line.to_owned())));
    }
    assert_eq!(codes[0], codes[1], "a replay sees the same");
    assert_ne!(codes[0], codes[2], "the dice are the journal's");
}

#[tokio::test]
async fn without_grants_clock_and_dice_are_constants() {
    let world = world();
    let plugin = world.runtime.load(component("")).await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..2 {
        let mut ungranted = call(&plugin, TestHost::silent());
        ungranted.grants = Grants::default();
        let answer = ask(&world.runtime, &plugin, ungranted).await;
        codes.push(answer.unwrap().unwrap_err().code);
    }
    assert_eq!(codes[0][..16], letters(0));
    assert_eq!(codes[0], codes[1]);
}

#[tokio::test]
async fn a_guest_that_exits_ends_its_call_only() {
    let world = world();
    let plugin = world.runtime.load(component("(call $exit (i32.const 1))")).await.unwrap();
    let mut ungranted = call(&plugin, TestHost::silent());
    ungranted.grants = Grants::default();
    let error = run(&world, &plugin, ungranted).await.unwrap_err();
    assert!(matches!(error, CallError::Exit(1)), "{error}");
}

#[tokio::test]
async fn core_plugins_may_not_import_wasi() {
    let toml = manifest("wasi", GUEST);
    let error =
        componentize(&core_module(""), &toml, PluginKind::Agent, WasiImports::Refuse).unwrap_err();
    // Which of the two ways it is caught does not matter; that the import is named does.
    let text = match &error {
        BuildError::Refused { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    assert!(text.contains("wasi:"), "{text}");

    let dir = tempfile::tempdir().unwrap();
    let config = RuntimeConfig { allow_wasi: false, ..RuntimeConfig::new(dir.path()) };
    let error = Runtime::new(config).unwrap().load(component("")).await.unwrap_err();
    assert_eq!(error.code(), "import");
    assert!(
        error.to_string().contains("core plugins import nothing but `gencode:plugin`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_part_of_wasi_that_the_host_lacks_is_named() {
    let wasi = WASI.replace("exit: func(status: result);", "leave: func(status: result);");
    let guest = GUEST.replace("\"exit\" (func", "\"leave\" (func");
    let toml = manifest("wasi", GUEST);
    let module = core_module_of(&wasi, &guest);
    let component = componentize(&module, &toml, PluginKind::Agent, WasiImports::Allow).unwrap();
    let error = world().runtime.load(component).await.unwrap_err();
    let LoadError::Link(source) = &error else { panic!("{error}") };
    assert!(source.to_string().contains("wasi:cli/exit@0.2.0"), "{source}");
}

#[test]
fn a_component_is_packed_as_it_is() {
    let bare = ComponentEncoder::default().module(&core_module("")).unwrap().encode().unwrap();
    let toml = manifest("wasi", GUEST);
    let packed = componentize(&bare, &toml, PluginKind::Agent, WasiImports::Allow).unwrap();
    assert!(packed.starts_with(&bare));
}
