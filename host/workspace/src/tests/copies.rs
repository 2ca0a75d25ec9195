//! Working copies: made whole or not at all, and repaired after a crash.

use super::*;
use crate::{WorkspaceError, tree::Tree};

#[tokio::test]
async fn audit_atomic_001_a_scaffold_is_whole_or_absent() {
    let fixture = fixture().await;
    let mut broken = seed();
    // Fails half-way: a file cannot lie in a file.
    broken.push(SeedFile { path: path("README.md/x"), content: vec![], executable: false });
    fixture.workspaces.scaffold(&pid("shop"), broken).await.unwrap_err();
    assert!(!fixture.workspaces.exists(&pid("shop")).await.unwrap());
    let projects = std::fs::read_dir(fixture.dir.path().join("projects")).unwrap();
    let names: Vec<_> = projects.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [".staging"], "nothing is left over");
    let manifest = fixture.scaffolded().await;
    assert_eq!(files_in(&fixture.copy()), fixture.text_of(&manifest).await);
    #[cfg(unix)]
    assert_eq!(mode(&fixture.copy().join("run.sh")) & 0o111, 0o111);
}

#[tokio::test]
async fn a_scaffold_never_replaces_files() {
    let fixture = fixture().await;
    std::fs::create_dir(fixture.copy()).unwrap();
    std::fs::write(fixture.copy().join("thesis.txt"), "years of work").unwrap();
    let error = fixture.workspaces.scaffold(&pid("shop"), seed()).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Exists(_)), "{error}");
    assert_eq!(files_in(&fixture.copy()).len(), 1);
    std::fs::remove_file(fixture.copy().join("thesis.txt")).unwrap();
    std::fs::remove_dir(fixture.copy()).unwrap();
    fixture.scaffolded().await;
    // A crash right after the rename: the same seed again is the same project.
    fixture.scaffolded().await;
    std::fs::write(fixture.copy().join("README.md"), "mine").unwrap();
    let error = fixture.workspaces.scaffold(&pid("shop"), seed()).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Exists(_)));
    assert_eq!(files_in(&fixture.copy())["README.md"], "mine");
}

#[tokio::test]
async fn what_a_crash_left_half_built_is_swept_but_not_what_is_being_built() {
    let fixture = fixture().await;
    let staging = fixture.dir.path().join("projects/.staging");
    // What a killed host leaves: its place and its lock file, which nobody holds.
    std::fs::create_dir_all(staging.join("77/0/backend")).unwrap();
    std::fs::write(staging.join("77/0/backend/half.py"), "x =").unwrap();
    std::fs::write(staging.join("77.lock"), "").unwrap();
    // A living host in the same place.
    let living = staging.join("0");
    assert!(living.is_dir());
    std::fs::write(living.join("busy"), "").unwrap();
    let second = open(fixture.dir.path()).await;
    assert!(!staging.join("77").exists());
    assert!(!staging.join("77.lock").exists());
    assert!(living.join("busy").exists());
    second.scaffold(&pid("club"), seed()).await.unwrap();
    fixture.scaffolded().await;
}

#[tokio::test]
async fn a_half_applied_state_is_completed() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    let changes = [
        ("README.md", Some("# New\n")),
        ("backend/app/main.py", None),
        ("backend/app/models.py", Some("x = 1\n")),
        ("frontend/src/App.tsx", Some("export {}\n")),
    ];
    let to = fixture.changed(&from, &changes).await;
    let wanted = fixture.text_of(&to).await;
    // The crash: after any number of the changes, in any order of the files.
    for done in 0..=changes.len() {
        let copy = fixture.copy();
        std::fs::remove_dir_all(&copy).unwrap();
        fixture.workspaces.scaffold(&pid("shop"), seed()).await.unwrap();
        for (name, content) in &changes[..done] {
            let file = copy.join(name);
            match content {
                Some(content) => {
                    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                    std::fs::write(file, content).unwrap();
                }
                None => std::fs::remove_file(file).unwrap(),
            }
        }
        let reopened = open(fixture.dir.path()).await;
        reopened.apply(&pid("shop"), &from, &to).await.unwrap();
        assert_eq!(files_in(&copy), wanted, "after {done} changes");
        reopened.apply(&pid("shop"), &from, &to).await.unwrap();
    }
    // Gone altogether: the crash was between the record and the first file.
    std::fs::remove_dir_all(fixture.copy()).unwrap();
    fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap();
    assert_eq!(files_in(&fixture.copy()), wanted);
    // And back: an undo is the same thing the other way round.
    fixture.workspaces.apply(&pid("shop"), &to, &from).await.unwrap();
    assert_eq!(files_in(&fixture.copy()), fixture.text_of(&from).await);
    assert!(!fixture.copy().join("frontend/src/App.tsx").exists());
}

#[tokio::test]
async fn files_and_directories_may_change_places() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    let mut overlay = Overlay::new(from.clone(), anywhere());
    overlay.remove(&path("README.md")).unwrap();
    overlay.stage(path("README.md/deep/x"), "in").unwrap();
    overlay.remove(&path("backend/app/main.py")).unwrap();
    overlay.stage(path("backend/app"), "out").unwrap();
    let to = fixture.workspaces.save_overlay(&overlay, crate::Author::Run).await.unwrap().manifest;
    fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap();
    assert_eq!(files_in(&fixture.copy()), fixture.text_of(&to).await);
    fixture.workspaces.apply(&pid("shop"), &to, &from).await.unwrap();
    assert_eq!(files_in(&fixture.copy()), fixture.text_of(&from).await);
}

#[tokio::test]
async fn a_project_is_deleted_as_a_whole() {
    let fixture = fixture().await;
    fixture.scaffolded().await;
    fixture.workspaces.delete(&pid("shop")).await.unwrap();
    assert!(!fixture.copy().exists());
    fixture.workspaces.delete(&pid("shop")).await.unwrap();
    fixture.scaffolded().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    // Not even root can make directories here.
    let dir = tempfile::tempdir().unwrap();
    let nowhere = Path::new("/proc/gencode");
    let error = Workspaces::open(nowhere, &dir.path().join("blobs")).await.unwrap_err();
    assert!(error.to_string().contains("/proc/gencode"), "{error}");
    let error = Workspaces::open(&dir.path().join("projects"), nowhere).await.unwrap_err();
    assert!(error.to_string().contains("/proc/gencode"), "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(Workspaces::open(&file, &dir.path().join("b")).await.is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
    assert!(Tree::open(nowhere).is_err());
}

#[test]
fn a_refusal_by_the_system_is_sorted() {
    use std::io::{Error, ErrorKind};
    let of = |kind| WorkspaceError::io("/data", Error::from(kind));
    assert!(matches!(of(ErrorKind::StorageFull), WorkspaceError::Full { .. }));
    assert!(matches!(of(ErrorKind::PermissionDenied), WorkspaceError::ReadOnly { .. }));
    assert!(matches!(of(ErrorKind::ReadOnlyFilesystem), WorkspaceError::ReadOnly { .. }));
    assert!(of(ErrorKind::PermissionDenied).to_string().contains("/data cannot be written"));
}
