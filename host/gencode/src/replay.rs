//! `gencode replay`: runs the plugins of a run again and says whether they did the same.

use std::{io::IsTerminal as _, io::Write as _, process::ExitCode};

use anyhow::{Context as _, bail};
use gencode_core::id::{ProjectId, RunId};
use gencode_engine::replay::{self, Divergence, ReplayParts, Report, Try, Verdict, Wanted};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::{
    cli::{Global, Replay},
    compose,
    config::Folders,
    explain,
};

/// The run could not be replayed.
const CANNOT: u8 = 2;

/// Runs of a project that are looked at to find its newest.
const NEWEST: u32 = 1;

pub(crate) async fn run(global: &Global, args: Replay) -> anyhow::Result<ExitCode> {
    match play(global, &args).await {
        Ok(report) => {
            let text = if args.json { serde_json::to_string(&report)? } else { describe(&report) };
            print(&text)?;
            let code = if report.is_identical() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            Ok(code)
        }
        Err(error) => {
            if args.json {
                let reason = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
                print(&json!({ "error": reason }).to_string())?;
            }
            explain(&error);
            Ok(ExitCode::from(CANNOT))
        }
    }
}

async fn play(global: &Global, args: &Replay) -> anyhow::Result<Report> {
    let folders = Folders::of(global)?;
    let mut components = Vec::with_capacity(args.plugin.len());
    for file in &args.plugin {
        let bytes = tokio::fs::read(file).await;
        components.push(bytes.with_context(|| format!("cannot read `{}`", file.display()))?);
    }
    let parts = compose::open_replay(&folders).await?;
    let wanted = Wanted {
        run: find(&parts, &args.run).await?,
        step: args.step.clone(),
        attempt: args.attempt,
        folder: args.current.then(|| folders.plugins.clone()),
        components,
    };
    let progress = Progress::new();
    let report = replay::replay(&parts, &wanted, |step, attempt, done, all| {
        progress.show(step, attempt, done, all);
    })
    .await;
    progress.finish();
    Ok(report?)
}

/// The run that is meant: by its own id, or as the newest of a project.
async fn find(parts: &ReplayParts, text: &str) -> anyhow::Result<RunId> {
    if let Ok(run) = text.parse::<RunId>() {
        return Ok(run);
    }
    let Ok(project) = text.parse::<ProjectId>() else {
        bail!("`{text}` is neither the id of a run nor that of a project");
    };
    match parts.store.runs_of(&project, NEWEST).await?.first() {
        Some(run) => Ok(run.id),
        None => bail!("there is no run `{text}`, and no project of this name that has one"),
    }
}

/// Which try is being played: a bar on a terminal, lines elsewhere.
struct Progress {
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    fn new() -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target =
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("{bar:30.magenta/dim} {pos}/{len} tries  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message("loading the plugins");
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self { bar, plain }
    }

    fn show(&self, step: &str, attempt: u32, done: usize, all: usize) {
        if self.plain {
            let number = done + 1;
            // A closed standard error is not worth ending the replay for.
            let _ =
                writeln!(std::io::stderr(), "replaying {step}, try {attempt} ({number} of {all})");
        }
        self.bar.set_length(u64::try_from(all).unwrap_or(0));
        self.bar.set_position(u64::try_from(done).unwrap_or(0));
        self.bar.set_message(format!("{step}, try {attempt}"));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The report for a person.
fn describe(report: &Report) -> String {
    let mut text = String::new();
    for replaced in &report.replaced {
        let short = |digest: Option<gencode_core::digest::Digest>| match digest {
            Some(digest) => digest.to_string().chars().take(12).collect(),
            None => "none".to_owned(),
        };
        let (played, recorded) = (short(replaced.played), short(replaced.recorded));
        text.push_str(&format!("plays `{}` {played} instead of {recorded}\n", replaced.plugin));
    }
    for played in &report.tries {
        text.push_str(&line(played));
        if let Verdict::Diverged { divergence } = &played.verdict {
            text.push_str(&details(divergence));
        }
    }
    let count = |wanted: fn(&Verdict) -> bool| {
        report.tries.iter().filter(|played| wanted(&played.verdict)).count()
    };
    let identical = count(|verdict| matches!(verdict, Verdict::Identical));
    let diverged = count(|verdict| matches!(verdict, Verdict::Diverged { .. }));
    let unfinished = count(|verdict| matches!(verdict, Verdict::Unfinished { .. }));
    let mut all = format!("{}: {identical} tries identical, {diverged} diverged", report.run);
    if unfinished > 0 {
        all.push_str(&format!(", {unfinished} identical as far as the journal goes"));
    }
    format!("{text}{all}")
}

fn line(played: &Try) -> String {
    let name = if played.attempt > 1 {
        format!("{} (try {})", played.step, played.attempt)
    } else {
        played.step.clone()
    };
    let (mark, verdict) = match &played.verdict {
        Verdict::Identical => ("✔", "identical".to_owned()),
        Verdict::Unfinished { why } => ("✔", format!("identical so far; {why}")),
        Verdict::Diverged { divergence } => ("✘", format!("diverged {divergence}")),
        Verdict::NotRun { why } => ("–", why.clone()),
    };
    let used = format!("{} host calls, {} fuel", played.host_calls, grouped(played.fuel));
    format!("{mark} {name:<28} {verdict} ({used}, {} ms)\n", played.duration_ms)
}

fn details(divergence: &Divergence) -> String {
    divergence.diff.lines().map(|line| format!("      {line}\n")).collect()
}

/// `12 345 678`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
