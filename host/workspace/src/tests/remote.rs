//! A blob store that several machines share, and what its faults do.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use axum::http::Method;
use gencode_core::digest::Digest;

use super::{
    blobs::blob_file,
    housekeeping::age,
    s3::{Fault, S3, config_at},
    *,
};
use crate::{BlobHealth, ManifestDigest, RemoteConfig, WorkspaceError};

/// A machine of its own that shares the store.
async fn machine(remote: &RemoteConfig) -> Fixture {
    try_machine(remote).await.unwrap()
}

async fn try_machine(remote: &RemoteConfig) -> crate::Result<Fixture> {
    let dir = tempfile::tempdir().unwrap();
    let workspaces = open_shared(dir.path(), remote).await?;
    Ok(Fixture { workspaces, dir })
}

async fn open_shared(dir: &Path, remote: &RemoteConfig) -> crate::Result<Workspaces> {
    Workspaces::open_with(&dir.join("projects"), &dir.join("blobs"), Some(remote)).await
}

async fn saved(fixture: &Fixture) -> ManifestDigest {
    fixture.workspaces.scaffold(&pid("shop"), seed()).await.unwrap().digest
}

fn digest(content: &str) -> Digest {
    Digest::of(content.as_bytes())
}

fn key(digest: Digest) -> String {
    let text = digest.to_string();
    format!("team/blobs/{}/{}", &text[..2], &text[2..])
}

/// The whole chain of an error, as an operator sees it.
fn told(error: &WorkspaceError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[tokio::test]
async fn a_second_machine_gets_a_project_it_has_never_seen() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    let state = saved(&one).await;
    let two = machine(&s3.config()).await;
    let manifest = two.workspaces.manifest(state).await.unwrap();
    let copy = two.dir.path().join("copy");
    two.workspaces.materialise(&manifest, &copy).await.unwrap();
    assert_eq!(files_in(&copy), files_in(&one.copy()));
    two.workspaces.apply(&pid("shop"), &Manifest::default(), &manifest).await.unwrap();
    assert_eq!(files_in(&two.copy()), files_in(&one.copy()));
    // What it read it keeps: the store may go away.
    drop(s3);
    assert_eq!(two.text_of(&manifest).await["README.md"], "# App\n");
}

#[tokio::test]
async fn what_is_known_to_be_there_is_not_sent_again() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    saved(&one).await;
    assert_eq!(s3.count(&Method::PUT), 5, "four files and the manifest");
    assert_eq!(s3.count(&Method::HEAD), 0, "new contents are not asked for");
    saved(&one).await;
    let two = machine(&s3.config()).await;
    saved(&two).await;
    let puts = s3.count(&Method::PUT);
    assert_eq!(puts, 10, "two has never stored them, and what is small is sent at once");
    // A third start on one's folder has the blobs, so it asks.
    let again = open_shared(one.dir.path(), &s3.config()).await.unwrap();
    again.scaffold(&pid("shop"), seed()).await.unwrap();
    assert_eq!((s3.count(&Method::PUT), s3.count(&Method::HEAD)), (puts, 5));
}

#[tokio::test]
async fn passing_faults_are_overcome() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    s3.fail(Method::PUT, [Fault::Status(500), Fault::Status(503), Fault::Hang]);
    let state = saved(&one).await;
    let two = machine(&s3.config()).await;
    s3.fail(Method::GET, [Fault::Status(500), Fault::Hang]);
    let manifest = two.workspaces.manifest(state).await.unwrap();
    assert_eq!(two.text_of(&manifest).await["README.md"], "# App\n");
    assert_eq!(s3.faults_left(), 0);
}

#[tokio::test]
async fn what_is_not_in_the_remote_store_does_not_count_as_saved() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    for fault in [Fault::Status(500), Fault::Hang] {
        s3.fail(Method::PUT, std::iter::repeat_n(fault, 200));
        let began = Instant::now();
        let error = one.workspaces.scaffold(&pid("shop"), seed()).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::RemoteUnavailable { .. }), "{error:?}");
        let text = told(&error);
        assert!(text.contains("s3://apps/team/blobs") && text.contains("could not"), "{text}");
        assert!(!text.contains("wJalrXUtnFEMI"), "a secret in `{text}`");
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        assert!(!one.workspaces.exists(&pid("shop")).await.unwrap());
        s3.mend();
    }
    // As soon as it answers again, the same call does it.
    let state = saved(&one).await;
    let two = machine(&s3.config()).await;
    assert_eq!(two.workspaces.manifest(state).await.unwrap().len(), 4);
}

#[tokio::test]
async fn wrong_bytes_are_never_handed_out_and_are_put_right() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    let state = saved(&one).await;
    let readme = digest("# App\n");
    let good = s3.bucket.lock().unwrap().objects[&key(readme)].clone();
    let other = zstd::bulk::compress(b"other", 3).unwrap();
    let endless = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).unwrap();
    for bad in [b"junk".to_vec(), vec![], other, good.0[..good.0.len() - 2].to_vec(), endless] {
        let two = machine(&s3.config()).await;
        let manifest = two.workspaces.manifest(state).await.unwrap();
        s3.bucket.lock().unwrap().objects.insert(key(readme), (bad.into(), good.1));
        let error = two.workspaces.read(&manifest, &path("README.md")).await.unwrap_err();
        assert!(
            matches!(error, WorkspaceError::CorruptBlob { digest } if digest == readme),
            "{error:?}"
        );
        assert!(!blob_file(two.dir.path(), readme).exists(), "nothing of it is kept");
        assert!(two.workspaces.verify_blob(readme).await.is_err());
        // Storing the content again mends it for everybody.
        two.changed(&Manifest::default(), &[("x", Some("# App\n"))]).await;
        let three = machine(&s3.config()).await;
        assert_eq!(three.text_of(&manifest).await["README.md"], "# App\n");
    }
    // Bytes that go wrong on the way only.
    let two = machine(&s3.config()).await;
    let manifest = two.workspaces.manifest(state).await.unwrap();
    s3.fail(Method::GET, [Fault::Body(b"junk".to_vec())]);
    let error = two.workspaces.read(&manifest, &path("README.md")).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::CorruptBlob { .. }), "{error:?}");
    assert_eq!(two.workspaces.read(&manifest, &path("README.md")).await.unwrap(), b"# App\n");
}

#[tokio::test]
async fn a_blob_that_is_nowhere_is_missing() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    let state = saved(&one).await;
    s3.bucket.lock().unwrap().objects.remove(&key(digest("# App\n")));
    let two = machine(&s3.config()).await;
    let manifest = two.workspaces.manifest(state).await.unwrap();
    let error = two.workspaces.read_all(&manifest, |_| true).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::MissingBlob { .. }), "{error:?}");
    // The machine that has it brings it back.
    let verified = one.workspaces.verify_blob(digest("# App\n")).await.unwrap();
    assert_eq!(verified, BlobHealth::Sound, "it remembers to have stored it");
    let one = open_shared(one.dir.path(), &s3.config()).await.unwrap();
    assert_eq!(one.verify_blob(digest("# App\n")).await.unwrap(), BlobHealth::Repaired);
    two.workspaces.read_all(&manifest, |_| true).await.unwrap();
}

#[tokio::test]
async fn a_damaged_local_copy_comes_back_by_itself() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    let state = saved(&one).await;
    let manifest = one.workspaces.manifest(state).await.unwrap();
    let all = one.workspaces.referenced_by(state).await.unwrap();
    for damage in [|_: &[u8]| Vec::new(), |good: &[u8]| good[..good.len() / 2].to_vec()] {
        for digest in &all {
            let file = blob_file(one.dir.path(), *digest);
            let good = std::fs::read(&file).unwrap();
            std::fs::write(&file, damage(&good)).unwrap();
        }
        assert_eq!(one.workspaces.manifest(state).await.unwrap(), manifest);
        assert_eq!(one.text_of(&manifest).await["run.sh"], "#!/bin/sh\nexit 0\n");
        let (healthy, damaged) = (digest("# App\n"), digest("import os\n"));
        std::fs::write(blob_file(one.dir.path(), damaged), b"junk").unwrap();
        let verify = |digest| one.workspaces.verify_blob(digest);
        assert_eq!(verify(healthy).await.unwrap(), BlobHealth::Sound);
        assert_eq!(verify(damaged).await.unwrap(), BlobHealth::Repaired);
        assert_eq!(verify(damaged).await.unwrap(), BlobHealth::Sound);
    }
    // Deleted altogether.
    std::fs::remove_dir_all(one.dir.path().join("blobs")).unwrap();
    let one = open_shared(one.dir.path(), &s3.config()).await.unwrap();
    assert_eq!(one.manifest(state).await.unwrap(), manifest);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_told_at_once() {
    let s3 = S3::start().await;
    let refused = try_machine(&s3.config_with("AKIASTRANGER")).await.err().unwrap();
    assert!(matches!(refused, WorkspaceError::RemoteRefused { .. }), "{refused:?}");
    assert!(refused.to_string().contains("credentials"), "{refused}");
    let nobody = try_machine(&config_at("http://127.0.0.1:9", "AKIAEXAMPLE")).await.err().unwrap();
    assert!(matches!(nobody, WorkspaceError::RemoteUnavailable { .. }), "{nobody:?}");
    let object = (
        "team/blobs/format".to_owned(),
        (b"gencode blobs 9\n".as_slice().into(), SystemTime::now()),
    );
    s3.bucket.lock().unwrap().objects.extend([object]);
    let newer = try_machine(&s3.config()).await.err().unwrap();
    assert!(matches!(newer, WorkspaceError::BadRemote { .. }), "{newer:?}");
    for (url, hint) in [
        ("http://bucket", "s3://bucket"),
        ("s3://", "name of a bucket"),
        ("s3://key:secret@bucket/x", "name of a bucket"),
        ("s3://bucket/../x", "plain path"),
        ("file://relative", "absolute path"),
    ] {
        let error = RemoteConfig::parse(url, []).unwrap_err().to_string();
        assert!(error.contains(hint), "{url}: {error}");
    }
}

#[tokio::test]
async fn blobs_from_before_the_remote_store_are_brought_there() {
    let s3 = S3::start().await;
    let alone = fixture().await;
    let base = alone.scaffolded().await;
    let shared = open_shared(alone.dir.path(), &s3.config()).await.unwrap();
    let mut overlay = Overlay::new(base, anywhere());
    overlay.stage(path("new"), "new\n").unwrap();
    let state = shared.save_overlay(&overlay, crate::Author::Run).await.unwrap().digest;
    let two = machine(&s3.config()).await;
    let manifest = two.workspaces.manifest(state).await.unwrap();
    assert_eq!(two.text_of(&manifest).await.len(), 5);
}

#[tokio::test]
async fn a_shared_folder_does_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("shared").display());
    let remote = RemoteConfig::parse(&url, []).unwrap();
    let one = machine(&remote).await;
    let state = saved(&one).await;
    let two = machine(&remote).await;
    let manifest = two.workspaces.manifest(state).await.unwrap();
    assert_eq!(two.text_of(&manifest).await, one.text_of(&manifest).await);
    let all = two.workspaces.blob_inventory(None).await.unwrap();
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|blob| blob.local && blob.remote && blob.stored_bytes > 0));
}

#[tokio::test]
async fn what_is_shared_is_out_of_reach_of_housekeeping() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    let (component, name) = (b"\0asm component".to_vec(), Digest::of(b"\0asm component"));
    one.workspaces.share(component.clone()).await.unwrap();
    one.workspaces.share(component.clone()).await.unwrap();
    let puts = s3.bucket.lock().unwrap().requests.clone();
    let puts = puts.iter().filter(|(method, key)| method == Method::PUT && key.contains("aside"));
    assert_eq!(puts.count(), 1);
    s3.age(Duration::from_hours(24));
    one.workspaces.remove_blobs(&[name], SystemTime::now()).await.unwrap();
    assert_eq!(one.workspaces.blob_inventory(None).await.unwrap(), []);
    let two = machine(&s3.config()).await;
    assert_eq!(two.workspaces.shared(name).await.unwrap().unwrap(), component);
    assert_eq!(two.workspaces.shared(digest("other")).await.unwrap(), None);
    let aside = format!("team/blobs/aside/{name}");
    let object = (b"junk".as_slice().into(), SystemTime::now());
    s3.bucket.lock().unwrap().objects.insert(aside, object);
    let error = two.workspaces.shared(name).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::CorruptBlob { .. }), "{error:?}");
    // Without a remote store there is nobody to share with.
    let alone = fixture().await;
    alone.workspaces.share(component).await.unwrap();
    assert_eq!(alone.workspaces.shared(name).await.unwrap(), None);
}

#[tokio::test]
async fn old_blobs_are_removed_everywhere_and_young_ones_nowhere() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    saved(&one).await;
    let [readme, run, main] = ["# App\n", "#!/bin/sh\nexit 0\n", "import os\n"].map(digest);
    for old in [readme, run, main] {
        age(one.dir.path(), old);
    }
    let soon = SystemTime::now() - Duration::from_mins(1);
    s3.age(Duration::from_hours(2));
    let removed = one.workspaces.remove_blobs(&[readme], soon).await.unwrap();
    assert_eq!(removed.digests, BTreeSet::from([readme]), "the local copy");
    assert!(s3.bucket.lock().unwrap().objects.contains_key(&key(readme)), "two hours are young");
    s3.age(Duration::from_hours(2));
    // Stored again by another machine: young everywhere.
    let two = machine(&s3.config()).await;
    two.changed(&Manifest::default(), &[("f", Some("#!/bin/sh\nexit 0\n"))]).await;
    let all = [readme, run, main];
    let removed = one.workspaces.remove_blobs(&all, soon).await.unwrap();
    assert_eq!(removed.digests, BTreeSet::from(all), "two remote ones and a local copy");
    let left = |digest| s3.bucket.lock().unwrap().objects.contains_key(&key(digest));
    assert_eq!([left(readme), left(run), left(main)], [false, true, false]);
    assert!(s3.bucket.lock().unwrap().objects.keys().all(|key| !key.contains("removing")));
    // One knows that it removed it, and sends it again.
    one.changed(&Manifest::default(), &[("f", Some("# App\n"))]).await;
    assert!(left(readme));
}

#[tokio::test]
async fn what_another_host_takes_while_it_is_stored_is_stored_again() {
    let s3 = S3::start().await;
    let one = machine(&s3.config()).await;
    // Another host has said that it removes, and saw the blob old a moment ago.
    let sign = "team/blobs/removing/other".to_owned();
    let object = (b"removing\n".as_slice().into(), SystemTime::now());
    s3.bucket.lock().unwrap().objects.insert(sign.clone(), object);
    let wanted = digest("wanted");
    let base = Manifest::default();
    let storing = one.changed(&base, &[("f", Some("wanted"))]);
    let removing = async {
        // Its removal comes after the upload.
        while !s3.bucket.lock().unwrap().objects.contains_key(&key(wanted)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        s3.bucket.lock().unwrap().objects.remove(&key(wanted));
        tokio::time::sleep(Duration::from_millis(300)).await;
        s3.bucket.lock().unwrap().objects.remove(&sign);
    };
    let began = Instant::now();
    tokio::join!(storing, removing);
    assert!(began.elapsed() > Duration::from_millis(300), "it waited for the other host");
    assert!(s3.bucket.lock().unwrap().objects.contains_key(&key(wanted)));
}
