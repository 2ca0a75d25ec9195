//! Nothing leads out of a project: not by a path's text, not by what lies on the disk.
#![cfg(unix)]

use std::os::unix::fs::symlink;

use super::*;
use crate::WorkspaceError;

#[test]
fn audit_path_traversal_no_hostile_text_is_a_path() {
    for text in
        ["../x", "/etc/passwd", "a/../../x", "a\0b", "..", "a/..", "C:\\x", "\\\\host\\x", ""]
    {
        assert!(text.parse::<WorkspacePath>().is_err(), "{text:?}");
    }
    assert!("../shop".parse::<ProjectId>().is_err());
    assert!(".staging".parse::<ProjectId>().is_err(), "no project can be the staging place");
}

/// A directory outside with a file that must stay as it is.
fn outside(fixture: &Fixture) -> PathBuf {
    let outside = fixture.dir.path().join("outside");
    std::fs::create_dir_all(outside.join("app")).unwrap();
    std::fs::write(outside.join("app/main.py"), "import os\n").unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    outside
}

#[tokio::test]
async fn a_directory_swapped_for_a_link_is_not_followed() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    let outside = outside(&fixture);
    let before = files_in(&outside);
    let copy = fixture.copy();
    std::fs::remove_dir_all(copy.join("backend")).unwrap();
    symlink(&outside, copy.join("backend")).unwrap();
    for changes in [
        [("backend/app/main.py", Some("hacked"))],
        [("backend/app/main.py", None)],
        [("backend/new.py", Some("hacked"))],
        [("backend/deep/new.py", Some("hacked"))],
    ] {
        let to = fixture.changed(&from, &changes).await;
        let error = fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Conflict { .. }), "{error}");
        assert_eq!(files_in(&outside), before);
    }
    // A link that stays inside is not followed either.
    std::fs::remove_file(copy.join("backend")).unwrap();
    symlink("frontend", copy.join("backend")).unwrap();
    let to = fixture.changed(&from, &[("backend/new.py", Some("x"))]).await;
    fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap_err();
    assert!(!copy.join("frontend/new.py").exists());
}

#[tokio::test]
async fn a_file_swapped_for_a_link_is_neither_read_nor_written() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    let outside = outside(&fixture);
    let before = files_in(&outside);
    let file = fixture.copy().join("README.md");
    let to = fixture.changed(&from, &[("README.md", Some("hacked"))]).await;
    // Also when the file behind the link has exactly the content that may be replaced.
    std::fs::write(outside.join("twin"), "# App\n").unwrap();
    for target in ["secret", "twin", "nowhere"] {
        std::fs::remove_file(&file).unwrap();
        symlink(outside.join(target), &file).unwrap();
        let error = fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Conflict { .. }), "{target}: {error}");
        let edits = fixture.workspaces.scan(&pid("shop"), &from).await.unwrap();
        assert_eq!(edits.ignored[0].0, "README.md");
        assert!(edits.is_empty(), "nothing of the outside came in");
    }
    assert_eq!(files_in(&outside)["secret"], before["secret"]);
    assert!(!outside.join("nowhere").exists());
}

#[tokio::test]
async fn a_hard_link_is_replaced_and_the_other_name_keeps_its_content() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    let file = fixture.copy().join("README.md");
    let other = fixture.dir.path().join("other");
    std::fs::hard_link(&file, &other).unwrap();
    let to = fixture.changed(&from, &[("README.md", Some("new\n"))]).await;
    fixture.workspaces.apply(&pid("shop"), &from, &to).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "new\n");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "# App\n");
}

#[tokio::test]
async fn a_project_directory_that_is_a_link_is_refused() {
    let fixture = fixture().await;
    let outside = outside(&fixture);
    let before = files_in(&outside);
    symlink(&outside, fixture.copy()).unwrap();
    let workspaces = &fixture.workspaces;
    let error = workspaces.scaffold(&pid("shop"), seed()).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Irregular { .. }), "{error}");
    assert!(workspaces.delete(&pid("shop")).await.is_err());
    let to = fixture.changed(&Manifest::default(), &[("a", Some("x"))]).await;
    assert!(workspaces.apply(&pid("shop"), &Manifest::default(), &to).await.is_err());
    assert_eq!(files_in(&outside), before);
}

#[tokio::test]
async fn a_pipe_does_not_hold_a_thread() {
    let fixture = fixture().await;
    let from = fixture.scaffolded().await;
    let file = fixture.copy().join("README.md");
    std::fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    let to = fixture.changed(&from, &[("README.md", Some("x"))]).await;
    let shop = pid("shop");
    let apply = fixture.workspaces.apply(&shop, &from, &to);
    let limit = std::time::Duration::from_secs(20);
    let error = tokio::time::timeout(limit, apply).await.expect("it must not wait").unwrap_err();
    assert!(matches!(error, WorkspaceError::Conflict { .. }));
}

#[tokio::test]
async fn a_tree_that_a_program_filled_with_links_is_not_followed() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let outside = outside(&fixture);
    let before = files_in(&outside);
    let tree = fixture.dir.path().join("tree");
    fixture.workspaces.materialise(&base, &tree).await.unwrap();
    std::fs::remove_dir_all(tree.join("backend")).unwrap();
    symlink(&outside, tree.join("backend")).unwrap();
    std::fs::remove_file(tree.join("README.md")).unwrap();
    symlink(outside.join("secret"), tree.join("README.md")).unwrap();
    // Even its index may be a link, or a forgery that names files to delete.
    let index = tree.join(".gencode-tree.json");
    for forged in [false, true] {
        std::fs::remove_file(&index).unwrap();
        if forged {
            std::fs::write(&index, r#"{"backend/secret":null,"backend/app/main.py":null}"#)
                .unwrap();
        } else {
            symlink(outside.join("secret"), &index).unwrap();
        }
        fixture.workspaces.materialise(&base, &tree).await.unwrap();
        assert_eq!(files_in(&outside), before);
        assert_eq!(files_in(&tree), fixture.text_of(&base).await);
        if !forged {
            std::fs::remove_dir_all(tree.join("backend")).unwrap();
            symlink(&outside, tree.join("backend")).unwrap();
        }
    }
}

#[tokio::test]
async fn an_export_does_not_write_through_links() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let outside = outside(&fixture);
    let before = files_in(&outside);
    let out = fixture.dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    symlink(&outside, out.join("backend")).unwrap();
    symlink(outside.join("new"), out.join("README.md")).unwrap();
    let error = fixture.workspaces.export(&base, &out).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Conflict { .. }), "{error}");
    assert_eq!(files_in(&outside), before);
}
