//! Dependencies, installed once per lock file and shared by every tree that has the same one.
//!
//! An entry of the cache is built where it stays, because a virtual environment cannot be moved.
//! It counts only when its marker is there, which is written last; what a crash left without one
//! is removed by the next who wants it. A file lock lets one process build while others wait.
//!
//! An install runs no code of a package (`--only-binary :all:`, `--ignore-scripts`): it is the one
//! phase with a network, and its downloads are shared.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    Ecosystem, ExecResult, Launch, Sandbox, SandboxError, blocking, error::Doing as _, place,
    protocol::Network, tail::last_lines,
};

/// A cold install of a large front end over a slow line takes minutes.
const LIMIT: Duration = Duration::from_mins(10);

/// Part of every key: raised when entries are built differently.
const FORMAT: &str = "1";

/// Written last into a finished entry.
pub(crate) const MARKER: &str = ".complete";

/// In a `node_modules` folder that this module made: the entry it shows.
pub(crate) const LINKED: &str = ".gencode-entry";

/// A lock file is never larger.
const MAX_LOCK_BYTES: u64 = 16 << 20;

impl Sandbox {
    /// Installs what the lock file in `dir` (inside the tree) names, from the cache where
    /// possible, and links it into the tree: `.venv` or `node_modules` beside the lock file.
    pub async fn install(
        &self,
        tree: &Path,
        ecosystem: Ecosystem,
        dir: &str,
    ) -> Result<ExecResult, SandboxError> {
        let started = Instant::now();
        let order = match ecosystem {
            Ecosystem::Python => self.python_order().await?,
            Ecosystem::Node => self.node_order().await?,
        };
        let (tree, dir) = (tree.to_path_buf(), dir.to_owned());
        let sources = blocking::run(move || Sources::read(ecosystem, &tree, &dir)).await?;
        let cache = &self.0.config.cache_dir;
        let entry = Entry::new(cache, ecosystem, &order.version, &sources);
        let mut result = if entry.is_complete().await {
            from_cache()
        } else {
            self.fill(&entry, &order, &sources).await?
        };
        if result.succeeded() {
            let folder = sources.folder.clone();
            blocking::run(move || entry.link_into(&folder)).await?;
        }
        result.duration = started.elapsed();
        Ok(result)
    }

    async fn python_order(&self) -> Result<Order, SandboxError> {
        let python = self.0.tools.python().await?;
        let program = crate::process::text_of(&python.program)?;
        let venv = |path: &str| path.to_owned();
        let pip = [
            "venv/bin/python",
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--only-binary",
            ":all:",
            "-r",
            "requirements.lock",
        ];
        Ok(Order {
            // The environment leads to this very program, so its path belongs to the key.
            version: format!("{} {program}", python.version),
            steps: vec![
                vec![program, "-m".into(), "venv".into(), venv("venv")],
                pip.map(str::to_owned).to_vec(),
            ],
            folders: python.program.parent().map(Path::to_path_buf).into_iter().collect(),
            roots: python.roots.clone(),
        })
    }

    async fn node_order(&self) -> Result<Order, SandboxError> {
        let node = self.0.tools.node().await?;
        let mut npm = node.npm.clone();
        npm.extend(
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
                .map(str::to_owned),
        );
        Ok(Order {
            version: node.node.version.clone(),
            steps: vec![npm],
            folders: node.node.program.parent().map(Path::to_path_buf).into_iter().collect(),
            roots: node.node.roots.clone(),
        })
    }

    /// Builds an entry, or waits for another process that does.
    async fn fill(
        &self,
        entry: &Entry,
        order: &Order,
        sources: &Sources,
    ) -> Result<ExecResult, SandboxError> {
        let _lock = entry.lock().await?;
        if entry.is_complete().await {
            return Ok(from_cache());
        }
        let (path, files) = (entry.path.clone(), sources.files.clone());
        blocking::run(move || start_entry(&path, &files)).await?;
        let mut result = from_cache();
        for step in &order.steps {
            result = self.install_step(entry, order, step).await?;
            if !result.succeeded() {
                explain(&mut result);
                return Ok(result);
            }
        }
        let path = entry.path.clone();
        blocking::run(move || finish_entry(&path)).await?;
        Ok(result)
    }

    /// Runs one program of a package manager, with the network and the operator's settings for it.
    async fn install_step(
        &self,
        entry: &Entry,
        order: &Order,
        argv: &[String],
    ) -> Result<ExecResult, SandboxError> {
        let cache = self.0.config.cache_dir.clone();
        let parent = entry.path.clone();
        let home = blocking::run(move || place::home_beside(&parent)).await?;
        let downloads = cache.join("downloads");
        let (settings, mut readable) = settings(&self.0.config.pass_env, &downloads);
        readable.extend(order.roots.iter().cloned());
        let private_root = self.0.private_root;
        let env = place::environment(home.path(), order.folders.clone(), private_root, &settings);
        let launch = Launch {
            argv: argv.to_vec(),
            cwd: entry.path.clone(),
            env,
            network: Network::Full,
            readable,
            writable: vec![entry.path.clone(), downloads],
            home,
            limit: Some(LIMIT),
        };
        self.run(launch, LIMIT).await
    }
}

/// How to build an entry.
struct Order {
    version: String,
    steps: Vec<Vec<String>>,
    /// Folders of the toolchain's programs.
    folders: Vec<PathBuf>,
    roots: Vec<PathBuf>,
}

/// What the tree asks for.
struct Sources {
    /// The folder of the lock file, with every link followed.
    folder: PathBuf,
    /// Files to build from, by name.
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Sources {
    fn read(ecosystem: Ecosystem, tree: &Path, dir: &str) -> Result<Self, SandboxError> {
        let tree = tree.canonicalize().doing(|| format!("find the tree `{}`", tree.display()))?;
        let folder = place::folder_inside(&tree, dir)?;
        let files = match ecosystem {
            Ecosystem::Python => {
                vec![("requirements.lock", read_source(&folder, "requirements.lock")?)]
            }
            Ecosystem::Node => vec![
                ("package-lock.json", read_source(&folder, "package-lock.json")?),
                ("package.json", dependencies(&read_source(&folder, "package.json")?)?),
            ],
        };
        Ok(Self { folder, files })
    }
}

fn read_source(folder: &Path, name: &str) -> Result<Vec<u8>, SandboxError> {
    let path = folder.join(name);
    let missing = |_| SandboxError::Invalid(format!("there is no file `{name}` to install from"));
    // A link could lead to a file of the host.
    let about = fs::symlink_metadata(&path).map_err(missing)?;
    if !about.is_file() || about.len() > MAX_LOCK_BYTES {
        return Err(SandboxError::Invalid(format!("`{name}` is not a file of at most 16 MiB")));
    }
    fs::read(&path).doing(|| format!("read `{}`", path.display()))
}

/// The part of `package.json` that `npm ci` compares with the lock file, so that a changed script
/// does not cost an install.
fn dependencies(package: &[u8]) -> Result<Vec<u8>, SandboxError> {
    let unreadable =
        |err| SandboxError::Invalid(format!("`package.json` is not a JSON object: {err}"));
    let whole: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(package).map_err(unreadable)?;
    let kept = whole.into_iter().filter(|(key, _)| {
        ["name", "version", "overrides"].contains(&key.as_str()) || key.ends_with("ependencies")
    });
    let kept: serde_json::Map<_, _> = kept.collect();
    serde_json::to_vec(&kept).map_err(unreadable)
}

/// One installed set of dependencies.
#[derive(Clone)]
struct Entry {
    ecosystem: Ecosystem,
    path: PathBuf,
}

impl Entry {
    fn new(cache: &Path, ecosystem: Ecosystem, version: &str, sources: &Sources) -> Self {
        let mut hash = blake3::Hasher::new();
        for part in [FORMAT, version, std::env::consts::ARCH] {
            hash.update(part.as_bytes()).update(b"\0");
        }
        for (name, content) in &sources.files {
            hash.update(name.as_bytes()).update(b"\0");
            hash.update(&content.len().to_le_bytes()).update(content);
        }
        let name = match ecosystem {
            Ecosystem::Python => "python",
            Ecosystem::Node => "node",
        };
        let key: String = hash.finalize().to_hex().chars().take(32).collect();
        Self { ecosystem, path: cache.join(format!("{name}-{key}")) }
    }

    /// Whether it is whole. If so, nobody takes it away for a while.
    async fn is_complete(&self) -> bool {
        let path = self.path.clone();
        let used = blocking::run(move || {
            crate::cached::use_entry(&path).doing(|| format!("use `{}`", path.display()))
        });
        used.await.unwrap_or(false)
    }

    /// Waits until no other process builds this entry. The kernel lets go of the lock of a process
    /// that dies.
    async fn lock(&self) -> Result<File, SandboxError> {
        let path = self.path.with_extension("lock");
        let problem = || format!("lock `{}`", path.display());
        let file = File::options().create(true).append(true).open(&path).doing(problem)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(TryLockError::Error(err)) => return Err(err).doing(problem),
            }
        }
    }

    /// Shows the entry in the folder of the lock file.
    fn link_into(&self, folder: &Path) -> Result<(), SandboxError> {
        let (name, linked) = match self.ecosystem {
            Ecosystem::Python => (".venv", link(&self.path.join("venv"), &folder.join(".venv"))),
            Ecosystem::Node => ("node_modules", self.link_modules(&folder.join("node_modules"))),
        };
        linked.doing(|| format!("link the installed packages to `{}`", folder.join(name).display()))
    }

    /// A folder of links, not a link: bundlers write beside the packages (`node_modules/.vite`),
    /// and one project must not write for another.
    fn link_modules(&self, target: &Path) -> io::Result<()> {
        let mark = self.path.as_os_str().as_encoded_bytes();
        match fs::read(target.join(LINKED)) {
            Ok(linked) if linked == mark => return Ok(()),
            Ok(_) => fs::remove_dir_all(target)?,
            Err(_) if fs::symlink_metadata(target).is_ok() => {
                return Err(io::Error::other("something else is there"));
            }
            Err(_) => {}
        }
        let beside = target.with_extension("partial");
        if fs::symlink_metadata(&beside).is_ok() {
            fs::remove_dir_all(&beside)?;
        }
        fs::create_dir(&beside)?;
        for package in fs::read_dir(self.path.join("node_modules"))? {
            let package = package?;
            symlink(package.path(), beside.join(package.file_name()))?;
        }
        fs::write(beside.join(LINKED), mark)?;
        fs::rename(&beside, target)
    }
}

/// Makes or replaces a link, in one step.
fn link(source: &Path, target: &Path) -> io::Result<()> {
    if fs::symlink_metadata(target).is_ok_and(|about| !about.is_symlink()) {
        return Err(io::Error::other("something else is there"));
    }
    if fs::read_link(target).is_ok_and(|present| present == source) {
        return Ok(());
    }
    let beside = target.with_extension("partial");
    if fs::symlink_metadata(&beside).is_ok() {
        fs::remove_file(&beside)?;
    }
    symlink(source, &beside)?;
    fs::rename(&beside, target)
}

/// Removes what a crash left and puts the files there that the entry is built from.
fn start_entry(path: &Path, files: &[(&'static str, Vec<u8>)]) -> Result<(), SandboxError> {
    let problem = || format!("prepare `{}`", path.display());
    if path.exists() {
        fs::remove_dir_all(path).doing(problem)?;
    }
    fs::create_dir(path).doing(problem)?;
    if let Some(cache) = path.parent() {
        fs::create_dir_all(cache.join("downloads")).doing(problem)?;
        let homes = place::home_prefix(path);
        for other in fs::read_dir(cache).doing(problem)? {
            let other = other.doing(problem)?;
            if other.file_name().to_string_lossy().starts_with(&homes) {
                fs::remove_dir_all(other.path()).doing(problem)?;
            }
        }
    }
    for (name, content) in files {
        fs::write(path.join(name), content).doing(problem)?;
    }
    Ok(())
}

/// Marks an entry as whole, after a `package-lock.json` without packages made no folder.
fn finish_entry(path: &Path) -> Result<(), SandboxError> {
    let problem = || format!("finish `{}`", path.display());
    if path.join("package-lock.json").exists() {
        fs::create_dir_all(path.join("node_modules")).doing(problem)?;
    }
    let mut marker = File::create(path.join(MARKER)).doing(problem)?;
    marker.write_all(FORMAT.as_bytes()).and_then(|()| marker.sync_all()).doing(problem)
}

fn from_cache() -> ExecResult {
    ExecResult {
        exit_code: 0,
        stdout: "installed before, taken from the cache\n".to_owned(),
        stderr: String::new(),
        timed_out: false,
        duration: Duration::ZERO,
    }
}

/// What the operator set for package managers, and the files that those settings name.
fn settings(
    pass_env: &[(String, String)],
    downloads: &Path,
) -> (Vec<(String, String)>, Vec<PathBuf>) {
    let mut env: Vec<(String, String)> = Vec::new();
    let mut readable = Vec::new();
    let mut set = |name: &str, path: PathBuf| {
        env.push((name.to_owned(), path.to_string_lossy().into_owned()));
    };
    set("PIP_CACHE_DIR", downloads.join("pip"));
    set("npm_config_cache", downloads.join("npm"));
    // The real home stays out of sight but for these settings.
    let home = pass_env.iter().find(|(name, _)| name == "HOME").map(|(_, home)| Path::new(home));
    if let Some(home) = home {
        for (name, file) in
            [("npm_config_userconfig", ".npmrc"), ("PIP_CONFIG_FILE", ".config/pip/pip.conf")]
        {
            if home.join(file).is_file() {
                set(name, home.join(file));
                readable.push(home.join(file));
            }
        }
    }
    for (name, value) in pass_env.iter().filter(|(name, _)| name != "HOME" && name != "PATH") {
        let named = value.split([':', ' ']).map(Path::new);
        readable.extend(
            named
                .filter(|path| path.is_absolute() && path.parent().is_some())
                .map(Path::to_path_buf),
        );
        env.push((name.clone(), value.clone()));
    }
    (env, readable)
}

/// Says first what a person would look for: whether the registry was reached at all.
fn explain(result: &mut ExecResult) {
    const SIGNS: [&str; 12] = [
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "ENETUNREACH",
        "NewConnectionError",
        "Name or service not known",
        "Temporary failure in name resolution",
        "Network is unreachable",
        "Connection refused",
        "Read timed out",
    ];
    let whole = format!("{}\n{}", result.stdout, result.stderr);
    let unreachable = SIGNS.iter().any(|sign| whole.contains(sign));
    let what = match (result.timed_out, unreachable) {
        (true, _) => "the install took longer than 10 minutes",
        (false, true) => "the package registry could not be reached",
        (false, false) => "the install failed",
    };
    let end = last_lines(&result.stderr, 20);
    let end = if end.is_empty() { last_lines(&result.stdout, 20) } else { end };
    result.stderr = format!("{what}:\n{end}\n");
}
