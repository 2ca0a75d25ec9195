//! What an operator does: cleaning, room, backups, examinations.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Output,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::host::{Backend, Data, SOON, Server};

/// Nothing is too young to go; only for hosts that do nothing else.
const NO_GRACE: (&str, &str) = ("GENCODE_GC_GRACE", "0s");

/// As little history as there can be.
const SHORT: [(&str, &str); 2] = [("GENCODE_KEEP_DAYS", "0"), ("GENCODE_KEEP_CHECKPOINTS", "2")];

impl Data {
    /// Runs the binary to its end, with variables.
    async fn run_in(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = self.command(args).await;
        command.envs(env.iter().copied()).output().await.unwrap()
    }

    /// What the binary says in JSON, whatever it ends with.
    async fn json_in(&self, args: &[&str], env: &[(&str, &str)]) -> (bool, Value) {
        let output = self.run_in(args, env).await;
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{args:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))
        });
        (output.status.success(), said)
    }

    /// `gencode doctor`, as lines of `level area text`.
    async fn doctor(&self, more: &[&str]) -> (bool, Vec<String>) {
        let args: Vec<&str> = ["doctor", "--json"].iter().chain(more).copied().collect();
        let (sound, report) = self.json_in(&args, &[]).await;
        assert_eq!(report["ok"], sound, "{report}");
        let word = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
        let checks = report["checks"].as_array().unwrap().iter();
        let lines = checks.map(|check| {
            format!("{} {} {}", word(check, "level"), word(check, "area"), word(check, "text"))
        });
        (sound, lines.collect())
    }

    /// Every blob, with its file.
    fn blobs(&self) -> Vec<PathBuf> {
        let shelf = |name: &str| name.len() == 2 && name.chars().all(|c| c.is_ascii_hexdigit());
        // Their names only: one may be taken away while they are listed.
        let mut blobs: Vec<PathBuf> = names(&self.path().join("blobs"))
            .filter(|path| shelf(&path.file_name().unwrap().to_string_lossy()))
            .flat_map(|shelf| names(&shelf).collect::<Vec<_>>())
            .collect();
        blobs.sort();
        blobs
    }

    /// Makes everything below a folder look as if nobody had touched it for years.
    fn age(&self, folder: &str) {
        age(&self.path().join(folder));
    }
}

fn names(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
}

fn age(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_hours(3 * 365 * 24);
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_type().unwrap().is_symlink() {
                age(&entry.path());
            }
        }
    }
    File::open(path).unwrap().set_modified(long_ago).unwrap();
}

impl Server {
    async fn put(&self, id: &str, path: &str, content: &str) -> (u16, Value) {
        let answer = self
            .client
            .put(format!("{}/api/workspace/{id}/file", self.url))
            .json(&json!({ "path": path, "content": content }))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn text_of(&self, id: &str, path: &str) -> String {
        let (status, file) = self.get(&format!("/api/workspace/{id}/file?path={path}")).await;
        assert_eq!(status, 200, "{file}");
        file["content"].as_str().unwrap().to_owned()
    }

    /// A project that was built.
    async fn built(&self, request: &str) -> String {
        let id = self.start(request).await;
        self.wait_for(&id, "completed").await;
        id
    }
}

macro_rules! on_both {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::host::Backend::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::host::Backend::Postgres).await;
            })*
        }
    };
}

on_both! {
    cleaning_takes_what_nobody_needs_while_a_host_serves,
    a_backup_of_a_working_host_is_restored_whole,
}

async fn cleaning_takes_what_nobody_needs_while_a_host_serves(backend: Backend) {
    let data = Data::on(backend);
    let server = data.serve_in(&[], &[("GENCODE_GC_EVERY", "never")]).await;
    let id = server.built("a bakery with cakes and orders").await;
    for edit in 0..5 {
        let (status, said) = server.put(&id, "notes.md", &format!("edit {edit}")).await;
        assert_eq!(status, 200, "{said}");
    }
    let (_, costs) = server.get(&format!("/api/tracking/{id}/costs")).await;
    let ledger = data.count("SELECT count(*) FROM ledger").await;
    let checkpoints = data.count("SELECT count(*) FROM checkpoints").await;
    assert!(ledger > 0 && checkpoints > 6, "{ledger} {checkpoints}");
    let before = data.blobs().len();

    // By default nothing of a young project goes.
    let (done, said) = data.json_in(&["gc", "--json"], &[]).await;
    assert!(done && said["bytes"] == 0, "{said}");
    assert_eq!(data.count("SELECT count(*) FROM checkpoints").await, checkpoints);

    let env = [SHORT[0], SHORT[1], NO_GRACE];
    let (done, dry) = data.json_in(&["gc", "--dry-run", "--json"], &env).await;
    assert!(done, "{dry}");
    assert_eq!(data.count("SELECT count(*) FROM checkpoints").await, checkpoints);
    assert_eq!(data.blobs().len(), before);
    let (done, real) = data.json_in(&["gc", "--json"], &env).await;
    assert!(done, "{real}");
    for kind in ["checkpoints", "journal_entries", "events", "blobs"] {
        assert_eq!(real[kind], dry[kind], "{kind}: what was said is what was done");
    }
    // The two newest stay, and the one whose preview can be started.
    assert_eq!(real["checkpoints"]["count"], checkpoints - 3);
    assert_eq!(data.count("SELECT count(*) FROM checkpoints").await, 3);
    assert_eq!(data.count("SELECT count(*) FROM journal").await, 0);
    let removed = usize::try_from(real["blobs"]["count"].as_u64().unwrap()).unwrap();
    assert!(removed > 5, "{real}");
    assert_eq!(data.blobs().len(), before - removed);

    // Nothing that anyone needs is gone: not for the host that served meanwhile, nor for a new one.
    assert_eq!(data.count("SELECT count(*) FROM ledger").await, ledger);
    assert_eq!(server.get(&format!("/api/tracking/{id}/costs")).await.1, costs);
    assert_eq!(server.text_of(&id, "notes.md").await, "edit 4");
    let (sound, lines) = data.doctor(&[]).await;
    assert!(sound, "{lines:#?}");
    // What was cleaned away can be stored again.
    assert_eq!(server.put(&id, "notes.md", "edit 0").await.0, 200);
    server.kill().await;
    let server = data.serve().await;
    assert_eq!(server.text_of(&id, "notes.md").await, "edit 0");
    let (_, files) = server.get(&format!("/api/workspace/{id}/files")).await;
    assert!(files.as_array().unwrap().len() > 5);
}

async fn a_backup_of_a_working_host_is_restored_whole(backend: Backend) {
    let data = Data::on(backend);
    let server = data.serve().await;
    let id = server.built("a choir with singers and concerts").await;
    assert_eq!(server.put(&id, "notes.md", "« é »").await.0, 200);
    let unfinished = server.start("a garage with cars and repairs").await;
    // Made while a run is going on and files are being saved.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.gencode");
    let path = file.to_str().unwrap();
    // The file is in the backup, whatever of it is.
    assert_eq!(server.put(&id, "scratch.md", "first").await.0, 200);
    let saving = async {
        for edit in 0..20 {
            assert_eq!(server.put(&id, "scratch.md", &format!("{edit}")).await.0, 200);
        }
    };
    let backup = ["backup", "--json", "--out", path];
    let ((made, said), ()) = tokio::join!(data.json_in(&backup, &[]), saving);
    assert!(made, "{said}");
    assert!(said["blobs"].as_u64().unwrap() > 50 && said["missing"] == json!([]), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half done is left");
    let again = data.run(&backup).await;
    assert!(!again.status.success(), "a backup is never overwritten");
    let (_, project) = server.get(&format!("/api/projects/{id}")).await;
    let (_, files) = server.get(&format!("/api/workspace/{id}/files")).await;
    let (_, costs) = server.get(&format!("/api/tracking/{id}/costs")).await;
    server.kill().await;

    // On the same kind of database, and on the other.
    for kind in [Backend::Sqlite, Backend::Postgres] {
        let mut other = Data::on(kind);
        other.dir = tempfile::tempdir().unwrap();
        let (restored, report) = other.json_in(&["restore", path, "--json"], &[]).await;
        assert!(restored, "{report}");
        let twice = other.run(&["restore", path]).await;
        assert!(!twice.status.success(), "only into an empty place");
        std::os::unix::fs::symlink(data.path().join("cache"), other.path().join("cache")).unwrap();
        let server = other.serve().await;
        assert_eq!(server.get(&format!("/api/projects/{id}")).await.1["name"], project["name"]);
        assert_eq!(server.text_of(&id, "notes.md").await, "« é »");
        assert_eq!(server.get(&format!("/api/workspace/{id}/files")).await.1, files);
        assert_eq!(server.get(&format!("/api/tracking/{id}/costs")).await.1, costs);
        // The working copy is there again, and an unfinished run goes on.
        assert!(other.path().join("workspaces").join(&id).join("notes.md").is_file());
        server.wait_for(&unfinished, "completed").await;
        server.kill().await;
        let (sound, lines) = other.doctor(&[]).await;
        assert!(sound, "{lines:#?}");
    }
    damaged_backups_are_refused(&file).await;
}

async fn damaged_backups_are_refused(file: &Path) {
    let whole = std::fs::read(file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x40;
    let cut = whole[..whole.len() - whole.len() / 3].to_vec();
    for content in [flipped, cut, b"not a backup".to_vec(), Vec::new()] {
        std::fs::write(&damaged, &content).unwrap();
        let data = Data { dir: tempfile::tempdir().unwrap(), ..Data::new() };
        let target = data.path().join("new");
        let output = data
            .command(&["restore", damaged.to_str().unwrap()])
            .await
            .arg("--data-dir")
            .arg(&target)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("not a whole backup"), "{said}");
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing is left");
    }
}

#[tokio::test]
async fn what_is_stored_again_beside_cleaning_is_never_lost() {
    let data = Data::new();
    let server = data.serve_in(&[], &[("GENCODE_GC_EVERY", "never")]).await;
    let id = server.built("a library with books and loans").await;
    for content in ["one", "two", "three"] {
        assert_eq!(server.put(&id, "notes.md", content).await.0, 200);
    }
    // Contents that nothing names any more are named again, while cleaning goes on: their blobs look
    // years old each time, and only the rule keeps them.
    let cleaning = async {
        for _ in 0..12 {
            let (done, said) = data.json_in(&["gc", "--json"], &SHORT).await;
            assert!(done, "{said}");
        }
    };
    let saving = async {
        for round in 0..60 {
            for blob in data.blobs() {
                // Gone already is fine: that is what the other side is for.
                if let Ok(file) = File::open(&blob) {
                    let long_ago = SystemTime::now() - Duration::from_hours(48);
                    file.set_modified(long_ago).unwrap();
                }
            }
            let content = ["one", "two", "three"][round % 3];
            assert_eq!(server.put(&id, "notes.md", content).await.0, 200);
            assert_eq!(server.text_of(&id, "notes.md").await, content);
        }
    };
    tokio::join!(cleaning, saving);
    let (sound, lines) = data.doctor(&[]).await;
    assert!(sound, "{lines:#?}");
}

#[tokio::test]
async fn a_serving_host_cleans_up_by_itself() {
    let data = Data::new();
    let env = [("GENCODE_GC_EVERY", "1s"), SHORT[0], SHORT[1], NO_GRACE];
    let server = data.serve_in(&[], &env).await;
    let id = server.built("a zoo with animals and keepers").await;
    let deadline = Instant::now() + SOON;
    while data.count("SELECT count(*) FROM journal").await > 0 {
        assert!(Instant::now() < deadline, "nothing was cleaned up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(server.put(&id, "notes.md", "still here").await.0, 200);
    assert_eq!(server.text_of(&id, "notes.md").await, "still here");
}

#[tokio::test]
async fn without_room_nothing_new_begins_until_there_is_room_again() {
    let data = Data::new();
    let server = data.serve_in(&[], &[("GENCODE_MAX_DATA", "64MiB")]).await;
    let (status, project) = server.post("/api/projects", &json!({ "prompt": "a shop" })).await;
    assert_eq!(status, 200, "{project}");
    let id = project["id"].as_str().unwrap();
    let large = data.path().join("large");
    std::fs::write(&large, vec![7; 80 << 20]).unwrap();
    let generate = format!("/api/workspace/{id}/generate/backend");
    let body = json!({ "description": "a shop" });
    let deadline = Instant::now() + SOON;
    loop {
        let (status, said) = server.post("/api/projects", &json!({ "prompt": "another" })).await;
        if status == 507 {
            assert_eq!(said["code"], "storage_full", "{said}");
            break;
        }
        assert!(Instant::now() < deadline, "{status} {said}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (status, said) = server.post(&generate, &body).await;
    assert_eq!((status, said["code"].as_str()), (507, Some("storage_full")), "{said}");
    // Reading, cleaning and examining go on, and say what is the matter.
    assert_eq!(server.get(&format!("/api/projects/{id}")).await.0, 200);
    assert!(data.run(&["gc"]).await.status.success());
    let (sound, report) =
        data.json_in(&["doctor", "--json"], &[("GENCODE_MAX_DATA", "64MiB")]).await;
    assert!(!sound && report.to_string().contains("GENCODE_MAX_DATA"), "{report}");
    std::fs::remove_file(&large).unwrap();
    let deadline = Instant::now() + SOON;
    while server.post(&generate, &body).await.0 != 200 {
        assert!(Instant::now() < deadline, "there is room again");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // The disk itself, and a size nobody understands.
    let (_, report) = data.json_in(&["doctor", "--json"], &[("GENCODE_MIN_FREE", "100%")]).await;
    assert!(report.to_string().contains("GENCODE_MIN_FREE"), "{report}");
    let wrong = data.run_in(&["serve", "--port", "0"], &[("GENCODE_MIN_FREE", "lots")]).await;
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("GENCODE_MIN_FREE"));
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong_and_never_shows_a_key() {
    let data = Data::new();
    let server = data.serve().await;
    let id = server.built("a school with pupils and teachers").await;
    assert_eq!(server.put(&id, "notes.md", "precious words").await.0, 200);
    let (sound, lines) = data.doctor(&[]).await;
    assert!(sound, "{lines:#?}");
    for area in ["database", "blobs", "space", "ports", "sandbox", "tools", "providers", "plugins"]
    {
        let named = lines.iter().any(|line| line.split(' ').nth(1) == Some(area));
        assert!(named, "{area}: {lines:#?}");
    }
    let key = [("OPENAI_API_KEY", "sk-very-secret")];
    let (_, report) = data.json_in(&["doctor", "--json"], &key).await;
    assert!(report.to_string().contains("openai") && !report.to_string().contains("sk-very"));
    server.kill().await;

    // What a killed host leaves is named, and can be removed.
    let tree = data.path().join("trees/run_01ARZ3NDEKTSV4RRFFQ69G5FAV/step");
    std::fs::create_dir_all(&tree).unwrap();
    data.age("trees");
    let (sound, lines) = data.doctor(&[]).await;
    assert!(sound, "leftovers are no failure: {lines:#?}");
    assert!(lines.contains(&"warn leftovers 1 locks of dead hosts (0 B)".to_owned()), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("trees of ended runs")), "{lines:#?}");
    let (_, lines) = data.doctor(&["--fix"]).await;
    assert!(lines.contains(&"ok leftovers removed 1 locks of dead hosts".to_owned()), "{lines:#?}");
    assert!(!tree.exists());
    let (_, lines) = data.doctor(&[]).await;
    assert!(!lines.iter().any(|line| line.starts_with("warn leftovers")), "{lines:#?}");

    // A stray copy is named and left alone.
    std::fs::create_dir(data.path().join("workspaces/nobody")).unwrap();
    let (_, lines) = data.doctor(&["--fix"]).await;
    assert!(lines.iter().any(|line| line.contains("without a project: nobody")), "{lines:#?}");
    assert!(data.path().join("workspaces/nobody").is_dir());

    // A flipped bit in a blob.
    let blob = data.blobs().pop().unwrap();
    let mut content = std::fs::read(&blob).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    std::fs::write(&blob, content).unwrap();
    let (sound, lines) = data.doctor(&[]).await;
    assert!(!sound, "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("fail blobs")), "{lines:#?}");

    // A database that is none: the rest is examined all the same.
    std::fs::write(data.path().join("gencode.db"), b"SQLite format 3\0 and then nothing").unwrap();
    let (sound, lines) = data.doctor(&[]).await;
    assert!(!sound, "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("fail database")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("ok plugins")), "{lines:#?}");
}

#[tokio::test]
async fn a_project_can_keep_more_or_less_than_the_host() {
    let data = Data::new();
    let server = data.serve().await;
    let (_, project) = server.post("/api/projects", &json!({ "prompt": "a shop" })).await;
    let id = project["id"].as_str().unwrap();
    let retention = async |more: &[&str]| {
        let args: Vec<&str> = ["retention", id, "--json"].iter().chain(more).copied().collect();
        data.json_in(&args, &[]).await.1
    };
    let usual = json!({"project": id, "keep_days": 30, "keep_checkpoints": 50, "own": false});
    assert_eq!(retention(&[]).await, usual);
    let own = json!({"project": id, "keep_days": 7, "keep_checkpoints": 50, "own": true});
    assert_eq!(retention(&["--keep-days", "7"]).await, own);
    assert_eq!(retention(&[]).await, own);
    assert_eq!(retention(&["--default"]).await, usual);
    for wrong in [["nobody", "--json"], [id, "--keep-checkpoints=1"]] {
        let refused = data.run(&[&["retention"], &wrong[..]].concat()).await;
        assert!(!refused.status.success(), "{wrong:?}");
    }
}
