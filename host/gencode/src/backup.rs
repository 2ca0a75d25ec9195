//! `gencode backup` and `gencode restore`: everything in one file, and back.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use gencode_engine::housekeeping::{Keeper, Progress, Target, restore};
use serde_json::json;

use crate::{
    cli::{Backup, Global, Restore},
    compose,
    config::{self, Folders},
    doctor,
    gc::human,
};

/// Between two words about how far it is, where nobody watches.
const QUIET: Duration = Duration::from_secs(5);
/// And where someone does.
const LIVELY: Duration = Duration::from_millis(200);

/// Writes a backup while hosts may be serving.
pub(crate) async fn back_up(global: &Global, backup: Backup) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let out = std::path::absolute(&backup.out)?;
    let keeper = Keeper {
        store: compose::open_store(&folders).await?,
        workspaces: compose::open_workspaces(&folders).await?,
        places: folders.places(),
        policy: config::policy()?,
    };
    let said = Said::default();
    let contents = keeper
        .back_up(&out, &|progress| said.tell(&progress))
        .await
        .context("there is no backup")?;
    let size = tokio::fs::metadata(&out).await?.len();
    let rows: u64 = contents.tables.values().sum();
    if backup.json {
        let report = json!({
            "file": out,
            "bytes": size,
            "rows": rows,
            "blobs": contents.blobs,
            "components": contents.components,
            "missing": contents.missing,
        });
        writeln!(std::io::stdout(), "{report}")?;
    } else {
        writeln!(
            std::io::stdout(),
            "{} ({}): {rows} rows, {} blobs, {} components",
            out.display(),
            human(size),
            contents.blobs,
            contents.components
        )?;
    }
    for missing in &contents.missing {
        writeln!(
            std::io::stderr(),
            "warning: not in the backup, because it is damaged: {missing}"
        )?;
    }
    Ok(if contents.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts a backup back into an empty data folder and database, and examines the result.
pub(crate) async fn put_back(global: &Global, args: Restore) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let target = Target {
        data: folders.data.clone(),
        workspaces: folders.workspaces.clone(),
        database: folders.database.clone(),
        blobs: folders.blobs.clone(),
    };
    let said = Said::default();
    let restored = restore(&args.file, &target, &|progress| said.tell(&progress))
        .await
        .context("nothing was restored")?;
    let rows: u64 = restored.contents.tables.values().sum();
    writeln!(
        std::io::stderr(),
        "restored {rows} rows, {} blobs, {} components and {} working copies from {} of {}",
        restored.contents.blobs,
        restored.contents.components,
        restored.copies,
        args.file.display(),
        restored.head.created_at
    )?;
    if restored.previews > 0 {
        writeln!(
            std::io::stderr(),
            "{} previews are not part of a backup; the next build or change makes them anew",
            restored.previews
        )?;
    }
    for missing in &restored.contents.missing {
        writeln!(std::io::stderr(), "warning: it was damaged when the backup was made: {missing}")?;
    }
    doctor::examine_data(&folders, args.json).await
}

/// Says on standard error how far it is, and not too often.
#[derive(Default)]
struct Said {
    last: Mutex<Option<Instant>>,
}

impl Said {
    fn tell(&self, progress: &Progress) {
        let every = if std::io::stderr().is_terminal() { LIVELY } else { QUIET };
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < every) {
            return;
        }
        *last = Some(Instant::now());
        let line = match progress {
            Progress::Table { name, rows } => format!("table {name}: {rows} rows"),
            Progress::Blobs { done, of: Some(of) } => format!("blobs: {done} of {of}"),
            Progress::Blobs { done, of: None } => format!("blobs: {done}"),
            Progress::Components { done } => format!("components: {done}"),
            Progress::Copies { done } => format!("working copies: {done}"),
        };
        // Nowhere left to report that standard error is closed.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}
