//! The modes of the persona are complete.

use gencode_plugin_sdk::agent::Agent;

use super::*;

#[test]
fn every_mode_says_what_to_answer() {
    let modes: Vec<&str> = DEREK.modes.iter().map(|mode| mode.name).collect();
    assert_eq!(
        modes,
        [
            "frontend_mock",
            "backend_implementation",
            "backend_tests",
            "backend_fix",
            "frontend_integration",
            "refine"
        ]
    );
    assert_eq!(Derek::describe().modes, modes);
    for mode in DEREK.modes {
        let names = match mode.expects {
            Expects::Intent => "document `intent`",
            Expects::Verdict => "document `verdict`",
            Expects::Diagnosis => "document `diagnosis`",
            Expects::Files(_) | Expects::Changes => "file",
        };
        assert!(mode.task.to_lowercase().contains(names), "{} does not say {names}", mode.name);
    }
}

#[test]
fn the_manifest_is_about_this_plugin() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains("id = \"derek\"") && manifest.contains(DEREK.summary));
}
