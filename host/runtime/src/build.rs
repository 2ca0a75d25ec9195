//! Building plugins: `gencode plugin build`.
//!
//! A plugin travels as one file: a component with its `plugin.toml` in a custom section. What is
//! written here has passed the checks that [`crate::Runtime::load`] makes before it compiles.

mod cargo;
mod component;
mod discover;

use std::{path::PathBuf, process::ExitStatus};

use gencode_core::plugin::{ManifestError, PluginKind};

use crate::{error::LoadError, host::BoxError};

pub use cargo::{BuildOptions, BuildReport, BuiltPlugin, build_dirs};
pub use component::{Inspection, WasiImports, componentize, embed_world, inspect};
pub use discover::{PluginCrate, discover};

/// Why a plugin is not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "`{0}` is not a plugin: there is no folder with a `Cargo.toml` and a `plugin.toml` in it"
    )]
    NoPlugin(PathBuf),
    #[error("two plugins have the id `{id}`: `{first}` and `{second}`")]
    SameId { id: String, first: PathBuf, second: PathBuf },
    #[error("`{path}` cannot be used")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` is not a Cargo manifest of a package")]
    CargoToml {
        path: PathBuf,
        #[source]
        source: Option<Box<toml::de::Error>>,
    },
    #[error("`{path}` is refused")]
    PluginToml {
        path: PathBuf,
        #[source]
        source: ManifestError,
    },
    #[error("the manifest is refused")]
    Manifest(#[from] ManifestError),
    #[error("the manifest says `{found}`, but this is to become a plugin of kind `{expected}`")]
    Kind { expected: PluginKind, found: PluginKind },
    #[error(
        "there is no compiler for components: run `make setup`, or `rustup target add wasm32-unknown-unknown`"
    )]
    NoTarget,
    #[error("`{path}`, line {line}: expected `NAME=value`; run `make setup` again")]
    Toolchain { path: PathBuf, line: usize },
    #[error("`cargo` cannot be started")]
    NoCargo(#[source] std::io::Error),
    #[error("`cargo build` failed ({status}) for plugins of kind `{kind}`:\n{output}")]
    Cargo { kind: PluginKind, status: ExitStatus, output: String },
    #[error(
        "`cargo build` made no component out of `{package}`: does it say `crate-type = [\"cdylib\"]`?"
    )]
    NoArtefact { package: String },
    #[error(
        "it imports `{module}`: build for `wasm32-unknown-unknown`, whose code imports no WASI"
    )]
    Wasi { module: String },
    #[error("the module cannot be made a component")]
    Encode(#[source] BoxError),
    #[error("`{id}` would be refused by the host")]
    Refused {
        id: String,
        #[source]
        source: LoadError,
    },
}
