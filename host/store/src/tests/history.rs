//! Events: numbered without gaps, whoever writes them.

use gencode_core::event::EventBody;
use tokio::task::JoinSet;

use super::*;
use crate::StoreError;

on_both! {
    events_have_no_gaps_under_concurrency,
    an_undone_write_sends_no_hint,
    every_kind_of_event_survives_its_stored_form,
}

fn said(message: String) -> EventBody {
    EventBody::AgentSaid { step: "s".to_owned(), agent: "Derek".to_owned(), message }
}

async fn events_have_no_gaps_under_concurrency(fixture: Fixture) {
    for id in ["shop", "club"] {
        fixture.store.create_project(&project(id, 0)).await.unwrap();
    }
    let other = fixture.other().await;
    let mut hints = fixture.store.subscribe();
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = if writer % 2 == 0 { fixture.store.clone() } else { other.clone() };
        writers.spawn(async move {
            for n in 0..10 {
                let bodies = (0..=n % 3).map(|i| said(format!("{writer}.{n}.{i}"))).collect();
                let id = pid(if n % 2 == 0 { "shop" } else { "club" });
                let events = store.append_events(&id, None, bodies).await.unwrap();
                // One call's events stand together.
                for pair in events.windows(2) {
                    assert_eq!(pair[0].seq + 1, pair[1].seq);
                }
                if n == 5 {
                    // A write that fails must not use up numbers.
                    let nobody = pid("nobody");
                    let failed =
                        store.append_events(&nobody, None, vec![said(String::new())]).await;
                    assert!(matches!(failed, Err(StoreError::NotFound { .. })));
                }
            }
        });
    }
    writers.join_all().await;
    for id in ["shop", "club"] {
        let events = fixture.store.events_after(&pid(id), 0, 1000).await.unwrap();
        let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{id}");
        assert_eq!(numbers.len() as u64, fixture.store.last_seq(&pid(id)).await.unwrap());
        let per_writer: usize =
            (0..10).filter(|n| (n % 2 == 0) == (id == "shop")).map(|n| n % 3 + 1).sum();
        assert_eq!(numbers.len(), 8 * per_writer);
        let tail = fixture.store.events_after(&pid(id), 10, 3).await.unwrap();
        assert_eq!(tail.iter().map(|event| event.seq).collect::<Vec<_>>(), [11, 12, 13]);
    }
    let hint = hints.recv().await.unwrap();
    assert!(hint.seq >= 1);
}

async fn an_undone_write_sends_no_hint(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    let mut hints = fixture.store.subscribe();
    let zombie = Lease { epoch: 99, ..lease };
    let failed =
        fixture.store.begin_step(&zombie, "analysis", None, |_| vec![said(String::new())]).await;
    assert!(failed.is_err());
    assert!(hints.try_recv().is_err());
    fixture
        .store
        .append_events(&pid("shop"), Some(rid(1)), vec![said("x".to_owned())])
        .await
        .unwrap();
    assert_eq!(hints.try_recv().unwrap().seq, 3);
}

async fn every_kind_of_event_survives_its_stored_form(fixture: Fixture) {
    fixture.store.create_project(&project("shop", 0)).await.unwrap();
    let bodies = vec![
        EventBody::RunStarted,
        EventBody::StepProgress {
            step: "s".to_owned(), fraction: 0.25, activity: "…".to_owned()
        },
        EventBody::FilesCommitted { step: "s".to_owned(), paths: vec![], checkpoint: cid(4) },
        EventBody::RunPaused {
            step: "s".to_owned(),
            question: "?".to_owned(),
            options: vec!["a".to_owned()],
        },
    ];
    let written = fixture.store.append_events(&pid("shop"), Some(rid(1)), bodies).await.unwrap();
    assert_eq!(fixture.store.events_after(&pid("shop"), 0, 10).await.unwrap(), written);
}
