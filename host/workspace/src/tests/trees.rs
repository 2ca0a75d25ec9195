//! Plain directories: trees for programs, exports for users.

use super::*;
use crate::WorkspaceError;

#[tokio::test]
async fn a_tree_follows_its_view_and_keeps_what_programs_made() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let tree = fixture.dir.path().join("trees/backend");
    let first = fixture.workspaces.materialise(&base, &tree).await.unwrap();
    assert_eq!((first.written.len(), first.unchanged), (4, 0));
    #[cfg(unix)]
    assert_eq!(mode(&tree.join("run.sh")) & 0o111, 0o111);
    for made in ["frontend/node_modules/x.js", "frontend/dist/app.js", "backend/.venv/bin/python"] {
        std::fs::create_dir_all(tree.join(made).parent().unwrap()).unwrap();
        std::fs::write(tree.join(made), "made").unwrap();
    }
    let again = fixture.workspaces.materialise(&base, &tree).await.unwrap();
    assert_eq!((again.written.len(), again.removed.len(), again.unchanged), (0, 0, 4));

    let mut overlay = Overlay::new(base.clone(), anywhere());
    overlay.stage(path("backend/app/main.py"), "staged\n").unwrap();
    overlay.stage(path("backend/tests/test_a.py"), "t\n").unwrap();
    overlay.remove(&path("frontend/src/data/mock.ts")).unwrap();
    let staged = fixture.workspaces.materialise(&overlay, &tree).await.unwrap();
    assert_eq!(staged.written, [path("backend/app/main.py"), path("backend/tests/test_a.py")]);
    assert_eq!(staged.removed, [path("frontend/src/data/mock.ts")]);
    assert!(!tree.join("frontend/src").exists(), "an empty directory goes too");
    let mut files = files_in(&tree);
    for made in ["frontend/node_modules/x.js", "frontend/dist/app.js", "backend/.venv/bin/python"] {
        assert_eq!(files.remove(made).unwrap(), "made");
    }
    assert_eq!(files, fixture.text_of(&overlay).await);

    // The step was dropped: back to the base, the staged test file goes.
    fixture.workspaces.materialise(&base, &tree).await.unwrap();
    assert!(!tree.join("backend/tests/test_a.py").exists());
    assert_eq!(files_in(&tree)["backend/app/main.py"], "import os\n");
}

#[tokio::test]
async fn a_file_that_a_program_changed_is_put_right() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let tree = fixture.dir.path().join("tree");
    fixture.workspaces.materialise(&base, &tree).await.unwrap();
    // Same length, and the time of change set back: only the system's own stamp tells.
    let file = tree.join("README.md");
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    std::fs::write(&file, "# Bad\n").unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    std::fs::remove_file(tree.join("run.sh")).unwrap();
    std::fs::create_dir(tree.join("run.sh")).unwrap();
    std::fs::write(tree.join("run.sh/x"), "in the way").unwrap();
    let done = fixture.workspaces.materialise(&base, &tree).await.unwrap();
    assert_eq!(done.written, [path("README.md"), path("run.sh")]);
    assert_eq!(files_in(&tree), fixture.text_of(&base).await);
    // A lost index means more work, not wrong files.
    std::fs::write(tree.join(".gencode-tree.json"), "{broken").unwrap();
    let done = fixture.workspaces.materialise(&base, &tree).await.unwrap();
    assert_eq!(done.written.len(), 4);
}

#[tokio::test]
async fn an_export_makes_a_whole_copy_and_can_be_repeated() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let out = fixture.dir.path().join("a/new/place");
    let done = fixture.workspaces.export(&base, &out).await.unwrap();
    assert_eq!(done.written.len(), 4);
    assert_eq!(files_in(&out), fixture.text_of(&base).await);
    #[cfg(unix)]
    assert_eq!(mode(&out.join("run.sh")) & 0o111, 0o111);
    assert!(
        std::fs::read_dir(&out)
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with('.') })
    );
    let again = fixture.workspaces.export(&base, &out).await.unwrap();
    assert_eq!((again.written.len(), again.unchanged), (0, 4));
}

#[tokio::test]
async fn an_export_never_overwrites_a_file() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let out = fixture.dir.path().join("out");
    std::fs::create_dir_all(out.join("backend")).unwrap();
    std::fs::write(out.join("README.md"), "my own readme").unwrap();
    std::fs::write(out.join("other.txt"), "kept").unwrap();
    std::fs::write(out.join("frontend"), "a file where a directory must be").unwrap();
    let before = files_in(&out);
    let error = fixture.workspaces.export(&base, &out).await.unwrap_err();
    let WorkspaceError::Conflict { paths } = error else { panic!("{error}") };
    assert_eq!(paths, [path("README.md"), path("frontend/src/data/mock.ts")]);
    assert_eq!(files_in(&out), before, "nothing was written");
    std::fs::remove_file(out.join("README.md")).unwrap();
    std::fs::remove_file(out.join("frontend")).unwrap();
    fixture.workspaces.export(&base, &out).await.unwrap();
    assert_eq!(files_in(&out)["other.txt"], "kept");
    let file = fixture.dir.path().join("out/README.md");
    assert!(fixture.workspaces.export(&base, &file).await.is_err(), "a file is no directory");
    let error = fixture.workspaces.export(&base, Path::new("/proc/out")).await.unwrap_err();
    assert!(error.to_string().contains("/proc/out"), "{error}");
}
