//! Staged changes: rules, quotas, views.

use super::*;
use crate::{Author, Change, MAX_FILE_BYTES, WorkspaceError};

fn globs(patterns: &[&str]) -> Globs {
    Globs::only(patterns)
}

#[tokio::test]
async fn an_overlay_shows_its_changes_and_touches_nothing() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let before = files_in(&fixture.copy());
    let mut overlay = Overlay::new(base.clone(), anywhere());
    assert!(overlay.is_clean());
    overlay.stage(path("backend/app/main.py"), "import sys\n").unwrap();
    overlay.stage(path("backend/app/models.py"), "x = 1\n").unwrap();
    overlay.remove(&path("README.md")).unwrap();
    let names: Vec<_> = overlay.list().iter().map(ToString::to_string).collect();
    let expected =
        ["backend/app/main.py", "backend/app/models.py", "frontend/src/data/mock.ts", "run.sh"];
    assert_eq!(names, expected);
    assert_eq!(overlay.glob(&globs(&["backend/**/m*.py"])).len(), 2);
    let read = async |name: &str| fixture.workspaces.read(&overlay, &path(name)).await;
    assert_eq!(read("backend/app/main.py").await.unwrap(), b"import sys\n");
    assert_eq!(read("run.sh").await.unwrap(), b"#!/bin/sh\nexit 0\n");
    assert!(matches!(read("README.md").await, Err(WorkspaceError::NotFound { .. })));
    assert_eq!(files_in(&fixture.copy()), before);
    let saved = fixture.workspaces.save_overlay(&overlay, Author::Run).await.unwrap();
    assert_eq!(files_in(&fixture.copy()), before, "saving does not touch the copy either");
    assert_eq!(fixture.text_of(&saved.manifest).await, fixture.text_of(&overlay).await);
    let entry = |name: &str| *saved.manifest.get(&path(name)).unwrap();
    assert_eq!(entry("backend/app/models.py").author, Author::Run);
    assert_eq!(entry("run.sh").author, Author::Seed);
    assert!(entry("run.sh").executable);
}

#[tokio::test]
async fn staging_over_a_program_keeps_it_executable() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let to = fixture.changed(&base, &[("run.sh", Some("#!/bin/sh\nexit 1\n"))]).await;
    fixture.workspaces.apply(&pid("shop"), &base, &to).await.unwrap();
    #[cfg(unix)]
    assert_eq!(mode(&fixture.copy().join("run.sh")) & 0o111, 0o111);
}

#[test]
fn writes_outside_the_rules_are_refused() {
    let rules = WriteRules {
        writes: globs(&["backend/**", "README.md"]),
        protected: globs(&["backend/requirements.lock"]),
    };
    let mut overlay = Overlay::new(Manifest::default(), rules);
    overlay.stage(path("backend/app/x.py"), "").unwrap();
    overlay.stage(path("README.md"), "").unwrap();
    for name in ["run.sh", "backend/requirements.lock", "backend", "READme.md"] {
        let error = overlay.stage(path(name), "").unwrap_err();
        assert!(matches!(error, WorkspaceError::NotAllowed { .. }), "{name}: {error}");
        assert!(overlay.remove(&path(name)).is_err());
    }
    assert!(Overlay::new(Manifest::default(), WriteRules::default()).stage(path("a"), "").is_err());
}

#[test]
fn quotas_are_named_and_leave_the_overlay_as_it_was() {
    let mut overlay = Overlay::new(Manifest::default(), anywhere());
    let big: std::sync::Arc<str> = "x".repeat(usize::try_from(MAX_FILE_BYTES).unwrap()).into();
    let error = overlay.stage(path("big"), format!("{big}x")).unwrap_err();
    assert_eq!(error.to_string(), "the size of `big` is more than the 8388608 allowed");
    for n in 0..8 {
        overlay.stage(path(&format!("big{n}")), big.clone()).unwrap();
    }
    let error = overlay.stage(path("one"), "x").unwrap_err();
    assert!(matches!(error, WorkspaceError::TooLarge { limit: crate::MAX_OVERLAY_BYTES, .. }));
    overlay.stage(path("big0"), big.clone()).unwrap();
    overlay.stage(path("big0"), "small").unwrap();
    overlay.stage(path("one"), "x").unwrap();
    overlay.remove(&path("big1")).unwrap();
    overlay.stage(path("big1"), big).unwrap();
    for n in 9..5000 {
        overlay.stage(path(&format!("f{n}")), "").unwrap();
    }
    assert_eq!(overlay.list().len(), 5000);
    let error = overlay.stage(path("more"), "").unwrap_err();
    assert!(matches!(error, WorkspaceError::TooLarge { limit: crate::MAX_FILES, .. }), "{error}");
    overlay.stage(path("one"), "changed").unwrap();
    overlay.remove(&path("one")).unwrap();
    overlay.stage(path("more"), "").unwrap();
}

#[tokio::test]
async fn a_file_cannot_lie_in_a_file() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let mut overlay = Overlay::new(base, anywhere());
    for name in ["README.md/x", "README.md/x/y", "backend", "backend/app"] {
        let error = overlay.stage(path(name), "").unwrap_err();
        assert!(matches!(error, WorkspaceError::Clash { .. }), "{name}: {error}");
    }
    overlay.stage(path("new/file"), "").unwrap();
    assert!(matches!(overlay.stage(path("new"), ""), Err(WorkspaceError::Clash { .. })));
    assert!(matches!(overlay.stage(path("new/file/x"), ""), Err(WorkspaceError::Clash { .. })));
    overlay.remove(&path("README.md")).unwrap();
    overlay.stage(path("README.md/x"), "").unwrap();
    overlay.stage(path("new-x"), "").unwrap();
}

#[tokio::test]
async fn a_file_of_the_user_is_never_removed_and_stays_the_users() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let workspaces = &fixture.workspaces;
    let saved = workspaces.save_user_file(&base, path("README.md"), "# Mine\n").await.unwrap();
    let same =
        workspaces.save_user_file(&base, path("run.sh"), "#!/bin/sh\nexit 0\n").await.unwrap();
    assert_eq!(same.manifest.get(&path("run.sh")).unwrap().author, Author::User);
    assert_eq!(saved.manifest.get(&path("README.md")).unwrap().author, Author::User);
    let mut overlay = Overlay::new(saved.manifest.clone(), anywhere());
    let error = overlay.remove(&path("README.md")).unwrap_err();
    assert!(matches!(&error, WorkspaceError::Conflict { paths } if paths == &[path("README.md")]));
    overlay.stage(path("README.md"), "# Ours\n").unwrap();
    assert!(overlay.remove(&path("README.md")).is_err(), "not by a detour either");
    let changed = workspaces.save_overlay(&overlay, Author::Run).await.unwrap();
    assert_eq!(changed.manifest.get(&path("README.md")).unwrap().author, Author::User);
    let missing = overlay.remove(&path("nothing")).unwrap_err();
    assert!(matches!(missing, WorkspaceError::NotFound { .. }));
}

#[test]
fn staged_changes_survive_their_stored_form() {
    let mut overlay = Overlay::new(Manifest::default(), anywhere());
    overlay.stage(path("a/ü.py"), "größe = 1\n").unwrap();
    let text = serde_json::to_string(overlay.changes()).unwrap();
    let back: std::collections::BTreeMap<WorkspacePath, Change> =
        serde_json::from_str(&text).unwrap();
    assert_eq!(&back, overlay.changes());
}
