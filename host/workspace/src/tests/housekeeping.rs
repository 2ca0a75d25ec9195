//! Housekeeping of the blob store: what there is, what is sound, and taking away what is old.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use gencode_core::digest::Digest;

use super::{blobs::blob_file, *};
use crate::{Author, BlobHealth, WorkspaceError};

/// Makes a blob as old as if it had been stored a day ago.
pub(crate) fn age(dir: &Path, digest: Digest) {
    let file = std::fs::File::open(blob_file(dir, digest)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(24)).unwrap();
}

async fn inventory(workspaces: &Workspaces) -> Vec<Digest> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = workspaces.blob_inventory(after).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.digest);
        all.extend(page.iter().map(|blob| blob.digest));
    }
}

#[tokio::test]
async fn the_inventory_has_every_blob_once_in_order() {
    let fixture = fixture().await;
    assert_eq!(inventory(&fixture.workspaces).await, []);
    let mut overlay = Overlay::new(Manifest::default(), anywhere());
    for number in 0..2_500 {
        overlay.stage(path(&format!("f{number}")), format!("content {number}")).unwrap();
    }
    let saved = fixture.workspaces.save_overlay(&overlay, Author::Run).await.unwrap();
    // What is not a blob is not listed.
    std::fs::write(fixture.dir.path().join("blobs/00/notes.txt"), "mine").unwrap();
    let expected = fixture.workspaces.referenced_by(saved.digest).await.unwrap();
    assert_eq!(expected.len(), 2_501, "the files and the manifest");
    let found = inventory(&fixture.workspaces).await;
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    let first = fixture.workspaces.blob_inventory(None).await.unwrap();
    let size = std::fs::metadata(blob_file(fixture.dir.path(), first[0].digest)).unwrap().len();
    assert_eq!(first[0].stored_bytes, size);
    assert!(first[0].modified.elapsed().unwrap() < Duration::from_mins(5));
}

#[tokio::test]
async fn verifying_names_what_is_damaged_and_what_is_missing() {
    let fixture = fixture().await;
    let manifest = fixture.scaffolded().await;
    let digest = manifest.get(&path("run.sh")).unwrap().digest;
    let verify = || fixture.workspaces.verify_blob(digest);
    assert_eq!(verify().await.unwrap(), BlobHealth::Sound);
    let file = blob_file(fixture.dir.path(), digest);
    let good = std::fs::read(&file).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&file, &bad).unwrap();
        match verify().await {
            // The frame's header has bits that say nothing of the content.
            Ok(_) => assert_eq!(
                fixture.workspaces.read(&manifest, &path("run.sh")).await.unwrap(),
                b"#!/bin/sh\nexit 0\n"
            ),
            Err(WorkspaceError::CorruptBlob { digest: named }) => assert_eq!(named, digest),
            Err(other) => panic!("{other}"),
        }
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(verify().await, Err(WorkspaceError::MissingBlob { .. })));
}

#[tokio::test]
async fn only_old_blobs_are_removed_and_storing_again_makes_young() {
    let fixture = fixture().await;
    let manifest = fixture.scaffolded().await;
    let digest = |name: &str| manifest.get(&path(name)).unwrap().digest;
    let (readme, run, main) =
        (digest("README.md"), digest("run.sh"), digest("backend/app/main.py"));
    for old in [readme, run] {
        age(fixture.dir.path(), old);
    }
    // The same content is stored again, for a checkpoint that is not written yet.
    fixture.changed(&Manifest::default(), &[("copy", Some("# App\n"))]).await;
    let an_hour_ago = SystemTime::now() - Duration::from_hours(1);
    let never = Digest::of(b"never stored");
    let all = [readme, run, main, never];
    let removed = fixture.workspaces.remove_blobs(&all, an_hour_ago).await.unwrap();
    assert_eq!(removed.digests, BTreeSet::from([run]), "not the young, not the one made young");
    assert!(removed.stored_bytes > 0);
    assert!(matches!(
        fixture.workspaces.verify_blob(run).await,
        Err(WorkspaceError::MissingBlob { .. })
    ));
    fixture.workspaces.verify_blob(readme).await.unwrap();
    // What was removed can be stored again.
    let again = fixture.changed(&manifest, &[("new.sh", Some("#!/bin/sh\nexit 0\n"))]).await;
    assert_eq!(fixture.text_of(&again).await["run.sh"], "#!/bin/sh\nexit 0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_while_another_process_removes_stays() {
    let fixture = fixture().await;
    // Another process on the same folder: a store of its own.
    let other = open(fixture.dir.path()).await;
    let digest = Digest::of(b"wanted");
    for _ in 0..100 {
        fixture.changed(&Manifest::default(), &[("f", Some("wanted"))]).await;
        age(fixture.dir.path(), digest);
        let cutoff = SystemTime::now() - Duration::from_hours(1);
        let wanted = [digest];
        let base = Manifest::default();
        let storing = fixture.changed(&base, &[("f", Some("wanted"))]);
        let removing = other.remove_blobs(&wanted, cutoff);
        let (manifest, removed) = tokio::join!(storing, removing);
        removed.unwrap();
        assert_eq!(fixture.text_of(&manifest).await["f"], "wanted");
    }
}
