//! Plugin manifests, and what a plugin may do.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Version of the contract in `wit/` that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginKind {
    Agent,
    Handler,
    Validator,
}

impl PluginKind {
    /// Name of its world in `wit/`.
    pub const fn world(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Handler => "handler",
            Self::Validator => "validator",
        }
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.world())
    }
}

/// An interface of the contract that needs a grant. The log needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    Llm,
    WorkspaceRead,
    WorkspaceWrite,
    Agents,
    Validators,
    Sandbox,
    Progress,
    AskUser,
    Context,
    Memory,
    Clock,
    Random,
    Config,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 13] = [
        Self::Llm,
        Self::WorkspaceRead,
        Self::WorkspaceWrite,
        Self::Agents,
        Self::Validators,
        Self::Sandbox,
        Self::Progress,
        Self::AskUser,
        Self::Context,
        Self::Memory,
        Self::Clock,
        Self::Random,
        Self::Config,
    ];

    /// Name of its interface in `wit/`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::WorkspaceRead => "workspace-read",
            Self::WorkspaceWrite => "workspace-write",
            Self::Agents => "agents",
            Self::Validators => "validators",
            Self::Sandbox => "sandbox",
            Self::Progress => "progress",
            Self::AskUser => "ask-user",
            Self::Context => "context",
            Self::Memory => "memory",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Config => "config",
        }
    }

    /// Whether the world of this kind of plugin has the interface at all.
    pub const fn fits(self, kind: PluginKind) -> bool {
        match kind {
            PluginKind::Validator => false,
            PluginKind::Agent => matches!(
                self,
                Self::Llm
                    | Self::WorkspaceRead
                    | Self::Memory
                    | Self::Clock
                    | Self::Random
                    | Self::Config
            ),
            PluginKind::Handler => true,
        }
    }
}

/// What a plugin asks for one capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CapabilityRequest {
    /// Calls of this interface per call of the plugin; none for the host's own limit.
    pub max_calls: Option<u32>,
}

/// `plugin.toml`: what a plugin says about itself. Embedded in the component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Lower-case letters, digits, `-` and `_`; starts with a letter; 1 to 64 characters.
    pub id: String,
    pub kind: PluginKind,
    pub version: semver::Version,
    /// Version of `gencode:plugin` it was built against.
    pub contract: semver::Version,
    /// One sentence.
    pub summary: String,
    #[serde(default)]
    pub capabilities: BTreeMap<Capability, CapabilityRequest>,
    #[serde(default)]
    pub limits: LimitRequest,
    /// Default settings, handed to the guest by `config.get`.
    #[serde(default)]
    pub config: toml::Table,
}

/// Limits a plugin asks for; the operator's caps still apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitRequest {
    /// Memory of one call, in MiB, summed over memories and tables.
    pub memory_mib: Option<u32>,
    /// Wall-clock time of one call including host calls, in milliseconds.
    pub deadline_ms: Option<u64>,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("`plugin.toml` is not valid")]
    Toml(#[source] Box<toml::de::Error>),
    #[error(
        "`{0}` is not a plugin id: lower-case letters, digits, `-` and `_`, starting with a letter, at most 64"
    )]
    Id(String),
    #[error("capability `{0}` does not exist for a plugin of kind `{1}`")]
    Capability(&'static str, PluginKind),
    #[error(
        "built against contract {found}, this host speaks {CONTRACT_VERSION}; rebuild the plugin with the current SDK"
    )]
    Contract { found: semver::Version },
}

impl Manifest {
    /// Reads and checks a `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| ManifestError::Toml(Box::new(error)))?;
        let id = &manifest.id;
        let ok = id.len() <= 64
            && id.starts_with(|c: char| c.is_ascii_lowercase())
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if !ok {
            return Err(ManifestError::Id(id.chars().take(80).collect()));
        }
        if let Some(capability) =
            manifest.capabilities.keys().find(|capability| !capability.fits(manifest.kind))
        {
            return Err(ManifestError::Capability(capability.as_str(), manifest.kind));
        }
        if manifest.contract.to_string() != CONTRACT_VERSION {
            return Err(ManifestError::Contract { found: manifest.contract });
        }
        Ok(manifest)
    }
}

/// What a plugin may use: what it asks for and what the operator allows, with the calls left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<Capability, Option<u32>>);

impl Grants {
    /// Manifest ∩ operator. `None` from the operator means everything that is asked.
    pub fn meet(manifest: &Manifest, operator: Option<&[Capability]>) -> Self {
        let allowed =
            |capability: &Capability| operator.is_none_or(|list| list.contains(capability));
        Self(
            manifest
                .capabilities
                .iter()
                .filter(|(capability, _)| allowed(capability))
                .map(|(capability, asked)| (*capability, asked.max_calls))
                .collect(),
        )
    }

    /// Whether the capability is granted.
    pub fn allows(&self, capability: Capability) -> bool {
        self.0.contains_key(&capability)
    }

    /// Calls of the capability per call of the plugin, where limited.
    pub fn max_calls(&self, capability: Capability) -> Option<u32> {
        self.0.get(&capability).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        id = "marcus"
        kind = "agent"
        version = "0.1.0"
        contract = "0.1.0"
        summary = "Lead architect."
        [capabilities]
        llm = { max-calls = 8 }
        workspace-read = {}
    "#;

    #[test]
    fn grants_are_what_is_asked_and_allowed() {
        let manifest = Manifest::parse(GOOD).unwrap();
        let all = Grants::meet(&manifest, None);
        assert!(all.allows(Capability::Llm) && all.allows(Capability::WorkspaceRead));
        assert!(!all.allows(Capability::Memory), "never asked for");
        assert_eq!(all.max_calls(Capability::Llm), Some(8));
        let some = Grants::meet(&manifest, Some(&[Capability::Llm, Capability::Memory]));
        assert!(some.allows(Capability::Llm));
        assert!(!some.allows(Capability::WorkspaceRead), "not allowed");
        assert!(!some.allows(Capability::Memory), "allowed but never asked for");
        assert_eq!(Grants::meet(&manifest, Some(&[])), Grants::default());
    }

    #[test]
    fn a_manifest_that_is_wrong_says_why() {
        for (from, to, says) in [
            ("\"marcus\"", "\"../x\"", "`../x` is not a plugin id"),
            ("contract = \"0.1.0\"", "contract = \"0.9.0\"", "built against contract 0.9.0"),
            (
                "workspace-read",
                "sandbox",
                "capability `sandbox` does not exist for a plugin of kind `agent`",
            ),
            ("summary", "sumary", "`plugin.toml` is not valid"),
        ] {
            let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
