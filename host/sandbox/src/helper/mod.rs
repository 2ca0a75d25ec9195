//! The separate process that confines a program, starts it and buries what it leaves.
//!
//! It is two processes. The *outer* one enters new namespaces and starts the *inner* one, which is
//! the first process of the new pid namespace: it arranges the files, gives up its rights, starts
//! the program and reaps. Each holds one end of a socket to the one above it as its standard
//! input; when that closes, for whatever reason, everything below ends. (`PR_SET_PDEATHSIG` alone
//! would not do for the outer one: it fires when the *thread* that started it ends.)

mod channel;
mod confine;
mod files;
mod namespaces;
mod supervise;

use std::{
    ffi::OsString,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Command, ExitCode, Stdio},
};

use nix::{
    sys::{prctl, signal::Signal},
    unistd,
};

use self::{channel::Channel, supervise::ChildSignals};
use crate::protocol::{Message, Spec};

/// Exit code of a helper that could not do its work.
const BROKEN: u8 = 125;

/// Runs the helper. The binary calls it for its hidden subcommand, first thing in `main`: the
/// kernel gives new namespaces only to a process with a single thread.
pub fn helper_main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Ok(mut channel) = Channel::from_stdin() else { return ExitCode::from(BROKEN) };
    let role = args.next();
    let ended = match role.as_ref().and_then(|role| role.to_str()) {
        Some("outer") => outer(&mut channel),
        Some("inner") => inner(&mut channel),
        _ => Err("expected the role `outer` or `inner`".to_owned()),
    };
    match ended {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(BROKEN)),
        Err(reason) => {
            channel.send(&Message::Broken { reason });
            ExitCode::from(BROKEN)
        }
    }
}

/// Enters the namespaces, starts the inner helper and passes on what either side says.
fn outer(channel: &mut Channel) -> Result<i32, String> {
    let mut spec = channel.read_spec()?;
    // Its own session: no terminal to inject input into, and signals to the host's group pass by.
    unistd::setsid().map_err(|err| format!("new session: {err}"))?;
    spec.ids = (unistd::geteuid().as_raw(), unistd::getegid().as_raw());
    if spec.isolate {
        spec.isolation = namespaces::enter(&spec);
    }
    let signals = ChildSignals::new()?;
    let (ours, theirs) = channel::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.args(&spec.helper_args).arg("inner").env_clear();
    command.stdin(Stdio::from(OwnedFd::from(theirs)));
    let child =
        signals.spawn(&mut command).map_err(|err| format!("start the inner helper: {err}"))?;
    drop(command); // holds the inner helper's end
    let mut below = Channel::new(ours);
    below.send_spec(&spec)?;
    supervise::relay(channel, &mut below, &signals, child, spec.isolation.pid_namespace)
}

/// Arranges the files, gives up rights, starts the program and reaps until it ends.
fn inner(channel: &mut Channel) -> Result<i32, String> {
    let mut spec = channel.read_spec()?;
    // A second line: the outer helper has one thread, so here its end is the process's end.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|err| format!("parent death signal: {err}"))?;
    if !spec.isolation.pid_namespace {
        prctl::set_child_subreaper(true).map_err(|err| format!("become a reaper: {err}"))?;
    }
    if spec.isolation.private_root {
        files::private_root(&spec)?;
        // Mounts of their own there: what Landlock allows around them does not reach inside.
        spec.writable.extend(["/tmp", "/dev/shm"].map(str::to_owned));
    }
    spec.isolation.resource_limits = confine::limit(&spec);
    if spec.isolate {
        spec.isolation.unprivileged = namespaces::drop_capabilities(spec.ids);
        confine::landlock(&mut spec)?;
    }
    start(channel, &spec)
}

fn start(channel: &mut Channel, spec: &Spec) -> Result<i32, String> {
    let (program, arguments) = spec.argv.split_first().ok_or("the command is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&spec.cwd).stdin(Stdio::null()).process_group(0);
    let signals = ChildSignals::new()?;
    let child = match signals.spawn(&mut command) {
        Ok(child) => child,
        Err(err) => {
            channel.send(&Message::CannotStart { reason: err.to_string() });
            return Ok(127);
        }
    };
    channel.send(&Message::Started { isolation: spec.isolation });
    let code = supervise::program(channel, &signals, child)?;
    channel.send(&Message::Exited { code });
    Ok(code)
}
