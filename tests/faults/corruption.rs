//! T12: flipped bits in the journal, in blobs and in checkpoints are noticed, named, and cost one
//! project at most: the host stays up and works on.

use std::{path::Path, time::Duration};

use tokio::time::Instant;

use crate::{
    books::Books,
    client::Client,
    host::{Backend, RUN},
    process::Host,
    world::{self, REQUEST, Tools, World},
};

const SLOWLY: Duration = Duration::from_millis(60);

/// Something that keeps bits.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The answer of a model call.
    Journal,
    /// The content of a file, and of a manifest.
    Blobs,
    /// The digest of the newest state.
    Checkpoint,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bits_are_named_and_cost_one_project_at_most() {
    let _turn = world::turn().await;
    for backend in [Backend::Sqlite, Backend::Postgres] {
        for place in [Place::Journal, Place::Blobs, Place::Checkpoint] {
            flip_under_a_run(backend, place).await;
        }
    }
}

/// The bits are flipped while no host works on the run; the next one meets them.
async fn flip_under_a_run(backend: Backend, place: Place) {
    let what = format!("{place:?} on {backend:?}");
    let world = World::new(backend, Tools::Hidden).await;
    world.provider.set_delay(SLOWLY);
    let host = world.boot().await;
    let id = world::start(&host, REQUEST).await;
    // In the middle of a step that has paid answers in its journal.
    let mut books = Books::open(&world.data).await;
    let paid = "SELECT CAST(count(*) AS TEXT) FROM journal j JOIN steps s \
                ON s.run = j.run AND s.step = j.step AND s.attempt = j.attempt \
                WHERE s.status = 'running' AND s.step <> 'analysis' AND j.call LIKE '%omplete%'";
    let deadline = Instant::now() + RUN;
    while books.number(paid).await == 0 {
        assert!(Instant::now() < deadline, "{what}: no step is in the middle of its work");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    host.kill().await;
    match place {
        Place::Journal => {
            // One letter of an answer; it is text in JSON as before.
            let flipped = books
                .tamper(
                    "UPDATE journal SET reply = replace(reply, 'e', 'f') \
                     WHERE call LIKE '%omplete%' AND step IN \
                     (SELECT step FROM steps s WHERE s.status = 'running')",
                )
                .await;
            assert!(flipped > 0, "{what}");
        }
        Place::Checkpoint => {
            let flipped = books
                .tamper(
                    "UPDATE checkpoints SET manifest = replace(manifest, substr(manifest, 1, 1), \
                     CASE WHEN substr(manifest, 1, 1) = '0' THEN '1' ELSE '0' END)",
                )
                .await;
            assert!(flipped > 0, "{what}");
        }
        Place::Blobs => flip_all(&world.data.path().join("blobs")),
    }
    drop(books);
    world.provider.set_delay(Duration::ZERO);

    let host = world.boot().await;
    let state = ended(&host, &id).await;
    let log = host.log();
    assert!(!log.contains("panicked"), "{what}: {log}");
    assert_eq!(state, "failed", "{what}: the damage was not noticed: {log}");
    let events = reasons(&world, &id).await;
    let names_it = [
        "not as it was written",
        "damaged",
        "corrupt",
        "checksum",
        "missing",
        "not what",
        "does not match",
    ];
    assert!(
        names_it.iter().any(|word| events.to_lowercase().contains(word)),
        "{what}: the user is not told what is wrong: {events}"
    );
    if matches!(place, Place::Blobs | Place::Checkpoint) {
        let (status, answer) = host.get(&format!("/api/workspace/{id}/files")).await.unwrap();
        assert!(status >= 500 && answer["detail"].is_string(), "{what}: {status} {answer}");
    }
    // Other projects go on, with the very same content.
    let mut client = Client::new(&world, None);
    let other = client.make("a list of books").await;
    client.build(&other).await;
    client.until(&other, "completed").await;
    client.end().await;
    host.end().await;
}

/// Waits for a final state.
async fn ended(host: &Host, id: &str) -> String {
    let deadline = Instant::now() + RUN;
    loop {
        let state = world::status(host, id).await.expect("the host lives");
        if state == "completed" || state == "failed" {
            return state;
        }
        assert!(Instant::now() < deadline, "still {state}: {}", host.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the history says of the end of the project's runs.
async fn reasons(world: &World, id: &str) -> String {
    let mut books = Books::open(&world.data).await;
    let rows = books.rows("SELECT project, reason FROM runs").await;
    rows.into_iter().filter(|row| row[0] == id).map(|row| row[1].clone()).collect()
}

/// Flips a bit in the middle of every blob.
fn flip_all(blobs: &Path) {
    let mut flipped = 0;
    for (name, mut content) in crate::host::files_of(blobs) {
        if name.starts_with(".staging") {
            continue;
        }
        let middle = content.len() / 2;
        content[middle] ^= 0x10;
        std::fs::write(blobs.join(name), content).unwrap();
        flipped += 1;
    }
    assert!(flipped > 0);
}
