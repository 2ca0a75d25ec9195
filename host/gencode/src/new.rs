//! `gencode new`: one sentence in, a working application out, in a terminal.

use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use gencode_core::{id::ProjectId, request, run::RunStatus};
use gencode_engine::{Engine, NewProject, Start, summary::Summary};

use crate::{
    cli::{Global, New},
    compose::{self, Purpose},
    config::Folders,
    preview,
    progress::Progress,
};

/// Largest request read from standard input; the real limit is far below and says so itself.
const MAX_STDIN: u64 = 1024 * 1024;

pub(crate) async fn run(global: &Global, new: New) -> anyhow::Result<ExitCode> {
    let json = new.json;
    match build(global, new).await {
        Ok(summary) => {
            if json {
                print(&serde_json::to_string(&summary)?)?;
            } else {
                print(&describe(&summary, global))?;
            }
            Ok(if summary.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            if json {
                let reason = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
                print(&serde_json::to_string(&Summary::refused(reason))?)?;
            }
            Err(error)
        }
    }
}

async fn build(global: &Global, new: New) -> anyhow::Result<Summary> {
    let request = read_request(&new.request)?;
    request::check(&request)?;
    let folders = Folders::of(global)?;
    if let Some(out) = &new.out {
        check_target(out)?;
    }
    let host = compose::open(global, &folders, Purpose::OneRun { max_usd: new.max_usd }).await?;
    let result = build_with(&host.engine, &folders, global, &new, request).await;
    host.shut_down().await;
    result
}

async fn build_with(
    engine: &Engine,
    folders: &Folders,
    global: &Global,
    new: &New,
    request: String,
) -> anyhow::Result<Summary> {
    let project = engine
        .create_project(NewProject {
            request,
            provider: new.provider.clone(),
            model: new.model.clone(),
        })
        .await?;
    let Start::Started(run) = engine.start_build(&project.id, false).await? else {
        bail!("project `{}` is already being worked on", project.id);
    };
    let mut summary = follow(engine, &project.id, &run).await?;
    // What a failed run leaves stays in the data folder, where it can be continued.
    if let Some(out) = &new.out
        && summary.status == RunStatus::Completed.as_str()
    {
        engine
            .export(&project.id, out)
            .await
            .with_context(|| format!("cannot write the application to `{}`", out.display()))?;
        summary.out_dir = std::path::absolute(out)?.display().to_string();
    }
    if summary.succeeded() && !new.no_preview {
        match preview::start_detached(global, folders, &project.id, new.preview_minutes).await {
            Ok(url) => summary.preview_url = Some(url),
            Err(error) => tracing::warn!(?error, "the preview did not start"),
        }
    }
    Ok(summary)
}

/// Shows the run until it ends. An interrupt stops it; what is done stays.
pub(crate) async fn follow(
    engine: &Engine,
    project: &ProjectId,
    run: &gencode_core::run::Run,
) -> anyhow::Result<Summary> {
    let mut news = engine.watch(project);
    let mut progress = Progress::new(engine.steps_of(&run.kind));
    let mut seen = 0;
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut stopping = false;
    loop {
        let events = engine.events_after(project, seen, 256).await?;
        if let Some(last) = events.last() {
            seen = last.seq;
            for event in &events {
                progress.show(event);
            }
            let costs = engine.costs(project).await?;
            let calls = costs.detailed_calls.len();
            progress.spent(&format!("{:.4}", costs.total_estimated_cost), u64::try_from(calls)?);
            continue;
        }
        if let Some(summary) = engine.summary(run.id).await? {
            progress.finish();
            return Ok(summary);
        }
        tokio::select! {
            changed = news.changed() => changed.context("the host is shutting down")?,
            _ = &mut interrupted, if !stopping => {
                stopping = true;
                engine.stop_run(run.id, "interrupted").await?;
            }
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
        }
    }
}

/// Refuses a target that cannot take the application, before anything is paid for.
fn check_target(out: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write the application to `{}`", out.display());
    std::fs::create_dir_all(out).with_context(cannot)?;
    if std::fs::read_dir(out).with_context(cannot)?.next().is_some() {
        bail!("`{}` is not empty: name a new or empty folder with --out", out.display());
    }
    tempfile::tempfile_in(out).with_context(cannot)?;
    Ok(())
}

fn read_request(argument: &OsStr) -> anyhow::Result<String> {
    if argument == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(MAX_STDIN)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        return String::from_utf8(bytes).map_err(|_| request::RequestError::NotText.into());
    }
    argument.to_str().map(ToOwned::to_owned).ok_or_else(|| request::RequestError::NotText.into())
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

/// The summary for a person.
pub(crate) fn describe(summary: &Summary, global: &Global) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| text.push_str(&format!("  {label:<12}{value}\n"));
    line("project", summary.project_id.clone().unwrap_or_default());
    line("folder", summary.out_dir.clone());
    line("files", summary.files.len().to_string());
    line("entities", summary.entities.join(", "));
    for (name, tests) in &summary.tests {
        line(
            name,
            format!("{} passed, {} failed, {} skipped", tests.passed, tests.failed, tests.skipped),
        );
    }
    if let Some(acceptance) = &summary.acceptance {
        let good = acceptance.checks.iter().filter(|check| check.passed).count();
        line("acceptance", format!("{good} of {} checks passed", acceptance.checks.len()));
        for check in acceptance.checks.iter().filter(|check| !check.passed) {
            line("", format!("✘ {}: {}", check.name, check.detail));
        }
    }
    for step in summary.steps.iter().filter(|step| step.status == "skipped") {
        line("skipped", format!("{}: {}", step.id, step.reason));
    }
    line(
        "model",
        format!(
            "{} calls, {} tokens, ${}",
            summary.usage.calls,
            summary.usage.input_tokens + summary.usage.output_tokens,
            summary.usage.cost_usd
        ),
    );
    line(
        "time",
        format!(
            "{:.1} s ({:.2} s in the host)",
            millis(summary.duration_ms),
            millis(summary.host_ms)
        ),
    );
    for note in &summary.notes {
        line("note", note.clone());
    }
    let head = if summary.succeeded() {
        format!(
            "\n✔ Your application works.{}\n",
            summary.preview_url.as_ref().map(|url| format!(" Open {url}")).unwrap_or_default()
        )
    } else {
        format!("\n✘ {}: {}\n", summary.status, summary.reason)
    };
    let run_it = if Path::new(&summary.out_dir).join("run.sh").exists() {
        format!("\n  Run it yourself: cd {} && ./run.sh\n", summary.out_dir)
    } else {
        String::new()
    };
    let stop = match (&summary.preview_url, &summary.project_id) {
        (Some(_), Some(project)) => {
            let data = global.data_dir.as_ref().map(|dir| format!(" --data-dir {}", dir.display()));
            format!(
                "  Stop the preview: gencode preview stop {project}{}\n",
                data.unwrap_or_default()
            )
        }
        _ => String::new(),
    };
    format!("{head}\n{text}{run_it}{stop}")
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
fn millis(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// `gencode projects`.
pub(crate) async fn list(global: &Global, json: bool) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let projects = compose::open_store(&folders).await?.list_projects(500, None).await?.projects;
    if json {
        print(&serde_json::to_string(&projects)?)?;
    } else if projects.is_empty() {
        print("no projects yet: gencode new \"a task manager with projects and tags\"")?;
    } else {
        for project in projects {
            print(&format!(
                "{:<34} {:<10} {}  {}",
                project.id.as_str(),
                project.status.as_str(),
                project.modified_at.strftime("%Y-%m-%d %H:%M"),
                project.name
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
