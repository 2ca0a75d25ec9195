//! Three-way merges.

use super::*;
use crate::{Author, Merged};

/// Merges single-file states; none means the file is absent.
async fn merge(
    base: Option<&str>,
    ours: Option<&str>,
    theirs: Option<&str>,
) -> (Option<String>, bool) {
    let fixture = fixture().await;
    let state = async |content: Option<&str>| match content {
        Some(content) => fixture.changed(&Manifest::default(), &[("f", Some(content))]).await,
        None => Manifest::default(),
    };
    let (base, ours, theirs) = (state(base).await, state(ours).await, state(theirs).await);
    let Merged { manifest, conflicts } =
        fixture.workspaces.merge3(&base, &ours, &theirs).await.unwrap();
    (fixture.text_of(&manifest).await.remove("f"), !conflicts.is_empty())
}

#[tokio::test]
async fn one_sided_and_separate_changes_are_taken() {
    for (base, ours, theirs, expected) in [
        (Some("a\n"), Some("b\n"), Some("a\n"), Some("b\n")),
        (Some("a\n"), Some("a\n"), Some("b\n"), Some("b\n")),
        (Some("a\n"), Some("b\n"), Some("b\n"), Some("b\n")),
        (Some("a\n"), None, Some("a\n"), None),
        (Some("a\n"), Some("a\n"), None, None),
        (None, Some("a\n"), None, Some("a\n")),
        (None, None, Some("a\n"), Some("a\n")),
        (None, Some("a\n"), Some("a\n"), Some("a\n")),
        (
            Some("1\n2\n3\n4\n"),
            Some("one\n2\n3\n4\n"),
            Some("1\n2\n3\nfour\n"),
            Some("one\n2\n3\nfour\n"),
        ),
    ] {
        let (merged, conflict) = merge(base, ours, theirs).await;
        assert_eq!(
            (merged.as_deref(), conflict),
            (expected, false),
            "{base:?} {ours:?} {theirs:?}"
        );
    }
}

#[tokio::test]
async fn in_a_conflict_the_users_side_stays() {
    for (base, ours, theirs) in [
        (Some("a\n"), Some("b\n"), Some("c\n")),
        (Some("a\n"), None, Some("c\n")),
        (Some("a\n"), Some("b\n"), None),
        (None, Some("b\n"), Some("c\n")),
        (Some("a\n"), Some("b\0"), Some("c\0")),
    ] {
        let (merged, conflict) = merge(base, ours, theirs).await;
        assert_eq!((merged.as_deref(), conflict), (theirs, true), "{base:?} {ours:?} {theirs:?}");
    }
}

#[tokio::test]
async fn a_merged_file_is_the_users_and_the_rest_keeps_its_author() {
    let fixture = fixture().await;
    let base = fixture.changed(&Manifest::default(), &[("f", Some("1\n2\n3\n4\n5\n"))]).await;
    let ours = fixture.changed(&base, &[("f", Some("one\n2\n3\n4\n5\n")), ("g", Some("g"))]).await;
    let theirs =
        fixture.workspaces.save_user_file(&base, path("f"), "1\n2\n3\n4\nfive\n").await.unwrap();
    let merged = fixture.workspaces.merge3(&base, &ours, &theirs.manifest).await.unwrap();
    assert!(merged.conflicts.is_empty());
    assert_eq!(fixture.text_of(&merged.manifest).await["f"], "one\n2\n3\n4\nfive\n");
    assert_eq!(merged.manifest.get(&path("f")).unwrap().author, Author::User);
    assert_eq!(merged.manifest.get(&path("g")).unwrap().author, Author::Run);
}
