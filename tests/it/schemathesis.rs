//! A fuzzer reads the description of the API and holds the host to it (<https://schemathesis.io>).
//! `tests/schemathesis/setup.sh` installs it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use crate::{
    control::{REQUEST, until, world},
    host::{Data, Server, repo},
};

/// Longest time of one run of the fuzzer.
const LIMIT: Duration = Duration::from_mins(12);

fn fuzzer() -> PathBuf {
    let fuzzer = repo().join(".cache/schemathesis/bin/schemathesis");
    assert!(fuzzer.is_file(), "schemathesis is not installed: run `tests/schemathesis/setup.sh`");
    fuzzer
}

/// Runs all checks against a host; `more` are its own options.
async fn hold_to_its_word(data: &Data, server: &Server, more: &[&str]) {
    let mut command = Command::new(fuzzer());
    command
        .arg("--config-file")
        .arg(repo().join("tests/schemathesis/schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/openapi.json", server.url))
        .args(["--url", &server.url, "--seed", "1", "--workers", "1", "--no-color", "--no-shrink"])
        .args(more)
        .current_dir(data.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.expect("the fuzzer ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let tested = said.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
    let passed = tested.split(" generated, ").map(|part| part.trim().split(' ').next().unwrap());
    let [generated, passed] = passed.collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert!(generated == passed && generated.parse::<u32>().unwrap() > 1000, "{said}");
    // Whatever it did, the host lives and can work.
    assert_eq!(server.get("/readyz").await.0, 200);
}

/// A host with an application.
async fn built(data: &Data) -> Server {
    let server = data.serve().await;
    let id = server.start(REQUEST).await;
    server.wait_for(&id, "completed").await;
    server
}

#[tokio::test]
async fn the_host_keeps_its_word_to_everyone_on_its_machine() {
    let (data, _gate) = world().await;
    let server = built(&data).await;
    // The first token would shut everyone else out.
    let more = ["--exclude-checks", "ignored_auth", "--exclude-path", "/api/v1/tokens"];
    hold_to_its_word(&data, &server, &more).await;
}

#[tokio::test]
async fn the_host_keeps_its_word_to_those_with_a_token() {
    let (data, _gate) = world().await;
    let server = built(&data).await;
    let made = data.run(&["token", "create", "fuzzer", "--role", "operator"]).await;
    let token = String::from_utf8(made.stdout).unwrap();
    until("the host wants a token", async || server.get("/api/projects").await.0 == 401).await;
    let bearer = format!("Authorization: Bearer {}", token.trim());
    // It must not revoke its own.
    let more = ["-H", &bearer, "--exclude-path", "/api/v1/tokens/{id}"];
    hold_to_its_word(&data, &server, &more).await;
}
