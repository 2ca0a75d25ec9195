//! Boots what users run, and can kill and restart it on what it left behind.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::postgres::Postgres;

/// The binary under test.
pub(crate) const GENCODE: &str = env!("CARGO_BIN_EXE_gencode");

/// Longest wait for anything but a whole run.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// Longest wait for a whole run with cold caches on a busy machine.
pub(crate) const RUN: Duration = Duration::from_mins(15);

/// Root of the repository.
pub(crate) fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Folder of the core components, built from the source as it is now.
pub(crate) async fn plugins() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    static BUILDING: Mutex<()> = Mutex::const_new(());
    let _building = BUILDING.lock().await;
    if let Some(folder) = BUILT.get() {
        return folder;
    }
    let folder = repo().join("target/plugins");
    let built = Command::new(GENCODE)
        .args(["plugin", "build", "plugins", "--out"])
        .arg(&folder)
        .current_dir(repo())
        .output()
        .await
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    BUILT.get_or_init(|| folder)
}

/// Caches that runs may share: compiled components and installed dependencies.
pub(crate) fn shared_cache() -> PathBuf {
    repo().join("target/test-cache")
}

/// Where a host keeps what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A data folder of a test's own, with shared caches in it, and what hosts on it are told.
pub(crate) struct Data {
    pub(crate) dir: TempDir,
    /// Address of the PostgreSQL database; none with SQLite.
    pub(crate) database: Option<String>,
    /// Components of its hosts, if not the core ones.
    pub(crate) plugins: Option<PathBuf>,
    /// More variables of the environment of its hosts.
    pub(crate) env: Vec<(String, String)>,
}

impl Data {
    /// With SQLite.
    pub(crate) fn new() -> Self {
        Self::on(Backend::Sqlite)
    }

    /// With a fresh database of either kind.
    pub(crate) fn on(backend: Backend) -> Self {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(Postgres::shared().database()),
        };
        Self::with_database(database)
    }

    /// With an address of a PostgreSQL database; with SQLite if there is none.
    pub(crate) fn with_database(database: Option<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(shared_cache()).unwrap();
        std::os::unix::fs::symlink(shared_cache(), dir.path().join("cache")).unwrap();
        Self { dir, database, plugins: None, env: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A command of the binary on this data folder.
    pub(crate) async fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(GENCODE);
        command
            .arg("--data-dir")
            .arg(self.path())
            .arg("--plugins")
            .arg(match &self.plugins {
                Some(folder) => folder,
                None => plugins().await,
            })
            .args(args)
            .env_remove("DEFAULT_LLM_PROVIDER")
            .env_remove("DATABASE_URL")
            // No settings and no collector of whoever runs the tests.
            .env_remove("GENCODE_CONFIG")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .env("XDG_CONFIG_HOME", self.path())
            // Tests ask more often than people; those of the limit set it.
            .env("RATE_LIMIT", "off")
            .envs(self.database.iter().map(|address| ("DATABASE_URL", address)))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", database);
        }
        command
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args).await;
        timeout(RUN, command.output()).await.expect("the command ends").unwrap()
    }

    /// `gencode new --json`, whatever becomes of it.
    pub(crate) async fn new_json(&self, request: &str, more: &[&str]) -> (Output, Value) {
        let args: Vec<&str> = ["new", "--json", "--no-preview"]
            .into_iter()
            .chain(more.iter().copied())
            .chain(["--", request])
            .collect();
        let output = self.run(&args).await;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().unwrap_or_default();
        let value = serde_json::from_str(last).unwrap_or_else(|error| {
            panic!("{error}: {stdout}\n{}", String::from_utf8_lossy(&output.stderr))
        });
        (output, value)
    }

    /// `gencode serve` on a free port.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(&[]).await
    }

    pub(crate) async fn serve_with(&self, more: &[&str]) -> Server {
        self.serve_in(more, &[]).await
    }

    /// `gencode serve` with more options and variables.
    pub(crate) async fn serve_in(&self, more: &[&str], env: &[(&str, &str)]) -> Server {
        let args: Vec<&str> = ["serve", "--port", "0"].iter().chain(more).copied().collect();
        let mut command = self.command(&args).await;
        command.envs(env.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let line =
                timeout(SOON, lines.next_line()).await.expect("the host says its address").unwrap();
            let line = line.unwrap_or_else(|| panic!("the host ended: {said}"));
            if let Some((_, rest)) = line.split_once("gencode serves ") {
                break rest.split(' ').next().unwrap().to_owned();
            }
            said.push_str(&line);
            said.push('\n');
        };
        // A full pipe would stop the host; what it logs goes into the test's own output.
        let log = tokio::task::JoinSet::from_iter([async move {
            while let Ok(Some(line)) = lines.next_line().await {
                eprintln!("host: {line}");
            }
        }]);
        // Fails from the second time on, when it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Server { child, url, client, _log: log }
    }

    /// Reads one number from the host's database.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        use sqlx::Connection as _;
        if let Some(url) = &self.database {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            return sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
        }
        let url = format!("sqlite://{}?mode=ro", self.path().join("gencode.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
    }

    /// Changes the host's database behind its back; returns the number of rows.
    pub(crate) async fn tamper(&self, statement: &'static str) -> u64 {
        use sqlx::Connection as _;
        let url = format!("sqlite://{}", self.path().join("gencode.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected()
    }
}

/// A running `gencode serve`.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    _log: tokio::task::JoinSet<()>,
}

impl Server {
    /// Ends it the way a power cut does.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    /// Sends it a signal, as `kill` names it: `-STOP`, `-CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    /// Makes a project and starts its build; returns its id.
    pub(crate) async fn start(&self, request: &str) -> String {
        let (status, project) =
            self.post("/api/projects", &serde_json::json!({ "prompt": request })).await;
        assert_eq!(status, 200, "{project}");
        let id = project["id"].as_str().unwrap().to_owned();
        let path = format!("/api/workspace/{id}/generate/backend");
        let (status, answer) =
            self.post(&path, &serde_json::json!({ "description": request })).await;
        assert_eq!((status, answer["success"].as_bool()), (200, Some(true)), "{answer}");
        id
    }

    /// Waits until the project is in a state.
    pub(crate) async fn wait_for(&self, id: &str, wanted: &str) {
        let deadline = Instant::now() + RUN;
        loop {
            let (_, project) = self.get(&format!("/api/projects/{id}")).await;
            let status = project["status"].as_str().unwrap_or_default();
            if status == wanted {
                return;
            }
            assert!(status != "failed", "the run failed: {project}");
            assert!(Instant::now() < deadline, "still {status}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// All files below a folder with their contents, sorted.
pub(crate) fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
