//! What all of housekeeping does with files.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Bytes a file or folder takes on the disk. Links are not followed; what vanishes meanwhile or
/// cannot be read counts as nothing.
pub fn size_of(path: &Path) -> u64 {
    let mut bytes: u64 = 0;
    let mut todo = vec![path.to_path_buf()];
    while let Some(path) = todo.pop() {
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        bytes = bytes.saturating_add(about.blocks().saturating_mul(512));
        if about.is_dir()
            && let Ok(entries) = fs::read_dir(&path)
        {
            todo.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    bytes
}

/// Says that a file that is there is about to be needed. False when it is not there.
pub fn make_young(file: &Path) -> io::Result<bool> {
    let opened = match File::options().append(true).open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    opened.set_modified(SystemTime::now())?;
    // It may have been taken away in between.
    file.try_exists()
}

/// Whether nobody made it young for a while. What cannot be asked is young.
pub(crate) fn is_old(path: &Path, grace: Duration) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|about| about.modified());
    modified.is_ok_and(|modified| {
        SystemTime::now().duration_since(modified).is_ok_and(|age| age >= grace)
    })
}

/// Names in a folder. A folder that is not there is empty.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in listed {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.path()));
        }
    }
    names.sort();
    Ok(names)
}

/// Removes a file or folder; gone already is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_young_is_no_longer_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(!make_young(&file).unwrap());
        fs::write(&file, "x").unwrap();
        let hour = Duration::from_hours(1);
        let long_ago = SystemTime::now() - 2 * hour;
        File::options().append(true).open(&file).unwrap().set_modified(long_ago).unwrap();
        assert!(is_old(&file, hour));
        assert!(make_young(&file).unwrap());
        assert!(!is_old(&file, hour));
        assert!(!is_old(&folder.path().join("missing"), Duration::ZERO));
    }
}
