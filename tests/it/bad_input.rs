//! Bad input and bad surroundings: a clear error, a non-zero exit code, nothing lost.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Output};

use crate::host::{Data, GENCODE, files_of, plugins};

fn refused(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(output.status.code().is_some(), "ended by a signal: {said}");
    assert!(said.contains("error:"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[tokio::test]
async fn requests_that_mean_nothing_are_refused_and_leave_nothing() {
    let data = Data::new();
    let long = "word ".repeat(20_000);
    for (request, says) in [
        ("", "empty"),
        (" \t ", "empty"),
        ("x", "too short"),
        (long.as_str(), "100000 bytes"),
        ("a\u{1}b\u{2}cdefgh", "not text"),
    ] {
        let (output, summary) = data.new_json(request, &[]).await;
        let said = refused(&output);
        assert!(said.contains(says), "{request:.20}: {said}");
        assert_eq!(summary["status"], "failed");
        assert!(summary["reason"].as_str().unwrap().contains(says), "{summary}");
    }
    let mut command = data.command(&["new", "--no-preview"]).await;
    let output = command.arg(OsStr::from_bytes(b"a shop \xff\xfe")).output().await.unwrap();
    assert!(refused(&output).contains("not text"));
    let listed = data.run(&["projects", "--json"]).await;
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "[]", "no half-made project");
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("data");
    let output = tokio::process::Command::new(GENCODE)
        .args(["--data-dir", below.to_str().unwrap(), "new", "todo list"])
        .output()
        .await
        .unwrap();
    let said = refused(&output);
    assert!(said.contains("data folder") && said.contains("--data-dir"), "{said}");
}

#[tokio::test]
async fn a_full_data_folder_is_an_error_that_loses_nothing() {
    // A disk of 3 MiB, in a mount namespace of its own.
    let disk = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=3m tmpfs {disk} && {GENCODE} --data-dir {disk}/data --plugins {plugins} new --no-preview todo; \
         code=$?; cat {disk}/data/gencode.db | head -c 16; exit $code",
        disk = disk.path().display(),
        plugins = plugins().await.display(),
    );
    let output = tokio::process::Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .output()
        .await
        .unwrap();
    let said = refused(&output);
    assert!(said.to_lowercase().contains("space"), "{said}");
}

#[tokio::test]
async fn a_corrupt_database_is_refused_and_left_untouched() {
    let data = Data::new();
    let file = data.path().join("gencode.db");
    let garbage = b"this is not a database, but it may be somebody's only copy".repeat(100);
    std::fs::write(&file, &garbage).unwrap();
    let output = data.run(&["new", "--no-preview", "todo list"]).await;
    let said = refused(&output);
    assert!(said.contains("gencode.db") && said.contains("not a usable database"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), garbage);
}

#[tokio::test]
async fn a_missing_or_broken_component_is_named_before_anything_starts() {
    let data = Data::new();
    let some = tempfile::tempdir().unwrap();
    for (name, content) in files_of(plugins().await) {
        if name != "victoria.wasm" {
            std::fs::write(some.path().join(name), content).unwrap();
        }
    }
    let new = async |folder: &str| {
        let mut command = tokio::process::Command::new(GENCODE);
        command.arg("--data-dir").arg(data.path()).args([
            "--plugins",
            folder,
            "new",
            "--no-preview",
            "todo list",
        ]);
        command.output().await.unwrap()
    };
    let folder = some.path().to_str().unwrap();
    let said = refused(&new(folder).await);
    assert!(
        said.contains("`victoria` is missing") && said.contains("gencode plugin build"),
        "{said}"
    );

    std::fs::write(some.path().join("victoria.wasm"), b"\0asm garbage").unwrap();
    let said = refused(&new(folder).await);
    assert!(said.contains("victoria.wasm") && said.contains("broken"), "{said}");

    let said = refused(&new("/nonexistent/plugins").await);
    assert!(said.contains("no plugin folder"), "{said}");
    let listed = data.run(&["projects", "--json"]).await;
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "[]");
}

#[tokio::test]
async fn a_folder_with_files_in_it_is_never_written_over() {
    let data = Data::new();
    let out = tempfile::tempdir().unwrap();
    std::fs::write(out.path().join("run.sh"), "mine").unwrap();
    let (output, _) = data.new_json("todo list", &["--out", out.path().to_str().unwrap()]).await;
    assert!(refused(&output).contains("not empty"));
    assert_eq!(files_of(out.path()), [("run.sh".to_owned(), b"mine".to_vec())]);
}

#[tokio::test]
async fn the_host_refuses_to_be_reachable_from_elsewhere_and_to_trust_everyone() {
    let data = Data::new();
    for others in [
        ["--listen", "0.0.0.0:0"],
        // Behind a proxy everyone seems to be on this machine.
        ["--allow-host", "studio.example"],
        ["--trusted-proxies", "127.0.0.1"],
    ] {
        let output = data.run(&[&["serve", "--port", "0"], &others[..]].concat()).await;
        assert!(refused(&output).contains("refusing to serve others"), "{others:?}");
    }
    let output = data.run(&["serve", "--port", "0", "--trusted-proxies", "10.0.0.1, proxy"]).await;
    assert!(refused(&output).contains("`proxy` is not an IP address"));
    let output = data.run(&["serve", "--port", "0", "--cors-origins", "*"]).await;
    assert!(refused(&output).contains("refusing CORS_ORIGINS=*"));
}
