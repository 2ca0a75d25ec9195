//! Grants: every import without one is denied, and no engine hears of it.

use std::{fmt::Write as _, fs, sync::Arc};

use gencode_core::plugin::{Capability, Grants, Manifest, PluginKind};
use gencode_runtime::{
    Call, CallLimits, HostCall, HostReply,
    build::{WasiImports, componentize, embed_world},
    types::HostError,
};
use wit_parser::{Resolve, SizeAlign, Type, WorldItem, abi::AbiVariant, abi::WasmType};

use crate::{
    guests::{from_text, guest, manifest},
    support::{TestHost, ask, call, run, step_request, world},
};

/// A function of the contract that a handler can import.
struct Import {
    interface: String,
    function: String,
    params: Vec<WasmType>,
    /// Offset of the error in a result; none where the function cannot fail.
    error: Option<usize>,
}

/// Every import of a handler, from the WIT itself, so that a new one cannot be forgotten.
fn imports() -> Vec<Import> {
    let mut resolve = Resolve::default();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (package, _) = resolve.push_dir(dir).unwrap();
    let world = resolve.select_world(&[package], Some("handler")).unwrap();
    let mut sizes = SizeAlign::default();
    sizes.fill(&resolve);
    let mut found = Vec::new();
    for (key, item) in &resolve.worlds[world].imports {
        let WorldItem::Interface { id, .. } = item else { continue };
        for (name, function) in &resolve.interfaces[*id].functions {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            assert!(signature.results.is_empty(), "{name} answers through memory or not at all");
            let error = function.result.map(|ty| match ty {
                Type::Id(id) => sizes.align(&Type::Id(id)).align_wasm32(),
                _ => panic!("{name} has no result<…>"),
            });
            found.push(Import {
                interface: resolve.name_world_key(key),
                function: name.clone(),
                params: signature.params,
                error,
            });
        }
    }
    found
}

/// Calls every import once, with zeros, and fails with the number of the first that is not denied.
fn guest_that_tries_everything(imports: &[Import]) -> String {
    let mut text = String::from(";; kind: handler\n(module\n");
    for (number, import) in imports.iter().enumerate() {
        let params: Vec<_> = import
            .params
            .iter()
            .map(|ty| match ty {
                WasmType::I64 => "i64",
                WasmType::F32 => "f32",
                WasmType::F64 => "f64",
                _ => "i32",
            })
            .collect();
        writeln!(
            text,
            "(import \"{}\" \"{}\" (func $f{number} (param {})))",
            import.interface,
            import.function,
            params.join(" ")
        )
        .unwrap();
    }
    text.push_str("(; prelude ;)\n(func (export \"run\") (param i32) (result i32)\n");
    for (number, import) in imports.iter().enumerate() {
        text.push_str("(memory.fill (i32.const 8192) (i32.const 0) (i32.const 4096))\n");
        write!(text, "(call $f{number}").unwrap();
        let last = import.params.len() - 1;
        for (position, ty) in import.params.iter().enumerate() {
            let zero = match ty {
                WasmType::I64 => "(i64.const 0)",
                WasmType::F32 => "(f32.const 0)",
                WasmType::F64 => "(f64.const 0)",
                // The last one is where the result goes; others may point to zeroed memory.
                _ if position == last && import.error.is_some() => "(i32.const 8192)",
                _ if import.params.len() <= 2 => "(i32.const 16384)",
                _ => "(i32.const 0)",
            };
            write!(text, " {zero}").unwrap();
        }
        text.push_str(")\n");
        if let Some(offset) = import.error {
            // An error whose code has six letters, the first two of which are `de`.
            write!(
                text,
                "(if (i32.eqz (i32.and (i32.and
                   (i32.eq (i32.load8_u (i32.const 8192)) (i32.const 1))
                   (i32.eq (i32.load (i32.const {length})) (i32.const 6)))
                   (i32.eq (i32.load16_u (i32.load (i32.const {pointer}))) (i32.const 0x6564))))
                 (then (i32.store (i32.const 4) (i32.div_u (i32.const {number}) (i32.const 0)))))\n",
                pointer = 8192 + offset,
                length = 8192 + offset + 4,
            )
            .unwrap();
        }
    }
    text.push_str("(i32.const 1024)))\n");
    text
}

#[tokio::test]
async fn every_import_without_a_grant_is_denied() {
    let imports = imports();
    assert!(imports.len() >= 20, "{}", imports.len());
    let text = guest_that_tries_everything(&imports);
    let world = world();
    let plugin = world.runtime.load(from_text("tries-everything", &text)).await.unwrap();
    let host = TestHost::silent();
    let call = call(&plugin, Arc::clone(&host));
    assert_eq!(call.grants, Grants::default());
    world.runtime.call_handler(&plugin, call, &step_request()).await.unwrap().unwrap();
    assert!(host.calls.lock().unwrap().is_empty(), "no effect");
    let mut denied = host.denied.lock().unwrap().clone();
    denied.dedup();
    denied.sort();
    let all = Capability::ALL.into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(
        denied.into_iter().collect::<std::collections::BTreeSet<_>>(),
        all,
        "each is audited"
    );
}

#[tokio::test]
async fn the_host_answers_and_errors_reach_the_guest() {
    let world = world();
    let plugin = world.runtime.load(guest("ask-memory")).await.unwrap();
    let host = TestHost::new(|_, _| Ok(Ok(HostReply::Value(None))));
    let answer = ask(&world.runtime, &plugin, call(&plugin, Arc::clone(&host)));
    assert!(answer.await.unwrap().is_ok());
    assert_eq!(*host.calls.lock().unwrap(), [(0, HostCall::MemoryGet { key: "key".to_owned() })]);

    let refuse = || HostError {
        code: "unavailable".to_owned(),
        message: "the store is full".to_owned(),
        retryable: true,
    };
    let host = TestHost::new(move |_, _| Ok(Err(refuse())));
    let answer = ask(&world.runtime, &plugin, call(&plugin, host));
    let fault = answer.await.unwrap().unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str(), fault.retryable),
        ("unavailable", "the store is full", true)
    );

    let host = TestHost::silent();
    let mut ungranted = call(&plugin, Arc::clone(&host));
    ungranted.grants = Grants::default();
    let fault = ask(&world.runtime, &plugin, ungranted).await.unwrap().unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str()),
        ("denied", "`memory` is not granted to this plugin")
    );
    assert_eq!(*host.denied.lock().unwrap(), [Capability::Memory]);
}

#[tokio::test]
async fn a_capability_can_be_limited_to_a_number_of_calls() {
    // Asks four times; the fault is what it was told the last time.
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/guests/ask-memory.wat"
    ))
    .unwrap();
    let once = "(call $get (i32.const 2048) (i32.const 3) (i32.const 4096))";
    assert!(text.contains(once));
    let text = text.replace(once, &once.repeat(4));
    let kind = PluginKind::Agent;
    let module =
        text.replace("(; prelude ;)", include_str!("../../../../tests/guests/prelude.wat"));
    let module = embed_world(&wat::parse_str(module).unwrap(), kind).unwrap();
    let toml = manifest("asks", &text).replace("memory = {}", "memory = { max-calls = 3 }");
    let component = componentize(&module, &toml, kind, WasiImports::Refuse).unwrap();
    let world = world();
    let plugin = world.runtime.load(component).await.unwrap();
    let host = TestHost::new(|_, _| Ok(Ok(HostReply::Value(None))));
    let answer = ask(&world.runtime, &plugin, call(&plugin, Arc::clone(&host)));
    let fault = answer.await.unwrap().unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str()),
        ("limit", "`memory` may be called 3 times per call")
    );
    let seen: Vec<_> = host.calls.lock().unwrap().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seen, [0, 1, 2]);
}

#[tokio::test]
async fn a_call_that_may_make_no_host_calls_makes_none() {
    let world = world();
    let plugin = world.runtime.load(guest("ask-memory")).await.unwrap();
    let manifest: &Manifest = &plugin.manifest;
    let limits = CallLimits { host_calls: 0, ..CallLimits::of_kind(manifest.kind) };
    let host = TestHost::silent();
    let none = Call { grants: Grants::meet(manifest, None), limits, host };
    assert_eq!(
        run(&world, &plugin, none).await.unwrap_err().to_string(),
        "limit of 0 host calls reached"
    );
}

#[tokio::test]
async fn what_the_types_cannot_say_is_checked_by_the_host() {
    let text = r#";; kind: agent
;; capabilities: random
(module
  (import "gencode:plugin/random@0.1.0" "bytes" (func $bytes (param i32 i32)))
  (; prelude ;)
  (func (export "run") (param i32) (result i32)
    (call $bytes (i32.const 4097) (i32.const 4096))
    (i32.store8 (i32.const 1024) (i32.load8_u (i32.const 4096)))
    (memory.copy (i32.const 1032) (i32.const 4100) (i32.const 17))
    (i32.const 1024)))"#;
    let world = world();
    let plugin = world.runtime.load(from_text("dice", text)).await.unwrap();
    let host = TestHost::silent();
    let fault = ask(&world.runtime, &plugin, call(&plugin, host)).await.unwrap().unwrap_err();
    assert_eq!(fault.message, "`random.bytes` gives at most 4096 bytes");
}

#[test]
fn host_calls_and_replies_survive_the_journal() {
    let call = HostCall::MemoryPut { key: "k".to_owned(), value: "v".to_owned() };
    let text = serde_json::to_string(&call).unwrap();
    assert_eq!(text, r#"{"memory_put":{"key":"k","value":"v"}}"#);
    assert_eq!(serde_json::from_str::<HostCall>(&text).unwrap(), call);
    let reply = HostReply::Value(Some("v".to_owned()));
    let text = serde_json::to_string(&reply).unwrap();
    assert_eq!(serde_json::from_str::<HostReply>(&text).unwrap(), reply);
    let request = HostCall::Now;
    assert_eq!(serde_json::to_string(&request).unwrap(), r#""now""#);
}
