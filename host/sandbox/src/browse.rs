//! Opening pages in a browser, which runs as confined as the application.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    CheckResult, Launch, Sandbox, SandboxError, blocking,
    devtools::{DevTools, PageEvent},
    error::Doing as _,
    folder::Folder,
    local::{LocalServer, Origin},
    place,
    process::{Running, text_of},
    protocol::Network,
    tail::last_lines,
};

/// A browser on a busy machine takes seconds to start.
const START: Duration = Duration::from_secs(40);

/// A page that is not loaded by then is not going to be.
const LOAD: Duration = Duration::from_secs(30);

/// A page has come to rest when it asked for nothing for so long…
const QUIET: Duration = Duration::from_millis(400);

/// …and is looked at anyway after so long: some pages poll.
const REST: Duration = Duration::from_secs(5);

/// No profile, no services of the vendor, no name but the application's.
const FLAGS: [&str; 16] = [
    "--headless",
    // The browser's own sandbox needs rights that this one took.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--mute-audio",
    "--window-size=1280,900",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
];

/// What a page shows, once it has come to rest.
const LOOK: &str = "(() => { const root = document.getElementById('root') ?? document.body; \
    return { children: root ? root.childElementCount : 0, text: root ? root.innerText.trim().length : 0 }; })()";

impl Sandbox {
    /// Opens pages of a built front end (the folder `dir` inside the tree) in a browser and
    /// reports, for each, errors of its console as a failed check.
    pub async fn browse(
        &self,
        tree: &Path,
        dir: &str,
        pages: &[String],
    ) -> Result<Vec<CheckResult>, SandboxError> {
        self.0.tools.browser().await?;
        let (tree, dir) = (tree.to_path_buf(), dir.to_owned());
        let root = blocking::run(move || {
            let tree =
                tree.canonicalize().doing(|| format!("find the tree `{}`", tree.display()))?;
            place::folder_inside(&tree, &dir)
        })
        .await?;
        let _slot = self.slot().await?;
        let site = LocalServer::start(0, Origin::Folder(Folder::new(root))).await;
        let site = site.doing(|| "listen on a loopback port".to_owned())?;
        self.open_pages(site.address.port(), pages).await
    }

    /// Opens pages of a server on a loopback port.
    pub(crate) async fn open_pages(
        &self,
        port: u16,
        pages: &[String],
    ) -> Result<Vec<CheckResult>, SandboxError> {
        if pages.is_empty() {
            return Ok(Vec::new());
        }
        let mut browser = Browser::start(self, port).await?;
        let mut results = Vec::with_capacity(pages.len());
        for page in pages {
            let opened = browser.open(port, page).await;
            let (passed, detail) = match opened {
                Ok(errors) if errors.is_empty() => (true, "no console error".to_owned()),
                Ok(errors) => (false, errors.join("\n")),
                Err(problem) => (false, problem),
            };
            results.push(CheckResult { name: format!("page {page}"), passed, detail });
        }
        browser.running.kill().await?;
        Ok(results)
    }
}

/// A browser that runs, and the connection to it.
struct Browser {
    running: Running,
    tools: DevTools,
}

impl Browser {
    async fn start(sandbox: &Sandbox, port: u16) -> Result<Self, SandboxError> {
        let installed = sandbox.0.tools.browser().await?;
        let runtime = sandbox.0.config.runtime_dir.clone();
        let home = blocking::run(move || place::home_beside(&runtime.join("browser"))).await?;
        let profile = home.path().join("profile");
        let mut argv = vec![text_of(&installed.program)?];
        argv.extend(FLAGS.map(str::to_owned));
        argv.push(format!("--user-data-dir={}", text_of(&profile)?));
        argv.push("about:blank".to_owned());
        let launch = Launch {
            argv,
            cwd: home.path().to_path_buf(),
            env: place::environment(home.path(), Vec::new(), sandbox.0.private_root, &[]),
            network: Network::Port(port),
            readable: installed.roots.clone(),
            writable: Vec::new(),
            home,
            limit: None,
        };
        let mut running = sandbox.0.start(launch).await?;
        let connected = timeout(START, async {
            tokio::select! {
                ended = running.wait() => Err(match ended {
                    Ok(code) => format!("it ended with {code}"),
                    Err(err) => err.to_string(),
                }),
                tools = connect(&profile) => tools,
            }
        })
        .await
        .unwrap_or_else(|_| Err("it did not become ready".to_owned()));
        match connected {
            Ok(tools) => Ok(Self { running, tools }),
            Err(reason) => {
                running.kill().await?;
                let detail = last_lines(&running.stderr(), 15);
                Err(SandboxError::NotReady { reason: format!("the browser: {reason}"), detail })
            }
        }
    }

    /// Opens one page. What is wrong with it.
    async fn open(&mut self, port: u16, page: &str) -> Result<Vec<String>, String> {
        let mut seen = Vec::new();
        let none = json!({});
        let blank = json!({ "url": "about:blank" });
        let target = self.tools.command(None, "Target.createTarget", blank, &mut seen).await?;
        let target = text(&target, "/targetId")?;
        let attach = json!({ "targetId": target, "flatten": true });
        let session = self.tools.command(None, "Target.attachToTarget", attach, &mut seen).await?;
        let session = text(&session, "/sessionId")?;
        let at = Some(session.as_str());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            self.tools.command(at, domain, none.clone(), &mut seen).await?;
        }
        seen.clear(); // of the blank page
        let address = format!("http://127.0.0.1:{port}/{}", page.trim_start_matches('/'));
        let went =
            self.tools.command(at, "Page.navigate", json!({ "url": address }), &mut seen).await?;
        let mut errors = Vec::new();
        if let Ok(problem) = text(&went, "/errorText") {
            errors.push(format!("the page did not open: {problem}"));
        } else {
            self.rest(&session, &mut seen).await?;
            let look = json!({ "expression": LOOK, "returnByValue": true });
            let shows = self.tools.command(at, "Runtime.evaluate", look, &mut seen).await?;
            let number = |name: &str| {
                shows.pointer(&format!("/result/value/{name}")).and_then(Value::as_u64).unwrap_or(0)
            };
            if number("children") == 0 && number("text") == 0 {
                errors.push("the page is empty".to_owned());
            }
        }
        let close = json!({ "targetId": target });
        self.tools.command(None, "Target.closeTarget", close, &mut seen).await?;
        let told = seen.into_iter().filter_map(|event| match event {
            PageEvent::Error(text) => Some(text),
            _ => None,
        });
        errors.extend(told);
        errors.dedup();
        Ok(errors)
    }

    /// Waits until the page is loaded and asks for nothing more.
    async fn rest(&mut self, session: &str, seen: &mut Vec<PageEvent>) -> Result<(), String> {
        let started = Instant::now();
        let mut loaded_at = seen.contains(&PageEvent::Loaded).then(Instant::now);
        loop {
            let under_way = under_way(seen);
            let wait = match loaded_at {
                None => LOAD.saturating_sub(started.elapsed()),
                Some(at) if at.elapsed() >= REST => return Ok(()),
                Some(at) if under_way => REST.saturating_sub(at.elapsed()),
                Some(_) => QUIET,
            };
            match timeout(wait, self.tools.event(session)).await {
                Ok(event) => {
                    let event = event?;
                    if event == PageEvent::Loaded {
                        loaded_at.get_or_insert_with(Instant::now);
                    }
                    seen.push(event);
                }
                Err(_) if loaded_at.is_some() => return Ok(()),
                Err(_) => return Err(format!("the page did not load within {} s", LOAD.as_secs())),
            }
        }
    }
}

/// Whether a request has begun and not ended. One that was redirected begins again under its name.
fn under_way(seen: &[PageEvent]) -> bool {
    let ended = |id: &String| {
        seen.iter().any(|event| matches!(event, PageEvent::RequestEnded(other) if other == id))
    };
    seen.iter().any(|event| matches!(event, PageEvent::RequestStarted(id) if !ended(id)))
}

/// Waits for the file in which the browser says where it listens, then connects.
async fn connect(profile: &Path) -> Result<DevTools, String> {
    let file = profile.join("DevToolsActivePort");
    loop {
        let content = tokio::fs::read_to_string(&file).await.unwrap_or_default();
        if let Some((port, path)) = content.split_once('\n') {
            let port = port.parse().map_err(|_| "it says no port".to_owned())?;
            return DevTools::connect(port, path.trim()).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn text(value: &Value, pointer: &str) -> Result<String, String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| format!("the browser's answer has no `{pointer}`"))
}
