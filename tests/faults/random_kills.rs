//! T2: a host that is killed again and again at random moments, with twenty runs in flight, still
//! gets on, and in the end everything is done and paid once.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::{
    books::Books,
    client::Client,
    host::Backend,
    oracle::Outcome,
    process::{Boot, Host},
    world::{self, REQUEST, Tools, World},
};

/// Kills per database; `GENCODE_TEST_KILLS` changes it.
const KILLS: u64 = 200;

/// Runs that are queued or going on at any time.
const IN_FLIGHT: usize = 20;

/// Kills after which something must have got on.
const ROUND: u64 = 20;

const SLOWLY: Duration = Duration::from_millis(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_on_sqlite_lose_and_repeat_nothing() {
    kill_at_random(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_on_postgresql_lose_and_repeat_nothing() {
    kill_at_random(Backend::Postgres).await;
}

async fn kill_at_random(backend: Backend) {
    let _turn = world::turn().await;
    let mut dice = Dice::new();
    eprintln!("GENCODE_TEST_SEED={} on {backend:?}", dice.seed);
    let kills = number("GENCODE_TEST_KILLS").unwrap_or(KILLS);
    let world = World::new(backend, Tools::Hidden).await;
    world.provider.set_delay(SLOWLY);
    // The tables are there before the first kill.
    world.boot().await.end().await;
    let mut written = events(&world).await;
    for kill in 1..=kills {
        let moment = Instant::now() + dice.moment();
        if let Boot::Up(host) = world.boot_with(&[]).await {
            tokio::time::timeout_at(moment, top_up(&host, &world)).await.ok();
            tokio::time::sleep_until(moment).await;
            host.kill().await;
        }
        if kill % ROUND == 0 {
            let now = events(&world).await;
            assert!(now > written, "nothing got on between kills {} and {kill}", kill - ROUND);
            written = now;
        }
    }
    world.provider.set_delay(Duration::ZERO);
    let mut client = Client::new(&world, None);
    let projects = client.ask(async |host| host.get("/api/projects").await).await.1;
    for project in projects.as_array().unwrap() {
        let id = project["id"].as_str().unwrap();
        client.build(id).await;
        client.until(id, "completed").await;
    }
    client.end().await;
    let outcome = Outcome::of(&world).await;
    assert!(outcome.heads() == 1, "the same request gave different applications");
    eprintln!("{} projects through {kills} kills", projects.as_array().unwrap().len());
}

/// Keeps enough runs in flight; given up when the moment of the kill comes.
async fn top_up(host: &Host, world: &World) {
    loop {
        let mut books = Books::open(&world.data).await;
        let active = books
            .number(
                "SELECT CAST(count(*) AS TEXT) FROM runs \
                 WHERE status IN ('queued', 'running', 'paused')",
            )
            .await;
        let idle = books.rows("SELECT id FROM projects WHERE status = 'created'").await;
        drop(books);
        let missing = IN_FLIGHT.saturating_sub(usize::try_from(active).unwrap());
        for number in 0..missing {
            // First those that a kill kept from starting.
            let id = if let Some(row) = idle.get(number) {
                row[0].clone()
            } else {
                let made = host.post("/api/projects", &json!({ "prompt": REQUEST })).await;
                let Some((200, made)) = made else { return };
                made["id"].as_str().unwrap().to_owned()
            };
            if world::build(host, &id).await.is_none() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn events(world: &World) -> i64 {
    let mut books = Books::open(&world.data).await;
    books.number("SELECT CAST(coalesce(sum(last_seq), 0) AS TEXT) FROM projects").await
}

/// Chance that can be repeated: a seed that is printed, or given as `GENCODE_TEST_SEED`.
struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    fn new() -> Self {
        let seed = number("GENCODE_TEST_SEED").unwrap_or_else(|| {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap();
            u64::try_from(now.as_millis()).unwrap()
        });
        Self { seed, state: seed }
    }

    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 20 ms after the start of the host, mostly soon, sometimes late.
    fn moment(&mut self) -> Duration {
        let short = self.next() % 800;
        let long = self.next() % 800;
        Duration::from_millis(20 + short.max(long))
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var_os(variable)?.to_str()?.parse().ok()
}
