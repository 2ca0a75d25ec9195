//! Installing dependencies: once, offline afterwards, and never half.

use std::{fs, path::Path, time::Duration};

use crate::common::{World, world};
use gencode_sandbox::{Backend, Ecosystem, Sandbox, SandboxError};

/// Two small packages that need nothing else.
const REQUIREMENTS: &str = "six==1.16.0\nitsdangerous==2.2.0\n";

const PACKAGE: &str = r#"{"name":"app","version":"1.0.0","scripts":{"build":"x"},"dependencies":{"is-number":"7.0.0"}}"#;

const PACKAGE_LOCK: &str = r#"{"name":"app","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{
"":{"name":"app","version":"1.0.0","dependencies":{"is-number":"7.0.0"}},
"node_modules/is-number":{"version":"7.0.0","resolved":"https://registry.npmjs.org/is-number/-/is-number-7.0.0.tgz","integrity":"sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==","engines":{"node":">=0.12.0"}}}}"#;

fn lay_out(tree: &Path) {
    fs::create_dir_all(tree.join("backend")).unwrap();
    fs::create_dir_all(tree.join("frontend")).unwrap();
    fs::write(tree.join("backend/requirements.lock"), REQUIREMENTS).unwrap();
    fs::write(tree.join("frontend/package.json"), PACKAGE).unwrap();
    fs::write(tree.join("frontend/package-lock.json"), PACKAGE_LOCK).unwrap();
}

/// The same cache, but no way to a registry.
async fn offline(world: &World) -> Sandbox {
    let mut config = crate::common::config(world.base.path(), Backend::Process);
    config.pass_env.retain(|(name, _)| name == "PATH");
    for (name, value) in [
        ("PIP_INDEX_URL", "http://127.0.0.1:9/simple"),
        ("PIP_RETRIES", "1"),
        ("npm_config_registry", "http://127.0.0.1:9/"),
        ("npm_config_fetch_retries", "0"),
        ("npm_config_prefer_online", "true"),
    ] {
        config.pass_env.push((name.to_owned(), value.to_owned()));
    }
    Sandbox::open(config).await.unwrap()
}

#[tokio::test]
async fn python_packages_are_installed_once() {
    let world = world().await;
    lay_out(&world.tree);
    let first = world.sandbox.install(&world.tree, Ecosystem::Python, "backend").await.unwrap();
    assert!(first.succeeded(), "{first:?}");

    // A second tree, without a registry, in no time.
    let twin = world.base.path().join("twin");
    lay_out(&twin);
    let offline = offline(&world).await;
    let warm = offline.available(gencode_sandbox::Tool::Python).await;
    assert!(warm.is_ok());
    let second = offline.install(&twin, Ecosystem::Python, "backend").await.unwrap();
    assert!(second.succeeded(), "{second:?}");
    assert!(second.duration < Duration::from_millis(500), "{second:?}");

    let mut command = crate::common::command(
        &["python", "-c", "import itsdangerous, six, sys; print(six.__version__, sys.prefix)"],
        Duration::from_mins(1),
    );
    command.cwd = "backend".to_owned();
    let used = offline.exec(&twin, command).await.unwrap();
    let prefix = twin.canonicalize().unwrap().join("backend/.venv");
    assert_eq!(used.stdout.trim(), format!("1.16.0 {}", prefix.display()), "{used:?}");
}

#[tokio::test]
async fn node_packages_are_installed_once() {
    let world = world().await;
    lay_out(&world.tree);
    let first = world.sandbox.install(&world.tree, Ecosystem::Node, "frontend").await.unwrap();
    assert!(first.succeeded(), "{first:?}");

    let twin = world.base.path().join("twin");
    lay_out(&twin);
    // Another script is not another install.
    fs::write(twin.join("frontend/package.json"), PACKAGE.replace("\"x\"", "\"y\"")).unwrap();
    let offline = offline(&world).await;
    offline.available(gencode_sandbox::Tool::Node).await.unwrap();
    let second = offline.install(&twin, Ecosystem::Node, "frontend").await.unwrap();
    assert!(second.succeeded(), "{second:?}");
    assert!(second.duration < Duration::from_millis(500), "{second:?}");

    let script = "console.log(require('is-number')(5)); require('fs').writeFileSync('node_modules/.tmp', 'x')";
    let mut command = crate::common::command(&["node", "-e", script], Duration::from_mins(1));
    command.cwd = "frontend".to_owned();
    let used = offline.exec(&twin, command).await.unwrap();
    assert_eq!((used.exit_code, used.stdout.as_str()), (0, "true\n"), "{used:?}");
    // Again over its own links.
    assert!(offline.install(&twin, Ecosystem::Node, "frontend").await.unwrap().succeeded());
    assert!(twin.join("frontend/node_modules/.tmp").exists());
}

#[tokio::test]
async fn two_installs_of_one_lock_build_once() {
    let world = world().await;
    let trees = ["a", "b"].map(|name| world.base.path().join(name));
    for tree in &trees {
        lay_out(tree);
    }
    // Two sandboxes, as two processes would have.
    let second =
        Sandbox::open(crate::common::config(world.base.path(), Backend::Process)).await.unwrap();
    let (left, right) = tokio::join!(
        world.sandbox.install(&trees[0], Ecosystem::Python, "backend"),
        second.install(&trees[1], Ecosystem::Python, "backend"),
    );
    let results = [left.unwrap(), right.unwrap()];
    assert!(results.iter().all(gencode_sandbox::ExecResult::succeeded), "{results:?}");
    let waited = results.iter().filter(|result| result.stdout.contains("from the cache")).count();
    assert_eq!(waited, 1, "{results:?}");
}

#[tokio::test]
async fn an_install_that_was_cut_off_is_done_again() {
    let world = world().await;
    lay_out(&world.tree);
    {
        let mut cut =
            std::pin::pin!(world.sandbox.install(&world.tree, Ecosystem::Python, "backend"));
        let begun = crate::common::eventually("the install begins", || {
            fs::read_dir(world.base.path().join("cache")).is_ok_and(|mut entries| {
                entries.any(|entry| entry.unwrap().path().join("venv").exists())
            })
        });
        tokio::select! {
            result = &mut cut => panic!("it ended: {result:?}"),
            () = begun => {}
        }
    }
    assert!(!world.tree.join("backend/.venv").exists());
    let again = world.sandbox.install(&world.tree, Ecosystem::Python, "backend").await.unwrap();
    assert!(again.succeeded() && !again.stdout.contains("from the cache"), "{again:?}");
    let mut command =
        crate::common::command(&["python", "-c", "import six"], Duration::from_mins(1));
    command.cwd = "backend".to_owned();
    assert!(world.sandbox.exec(&world.tree, command).await.unwrap().succeeded());
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_named() {
    let world = world().await;
    lay_out(&world.tree);
    let offline = offline(&world).await;
    for (ecosystem, dir) in [(Ecosystem::Python, "backend"), (Ecosystem::Node, "frontend")] {
        let failed = offline.install(&world.tree, ecosystem, dir).await.unwrap();
        assert!(!failed.succeeded(), "{failed:?}");
        let says = "the package registry could not be reached:\n";
        assert!(
            failed.stderr.starts_with(says) && failed.stderr.len() > says.len() + 20,
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_installed_from_is_refused() {
    let world = world().await;
    fs::create_dir(world.tree.join("backend")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.tree.join("backend/requirements.lock"))
        .unwrap();
    for dir in ["", "backend", ".."] {
        let refused = world.sandbox.install(&world.tree, Ecosystem::Python, dir).await.unwrap_err();
        assert!(matches!(refused, SandboxError::Invalid(_)), "{dir}: {refused:?}");
    }
}
