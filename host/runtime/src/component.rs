//! What can be seen in a component without compiling it.

use std::collections::BTreeSet;

use gencode_core::plugin::{Capability, Manifest};
use wasmparser::{ComponentTypeRef, Parser, Payload};

use crate::error::LoadError;

/// Custom section of a component that holds the text of its `plugin.toml`.
pub const MANIFEST_SECTION: &str = "gencode:manifest";

/// Largest component that is looked at (plugin-hosts.md §6.2).
pub const MAX_COMPONENT_BYTES: usize = 64 * 1024 * 1024;

/// Components and modules inside each other. Those of `wit-component` need three.
const MAX_NESTING: usize = 16;

/// Functions of all modules together. An interpreter of JavaScript has about 40,000.
const MAX_FUNCTIONS: usize = 200_000;

/// The version suffix of every interface of the contract.
const CONTRACT_SUFFIX: &str = "@0.1.0";

/// A component's outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The embedded manifest.
    pub manifest: Manifest,
    /// Its text.
    pub manifest_text: String,
    /// Names of imported interfaces, as they stand in the component.
    pub imports: Vec<String>,
    /// Names of exported functions and interfaces.
    pub exports: Vec<String>,
    /// Whether it imports WASI.
    pub uses_wasi: bool,
    /// Functions of all core modules together.
    pub functions: usize,
}

impl Outline {
    /// Capabilities whose interface is imported but not asked for in the manifest.
    ///
    /// Calling them gives `denied`, so this is a mistake of the author, but not a danger.
    pub(crate) fn unasked(&self, callable: &BTreeSet<String>) -> Vec<Capability> {
        let asked = &self.manifest.capabilities;
        let all = Capability::ALL.into_iter();
        all.filter(|it| !asked.contains_key(it) && callable.contains(&interface(*it))).collect()
    }

    /// Capabilities that the manifest asks for but whose interface is not imported.
    pub fn unused(&self) -> Vec<Capability> {
        let asked = self.manifest.capabilities.keys().copied();
        // WASI guests reach the clock and randomness through it.
        let by_wasi = |it| self.uses_wasi && matches!(it, Capability::Clock | Capability::Random);
        asked.filter(|it| !self.imports_interface(*it) && !by_wasi(*it)).collect()
    }

    fn imports_interface(&self, capability: Capability) -> bool {
        self.imports.contains(&interface(capability))
    }
}

fn interface(capability: Capability) -> String {
    format!("gencode:plugin/{}{CONTRACT_SUFFIX}", capability.as_str())
}

/// Reads a component's outline and refuses what is not a plugin at all.
pub fn outline(bytes: &[u8]) -> Result<Outline, LoadError> {
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(LoadError::TooLarge { size: bytes.len(), limit: MAX_COMPONENT_BYTES });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(LoadError::NotWasm("it does not begin like one".into()));
    }
    let parts = Parts::read(bytes)?;
    let text = parts.manifest.ok_or(LoadError::NoManifest)?;
    let manifest_text = String::from_utf8(text.to_vec()).map_err(|_| LoadError::ManifestText)?;
    Ok(Outline {
        manifest: Manifest::parse(&manifest_text)?,
        manifest_text,
        uses_wasi: parts.imports.iter().any(|import| import.starts_with("wasi:")),
        imports: parts.imports,
        exports: parts.exports,
        functions: parts.functions,
    })
}

/// Sections of the outermost component, and the size of what is inside.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    manifest: Option<&'a [u8]>,
    pub(crate) imports: Vec<String>,
    exports: Vec<String>,
    functions: usize,
}

impl<'a> Parts<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let broken = |error: wasmparser::BinaryReaderError| LoadError::NotWasm(error.into());
        let mut parts = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(broken)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                    depth += 1;
                    if depth > MAX_NESTING {
                        let what = "levels of nesting";
                        return Err(LoadError::TooComplex { what, limit: MAX_NESTING });
                    }
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::FunctionSection(functions) => {
                    parts.functions = parts.functions.saturating_add(functions.count() as usize);
                    if parts.functions > MAX_FUNCTIONS {
                        let what = "functions";
                        return Err(LoadError::TooComplex { what, limit: MAX_FUNCTIONS });
                    }
                }
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        let import = import.map_err(broken)?;
                        // Types that a world `use`s stand here too, but import nothing.
                        if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                            parts.imports.push(import.name.name.to_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        parts.exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section)
                    if depth == 0 && section.name() == MANIFEST_SECTION =>
                {
                    parts.manifest = Some(section.data());
                }
                _ => {}
            }
        }
        Ok(parts)
    }
}

/// Refuses imports that no host of this contract has.
pub(crate) fn check_imports(outline: &Outline, allow_wasi: bool) -> Result<(), LoadError> {
    for import in &outline.imports {
        let reason = if let Some(rest) = import.strip_prefix("gencode:plugin/") {
            if rest.ends_with(CONTRACT_SUFFIX) {
                continue;
            }
            "is of another version of the contract; rebuild the plugin with the current SDK"
        } else if import.starts_with("wasi:") && import.contains("@0.2.") {
            if allow_wasi {
                continue;
            }
            "is not allowed here: core plugins import nothing but `gencode:plugin`"
        } else if import.starts_with("wasi:") {
            "is not of WASI 0.2, the only version this host has"
        } else {
            "this host does not have"
        };
        return Err(LoadError::Import { import: import.clone(), reason: reason.to_owned() });
    }
    Ok(())
}
