//! Several hosts with one database and one blob store, and no folder in common.

use std::{path::Path, time::Duration};

use sqlx::Connection as _;
use tokio::io::AsyncReadExt as _;

use crate::host::{Data, RUN, files_of, plugins};

/// A number from a database that hosts share.
async fn count(database: &Path, query: &'static str) -> i64 {
    let url = format!("sqlite://{}?mode=ro", database.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

/// A machine with a data folder of its own.
fn machine(shared: &Path) -> Data {
    let mut data = Data::new();
    data.env = vec![
        ("DATABASE_URL".to_owned(), shared.join("gencode.db").display().to_string()),
        ("GENCODE_BLOBS".to_owned(), format!("file://{}", shared.join("blobs").display())),
        ("GENCODE_LEASE_MS".to_owned(), "2000".to_owned()),
    ];
    data
}

/// The same plugins as other bytes: each with a custom section more.
async fn rebuilt(into: &Path) {
    for (name, mut bytes) in files_of(plugins().await) {
        if name.strip_suffix(".wasm").is_some() {
            bytes.extend(b"\x00\x08\x07rebuilt");
            std::fs::write(into.join(name), bytes).unwrap();
        }
    }
}

#[tokio::test]
async fn another_machine_continues_a_run_with_its_files_and_its_exact_plugins() {
    let shared = tempfile::tempdir().unwrap();
    let database = shared.path().join("gencode.db");
    let one = machine(shared.path());
    let server = one.serve().await;
    let id = server.start("a club with members, events and payments").await;
    let deadline = tokio::time::Instant::now() + RUN;
    while count(&database, "SELECT count(*) FROM checkpoints").await < 4 {
        assert!(tokio::time::Instant::now() < deadline, "no checkpoint in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, project) = server.get(&format!("/api/projects/{id}")).await;
    assert_ne!(project["status"], "completed", "it was too quick to be interrupted");
    server.kill().await;
    // The machine is gone with its disk.
    drop(one);

    let mut two = machine(shared.path());
    let other = tempfile::tempdir().unwrap();
    rebuilt(other.path()).await;
    two.plugins = Some(other.path().to_owned());
    let server = two.serve().await;
    server.wait_for(&id, "completed").await;
    assert_eq!(count(&database, "SELECT count(*) FROM runs").await, 1, "continued, not anew");
    assert_eq!(
        count(&database, "SELECT count(*) FROM ledger").await,
        count(&database, "SELECT count(*) FROM journal WHERE call LIKE '%complete%'").await
    );
    let copy = two.path().join("workspaces").join(&id);
    assert!(copy.join("README.md").exists(), "{:?}", files_of(&copy).len());
    let (status, files) = server.get(&format!("/api/workspace/{id}/files")).await;
    assert_eq!(status, 200);
    assert!(files.as_array().unwrap().len() > 5, "{files}");
    // Its own plugins are others; those of the run came from the store.
    let own = files_of(other.path()).len();
    assert_eq!(files_of(&two.path().join("components")).len(), 2 * own);
}

#[tokio::test]
async fn a_blob_store_that_does_not_answer_is_told_before_anything_is_begun() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut data = Data::new();
    data.env = vec![
        ("GENCODE_BLOBS".to_owned(), "s3://bucket/prefix".to_owned()),
        ("AWS_ENDPOINT_URL".to_owned(), format!("https://{}", listener.local_addr().unwrap())),
        ("AWS_ACCESS_KEY_ID".to_owned(), "AKIAEXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), "wJalrXUtnFEMI".to_owned()),
    ];
    let first_byte = async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.read_u8().await.unwrap()
    };
    let args = ["new", "--json", "a list of things"];
    let (output, first) = tokio::join!(data.run(&args), first_byte);
    assert_eq!(first, 0x16, "the client begins with TLS");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(told.contains("the blob store `s3://bucket/prefix` could not"), "{told}");
    assert!(!told.contains("wJalrXUtnFEMI"), "{told}");

    data.env = vec![("GENCODE_BLOBS".to_owned(), "ftp://somewhere".to_owned())];
    let output = data.run(&["new", "--json", "a list of things"]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("GENCODE_BLOBS") && told.contains("s3://bucket/prefix"), "{told}");
}
