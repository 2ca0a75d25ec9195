//! The surface as a whole: errors, limits, descriptions, streams, numbers.

use std::{collections::BTreeSet, time::Duration};

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    control::{id_of, until, world},
    host::{Data, GENCODE, RUN, Server, repo},
};

async fn raw(
    server: &Server,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> reqwest::Response {
    let mut request = server.client.request(method, format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn every_error_says_what_is_wrong_in_the_form_that_is_wanted() {
    let data = Data::new();
    let server = data.serve().await;
    let answer = raw(&server, Method::GET, "/api/projects/nothing", &[]).await;
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let error: Value = answer.json().await.unwrap();
    assert_eq!(
        error,
        json!({ "detail": "there is no project `nothing`", "code": "project_not_found", "request_id": id })
    );

    let headers = [("accept", "application/problem+json"), ("x-request-id", "mine-1")];
    let answer = raw(&server, Method::GET, "/api/projects/nothing", &headers).await;
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(
        (&problem["type"], &problem["status"], &problem["request_id"]),
        (&json!("urn:gencode:error:project_not_found"), &json!(404), &json!("mine-1"))
    );

    for (method, path, status, code) in [
        (Method::GET, "/api", 404, "not_found"),
        (Method::GET, "/api/", 404, "not_found"),
        (Method::PATCH, "/api/nothing/at/all", 404, "not_found"),
        (Method::GET, "/ws", 404, "not_found"),
        (Method::GET, "/ws/a/b", 404, "not_found"),
        (Method::PATCH, "/api/projects", 405, "method_not_allowed"),
        (Method::GET, "/api/workspace/resume", 405, "method_not_allowed"),
        (Method::POST, "/api/projects", 415, "body_invalid"),
        (Method::GET, "/api/v1/runs?limit=0", 422, "query_invalid"),
        (Method::GET, "/api/v1/runs?status=gone", 422, "query_invalid"),
        (Method::GET, "/api/v1/runs/run_x", 400, "path_invalid"),
        (Method::GET, "/api/v1/projects?cursor=x", 422, "query_invalid"),
        (Method::GET, "/ws/nothing", 400, "request_invalid"),
    ] {
        let answer = raw(&server, method.clone(), path, &[]).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{method} {path}");
        let error: Value = answer.json().await.unwrap();
        assert_eq!(error["code"], code, "{method} {path}: {error}");
    }
    let long = format!("/api/projects?x={}", "y".repeat(9000));
    assert_eq!(raw(&server, Method::GET, &long, &[]).await.status(), 414);
    let long = "y".repeat(40_000);
    assert_eq!(raw(&server, Method::GET, "/api/projects", &[("x", &long)]).await.status(), 431);

    for path in ["/api/projects", "/healthz", "//api/projects", "//healthz"] {
        assert_eq!(raw(&server, Method::GET, path, &[]).await.status(), 200, "{path}");
        assert_eq!(raw(&server, Method::HEAD, path, &[]).await.status(), 200, "{path}");
    }
    let tag = raw(&server, Method::GET, "/api/projects", &[]).await.headers()["etag"].clone();
    let known = [("if-none-match", tag.to_str().unwrap())];
    let same = raw(&server, Method::GET, "/api/projects", &known).await;
    assert_eq!((same.status().as_u16(), same.headers()["etag"].clone()), (304, tag.clone()));
    server.post("/api/projects", &json!({ "prompt": "a shop" })).await;
    assert_eq!(raw(&server, Method::GET, "/api/projects", &known).await.status(), 200);
    for name in ["x-content-type-options", "referrer-policy", "x-frame-options"] {
        assert!(raw(&server, Method::GET, "/api/projects", &[]).await.headers().contains_key(name));
    }
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_again() {
    let mut data = Data::new();
    data.env.push(("RATE_LIMIT".to_owned(), "3/minute".to_owned()));
    let server = data.serve().await;
    for n in 0..3 {
        let (status, _) = server.post("/api/projects", &json!({ "prompt": "a shop" })).await;
        assert_eq!(status, 200, "{n}");
    }
    let origin = ("origin", "http://localhost:5173");
    let request = server
        .client
        .post(format!("{}/api/projects", server.url))
        .header("content-type", "application/json")
        .header(origin.0, origin.1)
        .body(r#"{"prompt":"a shop"}"#);
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["access-control-allow-origin"], origin.1, "a page can read it");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let error: Value = refused.json().await.unwrap();
    assert_eq!((&error["code"], &error["error"]), (&json!("rate_limited"), &error["detail"]));
    assert_eq!(data.count("SELECT count(*) FROM projects").await, 3);
    // Looking is counted apart, and starting too.
    assert_eq!(server.get("/api/projects").await.0, 200);
    let path = "/api/workspace/shop/generate/backend";
    assert_eq!(server.post(path, &json!({ "description": "x" })).await.0, 200);
    for _ in 0..80 {
        assert_eq!(server.get("/healthz").await.0, 200, "its health is never counted");
    }
}

#[tokio::test]
async fn a_stream_that_is_taken_up_again_has_each_event_once() {
    let (data, _gate) = world().await;
    let server = data.serve().await;
    let id = server.start("a club with members, events and payments").await;
    let path = format!("/api/v1/projects/{id}/events/stream");
    let mut seen: Vec<u64> = Vec::new();
    let mut ended = false;
    // Broken off again and again, each time after a few events.
    while !ended {
        let last = seen.last().copied().unwrap_or(0).to_string();
        let answer = raw(&server, Method::GET, &path, &[("last-event-id", &last)]).await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut body = answer.bytes_stream();
        let mut text = String::new();
        while text.matches("\n\n").count() < 4 && !ended {
            let part = tokio::time::timeout(RUN, body.next()).await.unwrap().unwrap().unwrap();
            text.push_str(&String::from_utf8_lossy(&part));
            ended = text.contains("event: run_completed\n") && text.ends_with("\n\n");
        }
        let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
        for event in whole.split("\n\n") {
            let number = event.lines().find_map(|line| line.strip_prefix("id: "));
            // A line that only keeps the stream open has no number.
            seen.extend(number.map(|number| number.parse::<u64>().unwrap()));
        }
    }
    let all = server.get(&format!("/api/v1/projects/{id}/events?limit=1000")).await.1;
    let all: Vec<u64> = all["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert!(all.starts_with(&seen) && seen.len() > 10, "{seen:?} of {all:?}");
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());

    // The same pages, by cursor.
    let first = server.get(&format!("/api/v1/projects/{id}/events?limit=5")).await.1;
    assert_eq!(first["events"].as_array().unwrap().len(), 5);
    let next = server.get(&format!("/api/v1/projects/{id}/events?after=5&limit=1")).await.1;
    assert_eq!(next["events"][0]["seq"], 6);
}

#[tokio::test]
async fn the_host_shows_who_works_what_was_called_and_how_it_is() {
    let (data, gate) = world().await;
    gate.hold(Duration::from_millis(200));
    let server = data.serve().await;
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, &ready["ready"]), (200, &json!(true)), "{ready}");
    let id = server.start("a club with members, events and payments").await;
    let run = id_of(&server.run_of(&id).await);
    until("a call is under way", async || !gate.visits().is_empty()).await;
    let (_, active) = server.get("/api/agents/active").await;
    assert_eq!(active["active"][0]["project_id"], json!(id), "{active}");
    assert_eq!(active["active"][0]["run"], json!(run));
    let (_, agents) = server.get("/api/agents/status").await;
    let working = |name: &str| {
        let agents = agents["agents"].as_array().unwrap();
        agents.iter().find(|agent| agent["name"] == name).unwrap()["status"].clone()
    };
    assert_eq!((working("Marcus"), working("Luna")), (json!("working"), json!("available")));

    gate.hold(Duration::ZERO);
    server.until(&run, "completed").await;
    let (_, page) = server.get("/api/v1/runs?limit=1").await;
    assert_eq!((&page["runs"][0]["id"], &page["next"]), (&json!(run), &Value::Null));
    let (_, none) = server.get("/api/v1/runs?status=failed").await;
    assert_eq!(none["runs"], json!([]));
    let (_, steps) = server.get(&format!("/api/v1/runs/{run}/steps")).await;
    assert_eq!(steps["steps"].as_array().unwrap().len(), 11);
    let (_, journal) = server.get(&format!("/api/v1/runs/{run}/journal?step=analysis")).await;
    let paths: BTreeSet<&str> = journal["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert!(["@base", "1/0/0", "@end"].iter().all(|path| paths.contains(path)), "{paths:?}");
    let (status, _) = server.get(&format!("/api/v1/runs/{run}/journal?step=nothing")).await;
    assert_eq!(status, 404);

    let (_, costs) = server.get(&format!("/api/tracking/{id}/costs")).await;
    let (_, budget) = server.get(&format!("/api/tracking/{id}/budget")).await;
    assert_eq!(budget["used_usd"], costs["total_estimated_cost"]);
    assert_eq!(budget["total_calls"], json!(costs["detailed_calls"].as_array().unwrap().len()));
    assert!(budget["used_usd"].as_f64().unwrap() > 0.0, "{budget}");

    let text = raw(&server, Method::GET, "/metrics", &[]).await.text().await.unwrap();
    let calls = data.count("SELECT count(*) FROM ledger").await;
    for line in [
        "gencode_runs_ended_total{status=\"completed\"} 1".to_owned(),
        format!("gencode_model_calls_total{{name=\"openai-compatible\",outcome=\"ok\"}} {calls}"),
        "gencode_steps_ended_total{step=\"analysis\",status=\"completed\"} 1".to_owned(),
        "gencode_runs_active{status=\"running\"} 0".to_owned(),
        "# EOF".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let (_, plugins) = server.get("/api/v1/plugins").await;
    let known = plugins["plugins"].as_array().unwrap();
    assert!(known.iter().any(|plugin| plugin["id"] == "marcus" && plugin["kind"] == "agent"));
    assert!(known.iter().all(|plugin| plugin["uses_wasi"] == false));
}

/// The description that is kept, so that a change of the surface is seen in a review. Write it anew
/// with `target/release/gencode openapi > host/api/openapi.json`.
#[tokio::test]
async fn the_kept_description_of_the_api_is_what_the_host_says() {
    let kept = std::fs::read_to_string(repo().join("host/api/openapi.json")).unwrap();
    let said = std::process::Command::new(GENCODE).arg("openapi").output().unwrap();
    assert_eq!(
        String::from_utf8(said.stdout).unwrap(),
        kept,
        "host/api/openapi.json is not up to date"
    );
    let data = Data::new();
    let server = data.serve().await;
    let served = server.get("/openapi.json").await.1;
    assert_eq!(served, serde_json::from_str::<Value>(&kept).unwrap());
    assert_eq!(served["openapi"], "3.1.0");

    let routes: BTreeSet<String> = served["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    // http-ws-contract §2.
    for route in [
        "GET /healthz",
        "GET /api/health",
        "GET /metrics",
        "POST /api/projects",
        "GET /api/projects",
        "GET /api/projects/{id}",
        "DELETE /api/projects/{id}",
        "GET /api/workspace/list",
        "GET /api/workspace/{id}/files",
        "GET /api/workspace/{id}/file",
        "PUT /api/workspace/{id}/file",
        "POST /api/workspace/{id}/generate/backend",
        "POST /api/workspace/resume",
        "POST /api/workspace/apply/{id}",
        "POST /api/workspace/{id}/force-reset",
        "GET /api/agents/status",
        "GET /api/agents/active",
        "POST /api/sandbox/exec",
        "GET /api/sandbox/{id}/status",
        "POST /api/sandbox/{id}/create",
        "POST /api/sandbox/{id}/start",
        "POST /api/sandbox/{id}/stop",
        "GET /api/sandbox/{id}/preview",
        "POST /api/deployment/initialize",
        "POST /api/deployment/{id}",
        "GET /api/deployment/status/{id}",
        "GET /api/deployment/history/{id}",
        "POST /api/deployment/rollback/{id}",
        "POST /api/deployment/config/env/{id}",
        "GET /api/deployment/config/env/{id}",
        "POST /api/deployment/config/domain/{id}",
        "GET /api/deployment/logs/{id}",
        "GET /api/deployment/logs/{id}/download",
        "POST /api/deployment/restart/{id}",
        "GET /api/deployment/metrics/{id}",
        "GET /api/deployment/health/{id}",
        "GET /api/providers",
        "GET /api/providers/available",
        "GET /api/providers/current",
        "POST /api/providers/set",
        "GET /api/tracking/health",
        "GET /api/tracking/projects",
        "GET /api/tracking/{id}/costs",
        "GET /api/tracking/{id}/budget",
    ] {
        assert!(routes.contains(route), "{route} is not described");
    }
    let messages = server.get("/asyncapi.json").await.1;
    assert_eq!(messages["asyncapi"], "3.0.0");
    let page = raw(&server, Method::GET, "/docs", &[]).await.text().await.unwrap();
    assert!(page.contains("/openapi.json"));
    for outside in ["http://", "https://", "//cdn"] {
        assert!(!page.contains(outside), "the page needs nothing from elsewhere: {outside}");
    }
}

/// Write the table anew with `target/release/gencode config reference`.
#[tokio::test]
async fn audit_config_001_settings_are_what_is_written_of_them_and_the_nearest_counts() {
    let data = Data::new();
    let reference = data.run(&["config", "reference"]).await;
    let reference = String::from_utf8(reference.stdout).unwrap();
    let kept = std::fs::read_to_string(repo().join("host/docs/configuration.md")).unwrap();
    assert!(
        kept.ends_with(&reference),
        "host/docs/configuration.md is not up to date:\n{reference}"
    );

    let file = data.path().join("gencode.toml");
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(
        "[engine]\nmax-runs = 7\nmax-queued = 9\n[models]\nopenai-api-key = \"sk-very-secret\"\n",
    );
    let run = async |more: &[(&str, &str)], args: &[&str]| {
        let mut command = data.command(args).await;
        command.env("GENCODE_CONFIG", &file).envs(more.iter().copied());
        command.output().await.unwrap()
    };
    let shown = run(&[("GENCODE_MAX_QUEUED", "11")], &["config", "show", "--json"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(!shown.contains("sk-very-secret"), "{shown}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let of = |key: &str| {
        let all = shown.as_array().unwrap();
        let one = all.iter().find(|one| one["key"] == key).unwrap();
        (one["value"].as_str().unwrap().to_owned(), one["source"].as_str().unwrap().to_owned())
    };
    let from_file = file.display().to_string();
    assert_eq!(of("engine.max-runs"), ("7".to_owned(), from_file.clone()));
    assert_eq!(of("engine.max-queued"), ("11".to_owned(), "GENCODE_MAX_QUEUED".to_owned()));
    assert_eq!(of("server.port"), ("8000".to_owned(), "default".to_owned()));
    assert_eq!(of("models.openai-api-key"), ("(set)".to_owned(), from_file));
    assert!(run(&[], &["config", "check"]).await.status.success());

    // What lies in the folder a command is started in is not the user's.
    write("[engine]\nmax-runs = 77\n");
    let mut elsewhere = data.command(&["config", "show"]).await;
    let shown = elsewhere.current_dir(data.path()).output().await.unwrap();
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("77"), "{shown:?}");

    for (text, why) in [
        ("[server]\nprot = 1", "server.prot"),
        ("[server]\nport = \"x\"", "invalid value 'x'"),
        ("[storage]\nkeep-days = \"many\"", "GENCODE_KEEP_DAYS"),
        ("[models]\nprovider = \"nobody\"", "nobody"),
        ("[", "gencode.toml"),
    ] {
        write(text);
        let refused = run(&[], &["config", "check"]).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{text}: {said}");
    }
}
