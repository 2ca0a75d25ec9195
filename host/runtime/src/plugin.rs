//! A loaded plugin.

use std::fmt;

use gencode_core::{digest::Digest, plugin::Manifest};
use wasmtime::component::{ComponentExportIndex, InstancePre};

use crate::state::CallState;

/// A compiled and linked component, ready to be called any number of times at once.
pub struct Plugin {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Digest of the component.
    pub digest: Digest,
    /// Whether its machine code came from the cache.
    pub from_cache: bool,
    /// Names of the interfaces it imports.
    pub imports: Vec<String>,
    /// Whether it imports WASI, which no core plugin does.
    pub uses_wasi: bool,
    /// Size of the component in bytes.
    pub size: usize,
    /// Linked once, here; a call only instantiates (plugin-hosts.md §2.2: 65 µs against 4 µs).
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) describe: ComponentExportIndex,
    /// `check` or `run`.
    pub(crate) work: ComponentExportIndex,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("id", &self.manifest.id)
            .field("version", &self.manifest.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
