//! Who may do what: tokens, roles, sessions of browsers, and the log of every change.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::{
    control::{REQUEST, until, world},
    host::{Data, SOON, Server},
};

impl Server {
    fn ask(&self, method: &str, path: &str, token: Option<&str>) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.client.request(method, format!("{}{path}", self.url));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn status(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> u16 {
        let request = self
            .ask(method, path, token)
            .header("content-type", "application/json")
            .body(body.to_string());
        request.send().await.unwrap().status().as_u16()
    }
}

async fn token(data: &Data, role: &str) -> String {
    let made = data.run(&["token", "create", role, "--role", role]).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn with_tokens_nobody_comes_in_without_one_and_each_role_may_do_its_own() {
    let data = Data::new();
    let [viewer, editor, operator] = [
        token(&data, "viewer").await,
        token(&data, "editor").await,
        token(&data, "operator").await,
    ];
    let server = data.serve().await;
    let prompt = json!({ "prompt": "a shop with orders" });
    let choice = json!({ "provider": "offline", "model": "" });
    let nothing = json!({});
    for (method, path, body, wanted) in [
        ("GET", "/api/projects", &nothing, [401, 200, 200, 200]),
        ("GET", "/api/v1/runs", &nothing, [401, 200, 200, 200]),
        ("GET", "/api/v1/plugins", &nothing, [401, 200, 200, 200]),
        ("GET", "/api/nothing", &nothing, [401, 404, 404, 404]),
        ("POST", "/api/projects", &prompt, [401, 403, 200, 200]),
        ("POST", "/api/providers/set", &choice, [401, 403, 403, 200]),
        ("GET", "/api/v1/tokens", &nothing, [401, 403, 403, 200]),
        ("GET", "/api/v1/audit", &nothing, [401, 403, 403, 200]),
        ("GET", "/metrics", &nothing, [401, 403, 403, 200]),
        ("DELETE", "/api/projects/not-there", &nothing, [401, 403, 404, 404]),
        // Everyone may know that the host lives and how to ask it.
        ("GET", "/healthz", &nothing, [200; 4]),
        ("GET", "/api/health", &nothing, [200; 4]),
        ("GET", "/readyz", &nothing, [200; 4]),
        ("GET", "/openapi.json", &nothing, [200; 4]),
        ("GET", "/docs", &nothing, [200; 4]),
        ("GET", "/login", &nothing, [200; 4]),
    ] {
        let tokens = [None, Some(&*viewer), Some(&*editor), Some(&*operator)];
        for (token, wanted) in tokens.into_iter().zip(wanted) {
            let found = server.status(method, path, token, body).await;
            assert_eq!(found, wanted, "{method} {path} with {token:?}");
        }
    }
    for bad in ["", "gct_", "gct_0000", "x", &format!("{viewer}0")] {
        assert_eq!(server.status("GET", "/api/projects", Some(bad), &nothing).await, 401, "{bad}");
    }
    let refused = server.ask("GET", "/api/projects", None).send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");

    // No token is kept as it is.
    for secret in [&viewer, &editor, &operator] {
        let database = std::fs::read(data.path().join("gencode.db")).unwrap();
        let log = std::fs::read(data.path().join("gencode.db-wal")).unwrap_or_default();
        for bytes in [database, log] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_the_log_says_who_did_what() {
    let data = Data::new();
    let operator = token(&data, "operator").await;
    let server = data.serve().await;
    let wanted = json!({ "name": "a friend", "role": "editor", "days": 1 });
    let made = server
        .ask("POST", "/api/v1/tokens", Some(&operator))
        .header("content-type", "application/json")
        .body(wanted.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let prompt = json!({ "prompt": "a shop with orders" });
    assert_eq!(server.status("POST", "/api/projects", Some(secret), &prompt).await, 200);
    let revoke = format!("/api/v1/tokens/{id}");
    assert_eq!(server.status("DELETE", &revoke, Some(secret), &json!({})).await, 403);
    assert_eq!(server.status("DELETE", &revoke, Some(&operator), &json!({})).await, 200);
    assert_eq!(server.status("GET", "/api/projects", Some(secret), &json!({})).await, 401);

    let listed = data.run(&["token", "list", "--json"]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!((&listed[0]["id"], &listed[0]["good"]), (&json!(id), &json!(false)));
    assert!(!listed.to_string().contains("gct_"), "{listed}");

    let log = server.ask("GET", "/api/v1/audit?limit=3", Some(&operator)).send().await.unwrap();
    let log: Value = log.json().await.unwrap();
    let said: Vec<_> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str().unwrap(),
                entry["target"].as_str().unwrap(),
                entry["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("DELETE /api/v1/tokens/{id}", id, 200),
            ("POST /api/projects", "shop-with-orders", 200),
            ("POST /api/v1/tokens", "", 201),
        ],
        "who was turned away changed nothing"
    );
    assert!(log["entries"][1]["who"].as_str().unwrap().contains("a friend"), "{log}");
    let cursor = log["next"].as_u64().unwrap();
    let rest =
        format!("/api/v1/audit?cursor={cursor}&target={}", listed[1]["id"].as_str().unwrap());
    let rest: Value =
        server.ask("GET", &rest, Some(&operator)).send().await.unwrap().json().await.unwrap();
    assert_eq!(rest["entries"][0]["action"], "token create", "{rest}");
    assert_eq!(rest["entries"][0]["who"], "command line");
}

#[tokio::test]
async fn a_browser_logs_in_with_a_cookie_that_scripts_cannot_read() {
    let data = Data::new();
    let viewer = token(&data, "viewer").await;
    let server = data.serve().await;
    let log_in = |token: &str| {
        server
            .ask("POST", "/api/v1/session", None)
            .header("content-type", "application/json")
            .body(json!({ "token": token }).to_string())
            .send()
    };
    assert_eq!(log_in("gct_wrong").await.unwrap().status(), 401);
    let answer = log_in(&viewer).await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap();
    let with_cookie = |path: &str| server.ask("GET", path, None).header("cookie", cookie).send();
    assert_eq!(with_cookie("/api/projects").await.unwrap().status(), 200);
    let who: Value = with_cookie("/api/v1/session").await.unwrap().json().await.unwrap();
    assert_eq!(who["role"], "viewer");
    let out = server.ask("DELETE", "/api/v1/session", None).send().await.unwrap();
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn beyond_its_machine_a_host_is_reached_only_with_tokens() {
    let data = Data::new();
    let refused = data.run(&["serve", "--listen", "0.0.0.0:0"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("gencode token create"), "{said}");

    let editor = token(&data, "editor").await;
    let server =
        data.serve_with(&["--listen", "0.0.0.0:0", "--allow-host", "studio.example"]).await;
    let port = server.url.rsplit(':').next().unwrap();
    let ask = |host: &str, token: Option<&str>| {
        let request = server.client.get(format!("http://127.0.0.1:{port}/api/projects"));
        let request = request.header("host", host);
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
        .send()
    };
    for (host, wanted) in [("studio.example", 200), ("10.1.2.3:80", 200), ("evil.example", 403)] {
        assert_eq!(ask(host, Some(&editor)).await.unwrap().status(), wanted, "{host}");
    }
    assert_eq!(ask("studio.example", None).await.unwrap().status(), 401);
    // Also when the last token is revoked while it serves.
    let listed = data.run(&["token", "list", "--json"]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(
        data.run(&["token", "revoke", listed[0]["id"].as_str().unwrap()]).await.status.success()
    );
    assert_eq!(ask("studio.example", None).await.unwrap().status(), 401);
}

#[tokio::test]
async fn audit_sec_002_credentials_and_any_origin_do_not_go_together() {
    let data = Data::new();
    let refused = data.run(&["serve", "--port", "0", "--cors-origins", "*"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("CORS_ORIGINS=*"), "{said}");
    let server = data.serve().await;
    for (origin, allowed) in [("http://localhost:5173", true), ("https://evil.example", false)] {
        let preflight = server
            .ask("OPTIONS", "/api/projects", None)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
            .await
            .unwrap();
        let echoed = preflight.headers().get("access-control-allow-origin");
        assert_eq!(echoed.is_some(), allowed, "{origin}");
        assert!(echoed.is_none_or(|echoed| echoed == origin));
    }
}

#[tokio::test]
async fn whoever_listens_is_turned_out_when_his_token_is_revoked() {
    let data = Data::new();
    let operator = token(&data, "operator").await;
    let server = data.serve().await;
    let prompt = json!({ "prompt": "a shop with orders" });
    assert_eq!(server.status("POST", "/api/projects", Some(&operator), &prompt).await, 200);
    let viewer = token(&data, "viewer").await;
    let path = "/api/v1/projects/shop-with-orders/events/stream";
    let mut stream = server.ask("GET", path, Some(&viewer)).send().await.unwrap().bytes_stream();
    let url = format!("{}/ws/shop-with-orders", server.url.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {viewer}").parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();

    let listed = data.run(&["token", "list", "--json"]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["role"], "viewer");
    let id = listed[0]["id"].as_str().unwrap();
    assert!(data.run(&["token", "revoke", id]).await.status.success());
    let ends = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(SOON, ends).await.expect("the stream ends");
    let why = async {
        loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                return frame.unwrap();
            }
        }
    };
    let why = tokio::time::timeout(SOON, why).await.expect("the socket is closed");
    assert_eq!((u16::from(why.code), &*why.reason), (1008, "the token is not good any more"));
}

#[tokio::test]
async fn whoever_goes_away_before_the_answer_is_noted_all_the_same() {
    let (data, gate) = world().await;
    let server = data.serve().await;
    let id = server.start(REQUEST).await;
    server.wait_for(&id, "completed").await;
    gate.hold(Duration::from_hours(1));
    let before = gate.visits().len();
    let body = json!({ "instruction": "add a field nickname to members" }).to_string();
    let path = format!("/api/workspace/apply/{id}");
    let asked = server.ask("POST", &path, None).header("content-type", "application/json");
    let mut asked = Box::pin(asked.body(body).send());
    let started = until("the change has begun", async || gate.visits().len() > before);
    tokio::select! {
        answer = &mut asked => panic!("it is not done: {answer:?}"),
        () = started => {}
    }
    drop(asked);
    let gone = "SELECT count(*) FROM audit WHERE status = 499 AND action LIKE '%/apply/%'";
    until("it is noted", async || data.count(gone).await == 1).await;
}

#[tokio::test]
async fn whoever_tries_one_token_after_the_other_is_turned_away() {
    let mut data = Data::new();
    token(&data, "operator").await;
    data.env.push(("RATE_LIMIT".to_owned(), "1/minute".to_owned()));
    let server = data.serve().await;
    let mut found = Vec::new();
    for n in 0..25 {
        let guess = format!("gct_{n:064x}");
        found.push(server.status("GET", "/api/projects", Some(&guess), &json!({})).await);
    }
    assert_eq!(found[..20], [401; 20], "{found:?}");
    assert_eq!(found[24], 429, "{found:?}");
}
