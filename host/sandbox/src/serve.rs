//! An application that listens on a Unix socket of its own.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    Launch, Sandbox, SandboxError, error::Doing as _, http::Call, place::Place, process::Running,
    protocol::Network, sockets::SocketDir, tail::last_lines,
};

/// An application that is not healthy by then has failed to start.
const HEALTHY: Duration = Duration::from_mins(1);

/// How long it may take to end when asked.
const GRACE: Duration = Duration::from_secs(5);

/// Stands for the socket's path in a command.
const SOCKET: &str = "{{socket}}";

/// How to start a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) tree: &'a Path,
    pub(crate) argv: &'a [String],
    pub(crate) cwd: &'a str,
    pub(crate) env: &'a [(String, String)],
    pub(crate) health_path: &'a str,
}

/// A server that is healthy, or was.
pub(crate) struct Server {
    pub(crate) running: Running,
}

impl Server {
    /// Starts a server and waits until its health path answers 200.
    pub(crate) async fn start(
        sandbox: &Sandbox,
        start: Start<'_>,
        dir: &SocketDir,
    ) -> Result<Self, SandboxError> {
        let place = Place::find(start.tree, start.cwd).await?;
        let tools = sandbox.0.tools.present().await;
        let socket = dir.socket();
        // What a predecessor left would keep it from listening.
        if let Err(err) = tokio::fs::remove_file(&socket).await
            && err.kind() != std::io::ErrorKind::NotFound
        {
            return Err(err).doing(|| format!("remove `{}`", socket.display()));
        }
        let name = socket.to_string_lossy();
        let fill = |text: &String| text.replace(SOCKET, &name);
        let env: Vec<_> = start.env.iter().map(|(key, value)| (key.clone(), fill(value))).collect();
        let launch = Launch {
            argv: start.argv.iter().map(fill).collect(),
            env: place.environment(&tools, sandbox.0.private_root, &env),
            network: Network::None,
            readable: sandbox.readable(&tools),
            writable: vec![place.tree.clone(), dir.path().to_path_buf()],
            limit: None,
            cwd: place.cwd,
            home: place.home,
        };
        let mut server = Self { running: sandbox.0.start(launch).await? };
        match server.become_healthy(&socket, start.health_path).await {
            Ok(()) => Ok(server),
            Err(reason) => {
                server.running.kill().await?;
                let said = server.running.stderr();
                let said = if said.trim().is_empty() { server.running.stdout() } else { said };
                Err(SandboxError::NotReady { reason, detail: last_lines(&said, 40) })
            }
        }
    }

    async fn become_healthy(&mut self, socket: &Path, path: &str) -> Result<(), String> {
        let deadline = Instant::now() + HEALTHY;
        let mut last = "it does not listen on its socket".to_owned();
        while Instant::now() < deadline {
            let asked = async {
                if socket.exists() {
                    match Call::get(path).send(socket).await {
                        Ok(answer) if answer.status == 200 => return None,
                        Ok(answer) => return Some(format!("`{path}` answers {}", answer.status)),
                        Err(problem) => return Some(problem),
                    }
                }
                Some("it does not listen on its socket".to_owned())
            };
            tokio::select! {
                ended = self.running.wait() => return Err(match ended {
                    Ok(code) => format!("it ended with exit code {code}"),
                    Err(err) => err.to_string(),
                }),
                problem = asked => match problem {
                    None => return Ok(()),
                    Some(problem) => last = problem,
                },
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(format!("it was not healthy within {} seconds: {last}", HEALTHY.as_secs()))
    }

    /// Asks it to end, kills it if it does not, and waits until nothing is left.
    pub(crate) async fn stop(&mut self) -> Result<i32, SandboxError> {
        self.running.stop(GRACE).await
    }
}
