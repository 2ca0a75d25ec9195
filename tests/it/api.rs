//! The LIVE part of the client's contract, over real sockets.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::host::{Data, RUN, SOON};

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(url: &str, id: &str, origin: Option<&str>) -> Result<Socket, u16> {
    let mut request =
        format!("{}/ws/{id}", url.replace("http://", "ws://")).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// Text messages until one of this type came.
async fn until(socket: &mut Socket, last: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        let frame = tokio::time::timeout(RUN, socket.next())
            .await
            .expect("a message")
            .expect("open")
            .unwrap();
        let Message::Text(text) = frame else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        let done = message["type"] == last;
        assert_ne!(message["type"], "WORKFLOW_FAILED", "{message}");
        messages.push(message);
        if done {
            return messages;
        }
    }
}

#[tokio::test]
async fn a_client_creates_watches_reads_and_previews_an_application() {
    let data = Data::new();
    let server = data.serve().await;
    let (status, project) = server
        .post(
            "/api/projects",
            &json!({ "prompt": "Build a task manager with tags", "provider": null }),
        )
        .await;
    assert_eq!(status, 200);
    let id = project["id"].as_str().unwrap();
    assert_eq!(id, "task-manager-with-tags");
    for key in ["name", "description", "imageUrl", "lastModified", "createdAt", "status"] {
        assert!(project[key].is_string(), "{key}: {project}");
    }
    let (_, files) = server.get(&format!("/api/workspace/{id}/files")).await;
    assert_eq!(files, json!([]));

    let mut socket = connect(&server.url, id, None).await.unwrap();
    // What cannot be served yet is refused, and said where the client listens (§0.9).
    let deploy = format!("/api/deployment/{id}");
    assert_eq!(server.post(&deploy, &json!({ "projectId": id })).await.0, 409);
    let refused = until(&mut socket, "AGENT_MESSAGE").await;
    let why = refused.last().unwrap()["message"].as_str().unwrap();
    assert!(why.contains("could not be deployed") && why.contains("acceptance"), "{why}");
    let generate = format!("/api/workspace/{id}/generate/backend");
    let (status, answer) = server.post(&generate, &json!({ "description": "x" })).await;
    assert_eq!(
        (status, &answer["success"], &answer["message"]),
        (200, &json!(true), &json!("Workflow started"))
    );
    let messages = until(&mut socket, "WORKFLOW_COMPLETE").await;

    let turns: Vec<u64> = messages
        .iter()
        .filter(|message| message["type"] == "WORKFLOW_UPDATE")
        .map(|message| message["turn"].as_u64().unwrap())
        .collect();
    assert!(turns.iter().all(|turn| (1..=12).contains(turn)), "{turns:?}");
    assert!((1..=12).all(|turn| turns.contains(&turn)), "every stage is shown: {turns:?}");
    for message in &messages {
        assert_eq!(message["projectId"], id, "{message}");
        assert!(message["timestamp"].is_string(), "{message}");
        if message["type"] == "AGENT_LOG" {
            assert!(message["scope"].as_str().unwrap().starts_with("AGENT:"), "{message}");
            assert!(message["message"].is_string(), "{message}");
        }
    }
    let seqs: Vec<u64> = messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "each event once, in order: {seqs:?}");
    for kind in ["AGENT_LOG", "WORKSPACE_UPDATED", "WORKFLOW_STAGE_COMPLETED", "PREVIEW_URL_READY"]
    {
        assert!(messages.iter().any(|message| message["type"] == kind), "{kind}");
    }

    let (_, preview) = server.get(&format!("/api/sandbox/{id}/preview")).await;
    let url = preview["preview_url"].as_str().unwrap();
    let page = server.client.get(url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<div id=\"root\">"), "{page}");
    let created = server
        .client
        .post(format!("{url}api/tags"))
        .header("content-type", "application/json")
        .body(r#"{"name":"urgent"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 201, "{}", created.text().await.unwrap());

    let (_, files) = server.get(&format!("/api/workspace/{id}/files")).await;
    let backend = files.as_array().unwrap().iter().find(|node| node["name"] == "backend").unwrap();
    assert_eq!(backend["type"], "folder");
    let (_, file) = server.get(&format!("/api/workspace/{id}/file?path=backend/app/main.py")).await;
    assert!(file["content"].as_str().unwrap().contains("FastAPI"));
    let (status, _) = server.get(&format!("/api/workspace/{id}/file?path=nothing.txt")).await;
    assert_eq!(status, 404);

    let (_, costs) = server.get(&format!("/api/tracking/{id}/costs")).await;
    assert_eq!(costs.as_object().unwrap().len(), 12, "{costs}");
    for agent in ["Marcus", "Victoria", "Derek", "Luna"] {
        assert!(costs["by_agent"][agent]["calls"].as_u64().unwrap() > 0, "{agent}: {costs}");
    }
    let (_, tracked) = server.get("/api/tracking/projects").await;
    assert_eq!(tracked, json!({ "projects": [id], "count": 1 }));

    // Reopening starts nothing again and unlocks the page.
    let mut again = connect(&server.url, id, None).await.unwrap();
    until(&mut again, "WORKFLOW_COMPLETE").await;
    let (_, answer) = server.post(&generate, &json!({ "description": "x" })).await;
    assert_eq!(answer["already_running"], Value::Null, "{answer}");
    until(&mut again, "WORKFLOW_COMPLETE").await;
    assert_eq!(data.count("SELECT count(*) FROM runs").await, 1);

    // A change by chat.
    let (status, answer) = server
        .post(
            "/api/workspace/resume",
            &json!({ "project_id": id, "user_message": "add a due date to the tasks" }),
        )
        .await;
    assert_eq!((status, &answer["mode"]), (200, &json!("refine")), "{answer}");
    let (status, _) = server
        .post(
            "/api/workspace/resume",
            &json!({ "project_id": id, "user_message": "and make it dark" }),
        )
        .await;
    assert_eq!(status, 409, "one change at a time");
    let messages = until(&mut again, "WORKFLOW_COMPLETE").await;
    let answer = messages.iter().find(|message| message["type"] == "AGENT_MESSAGE").unwrap();
    assert!(answer["message"].as_str().unwrap().contains("Due date"), "{answer}");
    let (_, file) =
        server.get(&format!("/api/workspace/{id}/file?path=backend/app/models.py")).await;
    assert!(file["content"].as_str().unwrap().contains("due_date"), "{file}");

    // A change that is waited for; sent again, it has the same answer and is done once.
    let apply = async || {
        let request = server.client.post(format!("{}/api/workspace/apply/{id}", server.url));
        let request = request.header("content-type", "application/json");
        let request = request.header("idempotency-key", "nickname");
        let body = json!({ "instruction": "add a field nickname to the tasks" });
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<Value>().await.unwrap()
    };
    let applied = apply().await;
    let changed = applied["changedFiles"].as_array().unwrap();
    assert!(changed.contains(&json!({ "path": "backend/app/models.py" })), "{applied}");
    assert_eq!(applied["applied"], json!(changed.len()));
    assert!(!applied["rationale"].as_str().unwrap().is_empty(), "{applied}");
    assert_eq!(apply().await, applied);
    assert_eq!(data.count("SELECT count(*) FROM runs").await, 3);
}

#[tokio::test]
async fn what_is_not_there_is_json_and_what_is_not_allowed_is_refused() {
    let data = Data::new();
    let server = data.serve().await;
    for (path, status) in [
        ("/api/nothing", 404),
        ("/ws/nothing/else", 404),
        ("/nothing", 404),
        ("/api/projects/unknown-one", 404),
        ("/api/projects/a.b", 400),
        ("/api/workspace/unknown-one/files", 404),
        ("/api/tracking/unknown-one/costs", 404),
        ("/api/workspace/unknown-one/file", 422),
        ("/api/projects", 200),
        ("/healthz", 200),
        ("/api/health", 200),
    ] {
        let (found, answer) = server.get(path).await;
        assert_eq!(found, status, "{path}: {answer}");
        assert!(status == 200 || answer["detail"].is_string(), "{path}: {answer}");
    }
    for (body, status) in [
        ("{", 422),
        ("{}", 422),
        (r#"{"prompt":1}"#, 422),
        (r#"{"prompt":""}"#, 422),
        (r#"{"prompt":"a shop","more":1}"#, 200),
    ] {
        let request = server
            .client
            .post(format!("{}/api/projects", server.url))
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        assert!(answer.json::<Value>().await.is_ok(), "{body}");
    }
    let answer = server.client.delete(format!("{}/healthz", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert!(answer.headers().contains_key("allow"));

    let ask = |header: &'static str, value: &'static str| {
        server.client.get(format!("{}/api/projects", server.url)).header(header, value).send()
    };
    assert_eq!(ask("host", "evil.example").await.unwrap().status(), 403, "DNS rebinding");
    assert_eq!(ask("origin", "http://evil.example").await.unwrap().status(), 403);
    let allowed = ask("origin", "http://localhost:5173").await.unwrap();
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "http://localhost:5173");
    assert_eq!(connect(&server.url, "a-shop", Some("http://evil.example")).await.err(), Some(403));
    assert_eq!(connect(&server.url, "unknown-one", None).await.err(), Some(404));
}

#[tokio::test]
async fn a_bad_frame_closes_the_socket_with_a_reason() {
    let data = Data::new();
    let server = data.serve().await;
    let (_, project) = server.post("/api/projects", &json!({ "prompt": "a shop" })).await;
    let id = project["id"].as_str().unwrap();
    for (frame, code) in [(Message::text("not json"), 1007), (Message::binary(vec![1]), 1003)] {
        let mut socket = connect(&server.url, id, None).await.unwrap();
        socket.send(frame).await.unwrap();
        let closed = loop {
            match tokio::time::timeout(SOON, socket.next()).await.expect("an answer") {
                Some(Ok(Message::Close(frame))) => break frame.unwrap(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(u16::from(closed.code), code);
        assert!(!closed.reason.is_empty());
    }
}

#[tokio::test]
async fn providers_are_what_is_set_up_and_the_choice_survives_a_restart() {
    let data = Data::new();
    let server = data.serve().await;
    let (_, available) = server.get("/api/providers/available").await;
    let ids: Vec<&str> = available["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"offline") && !ids.contains(&"openai"), "{ids:?}");
    let (_, current) = server.get("/api/providers/current").await;
    assert_eq!(current["provider"], "offline");
    for (provider, model) in [("foo", "x"), ("openai", "gpt-5-mini")] {
        let (status, answer) = server
            .post("/api/providers/set", &json!({ "provider": provider, "model": model }))
            .await;
        assert_eq!(status, 400, "{answer}");
    }
    let (status, _) = server
        .post("/api/providers/set", &json!({ "provider": "ollama", "model": "llama3.1:8b" }))
        .await;
    assert_eq!(status, 200);
    server.kill().await;
    let server = data.serve().await;
    let (_, current) = server.get("/api/providers/current").await;
    assert_eq!(
        (&current["provider"], &current["model"]),
        (&json!("ollama"), &json!("llama3.1:8b"))
    );
}

#[tokio::test]
async fn a_built_front_end_is_served_beside_the_api() {
    let data = Data::new();
    let dist = tempfile::tempdir().unwrap();
    std::fs::create_dir(dist.path().join("assets")).unwrap();
    std::fs::write(dist.path().join("index.html"), "<html>client</html>").unwrap();
    std::fs::write(dist.path().join("assets/index-1.js"), "console.log(1)").unwrap();
    std::fs::write(dist.path().join("../outside.txt"), "outside").ok();
    let server = data.serve_with(&["--frontend-dist", dist.path().to_str().unwrap()]).await;
    let get = async |path: &str| {
        let answer = server.client.get(format!("{}{path}", server.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/").await, (200, "<html>client</html>".to_owned()));
    assert_eq!(get("/some/page").await.1, "<html>client</html>");
    assert_eq!(get("/assets/index-1.js").await, (200, "console.log(1)".to_owned()));
    assert_eq!(get("/assets/missing.js").await.0, 404);
    assert!(!get("/%2e%2e/outside.txt").await.1.contains("outside"));
    let (status, answer) = server.get("/api/nothing").await;
    assert_eq!((status, &answer["detail"]), (404, &json!("Not Found")), "never the client's HTML");
}
