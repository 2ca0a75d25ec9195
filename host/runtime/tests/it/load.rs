//! Loading: what is refused and how that is said, and the cache of machine code.

use std::{fs, path::PathBuf, sync::Arc};

use gencode_core::plugin::PluginKind;
use gencode_runtime::{CallError, Runtime};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

use crate::{
    guests::{from_text, guest, manifest},
    support::{TestHost, call, check, check_request, run, runtime, world},
};

const GOOD: &str = include_str!("../../../../tests/guests/good.wat");

fn cached(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn machine_code_comes_from_the_cache_the_second_time() {
    let world = world();
    let first = world.runtime.load(guest("good")).await.unwrap();
    assert!(!first.from_cache);
    assert_eq!(cached(&world.cache).len(), 1);
    let again = world.runtime.load(guest("good")).await.unwrap();
    assert!(again.from_cache);
    assert_eq!((again.digest, &again.manifest), (first.digest, &first.manifest));
    // So it does in another process with the same directory, which has its own engine.
    let other = runtime(world.cache.path());
    let plugin = other.load(guest("good")).await.unwrap();
    assert!(plugin.from_cache);
    let report = check(&other, &plugin);
    assert!(report.await.unwrap().is_ok());
}

#[tokio::test]
async fn machine_code_that_is_not_ours_is_not_used() {
    let world = world();
    world.runtime.load(guest("good")).await.unwrap();
    let [file] = cached(&world.cache).try_into().unwrap();
    let good = fs::read(&file).unwrap();
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    // The layout, the MAC, the first and the last byte of the code, half a file, none at all.
    for bytes in
        [flip(0), flip(8), flip(40), flip(good.len() - 1), good[..good.len() / 2].to_vec(), vec![]]
    {
        fs::write(&file, &bytes).unwrap();
        let plugin = world.runtime.load(guest("good")).await.unwrap();
        assert!(!plugin.from_cache);
        run(&world, &plugin, call(&plugin, TestHost::silent())).await.unwrap();
        assert_eq!(fs::read(&file).unwrap().len(), good.len(), "it was compiled again and kept");
        assert!(world.runtime.load(guest("good")).await.unwrap().from_cache);
    }
}

#[tokio::test]
async fn machine_code_of_another_plugin_or_host_is_not_used() {
    let world = world();
    world.runtime.load(guest("good")).await.unwrap();
    let [good] = cached(&world.cache).try_into().unwrap();
    world.runtime.load(guest("panic")).await.unwrap();
    let panic = cached(&world.cache).into_iter().find(|path| *path != good).unwrap();
    fs::copy(&panic, &good).unwrap();
    let plugin = world.runtime.load(guest("good")).await.unwrap();
    assert!(!plugin.from_cache, "a valid artefact under a wrong name");

    let other = crate::support::world();
    fs::copy(&good, other.cache.path().join(good.file_name().unwrap())).unwrap();
    assert!(!other.runtime.load(guest("good")).await.unwrap().from_cache, "another host's key");

    fs::write(world.cache.path().join("key"), "short").unwrap();
    let error =
        Runtime::new(gencode_runtime::RuntimeConfig::new(world.cache.path())).err().unwrap();
    assert!(error.to_string().contains("does not hold 32 bytes"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_key_is_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("a/b");
    runtime(&cache).load(guest("good")).await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cache), 0o700);
    for entry in fs::read_dir(&cache).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_is_an_error_with_its_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Runtime::new(gencode_runtime::RuntimeConfig::new(file.path())).err().unwrap();
    assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn what_is_not_a_plugin_is_refused_in_words() {
    let world = world();
    let module = wat::parse_str("(module)").unwrap();
    let component = wat::parse_str("(component)").unwrap();
    let with_manifest = |text: &[u8]| {
        let mut bytes = component.clone();
        let section = CustomSection { name: "gencode:manifest".into(), data: text.into() };
        section.append_to_component(&mut bytes);
        bytes
    };
    let mut cut = guest("good");
    cut.truncate(cut.len() / 2);
    let toml = manifest("good", GOOD);
    let huge = [component.clone(), vec![0; 64 << 20]].concat();
    for (bytes, code, says) in [
        (vec![], "not-wasm", "not a WebAssembly component"),
        (b"#!/bin/sh\necho hello\n".to_vec(), "not-wasm", "not a WebAssembly component"),
        (
            module,
            "core-module",
            "a core module, not a component; build it with `gencode plugin build`",
        ),
        (component.clone(), "no-manifest", "has no section `gencode:manifest`"),
        (with_manifest(b"\xff"), "no-manifest", "is not text"),
        (with_manifest(b"id = 3"), "manifest", "the manifest is refused"),
        (
            with_manifest(toml.as_bytes()),
            "missing-export",
            "a plugin of kind `validator` must export `describe`",
        ),
        (cut, "not-wasm", "not a WebAssembly component"),
        (huge, "too-large", "has 67108872 bytes; the limit is 67108864"),
    ] {
        let error = world.runtime.load(bytes).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.code(), code, "{error}");
    }
    assert!(cached(&world.cache).is_empty());
}

/// Replaced text of the contract, the module, the code of the error and a part of its sentence.
type Case<'a> = (&'a [(&'a str, &'a str)], String, &'a str, &'a str);

/// A validator built against the contract with some of its text replaced.
fn built_against(replace: &[(&str, &str)], module: &str) -> Vec<u8> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let mut map = SourceMap::new();
    let mut hits = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wit") {
            continue;
        }
        let mut text = fs::read_to_string(&path).unwrap();
        for (from, to) in replace {
            hits += usize::from(text.contains(from));
            text = text.replacen(from, to, 1);
        }
        map.push(&path, text);
    }
    assert!(hits >= replace.len(), "the contract has changed; adapt the test");
    let mut resolve = Resolve::default();
    let package = resolve.push_group(map.parse().map_err(|(_, error)| error).unwrap()).unwrap();
    let world = resolve.select_world(&[package], Some("validator")).unwrap();
    let text =
        module.replace("(; prelude ;)", include_str!("../../../../tests/guests/prelude.wat"));
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut component =
        ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap();
    let toml = manifest("good", GOOD);
    let section = CustomSection { name: "gencode:manifest".into(), data: toml.as_bytes().into() };
    section.append_to_component(&mut component);
    component
}

#[tokio::test]
async fn a_plugin_for_another_contract_is_refused_in_words() {
    let world = world();
    assert!(world.runtime.load(built_against(&[], GOOD)).await.is_ok());
    let log = r#"(import "gencode:plugin/log@0.1.0" "write" (func (param i32 i32 i32 i32)))"#;
    let logging = GOOD.replace("(; prelude ;)", &format!("{log}\n(; prelude ;)"));
    let importing =
        |import: &str| GOOD.replace("(; prelude ;)", &format!("{import}\n(; prelude ;)"));
    let check = "export check: func(request: check-request) -> result<check-report, fault>;";
    let cases: [Case; 8] = [
        (
            &[("repaired: list<file>,", "fixed: list<file>,")],
            GOOD.to_owned(),
            "contract",
            "`check` differs from the contract: result: record `check-report`: field `repaired` is missing",
        ),
        (
            &[(
                "findings: list<finding>,\n        /// Better",
                "findings: list<string>,\n        /// Better",
            )],
            GOOD.to_owned(),
            "contract",
            "record `check-report`: field `findings`: the contract has record, the component string",
        ),
        (
            &[("whole-project: bool,", "whole-project: u32,")],
            GOOD.to_owned(),
            "contract",
            "`describe` differs from the contract: result: record `validator-description`: field `whole-project`: \
             the contract has bool, the component u32",
        ),
        (
            &[("severity: string,", "severity: string,\n        weight: u32,")],
            GOOD.to_owned(),
            "contract",
            "record `finding`: field `weight` does not exist in the contract",
        ),
        (
            &[(check, "export check: func(files: check-request) -> result<check-report, fault>;")],
            GOOD.to_owned(),
            "contract",
            "parameter `files` is called `request` in the contract",
        ),
        (
            &[(check, "")],
            GOOD.to_owned(),
            "missing-export",
            "a plugin of kind `validator` must export `check`; this component does not",
        ),
        (
            &[(
                "write: func(level: string, message: string);",
                "write: func(level: string, text: string);",
            )],
            logging,
            "contract",
            "`gencode:plugin/log@0.1.0#write` differs from the contract: parameter `text` is called `message`",
        ),
        (
            &[("world validator {", "world validator {\n import clock;")],
            importing(r#"(import "gencode:plugin/clock@0.1.0" "now" (func (param i32)))"#),
            "import",
            "imports `gencode:plugin/clock@0.1.0`, which a plugin of kind `validator` cannot use",
        ),
    ];
    for (replace, module, code, says) in cases {
        let error = world.runtime.load(built_against(replace, &module)).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.code(), code);
    }
    let newer = world.runtime.load(from_newer_contract()).await.unwrap_err();
    assert!(newer.to_string().contains("is of another version of the contract"), "{newer}");
    assert!(cached(&world.cache).len() == 1, "nothing refused was compiled");
}

/// The name of the package, one version up.
fn from_newer_contract() -> Vec<u8> {
    let replace = [("package gencode:plugin@0.1.0;", "package gencode:plugin@0.2.0;")];
    let log = r#"(import "gencode:plugin/log@0.2.0" "write" (func (param i32 i32 i32 i32)))"#;
    built_against(&replace, &GOOD.replace("(; prelude ;)", &format!("{log}\n(; prelude ;)")))
}

#[tokio::test]
async fn a_plugin_is_called_as_what_it_is_and_by_whom_it_belongs_to() {
    let world = world();
    let plugin = world.runtime.load(guest("ask-memory")).await.unwrap();
    let error = world
        .runtime
        .call_validator(&plugin, call(&plugin, TestHost::silent()), &check_request())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the plugin is of kind `agent`, not `validator`");
    let other = crate::support::world();
    let error = run(&other, &plugin, call(&plugin, TestHost::silent())).await.unwrap_err();
    assert!(matches!(error, CallError::Foreign(digest) if digest == plugin.digest));
}

#[tokio::test]
async fn a_plugin_describes_itself() {
    let text = GOOD.replace("(; prelude ;)", "(; prelude ;) (data (i32.const 1024) \"\\00\\08\\00\\00\\04\\00\\00\\00\") (data (i32.const 2048) \"good\")");
    let world = world();
    let plugin = world.runtime.load(from_text("good", &text)).await.unwrap();
    let description = world.runtime.describe_validator(&plugin).await.unwrap();
    assert_eq!(description.id, "good");
    assert!(!description.whole_project);
    let agent = world.runtime.load(guest("many-calls")).await.unwrap();
    assert_eq!(world.runtime.describe_agent(&agent).await.unwrap().modes, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_wait_for_a_slot_and_do_not_fail() {
    let world = world();
    let plugin = world.runtime.load(guest("good")).await.unwrap();
    let free = world.runtime.free_slots(PluginKind::Validator);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..free * 10 {
        let (runtime, plugin) = (Arc::clone(&world.runtime), Arc::clone(&plugin));
        calls.spawn(async move {
            let call = call(&plugin, TestHost::silent());
            runtime.call_validator(&plugin, call, &check_request()).await.map(drop)
        });
    }
    while let Some(result) = calls.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(world.runtime.free_slots(PluginKind::Validator), free);
}

#[tokio::test]
async fn what_is_too_complex_or_needs_another_machine_is_refused() {
    let world = world();
    let nested = format!("{}(component){}", "(component ".repeat(17), ")".repeat(17));
    let error = world.runtime.load(wat::parse_str(nested).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "the component has more than 16 levels of nesting");

    let functions = format!("(component (core module {}))", "(func)".repeat(200_001));
    let error = world.runtime.load(wat::parse_str(functions).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "the component has more than 200000 functions");

    let tables = format!("(; prelude ;) {}", "(table 1 funcref)".repeat(65));
    let tables = from_text("tables", &GOOD.replace("(; prelude ;)", &tables));
    let error = world.runtime.load(tables).await.unwrap_err();
    assert!(matches!(error.code(), "too-complex" | "compile"), "{error}");

    let shared = GOOD.replace("(; prelude ;)", "(; prelude ;) (memory $shared 1 1 shared)");
    let error = world.runtime.load(from_text("shared", &shared)).await.unwrap_err();
    assert_eq!(error.code(), "compile", "{error}");
    assert!(cached(&world.cache).is_empty());
}
