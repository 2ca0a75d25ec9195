//! T5: PostgreSQL is stopped at once (`pg_ctl stop -m immediate`) while a host idles, claims,
//! commits and recovers. Runs wait for it, and nobody has to restart the host.

use std::{sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    books::Books,
    host::Data,
    oracle::Outcome,
    postgres::Postgres,
    process::Host,
    world::{self, REQUEST, Tools, World},
};

/// How soon runs are claimed once the database is back.
const BACK: Duration = Duration::from_secs(5);

/// How long the database stays away.
const AWAY: Duration = Duration::from_secs(2);

const SLOWLY: Duration = Duration::from_millis(40);

/// Where the database is lost, and the point in the host at which it is.
const MOMENTS: [(&str, &str); 5] = [
    ("claim", "store.run.claim.inside"),
    ("call", "store.journal.append.inside"),
    ("commit", "store.step.commit.inside"),
    ("commit, not begun", "store.step.commit.before"),
    ("end", "store.run.finish.inside"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_wait_for_a_database_that_is_away_and_then_go_on() {
    let _turn = world::turn().await;
    let server = server().await;
    let undisturbed = undisturbed(&server).await;
    for (name, point) in MOMENTS {
        let world = world_on(&server).await;
        let mut host = world.boot_with(&[("GENCODE_STOP_AT", point)]).await.up();
        let id = start_stopping(&host).await;
        assert!(host.says(&format!("gencode stops at {point}")).await, "{}", host.log());
        stop(&server).await;
        host.signal(Signal::SIGCONT);
        tokio::time::sleep(AWAY).await;
        start(&server).await;
        let back = Instant::now();
        claimed(&world, back, name).await;
        world::completed(&host, &id).await;
        host.end().await;
        Outcome::of(&world).await.assert_same(&undisturbed, name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_idles_without_its_database_says_so_and_takes_up_work_afterwards() {
    let _turn = world::turn().await;
    let server = server().await;
    let world = world_on(&server).await;
    let host = world.boot().await;
    stop(&server).await;
    let asked = Instant::now();
    let (status, answer) = host.get("/api/projects").await.expect("the host lives");
    assert_eq!(status, 503, "{answer}");
    assert!(answer["detail"].is_string(), "{answer}");
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    let (status, _) = host.get("/healthz").await.expect("the host lives");
    assert_eq!(status, 200);
    tokio::time::sleep(AWAY).await;
    start(&server).await;
    let back = Instant::now();
    let id = loop {
        let body = serde_json::json!({ "prompt": REQUEST });
        let (status, project) = host.post("/api/projects", &body).await.expect("the host lives");
        if status == 200 {
            break project["id"].as_str().unwrap().to_owned();
        }
        assert!(back.elapsed() < BACK, "the host does not find its database again: {project}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    world::build(&host, &id).await.expect("the host lives");
    claimed(&world, back, "idle").await;
    world::completed(&host, &id).await;
    host.end().await;
    Outcome::of(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_loses_its_database_is_done_when_that_is_back() {
    let _turn = world::turn().await;
    let server = server().await;
    let undisturbed = undisturbed(&server).await;
    let world = world_on(&server).await;
    world.provider.set_delay(SLOWLY);
    let dying = world.boot().await;
    let id = world::start(&dying, REQUEST).await;
    while world.provider.sales().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    dying.kill().await;
    let point = "store.host.expire.inside";
    let mut host = world.boot_with(&[("GENCODE_STOP_AT", point)]).await.up();
    assert!(host.says(&format!("gencode stops at {point}")).await, "{}", host.log());
    stop(&server).await;
    host.signal(Signal::SIGCONT);
    tokio::time::sleep(AWAY).await;
    start(&server).await;
    host.serves().await;
    claimed(&world, Instant::now(), "recovery").await;
    world::completed(&host, &id).await;
    host.end().await;
    Outcome::of(&world).await.assert_same(&undisturbed, "recovery");
}

/// Waits until no run lacks a host that works on it.
async fn claimed(world: &World, back: Instant, name: &str) {
    loop {
        let mut books = Books::open(&world.data).await;
        let open = "SELECT CAST(count(*) AS TEXT) FROM runs WHERE status = 'queued' \
                    OR (status = 'running' AND (lease_until IS NULL OR lease_until <= \
                    to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00')))";
        let started = books.number("SELECT CAST(count(*) AS TEXT) FROM runs").await;
        if started > 0 && books.number(open).await == 0 {
            return;
        }
        assert!(back.elapsed() < BACK, "{name}: runs stay unclaimed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Starts the run; the answer may not come, because the host stops meanwhile.
async fn start_stopping(host: &Host) -> String {
    let body = serde_json::json!({ "prompt": REQUEST });
    let (_, project) = host.post("/api/projects", &body).await.expect("the host lives");
    let id = project["id"].as_str().unwrap().to_owned();
    let started = world::build(host, &id);
    tokio::time::timeout(Duration::from_secs(1), started).await.ok();
    id
}

async fn undisturbed(server: &Arc<Postgres>) -> Outcome {
    let world = world_on(server).await;
    let host = world.boot().await;
    let id = world::start(&host, REQUEST).await;
    world::completed(&host, &id).await;
    host.end().await;
    Outcome::of(&world).await
}

/// A server of the test's own, which it may stop.
async fn server() -> Arc<Postgres> {
    tokio::task::spawn_blocking(|| Arc::new(Postgres::start())).await.unwrap()
}

async fn world_on(server: &Arc<Postgres>) -> World {
    let server = Arc::clone(server);
    let database = tokio::task::spawn_blocking(move || server.database()).await.unwrap();
    let mut world = World::in_data(Data::with_database(Some(database)), Tools::Hidden).await;
    // A lease that a lost database lets run out must not be what is waited for.
    world.data.env.push(("GENCODE_LEASE_MS".to_owned(), "1500".to_owned()));
    world
}

async fn stop(server: &Arc<Postgres>) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
}

async fn start(server: &Arc<Postgres>) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || server.start_again()).await.unwrap();
}
