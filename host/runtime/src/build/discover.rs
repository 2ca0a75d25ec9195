//! Finding plugin crates.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gencode_core::plugin::Manifest;

use super::BuildError;

/// How deep plugins may lie below the folder that was named.
const DEPTH: usize = 4;

/// A folder with a `Cargo.toml` and a `plugin.toml`.
#[derive(Debug, Clone)]
pub struct PluginCrate {
    pub dir: PathBuf,
    /// Name of the package.
    pub package: String,
    pub manifest: Manifest,
    /// Text of the `plugin.toml`.
    pub manifest_text: String,
    /// Folder of the Cargo workspace it belongs to; its own if there is none.
    pub workspace: PathBuf,
}

/// Finds the plugins in each of `dirs`, which are plugins themselves or hold some. Sorted by id.
pub fn discover(dirs: &[PathBuf]) -> Result<Vec<PluginCrate>, BuildError> {
    let mut found: BTreeMap<String, PluginCrate> = BTreeMap::new();
    for dir in dirs {
        let dir = fs::canonicalize(dir)
            .map_err(|source| BuildError::File { path: dir.clone(), source })?;
        let mut here = Vec::new();
        search(&dir, DEPTH, &mut here)?;
        if here.is_empty() {
            return Err(BuildError::NoPlugin(dir));
        }
        for dir in here {
            let plugin = read(&dir)?;
            let id = plugin.manifest.id.clone();
            match found.get(&id) {
                Some(first) if first.dir == dir => {} // named twice
                Some(first) => {
                    return Err(BuildError::SameId { id, first: first.dir.clone(), second: dir });
                }
                None => _ = found.insert(id, plugin),
            }
        }
    }
    Ok(found.into_values().collect())
}

fn search(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), BuildError> {
    if dir.join("plugin.toml").is_file() && dir.join("Cargo.toml").is_file() {
        found.push(dir.to_owned());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let failed = |source| BuildError::File { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let skip =
            name == "target" || name == "node_modules" || name.as_encoded_bytes().starts_with(b".");
        // Not through links: they may lead anywhere, in a circle too.
        if !skip && entry.file_type().map_err(failed)?.is_dir() {
            search(&entry.path(), depth - 1, found)?;
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<PluginCrate, BuildError> {
    let path = dir.join("plugin.toml");
    let manifest_text = read_text(&path)?;
    let manifest = Manifest::parse(&manifest_text)
        .map_err(|source| BuildError::PluginToml { path, source })?;
    let path = dir.join("Cargo.toml");
    let package = cargo_toml(&path)?
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
        .map(str::to_owned)
        .ok_or(BuildError::CargoToml { path, source: None })?;
    let workspace = workspace(dir)?;
    Ok(PluginCrate { dir: dir.to_owned(), package, manifest, manifest_text, workspace })
}

/// The nearest folder above, or this one, whose `Cargo.toml` is a workspace's.
fn workspace(dir: &Path) -> Result<PathBuf, BuildError> {
    for ancestor in dir.ancestors() {
        let path = ancestor.join("Cargo.toml");
        if path.is_file() && cargo_toml(&path)?.contains_key("workspace") {
            return Ok(ancestor.to_owned());
        }
    }
    Ok(dir.to_owned())
}

/// Reads a `Cargo.toml`.
pub(super) fn cargo_toml(path: &Path) -> Result<toml::Table, BuildError> {
    toml::from_str(&read_text(path)?).map_err(|error| BuildError::CargoToml {
        path: path.to_owned(),
        source: Some(Box::new(error)),
    })
}

fn read_text(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|source| BuildError::File { path: path.to_owned(), source })
}
