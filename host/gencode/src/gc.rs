//! `gencode gc` and `gencode retention`: taking away what is no longer needed, and how long it is.

use std::{io::Write as _, process::ExitCode};

use anyhow::bail;
use gencode_core::id::ProjectId;
use gencode_engine::housekeeping::{Cleaned, How, Keeper};
use gencode_store::{MIN_CHECKPOINTS, Retention};
use serde_json::json;

use crate::{
    cli::{Gc, Global, RetentionArgs},
    compose,
    config::{self, Folders},
};

/// Cleans up, or says what that would take away.
pub(crate) async fn run(global: &Global, gc: Gc) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let keeper = Keeper {
        store: compose::open_store(&folders).await?,
        workspaces: compose::open_workspaces(&folders).await?,
        places: folders.places(),
        policy: config::policy()?,
    };
    let cleaned = keeper.clean(How { dry_run: gc.dry_run, gentle: false }).await?;
    let mut out = std::io::stdout();
    if gc.json {
        let mut report = serde_json::to_value(&cleaned)?;
        if let Some(report) = report.as_object_mut() {
            report.insert("bytes".to_owned(), cleaned.bytes().into());
        }
        writeln!(out, "{report}")?;
    } else {
        out.write_all(describe(&cleaned).as_bytes())?;
    }
    Ok(if cleaned.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(cleaned: &Cleaned) -> String {
    let mut text = String::new();
    let verb = if cleaned.dry_run { "would remove" } else { "removed" };
    for (kind, removed) in cleaned.kinds() {
        if removed.count > 0 {
            text.push_str(&format!(
                "{verb} {:>8} {kind:<24} {:>10}\n",
                removed.count,
                human(removed.bytes)
            ));
        }
    }
    if text.is_empty() {
        text.push_str("nothing to remove\n");
    } else {
        text.push_str(&format!("together {}\n", human(cleaned.bytes())));
    }
    for problem in &cleaned.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    text
}

/// Bytes as a person reads them.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    let mut tenths = 0;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{whole} {name}") } else { format!("{whole}.{tenths} {name}") }
}

/// Shows, sets or takes away the rule of a project.
pub(crate) async fn retention(global: &Global, args: RetentionArgs) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let host = config::policy()?.retention;
    let store = compose::open_store(&folders).await?;
    let project: ProjectId = args.project.parse()?;
    let own = store.retention(&project).await?;
    let wanted = match (args.keep_days, args.keep_checkpoints, args.default) {
        (None, None, false) => own,
        (None, None, true) => {
            store.set_retention(&project, None).await?;
            None
        }
        (_, _, true) => bail!("--default goes with no other option"),
        (days, checkpoints, false) => {
            let base = own.unwrap_or(host);
            let rule = Retention {
                keep_days: days.unwrap_or(base.keep_days),
                keep_checkpoints: checkpoints.unwrap_or(base.keep_checkpoints),
            };
            if rule.keep_checkpoints < MIN_CHECKPOINTS {
                bail!("at least {MIN_CHECKPOINTS} checkpoints are always kept");
            }
            store.set_retention(&project, Some(rule)).await?;
            Some(rule)
        }
    };
    let rule = wanted.unwrap_or(host);
    let mut out = std::io::stdout();
    if args.json {
        let report = json!({
            "project": project,
            "keep_days": rule.keep_days,
            "keep_checkpoints": rule.keep_checkpoints,
            "own": wanted.is_some(),
        });
        writeln!(out, "{report}")?;
    } else {
        let whose = if wanted.is_some() { "its own rule" } else { "the host's rule" };
        writeln!(
            out,
            "{project} keeps everything for {} days and the newest {} checkpoints ({whose})",
            rule.keep_days, rule.keep_checkpoints
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(512 << 20), "512.0 MiB");
        assert_eq!(human(u64::MAX), "16777215.9 TiB");
    }
}
