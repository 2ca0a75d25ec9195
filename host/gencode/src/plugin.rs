//! `gencode plugin`: building and looking at components.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use gencode_runtime::build::{self, BuildOptions, WasiImports};

use crate::{
    cli::{Global, Plugin},
    config::Folders,
};

pub(crate) async fn run(global: &Global, command: Plugin) -> anyhow::Result<ExitCode> {
    match command {
        Plugin::Build { dirs, out, allow_wasi } => {
            let out = match out {
                Some(out) => out,
                None => Folders::of(global)?.plugins,
            };
            tokio::task::spawn_blocking(move || build(dirs, out, allow_wasi)).await?
        }
        Plugin::Inspect { file } => {
            let bytes = tokio::fs::read(&file)
                .await
                .with_context(|| format!("cannot read `{}`", file.display()))?;
            let text = describe(&bytes).with_context(|| format!("`{}`", file.display()))?;
            writeln!(std::io::stdout(), "{text}")?;
            Ok(ExitCode::SUCCESS)
        }
        Plugin::List => {
            let folder = Folders::of(global)?.plugins;
            let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
                .with_context(|| format!("cannot read the plugin folder `{}`; build the plugins with `gencode plugin build`", folder.display()))?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
                .collect();
            files.sort();
            for file in files {
                let line = match std::fs::read(&file)
                    .map_err(anyhow::Error::from)
                    .and_then(|bytes| one_line(&bytes))
                {
                    Ok(line) => line,
                    Err(error) => format!("{}: {error:#}", file.display()),
                };
                writeln!(std::io::stdout(), "{line}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn build(dirs: Vec<PathBuf>, out: PathBuf, allow_wasi: bool) -> anyhow::Result<ExitCode> {
    let dirs = if dirs.is_empty() { vec![PathBuf::from("plugins")] } else { dirs };
    let mut options = BuildOptions::new(out);
    options.verbose = true;
    if allow_wasi {
        options.wasi = WasiImports::Allow;
    }
    let report = build::build_dirs(&dirs, &options)?;
    for plugin in &report.plugins {
        let state = if plugin.rebuilt { "built" } else { "unchanged" };
        let (id, kind, size) = (&plugin.id, plugin.kind.world(), kib(plugin.size));
        writeln!(std::io::stdout(), "{state:<10} {id:<24} {kind:<10} {size:>8.1} KiB")?;
        for warning in &plugin.warnings {
            writeln!(std::io::stderr(), "warning: {id}: {warning}")?;
        }
    }
    let (count, seconds) = (report.plugins.len(), report.took.as_secs_f64());
    writeln!(std::io::stdout(), "{count} plugins in {} ({seconds:.1} s)", options.out.display())?;
    Ok(ExitCode::SUCCESS)
}

fn describe(bytes: &[u8]) -> anyhow::Result<String> {
    let outline = gencode_runtime::outline(bytes)?;
    let manifest = &outline.manifest;
    let capabilities: Vec<&str> =
        manifest.capabilities.keys().map(|capability| capability.as_str()).collect();
    Ok(format!(
        "id            {}\nkind          {}\nversion       {}\ncontract      {}\nsummary       {}\n\
         capabilities  {}\nimports       {}\nsize          {:.1} KiB\ndigest        {}",
        manifest.id,
        manifest.kind,
        manifest.version,
        manifest.contract,
        manifest.summary,
        if capabilities.is_empty() { "none".to_owned() } else { capabilities.join(", ") },
        outline.imports.join("\n              "),
        kib(bytes.len()),
        gencode_core::digest::Digest::of(bytes),
    ))
}

fn one_line(bytes: &[u8]) -> anyhow::Result<String> {
    let outline = gencode_runtime::outline(bytes)?;
    let manifest = &outline.manifest;
    Ok(format!(
        "{:<24} {:<9} {:<8} {}",
        manifest.id, manifest.kind, manifest.version, manifest.summary
    ))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}
