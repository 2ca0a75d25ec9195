//! The audits' findings, from outside. More of them are shown where their rule lives:
//! `host/core` (budget arithmetic, transitions, paths), `host/workspace` (atomic scaffolding,
//! links), `host/store` (transitions in the database), `plugins/sdk` (pre-flight before review).

use std::path::Path;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    control::{REQUEST, id_of, world},
    host::{Data, RUN, files_of, repo},
};

#[tokio::test]
async fn audit_atomic_start_of_many_simultaneous_starts_one_runs() {
    let data = Data::new();
    let server = data.serve().await;
    let (_, project) = server.post("/api/projects", &json!({ "prompt": "a todo list" })).await;
    let id = project["id"].as_str().unwrap();
    let path = format!("/api/workspace/{id}/generate/backend");
    let body = json!({ "description": "a todo list" });
    let starts = futures_util::future::join_all((0..50).map(|_| server.post(&path, &body))).await;
    let started = starts
        .iter()
        .inspect(|(status, answer)| assert_eq!(*status, 200, "{answer}"))
        .filter(|(_, answer)| answer["already_running"] != true)
        .count();
    assert_eq!(started, 1);
    assert_eq!(data.count("SELECT count(*) FROM runs").await, 1);
}

#[tokio::test]
async fn audit_valid_001_a_state_that_is_no_state_cannot_be_stored() {
    use sqlx::Connection as _;
    let data = Data::new();
    let server = data.serve().await;
    let (_, project) = server.post("/api/projects", &json!({ "prompt": "a todo list" })).await;
    assert_eq!(project["status"], "created");
    server.kill().await;
    let url = format!("sqlite://{}", data.path().join("gencode.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for (sql, why) in [
        ("UPDATE projects SET status = 'done'", "not a state"),
        ("UPDATE projects SET status = 'completed'", "not reachable from `created`"),
    ] {
        let changed = sqlx::query(sql).execute(&mut connection).await;
        assert!(changed.is_err(), "{why}: {sql}");
    }
}

#[tokio::test]
async fn audit_atomic_001_a_project_is_scaffolded_whole_and_nothing_of_the_users_is_deleted() {
    let data = Data::new();
    // Something of the user's is where the project will be.
    let theirs = data.path().join("workspaces/todo");
    std::fs::create_dir_all(&theirs).unwrap();
    std::fs::write(theirs.join("mine.txt"), "do not touch").unwrap();
    let (output, summary) = data.new_json("todo", &[]).await;
    assert!(!output.status.success(), "{summary}");
    assert!(summary["reason"].as_str().unwrap().contains("has files already"), "{summary}");
    assert_eq!(std::fs::read_to_string(theirs.join("mine.txt")).unwrap(), "do not touch");
    let names: Vec<_> =
        std::fs::read_dir(&theirs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mine.txt"], "no half of a project beside it");
}

#[tokio::test]
async fn audit_path_traversal_no_id_or_path_leads_out_of_a_project() {
    let data = Data::new();
    std::fs::write(data.path().join("secret.txt"), "secret").unwrap();
    let server = data.serve().await;
    let id = server.start("a todo list").await;
    server.wait_for(&id, "building").await;
    for path in [
        "../../secret.txt",
        "..%2f..%2fsecret.txt",
        "%2e%2e/%2e%2e/secret.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "backend/../../../secret.txt",
        "..%5c..%5csecret.txt",
        "a%00b",
        "C:%5cwindows",
        "....//secret.txt",
        "backend//app",
        "./backend",
        "nul",
        "backend/con.py",
    ] {
        let url = format!("/api/workspace/{id}/file?path={path}");
        let (status, answer) = server.get(&url).await;
        assert!((400..500).contains(&status), "{path}: {status} {answer}");
        assert!(!answer.to_string().contains("secret\""), "{path}: {answer}");
        assert!(!answer.to_string().contains(data.path().to_str().unwrap()), "{path}: {answer}");
        let body = json!({ "path": path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\").replace("%00", "\0"), "content": "x" });
        let put = server
            .client
            .put(format!("{}/api/workspace/{id}/file", server.url))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        assert!(put.status().is_client_error(), "{path}: {}", put.status());
    }
    for bad in
        ["..", "%2e%2e", ".%2e", "a.b", "a%2fb", "a%5cb", "a%00", "%20", "ü", &"x".repeat(101)]
    {
        for route in [
            "/api/projects/{}",
            "/api/workspace/{}/files",
            "/api/tracking/{}/costs",
            "/api/sandbox/{}/preview",
        ] {
            let (status, answer) = server.get(&route.replace("{}", bad)).await;
            assert!(status == 400 || status == 404, "{route} {bad}: {status} {answer}");
        }
    }
    assert_eq!(std::fs::read_to_string(data.path().join("secret.txt")).unwrap(), "secret");
}

#[tokio::test]
async fn audit_async_001_the_host_answers_quickly_while_runs_work_on_files() {
    let data = Data::new();
    let server = data.serve().await;
    let mut ids = Vec::new();
    for request in ["a shop", "a gym", "a clinic"] {
        ids.push(server.start(request).await);
    }
    // Blocking file work on the runtime's threads (two here) would stop these for seconds.
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..100 {
        let asked = std::time::Instant::now();
        let (status, _) = server.get("/healthz").await;
        assert_eq!(status, 200);
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(slowest < std::time::Duration::from_secs(5), "{slowest:?}");
    for id in ids {
        server.wait_for(&id, "completed").await;
    }
}

#[tokio::test]
async fn audit_connections_that_come_and_go_disturb_no_other() {
    let (data, _gate) = world().await;
    let server = data.serve().await;
    let (_, project) = server.post("/api/projects", &json!({ "prompt": REQUEST })).await;
    let id = project["id"].as_str().unwrap().to_owned();
    let mut staying = Vec::new();
    let mut leaving = Vec::new();
    for n in 0..20 {
        let url = format!("{}/ws/{id}?after=0", server.url.replace("http://", "ws://"));
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        if n % 2 == 0 { staying.push(socket) } else { leaving.push(socket) }
    }
    let path = format!("/api/workspace/{id}/generate/backend");
    assert_eq!(server.post(&path, &json!({ "description": "x" })).await.0, 200);
    let mut all = Vec::new();
    for mut socket in staying {
        // Without a farewell, in the middle of what is being sent.
        drop(leaving.pop());
        let mut seen = Vec::new();
        loop {
            let frame = tokio::time::timeout(RUN, socket.next()).await.unwrap().unwrap().unwrap();
            let Ok(text) = frame.to_text() else { continue };
            let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
            seen.push(message["seq"].as_u64().unwrap());
            if message["type"] == "WORKFLOW_COMPLETE" {
                break;
            }
        }
        all.push(seen);
    }
    assert!(all.iter().all(|seen| *seen == all[0] && seen.is_sorted()), "{all:?}");
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

#[test]
fn audit_dep_001_what_is_built_is_what_the_lock_file_says() {
    let locked = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--quiet"])
        .current_dir(repo())
        .output()
        .unwrap();
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    // Generated applications too: what they name has exactly one version.
    let backend = repo().join("templates/apps/fastapi-react/seed/backend");
    let read = |name: &str| std::fs::read_to_string(backend.join(name)).unwrap();
    let lock = read("requirements.lock");
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let named = read("requirements.txt");
    let named =
        named.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for name in named.map(|line| line.split('[').next().unwrap()) {
        let pinned = lock
            .lines()
            .filter(|line| line.split_once("==").is_some_and(|(of, _)| plain(of) == plain(name)));
        assert_eq!(pinned.count(), 1, "{name}");
    }
}

#[tokio::test]
async fn audit_state_002_what_is_served_is_known_after_a_restart() {
    let data = Data::new();
    let server = data.serve().await;
    let id = server.start("a todo list").await;
    server.wait_for(&id, "completed").await;
    let (_, before) = server.get(&format!("/api/deployment/status/{id}")).await;
    assert_eq!(before["status"], "active", "{before}");
    server.kill().await;

    let server = data.serve().await;
    let (_, known) = server.get(&format!("/api/sandbox/{id}/status")).await;
    assert_eq!((&known["success"], &known["status"]), (&json!(true), &json!("created")), "{known}");
    let (status, restarted) =
        server.post(&format!("/api/deployment/restart/{id}"), &json!({})).await;
    assert_eq!(status, 200, "{restarted}");
    let (_, after) = server.get(&format!("/api/deployment/status/{id}")).await;
    assert_eq!(after["status"], "active", "{after}");
    let page = server.client.get(after["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let (_, logs) = server.get(&format!("/api/deployment/logs/{id}")).await;
    assert!(logs["deploymentLogs"].as_str().unwrap().contains("is served at"), "{logs}");
}

#[test]
fn audit_test_001_every_part_of_the_host_has_tests_of_its_own() {
    let tests_in = |folder: &str| {
        let all = files_of(&repo().join(folder));
        all.iter()
            .filter(|(path, _)| is_rust(path))
            .map(|(_, text)| {
                String::from_utf8_lossy(text).matches("#[test]").count()
                    + String::from_utf8_lossy(text).matches("#[tokio::test").count()
            })
            .sum::<usize>()
    };
    for part in
        ["core", "store", "workspace", "runtime", "llm", "sandbox", "engine", "api", "gencode"]
    {
        let found = tests_in(&format!("host/{part}/src"));
        assert!(found >= 3, "host/{part} has {found} tests");
    }
    assert!(tests_in("tests") >= 80, "{}", tests_in("tests"));
}

#[tokio::test]
async fn audit_sec_001_a_key_is_kept_and_shown_nowhere() {
    const KEY: &str = "sk-audit-0123456789abcdef";
    let (mut data, gate) = world().await;
    data.env.push(("OPENAI_COMPATIBLE_API_KEY".to_owned(), KEY.to_owned()));
    let server = data.serve().await;
    let id = server.start(REQUEST).await;
    server.wait_for(&id, "completed").await;
    assert!(!gate.visits().is_empty(), "the provider was asked");
    let run = id_of(&server.run_of(&id).await);
    for path in [
        "/api/providers".to_owned(),
        "/api/v1/settings".to_owned(),
        "/metrics".to_owned(),
        format!("/api/v1/runs/{run}"),
        format!("/api/v1/runs/{run}/journal?step=analysis"),
        format!("/api/v1/projects/{id}/events?limit=1000"),
    ] {
        let answer = server.client.get(format!("{}{path}", server.url)).send().await.unwrap();
        assert!(!answer.text().await.unwrap().contains(KEY), "{path}");
    }
    server.kill().await;
    let mut kept = files_of(&data.path().join("workspaces"));
    kept.extend(files_of(&data.path().join("blobs")));
    for name in ["gencode.db", "gencode.db-wal"] {
        let bytes = std::fs::read(data.path().join(name)).unwrap_or_default();
        kept.push((name.to_owned(), bytes));
    }
    assert!(kept.len() > 20, "{}", kept.len());
    for (path, bytes) in kept {
        assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{path}");
    }
    let shown = data.run(&["config", "show"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(!shown.contains(KEY) && shown.contains("(set)"), "{shown}");
}

#[test]
fn audit_logic_001_no_lock_is_held_while_something_is_awaited() {
    let lints = std::fs::read_to_string(repo().join("Cargo.toml")).unwrap();
    assert!(lints.contains("await_holding_lock = \"deny\""), "clippy refuses it");
    for (path, text) in files_of(&repo().join("host")) {
        let text = String::from_utf8_lossy(&text);
        assert!(!is_rust(&path) || !text.contains("(clippy::await_holding_lock"), "{path}");
    }
}

#[tokio::test]
async fn audit_perf_001_the_list_of_projects_is_one_indexed_query() {
    use sqlx::{Connection as _, Row as _};
    let data = Data::new();
    data.serve().await.kill().await;
    let url = format!("sqlite://{}", data.path().join("gencode.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    // As in host/store/src/projects.rs.
    let list = "SELECT * FROM projects WHERE (created_at, id) < ($1, $2) \
                ORDER BY created_at DESC, id DESC LIMIT $3";
    let source = std::fs::read_to_string(repo().join("host/store/src/projects.rs")).unwrap();
    assert!(source.contains("WHERE (created_at, id) < ($1, $2)"), "the store asks so");
    let plan: Vec<String> = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {list}")))
        .bind("~")
        .bind("~")
        .bind(50)
        .fetch_all(&mut connection)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get::<String, _>("detail"))
        .collect();
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("USING INDEX projects_newest"), "{plan:?}");
}
