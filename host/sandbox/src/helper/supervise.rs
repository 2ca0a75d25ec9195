//! Waiting: for the process above, for the one below, and for strays.

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd},
    process::Command,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal, kill, killpg},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

use super::channel::Channel;
use crate::protocol::TERMINATE;

/// How long an inner helper without a pid namespace may take to kill what it started.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// Ends of child processes, as something to poll.
pub(super) struct ChildSignals(SignalFd, SigSet);

impl ChildSignals {
    pub(super) fn new() -> Result<Self, String> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block().map_err(|err| format!("block SIGCHLD: {err}"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&mask, flags).map_err(|err| format!("signalfd: {err}"))?;
        Ok(Self(fd, mask))
    }

    /// Starts a program with no signal blocked: it would inherit the mask. A SIGCHLD of the moment
    /// between is lost, which is why whoever waits looks for ended children before it polls.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Pid> {
        self.1.thread_unblock()?;
        let child = command.spawn();
        self.1.thread_block()?;
        let id = i32::try_from(child?.id()).map_err(|_| io::Error::other("pid out of range"))?;
        Ok(Pid::from_raw(id))
    }

    fn clear(&self) {
        while let Ok(Some(_)) = self.0.read_signal() {}
    }
}

/// The outer helper's wait. Returns the inner helper's exit code.
pub(super) fn relay(
    above: &mut Channel,
    below: &mut Channel,
    signals: &ChildSignals,
    child: Pid,
    kill_at_once: bool,
) -> Result<i32, String> {
    let (mut above_open, mut below_open) = (true, true);
    let mut kill_at: Option<Instant> = None;
    loop {
        if let Some(code) = reap(child)? {
            while below_open {
                below_open = pass_on(below, above);
            }
            return Ok(code);
        }
        if kill_at.is_some_and(|at| Instant::now() >= at) {
            // The first process of a pid namespace takes all others with it.
            let _ = kill(child, Signal::SIGKILL);
            kill_at = None;
        }
        let [_, from_above, from_below] = ready(
            [
                Some(signals.0.as_fd()),
                above_open.then(|| above.as_fd()),
                below_open.then(|| below.as_fd()),
            ],
            kill_at.is_some(),
        )?;
        signals.clear();
        if from_below {
            below_open = pass_on(below, above);
        }
        if from_above && !pass_on(above, below) {
            above_open = false;
            below.close();
            let grace = if kill_at_once { Duration::ZERO } else { CLEAN_UP };
            kill_at = Some(Instant::now() + grace);
        }
    }
}

/// The inner helper's wait. Returns the program's exit code, or 128 + signal, when neither it nor
/// anything that it started is left.
pub(super) fn program(
    above: &mut Channel,
    signals: &ChildSignals,
    child: Pid,
) -> Result<i32, String> {
    let code = loop {
        if let Some(code) = reap(child)? {
            break code;
        }
        let [_, from_above] = ready([Some(signals.0.as_fd()), Some(above.as_fd())], false)?;
        signals.clear();
        if from_above {
            let bytes = above.receive();
            if bytes.contains(&TERMINATE) {
                let _ = killpg(child, Signal::SIGTERM);
            }
            if bytes.is_empty() {
                break 128 + Signal::SIGKILL as i32;
            }
        }
    };
    // Strays of the program's group first; the first process of a pid namespace could stop here.
    let _ = killpg(child, Signal::SIGKILL);
    bury_all();
    Ok(code)
}

/// Passes on what has arrived. False at the end.
fn pass_on(from: &mut Channel, to: &mut Channel) -> bool {
    let bytes = from.receive();
    to.send_bytes(&bytes);
    !bytes.is_empty()
}

/// Waits until one of the descriptors is readable or closed, or for a moment only if `briefly`.
fn ready<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    briefly: bool,
) -> Result<[bool; N], String> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().flatten().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let timeout = if briefly { PollTimeout::from(50_u8) } else { PollTimeout::NONE };
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(err) => return Err(format!("poll: {err}")),
    }
    let mut answers = polled.iter().map(|fd| fd.any().unwrap_or(false));
    Ok(fds.map(|fd| fd.is_some() && answers.next().unwrap_or(false)))
}

/// Reaps every child that has ended. The code of `child` if it is among them.
fn reap(child: Pid) -> Result<Option<i32>, String> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                code = Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) => return Ok(code),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) if code.is_some() => return Ok(code),
            Err(err) => return Err(format!("wait for the program: {err}")),
        }
    }
}

/// Kills and reaps children until none is left: orphans of the dead become children of this
/// process, so each round reaches one generation further.
fn bury_all() {
    let give_up = Instant::now() + CLEAN_UP;
    while Instant::now() < give_up {
        for child in children() {
            let _ = kill(child, Signal::SIGKILL);
        }
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            _ => {}
        }
    }
}

/// The children of this process, from `/proc/<pid>/stat`: `pid (name) state parent …`.
fn children() -> Vec<Pid> {
    let own = getpid();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(own.as_raw()) {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}
