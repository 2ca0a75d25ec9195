//! Compiling plugin crates with Cargo.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use gencode_core::plugin::PluginKind;
use serde::Deserialize;

use super::{
    BuildError, PluginCrate, WasiImports, component,
    discover::{cargo_toml, discover},
};

const TARGET: &str = "wasm32-unknown-unknown";

/// Variables that would make this build, which has a target directory of its own, another one.
const FOREIGN: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// How plugins are built.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Where `<id>.wasm` is written.
    pub out: PathBuf,
    /// Folder with `.cache/wasm-toolchain/env`, which `make setup` writes: this repository. Looked
    /// at after the workspace of the plugin itself.
    pub toolchain: Option<PathBuf>,
    /// Cargo's own messages go to standard error as they come, not only into errors.
    pub verbose: bool,
    /// Whether plugins may import WASI.
    pub wasi: WasiImports,
    /// The `cargo` to run.
    pub cargo: OsString,
}

impl BuildOptions {
    /// The rules for core plugins.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self {
            out: out.into(),
            toolchain: None,
            verbose: false,
            wasi: WasiImports::Refuse,
            cargo: "cargo".into(),
        }
    }
}

/// What was built.
#[derive(Debug, Clone)]
pub struct BuildReport {
    /// In order of their ids.
    pub plugins: Vec<BuiltPlugin>,
    pub took: Duration,
}

/// One plugin that was built.
#[derive(Debug, Clone)]
pub struct BuiltPlugin {
    pub id: String,
    pub kind: PluginKind,
    /// The component.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
    /// Whether the file is new or other than before.
    pub rebuilt: bool,
    /// What the author should know.
    pub warnings: Vec<String>,
}

/// Builds every plugin in `dirs`. Blocks, for as long as Cargo takes.
///
/// One run of Cargo per kind: a run unifies features, and the SDK's feature is the kind.
pub fn build_dirs(dirs: &[PathBuf], options: &BuildOptions) -> Result<BuildReport, BuildError> {
    let start = Instant::now();
    let mut groups: BTreeMap<(PathBuf, PluginKind), Vec<PluginCrate>> = BTreeMap::new();
    for plugin in discover(dirs)? {
        let key = (plugin.workspace.clone(), plugin.manifest.kind);
        groups.entry(key).or_default().push(plugin);
    }
    fs::create_dir_all(&options.out)
        .map_err(|source| BuildError::File { path: options.out.clone(), source })?;
    let mut plugins = Vec::new();
    for ((workspace, kind), crates) in groups {
        let mut artefacts = compile(&workspace, kind, &crates, options)?;
        for plugin in crates {
            let artefact = artefacts
                .remove(&plugin.dir)
                .ok_or_else(|| BuildError::NoArtefact { package: plugin.package.clone() })?;
            plugins.push(finish(&plugin, &artefact, options)?);
        }
    }
    plugins.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(BuildReport { plugins, took: start.elapsed() })
}

/// Makes the component and writes it, if it is not there already.
fn finish(
    plugin: &PluginCrate,
    artefact: &Path,
    options: &BuildOptions,
) -> Result<BuiltPlugin, BuildError> {
    let module = fs::read(artefact)
        .map_err(|source| BuildError::File { path: artefact.to_owned(), source })?;
    let kind = plugin.manifest.kind;
    let bytes = component::componentize(&module, &plugin.manifest_text, kind, options.wasi)?;
    let id = plugin.manifest.id.clone();
    let inspection = component::inspect(&bytes)
        .map_err(|source| BuildError::Refused { id: id.clone(), source })?;
    let mut warnings = Vec::new();
    for capability in inspection.unasked {
        let name = capability.as_str();
        warnings
            .push(format!("uses `{name}`, which its manifest does not ask for: calls are denied"));
    }
    for capability in inspection.unused {
        warnings.push(format!("asks for `{}` and never uses it", capability.as_str()));
    }
    let path = options.out.join(format!("{id}.wasm"));
    let failed = |source| BuildError::File { path: path.clone(), source };
    let rebuilt = match fs::read(&path) {
        Ok(before) => before != bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed(error)),
    };
    if rebuilt {
        // Renamed into place, so that a host that watches the folder never sees half a plugin.
        let temporary = options.out.join(format!(".{id}-{}.tmp", std::process::id()));
        fs::write(&temporary, &bytes)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(failed)?;
    }
    Ok(BuiltPlugin { id, kind, size: bytes.len(), path, rebuilt, warnings })
}

/// Runs Cargo once. Answers with the module of each plugin, by the folder of its crate.
fn compile(
    workspace: &Path,
    kind: PluginKind,
    crates: &[PluginCrate],
    options: &BuildOptions,
) -> Result<BTreeMap<PathBuf, PathBuf>, BuildError> {
    let mut command = Command::new(&options.cargo);
    command.current_dir(workspace).args(["build", "--profile", "plugin", "--target", TARGET]);
    command.arg("--message-format=json-render-diagnostics");
    command.arg("--target-dir").arg(workspace.join("target").join("plugins-build"));
    for plugin in crates {
        command.arg("-p").arg(&plugin.package);
    }
    for setting in profile(workspace)? {
        command.arg("--config").arg(setting);
    }
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.envs(toolchain(workspace, options)?);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(if options.verbose { Stdio::inherit() } else { Stdio::piped() });

    let mut child = command.spawn().map_err(BuildError::NoCargo)?;
    // Both pipes are emptied at the same time: a full one would stop Cargo.
    let errors = child.stderr.take().map(|mut pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            _ = pipe.read_to_end(&mut bytes); // what was read until then is still worth showing
            String::from_utf8_lossy(&bytes).into_owned()
        })
    });
    let mut artefacts = BTreeMap::new();
    for line in child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
        let line = line.map_err(BuildError::NoCargo)?;
        if let Some((dir, module)) = artefact(&line) {
            artefacts.insert(dir, module);
        }
    }
    let status = child.wait().map_err(BuildError::NoCargo)?;
    let output = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if !status.success() {
        return Err(BuildError::Cargo { kind, status, output });
    }
    Ok(artefacts)
}

/// The crate's folder and the module, if a line of Cargo's output is about a module.
fn artefact(line: &str) -> Option<(PathBuf, PathBuf)> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        manifest_path: Option<PathBuf>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" {
        return None;
    }
    let module =
        message.filenames.into_iter().find(|path| path.extension().is_some_and(|e| e == "wasm"))?;
    let dir = message.manifest_path?.parent()?.canonicalize().ok()?;
    Some((dir, module))
}

/// Settings of the profile `plugin` where the workspace does not define it.
fn profile(workspace: &Path) -> Result<Vec<String>, BuildError> {
    let table = cargo_toml(&workspace.join("Cargo.toml"))?;
    if table.get("profile").is_some_and(|profiles| profiles.get("plugin").is_some()) {
        return Ok(Vec::new());
    }
    Ok(["inherits=\"release\"", "opt-level=\"s\"", "panic=\"abort\"", "strip=true", "lto=\"thin\""]
        .map(|setting| format!("profile.plugin.{setting}"))
        .into())
}

/// Environment of a compiler that has the target: what `make setup` found, or nothing if the
/// installed one has it.
fn toolchain(
    workspace: &Path,
    options: &BuildOptions,
) -> Result<Vec<(String, String)>, BuildError> {
    for place in [Some(workspace), options.toolchain.as_deref()].into_iter().flatten() {
        let path = place.join(".cache").join("wasm-toolchain").join("env");
        match fs::read_to_string(&path) {
            Ok(text) => return variables(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(BuildError::File { path, source }),
        }
    }
    let output = Command::new("rustc")
        .current_dir(workspace)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|_| BuildError::NoTarget)?;
    let dir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let has_std = fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().starts_with(b"libstd-"))
    });
    if has_std { Ok(Vec::new()) } else { Err(BuildError::NoTarget) }
}

/// Reads lines of the form `NAME=value`; empty lines and comments are skipped.
fn variables(path: &Path, text: &str) -> Result<Vec<(String, String)>, BuildError> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(index, line)| match line.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(BuildError::Toolchain { path: path.to_owned(), line: index + 1 }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_file_is_names_and_values() {
        let path = Path::new("env");
        let text = "# made by setup\nRUSTC=/x/rustc\n\nFLAGS=-C a=b\n";
        let expected = [("RUSTC", "/x/rustc"), ("FLAGS", "-C a=b")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables(path, text).unwrap(), expected);
        assert!(variables(path, "").unwrap().is_empty(), "the installed compiler will do");
        let error = variables(path, "RUSTC=/x\nnonsense\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`env`, line 2: expected `NAME=value`; run `make setup` again"
        );
    }

    #[test]
    fn only_modules_are_artefacts() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let line = |reason: &str, file: &str| {
            let manifest = dir.join("Cargo.toml");
            serde_json::json!({"reason": reason, "manifest_path": manifest, "filenames": [file]})
                .to_string()
        };
        assert_eq!(
            artefact(&line("compiler-artifact", "/t/x.wasm")),
            Some((dir.clone(), "/t/x.wasm".into()))
        );
        assert_eq!(artefact(&line("compiler-artifact", "/t/libx.rlib")), None);
        assert_eq!(artefact(&line("build-finished", "/t/x.wasm")), None);
        assert_eq!(artefact("not json"), None);
    }
}
