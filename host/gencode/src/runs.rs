//! `gencode runs`: seeing and steering runs through the database, so that it works beside a running
//! host, which hears of it within a fraction of a second, and without one.

use std::{io::Write as _, process::ExitCode};

use gencode_core::id::{ProjectId, RunId};
use gencode_engine::control::{Control, Receipt, RunView};

use crate::{
    cli::{Global, Runs},
    compose,
    config::Folders,
};

pub(crate) async fn run(global: &Global, command: Runs) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let control = Control::of(compose::open_store(&folders).await?);
    match command {
        Runs::List { project, json } => list(&control, project, json).await?,
        Runs::Show { run, json } => show(&control, run, json).await?,
        Runs::Pause { run } => {
            let receipt = control.pause(run, None).await?;
            let done = if receipt.status == gencode_core::run::RunStatus::Running {
                "pauses at its next host call"
            } else {
                "is paused"
            };
            say(&receipt, done)?;
        }
        Runs::Resume { run } => {
            say(&control.resume(run, None).await?, "goes on wherever a host serves")?;
        }
        Runs::Answer { run, text } => {
            say(&control.answer(run, &text, None).await?, "has its answer and goes on")?;
        }
        Runs::Stop { run } => {
            let receipt = control.stop(run, "Stopped by the user.", None).await?;
            let done = format!("is {}", receipt.status.as_str());
            say(&receipt, &done)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(receipt: &Receipt, done: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{} of {} {done}", receipt.id, receipt.project_id)
}

async fn list(control: &Control, project: Option<ProjectId>, json: bool) -> anyhow::Result<()> {
    let runs = match project {
        Some(project) => control.runs_of(&project).await?,
        None => control.active().await?,
    };
    let mut out = std::io::stdout();
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(&runs)?)?);
    }
    for run in runs {
        let (status, waits) = (run.status.as_str(), waits_for(&run));
        writeln!(out, "{}  {:<34} {status:<10} {waits}", run.id, run.project_id.as_str())?;
    }
    Ok(())
}

async fn show(control: &Control, run: RunId, json: bool) -> anyhow::Result<()> {
    let run = control.show(run).await?;
    let mut out = std::io::stdout();
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(&run)?)?);
    }
    writeln!(out, "{} of {}: {}", run.id, run.project_id, run.status.as_str())?;
    writeln!(out, "  request    {}", run.request)?;
    if let Some(message) = &run.message {
        writeln!(out, "  change     {message}")?;
    }
    let waits = waits_for(&run);
    if !waits.is_empty() {
        writeln!(out, "  reason     {waits}")?;
    }
    writeln!(out, "  spent      ${}", run.spent_usd)?;
    if let Some(open) = &run.unconfirmed {
        let (calls, most) = (open.calls, &open.at_most_usd);
        writeln!(
            out,
            "  uncertain  {calls} calls, at most ${most}, may have been charged as well"
        )?;
    }
    for step in &run.steps {
        writeln!(out, "  {:<24} {:<10} {}", step.id, step.status, step.reason)?;
    }
    Ok(())
}

/// What a run waits for, or why it ended.
fn waits_for(run: &RunView) -> String {
    match (&run.question, &run.resume_at) {
        (Some(question), _) if question.options.is_empty() => question.text.clone(),
        (Some(question), _) => format!("{} [{}]", question.text, question.options.join(" | ")),
        (None, Some(at)) => format!("{} (until {at})", run.reason),
        (None, None) => run.reason.clone(),
    }
}
