//! Files that are missing, damaged, foreign, too new, full or not writable.

use std::path::Path;

use gencode_core::run::StepStatus;

use super::*;
use crate::{StoreError, open::Engine};

async fn refused(file: &Path) -> StoreError {
    Store::open(file).await.expect_err("it must be refused")
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gencode.db");
    for content in [
        b"my shopping list, very important".repeat(100),
        [b"SQLite format 3\0".to_vec(), vec![0xff; 8000]].concat(),
        vec![7],
        b"SQLite format 3\0".to_vec(),
        b"a short note of the user's".to_vec(),
    ] {
        std::fs::write(&file, &content).unwrap();
        let error = refused(&file).await;
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("gencode.db") && text.contains("restore a copy"), "{text}");
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(refused(&file).await, StoreError::Corrupt { .. }));
}

#[tokio::test]
async fn a_damaged_page_is_found_when_opening() {
    let fixture = fixture(Kind::Sqlite).await;
    fixture.claimed().await;
    fixture.store.close().await;
    let mut bytes = std::fs::read(&fixture.file).unwrap();
    for byte in bytes.iter_mut().skip(4096).take(20 * 4096) {
        *byte ^= 0x5a;
    }
    std::fs::write(&fixture.file, &bytes).unwrap();
    let error = refused(&fixture.file).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert_eq!(std::fs::read(&fixture.file).unwrap(), bytes);
}

#[tokio::test]
async fn damage_found_later_is_named_too() {
    let fixture = fixture(Kind::Sqlite).await;
    fixture.claimed().await;
    fixture.raw("UPDATE runs SET generation = 'not json'").await.unwrap();
    let error = fixture.store.run(rid(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }));
    assert!(error.to_string().contains("generation"), "{error}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("photos.db");
    std::fs::write(&file, b"").unwrap();
    raw(&file, "CREATE TABLE photos (id INTEGER)").await.unwrap();
    let before = std::fs::read(&file).unwrap();
    let error = refused(&file).await.to_string();
    assert!(error.contains("belongs to another program"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_numbers() {
    let fixture = fixture(Kind::Sqlite).await;
    fixture.store.close().await;
    fixture
        .raw("INSERT INTO _sqlx_migrations VALUES (9999, 'future', '2030-01-01', 1, x'00', 0)")
        .await
        .unwrap();
    let error = refused(&fixture.file).await;
    assert!(matches!(error, StoreError::TooNew { found: 9999, .. }), "{error:?}");
    assert!(error.to_string().contains("use a newer version of the host"));
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    // Not even root can make files here.
    let error = refused(Path::new("/proc/gencode.db")).await;
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("/proc/gencode.db"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let error = refused(&dir.path().join("missing/gencode.db")).await;
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_is_named_and_loses_nothing() {
    let fixture = fixture(Kind::Sqlite).await;
    let lease = fixture.claimed().await.lease;
    fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    // The writer's connection is the only one, so the limit is its.
    let limit = async |pages: &'static str| {
        let Engine::Sqlite { writer, .. } = &fixture.store.inner.engine else { unreachable!() };
        let mut turn = writer.begin().await.unwrap();
        turn.execute(vec![crate::sql::sql(pages)]).await
    };
    limit("PRAGMA max_page_count = 1").await.unwrap();
    let mut big = entry("analysis", 1, "0", Some("1"));
    big.reply = json!("x".repeat(1_000_000));
    let error = fixture.store.journal_append(&lease, &big).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(fixture.store.journal_load(rid(1), "analysis", 1).await.unwrap().is_empty());
    assert_eq!(fixture.store.run_totals(rid(1)).await.unwrap().all.calls, 0);
    limit("PRAGMA max_page_count = 1000000").await.unwrap();
    fixture.store.journal_append(&lease, &big).await.unwrap();
}

#[tokio::test]
async fn what_was_written_survives_an_end_without_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gencode.db");
    let copy = dir.path().join("after-the-kill.db");
    let store = Store::open(&file).await.unwrap();
    store.create_project(&project("shop", 0)).await.unwrap();
    store.start_run(new_run("shop", 1)).await.unwrap();
    let claim = Claim { host: hid(1), lease_ms: 60_000, only: None };
    let lease = store.claim(&claim).await.unwrap().unwrap().lease;
    store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    store.journal_append(&lease, &entry("analysis", 1, "0", Some("0.5"))).await.unwrap();
    store.commit_step(&lease, &commit("analysis", StepStatus::Completed)).await.unwrap();
    // What a killed process leaves: the file and its log, no clean shutdown. A copy of both while
    // the store is open is exactly that.
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", file.display());
        std::fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
    }
    drop(store);
    let store = Store::open(&copy).await.unwrap();
    assert_eq!(store.steps(rid(1)).await.unwrap()[0].status, StepStatus::Completed);
    assert_eq!(store.run_totals(rid(1)).await.unwrap().all.calls, 1);
    assert_eq!(store.expire_host(&hid(1)).await.unwrap(), 1);
    let claimed = store.claim(&Claim { host: hid(2), ..claim }).await.unwrap().unwrap();
    assert_eq!(claimed.kind, crate::ClaimKind::Recovered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_hosts_may_create_the_database_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gencode.db");
    let mut opens = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let file = file.clone();
        opens.spawn(async move { Store::open(&file).await });
    }
    for store in opens.join_all().await {
        store.unwrap().list_projects(1, None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_away_is_used_again() {
    let server = tokio::task::spawn_blocking(super::postgres::Postgres::start).await.unwrap();
    let location: Location = server.database().parse().unwrap();
    let store = Store::connect(&location).await.unwrap();
    store.create_project(&project("shop", 0)).await.unwrap();
    let server = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    let server = server.await.unwrap();
    let error = store.create_project(&project("club", 0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("does not answer"), "{error}");
    assert!(!error.to_string().contains("gencode@"), "{error}");
    let _server = tokio::task::spawn_blocking(move || {
        server.start_again();
        server
    })
    .await
    .unwrap();
    store.create_project(&project("club", 0)).await.unwrap();
    assert_eq!(store.list_projects(9, None).await.unwrap().projects.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_future_or_of_others_is_refused() {
    let fixture = fixture(Kind::Postgres).await;
    fixture
        .raw("INSERT INTO _sqlx_migrations VALUES (9999, 'future', now(), true, '', 0)")
        .await
        .unwrap();
    let error = Store::connect(&fixture.location).await.unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 9999, .. }), "{error:?}");
    fixture.raw("DROP TABLE _sqlx_migrations").await.unwrap();
    let error = Store::connect(&fixture.location).await.unwrap_err();
    assert!(error.to_string().contains("belongs to another program"), "{error}");
}
