//! What lies in the host's folders and is no longer needed. Everything here blocks.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use gencode_core::{
    digest::Digest,
    id::{HostId, ProjectId, RunId},
    run::Generation,
};

use super::{
    Places,
    clean::{Cleaned, Policy, Removed},
    files::{entries, is_old, remove, size_of},
};

/// Names that the database is asked about.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// With sandbox trees.
    pub(crate) runs: Vec<RunId>,
    /// With previews.
    pub(crate) projects: Vec<ProjectId>,
}

impl Named {
    pub(crate) fn list(places: &Places) -> io::Result<Self> {
        let runs = entries(&places.trees)?;
        let previews = entries(&places.previews)?;
        let mut projects: Vec<ProjectId> =
            previews.iter().filter_map(|(name, _)| project_of(name)).collect();
        projects.dedup();
        Ok(Self { runs: runs.iter().filter_map(|(name, _)| name.parse().ok()).collect(), projects })
    }
}

/// The project of `shop`, `shop.json` or `shop.log` in the folder of previews.
fn project_of(name: &str) -> Option<ProjectId> {
    let stem = name.strip_suffix(".json").or_else(|| name.strip_suffix(".log")).unwrap_or(name);
    stem.parse().ok()
}

/// What the database says about them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) ended_runs: BTreeSet<RunId>,
    pub(crate) gone_projects: BTreeSet<ProjectId>,
    /// Trees that previews are started from.
    pub(crate) preview_trees: BTreeSet<PathBuf>,
}

/// Components of hosts that live: a run may begin with them at any moment.
pub(crate) fn generations_of_living_hosts(hosts: &Path) -> io::Result<BTreeSet<Digest>> {
    let mut living = BTreeSet::new();
    for (name, path) in entries(hosts)? {
        let is_lock = name.strip_suffix(".lock").is_some_and(|id| id.parse::<HostId>().is_ok());
        if !is_lock {
            continue;
        }
        // A lock that nobody holds counts too, as long as it lies there: that risks nothing.
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Ok(generation) = serde_json::from_str::<Generation>(&text) {
            living.extend(generation.0.values().map(|pinned| pinned.digest));
        }
    }
    Ok(living)
}

/// One round through the folders.
pub(crate) struct Sweep<'p> {
    pub(crate) places: &'p Places,
    pub(crate) policy: Policy,
    pub(crate) dry_run: bool,
}

impl Sweep<'_> {
    /// Removes one thing and counts it.
    fn take(&self, path: &Path, removed: &mut Removed) -> io::Result<()> {
        let bytes = size_of(path);
        if !self.dry_run {
            remove(path)?;
        }
        removed.add(bytes);
        Ok(())
    }

    /// Removes what `wanted` names among the entries of a folder.
    fn take_from(
        &self,
        folder: &Path,
        wanted: impl Fn(&str, &Path) -> bool,
    ) -> (Removed, Vec<io::Error>) {
        let (mut removed, mut problems) = (Removed::default(), Vec::new());
        match entries(folder) {
            Ok(names) => {
                for (name, path) in names {
                    if wanted(&name, &path)
                        && let Err(error) = self.take(&path, &mut removed)
                    {
                        problems.push(error);
                    }
                }
            }
            Err(error) => problems.push(error),
        }
        (removed, problems)
    }

    /// Bytes of components that neither a run nor a living host needs.
    pub(crate) fn components(&self, needed: &BTreeSet<Digest>, report: &mut Cleaned) {
        let grace = self.policy.grace;
        let (removed, problems) = self.take_from(&self.places.components, |name, path| {
            let needed = match name.strip_suffix(".wasm") {
                Some(digest) => match digest.parse() {
                    Ok(digest) => needed.contains(&digest),
                    Err(_) => true,
                },
                // What a host that died while it wrote left behind.
                None => !name.contains(".partial-"),
            };
            !needed && is_old(path, grace)
        });
        report.components = removed;
        note(report, "a component was not removed", problems);
    }

    /// Sandbox trees of runs that ended.
    pub(crate) fn trees(&self, known: &Known, report: &mut Cleaned) {
        let grace = self.policy.grace;
        let (removed, problems) = self.take_from(&self.places.trees, |name, path| {
            let ended = name.parse().is_ok_and(|run| known.ended_runs.contains(&run));
            ended && is_old(path, grace)
        });
        report.run_trees = removed;
        note(report, "the tree of an ended run was not removed", problems);
    }

    /// Previews of projects that are gone, and trees that a newer preview replaced.
    pub(crate) fn previews(&self, known: &Known, report: &mut Cleaned) {
        let grace = self.policy.grace;
        let folder = &self.places.previews;
        let (removed, problems) = self.take_from(folder, |name, path| {
            let gone = project_of(name).filter(|project| known.gone_projects.contains(project));
            gone.is_some_and(|project| is_old(path, grace) && !is_running(folder, project.as_str()))
        });
        report.previews = removed;
        note(report, "the preview of a deleted project was not removed", problems);
        let Ok(projects) = entries(folder) else { return };
        for (project, home) in projects {
            if !home.is_dir() || is_running(folder, &project) {
                continue;
            }
            let (removed, problems) = self.take_from(&home, |name, path| {
                let replaced = name.starts_with("run_") && !known.preview_trees.contains(path);
                replaced && is_old(path, grace) && !self.has_program(&home, name)
            });
            report.previews.count += removed.count;
            report.previews.bytes += removed.bytes;
            note(report, "a replaced preview was not removed", problems);
        }
    }

    /// Whether a program may still run in a tree: beside it lies the program's home, which goes when
    /// the program ends. One that a killed host left behind counts until it is really old.
    fn has_program(&self, home: &Path, tree: &str) -> bool {
        let prefix = format!(".{tree}-home-");
        entries(home).is_ok_and(|names| {
            names
                .iter()
                .any(|(name, path)| name.starts_with(&prefix) && !is_old(path, self.policy.unused))
        })
    }

    /// Machine code that was not loaded for long. It can be made again.
    pub(crate) fn compiled(&self, report: &mut Cleaned) {
        let (removed, problems) = self.take_from(&self.places.compiled, |name, path| {
            name.strip_suffix(".cwasm").is_some() && is_old(path, self.policy.unused)
        });
        report.compiled_components = removed;
        note(report, "machine code was not removed", problems);
    }

    /// Installed dependencies that no tree shows and nobody installed for long.
    pub(crate) fn dependencies(&self, report: &mut Cleaned) {
        let mut shown = BTreeSet::new();
        for trees in [&self.places.trees, &self.places.previews] {
            gencode_sandbox::shown_dependencies(trees, &mut shown);
        }
        let cached = match gencode_sandbox::cached_dependencies(&self.places.dependencies) {
            Ok(cached) => cached,
            Err(error) => return report.problem("the dependencies cannot be listed", error),
        };
        for entry in cached {
            let age = SystemTime::now().duration_since(entry.used).unwrap_or_default();
            if shown.contains(&entry.path) || age < self.policy.unused {
                continue;
            }
            let bytes = size_of(&entry.path);
            if !self.dry_run {
                match gencode_sandbox::remove_dependencies(&entry.path, self.policy.unused) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(error) => {
                        report.problem("installed dependencies were not removed", error);
                        continue;
                    }
                }
            }
            report.dependencies.add(bytes);
        }
    }
}

/// Whether the process of a preview lives: it holds a lock on its record.
fn is_running(previews: &Path, project: &str) -> bool {
    let Ok(record) = File::open(previews.join(format!("{project}.json"))) else { return false };
    record.try_lock_shared().is_err()
}

fn note(report: &mut Cleaned, what: &str, problems: Vec<io::Error>) {
    for error in problems {
        report.problem(what, error);
    }
}
