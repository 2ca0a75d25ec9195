//! Looking at a whole application: does it start, does it answer, do its pages show.

use std::path::Path;

use crate::{
    AcceptanceReport, AcceptanceRequest, CheckResult, Sandbox, SandboxError, ServeSpec,
    check::{self, Captured},
    error::Doing as _,
    local::{LocalServer, Origin, Upstream},
    serve::{Server, Start},
    sockets::SocketDir,
    tail::last_lines,
};

/// Name of the check that the application starts at all.
const START: &str = "start";

impl Sandbox {
    /// Starts the application, waits for its health path, calls it, opens its pages and stops it.
    ///
    /// An application that does not start is a failed check (named `start`), not an error.
    pub async fn accept(
        &self,
        tree: &Path,
        request: AcceptanceRequest,
    ) -> Result<AcceptanceReport, SandboxError> {
        let _slot = self.slot().await?;
        let dir = SocketDir::new(self).await?;
        let start = Start {
            tree,
            argv: &request.argv,
            cwd: &request.cwd,
            env: &request.env,
            health_path: &request.health_path,
        };
        let mut checks = Vec::new();
        match Server::start(self, start, &dir).await {
            Err(err @ (SandboxError::NotReady { .. } | SandboxError::CannotStart { .. })) => {
                checks.push(result(START, false, err.to_string()));
            }
            Err(err) => return Err(err),
            Ok(mut server) => {
                let path = &request.health_path;
                checks.push(result(START, true, format!("`{path}` answers 200")));
                self.call(&server, &dir, &request, &mut checks).await;
                let pages = self.pages(&dir, &request.pages).await;
                server.stop().await?;
                checks.extend(pages?);
            }
        }
        let passed = checks.iter().all(|check| check.passed);
        Ok(AcceptanceReport { passed, checks })
    }

    async fn call(
        &self,
        server: &Server,
        dir: &SocketDir,
        request: &AcceptanceRequest,
        checks: &mut Vec<CheckResult>,
    ) {
        let mut captured = Captured::default();
        for check in &request.checks {
            let said_before = server.running.stderr();
            let (mut result, servers_fault) = check::run(check, &dir.socket(), &mut captured).await;
            if servers_fault {
                let said = server.running.stderr();
                let said = said.strip_prefix(&said_before).unwrap_or(&said);
                let said = last_lines(said, 25);
                if !said.is_empty() {
                    result.detail = format!("{}\nthe server said:\n{said}", result.detail);
                }
            }
            checks.push(result);
        }
    }

    /// Opens the pages over a loopback port that leads to the socket.
    async fn pages(
        &self,
        dir: &SocketDir,
        pages: &[String],
    ) -> Result<Vec<CheckResult>, SandboxError> {
        if pages.is_empty() {
            return Ok(Vec::new());
        }
        if let Err(missing) = self.0.tools.browser().await {
            let skip = |page: &String| {
                result(&format!("page {page}"), true, format!("skipped: no browser: {missing}"))
            };
            return Ok(pages.iter().map(skip).collect());
        }
        let origin = Origin::Socket(Upstream::new(&dir.socket()));
        let front = LocalServer::start(0, origin).await;
        let front = front.doing(|| "listen on a loopback port".to_owned())?;
        self.open_pages(front.address.port(), pages).await
    }
}

impl AcceptanceRequest {
    /// The same application as something to keep running. The tree must stay as long.
    pub fn serve_spec(&self, tree: &Path) -> ServeSpec {
        ServeSpec {
            tree: tree.to_path_buf(),
            argv: self.argv.clone(),
            cwd: self.cwd.clone(),
            env: self.env.clone(),
            health_path: self.health_path.clone(),
            port: None,
            idle_timeout: None,
        }
    }
}

fn result(name: &str, passed: bool, detail: String) -> CheckResult {
    CheckResult { name: name.to_owned(), passed, detail }
}
