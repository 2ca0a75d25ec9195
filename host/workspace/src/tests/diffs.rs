//! What differs between two states.

use super::*;
use crate::{Author, ChangeKind, Unshown};

async fn state(workspaces: &Workspaces, files: &[(&str, &[u8])]) -> Manifest {
    let seed = files.iter().map(|(name, content)| SeedFile {
        path: path(name),
        content: content.to_vec(),
        executable: name.strip_suffix(".sh").is_some(),
    });
    let id = pid(&format!("p{}", files.len()));
    let saved = workspaces.scaffold(&id, seed.collect()).await.unwrap();
    workspaces.delete(&id).await.unwrap();
    saved.manifest
}

#[tokio::test]
async fn each_file_says_how_it_differs_and_shows_its_lines() {
    let fixture = fixture().await;
    let workspaces = &fixture.workspaces;
    let old = state(
        workspaces,
        &[("a.txt", b"one\ntwo\n"), ("gone.txt", b"bye\n"), ("pic", b"\xff\0\x01"), ("same", b"x")],
    )
    .await;
    let new = state(
        workspaces,
        &[("a.txt", b"one\n2\n"), ("new.txt", b"hello"), ("pic", b"\xfe\0"), ("same", b"x")],
    )
    .await;
    let diff = workspaces.diff(&old, &new).await.unwrap();
    let kinds: Vec<_> =
        diff.iter().map(|file| (file.file.path.as_str(), file.file.change)).collect();
    assert_eq!(
        kinds,
        [
            ("a.txt", ChangeKind::Changed),
            ("gone.txt", ChangeKind::Removed),
            ("new.txt", ChangeKind::Added),
            ("pic", ChangeKind::Changed),
        ]
    );
    assert_eq!(
        diff[0].diff.as_deref(),
        Some("--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
    );
    assert_eq!((diff[0].lines_added, diff[0].lines_removed), (1, 1));
    let gone = diff[1].diff.as_deref().unwrap();
    assert!(gone.starts_with("--- a/gone.txt\n+++ /dev/null\n") && gone.ends_with("-bye\n"));
    let added = diff[2].diff.as_deref().unwrap();
    assert!(added.contains("+hello\n\\ No newline at end of file"), "{added}");
    assert_eq!((diff[2].size_before, diff[2].size_after), (None, Some(5)));
    assert_eq!((diff[3].binary, diff[3].unshown), (true, Some(Unshown::Binary)));
    assert_eq!(diff[3].diff, None);
    assert!(workspaces.diff(&new, &new).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mode_alone_is_a_change_without_lines() {
    let fixture = fixture().await;
    let old = state(&fixture.workspaces, &[("run", b"x\n")]).await;
    let entry = *old.get(&path("run")).unwrap();
    let new: Manifest =
        [(path("run"), crate::Entry { executable: true, author: Author::User, ..entry })]
            .into_iter()
            .collect();
    let diff = fixture.workspaces.diff(&old, &new).await.unwrap();
    assert_eq!((diff.len(), diff[0].executable), (1, Some(true)));
    assert_eq!(diff[0].diff.as_deref(), Some(""));
}

#[tokio::test]
async fn the_size_of_a_diff_is_bounded() {
    let fixture = fixture().await;
    // Just small enough to be compared, five times: together more than there is room for.
    let lines: Vec<u8> = (0..500_000 / 8).flat_map(|n| format!("{n:07}\n").into_bytes()).collect();
    let huge = vec![b'x'; 600 * 1024];
    let mut files: Vec<(&str, &[u8])> =
        ["a", "b", "c", "d", "e"].into_iter().map(|name| (name, lines.as_slice())).collect();
    files.push(("huge", &huge));
    let new = state(&fixture.workspaces, &files).await;
    let diff = fixture.workspaces.diff(&Manifest::default(), &new).await.unwrap();
    let shown: usize = diff.iter().filter_map(|file| file.diff.as_ref()).map(String::len).sum();
    assert!(shown <= 2 * 1024 * 1024, "{shown}");
    let why: Vec<_> = diff.iter().filter_map(|file| file.unshown).collect();
    assert_eq!(why, [Unshown::NoRoom, Unshown::NoRoom, Unshown::TooLarge]);
    assert_eq!(diff[4].lines_added, 62_500, "counted all the same");
}
