//! Taking installed dependencies away again, beside hosts that install.
//!
//! Whoever takes an entry from the cache first sets its marker's time of change and then looks
//! whether the entry is still there ([`use_entry`]). Whoever removes one first moves it aside and
//! then looks at that time ([`remove_dependencies`]). So one of the two sees the other.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::install::{LINKED, MARKER};

/// How deep below the folder of all trees a lock file's folder is looked for.
const DEPTH: usize = 6;

/// How an entry is called while it is being removed.
const GONE: &str = "gone";

/// An entry of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedDependencies {
    pub path: PathBuf,
    /// When it was last installed into a tree.
    pub used: SystemTime,
}

/// Takes note that an entry is used now. False when there is none that is whole.
pub(crate) fn use_entry(entry: &Path) -> io::Result<bool> {
    let marker = entry.join(MARKER);
    match File::options().append(true).open(&marker) {
        Ok(file) => file.set_modified(SystemTime::now())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    marker.try_exists()
}

fn used(entry: &Path) -> io::Result<SystemTime> {
    match fs::metadata(entry.join(MARKER)) {
        Ok(marker) => marker.modified(),
        // Never finished.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(entry)?.modified(),
        Err(error) => Err(error),
    }
}

/// All entries of the cache, and what a removal that was cut off left.
pub fn cached_dependencies(cache: &Path) -> io::Result<Vec<CachedDependencies>> {
    let listed = match fs::read_dir(cache) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with("python-") || name.starts_with("node-");
        if ours
            && entry.file_type()?.is_dir()
            && let Ok(used) = used(&entry.path())
        {
            entries.push(CachedDependencies { path: entry.path(), used });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Adds the entries that trees below a folder show.
pub fn shown_dependencies(trees: &Path, shown: &mut BTreeSet<PathBuf>) {
    let mut todo = vec![(trees.to_path_buf(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        if let Ok(venv) = fs::read_link(folder.join(".venv"))
            && let Some(entry) = venv.parent()
        {
            shown.insert(entry.to_path_buf());
        }
        if let Ok(entry) = fs::read_to_string(folder.join("node_modules").join(LINKED)) {
            shown.insert(PathBuf::from(entry));
        }
        if depth == DEPTH {
            continue;
        }
        let Ok(inner) = fs::read_dir(&folder) else { continue };
        for entry in inner.flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && entry.file_name() != "node_modules" {
                todo.push((entry.path(), depth + 1));
            }
        }
    }
}

/// Removes an entry that was not used for so long. False when it was, or someone builds it just now.
pub fn remove_dependencies(entry: &Path, unused: Duration) -> io::Result<bool> {
    let aside = entry.with_extension(GONE);
    if entry == aside {
        return fs::remove_dir_all(entry).map(|()| true);
    }
    // Held to the end: nobody builds the entry meanwhile.
    let lock = File::options().create(true).append(true).open(entry.with_extension("lock"))?;
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    if aside.try_exists()? {
        fs::remove_dir_all(&aside)?;
    }
    fs::rename(entry, &aside)?;
    let age = SystemTime::now().duration_since(used(&aside)?);
    if age.is_ok_and(|age| age >= unused) {
        return fs::remove_dir_all(&aside).map(|()| true);
    }
    fs::rename(&aside, entry).map(|()| false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTH: Duration = Duration::from_hours(30 * 24);

    fn entry(cache: &Path, name: &str, age: Duration) -> PathBuf {
        let path = cache.join(name);
        fs::create_dir_all(path.join("venv/bin")).unwrap();
        let marker = File::create(path.join(MARKER)).unwrap();
        marker.set_modified(SystemTime::now() - age).unwrap();
        path
    }

    #[test]
    fn only_what_was_not_used_for_long_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        let old = entry(cache.path(), "python-old", 2 * MONTH);
        let young = entry(cache.path(), "node-young", Duration::ZERO);
        let listed = cached_dependencies(cache.path()).unwrap();
        assert_eq!(listed.len(), 2);
        assert!(!remove_dependencies(&young, MONTH).unwrap());
        assert!(young.join("venv/bin").is_dir(), "it is back as it was");
        assert!(remove_dependencies(&old, MONTH).unwrap());
        assert_eq!(cached_dependencies(cache.path()).unwrap().len(), 1);
        assert!(!use_entry(&old).unwrap());
    }

    #[test]
    fn what_was_just_used_or_is_being_built_stays() {
        let cache = tempfile::tempdir().unwrap();
        let path = entry(cache.path(), "python-one", 2 * MONTH);
        let lock = File::create(path.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        assert!(!remove_dependencies(&path, MONTH).unwrap());
        drop(lock);
        assert!(use_entry(&path).unwrap());
        assert!(!remove_dependencies(&path, MONTH).unwrap());
        assert!(path.join(MARKER).is_file());
    }

    #[test]
    fn what_trees_show_is_found() {
        let base = tempfile::tempdir().unwrap();
        let tree = base.path().join("trees/run/step");
        fs::create_dir_all(tree.join("backend")).unwrap();
        fs::create_dir_all(tree.join("frontend/node_modules/x")).unwrap();
        std::os::unix::fs::symlink("/cache/python-1/venv", tree.join("backend/.venv")).unwrap();
        fs::write(tree.join("frontend/node_modules").join(LINKED), "/cache/node-2").unwrap();
        let mut shown = BTreeSet::new();
        shown_dependencies(&base.path().join("trees"), &mut shown);
        let wanted = ["/cache/node-2", "/cache/python-1"].map(PathBuf::from);
        assert_eq!(shown, wanted.into());
    }
}
