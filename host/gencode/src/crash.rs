//! Ends or stops this very process at a named point, because a test asked for it
//! (`gencode_core::crash`). Builds that users run have no such points.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, bail};
use gencode_core::crash;
use nix::{
    sys::signal::{Signal, raise},
    unistd::write,
};

use crate::settings;

/// What happens at a point.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// The process is killed, as by a power cut.
    Crash,
    /// The process stands still until someone lets it go on (`SIGCONT`).
    Stop,
}

/// Arms the points that the environment names: `GENCODE_CRASH_AT` and `GENCODE_STOP_AT`, each
/// `<point>[:<n>]` for the nth time the point is passed, the first by default.
/// `GENCODE_TRACE_POINTS` says every point that is passed.
pub(crate) fn arm() -> anyhow::Result<()> {
    let mut wanted = Vec::new();
    for (variable, deed) in [("GENCODE_CRASH_AT", Deed::Crash), ("GENCODE_STOP_AT", Deed::Stop)] {
        if let Some(text) = settings::text(variable) {
            let (point, nth) = parse(&text).with_context(|| format!("{variable}={text}"))?;
            wanted.push((point, AtomicU32::new(nth), deed));
        }
    }
    let trace = settings::text("GENCODE_TRACE_POINTS").is_some();
    if wanted.is_empty() && !trace {
        return Ok(());
    }
    if !crash::ENABLED {
        bail!("this build has no crash points; they are compiled in for tests only");
    }
    crash::arm(move |passed| {
        if trace {
            say("passes", passed);
        }
        for (point, left, deed) in &wanted {
            if *point == passed && left.fetch_sub(1, Ordering::Relaxed) == 1 {
                perform(*deed, passed);
            }
        }
    });
    Ok(())
}

fn parse(text: &str) -> anyhow::Result<(&'static str, u32)> {
    let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
    let nth: u32 = nth.parse().context("the number of the hit is not a number")?;
    if nth == 0 {
        bail!("hits are counted from 1");
    }
    let known = crash::POINTS.iter().find(|point| **point == name);
    Ok((known.context("no such crash point; `gencode crash-points` lists them")?, nth))
}

fn perform(deed: Deed, point: &str) {
    let (signal, word) = match deed {
        Deed::Crash => (Signal::SIGKILL, "crashes"),
        Deed::Stop => (Signal::SIGSTOP, "stops"),
    };
    say(word, point);
    let _ = raise(signal);
}

/// For the test that listens: nothing is buffered, and a closed standard error changes nothing.
fn say(word: &str, point: &str) {
    let _ = write(std::io::stderr(), format!("gencode {word} at {point}\n").as_bytes());
}

/// `gencode crash-points`: every name, one a line.
pub(crate) fn list() -> anyhow::Result<ExitCode> {
    use std::io::Write as _;

    if !crash::ENABLED {
        bail!("this build has no crash points; they are compiled in for tests only");
    }
    let mut out = std::io::stdout().lock();
    for point in crash::POINTS {
        writeln!(out, "{point}").context("cannot write to standard output")?;
    }
    Ok(ExitCode::SUCCESS)
}
