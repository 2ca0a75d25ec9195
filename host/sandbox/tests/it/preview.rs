//! Previews: they answer, come back after a crash, and end when told to.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::common::{World, alive, eventually, world};
use gencode_sandbox::{PreviewState, Previews, SandboxError, ServeSpec};

fn spec(world: &World, file: &str) -> ServeSpec {
    std::fs::write(world.tree.join(file), include_str!("common/server.py")).unwrap();
    ServeSpec {
        tree: world.tree.clone(),
        argv: ["python3", file, "{{socket}}"].map(str::to_owned).to_vec(),
        cwd: String::new(),
        env: Vec::new(),
        health_path: "/api/health".to_owned(),
        port: None,
        idle_timeout: None,
    }
}

/// Everything a server answers to a request, on a thread of its own.
async fn ask(port: u16, request: &str) -> String {
    let request = request.replace('\n', "\r\n");
    tokio::task::spawn_blocking(move || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
    .unwrap()
}

async fn get(port: u16, path: &str) -> String {
    ask(port, &format!("GET {path} HTTP/1.1\nHost: app.localhost\nConnection: close\n\n")).await
}

#[tokio::test]
async fn a_preview_answers_and_ends_with_its_stop() {
    let world = world().await;
    let previews = Previews::new(world.sandbox.clone());
    let preview = previews.start("notes", spec(&world, "server-p.py")).await.unwrap();
    assert_eq!(preview.url, format!("http://127.0.0.1:{}/", preview.port));
    assert_eq!(previews.list(), std::slice::from_ref(&preview));
    let page = get(preview.port, "/").await;
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("Notes"), "{page}");

    let body = r#"{"text":"x"}"#;
    let post = format!(
        "POST /api/notes HTTP/1.1\nHost: h\nConnection: close\nContent-Length: {}\n\n{body}",
        body.len()
    );
    assert!(ask(preview.port, &post).await.contains("201 Created"));
    let echo = get(preview.port, "/api/echo").await;
    assert!(
        echo.contains(r#""host": "app.localhost""#) && echo.contains("x-forwarded-host"),
        "{echo}"
    );

    let upgrade = "GET /ws HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: websocket\n\nabcd";
    let switched = ask(preview.port, upgrade).await;
    assert!(switched.starts_with("HTTP/1.1 101") && switched.ends_with("hello:abcd"), "{switched}");

    assert!(previews.stop("notes").await && !previews.stop("notes").await);
    assert!(world.tree.join("stopped-politely").exists());
    assert!(!alive("server-p.py"));
    assert!(get(preview.port, "/").await.is_empty(), "the port is closed");
    assert!(previews.list().is_empty());
}

#[tokio::test]
async fn a_crashed_preview_comes_back_at_its_address() {
    let world = world().await;
    let previews = Previews::new(world.sandbox.clone());
    let preview = previews.start("notes", spec(&world, "server-q.py")).await.unwrap();
    let down = get(preview.port, "/api/die").await;
    assert!(down.starts_with("HTTP/1.1 502"), "{down}");
    assert!(down.contains("The application is not running"), "{down}");
    let back = || previews.get("notes").is_some_and(|preview| preview.restarts == 1);
    eventually("the server is started again", back).await;
    assert!(get(preview.port, "/").await.starts_with("HTTP/1.1 200 OK"));

    // Started anew, it keeps its address.
    let again = previews.start("notes", spec(&world, "server-q.py")).await.unwrap();
    assert_eq!((again.port, again.restarts), (preview.port, 0));
    previews.shutdown().await;
    assert!(!alive("server-q.py"));
}

#[tokio::test]
async fn a_preview_that_cannot_start_is_an_error() {
    let world = world().await;
    let previews = Previews::new(world.sandbox.clone());
    let mut broken = spec(&world, "server-r.py");
    broken.argv.push("no database".to_owned());
    let failed = previews.start("notes", broken).await.unwrap_err();
    assert!(
        matches!(&failed, SandboxError::NotReady { detail, .. } if detail.contains("no database")),
        "{failed:?}"
    );
    assert!(previews.list().is_empty());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spec = spec(&world, "server-r.py");
    spec.port = Some(taken.local_addr().unwrap().port());
    let failed = previews.start("notes", spec).await.unwrap_err();
    assert!(matches!(failed, SandboxError::Io { .. }), "{failed:?}");
}

#[tokio::test]
async fn an_idle_preview_ends_by_itself() {
    let world = world().await;
    let previews = Previews::new(world.sandbox.clone());
    let mut spec = spec(&world, "server-s.py");
    spec.idle_timeout = Some(Duration::from_millis(300));
    previews.start("notes", spec).await.unwrap();
    let idle = || previews.get("notes").is_some_and(|preview| preview.state == PreviewState::Idle);
    eventually("it ends", idle).await;
    eventually("its process ends", || !alive("server-s.py")).await;
}

#[tokio::test]
async fn dropping_the_previews_ends_them() {
    let world = world().await;
    let previews = Previews::new(world.sandbox.clone());
    previews.start("notes", spec(&world, "server-t.py")).await.unwrap();
    assert!(alive("server-t.py"));
    drop(previews);
    eventually("its process ends", || !alive("server-t.py")).await;
}
