//! The history of a project's files: checkpoints, restores, forks, comparisons, git.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::host::{Data, Server, files_of};

const REQUEST: &str = "a library with books and members";

/// A data folder with one finished application, built once for all tests, and its project.
async fn built() -> &'static (Data, String) {
    static BUILT: OnceCell<(Data, String)> = OnceCell::const_new();
    BUILT
        .get_or_init(|| async {
            let data = Data::new();
            let (output, summary) = data.new_json(REQUEST, &[]).await;
            assert!(output.status.success(), "{summary}");
            let id = summary["project_id"].as_str().unwrap().to_owned();
            (data, id)
        })
        .await
}

/// A copy of it that a test may change.
async fn copy_of_built() -> (Data, String) {
    let (data, id) = built().await;
    let copy = Data::new();
    std::fs::remove_file(copy.path().join("cache")).unwrap();
    let copied =
        Command::new("cp").args(["-a", "-T"]).args([data.path(), copy.path()]).output().unwrap();
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success(), "{said}");
    (copy, id.clone())
}

async fn checkpoints(server: &Server, id: &str) -> Vec<Value> {
    let (status, page) = server.get(&format!("/api/projects/{id}/checkpoints?limit=100")).await;
    assert_eq!(status, 200, "{page}");
    page["checkpoints"].as_array().unwrap().clone()
}

async fn put_file(server: &Server, id: &str, path: &str, content: &str) {
    let body = json!({ "path": path, "content": content }).to_string();
    let answer = server
        .client
        .put(format!("{}/api/workspace/{id}/file", server.url))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

fn git(folder: &Path, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(args)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "git {args:?}: {said}");
    // `fsck` tells its remarks there, with a good status.
    assert!(args.first() != Some(&"fsck") || said.is_empty(), "{said}");
    String::from_utf8(stdout).unwrap()
}

#[tokio::test]
async fn every_state_of_the_files_can_be_seen_compared_and_restored() {
    let (data, id) = copy_of_built().await;
    let server = data.serve().await;
    let base = format!("/api/projects/{id}/checkpoints");
    let all = checkpoints(&server, &id).await;

    // The seed first, then one checkpoint per step that wrote files, each on the one before.
    assert!(all.len() > 5, "{all:?}");
    let oldest = all.last().unwrap();
    assert_eq!((&oldest["author"], &oldest["parent"]), (&json!("seed"), &Value::Null));
    for pair in all.windows(2) {
        assert_eq!(pair[0]["parent"], pair[1]["id"]);
        assert_eq!(pair[0]["author"], "run");
        assert!(pair[0]["run"].as_str().unwrap().starts_with("run_"));
        let counts = &pair[0]["changes"];
        let count = |key: &str| counts[key].as_u64().unwrap();
        assert!(count("added") + count("changed") + count("removed") > 0, "{}", pair[0]);
    }
    let backend = all.iter().find(|one| one["step"] == "backend_implementation").unwrap();
    assert_eq!(backend["performer"], "Derek");
    assert!(backend["note"].as_str().unwrap().lines().count() > 1, "title and summary: {backend}");

    // Paged, nothing is missed.
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = server.get(&format!("{base}?limit=3{cursor}")).await;
        paged.extend(page["checkpoints"].as_array().unwrap().clone());
        match page["next"].as_u64() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);

    // A checkpoint knows its files, as they were.
    let seed_id = oldest["id"].as_str().unwrap();
    let (_, seed) = server.get(&format!("{base}/{seed_id}")).await;
    let files = seed["files"].as_array().unwrap();
    assert_eq!(files.len() as u64, oldest["changes"]["added"].as_u64().unwrap());
    assert!(files.iter().any(|file| file["path"] == "run.sh" && file["executable"] == true));
    let (_, readme) = server.get(&format!("{base}/{seed_id}/files/backend/app/main.py")).await;
    assert!(readme["content"].as_str().unwrap().contains("FastAPI"));
    let (status, _) = server.get(&format!("{base}/{seed_id}/files/nothing.txt")).await;
    assert_eq!(status, 404);
    let (status, _) = server.get(&format!("{base}/{seed_id}/files/..%2f..%2fgencode.db")).await;
    assert_eq!(status, 400);

    // A file the user saves is a checkpoint, and its diff says what was done.
    put_file(&server, &id, "README.md", "mine\n").await;
    let (_, diff) = server.get(&format!("{base}/diff")).await;
    assert_eq!(diff["counts"], json!({ "added": 0, "changed": 1, "removed": 0 }));
    let lines = diff["files"][0]["diff"].as_str().unwrap();
    assert!(lines.starts_with("--- a/README.md\n+++ b/README.md\n"), "{lines}");
    assert!(lines.contains("\n+mine\n"), "{lines}");
    let edited = checkpoints(&server, &id).await.remove(0);
    assert_eq!((&edited["author"], &edited["step"]), (&json!("user"), &json!("")));
    // Between any two; against the seed the contract is new.
    let head = edited["id"].as_str().unwrap();
    let (_, diff) = server.get(&format!("{base}/diff?from={seed_id}&to={head}")).await;
    let of = |path: &str| {
        let files = diff["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == path).unwrap().clone()
    };
    assert_eq!(of("contracts.md")["change"], "added");
    assert!(of("contracts.md")["diff"].as_str().unwrap().starts_with("--- /dev/null\n"));
    let (_, back) = server.get(&format!("{base}/diff?from={head}&to={seed_id}")).await;
    assert_eq!(back["counts"]["removed"], diff["counts"]["added"]);

    // Restored: the files, the folder and the history say so; nothing is lost.
    let folder = data.path().join("workspaces").join(&id);
    let wanted = all[0]["id"].as_str().unwrap();
    let restore = async |checkpoint: &str| {
        let (status, answer) =
            server.post(&format!("{base}/{checkpoint}/restore"), &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let answer = restore(wanted).await;
    assert_eq!((&answer["restored"], &answer["folder_kept"]), (&json!(true), &json!([])));
    let (_, file) = server.get(&format!("/api/workspace/{id}/file?path=README.md")).await;
    let original = file["content"].as_str().unwrap().to_owned();
    assert_ne!(original, "mine\n");
    assert_eq!(std::fs::read_to_string(folder.join("README.md")).unwrap(), original);
    let after = checkpoints(&server, &id).await;
    assert_eq!(after.len(), all.len() + 2);
    assert_eq!(after[0], answer["checkpoint"]);
    // Twice is once.
    let again = restore(wanted).await;
    assert_eq!((&again["restored"], &again["checkpoint"]), (&json!(false), &after[0]));
    assert_eq!(checkpoints(&server, &id).await.len(), after.len());
    // Undo is a restore too.
    restore(head).await;
    assert_eq!(std::fs::read_to_string(folder.join("README.md")).unwrap(), "mine\n");
    // Also far back, where files go away, and forth again.
    restore(seed_id).await;
    assert!(!folder.join("contracts.md").exists());
    restore(head).await;
    assert!(folder.join("contracts.md").exists());
    assert_eq!(
        data.count("SELECT count(*) FROM events WHERE body LIKE '{\"type\":\"files_restored\"%'")
            .await,
        4
    );

    // A file that was changed in the folder itself is not overwritten, and the answer says so.
    std::fs::write(folder.join("README.md"), "by hand\n").unwrap();
    let answer = restore(wanted).await;
    assert_eq!(answer["folder_kept"], json!(["README.md"]));
    assert_eq!(std::fs::read_to_string(folder.join("README.md")).unwrap(), "by hand\n");

    // What is not there, or not this project's.
    let (_, other) = server.post("/api/projects", &json!({ "prompt": "a shop" })).await;
    let other = other["id"].as_str().unwrap();
    for (path, wanted, code) in [
        ("/api/projects/unknown-one/checkpoints".to_owned(), 404, "project_not_found"),
        (format!("/api/projects/{other}/checkpoints/{seed_id}"), 404, "checkpoint_not_found"),
        (format!("{base}/chk_00000000010000000000000002"), 404, "checkpoint_not_found"),
        (format!("{base}/run_00000000010000000000000002"), 400, "path_invalid"),
        (format!("{base}?limit=x"), 422, "query_invalid"),
        (format!("{base}/diff?from=x"), 422, "query_invalid"),
        (format!("/api/projects/{other}/checkpoints/diff"), 409, "project_busy"),
    ] {
        let (status, answer) = server.get(&path).await;
        assert_eq!((status, answer["code"].as_str().unwrap()), (wanted, code), "{path}: {answer}");
    }
    let (_, none) = server.get(&format!("/api/projects/{other}/checkpoints")).await;
    assert_eq!(none, json!({ "checkpoints": [], "next": null }));
}

#[tokio::test]
async fn files_are_not_restored_while_a_run_works_on_them() {
    let (data, id) = copy_of_built().await;
    let server = data.serve().await;
    let all = checkpoints(&server, &id).await;
    let seed = all.last().unwrap()["id"].as_str().unwrap();
    let (status, answer) = server
        .post(
            "/api/workspace/resume",
            &json!({ "project_id": id, "user_message": "add a due date to the books" }),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    let path = format!("/api/projects/{id}/checkpoints/{seed}/restore");
    let (status, answer) = server.post(&path, &json!({})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("project_busy")), "{answer}");
    let why = answer["detail"].as_str().unwrap();
    assert!(why.contains("run_") && why.contains("can be restored when"), "{why}");
    assert!(!checkpoints(&server, &id).await.iter().any(|one| one["author"] == "user"));
    server.wait_for(&id, "completed").await;
    assert_eq!(checkpoints(&server, &id).await[0]["step"], "refine");
    let (status, answer) = server.post(&path, &json!({})).await;
    assert_eq!((status, &answer["restored"]), (200, &json!(true)), "{answer}");
}

#[tokio::test]
async fn the_history_is_a_git_repository_with_one_commit_per_checkpoint() {
    let (data, id) = copy_of_built().await;
    let server = data.serve().await;
    // A user's file, a restore of the same state, and a name that git does not take.
    put_file(&server, &id, "notes/été.txt", "une note\n").await;
    put_file(&server, &id, "notes/.git/config", "[core]\n").await;
    let all = checkpoints(&server, &id).await;
    let back = all[1]["id"].as_str().unwrap();
    let path = format!("/api/projects/{id}/checkpoints/{back}/restore");
    assert_eq!(server.post(&path, &json!({})).await.0, 200);
    let all = checkpoints(&server, &id).await;

    let out = tempfile::tempdir().unwrap();
    let export = async |name: &str, more: &[&str]| {
        let folder = out.path().join(name);
        let args = ["checkpoints", "export", "--json", &id, "--out", folder.to_str().unwrap()];
        let args: Vec<&str> = args.iter().chain(more).copied().collect();
        let output = data.run(&args).await;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let value: Value = serde_json::from_str(&stdout)
            .unwrap_or_else(|_| panic!("{stdout}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.success(), value, folder)
    };
    let (ok, exported, work) = export("work", &[]).await;
    assert!(ok, "{exported}");
    assert_eq!(exported["commits"], all.len());
    assert_eq!(exported["left_out"], json!(["notes/.git/config"]));
    let head = exported["head"].as_str().unwrap();

    git(&work, &["fsck", "--strict", "--no-dangling", "--no-progress"]);
    assert_eq!(git(&work, &["rev-parse", "HEAD"]).trim(), head);
    assert_eq!(git(&work, &["symbolic-ref", "HEAD"]).trim(), "refs/heads/main");
    assert_eq!(git(&work, &["status", "--porcelain"]), "", "the working tree is the head");
    // Newest first, one for one.
    let log = git(&work, &["log", "--format=%an|%at|%s|%(trailers:key=Checkpoint,valueonly)"]);
    let commits: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(commits.len(), all.len(), "{log}");
    for (commit, checkpoint) in commits.iter().zip(&all) {
        let mut parts = commit.split('|');
        assert_eq!(parts.next().unwrap(), checkpoint["performer"].as_str().unwrap());
        let second: jiff::Timestamp = checkpoint["created_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(parts.next().unwrap(), second.as_second().to_string());
        let title = checkpoint["note"].as_str().unwrap().lines().next().unwrap();
        assert_eq!(parts.next().unwrap(), title);
        assert_eq!(parts.next().unwrap(), checkpoint["id"].as_str().unwrap());
    }
    // The files of every commit are those of its checkpoint.
    let base = format!("/api/projects/{id}/checkpoints");
    for (commit, checkpoint) in git(&work, &["rev-list", "HEAD"]).lines().zip(&all) {
        let (_, shown) =
            server.get(&format!("{base}/{}", checkpoint["id"].as_str().unwrap())).await;
        let files = shown["files"].as_array().unwrap().iter();
        let mut wanted: Vec<String> = files
            .filter(|file| !file["path"].as_str().unwrap().contains(".git/"))
            .map(|file| {
                let mode = if file["executable"] == true { "100755" } else { "100644" };
                format!("{mode} {} {}", file["size"], file["path"].as_str().unwrap())
            })
            .collect();
        let format = "--format=%(objectmode) %(objectsize) %(path)";
        let listed = git(&work, &["-c", "core.quotePath=false", "ls-tree", "-r", format, commit]);
        let mut listed: Vec<String> = listed.lines().map(ToOwned::to_owned).collect();
        wanted.sort();
        listed.sort();
        assert_eq!(listed, wanted);
    }

    // The same history, the same commits: bare, and as one file over HTTP.
    let (_, bare, folder) = export("bare.git", &["--bare"]).await;
    assert_eq!(bare["head"], head);
    git(&folder, &["fsck", "--strict", "--no-progress"]);
    assert_eq!(git(&folder, &["rev-parse", "--is-bare-repository"]).trim(), "true");
    let answer = server.client.get(format!("{}{base}/export", server.url)).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-git-bundle");
    let bundle = out.path().join("history.bundle");
    std::fs::write(&bundle, answer.bytes().await.unwrap()).unwrap();
    git(out.path(), &["clone", "-q", bundle.to_str().unwrap(), "cloned"]);
    let cloned = out.path().join("cloned");
    git(&cloned, &["fsck", "--strict", "--no-progress"]);
    assert_eq!(git(&cloned, &["rev-parse", "HEAD"]).trim(), head);
    let without_git = |folder: &Path| {
        let mut files = files_of(folder);
        files.retain(|(name, _)| !name.starts_with(".git/"));
        files
    };
    assert_eq!(without_git(&cloned), without_git(&work));

    // A folder with something in it is left as it is.
    std::fs::write(out.path().join("cloned/mine.txt"), "mine").unwrap();
    let before = files_of(&cloned);
    let (ok, refused, _) = export("cloned", &[]).await;
    assert!(!ok && refused["error"].as_str().unwrap().contains("not empty"), "{refused}");
    assert_eq!(files_of(&cloned), before);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 4, "nothing is left over");
}

#[tokio::test]
async fn the_command_line_does_the_same_beside_a_running_host() {
    let (data, id) = copy_of_built().await;
    let server = data.serve().await;
    let json = async |args: &[&str]| -> (bool, Value) {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let output = data.run(&args).await;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = serde_json::from_str(&stdout)
            .unwrap_or_else(|_| panic!("{stdout}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.success(), value)
    };
    let (_, listed) = json(&["checkpoints", "list", &id, "--limit", "500"]).await;
    assert_eq!(listed["checkpoints"].as_array().unwrap(), &checkpoints(&server, &id).await);
    let seed = listed["checkpoints"].as_array().unwrap().last().unwrap().clone();
    let seed_id = seed["id"].as_str().unwrap();
    let (_, shown) = json(&["checkpoints", "show", &id, seed_id]).await;
    let (_, over_http) = server.get(&format!("/api/projects/{id}/checkpoints/{seed_id}")).await;
    assert_eq!(shown, over_http);
    let (_, diff) = json(&["checkpoints", "diff", &id, seed_id]).await;
    assert!(diff["counts"]["added"].as_u64().unwrap() > 5, "{}", diff["counts"]);

    // The host sees what the command line did.
    let (ok, restored) = json(&["checkpoints", "restore", &id, seed_id]).await;
    assert!(ok && restored["restored"] == true, "{restored}");
    assert_eq!(checkpoints(&server, &id).await[0], restored["checkpoint"]);
    let (_, tree) = server.get(&format!("/api/workspace/{id}/files")).await;
    assert!(!tree.to_string().contains("contracts.md"), "{tree}");

    // For a person.
    let text = async |args: &[&str]| {
        let output = data.run(args).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = text(&["checkpoints", "list", &id, "--limit", "2"]).await;
    assert!(list.contains("user") && list.contains("older ones: --cursor"), "{list}");
    let diff = text(&["checkpoints", "diff", &id]).await;
    assert!(diff.contains("+++ /dev/null") && diff.contains(" files differ ("), "{diff}");
    let show = text(&["checkpoints", "show", &id, "--file", "backend/app/main.py"]).await;
    assert!(show.contains("FastAPI"), "{show}");
    let compared = text(&["compare", &id, &id]).await;
    assert!(compared.contains("backend_implementation") && compared.contains("files:"));

    // What cannot be done is said, to a person and to a program.
    let (ok, refused) = json(&["checkpoints", "list", "unknown-one"]).await;
    assert!(!ok && refused["error"].as_str().unwrap().contains("unknown-one"), "{refused}");
    let (ok, refused) = json(&["fork", &id, "--step", "baking"]).await;
    let why = refused["error"].as_str().unwrap();
    assert!(!ok && why.contains("`baking`") && why.contains("`contracts`"), "{refused}");
    let output = data.run(&["checkpoints", "restore", &id, "run_1"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("chk"), "{said}");
}

#[tokio::test]
async fn a_fork_pays_only_for_what_it_does_again_and_can_be_compared() {
    let (data, id) = copy_of_built().await;
    let server = data.serve().await;
    let calls_of = async |project: &str| {
        let (_, costs) = server.get(&format!("/api/tracking/{project}/costs")).await;
        let steps = costs["by_step"].as_object().unwrap().clone();
        steps.into_iter().map(|(step, of)| (step, of["calls"].clone())).collect::<Vec<_>>()
    };
    let before = (calls_of(&id).await, checkpoints(&server, &id).await);
    let (status, forked) = server
        .post(
            &format!("/api/projects/{id}/fork"),
            &json!({ "step": "backend_implementation", "name": "Second try" }),
        )
        .await;
    assert_eq!(status, 200, "{forked}");
    let fork = forked["project"]["id"].as_str().unwrap();
    assert_eq!(fork, "second-try");
    assert_eq!(forked["project"]["name"], "Second try");
    assert_eq!(forked["project"]["description"], REQUEST);
    let origin = &forked["project"]["forkedFrom"];
    assert_eq!(origin["project"], id);
    assert_eq!(origin["step"], "backend_implementation");
    let taken: Vec<&str> =
        forked["takenOver"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    for step in ["analysis", "architecture", "frontend_mock", "contracts"] {
        assert!(taken.contains(&step), "{taken:?}");
    }
    assert!(!taken.contains(&"backend_implementation") && !taken.contains(&"testing_backend"));
    server.wait_for(fork, "completed").await;

    // It began with the files as they were then, and paid for what came after.
    let states = checkpoints(&server, fork).await;
    let first = states.last().unwrap();
    assert_eq!((&first["author"], &first["parent"]), (&json!("seed"), &Value::Null));
    assert!(first["note"].as_str().unwrap().starts_with(&format!("Forked from {id} before")));
    let (_, files) = server
        .get(&format!("/api/projects/{fork}/checkpoints/{}", first["id"].as_str().unwrap()))
        .await;
    let has =
        |path: &str| files["files"].as_array().unwrap().iter().any(|file| file["path"] == path);
    assert!(has("contracts.md") && !has("backend/app/models.py"));
    let paid = calls_of(fork).await;
    assert!(paid.iter().any(|(step, _)| step == "backend_implementation"), "{paid:?}");
    assert!(!paid.iter().any(|(step, _)| taken.contains(&step.as_str())), "{paid:?}");
    // The source is as it was.
    assert_eq!((calls_of(&id).await, checkpoints(&server, &id).await), before);

    // The same model and request: the same application.
    let (_, compared) = server.get(&format!("/api/projects/{id}/compare/{fork}")).await;
    assert_eq!(compared["files"]["differing"], json!([]), "{compared}");
    assert!(compared["files"]["same"].as_u64().unwrap() > 30);
    assert_eq!(compared["other_plugins"], json!([]));
    for side in ["a", "b"] {
        let run = &compared[side]["run"];
        assert_eq!((&run["status"], &run["accepted"]), (&json!("completed"), &json!(true)));
        assert!(run["tests"]["backend"]["passed"].as_u64().unwrap() > 0, "{run}");
    }
    assert_eq!(compared["a"]["run"]["id"], origin["run"]);
    let step = |name: &str| {
        let steps = compared["steps"].as_array().unwrap();
        steps.iter().find(|pair| pair["step"] == name).unwrap().clone()
    };
    let analysis = step("analysis");
    assert_eq!(
        (&analysis["a"]["taken_over"], &analysis["b"]["taken_over"]),
        (&json!(false), &json!(true))
    );
    assert!(analysis["a"]["usage"]["calls"].as_u64().unwrap() > 0);
    assert_eq!(analysis["b"]["usage"]["calls"], 0);
    let redone = step("backend_implementation");
    assert_eq!(redone["a"]["usage"], redone["b"]["usage"]);
    assert!(redone["b"]["usage"]["calls"].as_u64().unwrap() > 0);

    // What cannot be forked, and why.
    let ask = async |project: &str, body: Value| {
        let (status, answer) = server.post(&format!("/api/projects/{project}/fork"), &body).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned(), answer)
    };
    let (status, code, _) = ask(&id, json!({ "step": "baking" })).await;
    assert_eq!((status, code.as_str()), (404, "step_not_found"));
    let (status, code, answer) = ask(fork, json!({ "step": "analysis" })).await;
    assert_eq!((status, code.as_str()), (409, "cannot_fork"));
    assert!(answer["detail"].as_str().unwrap().contains(&id), "{answer}");
    let missing = json!({ "step": "analysis", "run": "run_00000000010000000000000002" });
    assert_eq!(ask(&id, missing).await.0, 404);
    let unusable = json!({ "step": "analysis", "provider": "openai" });
    assert_eq!(ask(&id, unusable).await.1, "provider_unusable");
    let empty = json!({ "step": "analysis", "prompt": " " });
    assert_eq!(ask(&id, empty).await.1, "request_unusable");
    let (_, projects) = server.get("/api/projects").await;
    assert_eq!(projects.as_array().unwrap().len(), 2, "nothing half made: {projects}");
}

#[tokio::test]
async fn a_fork_from_the_first_step_follows_another_request_in_the_terminal() {
    let (data, id) = copy_of_built().await;
    let prompt = "a garage with cars and repairs";
    let output = data.run(&["fork", &id, "--step", "analysis", "--prompt", prompt, "--json"]).await;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let forked: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(forked["taken_over"], json!([]));
    assert_eq!(forked["summary"]["status"], "completed", "{forked}");
    let entities = forked["summary"]["entities"].to_string().to_lowercase();
    assert!(entities.contains("car") && !entities.contains("book"), "{entities}");
    let fork = forked["project"].as_str().unwrap();
    let output = data.run(&["compare", &id, fork, "--json"]).await;
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(compared["b"]["run"]["request"], prompt);
    assert_eq!(compared["b"]["forked_from"]["project"], id);
    assert!(compared["files"]["changed"].as_u64().unwrap() > 0);
}
