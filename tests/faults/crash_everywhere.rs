//! T1: the host is killed at every crash point, on both databases, and whatever it leaves is
//! finished by the next one as if nothing had been.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gencode_core::crash::POINTS;

use crate::{
    client::{Client, Fault},
    host::Backend,
    oracle::Outcome,
    plays::Play,
    world,
};

/// Longest one play with one death may take.
const LIMIT: Duration = Duration::from_mins(3);

/// A play that nothing disturbed.
struct Undisturbed {
    outcome: Outcome,
    passed: BTreeMap<String, u32>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_killed_at_any_point_on_sqlite_loses_and_repeats_nothing() {
    crash_everywhere(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_killed_at_any_point_on_postgresql_loses_and_repeats_nothing() {
    crash_everywhere(Backend::Postgres).await;
}

async fn crash_everywhere(backend: Backend) {
    let _turn = world::turn().await;
    let began = Instant::now();
    let mut plays = BTreeMap::new();
    for play in Play::ALL {
        plays.insert(play, undisturbed(backend, play).await);
    }
    let mut plan = Vec::new();
    let mut unreached = Vec::new();
    for point in POINTS.iter().copied().filter(|point| wanted(point)) {
        let passing = plays.iter().find_map(|(play, done)| Some((*play, *done.passed.get(point)?)));
        match passing {
            // The first time, and once where much was done already.
            Some((play, times)) => {
                let hits = if times > 2 { vec![1, times.div_ceil(2)] } else { vec![1] };
                plan.extend(hits.into_iter().map(|hit| (play, Fault { point, hit })));
            }
            None => unreached.push(point),
        }
    }
    assert!(unreached.is_empty(), "no play passes these points: {unreached:?}");
    let count = plan.len();
    let places = std::thread::available_parallelism().map_or(2, usize::from) + 1;
    let crashes = plan.into_iter().map(|(play, fault)| {
        let undisturbed = &plays[&play].outcome;
        crash(backend, play, fault, undisturbed)
    });
    let ends: Vec<Result<(), String>> =
        stream::iter(crashes).buffer_unordered(places).collect().await;
    let failures: Vec<String> = ends.into_iter().filter_map(Result::err).collect();
    eprintln!("{count} crashes on {backend:?} in {:?}", began.elapsed());
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
}

/// One play with one death. The error says what is wrong afterwards.
async fn crash(
    backend: Backend,
    play: Play,
    fault: Fault,
    undisturbed: &Outcome,
) -> Result<(), String> {
    let what = format!("{play:?} with {fault:?} on {backend:?}");
    let judged = async {
        let world = play.world(backend).await;
        let mut client = Client::new(&world, Some(fault));
        play.play(&mut client).await;
        assert_eq!(client.deaths, 1, "the point was not reached");
        Outcome::of(&world).await.assert_same(undisturbed, "against the undisturbed play");
    };
    // One failure must not hide the others.
    let judged = tokio::time::timeout(LIMIT, AssertUnwindSafe(judged).catch_unwind());
    match judged.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(format!("{what}: {}", words(panic.as_ref()))),
        Err(_) => Err(format!("{what}: not done after {LIMIT:?}")),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

async fn undisturbed(backend: Backend, play: Play) -> Undisturbed {
    let world = play.world(backend).await;
    let mut client = Client::tracing(&world);
    play.play(&mut client).await;
    let outcome = Outcome::of(&world).await;
    Undisturbed { outcome, passed: client.passed }
}

/// `GENCODE_TEST_POINTS` limits a run by hand to points that contain it.
fn wanted(point: &str) -> bool {
    std::env::var_os("GENCODE_TEST_POINTS")
        .is_none_or(|part| point.contains(&*part.to_string_lossy()))
}
