//! What durability costs: steps that do nothing, beside plain SQL that leaves the same rows, with the
//! same driver, in the same kind of database on the same disk, measured in turns in one run.
//!
//! - *one run*: step after step; beside transaction after transaction. For comparison also the
//!   barest commit there is, of one row.
//! - *64 runs*: each step after step; beside 64 writers whose transactions become durable together.
//! - *projects*: a page of the list among 100,000 projects; beside the same page among 100.
//!
//! `--check` fails when a target is missed.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may fail loudly")]

mod ours;
#[path = "../../../../tests/it/postgres.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod postgres;
mod raw;

use std::{process::ExitCode, time::Instant};

use gencode_store::{Location, Store};

/// Least share of the raw rate that one run must reach.
const ONE_RUN: f64 = 0.70;
/// Least share of the raw rate that 64 runs must reach together.
const MANY_RUNS: f64 = 0.60;
/// How much longer the list may take among a thousand times as many projects.
const LIST: f64 = 1.5;

const ROUNDS: usize = 5;
const RUNS: usize = 64;
const STEPS_OF_ONE: usize = 400;
const STEPS_OF_MANY: usize = 40;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    // On the disk the project is on: a temporary folder may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let server = tokio::task::spawn_blocking(postgres::Postgres::durable).await.unwrap();
    let mut fine = true;
    for location in [
        Location::File(dir.path().join("gencode.db")),
        server.database().parse::<Location>().unwrap(),
    ] {
        fine &= measure(&location).await;
    }
    if check && !fine { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn measure(location: &Location) -> bool {
    let kind = match location {
        Location::File(_) => "SQLite",
        Location::Postgres(_) => "PostgreSQL",
    };
    let store = Store::connect(location).await.unwrap();
    let raw = raw::Raw::open(location).await;
    let (mut one, mut many, mut barest) = (Best::default(), Best::default(), 0.0_f64);
    for round in 0..ROUNDS {
        let start = Instant::now();
        raw.barest(STEPS_OF_ONE).await;
        barest = barest.max(rate(STEPS_OF_ONE, start));
        let start = Instant::now();
        raw.together(1, STEPS_OF_ONE).await;
        one.raw(STEPS_OF_ONE, start);
        let runs = ours::runs(&store, 1, STEPS_OF_ONE, &format!("one{round}")).await;
        let start = Instant::now();
        ours::walk(&store, runs).await;
        one.ours(STEPS_OF_ONE, start);

        let start = Instant::now();
        raw.together(RUNS, STEPS_OF_MANY).await;
        many.raw(RUNS * STEPS_OF_MANY, start);
        let runs = ours::runs(&store, RUNS, STEPS_OF_MANY, &format!("many{round}")).await;
        let start = Instant::now();
        ours::walk(&store, runs).await;
        many.ours(RUNS * STEPS_OF_MANY, start);
    }
    println!("{kind:11} one row: {barest:8.0} commits/s");
    let fine = one.print(&format!("{kind}, one run"), ONE_RUN)
        & many.print(&format!("{kind}, {RUNS} runs"), MANY_RUNS);
    let (few, lots) = ours::lists(&store).await;
    let ratio = lots / few;
    println!(
        "{kind:11} projects: {few:7.0} µs a page among 100, {lots:7.0} µs among 100,000, ratio {ratio:.2} (at most {LIST})"
    );
    fine && ratio <= LIST
}

/// The best rates of all rounds, per second.
#[derive(Default)]
struct Best {
    raw: f64,
    ours: f64,
}

impl Best {
    fn raw(&mut self, count: usize, start: Instant) {
        self.raw = self.raw.max(rate(count, start));
    }

    fn ours(&mut self, count: usize, start: Instant) {
        self.ours = self.ours.max(rate(count, start));
    }

    fn print(&self, what: &str, target: f64) -> bool {
        let ratio = self.ours / self.raw;
        println!(
            "{what:22} {:8.0} steps/s, raw {:8.0} commits/s, ratio {ratio:.2} (at least {target})",
            self.ours, self.raw
        );
        ratio >= target
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn rate(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}
