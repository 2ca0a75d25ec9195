//! The audits' findings, from outside. More of them are shown where their rule lives:
//! `host/core` (budget arithmetic, transitions, paths), `host/workspace` (atomic scaffolding,
//! links), `host/store` (transitions in the database), `plugins/sdk` (pre-flight before review).

use serde_json::json;

use crate::host::Data;

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
