//! Applications that are kept running.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Sandbox, SandboxError,
    error::Doing as _,
    local::{LocalServer, Origin, Upstream},
    serve::{Server, Start},
    sockets::SocketDir,
    tail::last_lines,
};

/// A server that ends so often in a row is not started again.
const MAX_FAILURES: u32 = 5;

/// Before the first new start; twice as long before each one after it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A server that ran for so long had started well: its failures are forgotten.
const STEADY: Duration = Duration::from_mins(1);

/// A server to keep running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeSpec {
    /// The folder it runs in and may change. It must stay as long as the preview.
    pub tree: PathBuf,
    /// Starts the server; `{{socket}}` stands for the Unix socket it must listen on.
    pub argv: Vec<String>,
    #[serde(default)]
    pub cwd: String,
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Path that answers 200 when the server is ready.
    pub health_path: String,
    /// Loopback port to listen on; any free one when `None`.
    #[serde(default)]
    pub port: Option<u16>,
    /// Stop after so long without a request; never when `None`.
    #[serde(default)]
    pub idle_timeout: Option<Duration>,
}

/// A preview as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    pub project: String,
    /// `http://127.0.0.1:<port>/`.
    pub url: String,
    pub port: u16,
    pub state: PreviewState,
    /// How often it was started again after a crash.
    pub restarts: u32,
}

/// Whether a preview answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreviewState {
    /// Healthy when last started.
    Running,
    /// It crashed and is being started again.
    Restarting,
    /// It crashed too often. Its address answers 502 until it is stopped.
    Failed,
    /// Nobody used it, so it was stopped. Start it again to see it.
    Idle,
}

/// The applications that are kept running, one per project. Cheap to clone; when the last clone
/// is dropped, everything stops.
#[derive(Debug, Clone)]
pub struct Previews(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sandbox: Sandbox,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// One start or stop per project at a time.
    gates: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
struct Entry {
    view: Arc<Mutex<Preview>>,
    stop: CancellationToken,
    /// Dropping it kills the server.
    task: JoinSet<()>,
}

impl Previews {
    /// No previews yet.
    pub fn new(sandbox: Sandbox) -> Self {
        let (entries, gates) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { sandbox, entries, gates }))
    }

    /// Starts a server, waits until it is healthy and gives it an address. A preview that the
    /// project already has is stopped first, and keeps its port unless the spec names one.
    pub async fn start(&self, project: &str, spec: ServeSpec) -> Result<Preview, SandboxError> {
        let gate = self.gate(project);
        let _gate = gate.lock().await;
        let before = self.end(project).await;
        let dir = SocketDir::new(&self.0.sandbox).await?;
        let front = listen(&dir, spec.port, before.map(|preview| preview.port)).await?;
        let server = Server::start(&self.0.sandbox, spec.start(), &dir).await?;
        let port = front.address.port();
        let preview = Preview {
            project: project.to_owned(),
            url: format!("http://127.0.0.1:{port}/"),
            port,
            state: PreviewState::Running,
            restarts: 0,
        };
        let view = Arc::new(Mutex::new(preview.clone()));
        let stop = CancellationToken::new();
        let keeper = Keeper {
            sandbox: self.0.sandbox.clone(),
            spec,
            dir,
            front,
            view: Arc::clone(&view),
            stop: stop.clone(),
        };
        let mut task = JoinSet::new();
        task.spawn(keeper.keep(server));
        lock(&self.0.entries).insert(project.to_owned(), Entry { view, stop, task });
        Ok(preview)
    }

    /// Stops a project's preview. False when it had none.
    pub async fn stop(&self, project: &str) -> bool {
        let gate = self.gate(project);
        let _gate = gate.lock().await;
        self.end(project).await.is_some()
    }

    /// One project's preview.
    pub fn get(&self, project: &str) -> Option<Preview> {
        lock(&self.0.entries).get(project).map(|entry| lock(&entry.view).clone())
    }

    /// All previews, by project.
    pub fn list(&self) -> Vec<Preview> {
        lock(&self.0.entries).values().map(|entry| lock(&entry.view).clone()).collect()
    }

    /// Stops everything and waits until it has ended.
    pub async fn shutdown(&self) {
        let mut ended: Vec<Entry> =
            std::mem::take(&mut *lock(&self.0.entries)).into_values().collect();
        for entry in &ended {
            entry.stop.cancel();
        }
        for entry in &mut ended {
            while entry.task.join_next().await.is_some() {}
        }
    }

    fn gate(&self, project: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.0.gates).entry(project.to_owned()).or_default())
    }

    async fn end(&self, project: &str) -> Option<Preview> {
        let entry = lock(&self.0.entries).remove(project);
        let mut entry = entry?;
        entry.stop.cancel();
        while entry.task.join_next().await.is_some() {}
        let preview = lock(&entry.view).clone();
        Some(preview)
    }
}

/// Keeps one server running.
struct Keeper {
    sandbox: Sandbox,
    spec: ServeSpec,
    dir: SocketDir,
    front: LocalServer,
    view: Arc<Mutex<Preview>>,
    stop: CancellationToken,
}

impl Keeper {
    async fn keep(self, mut server: Server) {
        let mut failures = 0;
        loop {
            let since = Instant::now();
            tokio::select! {
                () = self.stop.cancelled() => return end(server).await,
                () = self.idle() => {
                    self.now(PreviewState::Idle);
                    return end(server).await;
                }
                ended = server.running.wait() => {
                    let said = last_lines(&server.running.stderr(), 10);
                    tracing::warn!(project = self.project(), ?ended, said, "a preview ended by itself");
                }
            }
            if since.elapsed() >= STEADY {
                failures = 0;
            }
            self.now(PreviewState::Restarting);
            match self.stop.run_until_cancelled(self.restart(&mut failures)).await {
                None => return,
                Some(Some(started)) => server = started,
                Some(None) => {
                    self.now(PreviewState::Failed);
                    return self.stop.cancelled().await;
                }
            }
            lock(&self.view).restarts += 1;
            self.now(PreviewState::Running);
        }
    }

    /// Starts the server again, later each time. `None` when it has failed too often.
    async fn restart(&self, failures: &mut u32) -> Option<Server> {
        while *failures < MAX_FAILURES {
            sleep(FIRST_PAUSE * 2_u32.pow(*failures)).await;
            *failures += 1;
            match Server::start(&self.sandbox, self.spec.start(), &self.dir).await {
                Ok(server) => return Some(server),
                Err(err) => {
                    tracing::warn!(project = self.project(), error = %err, "a preview did not start again");
                }
            }
        }
        None
    }

    /// Waits until nobody has asked for anything for as long as the spec says.
    async fn idle(&self) {
        let Some(limit) = self.spec.idle_timeout else { return std::future::pending().await };
        loop {
            let left = limit.saturating_sub(self.front.idle());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    fn project(&self) -> String {
        lock(&self.view).project.clone()
    }

    fn now(&self, state: PreviewState) {
        lock(&self.view).state = state;
    }
}

impl ServeSpec {
    fn start(&self) -> Start<'_> {
        Start {
            tree: &self.tree,
            argv: &self.argv,
            cwd: &self.cwd,
            env: &self.env,
            health_path: &self.health_path,
        }
    }
}

/// Listens on the port asked for, else on the one of before if it is still free, else on any.
async fn listen(
    dir: &SocketDir,
    wanted: Option<u16>,
    before: Option<u16>,
) -> Result<LocalServer, SandboxError> {
    let origin = || Origin::Socket(Upstream::new(&dir.socket()));
    if let Some(port) = wanted {
        return LocalServer::start(port, origin()).await.doing(|| format!("listen on port {port}"));
    }
    if let Some(port) = before
        && let Ok(front) = LocalServer::start(port, origin()).await
    {
        return Ok(front);
    }
    LocalServer::start(0, origin()).await.doing(|| "listen on a loopback port".to_owned())
}

async fn end(mut server: Server) {
    if let Err(err) = server.stop().await {
        tracing::warn!(error = %err, "a preview did not stop");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
