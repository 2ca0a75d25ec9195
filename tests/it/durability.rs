//! What a crash leaves: nothing lost, nothing paid twice.

use std::time::Duration;

use crate::{
    control::{REQUEST, id_of, until, world},
    host::Data,
};

/// Every model call a run made, from the ledger: what was finished is there exactly once.
const CALLS: &str = "SELECT count(*) FROM ledger";

#[tokio::test]
async fn a_host_that_is_killed_continues_its_run_and_repeats_no_finished_model_call() {
    let request = "a club with members, events and payments";
    let undisturbed = Data::new();
    let server = undisturbed.serve().await;
    let id = server.start(request).await;
    server.wait_for(&id, "completed").await;
    let calls = undisturbed.count(CALLS).await;
    assert!(calls > 8, "{calls}");

    let data = Data::new();
    let mut server = data.serve().await;
    let id = server.start(request).await;
    // Killed again and again, each time a little further on.
    let mut seen = 0;
    let mut kills = 0;
    while seen < calls {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = data.count(CALLS).await;
        if now > seen {
            seen = now;
            if seen % 3 == 1 {
                server.kill().await;
                kills += 1;
                assert_eq!(
                    data.count(CALLS).await,
                    data.count("SELECT count(*) FROM journal WHERE call LIKE '%complete%'").await
                );
                server = data.serve().await;
            }
        }
        let (_, project) = server.get(&format!("/api/projects/{id}")).await;
        if project["status"] == "completed" {
            break;
        }
        assert_ne!(project["status"], "failed", "{project}");
    }
    assert!(kills >= 2, "the run was too quick to be disturbed");
    server.wait_for(&id, "completed").await;
    assert_eq!(data.count(CALLS).await, calls, "a finished call was paid again");
    assert_eq!(data.count("SELECT count(*) FROM runs").await, 1, "continued, not started anew");
    let (_, files) = server.get(&format!("/api/workspace/{id}/files")).await;
    assert!(files.as_array().unwrap().len() > 5);
}

#[tokio::test]
async fn audit_state_001_what_was_known_before_a_restart_is_known_after_it() {
    let data = Data::new();
    let server = data.serve().await;
    let id = server.start("a book club with books and meetings").await;
    let (_, before) = server.get(&format!("/api/projects/{id}")).await;
    server.kill().await;

    let server = data.serve().await;
    let (status, after) = server.get(&format!("/api/projects/{id}")).await;
    assert_eq!(status, 200);
    assert_eq!(after["description"], before["description"]);
    // The run is still known as running: a second start does not make a second one.
    let path = format!("/api/workspace/{id}/generate/backend");
    let (_, answer) = server.post(&path, &serde_json::json!({ "description": "x" })).await;
    assert_eq!(answer["already_running"], true, "{answer}");
    server.wait_for(&id, "completed").await;
    assert_eq!(data.count("SELECT count(*) FROM runs").await, 1);
}

#[tokio::test]
async fn a_try_that_recorded_nothing_at_all_is_taken_up_too() {
    let (data, gate) = world().await;
    gate.hold(Duration::from_hours(1));
    let server = data.serve().await;
    let project = server.start(REQUEST).await;
    let run = id_of(&server.run_of(&project).await);
    until("a call is under way", async || !gate.visits().is_empty()).await;
    server.kill().await;
    // As hosts left it that did not record what a try begins from as it begins.
    assert_eq!(data.tamper("DELETE FROM journal").await, 1);

    gate.hold(Duration::ZERO);
    let server = data.serve().await;
    server.until(&run, "completed").await;
    assert_eq!(data.count("SELECT count(*) FROM steps WHERE attempt > 1").await, 0);
    let begun = "SELECT count(*) FROM journal WHERE step = 'analysis' AND path = '@base'";
    assert_eq!(data.count(begun).await, 1);
}
