//! From core module to component.

use std::borrow::Cow;

use gencode_core::plugin::{Capability, Manifest, PluginKind};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use super::BuildError;
use crate::{
    component::{MANIFEST_SECTION, Outline, check_imports, outline},
    contract::{self, Contract},
    error::LoadError,
};

/// Whether a plugin may import WASI 0.2. Core plugins may not (design.md §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasiImports {
    Refuse,
    Allow,
}

/// What can be told about a plugin without running it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    pub outline: Outline,
    /// Capabilities whose interface is imported but not asked for: calls will be denied.
    pub unasked: Vec<Capability>,
    /// Capabilities that are asked for but whose interface is never imported.
    pub unused: Vec<Capability>,
}

/// Makes a component out of a core module that was built against the contract (with
/// `wit-bindgen`, say) and embeds its manifest. A component is taken as it is.
pub fn componentize(
    core_module: &[u8],
    manifest_toml: &str,
    kind: PluginKind,
    wasi: WasiImports,
) -> Result<Vec<u8>, BuildError> {
    let manifest = Manifest::parse(manifest_toml)?;
    if manifest.kind != kind {
        return Err(BuildError::Kind { expected: kind, found: manifest.kind });
    }
    let mut component =
        if Parser::is_component(core_module) { core_module.to_vec() } else { encode(core_module)? };
    let section = CustomSection {
        name: Cow::Borrowed(MANIFEST_SECTION),
        data: Cow::Borrowed(manifest_toml.as_bytes()),
    };
    section.append_to_component(&mut component);
    let refused = |source| BuildError::Refused { id: manifest.id.clone(), source };
    let outline = outline(&component).map_err(refused)?;
    check_imports(&outline, wasi == WasiImports::Allow).map_err(refused)?;
    contract::check(&component, kind).map_err(refused)?;
    Ok(component)
}

/// Tells a core module that it implements the world of `kind`, as `wit-bindgen` does. For modules
/// that were written by hand.
pub fn embed_world(core_module: &[u8], kind: PluginKind) -> Result<Vec<u8>, BuildError> {
    let contract = Contract::get().map_err(BuildError::Encode)?;
    let world = contract.world(kind).map_err(BuildError::Encode)?;
    let mut module = core_module.to_vec();
    embed_component_metadata(&mut module, &contract.resolve, world, StringEncoding::UTF8)
        .map_err(|error| BuildError::Encode(contract::chain(&error)))?;
    Ok(module)
}

/// Looks at a plugin and checks it against the contract, as loading does. Compiles nothing.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let outline = outline(bytes)?;
    check_imports(&outline, true)?;
    let callable = contract::check(bytes, outline.manifest.kind)?;
    let unasked = outline.unasked(&callable);
    let unused = outline.unused();
    Ok(Inspection { outline, unasked, unused })
}

fn encode(core_module: &[u8]) -> Result<Vec<u8>, BuildError> {
    // The encoder would refuse it as well, but with a sentence about adapters.
    for payload in Parser::new(0).parse_all(core_module) {
        let imports = match payload {
            Ok(Payload::ImportSection(imports)) => imports,
            Ok(_) => continue,
            Err(error) => return Err(BuildError::Encode(error.into())),
        };
        for import in imports.into_imports() {
            let module = import.map_err(|error| BuildError::Encode(error.into()))?.module;
            if module.starts_with("wasi_") {
                return Err(BuildError::Wasi { module: module.to_owned() });
            }
        }
    }
    ComponentEncoder::default()
        .validate(true)
        .module(core_module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| BuildError::Encode(contract::chain(&error)))
}
