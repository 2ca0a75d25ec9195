//! Relative imports: they must lead to a file of the project that exports what is asked of it.

use std::collections::{BTreeMap, BTreeSet};

use gencode_plugin_sdk::types::{File, Finding};

use crate::module::{Import, Module, at};

/// What a specifier without extension may stand for, in the order of the usual bundlers.
const ENDINGS: [&str; 10] =
    ["", ".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".json", "/index.ts", "/index.tsx"];
const MORE_ENDINGS: [&str; 4] = ["/index.js", "/index.jsx", ".mts", ".cjs"];

/// In TypeScript an import of a script may mean the source it is made from.
const SOURCES: [(&str, &[&str]); 4] =
    [(".js", &[".ts", ".tsx"]), (".jsx", &[".tsx"]), (".mjs", &[".mts"]), (".cjs", &[".cts"])];

/// Extensions whose files the host sends; anything else may exist without being seen.
const SEEN: [&str; 11] =
    ["js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "css", "json", "svg"];

/// Every file by path, and what the code among them exports.
pub(crate) struct Project<'a> {
    files: BTreeSet<&'a str>,
    modules: BTreeMap<&'a str, &'a Module<'a>>,
}

impl<'a> Project<'a> {
    pub(crate) fn of(files: &'a [File], modules: &'a [Module<'a>]) -> Self {
        Self {
            files: files.iter().map(|file| file.path.as_str()).collect(),
            modules: modules.iter().map(|module| (module.file.path.as_str(), module)).collect(),
        }
    }

    /// Judges the relative imports of a module.
    pub(crate) fn check(&self, module: &Module<'_>, findings: &mut Vec<Finding>) {
        for import in module.imports.iter().filter(|import| is_relative(&import.specifier)) {
            match self.resolve(&module.file.path, &import.specifier) {
                Some(path) => self.names(module, import, path, findings),
                None if may_be_unseen(&import.specifier) => {}
                None => {
                    let message = format!("`{}` leads to no file of the project", import.specifier);
                    findings.push(
                        at(module.file, import.offset, "javascript.import", message)
                            .with_hint("Import a file that exists, or write this one as well."),
                    );
                }
            }
        }
    }

    fn names(&self, module: &Module<'_>, import: &Import, path: &str, findings: &mut Vec<Finding>) {
        for (name, offset) in &import.names {
            if self.offers(path, name, &mut BTreeSet::new()) {
                continue;
            }
            let message = if name == "default" {
                format!("`{path}` has no default export")
            } else {
                format!("`{path}` does not export `{name}`")
            };
            findings.push(
                at(module.file, *offset, "javascript.import-name", message)
                    .with_hint("Export it there or import what is exported there."),
            );
        }
    }

    /// Whether a file exports a name, directly or through `export *`.
    fn offers(&self, path: &str, name: &str, seen: &mut BTreeSet<String>) -> bool {
        let Some(module) = self.modules.get(path) else { return true };
        if module.open || module.exports.contains(name) {
            return true;
        }
        // `export *` leaves the default out, and may go in circles.
        name != "default"
            && seen.insert(path.to_owned())
            && module.stars.iter().any(|specifier| {
                !is_relative(specifier)
                    || self
                        .resolve(path, specifier)
                        .is_none_or(|next| self.offers(next, name, seen))
            })
    }

    /// The file that a relative specifier leads to.
    fn resolve(&self, from: &str, specifier: &str) -> Option<&'a str> {
        let target = join(from, plain(specifier))?;
        let find = |path: &str| self.files.get(path).copied();
        if let Some(found) = ENDINGS
            .iter()
            .chain(&MORE_ENDINGS)
            .find_map(|ending| find(&format!("{target}{ending}")))
        {
            return Some(found);
        }
        SOURCES.iter().find_map(|(script, sources)| {
            let stem = target.strip_suffix(script)?;
            sources.iter().find_map(|source| find(&format!("{stem}{source}")))
        })
    }
}

fn is_relative(specifier: &str) -> bool {
    specifier == "."
        || specifier == ".."
        || specifier.starts_with("./")
        || specifier.starts_with("../")
}

/// Without what a bundler is told behind `?`.
fn plain(specifier: &str) -> &str {
    specifier.split('?').next().unwrap_or(specifier)
}

/// Whether the specifier names a kind of file that validators are not sent.
fn may_be_unseen(specifier: &str) -> bool {
    let name = plain(specifier).rsplit('/').next().unwrap_or_default();
    name.trim_start_matches('.').rsplit_once('.').is_some_and(|(_, extension)| {
        // `./user.service` is a stem with a dot, `./logo.png` is a picture.
        const ASSETS: [&str; 20] = [
            "png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "bmp", "woff", "woff2", "ttf",
            "otf", "mp3", "mp4", "webm", "wasm", "pdf", "md", "txt", "html",
        ];
        !SEEN.contains(&extension) && (ASSETS.contains(&extension) || extension.contains("ss"))
    })
}

/// The path that a relative specifier means; none when it leaves the project.
fn join(from: &str, specifier: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
