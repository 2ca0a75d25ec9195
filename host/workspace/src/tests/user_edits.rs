//! What the user did stays, whatever a run does.

use super::*;
use crate::{Author, WorkspaceError};

fn conflicts(error: &WorkspaceError) -> Vec<String> {
    match error {
        WorkspaceError::Conflict { paths } => paths.iter().map(ToString::to_string).collect(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_edit_is_never_overwritten_and_stops_everything() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    let copy = fixture.copy();
    let to = fixture
        .changed(
            &from,
            &[
                ("README.md", Some("# Run\n")),
                ("backend/app/main.py", None),
                ("frontend/src/App.tsx", Some("run\n")),
                ("run.sh", Some("run\n")),
            ],
        )
        .await;
    for (name, edit) in [
        ("README.md", Some("# User\n")),
        ("backend/app/main.py", Some("user\n")),
        ("frontend/src/App.tsx", Some("user\n")),
        ("README.md", None),
    ] {
        let file = copy.join(name);
        match edit {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let before = files_in(&copy);
        let error = fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap_err();
        assert_eq!(conflicts(&error), [name]);
        assert_eq!(files_in(&copy), before, "nothing was touched");
        std::fs::remove_dir_all(&copy).unwrap();
        fixture.scaffolded().await;
    }
    // A directory of the user's where a file should go.
    std::fs::create_dir_all(copy.join("frontend/src/App.tsx")).unwrap();
    std::fs::write(copy.join("frontend/src/App.tsx/x"), "user").unwrap();
    let error = fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap_err();
    assert_eq!(conflicts(&error), ["frontend/src/App.tsx"]);
    std::fs::remove_dir_all(copy.join("frontend/src/App.tsx")).unwrap();
    // Edits elsewhere are none of this change's business.
    std::fs::write(copy.join("frontend/src/data/mock.ts"), "user").unwrap();
    std::fs::write(copy.join("notes.txt"), "user").unwrap();
    fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap();
    let files = files_in(&copy);
    assert_eq!(files["frontend/src/data/mock.ts"], "user");
    assert_eq!(files["notes.txt"], "user");
    assert_eq!(files["README.md"], "# Run\n");
}

#[tokio::test]
async fn a_file_of_the_users_keeps_its_directory() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    std::fs::write(fixture.copy().join("backend/app/mine.py"), "user").unwrap();
    let mut overlay = Overlay::new(from.clone(), anywhere());
    overlay.remove(&path("backend/app/main.py")).unwrap();
    overlay.stage(path("backend/app"), "a file now").unwrap();
    let to = fixture.workspaces.save_overlay(&overlay, Author::Run).await.unwrap().manifest;
    let error = fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap_err();
    assert_eq!(conflicts(&error), ["backend/app"]);
    assert_eq!(files_in(&fixture.copy())["backend/app/mine.py"], "user");
}

#[tokio::test]
async fn a_scan_finds_what_the_user_did_and_keeps_it() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let copy = fixture.copy();
    assert!(fixture.workspaces.scan(&pid("shop"), &base).await.unwrap().is_empty());
    std::fs::write(copy.join("README.md"), "# User\n").unwrap();
    std::fs::create_dir_all(copy.join("docs")).unwrap();
    std::fs::write(copy.join("docs/notes.md"), "user\n").unwrap();
    std::fs::remove_file(copy.join("backend/app/main.py")).unwrap();
    for tool in [
        ".git/HEAD",
        "frontend/node_modules/x/index.js",
        "frontend/dist/app.js",
        "backend/app/__pycache__/main.pyc",
        "backend/.venv/bin/python",
        "backend/data/app.db",
        "data/app.db",
        "backend/app.db",
        ".env",
        "backend/.pytest_cache/x",
    ] {
        std::fs::create_dir_all(copy.join(tool).parent().unwrap()).unwrap();
        std::fs::write(copy.join(tool), "tool").unwrap();
    }
    let edits = fixture.workspaces.scan(&pid("shop"), &base).await.unwrap();
    assert_eq!(edits.added, [path("docs/notes.md")]);
    assert_eq!(edits.modified, [path("README.md")]);
    assert_eq!(edits.deleted, [path("backend/app/main.py")]);
    assert_eq!(edits.ignored, []);
    assert_eq!(edits.manifest.get(&path("README.md")).unwrap().author, Author::User);
    assert_eq!(edits.manifest.get(&path("run.sh")).unwrap().author, Author::Seed);
    assert!(edits.manifest.get(&path("frontend/src/data/mock.ts")).is_some(), "tracked");
    // A checkpoint of it brings it back.
    let saved = fixture.workspaces.save_manifest(edits.manifest.clone()).await.unwrap();
    std::fs::remove_dir_all(&copy).unwrap();
    fixture.workspaces.apply(&pid("shop"), &base, &saved.manifest).await.unwrap();
    assert_eq!(files_in(&copy), fixture.text_of(&saved.manifest).await);
    assert_eq!(files_in(&copy)["docs/notes.md"], "user\n");
    let gone = fixture.workspaces.scan(&pid("nobody"), &base).await.unwrap_err();
    assert!(matches!(gone, WorkspaceError::NotFound { .. }));
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_tracked_is_named_and_not_taken_for_a_deletion() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let copy = fixture.copy();
    std::fs::write(copy.join("huge.bin"), vec![0; 9 * 1024 * 1024]).unwrap();
    std::fs::write(copy.join(std::ffi::OsStr::from_bytes(b"bad-\xff-name")), "x").unwrap();
    std::fs::write(copy.join("con.txt"), "x").unwrap();
    symlink("/etc/passwd", copy.join("link")).unwrap();
    std::fs::rename(copy.join("backend"), copy.join("elsewhere")).unwrap();
    symlink("elsewhere", copy.join("backend")).unwrap();
    let edits = fixture.workspaces.scan(&pid("shop"), &base).await.unwrap();
    let ignored: Vec<_> = edits.ignored.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(ignored, ["backend", "bad-\u{fffd}-name", "con.txt", "link", "huge.bin"]);
    assert_eq!(edits.deleted, [], "`backend/app/main.py` is hidden, not deleted");
    assert!(edits.manifest.get(&path("backend/app/main.py")).is_some());
    assert_eq!(edits.added, [path("elsewhere/app/main.py")]);
}

#[tokio::test]
async fn a_file_saved_through_the_api_reaches_the_disk() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let saved =
        fixture.workspaces.save_user_file(&base, path("docs/a.md"), "text\n").await.unwrap();
    fixture.workspaces.apply(&pid("shop"), &base, &saved.manifest).await.unwrap();
    assert_eq!(files_in(&fixture.copy())["docs/a.md"], "text\n");
    let clash = fixture.workspaces.save_user_file(&base, path("backend"), "").await.unwrap_err();
    assert!(matches!(clash, WorkspaceError::Clash { .. }));
    let large = "x".repeat(9 * 1024 * 1024);
    let error = fixture.workspaces.save_user_file(&base, path("a"), &large).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::TooLarge { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn simultaneous_applies_of_one_project_stand_in_line() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let a = fixture.changed(&base, &[("README.md", Some("a")), ("run.sh", Some("a"))]).await;
    let b = fixture.changed(&base, &[("README.md", Some("b")), ("run.sh", Some("b"))]).await;
    let mut jobs = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (workspaces, base) = (fixture.workspaces.clone(), base.clone());
        let to = if n % 2 == 0 { a.clone() } else { b.clone() };
        jobs.spawn(async move { workspaces.apply(&pid("shop"), &base, &to).await.is_ok() });
    }
    let done = jobs.join_all().await;
    assert_eq!(done.iter().filter(|ok| **ok).count(), 10, "all of one kind, none of the other");
    let files = files_in(&fixture.copy());
    assert_eq!(files["README.md"], files["run.sh"], "never a mixture");
}
