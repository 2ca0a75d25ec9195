//! Finding the toolchains of the operator.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{sync::OnceCell, time::timeout};

use crate::{SandboxConfig, SandboxError, Tool};

/// A version question that takes longer has no answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Names under which a Python may be found, the usual one first.
const PYTHONS: [&str; 6] =
    ["python3", "python3.13", "python3.12", "python3.11", "python3.14", "python"];

const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A program, what it belongs to, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// The program itself, not a shim.
    pub(crate) program: PathBuf,
    pub(crate) version: String,
    /// Folders that a program needs to read to use it.
    pub(crate) roots: Vec<PathBuf>,
}

/// Node and npm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) node: Installed,
    /// What to run for `npm`.
    pub(crate) npm: Vec<String>,
}

/// The toolchains found so far. What is missing is looked for again at the next question, so that
/// installing it helps at once.
#[derive(Debug)]
pub(crate) struct Tools {
    path: Vec<PathBuf>,
    env: Vec<(String, String)>,
    browser_override: Option<PathBuf>,
    python: OnceCell<Installed>,
    node: OnceCell<Node>,
    browser: OnceCell<Installed>,
    seen: OnceCell<Toolchains>,
}

/// What programs in a tree may use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Toolchains(Vec<Installed>);

impl Toolchains {
    /// Folders to search for programs.
    pub(crate) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.0.iter().filter_map(|tool| tool.program.parent().map(Path::to_path_buf))
    }

    /// Folders to read.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().flat_map(|tool| &tool.roots).map(PathBuf::as_path)
    }
}

impl Tools {
    pub(crate) fn new(config: &SandboxConfig) -> Self {
        let path = config.pass_env.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or("/usr/local/bin:/usr/bin:/bin", |(_, value)| value.as_str());
        Self {
            path: path
                .split(':')
                .filter(|folder| folder.starts_with('/'))
                .map(PathBuf::from)
                .collect(),
            env: config.pass_env.clone(),
            browser_override: config.browser.clone(),
            python: OnceCell::new(),
            node: OnceCell::new(),
            browser: OnceCell::new(),
            seen: OnceCell::new(),
        }
    }

    /// The version of a tool, or what to install.
    pub(crate) async fn version(&self, tool: Tool) -> Result<String, SandboxError> {
        Ok(match tool {
            Tool::Python => self.python().await?.version.clone(),
            Tool::Node => self.node().await?.node.version.clone(),
            Tool::Browser => self.browser().await?.version.clone(),
        })
    }

    /// The toolchains that are there. Neither has to be. Kept once both were found.
    pub(crate) async fn present(&self) -> Toolchains {
        if let Some(seen) = self.seen.get() {
            return seen.clone();
        }
        let (python, node) = tokio::join!(self.python(), self.node());
        let found = Toolchains(
            python.ok().into_iter().chain(node.ok().map(|node| &node.node)).cloned().collect(),
        );
        if found.0.len() == 2 {
            self.seen.get_or_init(|| async { found.clone() }).await.clone()
        } else {
            found
        }
    }

    pub(crate) async fn python(&self) -> Result<&Installed, SandboxError> {
        self.python.get_or_try_init(|| self.find_python()).await
    }

    pub(crate) async fn node(&self) -> Result<&Node, SandboxError> {
        self.node.get_or_try_init(|| self.find_node()).await
    }

    pub(crate) async fn browser(&self) -> Result<&Installed, SandboxError> {
        self.browser.get_or_try_init(|| self.find_browser()).await
    }

    async fn find_python(&self) -> Result<Installed, SandboxError> {
        const QUESTION: &str = "import platform, sys; print(platform.python_version(), getattr(sys, '_base_executable', sys.executable), sys.base_prefix, sep='\\n')";
        let mut too_old = None;
        for program in PYTHONS.iter().filter_map(|name| self.which(name)) {
            let Some(answer) = self.ask(&program, &["-I", "-c", QUESTION]).await else { continue };
            let mut lines = answer.lines();
            let (Some(version), Some(program), Some(prefix)) =
                (lines.next(), lines.next(), lines.next())
            else {
                continue;
            };
            if numbers(version) < [3, 11] {
                too_old.get_or_insert_with(|| version.to_owned());
                continue;
            }
            return Ok(Installed {
                program: PathBuf::from(program),
                version: version.to_owned(),
                roots: vec![PathBuf::from(prefix)],
            });
        }
        Err(missing(
            "Python 3.11 or newer",
            too_old,
            "on Debian `apt-get install python3 python3-venv`",
        ))
    }

    async fn find_node(&self) -> Result<Node, SandboxError> {
        const HINT: &str = "from https://nodejs.org, or on Debian 13 `apt-get install nodejs npm`";
        let mut too_old = None;
        if let Some(found) = self.which("node") {
            let question = "process.version.slice(1) + '\\n' + process.execPath";
            let answer = self.ask(&found, &["-p", question]).await.unwrap_or_default();
            if let Some((version, program)) = answer.trim().split_once('\n') {
                if numbers(version) >= [20, 0] {
                    return self.with_npm(version, PathBuf::from(program)).await;
                }
                too_old = Some(version.to_owned());
            }
        }
        Err(missing("Node 20 or newer", too_old, HINT))
    }

    /// npm is a script of its own package: run with the same Node, whatever is first on `PATH`.
    async fn with_npm(&self, version: &str, program: PathBuf) -> Result<Node, SandboxError> {
        let beside = program.parent().map(|folder| folder.join("npm"));
        let npm = beside.filter(|npm| npm.exists()).or_else(|| self.which("npm"));
        let npm = match npm {
            Some(npm) => tokio::fs::canonicalize(npm).await.ok(),
            None => None,
        };
        let Some(npm) = npm else {
            return Err(missing(
                "npm",
                None,
                "it comes with Node from https://nodejs.org, or on Debian `apt-get install npm`",
            ));
        };
        let mut roots = Vec::new();
        match program.parent().filter(|folder| folder.ends_with("bin")).and_then(Path::parent) {
            Some(prefix) => roots.push(prefix.to_path_buf()),
            None => roots.push(program.clone()),
        }
        roots.extend(npm.ancestors().find(|folder| folder.ends_with("npm")).map(Path::to_path_buf));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let script = npm.extension().is_some_and(|extension| extension == "js");
        let npm = if script { vec![text(&program), text(&npm)] } else { vec![text(&npm)] };
        Ok(Node { node: Installed { program, version: version.to_owned(), roots }, npm })
    }

    async fn find_browser(&self) -> Result<Installed, SandboxError> {
        let found = match &self.browser_override {
            Some(program) => vec![program.clone()],
            None => BROWSERS.iter().filter_map(|name| self.which(name)).collect(),
        };
        for program in found {
            let Some(answer) = self.ask(&program, &["--version"]).await else { continue };
            let Some(version) = answer
                .split_whitespace()
                .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            else {
                continue;
            };
            // Beside a browser that was unpacked somewhere lies all that it needs.
            let folder =
                program.canonicalize().ok().and_then(|real| real.parent().map(Path::to_path_buf));
            return Ok(Installed {
                program,
                version: version.to_owned(),
                roots: folder.into_iter().filter(|folder| folder.parent().is_some()).collect(),
            });
        }
        Err(missing("a browser", None, "Chromium or Chrome, on Debian `apt-get install chromium`"))
    }

    fn which(&self, name: &str) -> Option<PathBuf> {
        self.path.iter().map(|folder| folder.join(name)).find(|program| program.is_file())
    }

    /// Runs one of the operator's own programs, with the operator's environment, for a line or two.
    async fn ask(&self, program: &Path, arguments: &[&str]) -> Option<String> {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stderr(Stdio::null()).current_dir("/").kill_on_drop(true);
        let output = timeout(DEADLINE, command.output()).await.ok()?.ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn missing(what: &str, too_old: Option<String>, how: &str) -> SandboxError {
    let found = too_old.map_or_else(String::new, |version| format!(" (found {version})"));
    SandboxError::Unavailable(format!("{what} is needed{found}: install it, {how}"))
}

/// The first two numbers of a version.
fn numbers(version: &str) -> [u32; 2] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("3.9.2") < [3, 11]);
        assert!(numbers("3.11.2") >= [3, 11]);
        assert!(numbers("3.14.0rc1") >= [3, 11]);
        assert!(numbers("18.20.1") < [20, 0]);
        assert!(numbers("") < [3, 11]);
    }

    #[test]
    fn a_missing_tool_names_what_to_install() {
        let sentence =
            missing("Node 20 or newer", Some("18.1.0".into()), "from its site").to_string();
        assert_eq!(
            sentence,
            "Node 20 or newer is needed (found 18.1.0): install it, from its site"
        );
    }
}
