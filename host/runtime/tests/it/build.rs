//! `gencode plugin build`, with the compiler that is installed here.

use std::{fs, path::Path};

use gencode_core::plugin::PluginKind;
use gencode_runtime::build::{
    BuildError, BuildOptions, WasiImports, build_dirs, componentize, discover, embed_world, inspect,
};

use crate::{
    guests::{guest, manifest},
    support::{TestHost, ask, call, world},
};

const GOOD: &str = include_str!("../../../../tests/guests/good.wat");

#[test]
fn a_plugin_can_be_inspected_without_running_it() {
    let inspection = inspect(&guest("many-calls")).unwrap();
    assert_eq!(inspection.outline.manifest.id, "many-calls");
    assert!(inspection.outline.imports.contains(&"gencode:plugin/clock@0.1.0".to_owned()));
    assert!(!inspection.outline.uses_wasi);
    assert!(inspection.unasked.is_empty() && inspection.unused.is_empty());
}

#[test]
fn what_cannot_become_a_plugin_says_why() {
    let toml = manifest("good", GOOD);
    let kind = PluginKind::Validator;
    let build = |text: &str, toml: &str, kind| {
        let module = wat::parse_str(text).unwrap();
        let module = embed_world(&module, PluginKind::Validator).unwrap();
        componentize(&module, toml, kind, WasiImports::Refuse).unwrap_err()
    };
    let error = build("(module)", &toml, PluginKind::Agent);
    assert!(matches!(error, BuildError::Kind { .. }), "{error}");
    let error = build("(module)", "id = 1", kind);
    assert!(matches!(error, BuildError::Manifest(_)), "{error}");
    let error = build("(module)", &toml, kind);
    assert!(matches!(error, BuildError::Encode(_)), "{error}");
    let wasi = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#;
    let error = build(wasi, &toml, kind);
    assert!(
        error
            .to_string()
            .contains("imports `wasi_snapshot_preview1`: build for `wasm32-unknown-unknown`")
    );
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn plugin_toml(id: &str, kind: &str) -> String {
    format!(
        "id = \"{id}\"\nkind = \"{kind}\"\nversion = \"0.1.0\"\ncontract = \"0.1.0\"\nsummary = \"A test.\"\n"
    )
}

#[test]
fn plugins_are_found_below_the_folders_that_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(&root.join("Cargo.toml"), "[workspace]\nmembers = [\"*/*\"]\n");
    for (place, id, kind) in [("agents/b", "b", "agent"), ("validators/a", "a", "validator")] {
        write(
            &root.join(place).join("Cargo.toml"),
            &format!("[package]\nname = \"plugin-{id}\"\n"),
        );
        write(&root.join(place).join("plugin.toml"), &plugin_toml(id, kind));
    }
    write(&root.join("target/c/Cargo.toml"), "[package]\nname = \"c\"\n");
    write(&root.join("target/c/plugin.toml"), &plugin_toml("c", "agent"));
    let found = discover(&[root.to_owned(), root.join("agents/b")]).unwrap();
    let names: Vec<_> = found.iter().map(|plugin| plugin.package.as_str()).collect();
    assert_eq!(names, ["plugin-a", "plugin-b"]);
    assert!(found.iter().all(|plugin| plugin.workspace == root.canonicalize().unwrap()));

    write(&root.join("agents/x/Cargo.toml"), "[package]\nname = \"x\"\n");
    write(&root.join("agents/x/plugin.toml"), &plugin_toml("a", "agent"));
    let error = discover(&[root.to_owned()]).unwrap_err();
    assert!(matches!(&error, BuildError::SameId { id, .. } if id == "a"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = discover(&[empty.path().to_owned()]).unwrap_err();
    assert!(matches!(error, BuildError::NoPlugin(_)), "{error}");
}

/// A crate that needs nothing but the compiler: its module is written with `global_asm`-free Rust
/// and the world is embedded as `wit-bindgen` would.
fn plugin_crate(root: &Path, id: &str, body: &str) {
    write(
        &root.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"plugin-{id}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n"
        ),
    );
    write(
        &root.join("plugin.toml"),
        &format!("{}[capabilities]\nmemory = {{}}\n", plugin_toml(id, "agent")),
    );
    // What `wit-bindgen` writes: the section that says which world this is.
    let module = embed_world(&wat::parse_str("(module)").unwrap(), PluginKind::Agent).unwrap();
    let mut section = None;
    for payload in wasmparser::Parser::new(0).parse_all(&module) {
        if let wasmparser::Payload::CustomSection(custom) = payload.unwrap() {
            section = Some((custom.name().to_owned(), custom.data().to_vec()));
        }
    }
    let (name, data) = section.unwrap();
    write(
        &root.join("src/lib.rs"),
        &format!(
            "#[unsafe(link_section = \"{name}\")]\n#[used]\nstatic WORLD: [u8; {}] = {data:?};\n{body}",
            data.len()
        ),
    );
}

const BODY: &str = r#"
static ZERO: [u64; 64] = [0; 64];
#[unsafe(no_mangle)]
extern "C" fn describe() -> *const u64 { ZERO.as_ptr() }
#[unsafe(no_mangle)]
extern "C" fn run(_request: usize) -> *const u64 { ZERO.as_ptr() }
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(_: *mut u8, _: usize, align: usize, size: usize) -> *mut u8 {
    unsafe { std::alloc::alloc(std::alloc::Layout::from_size_align_unchecked(size, align)) }
}
"#;

#[tokio::test]
async fn a_crate_becomes_a_plugin_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mine");
    plugin_crate(&root, "mine", BODY);
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let options =
        BuildOptions { toolchain: Some(repository), ..BuildOptions::new(dir.path().join("out")) };
    let build = |options: &BuildOptions| build_dirs(std::slice::from_ref(&root), options);
    let report = match build(&options) {
        Ok(report) => report,
        Err(BuildError::NoTarget) => {
            let text = BuildError::NoTarget.to_string();
            assert!(text.contains("make setup") && text.contains("rustup target add"), "{text}");
            eprintln!("skipped: no compiler for components here");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let [plugin] = report.plugins.as_slice() else { panic!("one plugin") };
    assert!(plugin.rebuilt);
    assert_eq!(plugin.warnings, ["asks for `memory` and never uses it"]);
    let bytes = fs::read(&plugin.path).unwrap();
    assert_eq!(bytes.len(), plugin.size);
    assert!(plugin.size < 100_000, "{}", plugin.size);

    let world = world();
    let loaded = world.runtime.load(bytes).await.unwrap();
    assert!(loaded.imports.iter().all(|import| import.starts_with("gencode:plugin/")));
    let answer = ask(&world.runtime, &loaded, call(&loaded, TestHost::silent()));
    assert!(answer.await.unwrap().is_ok());

    assert!(!build(&options).unwrap().plugins[0].rebuilt, "nothing has changed");
    write(&root.join("src/lib.rs"), "this is not Rust");
    match build(&options).unwrap_err() {
        BuildError::Cargo { output, .. } => assert!(output.contains("error"), "{output}"),
        other => panic!("{other}"),
    }
}
