//! Previews that outlive `gencode new`: each in a process of its own, known by a locked file.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use gencode_core::id::ProjectId;
use gencode_sandbox::{PreviewState, Previews, ServeSpec};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{Global, Preview},
    compose,
    config::Folders,
    serve::stop_signal,
};

/// How long a preview may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long a stopped preview may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What the file of a running preview says. Its lock says whether the process still lives.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    pid: i32,
    url: String,
}

fn record_file(folders: &Folders, project: &str) -> PathBuf {
    folders.data.join("previews").join(format!("{project}.json"))
}

/// The record of a preview whose process lives.
fn running(file: &Path) -> Option<Record> {
    let lock = File::open(file).ok()?;
    if lock.try_lock_shared().is_ok() {
        return None;
    }
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

pub(crate) async fn run(global: &Global, command: Preview) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    match command {
        Preview::List => {
            for (project, record) in all(&folders)? {
                writeln!(std::io::stdout(), "{project:<34} {}", record.url)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Preview::Stop { project } => {
            let project: ProjectId = project.parse()?;
            stop(&folders, &project).await?;
            writeln!(std::io::stdout(), "stopped the preview of {project}")?;
            Ok(ExitCode::SUCCESS)
        }
        Preview::Run { project, minutes } => {
            keep_running(global, &folders, &project.parse()?, minutes).await
        }
    }
}

fn all(folders: &Folders) -> anyhow::Result<Vec<(String, Record)>> {
    let folder = folders.data.join("previews");
    let mut previews = Vec::new();
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(previews) };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let (Some(name), Some(record)) = (path.file_stem(), running(&path))
        {
            previews.push((name.to_string_lossy().into_owned(), record));
        }
    }
    previews.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(previews)
}

async fn stop(folders: &Folders, project: &ProjectId) -> anyhow::Result<()> {
    let file = record_file(folders, project.as_str());
    let Some(record) = running(&file) else {
        bail!("project `{project}` has no running preview; see `gencode preview list`");
    };
    kill(Pid::from_raw(record.pid), Signal::SIGTERM)
        .context("the preview's process cannot be stopped")?;
    let ended = async {
        while running(&file).is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(STOP_LIMIT, ended).await.context("the preview does not end")
}

/// Starts a preview in a process of its own and returns its address once it answers.
pub(crate) async fn start_detached(
    global: &Global,
    folders: &Folders,
    project: &ProjectId,
    minutes: u32,
) -> anyhow::Result<String> {
    let log = folders.data.join("previews").join(format!("{project}.log"));
    let log_file =
        File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("preview").arg("run").arg(project.as_str());
    command.arg("--minutes").arg(minutes.to_string());
    command.arg("--data-dir").arg(&folders.data).arg("--plugins").arg(&folders.plugins);
    command.arg("--log").arg(&global.log);
    if global.no_isolation {
        command.arg("--no-isolation");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file);
    // Not in this terminal's group: an interrupt here must not end it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().context("cannot start the preview's process")?;
    let stdout = child.stdout.take().context("the preview's process has no output")?;
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map(|_| line)
    });
    let line = tokio::time::timeout(START_LIMIT, line).await;
    match line {
        Ok(Ok(Ok(line))) if !line.trim().is_empty() => Ok(line.trim().to_owned()),
        _ => bail!("the preview did not start; its log is `{}`", log.display()),
    }
}

/// The preview's own process: says its address in one line, then runs until it is stopped or idle.
async fn keep_running(
    global: &Global,
    folders: &Folders,
    project: &ProjectId,
    minutes: u32,
) -> anyhow::Result<ExitCode> {
    let Some(record) = compose::open_store(folders).await?.preview(project).await? else {
        bail!("project `{project}` has no application that passed its acceptance step");
    };
    let mut spec: ServeSpec = serde_json::from_value(record.spec)?;
    if let Some(old) = running(&record_file(folders, project.as_str())) {
        tracing::info!(%project, url = old.url, "replacing the running preview");
        stop(folders, project).await?;
    }
    spec.idle_timeout = Some(Duration::from_secs(u64::from(minutes) * 60));
    let sandbox = compose::open_sandbox(global, &folders.data).await?;
    let previews = Previews::new(sandbox);
    let preview = previews.start(project.as_str(), spec).await?;
    let file = record_file(folders, project.as_str());
    let mut lock = File::create(&file)?;
    lock.lock()?;
    let record = Record { pid: i32::try_from(std::process::id())?, url: preview.url.clone() };
    lock.write_all(serde_json::to_string(&record)?.as_bytes())?;
    writeln!(std::io::stdout(), "{}", preview.url)?;
    let idle = async {
        let mut look = tokio::time::interval(Duration::from_secs(1));
        loop {
            look.tick().await;
            match previews.get(project.as_str()) {
                Some(preview) if preview.state != PreviewState::Failed => {}
                _ => return,
            }
        }
    };
    tokio::select! {
        () = stop_signal() => {}
        () = idle => {}
    }
    previews.shutdown().await;
    std::fs::remove_file(&file)?;
    Ok(ExitCode::SUCCESS)
}
