//! Processes that outlive the host that started them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, Once},
    time::Duration,
};

use tokio::time::Instant;

/// Longest time the kernel and the sandbox's helper may take to end what a dead host left.
const GRACE: Duration = Duration::from_secs(10);

/// Processes that the tests started themselves.
static OURS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Takes note of a process of ours, and from now on inherits what its death orphans.
pub(crate) fn adopt(pid: u32) {
    static SUBREAPER: Once = Once::new();
    SUBREAPER.call_once(|| nix::sys::prctl::set_child_subreaper(true).unwrap());
    OURS.lock().unwrap().insert(pid);
}

/// Fails if something that a dead host started goes on.
pub(crate) async fn assert_none() {
    let deadline = Instant::now() + GRACE;
    loop {
        let orphans = orphans();
        if orphans.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "these outlived their host: {orphans:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Inherited children that are of the host's kind: the host's own program, started as the helper
/// of the sandbox, and what runs below it.
fn orphans() -> Vec<String> {
    let ours = OURS.lock().unwrap().clone();
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| !ours.contains(pid)).filter_map(orphan).collect()
}

fn orphan(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?);
    let is_child = parent == std::process::id().to_string();
    // The tests' own PostgreSQL and the shell that keeps it, and tools that tests run.
    let is_tool = ["postgres", "sh", "pg_ctl", "createdb", "cargo"].contains(&name);
    if !is_child || is_tool || state == "Z" {
        return None;
    }
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(format!("{pid} {name}: {}", String::from_utf8_lossy(&command).replace('\0', " ")))
}
