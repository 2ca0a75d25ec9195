//! The blob store: each content once, nothing damaged is ever handed out.

use std::path::{Path, PathBuf};

use super::*;
use crate::{Author, ManifestDigest, WorkspaceError};

pub(super) fn blob_file(dir: &Path, digest: gencode_core::digest::Digest) -> PathBuf {
    let text = digest.to_string();
    dir.join("blobs").join(&text[..2]).join(&text[2..])
}

fn blob_count(dir: &Path) -> usize {
    let shelves = std::fs::read_dir(dir.join("blobs")).unwrap();
    shelves
        .filter(|shelf| shelf.as_ref().unwrap().file_name() != ".staging")
        .map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap().count())
        .sum()
}

#[tokio::test]
async fn equal_contents_are_stored_once_and_compressed() {
    let fixture = fixture().await;
    let base = Manifest::default();
    let long = "the same line\n".repeat(10_000);
    let manifest = fixture.changed(&base, &[("a", Some(&long)), ("b/c", Some(&long))]).await;
    assert_eq!(blob_count(fixture.dir.path()), 2, "one content, one manifest");
    let digest = manifest.get(&path("a")).unwrap().digest;
    let stored = std::fs::metadata(blob_file(fixture.dir.path(), digest)).unwrap().len();
    assert!(stored < 1000, "{stored} bytes of {}", long.len());
    assert_eq!(fixture.text_of(&manifest).await["b/c"], long);
}

#[tokio::test]
async fn a_damaged_or_missing_blob_is_named_and_never_handed_out() {
    let fixture = fixture().await;
    let manifest = fixture.scaffolded().await;
    let readme = path("README.md");
    let digest = manifest.get(&readme).unwrap().digest;
    let file = blob_file(fixture.dir.path(), digest);
    let good = std::fs::read(&file).unwrap();
    let other = zstd::bulk::compress(b"other content", 3).unwrap();
    for bad in [vec![], b"junk".to_vec(), good[..good.len() - 3].to_vec(), other] {
        std::fs::write(&file, &bad).unwrap();
        let error = fixture.workspaces.read(&manifest, &readme).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::CorruptBlob { digest: found } if found == digest));
        assert!(error.to_string().contains(&digest.to_string()));
    }
    std::fs::remove_file(&file).unwrap();
    let error = fixture.workspaces.read(&manifest, &readme).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::MissingBlob { .. }));
    // Nothing is changed on the way to an error.
    let before = files_in(&fixture.copy());
    let empty = Manifest::default();
    let to = fixture.changed(&manifest, &[("run.sh", Some("new\n"))]).await;
    let target = blob_file(fixture.dir.path(), to.get(&path("run.sh")).unwrap().digest);
    std::fs::write(&target, b"junk").unwrap();
    fixture.workspaces.apply(&pid("shop"), &manifest, &to).await.unwrap_err();
    fixture.workspaces.apply(&pid("other"), &empty, &to).await.unwrap_err();
    assert_eq!(files_in(&fixture.copy()), before);
    assert!(!fixture.workspaces.exists(&pid("other")).await.unwrap(), "no half project");
    // Storing the content again heals it.
    fixture.changed(&empty, &[("README.md", Some("# App\n")), ("run.sh", Some("new\n"))]).await;
    assert_eq!(fixture.workspaces.read(&manifest, &readme).await.unwrap(), b"# App\n");
    fixture.workspaces.apply(&pid("shop"), &manifest, &to).await.unwrap();
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let fixture = fixture().await;
    let manifest = fixture.scaffolded().await;
    let digest = manifest.get(&path("README.md")).unwrap().digest;
    let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).unwrap();
    std::fs::write(blob_file(fixture.dir.path(), digest), bomb).unwrap();
    let error = fixture.workspaces.read(&manifest, &path("README.md")).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::CorruptBlob { .. }));
}

#[tokio::test]
async fn a_manifest_comes_back_and_has_one_name_per_state() {
    let fixture = fixture().await;
    let base = fixture.scaffolded().await;
    let mut forward = Overlay::new(base.clone(), anywhere());
    let mut backward = Overlay::new(base.clone(), anywhere());
    for name in ["a", "b", "c"] {
        forward.stage(path(name), name).unwrap();
    }
    for name in ["c", "b", "a"] {
        backward.stage(path(name), "draft").unwrap();
        backward.stage(path(name), name).unwrap();
    }
    let forward = fixture.workspaces.save_overlay(&forward, Author::Run).await.unwrap();
    let backward = fixture.workspaces.save_overlay(&backward, Author::Run).await.unwrap();
    assert_eq!(forward, backward);
    assert_eq!(fixture.workspaces.manifest(forward.digest).await.unwrap(), forward.manifest);
    let nothing = ManifestDigest(gencode_core::digest::Digest::of(b"nothing"));
    let error = fixture.workspaces.manifest(nothing).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::MissingBlob { .. }));
    let wrong = ManifestDigest(base.get(&path("run.sh")).unwrap().digest);
    let error = fixture.workspaces.manifest(wrong).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::CorruptBlob { .. }), "a file is no manifest");
}
