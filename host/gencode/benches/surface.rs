//! What the surface costs, with the real binary:
//!
//! - *projects*: `GET /api/projects` with 1,000 projects, beside a plain route of axum and sqlx that
//!   returns the same bytes from the same database;
//! - *sockets*: how long `/healthz` takes while 2,000 sockets listen and 50 projects are built, what
//!   memory the host takes, and whether a socket misses an event.
//!
//! `--check` fails when a target is missed.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark may fail loudly, and is told who it is by its environment"
)]

use std::{
    path::Path,
    process::{ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, routing::get};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sqlx::{Row as _, SqlitePool};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

/// Least share of the plain route's rate.
const SHARE: f64 = 0.6;
/// Most that 95 of 100 answers of `/healthz` may take.
const P95: Duration = Duration::from_millis(50);
/// Most memory the host may take with all sockets, in MiB.
const MEMORY: usize = 1024;

const PROJECTS: usize = 1000;
const ROUNDS: usize = 5;
const ASKS: usize = 60;
const SIDE_BY_SIDE: usize = 4;
const SOCKETS: usize = 2000;
const RUNS: usize = 50;

/// With this variable the benchmark is the plain server on that database.
const PLAIN: &str = "GENCODE_BENCH_PLAIN";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    if let Ok(database) = std::env::var(PLAIN) {
        return plain(&database).await;
    }
    let check = std::env::args().any(|argument| argument == "--check");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fine = projects().await & sockets().await;
    if check && !fine { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A server in a process of its own.
struct Server {
    url: String,
    child: Child,
    _log: JoinSet<()>,
}

async fn start(mut command: Command) -> Server {
    let mut child = command
        .env("RATE_LIMIT", "off")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let url = loop {
        let line = lines.next_line().await.unwrap().expect("the server says its address");
        if let Some((_, rest)) = line.split_once(" serves ") {
            break rest.split(' ').next().unwrap().to_owned();
        }
    };
    let log =
        JoinSet::from_iter([async move { while let Ok(Some(_)) = lines.next_line().await {} }]);
    Server { url, child, _log: log }
}

async fn host(data: &Path) -> Server {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gencode"));
    command
        .arg("--data-dir")
        .arg(data)
        .arg("--plugins")
        .arg(plugins)
        .args(["serve", "--port", "0"]);
    // Without programs a run takes a second: steps that need one are skipped.
    command
        .env("PATH", "/nonexistent")
        .env_remove("DATABASE_URL")
        .env_remove("DEFAULT_LLM_PROVIDER");
    start(command).await
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn post(url: String, body: Value) -> Value {
    let request = client().post(url).header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap().json().await.unwrap()
}

// --- The list of projects -----------------------------------------------------------------------

async fn projects() -> bool {
    let data = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let host = host(data.path()).await;
    for n in 0..PROJECTS {
        let prompt = json!({ "prompt": format!("shop {n} with orders, customers and products") });
        post(format!("{}/api/projects", host.url), prompt).await;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(PLAIN, data.path().join("gencode.db"));
    let plain = start(command).await;
    let bytes = |url: &str| {
        let request = client().get(format!("{url}/api/projects")).send();
        async move { request.await.unwrap().bytes().await.unwrap() }
    };
    assert_eq!(bytes(&host.url).await, bytes(&plain.url).await, "both answer the same");
    let (mut ours, mut theirs) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        theirs = theirs.max(rate(&plain.url).await);
        ours = ours.max(rate(&host.url).await);
    }
    let ratio = ours / theirs;
    println!(
        "projects: {ours:6.0} lists of {PROJECTS} a second, plain route {theirs:6.0}, ratio {ratio:.2} (at least {SHARE})"
    );
    ratio >= SHARE
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
async fn rate(url: &str) -> f64 {
    let begin = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..SIDE_BY_SIDE {
        let (client, url) = (client(), format!("{url}/api/projects"));
        asking.spawn(async move {
            for _ in 0..ASKS {
                client.get(&url).send().await.unwrap().bytes().await.unwrap();
            }
        });
    }
    asking.join_all().await;
    (SIDE_BY_SIDE * ASKS) as f64 / begin.elapsed().as_secs_f64()
}

/// What one would write by hand: a query, a list, JSON.
async fn plain(database: &str) -> ExitCode {
    let pool = SqlitePool::connect(&format!("sqlite://{database}")).await.unwrap();
    let router = Router::new().route("/api/projects", get(list)).with_state(pool);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln_address(&listener);
    axum::serve(listener, router).await.unwrap();
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "as the host does")]
fn eprintln_address(listener: &tokio::net::TcpListener) {
    eprintln!("plain serves http://{} now", listener.local_addr().unwrap());
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    name: String,
    description: String,
    path: String,
    image_url: String,
    last_modified: String,
    created_at: String,
    status: String,
    provider: Option<String>,
    model: Option<String>,
    forked_from: Option<String>,
}

async fn list(State(pool): State<SqlitePool>) -> Json<Vec<Listed>> {
    let query = "SELECT * FROM projects ORDER BY created_at DESC, id DESC LIMIT 1000";
    let rows = sqlx::query(query).fetch_all(&pool).await.unwrap();
    let listed = rows
        .iter()
        .map(|row| {
            let (id, name): (String, String) = (row.get("id"), row.get("name"));
            let modified: String = row.get("modified_at");
            Listed {
                path: id.clone(),
                id,
                image_url: image(&name),
                name,
                description: row.get("description"),
                last_modified: format!("{} {}", &modified[..10], &modified[11..16]),
                created_at: row.get("created_at"),
                status: row.get("status"),
                provider: row.get("provider"),
                model: row.get("model"),
                forked_from: None,
            }
        })
        .collect();
    Json(listed)
}

fn image(name: &str) -> String {
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='600' height='400'><rect width='600' height='400' fill='#1a1a2e'/>\
         <text x='300' y='210' fill='#9333ea' font-family='sans-serif' font-size='32' text-anchor='middle'>{name}</text></svg>"
    );
    let mut url = String::from("data:image/svg+xml,");
    for byte in svg.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

// --- Sockets ------------------------------------------------------------------------------------

async fn sockets() -> bool {
    let data = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let host = host(data.path()).await;
    let mut ids = Vec::new();
    for n in 0..RUNS {
        let prompt = json!({ "prompt": format!("club {n} with members and events") });
        let project = post(format!("{}/api/projects", host.url), prompt).await;
        ids.push(project["id"].as_str().unwrap().to_owned());
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let mut listening = JoinSet::new();
    for n in 0..SOCKETS {
        let url = format!("{}/ws/{}?after=0", host.url.replace("http:", "ws:"), ids[n % RUNS]);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let ended = Arc::clone(&ended);
        listening.spawn(async move {
            let mut seen = Vec::new();
            while let Some(Ok(frame)) = socket.next().await {
                let Ok(text) = frame.to_text() else { continue };
                let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
                seen.push(message["seq"].as_u64().unwrap());
                if message["type"] == "WORKFLOW_COMPLETE" {
                    break;
                }
                assert_ne!(message["type"], "WORKFLOW_FAILED", "{message}");
            }
            ended.fetch_add(1, Ordering::Relaxed);
            (n % RUNS, seen)
        });
    }
    for id in &ids {
        let path = format!("{}/api/workspace/{id}/generate/backend", host.url);
        post(path, json!({ "description": "x" })).await;
    }
    let client = client();
    let (mut times, mut most) = (Vec::new(), 0);
    while ended.load(Ordering::Relaxed) < SOCKETS {
        let begin = Instant::now();
        let health = client.get(format!("{}/healthz", host.url)).send().await.unwrap();
        assert!(health.status().is_success());
        times.push(begin.elapsed());
        most = most.max(memory(&host.child));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut of_project: Vec<Option<Vec<u64>>> = vec![None; RUNS];
    let mut differ = 0;
    while let Some(joined) = listening.join_next().await {
        let (project, seen) = joined.unwrap();
        match &of_project[project] {
            Some(first) if *first != seen => differ += 1,
            Some(_) => {}
            None => of_project[project] = Some(seen),
        }
    }
    times.sort();
    let p95 = times[times.len() * 95 / 100];
    println!(
        "sockets:  {SOCKETS} listen, {RUNS} projects are built: /healthz p95 {p95:?} of {} (at most {P95:?}), \
         host takes at most {most} MiB (at most {MEMORY}), {differ} sockets missed an event (0)",
        times.len()
    );
    p95 <= P95 && most <= MEMORY && differ == 0
}

/// What a process takes, in MiB.
fn memory(child: &Child) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap_or(0) / 1024
}
