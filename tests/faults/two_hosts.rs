//! T6: several hosts on one PostgreSQL. They share the work, take over from each other, and a host
//! that was away past its lease finds that it has nothing to say any more.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    books::Books,
    host::{Backend, RUN},
    oracle::Outcome,
    process::Host,
    world::{self, REQUEST, Tools, World},
};

/// Lease of the hosts under test, in milliseconds.
const LEASE: &str = "1000";

/// A dead owner's runs are taken over within the lease and this.
const GRACE: Duration = Duration::from_secs(2);

const SLOWLY: Duration = Duration::from_millis(80);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_wakes_up_after_its_lease_writes_nothing() {
    let _turn = world::turn().await;
    let undisturbed = undisturbed().await;
    let world = world_with_lease().await;
    world.provider.set_delay(SLOWLY);
    let zombie = world.boot().await;
    let id = world::start(&zombie, REQUEST).await;
    sold(&world, 1).await;
    // It finds nothing to do until then.
    let heir = world.boot().await;
    sold(&world, 3).await;
    zombie.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    recovered(&world, 1).await;
    let lease = Duration::from_millis(LEASE.parse().unwrap());
    assert!(stopped.elapsed() < lease + GRACE, "taken over after {:?}", stopped.elapsed());
    // It wakes up in the middle of the heir's work, with calls and commits of its own under way.
    zombie.signal(Signal::SIGCONT);
    world::completed(&heir, &id).await;
    tokio::time::sleep(lease * 2).await;
    for host in [zombie, heir] {
        let log = host.end().await;
        assert!(!log.contains("panicked"), "{log}");
    }
    epochs_only_rise(&world).await;
    Outcome::of(&world).await.assert_same(&undisturbed, "an owner that was away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_wakes_up_when_all_is_done_changes_no_row() {
    let _turn = world::turn().await;
    // Before each kind of write of an owner.
    for point in [
        "store.journal.append.before",
        "store.step.begin.before",
        "store.step.commit.before",
        "store.run.finish.before",
        "model.call.before",
    ] {
        let world = world_with_lease().await;
        world.provider.set_delay(Duration::from_millis(5));
        let mut zombie = world.boot_with(&[("GENCODE_STOP_AT", point)]).await.up();
        let id = world::start(&zombie, REQUEST).await;
        assert!(zombie.says(&format!("gencode stops at {point}")).await, "{}", zombie.log());
        let heir = world.boot().await;
        world::completed(&heir, &id).await;
        heir.end().await;
        let before = rows(&world).await;
        let files = world.files(&id);
        zombie.signal(Signal::SIGCONT);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = rows(&world).await;
        for (table, rows) in &before {
            assert_eq!(rows, &after[table], "{point}: the table {table} has changed");
        }
        assert!(files == world.files(&id), "{point}: files have changed");
        zombie.end().await;
        Outcome::of(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_share_the_work_and_show_each_others_runs() {
    const HOSTS: usize = 3;
    const RUNS: usize = 9;
    let _turn = world::turn().await;
    let world = world_with_lease().await;
    world.provider.set_delay(SLOWLY);
    let hosts = join_all((0..HOSTS).map(|_| world.boot())).await;
    let ids = join_all((0..RUNS).map(|run| world::start(&hosts[run % HOSTS], REQUEST))).await;
    // Every run is watched on every host.
    let watched = ids.iter().flat_map(|id| hosts.iter().map(move |host| watch(host, id)));
    let seen = join_all(watched).await;
    for of_one_run in seen.chunks(HOSTS) {
        assert!(of_one_run.iter().all(|events| events == &of_one_run[0]), "{of_one_run:?}");
    }
    let mut books = Books::open(&world.data).await;
    let workers = books.number("SELECT CAST(count(DISTINCT host) AS TEXT) FROM runs").await;
    assert!(workers > 1, "one host did everything");
    for host in hosts {
        host.end().await;
    }
    let outcome = Outcome::of(&world).await;
    assert_eq!(outcome.heads(), 1, "the same request gave different applications");
}

/// Numbers of all messages of a run, as one host tells them.
async fn watch(host: &Host, id: &str) -> Vec<u64> {
    let mut socket = host.socket(id, Some(0)).await;
    let mut seen = Vec::new();
    loop {
        let message = socket.next().await.unwrap();
        assert_ne!(message["type"], "WORKFLOW_FAILED", "{message}");
        seen.push(message["seq"].as_u64().unwrap());
        if message["type"] == "WORKFLOW_COMPLETE" {
            return seen;
        }
    }
}

async fn world_with_lease() -> World {
    let mut world = World::new(Backend::Postgres, Tools::Hidden).await;
    world.data.env.push(("GENCODE_LEASE_MS".to_owned(), LEASE.to_owned()));
    world
}

async fn undisturbed() -> Outcome {
    let world = world_with_lease().await;
    let host = world.boot().await;
    let id = world::start(&host, REQUEST).await;
    world::completed(&host, &id).await;
    host.end().await;
    Outcome::of(&world).await
}

async fn sold(world: &World, count: usize) {
    let deadline = Instant::now() + RUN;
    while world.provider.sales().len() < count {
        assert!(Instant::now() < deadline, "nothing more is sold");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a run was taken over this often.
async fn recovered(world: &World, times: i64) {
    let deadline = Instant::now() + RUN;
    let mut books = Books::open(&world.data).await;
    let query = "SELECT CAST(count(*) AS TEXT) FROM events WHERE body LIKE '%run_recovered%'";
    while books.number(query).await < times {
        assert!(Instant::now() < deadline, "nobody takes the run over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// I8: each claim raised the epoch of its run, so no lease was given twice.
async fn epochs_only_rise(world: &World) {
    let mut books = Books::open(&world.data).await;
    let claims = books
        .number(
            "SELECT CAST(count(*) AS TEXT) FROM events \
             WHERE body LIKE '%run_started%' OR body LIKE '%run_recovered%'",
        )
        .await;
    let epoch = books.number("SELECT CAST(max(epoch) AS TEXT) FROM runs").await;
    assert!(epoch >= claims, "{claims} claims, and the epoch is {epoch}");
}

/// Every row of every table.
async fn rows(world: &World) -> BTreeMap<&'static str, Vec<Vec<String>>> {
    let mut books = Books::open(&world.data).await;
    let mut all = BTreeMap::new();
    for (table, query) in [
        ("projects", "SELECT CAST(p AS TEXT) FROM projects p ORDER BY id"),
        ("runs", "SELECT CAST(r AS TEXT) FROM runs r ORDER BY id"),
        ("steps", "SELECT CAST(s AS TEXT) FROM steps s ORDER BY run, step"),
        ("journal", "SELECT CAST(j AS TEXT) FROM journal j ORDER BY run, step, attempt, path"),
        ("documents", "SELECT CAST(d AS TEXT) FROM documents d ORDER BY run, name"),
        ("checkpoints", "SELECT CAST(c AS TEXT) FROM checkpoints c ORDER BY n"),
        ("events", "SELECT CAST(e AS TEXT) FROM events e ORDER BY project, seq"),
        ("ledger", "SELECT CAST(l AS TEXT) FROM ledger l ORDER BY n"),
    ] {
        all.insert(table, books.rows(query).await);
    }
    all
}
