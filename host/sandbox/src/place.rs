//! Where a program runs: its folder, its home, its environment and what it may see.

use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use crate::{SandboxError, blocking, error::Doing as _, tools::Toolchains};

/// What every program may read and run. What a system does not have is left out.
///
/// Of `/etc` only what programs ask for by name: the host may be root, and secrets lie beside.
pub(crate) const READABLE: [&str; 44] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/proc",
    "/sys/devices/system/cpu",
    "/var/cache/fontconfig",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/chromium",
    "/etc/chromium.d",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/locale.alias",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/opt/chrome",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pip.conf",
    "/etc/pki",
    "/etc/protocols",
    "/etc/python3",
    "/etc/python3.11",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
    "/etc/xdg/pip",
    "/run/current-system/sw",
];

/// Devices that hold nothing.
pub(crate) const DEVICES: [&str; 5] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// A folder of a tree, checked, with a fresh home beside the tree.
pub(crate) struct Place {
    /// The tree, with every link followed.
    pub(crate) tree: PathBuf,
    /// The folder inside it.
    pub(crate) cwd: PathBuf,
    /// Beside the tree, so that it is on the same disk and goes away with it.
    pub(crate) home: TempDir,
}

impl Place {
    /// Checks that `cwd` is a folder inside the tree, links included.
    pub(crate) async fn find(tree: &Path, cwd: &str) -> Result<Self, SandboxError> {
        let (tree, cwd) = (tree.to_path_buf(), cwd.to_owned());
        blocking::run(move || {
            let tree =
                tree.canonicalize().doing(|| format!("find the tree `{}`", tree.display()))?;
            let cwd = folder_inside(&tree, &cwd)?;
            let home = home_beside(&tree)?;
            Ok(Self { tree, cwd, home })
        })
        .await
    }

    /// The environment of a program here, `more` last.
    pub(crate) fn environment(
        &self,
        tools: &Toolchains,
        private_root: bool,
        more: &[(String, String)],
    ) -> Vec<(String, String)> {
        let mut path = Vec::new();
        for folder in self.cwd.ancestors().take_while(|folder| folder.starts_with(&self.tree)) {
            path.push(folder.join(".venv/bin"));
            path.push(folder.join("node_modules/.bin"));
        }
        path.extend(tools.folders());
        environment(self.home.path(), path, private_root, more)
    }
}

/// The environment of any program: nothing of the host's.
pub(crate) fn environment(
    home: &Path,
    mut path: Vec<PathBuf>,
    private_root: bool,
    more: &[(String, String)],
) -> Vec<(String, String)> {
    path.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
    let path: Vec<String> =
        path.iter().map(|folder| folder.to_string_lossy().into_owned()).collect();
    let home = home.to_string_lossy();
    // The same folder under two names; the short one leaves room for socket names.
    let temporary = if private_root { "/tmp".to_owned() } else { format!("{home}/tmp") };
    let mut all: Vec<(String, String)> = [
        ("PATH", path.join(":").as_str()),
        ("HOME", &home),
        ("TMPDIR", &temporary),
        ("USER", "gencode"),
        ("LOGNAME", "gencode"),
        ("LANG", "C.UTF-8"),
        ("CI", "1"),
        ("NO_COLOR", "1"),
        ("TERM", "dumb"),
        // What a server wrote before it died must be readable.
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONNOUSERSITE", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for (name, value) in more {
        all.retain(|(known, _)| known != name);
        all.push((name.clone(), value.clone()));
    }
    all
}

/// A folder of the tree by its relative name. The tree's path must be without links.
pub(crate) fn folder_inside(tree: &Path, name: &str) -> Result<PathBuf, SandboxError> {
    let outside = || SandboxError::Invalid(format!("`{name}` is not a folder inside the tree"));
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(name).components().all(plain) {
        return Err(outside());
    }
    let folder = tree.join(name).canonicalize().map_err(|_| outside())?;
    if folder.starts_with(tree) && folder.is_dir() { Ok(folder) } else { Err(outside()) }
}

/// How the names of home folders beside a tree begin.
pub(crate) fn home_prefix(tree: &Path) -> String {
    format!(".{}-home-", tree.file_name().unwrap_or_default().to_string_lossy())
}

/// A new home folder beside a tree.
pub(crate) fn home_beside(tree: &Path) -> Result<TempDir, SandboxError> {
    let beside = tree.parent().unwrap_or(tree);
    let home = tempfile::Builder::new()
        .prefix(&home_prefix(tree))
        .tempdir_in(beside)
        .doing(|| format!("make a folder in `{}`", beside.display()))?;
    std::fs::create_dir(home.path().join("tmp"))
        .doing(|| format!("make a folder in `{}`", home.path().display()))?;
    Ok(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_outside_the_tree_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let tree = base.join("tree");
        std::fs::create_dir_all(tree.join("inner")).unwrap();
        std::fs::create_dir(base.join("tree-2")).unwrap();
        std::os::unix::fs::symlink("/etc", tree.join("leak")).unwrap();
        std::os::unix::fs::symlink("../tree-2", tree.join("twin")).unwrap();
        std::fs::write(tree.join("file"), "").unwrap();
        for name in ["..", "inner/../..", "/etc", "leak", "twin", "file", "missing"] {
            assert!(folder_inside(&tree, name).is_err(), "{name}");
        }
        assert_eq!(folder_inside(&tree, "").unwrap(), tree);
        assert_eq!(folder_inside(&tree, "inner").unwrap(), tree.join("inner"));
    }

    #[test]
    fn a_commands_own_variables_win() {
        let home = Path::new("/home-1");
        let all = environment(home, vec!["/first".into()], false, &[("CI".into(), "0".into())]);
        let value = |name: &str| {
            let found: Vec<_> = all.iter().filter(|(known, _)| known == name).collect();
            assert_eq!(found.len(), 1, "{name}");
            found[0].1.clone()
        };
        assert_eq!(value("CI"), "0");
        assert_eq!(value("TMPDIR"), "/home-1/tmp");
        assert!(value("PATH").starts_with("/first:/usr/local/bin:"));
    }
}
