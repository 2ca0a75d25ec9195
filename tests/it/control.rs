//! Steering runs: pausing, resuming, answering, stopping, resetting, repeating, waiting.

use std::time::Duration;

use gencode_core::id::RunId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    gate::Gate,
    host::{Data, RUN, SOON, Server},
    provider,
};

pub(crate) const REQUEST: &str = "a club with members, events and payments";

/// A data folder whose hosts pay the provider behind the gate. Without programs, so that a run
/// takes a second: steps that need one are skipped.
pub(crate) async fn world() -> (Data, Gate) {
    let gate = Gate::start().await;
    let mut data = Data::new();
    let prices = data.path().join("prices.toml");
    std::fs::write(&prices, provider::PRICES).unwrap();
    data.env = [
        ("DEFAULT_LLM_PROVIDER", "openai-compatible".to_owned()),
        ("DEFAULT_LLM_MODEL", provider::MODEL.to_owned()),
        ("OPENAI_COMPATIBLE_BASE_URL", gate.url.clone()),
        ("GENCODE_PRICES", prices.display().to_string()),
        ("PATH", "/nonexistent".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    (data, gate)
}

impl Server {
    /// The newest run of a project.
    pub(crate) async fn run_of(&self, project: &str) -> Value {
        let (status, runs) = self.get(&format!("/api/v1/projects/{project}/runs")).await;
        assert_eq!(status, 200, "{runs}");
        runs["runs"][0].clone()
    }

    pub(crate) async fn run(&self, run: &str) -> Value {
        let (status, view) = self.get(&format!("/api/v1/runs/{run}")).await;
        assert_eq!(status, 200, "{view}");
        view
    }

    async fn steer(&self, run: &str, what: &str) -> (u16, Value) {
        self.post(&format!("/api/v1/runs/{run}/{what}"), &json!({})).await
    }

    /// Waits until the run is in a state; returns how it is then.
    pub(crate) async fn until(&self, run: &str, wanted: &str) -> Value {
        let deadline = Instant::now() + RUN;
        loop {
            let view = self.run(run).await;
            let status = view["status"].as_str().unwrap().to_owned();
            if status == wanted {
                return view;
            }
            let ended = matches!(status.as_str(), "completed" | "failed" | "stopped");
            assert!(!ended, "the run is {status}, not {wanted}: {view}");
            assert!(Instant::now() < deadline, "still {status}, not {wanted}: {view}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A post with a key.
    async fn post_once(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

pub(crate) fn id_of(view: &Value) -> String {
    view["id"].as_str().unwrap().to_owned()
}

/// Every call was charged once, and the ledger says what the provider says.
async fn assert_paid_once(data: &Data, gate: &Gate) {
    let sales = gate.provider.sales();
    for (key, sale) in &sales {
        assert_eq!(sale.charged, 1, "{key}");
        assert!(key.starts_with("run_"), "a call without a key of ours: {key}");
    }
    let booked = data.count("SELECT count(*) FROM ledger").await;
    assert_eq!(booked, i64::try_from(sales.len()).unwrap());
    assert_eq!(data.count("SELECT count(*) FROM intents").await, 0, "nothing is left in doubt");
}

pub(crate) async fn until<F: AsyncFn() -> bool>(what: &str, is_so: F) {
    let deadline = Instant::now() + SOON;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_pause_loses_nothing_and_outlives_the_host() {
    let (data, gate) = world().await;
    gate.hold(Duration::from_millis(150));
    let server = data.serve().await;
    let project = server.start(REQUEST).await;
    let run = id_of(&server.run_of(&project).await);
    until("a call is under way", async || gate.visits().len() >= 2).await;
    let (status, receipt) = server.steer(&run, "pause").await;
    assert_eq!((status, &receipt["id"]), (200, &json!(run)), "{receipt}");
    let paused = server.until(&run, "paused").await;
    assert_eq!(paused["reason"], "Paused by the user.");
    assert_eq!(paused["request"], REQUEST);
    // The call that was under way was waited for, and recorded.
    assert_paid_once(&data, &gate).await;
    let calls = gate.visits().len();

    server.kill().await;
    let server = data.serve().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.run(&run).await["status"], "paused", "no host takes it up");
    assert_eq!(gate.visits().len(), calls);
    gate.hold(Duration::ZERO);
    let (status, receipt) = server.steer(&run, "resume").await;
    assert_eq!((status, &receipt["status"]), (200, &json!("running")), "{receipt}");
    server.until(&run, "completed").await;
    assert_paid_once(&data, &gate).await;
    let (status, error) = server.steer(&run, "pause").await;
    assert_eq!((status, &error["code"]), (409, &json!("project_busy")), "{error}");
}

#[tokio::test]
async fn a_stop_cancels_the_work_first_and_the_run_can_be_continued() {
    let (data, gate) = world().await;
    let server = data.serve().await;
    let project = server.start(REQUEST).await;
    let run = id_of(&server.run_of(&project).await);
    until("some work is done", async || {
        data.count("SELECT count(*) FROM steps WHERE status = 'completed'").await > 0
    })
    .await;
    gate.hold(Duration::from_hours(1));
    let seen = gate.visits().len();
    until("a call hangs", async || gate.visits().len() > seen).await;
    let start = Instant::now();
    let (status, receipt) = server.steer(&run, "cancel").await;
    assert_eq!((status, &receipt["status"]), (200, &json!("stopped")), "{receipt}");
    assert!(start.elapsed() < Duration::from_secs(3), "its owner did it: {:?}", start.elapsed());
    let view = server.run(&run).await;
    assert_eq!(view["unconfirmed"]["calls"], 1, "the call may have been charged: {view}");
    let (status, again) = server.steer(&run, "cancel").await;
    assert_eq!((status, &again["status"]), (200, &json!("stopped")), "{again}");

    gate.hold(Duration::ZERO);
    let paid = gate.provider.sales().len();
    let (status, receipt) = server.steer(&run, "retry").await;
    assert_eq!(status, 200, "{receipt}");
    let next = id_of(&receipt);
    assert_ne!(next, run);
    let (status, error) = server.steer(&run, "retry").await;
    assert_eq!((status, &error["code"]), (409, &json!("project_busy")), "{error}");
    let done = server.until(&next, "completed").await;
    let kept = done["steps"].as_array().unwrap().iter();
    let kept = kept.filter(|step| step["started_at"].as_str() < done["created_at"].as_str());
    assert!(kept.count() > 0, "what was committed was taken over: {done}");
    assert!(gate.provider.sales().len() > paid);
}

#[tokio::test]
async fn a_reset_frees_a_project_whose_host_hangs() {
    let (data, gate) = world().await;
    gate.hold(Duration::from_hours(1));
    let hung = data.serve().await;
    let project = hung.start(REQUEST).await;
    until("a call hangs", async || !gate.visits().is_empty()).await;
    let other = data.serve().await;
    hung.signal("-STOP");
    let start = Instant::now();
    let path = format!("/api/workspace/{project}/force-reset");
    let (status, answer) = other.post(&path, &json!({})).await;
    assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(other.get(&format!("/api/projects/{project}")).await.1["status"], "failed");
    assert_eq!(other.run_of(&project).await["status"], "stopped");

    gate.hold(Duration::ZERO);
    let events = data.count("SELECT count(*) FROM events").await;
    hung.signal("-CONT");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(data.count("SELECT count(*) FROM events").await, events, "the zombie says nothing");
    let body = json!({ "project_id": project, "user_message": "go on" });
    let (status, answer) = other.post("/api/workspace/resume", &body).await;
    assert_eq!((status, &answer["mode"]), (200, &json!("resume")), "{answer}");
    other.wait_for(&project, "completed").await;
}

#[tokio::test]
async fn a_provider_that_asks_to_wait_is_waited_for_over_a_restart() {
    let (data, gate) = world().await;
    gate.refuse(1, Duration::from_secs(6));
    let server = data.serve().await;
    let project = server.start(REQUEST).await;
    let run = id_of(&server.run_of(&project).await);
    let waiting = server.until(&run, "paused").await;
    assert!(waiting["resume_at"].is_string(), "{waiting}");
    assert!(waiting["reason"].as_str().unwrap().contains("limits the rate"), "{waiting}");
    assert_eq!(data.count("SELECT count(*) FROM runs WHERE host IS NULL").await, 1, "given back");
    let asked = gate.visits();
    assert_eq!(asked.len(), 1, "{asked:?}");
    server.kill().await;

    let server = data.serve().await;
    server.until(&run, "completed").await;
    let visits = gate.visits();
    assert!(visits[1].at - visits[0].at >= Duration::from_secs(6), "not before its time");
    assert!(visits[1].at - visits[0].at < Duration::from_secs(20), "and not long after");
    assert_eq!(visits[0].key, visits[1].key, "the same call");
    assert!(!visits[0].passed && visits[1].passed);
    assert_eq!(data.count("SELECT max(attempt) FROM steps").await, 1, "no try was spent on it");
    assert_paid_once(&data, &gate).await;
}

#[tokio::test]
async fn a_person_need_not_wait_for_the_provider() {
    let (data, gate) = world().await;
    gate.refuse(1, Duration::from_hours(1));
    let server = data.serve().await;
    let project = server.start(REQUEST).await;
    let run = id_of(&server.run_of(&project).await);
    server.until(&run, "paused").await;
    let (status, _) = server.steer(&run, "resume").await;
    assert_eq!(status, 200);
    server.until(&run, "completed").await;
}

#[tokio::test]
async fn a_call_that_a_crash_cut_off_is_made_again_under_its_key() {
    let (data, gate) = world().await;
    let server = data.serve().await;
    let project = server.start(REQUEST).await;
    until("some calls are done", async || gate.visits().len() >= 3).await;
    gate.hold(Duration::from_hours(1));
    let seen = gate.visits().len();
    until("a call hangs", async || gate.visits().len() > seen).await;
    let run = id_of(&server.run_of(&project).await);
    server.kill().await;
    assert!(data.count("SELECT count(*) FROM intents WHERE pending = 1").await >= 1);
    let cut_off = gate.visits().last().unwrap().key.clone();

    gate.hold(Duration::ZERO);
    let server = data.serve().await;
    let done = server.until(&run, "completed").await;
    let again = gate.visits().iter().filter(|visit| visit.key == cut_off).count();
    assert_eq!(again, 2, "made again, under the same key");
    // Whether the first try was charged nobody told us: it is no fact, and it is not forgotten.
    assert!(done["unconfirmed"]["calls"].as_u64().unwrap() >= 1, "{done}");
    let sales = gate.provider.sales();
    assert!(sales.values().all(|sale| sale.charged == 1));
    let booked = data.count("SELECT count(*) FROM ledger").await;
    assert_eq!(booked, i64::try_from(sales.len()).unwrap());
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let (data, gate) = world().await;
    gate.hold(Duration::from_millis(50));
    let server = data.serve().await;
    let body = json!({ "prompt": REQUEST });
    let makes = (0..20).map(|_| server.post_once("/api/projects", "make-1", &body));
    let made = futures_util::future::join_all(makes).await;
    assert_eq!(made[0].0, 200, "{}", made[0].1);
    let other = made.iter().find(|one| **one != made[0]);
    assert_eq!(other, None, "every repeat gets the same answer as {:?}", made[0]);
    assert_eq!(data.count("SELECT count(*) FROM projects").await, 1);
    let project = made[0].1["id"].as_str().unwrap().to_owned();
    let other = json!({ "prompt": "a shop with orders" });
    let (status, error) = server.post_once("/api/projects", "make-1", &other).await;
    assert_eq!(status, 409, "a key belongs to one request: {error}");
    let (status, error) = server.post_once("/api/projects", "not a key", &other).await;
    assert_eq!((status, &error["code"]), (400, &json!("key_invalid")), "{error}");

    let path = format!("/api/workspace/{project}/generate/backend");
    let body = json!({ "description": REQUEST });
    let starts = (0..100).map(|_| server.post_once(&path, "start-1", &body));
    let started = futures_util::future::join_all(starts).await;
    assert!(started.iter().all(|one| *one == started[0]), "{:?}", started[0]);
    assert_eq!(started[0].1["message"], "Workflow started");
    assert_eq!(data.count("SELECT count(*) FROM runs").await, 1);

    let run = id_of(&server.run_of(&project).await);
    let path = format!("/api/v1/runs/{run}/cancel");
    let pause = format!("/api/v1/runs/{run}/pause");
    let (status, error) = server.post_once(&pause, "start-1", &json!({})).await;
    assert_eq!(status, 409, "a key belongs to one request: {error}");
    let stopped = server.post_once(&path, "stop-1", &json!({})).await;
    assert_eq!(stopped.0, 200, "{}", stopped.1);
    let retry = format!("/api/v1/runs/{run}/retry");
    let retried = server.post_once(&retry, "retry-1", &json!({})).await;
    // A late repeat of the stop does not touch the new run.
    assert_eq!(server.post_once(&path, "stop-1", &json!({})).await, stopped);
    assert_eq!(server.post_once(&retry, "retry-1", &json!({})).await, retried);
    assert_eq!(data.count("SELECT count(*) FROM runs").await, 2);
    server.kill().await;
    let server = data.serve().await;
    assert_eq!(server.post_once(&retry, "retry-1", &json!({})).await, retried, "after a restart");
    server.until(&id_of(&retried.1), "completed").await;
}

#[tokio::test]
async fn a_full_queue_says_so_and_loses_nobody() {
    let (data, gate) = world().await;
    gate.hold(Duration::from_hours(1));
    let server = data.serve_with(&["--max-runs", "1", "--max-queued", "1"]).await;
    let first = server.start(REQUEST).await;
    until("it is taken up", async || {
        data.count("SELECT count(*) FROM runs WHERE status = 'running'").await == 1
    })
    .await;
    let second = server.start("a shop with orders and products").await;
    let (_, third) = server.post("/api/projects", &json!({ "prompt": "a blog with posts" })).await;
    let third = third["id"].as_str().unwrap();
    let request = server
        .client
        .post(format!("{}/api/workspace/{third}/generate/backend", server.url))
        .header("content-type", "application/json")
        .body(json!({ "description": "a blog with posts" }).to_string());
    let refused = request.try_clone().unwrap().send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    let error: Value = refused.json().await.unwrap();
    assert_eq!(error["code"], "too_much_to_do", "{error}");
    // Who waits already is told so, not refused.
    let path = format!("/api/workspace/{second}/generate/backend");
    let (status, answer) = server.post(&path, &json!({ "description": "x" })).await;
    assert_eq!((status, &answer["already_running"]), (200, &json!(true)), "{answer}");
    // Not waited for to its end: that takes as long as its programs do.
    let first = id_of(&server.run_of(&first).await);
    assert_eq!(server.steer(&first, "cancel").await.0, 200);
    until("the queue is empty", async || {
        data.count("SELECT count(*) FROM runs WHERE status = 'queued'").await == 0
    })
    .await;
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn runs_are_steered_from_the_command_line_with_a_host_and_without() {
    let (data, gate) = world().await;
    gate.hold(Duration::from_millis(150));
    let server = data.serve().await;
    let project = server.start(REQUEST).await;
    let run = id_of(&server.run_of(&project).await);
    until("a call is under way", async || gate.visits().len() >= 2).await;
    let said = data.run(&["runs", "pause", &run]).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    server.until(&run, "paused").await;
    server.kill().await;

    let listed = data.run(&["runs", "list", "--json"]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["status"]), (&json!(run), &json!("paused")));
    assert!(data.run(&["runs", "resume", &run]).await.status.success());
    assert!(data.run(&["runs", "pause", &run]).await.status.success());
    let shown = data.run(&["runs", "show", &run, "--json"]).await;
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["status"], "paused", "nobody had it: it sleeps at once");
    assert!(!data.run(&["runs", "answer", &run, "yes"]).await.status.success(), "no question");
    assert!(data.run(&["runs", "stop", &run]).await.status.success());
    let shown = data.run(&["runs", "show", &run]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("stopped"));
    let nobody = RunId::from_ulid(1.into()).to_string();
    let unknown = data.run(&["runs", "show", &nobody]).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no run"));
}

#[tokio::test]
async fn a_dead_hosts_run_goes_on_within_its_lease_and_a_zombie_lets_go() {
    let (mut data, gate) = world().await;
    data.env.push(("GENCODE_LEASE_MS".to_owned(), "1500".to_owned()));
    gate.hold(Duration::from_millis(300));
    let first = data.serve().await;
    let project = first.start(REQUEST).await;
    let run = id_of(&first.run_of(&project).await);
    until("a call is under way", async || !gate.visits().is_empty()).await;
    let second = data.serve().await;
    first.signal("-STOP");
    let stopped = Instant::now();
    until("the other host has it", async || {
        data.count("SELECT count(*) FROM events WHERE body LIKE '%run_recovered%'").await == 1
    })
    .await;
    let taken = stopped.elapsed();
    assert!(taken < Duration::from_millis(1500 + 2000), "taken over after {taken:?}");
    first.signal("-CONT");
    gate.hold(Duration::ZERO);
    second.until(&run, "completed").await;
    assert_eq!(
        data.count("SELECT count(*) FROM events WHERE body LIKE '%\"run_completed\"%'").await,
        1
    );
    let sales = gate.provider.sales();
    assert!(sales.values().all(|sale| sale.charged == 1), "{sales:?}");
    let booked = data.count("SELECT count(*) FROM ledger").await;
    assert_eq!(booked, i64::try_from(sales.len()).unwrap(), "the zombie booked nothing");

    // A killed host on this machine: its runs are known to be free at once.
    gate.hold(Duration::from_hours(1));
    let project = second.start("a shop with orders and products").await;
    let run = id_of(&second.run_of(&project).await);
    let seen = gate.visits().len();
    until("a call hangs", async || gate.visits().len() > seen).await;
    first.kill().await;
    second.kill().await;
    gate.hold(Duration::ZERO);
    let third = data.serve().await;
    let up = Instant::now();
    until("it goes on", async || {
        data.count("SELECT count(*) FROM events WHERE body LIKE '%run_recovered%'").await == 2
    })
    .await;
    assert!(up.elapsed() < Duration::from_secs(1), "{:?}", up.elapsed());
    third.until(&run, "completed").await;
}
