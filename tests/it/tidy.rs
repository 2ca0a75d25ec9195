//! Rules about the source tree itself.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::host::repo;

/// Who may depend on whom (design §3). A new line is an architecture decision: it comes with a
/// record in `host/docs/decisions/`.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("gencode-core", &[]),
    ("gencode-store", &["gencode-core"]),
    ("gencode-workspace", &["gencode-core"]),
    ("gencode-runtime", &["gencode-core"]),
    ("gencode-llm", &["gencode-core"]),
    ("gencode-sandbox", &["gencode-core"]),
    (
        "gencode-engine",
        &[
            "gencode-core",
            "gencode-store",
            "gencode-workspace",
            "gencode-runtime",
            "gencode-llm",
            "gencode-sandbox",
        ],
    ),
    ("gencode-api", &["gencode-core", "gencode-engine"]),
    (
        "gencode",
        &[
            "gencode-core",
            "gencode-store",
            "gencode-workspace",
            "gencode-runtime",
            "gencode-llm",
            "gencode-sandbox",
            "gencode-engine",
            "gencode-api",
        ],
    ),
];

/// Outside crates that have one home.
const HOMES: [(&str, &[&str]); 5] = [
    ("axum", &["gencode-api", "gencode"]),
    ("sqlx", &["gencode-store"]),
    ("wasmtime", &["gencode-runtime"]),
    ("object_store", &["gencode-workspace"]),
    ("reqwest", &["gencode-llm", "gencode-workspace"]),
];

/// What plugins share; the host never links it.
const GUEST_CRATES: [&str; 2] = ["gencode-plugin-sdk", "gencode-crew"];

fn metadata() -> Vec<Value> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(repo())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn crates_depend_only_downwards() {
    for package in metadata() {
        let name = package["name"].as_str().unwrap();
        let manifest = package["manifest_path"].as_str().unwrap();
        let is_host = manifest.contains("/host/");
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name).map(|(_, allowed)| *allowed);
        assert!(!is_host || allowed.is_some(), "{name} has no line in ALLOWED");
        for dependency in package["dependencies"].as_array().unwrap() {
            if dependency["kind"] == "dev" {
                continue;
            }
            let on = dependency["name"].as_str().unwrap();
            let ours = !GUEST_CRATES.contains(&on) && on.starts_with("gencode");
            if let Some(allowed) = allowed {
                assert!(!ours || allowed.contains(&on), "{name} may not depend on {on}");
            } else {
                // Plugins know the contract, never the host.
                assert!(!ours, "the plugin {name} may not depend on {on}");
            }
            if let Some((_, homes)) = HOMES.iter().find(|(known, _)| *known == on) {
                assert!(homes.contains(&name), "{name} uses {on}, which lives in {homes:?}");
            }
        }
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name} does not inherit the lints"
        );
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{name}");
        assert_eq!(package["rust_version"], "1.95", "{name}");
    }
}

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with(".cache") {
                sources(&path, all);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    let mut all = Vec::new();
    for folder in ["host", "plugins", "tests"] {
        sources(&repo().join(folder), &mut all);
    }
    assert!(all.len() > 100, "{}", all.len());
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} does not say what it is", file.display());
        let is_test = file.components().any(|part| part.as_os_str() == "tests")
            || file.file_name().is_some_and(|name| name.to_string_lossy().contains("tests"));
        let lines = text.lines().count();
        assert!(is_test || lines <= 650, "{} has {lines} lines", file.display());
    }
}

#[test]
fn the_readme_names_the_two_commands_and_ci_runs_the_second() {
    let readme = std::fs::read_to_string(repo().join("README.md")).unwrap();
    assert!(readme.contains("make demo") && readme.contains("make test"));
    let ci = std::fs::read_to_string(repo().join(".ci/run")).unwrap();
    assert!(ci.contains("make test"), "{ci}");
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let page = std::fs::read_to_string(repo().join("host/docs/guarantees.md")).unwrap();
    let named: Vec<(&str, &str)> =
        page.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 15, "{}", named.len());
    for (file, test) in named {
        // The rule itself is named as its neighbours call it.
        let file = if file == "tidy" { "tests/it/tidy" } else { file };
        let path = repo().join(format!("{file}.rs"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("fn {test}(")), "{file}.rs has no test `{test}`");
    }
}
