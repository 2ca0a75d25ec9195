//! The main job, end to end: one sentence in, a working application out.

use serde_json::Value;

use crate::host::{Data, files_of};

/// Names of the steps in the order of domain-rules §2.1.
const STEPS: [&str; 11] = [
    "analysis",
    "architecture",
    "frontend_mock",
    "screenshot_verify",
    "contracts",
    "backend_implementation",
    "system_integration",
    "testing_backend",
    "frontend_integration",
    "testing_frontend",
    "preview_final",
];

fn assert_works(output: &std::process::Output, summary: &Value) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{summary:#}\n{said}");
    assert_eq!(summary["status"], "completed", "{summary:#}");
    assert_eq!(summary["acceptance"]["passed"], true, "{summary:#}");
    for suite in ["backend", "frontend"] {
        assert!(summary["tests"][suite]["passed"].as_u64().unwrap() > 0, "{suite}: {summary:#}");
        assert_eq!(summary["tests"][suite]["failed"], 0, "{suite}");
    }
    let ids: Vec<&str> = summary["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, STEPS);
    for step in summary["steps"].as_array().unwrap() {
        let skipped_with_reason = step["status"] == "skipped" && step["reason"] != "";
        assert!(step["status"] == "completed" || skipped_with_reason, "{step}");
    }
}

#[tokio::test]
async fn a_sentence_becomes_a_tested_running_application() {
    let data = Data::new();
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("app");
    let (output, summary) = data
        .new_json("a task manager with projects and tags", &["--out", target.to_str().unwrap()])
        .await;
    assert_works(&output, &summary);
    for file in [
        "run.sh",
        "docker-compose.yml",
        "contract/openapi.json",
        "backend/app/main.py",
        "README.md",
    ] {
        assert!(target.join(file).is_file(), "{file}");
    }
    let contract: Value =
        serde_json::from_slice(&std::fs::read(target.join("contract/openapi.json")).unwrap())
            .unwrap();
    for path in ["/api/tasks", "/api/projects", "/api/tags", "/api/tasks/{id}"] {
        assert!(contract["paths"][path].is_object(), "{path}: {:#}", contract["paths"]);
    }
    assert!(summary["usage"]["calls"].as_u64().unwrap() > 8);
    assert_eq!(summary["usage"]["cost_usd"], "0");
    assert!(summary["plugins"].as_array().unwrap().len() > 20);
    assert!(summary["host_ms"].as_u64().unwrap() < summary["duration_ms"].as_u64().unwrap());
}

#[tokio::test]
async fn the_same_request_gives_byte_identical_files() {
    let request = "a library with books, authors and loans";
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let data = Data::new();
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("app");
        let (output, summary) = data.new_json(request, &["--out", target.to_str().unwrap()]).await;
        assert_works(&output, &summary);
        outcomes.push(files_of(&target));
    }
    let [first, second] = <[_; 2]>::try_from(outcomes).unwrap();
    assert_eq!(first.len(), second.len());
    for (a, b) in first.iter().zip(&second) {
        assert!(a == b, "{} differs from {}", a.0, b.0);
    }
}

#[tokio::test]
async fn accounts_relations_and_another_language_work_too() {
    let data = Data::new();
    for request in [
        "an online shop with customers, orders, line items and products, with log-in and a dashboard",
        "una clínica con pacientes, médicos y citas",
    ] {
        let (output, summary) = data.new_json(request, &[]).await;
        assert_works(&output, &summary);
    }
}

#[tokio::test]
async fn a_missing_tool_is_a_visible_skip_and_never_a_silent_success() {
    let data = Data::new();
    // A PATH without node, npm and a browser, but with python.
    let python = which("python3");
    let bin = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&python, bin.path().join("python3")).unwrap();
    let mut command = data.command(&["new", "--json", "--no-preview", "todo"]).await;
    let output = command.env("PATH", bin.path()).output().await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let summary: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    let skipped: Vec<(&str, &str)> = summary["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["status"] == "skipped")
        .map(|step| (step["id"].as_str().unwrap(), step["reason"].as_str().unwrap()))
        .collect();
    for step in ["screenshot_verify", "testing_frontend"] {
        let reason = skipped.iter().find(|(id, _)| *id == step).map(|(_, reason)| *reason);
        assert!(
            reason.is_some_and(|reason| reason.to_lowercase().contains("node")),
            "{step}: {skipped:?}"
        );
    }
    assert_eq!(summary["tests"]["frontend"]["passed"], 0, "nothing ran, nothing passed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("skipped"), "{said}");
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found =
        std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
    // The real interpreter: a version manager's shim would need its own PATH.
    let output = std::process::Command::new(found.unwrap())
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}
