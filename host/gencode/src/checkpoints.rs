//! `gencode checkpoints`, `gencode fork`, `gencode compare`: the history of a project's files in a
//! terminal.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gencode_core::id::{CheckpointId, ProjectId, RunId};
use gencode_engine::{
    ForkRequest,
    history::{
        ChangeCounts, CheckpointDiff, CheckpointFiles, CheckpointInfo, CheckpointList, Comparison,
        Exported, History, Outcome, Restored, StepOutcome,
    },
};
use gencode_workspace::ChangeKind;
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::Global,
    compose::{self, Purpose},
    config::Folders,
    new,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoints {
    /// List the states a project's files had, newest first
    #[command(
        after_help = "Every step that wrote files, every file you saved and every restore is a checkpoint."
    )]
    List {
        project: ProjectId,
        /// How many to show
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
        /// Where to go on: `next` of the page before
        #[arg(long, value_name = "NUMBER")]
        cursor: Option<u64>,
        #[command(flatten)]
        output: Output,
    },
    /// Show a checkpoint with its files, or one of them
    Show {
        project: ProjectId,
        /// `chk_…` from `gencode checkpoints list` [default: the newest]
        checkpoint: Option<CheckpointId>,
        /// Print this file as it was
        #[arg(long, value_name = "PATH")]
        file: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what differs between two checkpoints, as a unified diff
    Diff {
        project: ProjectId,
        /// The older one [default: the one before the newer one]
        from: Option<CheckpointId>,
        /// The newer one [default: the newest]
        to: Option<CheckpointId>,
        #[command(flatten)]
        output: Output,
    },
    /// Make the files what they were in a checkpoint
    #[command(
        after_help = "A restore is a new checkpoint: nothing is lost, and restoring the one before undoes it.\n\
            It is refused while a run works on the project."
    )]
    Restore {
        project: ProjectId,
        checkpoint: CheckpointId,
        #[command(flatten)]
        output: Output,
    },
    /// Write the history as a git repository, one commit per checkpoint
    #[command(
        after_help = "The same history gives the same commits. Needs no git on this machine."
    )]
    Export {
        project: ProjectId,
        /// A folder that is missing or empty
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only the repository, without a working tree
        #[arg(long)]
        bare: bool,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Print one JSON object; an error too
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "What was done before the step is taken over and costs nothing; the steps from there on run again.\n\n\
        Example:\n  gencode fork shop --step backend_implementation --provider anthropic\n  \
        gencode compare shop shop-1a2b"
)]
pub(crate) struct Fork {
    /// The project to begin from; it stays as it is
    project: ProjectId,
    /// The first step that is done again
    #[arg(long, value_name = "STEP")]
    step: String,
    /// The run to begin from [default: the newest that worked on the step]
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// Another provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Another model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Another request, for the steps that are done again
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Name of the new project [default: from the request]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Most the new run may spend on model calls, in US dollars [default: what is set, else 0.3333]
    #[arg(long, value_name = "USD")]
    max_usd: Option<rust_decimal::Decimal>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    a: ProjectId,
    b: ProjectId,
    #[command(flatten)]
    output: Output,
}

impl Checkpoints {
    const fn output(&self) -> Output {
        match self {
            Self::List { output, .. }
            | Self::Show { output, .. }
            | Self::Diff { output, .. }
            | Self::Restore { output, .. }
            | Self::Export { output, .. } => *output,
        }
    }
}

pub(crate) async fn run(global: &Global, command: Checkpoints) -> anyhow::Result<ExitCode> {
    let output = command.output();
    output.finish(do_command(global, command).await)
}

async fn do_command(global: &Global, command: Checkpoints) -> anyhow::Result<ExitCode> {
    let history = history(global).await?;
    match command {
        Checkpoints::List { project, limit, cursor, output } => {
            let page = history.list(&project, cursor, limit).await?;
            output.print(&page, || list_text(&page))
        }
        Checkpoints::Show { project, checkpoint, file, output } => {
            let checkpoint = match checkpoint {
                Some(id) => id,
                None => newest(&history, &project).await?,
            };
            if let Some(path) = file {
                let content = history.read_file(&project, checkpoint, &path).await?;
                return output
                    .print(&json!({ "path": path, "content": content }), || content.clone());
            }
            let shown = history.show(&project, checkpoint).await?;
            output.print(&shown, || show_text(&shown))
        }
        Checkpoints::Diff { project, from, to, output } => {
            let diff = history.diff(&project, from, to).await?;
            output.print(&diff, || diff_text(&diff))
        }
        Checkpoints::Restore { project, checkpoint, output } => {
            let restored = history.restore(&project, checkpoint).await?;
            output.print(&restored, || restored_text(&restored))
        }
        Checkpoints::Export { project, out, bare, output } => {
            let exported = history
                .export_git(&project, &out, bare)
                .await
                .with_context(|| format!("cannot write a repository to `{}`", out.display()))?;
            output.print(&exported, || exported_text(&exported, &out))
        }
    }
}

/// `gencode fork`.
pub(crate) async fn fork(global: &Global, fork: Fork) -> anyhow::Result<ExitCode> {
    let output = fork.output;
    output.finish(do_fork(global, fork).await)
}

async fn do_fork(global: &Global, fork: Fork) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let host = compose::open(global, &folders, Purpose::OneRun { max_usd: fork.max_usd }).await?;
    let request = ForkRequest {
        run: fork.run,
        step: fork.step,
        provider: fork.provider,
        model: fork.model,
        prompt: fork.prompt,
        name: fork.name,
    };
    let work = async {
        let forked = host.engine.fork(&fork.project, request).await?;
        let summary = new::follow(&host.engine, &forked.project.id, &forked.run).await?;
        anyhow::Ok((forked, summary))
    };
    let done = work.await;
    host.shut_down().await;
    let (forked, summary) = done?;
    let value = json!({
        "project": forked.project.id,
        "run": forked.run.id,
        "forked_from": forked.project.forked_from,
        "taken_over": forked.taken_over,
        "summary": summary,
    });
    fork.output.print(&value, || {
        format!(
            "  taken over  {}\n{}\n  Compare: gencode compare {} {}",
            forked.taken_over.join(", "),
            new::describe(&summary, global),
            fork.project,
            forked.project.id
        )
    })?;
    Ok(if summary.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `gencode compare`.
pub(crate) async fn compare(global: &Global, compare: Compare) -> anyhow::Result<ExitCode> {
    let Compare { a, b, output } = compare;
    let work = async {
        let comparison = history(global).await?.compare(&a, &b).await?;
        output.print(&comparison, || compare_text(&comparison))
    };
    output.finish(work.await)
}

/// Needs no plugins, so it is quick and works beside a running `gencode serve`.
async fn history(global: &Global) -> anyhow::Result<History> {
    let folders = Folders::of(global)?;
    let store = compose::open_store(&folders).await?;
    Ok(History::new(store, compose::open_workspaces(&folders).await?))
}

async fn newest(history: &History, project: &ProjectId) -> anyhow::Result<CheckpointId> {
    match history.list(project, None, 1).await?.checkpoints.first() {
        Some(checkpoint) => Ok(checkpoint.id),
        None => bail!("project `{project}` has no files yet"),
    }
}

impl Output {
    fn print(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<ExitCode> {
        let text = if self.json { serde_json::to_string(value)? } else { text() };
        write_out(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// With `--json`, an error is an object as well.
    fn finish(self, result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
        if let (true, Err(error)) = (self.json, &result) {
            let reason = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
            write_out(&json!({ "error": reason }).to_string())?;
        }
        result
    }
}

fn write_out(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}") {
        // Whoever read it has read enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

fn counts(changes: Option<ChangeCounts>) -> String {
    changes.map_or_else(String::new, |changes| {
        format!("+{} ~{} -{}", changes.added, changes.changed, changes.removed)
    })
}

fn line(checkpoint: &CheckpointInfo) -> String {
    let title = checkpoint.note.lines().next().unwrap_or_default();
    let when = checkpoint.created_at.get(..19).unwrap_or_default().replace('T', " ");
    format!(
        "{}  {when}  {:<4}  {:<12}  {}{}{title}",
        checkpoint.id,
        checkpoint.author.as_str(),
        counts(checkpoint.changes),
        checkpoint.performer,
        if checkpoint.performer.is_empty() { "" } else { ": " },
    )
}

fn list_text(page: &CheckpointList) -> String {
    if page.checkpoints.is_empty() {
        return "no checkpoints yet: the project was never built".to_owned();
    }
    let mut text: String = page.checkpoints.iter().map(|one| line(one) + "\n").collect();
    if let Some(next) = page.next {
        text.push_str(&format!("older ones: --cursor {next}\n"));
    }
    text
}

const fn sign(change: ChangeKind) -> char {
    match change {
        ChangeKind::Added => '+',
        ChangeKind::Changed => '~',
        ChangeKind::Removed => '-',
    }
}

fn show_text(shown: &CheckpointFiles) -> String {
    let mut text = format!("{}\n", line(&shown.checkpoint));
    for more in shown.checkpoint.note.lines().skip(1) {
        text.push_str(&format!("    {more}\n"));
    }
    let changed = shown.changed.as_deref().unwrap_or_default();
    for file in &shown.files {
        let change = changed.iter().find(|change| change.path == file.path);
        let mark = change.map_or(' ', |change| sign(change.change));
        text.push_str(&format!("{mark} {:>9}  {}\n", file.size, file.path));
    }
    for gone in changed.iter().filter(|change| change.change == ChangeKind::Removed) {
        text.push_str(&format!("- {:>9}  {}\n", "", gone.path));
    }
    text
}

fn diff_text(diff: &CheckpointDiff) -> String {
    let mut text = String::new();
    for file in &diff.files {
        match (&file.diff, file.unshown) {
            (Some(lines), _) if !lines.is_empty() => text.push_str(lines),
            (_, Some(why)) => {
                let why = match why {
                    gencode_workspace::Unshown::Binary => "not text",
                    gencode_workspace::Unshown::TooLarge => "too large to be compared",
                    gencode_workspace::Unshown::NoRoom => "not shown, the diff is long enough",
                };
                text.push_str(&format!("{} {} ({why})\n", sign(file.file.change), file.file.path));
            }
            _ => text.push_str(&format!("{} {}\n", sign(file.file.change), file.file.path)),
        }
        if let Some(executable) = file.executable {
            let now = if executable { "is executable now" } else { "is no longer executable" };
            text.push_str(&format!("{} {now}\n", file.file.path));
        }
    }
    text + &format!("{} files differ ({})\n", diff.files.len(), counts(Some(diff.counts)))
}

fn restored_text(restored: &Restored) -> String {
    let mut text = if restored.restored {
        format!("restored: {}\n", line(&restored.checkpoint))
    } else {
        format!("nothing to do, the files are so already: {}\n", line(&restored.checkpoint))
    };
    if !restored.folder_kept.is_empty() {
        text.push_str("the project's folder was left alone, because you changed in it:\n");
        for path in &restored.folder_kept {
            text.push_str(&format!("  {path}\n"));
        }
    }
    text
}

fn exported_text(exported: &Exported, out: &std::path::Path) -> String {
    let mut text = format!(
        "{} commits on `main` in {}, the newest is {}\n",
        exported.commits,
        out.display(),
        exported.head.get(..12).unwrap_or(&exported.head)
    );
    for path in &exported.left_out {
        text.push_str(&format!("left out, git does not take its name: {path}\n"));
    }
    text
}

fn compare_text(comparison: &Comparison) -> String {
    let mut text = String::new();
    let (a, b) = (&comparison.a, &comparison.b);
    let mut row = |label: &str, of: &dyn Fn(&Outcome) -> String| {
        text.push_str(&format!("{label:<24}{:<34}{}\n", of(a), of(b)));
    };
    row("", &|side| side.project.to_string());
    row("status", &|side| side.status.as_str().to_owned());
    let of_run = |side: &Outcome, of: &dyn Fn(&gencode_engine::history::RunOutcome) -> String| {
        side.run.as_ref().map_or_else(|| "—".to_owned(), of)
    };
    row("model", &|side| of_run(side, &|run| format!("{} {}", run.provider, run.model)));
    row("run", &|side| of_run(side, &|run| run.status.to_owned()));
    row("time", &|side| of_run(side, &|run| seconds(run.duration_ms)));
    row("model calls", &|side| of_run(side, &|run| run.usage.calls.to_string()));
    row("tokens", &|side| {
        of_run(side, &|run| (run.usage.input_tokens + run.usage.output_tokens).to_string())
    });
    row("cost", &|side| of_run(side, &|run| format!("${}", run.usage.cost_usd)));
    row("accepted", &|side| {
        of_run(side, &|run| match run.accepted {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => "not tried".to_owned(),
        })
    });
    row("mean score", &|side| {
        of_run(side, &|run| {
            run.mean_score.map_or_else(|| "—".to_owned(), |mean| format!("{mean:.1}"))
        })
    });
    row("remarks left", &|side| {
        of_run(side, &|run| {
            let left = run.findings;
            format!("{} errors, {} warnings, {} others", left.errors, left.warnings, left.others)
        })
    });
    text.push('\n');
    for pair in &comparison.steps {
        let (a, b) = (step_text(pair.a.as_ref()), step_text(pair.b.as_ref()));
        text.push_str(&format!("{:<24}{a:<34}{b}\n", pair.step));
    }
    let files = &comparison.files;
    text.push_str(&format!("\nfiles: {} same, {}\n", files.same, counts(Some(files.counts))));
    for change in &files.differing {
        text.push_str(&format!("  {} {}\n", sign(change.change), change.path));
    }
    if !comparison.other_plugins.is_empty() {
        text.push_str(&format!(
            "the plugins are not the same: {}\n",
            comparison.other_plugins.join(", ")
        ));
    }
    text
}

fn step_text(step: Option<&StepOutcome>) -> String {
    let Some(step) = step else { return "—".to_owned() };
    if step.taken_over {
        return format!("{} (taken over)", step.status.as_str());
    }
    let score = step.score.map(|score| format!(", score {score}")).unwrap_or_default();
    format!(
        "{} in {}, try {}{score}",
        step.status.as_str(),
        seconds(step.duration_ms),
        step.attempts
    )
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "—".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0))
}
