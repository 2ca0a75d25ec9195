//! A run played again: identical with the plugins it began with, and where it is not, exactly there.

use serde_json::Value;

use crate::host::{Data, files_of, plugins};

/// Everything a replay must leave as it is.
const ROWS: &str = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM journal) \
                    + (SELECT count(*) FROM ledger) + (SELECT count(*) FROM checkpoints)";

/// `gencode replay --json`: how it ended, and what it said.
pub(crate) async fn replay(data: &Data, run: &str, more: &[&str]) -> (Option<i32>, Value) {
    let args: Vec<&str> = ["replay", "--json", run].iter().chain(more).copied().collect();
    let output = data.run(&args).await;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().unwrap_or_default();
    let value = serde_json::from_str(last).unwrap_or_else(|error| {
        panic!("{error}: {stdout}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code(), value)
}

pub(crate) fn tries(report: &Value) -> &Vec<Value> {
    report["tries"].as_array().unwrap()
}

/// What depends on nothing but the plugins and the journal.
fn deterministic(report: &Value) -> Vec<Value> {
    let keys = ["step", "attempt", "verdict", "fuel", "host_calls", "plugins"];
    let pick = |played: &Value| keys.iter().map(|key| played[*key].clone()).collect::<Value>();
    tries(report).iter().map(pick).collect()
}

/// A copy of a component with some of its bytes replaced.
async fn patched(name: &str, from: &str, to: &str) -> tempfile::NamedTempFile {
    assert_eq!(from.len(), to.len());
    let file = plugins().await.join(name);
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(copy.path(), bytes).unwrap();
    copy
}

#[tokio::test]
async fn a_finished_run_is_replayed_byte_for_byte_and_a_changed_plugin_is_found() {
    let data = Data::new();
    let (output, summary) = data.new_json("a task manager with projects and tags", &[]).await;
    assert!(output.status.success(), "{summary:#}");
    let (run, project) =
        (summary["run_id"].as_str().unwrap(), summary["project_id"].as_str().unwrap());
    let rows = data.count(ROWS).await;
    let folder = data.path().join("workspaces").join(project);
    let files = files_of(&folder);

    // While a host is serving the same data.
    let server = data.serve().await;
    let (code, report) = replay(&data, run, &[]).await;
    assert_eq!(code, Some(0), "{report:#}");
    assert!(tries(&report).len() >= 11, "{report:#}");
    for played in tries(&report) {
        assert_eq!(played["verdict"], "identical", "{played:#}");
        assert!(played["fuel"].as_u64().unwrap() > 10_000, "{played:#}");
    }
    assert_eq!(report["replaced"], Value::Array(Vec::new()));
    // A project stands for its newest run; the second replay costs exactly the same.
    let (code, again) = replay(&data, project, &["--current"]).await;
    assert_eq!(code, Some(0), "{again:#}");
    assert_eq!(deterministic(&again), deterministic(&report));
    let (status, _) = server.get(&format!("/api/projects/{project}")).await;
    assert_eq!(status, 200);
    server.kill().await;
    assert_eq!(data.count(ROWS).await, rows, "a replay writes nothing");
    assert!(files == files_of(&folder), "a replay touches no file");

    // One letter of one prompt: the model would have been asked something else.
    let marcus =
        patched("marcus.wasm", "Find out what application", "Find out what applicatiom").await;
    let marcus = marcus.path().to_str().unwrap();
    let (code, report) = replay(&data, run, &["--step", "analysis", "--plugin", marcus]).await;
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(report["replaced"][0]["plugin"], "marcus", "{report:#}");
    let [played] = tries(&report).as_slice() else { panic!("{report:#}") };
    let divergence = &played["divergence"];
    assert_eq!((&divergence["what"], &divergence["plugin"]), (&"call".into(), &"marcus".into()));
    let at = divergence["at"].as_str().unwrap();
    assert_eq!(at.split('/').count(), 3, "call, agent, call of the agent: {at}");
    let diff = divergence["diff"].as_str().unwrap();
    assert!(diff.contains("\n-") && diff.contains("Find out what application"), "{diff}");
    assert!(diff.contains("\n+") && diff.contains("Find out what applicatiom"), "{diff}");

    // The same for a person.
    let output = data.run(&["replay", run, "--step", "analysis", "--plugin", marcus]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!("diverged at call {at}: `marcus` made another call")), "{text}");

    // A handler that leaves other bytes is found in what it left.
    let handler =
        patched("system-integration.wasm", "registry of routers", "Registry of routers").await;
    let handler = handler.path().to_str().unwrap();
    let (code, report) = replay(&data, run, &["--plugin", handler]).await;
    assert_eq!(code, Some(1), "{report:#}");
    let found: Vec<&Value> =
        tries(&report).iter().filter(|played| played["verdict"] == "diverged").collect();
    let [played] = found.as_slice() else { panic!("{report:#}") };
    assert_eq!(played["step"], "system_integration", "{played:#}");
    let divergence = &played["divergence"];
    assert_eq!(divergence["plugin"], "system-integration", "{played:#}");
    assert_eq!(divergence["what"], "file", "{played:#}");
    assert_eq!(divergence["at"], "backend/app/routers/__init__.py", "{played:#}");
    assert!(divergence["diff"].as_str().unwrap().contains("Registry of routers"), "{played:#}");

    // A recorded answer that was tampered with is damage, not a divergence and not a crash.
    let changed = data
        .tamper(
            "UPDATE journal SET reply = replace(reply, 'task', 'tusk') \
             WHERE step = 'analysis' AND path NOT LIKE '@%'",
        )
        .await;
    assert!(changed > 0);
    let (code, report) = replay(&data, run, &["--step", "analysis"]).await;
    assert_eq!(code, Some(2), "{report:#}");
    assert!(report["error"].as_str().unwrap().contains("damaged"), "{report:#}");
    // The other steps have journals of their own.
    let (code, report) = replay(&data, run, &["--step", "contracts"]).await;
    assert_eq!(code, Some(0), "{report:#}");
}

#[tokio::test]
async fn what_cannot_be_replayed_is_said_with_exit_code_2() {
    let data = Data::new();
    let (code, answer) = replay(&data, "run_00000000000000000000000001", &[]).await;
    assert_eq!(code, Some(2));
    assert!(answer["error"].as_str().unwrap().contains("has no runs"), "{answer}");
    assert!(!data.path().join("gencode.db").exists(), "no database is made by looking for one");

    let server = data.serve().await;
    for (run, why) in [
        ("run_00000000000000000000000001", "there is no run"),
        ("nothing", "there is no run `nothing`"),
        ("../x", "neither the id of a run nor that of a project"),
    ] {
        let (code, answer) = replay(&data, run, &[]).await;
        assert_eq!(code, Some(2), "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
    server.kill().await;
}
