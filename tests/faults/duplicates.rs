//! T8: what arrives twice is done once, and what is read again is read on.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::{
    books::Books,
    client::Client,
    host::Backend,
    oracle::Outcome,
    world::{self, REQUEST, Tools, World},
};

/// Simultaneous wishes for the same build.
const STARTS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_simultaneous_starts_are_one_run() {
    let _turn = world::turn().await;
    for (backend, hosts) in [(Backend::Sqlite, 1), (Backend::Postgres, 2)] {
        let world = World::new(backend, Tools::Hidden).await;
        let mut all = Vec::new();
        for _ in 0..hosts {
            all.push(world.boot().await);
        }
        let mut client = Client::new(&world, None);
        let id = client.make(REQUEST).await;
        let starts = (0..STARTS).map(|number| world::build(&all[number % hosts], &id));
        let answers: Vec<_> = join_all(starts).await.into_iter().map(Option::unwrap).collect();
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
        let started = answers.iter().filter(|(_, answer)| answer["already_running"].is_null());
        assert_eq!(started.count(), 1, "one start wins: {answers:?}");
        client.until(&id, "completed").await;
        client.end().await;
        for host in all {
            host.end().await;
        }
        let mut books = Books::open(&world.data).await;
        assert_eq!(books.number("SELECT CAST(count(*) AS TEXT) FROM runs").await, 1);
        Outcome::of(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reconnects_with_its_last_number_sees_each_event_once() {
    let _turn = world::turn().await;
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::new(backend, Tools::Hidden).await;
        let host = world.boot().await;
        let id = world::start(&host, REQUEST).await;
        let mut seen: Vec<u64> = Vec::new();
        // Leaves after every few messages, also in the middle of a burst.
        for patience in 1.. {
            let mut socket = host.socket(&id, Some(seen.last().copied().unwrap_or(0))).await;
            let mut ended = false;
            for _ in 0..=(patience % 4) {
                let message = socket.next().await.unwrap();
                assert_eq!(message["projectId"], id.as_str(), "{message}");
                seen.push(message["seq"].as_u64().unwrap());
                ended = message["type"] == "WORKFLOW_COMPLETE";
                if ended {
                    break;
                }
            }
            if ended {
                break;
            }
        }
        assert!(seen.is_sorted_by(|one, next| one < next), "out of order or twice: {seen:?}");
        // A client that never left has seen the same.
        let mut socket = host.socket(&id, Some(0)).await;
        let mut steady = BTreeSet::new();
        while steady.last() < seen.last() {
            steady.insert(socket.next().await.unwrap()["seq"].as_u64().unwrap());
        }
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), steady, "events were missed");
        host.end().await;
    }
}
