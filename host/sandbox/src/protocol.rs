//! What the host and its helper process say to each other, one JSON text per line.

use serde::{Deserialize, Serialize};

/// What separates a program from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each names one feature of the kernel")]
pub struct Isolation {
    pub user_namespace: bool,
    pub pid_namespace: bool,
    /// Own root folder that holds nothing but what it may use. Hides the sockets of daemons,
    /// which Landlock lets through.
    pub private_root: bool,
    /// Own network with nothing but `lo`. False too where the network was asked for.
    pub network_namespace: bool,
    /// Whether TCP is restricted by Landlock.
    pub landlock_network: bool,
    /// Whether files outside the allowed places are out of reach.
    pub landlock_files: bool,
    /// Whether it runs without capabilities, even within its own namespaces.
    pub unprivileged: bool,
    pub resource_limits: bool,
}

/// How much of the network a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Network {
    /// Nothing but its own `lo`.
    None,
    /// The host's network.
    Full,
    /// TCP to this port of the host only.
    Port(u16),
}

/// Upper bounds of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// CPU seconds of one process, all its threads together; 0 for none (a server).
    pub cpu_seconds: u64,
    pub open_files: u64,
    pub file_bytes: u64,
    pub processes: u64,
}

/// Everything the helper needs to know; the first line it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Arguments that lead to the helper when its own program is run again.
    pub helper_args: Vec<String>,
    pub argv: Vec<String>,
    pub cwd: String,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    pub network: Network,
    /// False for [`crate::Backend::None`].
    pub isolate: bool,
    /// Files and folders that may be read and executed.
    pub readable: Vec<String>,
    /// Files and folders that may be changed.
    pub writable: Vec<String>,
    pub limits: Limits,
    /// Whether to give it a root folder that holds nothing but `readable` and `writable`.
    pub private_root: bool,
    /// Folder that is `/tmp` in the private root.
    pub temporary: String,
    /// User and group of the host process; filled in by the outer helper.
    #[serde(default)]
    pub ids: (u32, u32),
    /// What the outer helper already did; filled in by it for the inner one.
    #[serde(default)]
    pub isolation: Isolation,
}

/// What the helper reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// The program runs.
    Started { isolation: Isolation },
    /// The program could not be started.
    CannotStart { reason: String },
    /// The helper itself failed.
    Broken { reason: String },
    /// The program ended: its exit code, or 128 + signal.
    Exited { code: i32 },
}

/// One byte after the [`Spec`]: ask the program to end (SIGTERM). Closing the stream kills everything.
pub(crate) const TERMINATE: u8 = b'T';

/// A spec is never longer.
pub(crate) const MAX_SPEC_BYTES: usize = 4 << 20;
