//! A third party's validator, from source to verdict: built by the binary, dropped into the plugin
//! folder, and heard before anyone pays for a review.

use serde_json::Value;

use crate::{
    host::{Data, GENCODE, files_of, plugins, repo},
    replay::{replay, tries},
};

const MANIFEST: &str = r#"
id = "house-rules"
kind = "validator"
version = "0.1.0"
contract = "0.1.0"
summary = "Refuses every page."
"#;

const SOURCE: &str = r#"//! Refuses every page.
use gencode_plugin_sdk::{
    export_validator,
    types::{Fault, Finding},
    validator::{CheckReport, CheckRequest, Description, Validator},
};

struct HouseRules;

impl Validator for HouseRules {
    fn describe() -> Description {
        Description::per_file("house-rules", "Refuses every page.", &["frontend/src/pages/**"])
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        Ok(CheckReport::per_file(&request.files, |file| {
            vec![Finding::error("house.no-pages", &file.path, 1, 1, "no pages in this house")]
        }))
    }
}

export_validator!(HouseRules);
"#;

#[tokio::test]
async fn audit_preflight_what_a_validator_refuses_is_neither_reviewed_nor_written() {
    let author = tempfile::tempdir().unwrap();
    let sdk = repo().join("plugins/sdk");
    let cargo = format!(
        "[package]\nname = \"house-rules\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\ngencode-plugin-sdk = {{ path = {sdk:?}, features = [\"validator\"] }}\n\n[workspace]\n\n\
         [profile.plugin]\ninherits = \"release\"\nopt-level = \"s\"\npanic = \"abort\"\n"
    );
    std::fs::create_dir(author.path().join("src")).unwrap();
    std::fs::write(author.path().join("Cargo.toml"), cargo).unwrap();
    std::fs::write(author.path().join("plugin.toml"), MANIFEST).unwrap();
    std::fs::write(author.path().join("src/lib.rs"), SOURCE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files_of(plugins().await) {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let built = tokio::process::Command::new(GENCODE)
        .args(["plugin", "build"])
        .arg(author.path())
        .arg("--out")
        .arg(folder.path())
        .current_dir(repo())
        .output()
        .await
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let data = Data::new();
    let mut command = tokio::process::Command::new(GENCODE);
    command.arg("--data-dir").arg(data.path()).arg("--plugins").arg(folder.path());
    let output = command.args(["new", "--json", "--no-preview", "todo"]).output().await.unwrap();
    assert!(!output.status.success());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let summary: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    let reason = summary["reason"].as_str().unwrap();
    assert!(
        reason.contains("frontend_mock") && reason.contains("no pages in this house"),
        "{reason}"
    );
    assert!(summary["plugins"].to_string().contains("house-rules"), "{summary}");
    let blocked =
        summary["steps"].as_array().unwrap().iter().filter(|step| step["status"] == "blocked");
    assert!(blocked.count() >= 3, "{summary:#}");
    // The agent was asked again, the reviewer never.
    assert!(data.count("SELECT count(*) FROM ledger WHERE task = 'frontend_mock'").await > 1);
    assert_eq!(data.count("SELECT count(*) FROM ledger WHERE task = 'review'").await, 0);
    let written = files_of(&data.path().join("workspaces/todo"));
    assert!(
        !written.iter().any(|(path, _)| path.starts_with("frontend/src/pages/")),
        "nothing refused is written"
    );
    assert!(
        written.iter().any(|(path, _)| path == "architecture.md"),
        "what was good before is kept"
    );

    // A failed run can be played again: the same refusals, try by try.
    let (code, report) = replay(&data, summary["run_id"].as_str().unwrap(), &[]).await;
    assert_eq!(code, Some(0), "{report:#}");
    let refused: Vec<&Value> =
        tries(&report).iter().filter(|played| played["step"] == "frontend_mock").collect();
    assert!(!refused.is_empty(), "{report:#}");
    for played in refused {
        assert_eq!(played["verdict"], "identical", "{played:#}");
        assert!(played["plugins"]["house-rules"]["calls"].as_u64().unwrap() > 0, "{played:#}");
    }
}
