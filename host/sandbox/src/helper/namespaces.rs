//! Namespaces: what the program sees of users, processes and networks.

use std::{fs, io};

use nix::{
    errno::Errno,
    sched::{CloneFlags, unshare},
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
        socket,
    },
    unistd::sethostname,
};

use crate::protocol::{Isolation, Network, Spec};

/// The user a program is when the host is root: `nobody` has no rights anywhere and a name in
/// every `/etc/passwd`.
const NOBODY: u32 = 65_534;

/// Enters every namespace that the kernel grants, each for itself. The pid namespace holds for
/// processes started afterwards.
pub(super) fn enter(spec: &Spec) -> Isolation {
    let mut got = Isolation {
        user_namespace: unshare(CloneFlags::CLONE_NEWUSER).is_ok()
            && map_ids((0, 0), spec.ids).is_ok(),
        private_root: spec.private_root && unshare(CloneFlags::CLONE_NEWNS).is_ok(),
        ..Isolation::default()
    };
    // System V queues and shared memory are out of reach; nobody relies on seeing it reported.
    let _ = unshare(CloneFlags::CLONE_NEWIPC);
    if unshare(CloneFlags::CLONE_NEWUTS).is_ok() {
        let _ = sethostname("sandbox");
    }
    if spec.network == Network::None {
        got.network_namespace = unshare(CloneFlags::CLONE_NEWNET).is_ok();
        if got.network_namespace {
            // Without it a program cannot talk to itself over TCP; it may still do all else.
            let _ = loopback_up();
        }
    }
    got.pid_namespace = unshare(CloneFlags::CLONE_NEWPID).is_ok();
    got
}

/// Enters a user namespace below, as a user without rights: the next program that starts loses
/// all capabilities over the namespaces entered before.
pub(super) fn drop_capabilities(ids: (u32, u32)) -> bool {
    let plain = |id: u32| if id == 0 { NOBODY } else { id };
    let (user, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER).is_ok()
        && map_ids((plain(ids.0), plain(ids.1)), (user, group)).is_ok()
}

/// Says which user and group outside this process's user and group inside are.
fn map_ids(inside: (u32, u32), outside: (u32, u32)) -> io::Result<()> {
    // Required before an unprivileged process may write the group map.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{} {} 1", inside.0, outside.0))?;
    fs::write("/proc/self/gid_map", format!("{} {} 1", inside.1, outside.1))
}

/// Brings up `lo` with one rtnetlink message: `ip link set lo up` without `ip`.
fn loopback_up() -> nix::Result<()> {
    let mut message = Vec::with_capacity(32);
    // nlmsghdr: length, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, port.
    message.extend_from_slice(&32_u32.to_ne_bytes());
    message.extend_from_slice(&16_u16.to_ne_bytes());
    message.extend_from_slice(&5_u16.to_ne_bytes());
    message.extend_from_slice(&1_u32.to_ne_bytes());
    message.extend_from_slice(&0_u32.to_ne_bytes());
    // ifinfomsg: family and padding, type, index (`lo` is the first), flags and mask IFF_UP.
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&0_u16.to_ne_bytes());
    message.extend_from_slice(&1_i32.to_ne_bytes());
    message.extend_from_slice(&1_u32.to_ne_bytes());
    message.extend_from_slice(&1_u32.to_ne_bytes());
    let (family, kind) = (AddressFamily::Netlink, SockType::Raw);
    let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
    sendto(raw, &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 256];
    let length = recv(raw, &mut answer, MsgFlags::empty())?;
    // nlmsgerr: the error number (0 for none) follows the header.
    let number = answer.get(16..20).filter(|_| length >= 20).and_then(|at| at.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw(-number)),
        None => Err(Errno::EPROTO),
    }
}
