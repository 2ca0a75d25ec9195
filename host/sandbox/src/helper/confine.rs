//! Limits of resources and of reach.

use std::fs;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::protocol::{Network, Spec};

/// Where to land when memory runs out: before the host, after nothing.
const OOM_SCORE: &str = "500";

/// Lowers the limits of this process and of all that it starts. False if one did not hold.
///
/// The address space is not limited: Node and WebAssembly reserve many gigabytes that they never use.
pub(super) fn limit(spec: &Spec) -> bool {
    drop(fs::write("/proc/self/oom_score_adj", OOM_SCORE));
    let limits = spec.limits;
    let mut wanted = vec![
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
    ];
    if limits.cpu_seconds > 0 {
        wanted.push((Resource::RLIMIT_CPU, limits.cpu_seconds));
    }
    // Without a user namespace the kernel counts every process of the user, the host's too.
    if spec.isolation.user_namespace {
        wanted.push((Resource::RLIMIT_NPROC, limits.processes));
    }
    wanted.into_iter().fold(true, |held, (resource, value)| {
        let lowered = getrlimit(resource).and_then(|(_, hard)| {
            let value = value.min(hard);
            setrlimit(resource, value, value)
        });
        lowered.is_ok() && held
    })
}

/// Puts everything but the allowed files and ports out of reach, as far as the kernel can.
pub(super) fn landlock(spec: &mut Spec) -> Result<(), String> {
    let status = restrict(spec).map_err(|err| format!("Landlock: {err}"))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Ok(());
    }
    spec.isolation.landlock_files = true;
    if let LandlockStatus::Available { effective_abi, .. } = status.landlock {
        spec.isolation.landlock_network = effective_abi >= ABI::V4 && limits_tcp(spec);
    }
    Ok(())
}

/// Whether Landlock is to limit TCP: not where the program has a network of its own, nor where it
/// may use the host's.
fn limits_tcp(spec: &Spec) -> bool {
    match spec.network {
        Network::Full => false,
        Network::None => !spec.isolation.network_namespace,
        Network::Port(_) => true,
    }
}

fn restrict(spec: &Spec) -> Result<RestrictionStatus, RulesetError> {
    let all = AccessFs::from_all(ABI::V9);
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    ruleset = ruleset.handle_access(all)?;
    if limits_tcp(spec) {
        // A browser may listen: that is how it is spoken to.
        let tcp = match spec.network {
            Network::Port(_) => AccessNet::ConnectTcp.into(),
            _ => AccessNet::from_all(ABI::V4),
        };
        ruleset = ruleset.handle_access(tcp)?;
    }
    // Signals and abstract sockets stay among the program's own processes.
    let mut created = ruleset
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(path_beneath_rules(&spec.readable, AccessFs::from_read(ABI::V9)))?
        .add_rules(path_beneath_rules(&spec.writable, all))?;
    if let (true, Network::Port(port)) = (limits_tcp(spec), spec.network) {
        created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    created.restrict_self()
}
