//! The list of crash points and the source say the same, so that no point disappears silently.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use gencode_core::crash::POINTS;

use crate::host::{GENCODE, repo};

/// Every durable write and effect has its points; fewer than these means that some were lost.
const AT_LEAST: usize = 100;

#[test]
fn the_binary_lists_every_point() {
    let listed = Command::new(GENCODE).arg("crash-points").output().unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), POINTS);
    assert!(POINTS.len() >= AT_LEAST, "only {} points are left", POINTS.len());
}

#[test]
fn every_listed_point_is_in_the_source() {
    let mut files = Vec::new();
    for part in std::fs::read_dir(repo().join("host")).unwrap() {
        sources(&part.unwrap().path().join("src"), &mut files);
    }
    let mut used: Vec<String> = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("core/src/crash.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        used.extend(names(&text, "crash_point!"));
        for name in names(&text, "crash_around!") {
            used.extend(["before", "inside", "after"].map(|when| format!("{name}.{when}")));
        }
    }
    let listed: BTreeSet<&str> = POINTS.iter().copied().collect();
    let found: BTreeSet<&str> = used.iter().map(String::as_str).collect();
    let unused: Vec<_> = listed.difference(&found).collect();
    assert!(unused.is_empty(), "listed, and nowhere in the source: {unused:?}");
}

#[test]
fn an_unknown_point_is_refused() {
    for wanted in ["no.such.point", "blob.put.before:0", "blob.put.before:x"] {
        let output = Command::new(GENCODE)
            .args(["projects", "--json"])
            .env("GENCODE_CRASH_AT", wanted)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("GENCODE_CRASH_AT"), "{said}");
    }
}

/// The names given to a macro.
fn names(text: &str, called: &str) -> Vec<String> {
    text.split(called).skip(1).filter_map(|rest| Some(rest.split('"').nth(1)?.to_owned())).collect()
}

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}
