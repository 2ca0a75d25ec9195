//! `gencode doctor`: is everything as it should be, and what to do where it is not.

use std::{io::Write as _, path::Path, process::ExitCode};

use gencode_engine::housekeeping::{How, Keeper, Policy, Space, orphan_processes};
use gencode_llm::Gateway;
use gencode_runtime::{Runtime, RuntimeConfig};
use gencode_sandbox::Tool;
use gencode_store::{Location, Store, StoreError};
use serde::Serialize;

use crate::{
    cli::{Doctor, Global},
    compose,
    config::{self, Folders},
    gc::human,
};

/// Most problems of one kind that are shown.
const SHOWN: usize = 10;

/// Port of `gencode serve` where none is given.
const PORT: u16 = 8000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One line of the examination.
#[derive(Debug, Serialize)]
struct Check {
    area: &'static str,
    level: Level,
    text: String,
    /// What to do; empty where there is nothing.
    advice: String,
}

/// The examination so far.
#[derive(Debug, Default)]
struct Report {
    checks: Vec<Check>,
}

impl Report {
    fn add(&mut self, area: &'static str, level: Level, text: String, advice: &str) {
        self.checks.push(Check { area, level, text, advice: advice.to_owned() });
    }

    fn ok(&mut self, area: &'static str, text: impl Into<String>) {
        self.add(area, Level::Ok, text.into(), "");
    }

    fn warn(&mut self, area: &'static str, text: impl Into<String>, advice: &str) {
        self.add(area, Level::Warn, text.into(), advice);
    }

    fn fail(&mut self, area: &'static str, text: impl Into<String>, advice: &str) {
        self.add(area, Level::Fail, text.into(), advice);
    }

    /// One line each for some of many problems.
    fn fail_all(&mut self, area: &'static str, problems: &[String], advice: &str) {
        for problem in problems.iter().take(SHOWN) {
            self.fail(area, problem.clone(), advice);
        }
        if let Some(more) = problems.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            self.fail(area, format!("and {more} more"), advice);
        }
    }

    fn print(&self, json: bool) -> anyhow::Result<ExitCode> {
        let failed = self.checks.iter().any(|check| check.level == Level::Fail);
        let mut out = std::io::stdout();
        if json {
            writeln!(out, "{}", serde_json::json!({ "ok": !failed, "checks": self.checks }))?;
        } else {
            for Check { area, level, text, advice } in &self.checks {
                let level = match level {
                    Level::Ok => "ok  ",
                    Level::Warn => "warn",
                    Level::Fail => "FAIL",
                };
                writeln!(out, "{level} {area:<10} {text}")?;
                if !advice.is_empty() {
                    writeln!(out, "{:16}-> {advice}", "")?;
                }
            }
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Examines the whole host.
pub(crate) async fn run(global: &Global, args: Doctor) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let mut report = Report::default();
    data(&folders, args.fix, &mut report).await;
    space(&folders, &mut report).await;
    ports(&mut report);
    processes(&mut report);
    sandbox(global, &folders, &mut report).await;
    providers(&mut report);
    plugins(&folders, &mut report).await;
    report.print(args.json)
}

/// Examines what is kept, and not what surrounds it.
pub(crate) async fn examine_data(folders: &Folders, json: bool) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    data(folders, false, &mut report).await;
    report.print(json)
}

async fn data(folders: &Folders, fix: bool, report: &mut Report) {
    if let Location::File(file) = &folders.database
        && !file.exists()
    {
        return report.ok("database", "there is none yet; the first run makes it");
    }
    database_file(&folders.database, report).await;
    let store = match Store::connect(&folders.database).await {
        Ok(store) => store,
        Err(error) => return report.fail("database", chain(&error), advice_for(&error)),
    };
    rows(&store, report).await;
    match compose::open_workspaces(folders).await {
        Ok(workspaces) => {
            let policy = config::policy().unwrap_or_else(|error| {
                report.fail("cleaning", format!("{error:#}"), "correct the variable or unset it");
                Policy::default()
            });
            let keeper = Keeper { store, workspaces, places: folders.places(), policy };
            Box::pin(blobs(&keeper, report)).await;
            Box::pin(leftovers(&keeper, fix, report)).await;
        }
        Err(error) => report.fail(
            "blobs",
            format!("{error:#}"),
            "give this user access to the data folder, or name another with --data-dir",
        ),
    }
}

async fn database_file(location: &Location, report: &mut Report) {
    match gencode_store::integrity(location).await {
        Ok(problems) if problems.is_empty() => {}
        Ok(problems) => report.fail_all(
            "database",
            &problems,
            "stop the hosts, keep a copy of the file, and restore a backup (`gencode restore`)",
        ),
        Err(error) => report.fail("database", chain(&error), advice_for(&error)),
    }
}

fn advice_for(error: &StoreError) -> &'static str {
    match error {
        StoreError::Corrupt { .. } => {
            "stop the hosts, keep a copy of the file, and restore a backup (`gencode restore`)"
        }
        StoreError::TooNew { .. } => "use a newer version of this program",
        StoreError::ReadOnly { .. } => "give this user write access to the data folder",
        StoreError::Full { .. } => "free some space; `gencode gc` may help",
        _ => "check DATABASE_URL and whether the server runs",
    }
}

async fn rows(store: &Store, report: &mut Report) {
    let version = async { Ok::<_, StoreError>((store.server().await?, store.schema().await?)) };
    match version.await {
        Ok((server, schema)) => {
            report.ok("database", format!("{}: {server}, schema {schema}", store.name()));
        }
        Err(error) => report.fail("database", chain(&error), advice_for(&error)),
    }
    match store.damaged_journals().await {
        Ok(problems) if problems.is_empty() => {
            report.ok("database", "the journals are as they were written");
        }
        Ok(problems) => report.fail_all(
            "database",
            &problems,
            "that run cannot be continued or replayed: restore a backup, or build again",
        ),
        Err(error) => report.fail("database", chain(&error), advice_for(&error)),
    }
    match store.broken_rules().await {
        Ok(problems) if problems.is_empty() => {
            report.ok("database", "runs, steps, journals, checkpoints and events keep the rules");
        }
        Ok(problems) => report.fail_all(
            "database",
            &problems,
            "this should not happen: keep a copy of the database and report it; a backup from before helps",
        ),
        Err(error) => report.fail("database", chain(&error), advice_for(&error)),
    }
}

async fn blobs(keeper: &Keeper, report: &mut Report) {
    match keeper.check_blobs(&|_, _| {}).await {
        Ok(found) => {
            if found.problems.is_empty() {
                let text = format!(
                    "all {} blobs of {} states of files are there and sound",
                    found.needed, found.manifests
                );
                report.ok("blobs", text);
            } else {
                report.fail_all(
                    "blobs",
                    &found.problems,
                    "restore a backup into another folder and copy its `blobs` over this one",
                );
            }
            if found.orphans > 0 {
                let text = format!(
                    "{} blobs ({}) are not needed",
                    found.orphans,
                    human(found.orphan_bytes)
                );
                report.add(
                    "blobs",
                    Level::Ok,
                    text,
                    "`gencode gc` removes those that are old enough",
                );
            }
        }
        Err(error) => report.fail("blobs", chain(&error), "see the lines above"),
    }
}

async fn leftovers(keeper: &Keeper, fix: bool, report: &mut Report) {
    match keeper.tidy(How { dry_run: !fix, gentle: false }).await {
        Ok(found) => {
            for (what, removed) in [
                ("locks of dead hosts", found.host_locks),
                ("trees of ended runs", found.run_trees),
                ("previews of nobody", found.previews),
            ] {
                match (removed.count, fix) {
                    (0, _) => {}
                    (count, true) => report.ok("leftovers", format!("removed {count} {what}")),
                    (count, false) => report.warn(
                        "leftovers",
                        format!("{count} {what} ({})", human(removed.bytes)),
                        "`gencode doctor --fix` or `gencode gc` removes them",
                    ),
                }
            }
            for problem in found.problems {
                report.warn("leftovers", problem, "give this user access to the data folder");
            }
        }
        Err(error) => report.fail("leftovers", chain(&error), "see the lines above"),
    }
    match keeper.stray_copies().await {
        Ok(stray) if stray.is_empty() => {}
        Ok(stray) => report.warn(
            "leftovers",
            format!("working copies without a project: {}", some_of(&stray)),
            "look whether you need what is in them, then remove the folders yourself",
        ),
        Err(error) => report.fail("leftovers", chain(&error), "see the lines above"),
    }
}

fn some_of(names: &[String]) -> String {
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

async fn space(folders: &Folders, report: &mut Report) {
    let config = match config::space(folders) {
        Ok(config) => config,
        Err(error) => {
            return report.fail("space", format!("{error:#}"), "correct the variable or unset it");
        }
    };
    let space = Space::new(config);
    if !folders.data.exists() {
        return;
    }
    if let Ok(disk) = space.disk(&folders.data).await {
        let used = space.used().await;
        let limit = space.max_data().map(|most| format!(" of {}", human(most))).unwrap_or_default();
        let text = format!(
            "{} free of {}, {} stay free; the data folder takes {}{limit}",
            human(disk.free),
            human(disk.total),
            human(disk.wanted),
            human(used)
        );
        report.ok("space", text);
    }
    if let Err(shortage) = space.check().await {
        report.fail(
            "space",
            shortage.to_string(),
            "nothing new is begun until there is room: delete projects, run `gencode gc`, or give more",
        );
    }
}

fn ports(report: &mut Report) {
    match std::net::TcpListener::bind(("127.0.0.1", PORT)) {
        Ok(_) => report.ok("ports", format!("{PORT} is free")),
        Err(error) => report.warn(
            "ports",
            format!("{PORT} cannot be listened on: {error}"),
            "a host may be serving there already; otherwise use `gencode serve --port`",
        ),
    }
}

fn processes(report: &mut Report) {
    for orphan in orphan_processes() {
        report.warn(
            "processes",
            format!("process {} outlived its host: {}", orphan.pid, orphan.command),
            "end it with `kill`, and report it",
        );
    }
}

async fn sandbox(global: &Global, folders: &Folders, report: &mut Report) {
    let sandbox = match compose::open_sandbox(global, &folders.data).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            return report.fail(
                "sandbox",
                format!("{error:#}"),
                "allow user namespaces or Landlock, or use --no-isolation if you trust every request",
            );
        }
    };
    let found = sandbox.isolation();
    let parts = [
        ("user namespaces", found.user_namespace),
        ("own root folder", found.private_root),
        ("own network", found.network_namespace),
        ("Landlock", found.landlock_files),
        ("no capabilities", found.unprivileged),
        ("resource limits", found.resource_limits),
    ];
    let lacks: Vec<&str> =
        parts.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    if lacks.is_empty() {
        report.ok("sandbox", "generated applications are separated from the host");
    } else {
        report.warn(
            "sandbox",
            format!("works without {}", lacks.join(", ")),
            "use a newer kernel, or allow it (sysctl kernel.unprivileged_userns_clone, AppArmor)",
        );
    }
    for (tool, name, skipped) in [
        (Tool::Python, "python", "tests and previews of the backend"),
        (Tool::Node, "node", "tests of the front end and previews"),
        (Tool::Browser, "browser", "checks of pages in a browser"),
    ] {
        match sandbox.available(tool).await {
            Ok(version) => report.ok("tools", format!("{name}: {version}")),
            Err(error) => report.warn(
                "tools",
                format!("{name}: {}", chain(&error)),
                &format!("without it the host leaves out: {skipped}"),
            ),
        }
    }
}

fn providers(report: &mut Report) {
    let gateway = match config::providers() {
        Ok(config) => Gateway::new(config),
        Err(error) => {
            return report.fail(
                "providers",
                format!("{error:#}"),
                "correct the variable or unset it",
            );
        }
    };
    match gateway {
        Ok(gateway) => {
            let ready: Vec<&str> = gateway
                .providers()
                .into_iter()
                .filter(|provider| provider.configured)
                .map(|provider| provider.id)
                .collect();
            report.ok("providers", format!("set up: {}", ready.join(", ")));
        }
        Err(error) => report.fail("providers", chain(&error), "correct the variable or unset it"),
    }
}

async fn plugins(folders: &Folders, report: &mut Report) {
    let (folder, data) = (folders.plugins.clone(), folders.data.clone());
    let checked = tokio::task::spawn_blocking(move || plugin_files(&folder, &data)).await;
    let (files, cache) = match checked {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            return report.fail(
                "plugins",
                format!("cannot read `{}`: {error}", folders.plugins.display()),
                "build them with `gencode plugin build`, or name their folder with --plugins",
            );
        }
        Err(panicked) => {
            return report.fail("plugins", panicked.to_string(), "report this");
        }
    };
    let runtime =
        match tokio::task::spawn_blocking(|| Runtime::new(RuntimeConfig::new(cache))).await {
            Ok(Ok(runtime)) => runtime,
            Ok(Err(error)) => return report.fail("plugins", chain(&error), "see the sentence"),
            Err(panicked) => return report.fail("plugins", panicked.to_string(), "report this"),
        };
    let mut sound = 0;
    for file in &files {
        let loaded = match tokio::fs::read(file).await {
            Ok(bytes) => runtime.load(bytes).await.map_err(|error| chain(&error)),
            Err(error) => Err(error.to_string()),
        };
        match loaded {
            Ok(_) => sound += 1,
            Err(error) => report.fail(
                "plugins",
                format!("`{}`: {error}", file.display()),
                "build it again with `gencode plugin build`",
            ),
        }
    }
    if sound > 0 {
        report.ok("plugins", format!("{sound} of {} load", files.len()));
    } else if files.is_empty() {
        report.fail(
            "plugins",
            format!("there are none in `{}`", folders.plugins.display()),
            "build them with `gencode plugin build`, or name their folder with --plugins",
        );
    }
}

/// The components, and where machine code may be kept: beside the data only if there is some.
fn plugin_files(
    folder: &Path,
    data: &Path,
) -> std::io::Result<(Vec<std::path::PathBuf>, std::path::PathBuf)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok((files, data.join("cache/compiled")))
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
