//! A client that goes on through any number of deaths of its host, as a person at a browser does:
//! what it does not know the outcome of, it looks up before it asks again.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt as _, time::Duration};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::{process::Command, time::Instant};

use crate::{
    host::RUN,
    process::{Boot, Host},
    world::{self, World},
};

/// A fault to meet once: a point, and at which passing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) point: &'static str,
    pub(crate) hit: u32,
}

pub(crate) struct Client<'a> {
    pub(crate) world: &'a World,
    host: Option<Host>,
    /// Still to come; every host until then is armed with it.
    fault: Option<Fault>,
    trace: bool,
    /// What the hosts to come are told besides.
    pub(crate) env: Vec<(&'static str, String)>,
    /// How often each point was passed, where traced.
    pub(crate) passed: BTreeMap<String, u32>,
    /// Hosts that the fault killed.
    pub(crate) deaths: u32,
}

impl<'a> Client<'a> {
    pub(crate) fn new(world: &'a World, fault: Option<Fault>) -> Self {
        let (host, env, passed) = (None, Vec::new(), BTreeMap::new());
        Self { world, host, fault, trace: false, env, passed, deaths: 0 }
    }

    /// A client whose hosts tell which points they pass.
    pub(crate) fn tracing(world: &'a World) -> Self {
        Self { trace: true, ..Self::new(world, None) }
    }

    /// Whether a host of this client lives, as far as it knows.
    pub(crate) fn serves(&self) -> bool {
        self.host.is_some()
    }

    /// The living host; boots one where there is none.
    pub(crate) async fn host(&mut self) -> &Host {
        while self.host.is_none() {
            let arms = self.arms();
            let env: Vec<(&str, &str)> =
                arms.iter().chain(&self.env).map(|(name, value)| (*name, value.as_str())).collect();
            match self.world.boot_with(&env).await {
                Boot::Up(host) => self.host = Some(host),
                Boot::Killed(log) => self.mourn(&log),
            }
        }
        self.host.as_ref().unwrap()
    }

    /// What makes a process of ours meet the fault, or tell what it passes.
    fn arms(&self) -> Vec<(&'static str, String)> {
        let fault = self.fault.map(|fault| format!("{}:{}", fault.point, fault.hit));
        let fault = fault.map(|fault| ("GENCODE_CRASH_AT", fault));
        fault.into_iter().chain(self.trace.then(|| ("GENCODE_TRACE_POINTS", "1".into()))).collect()
    }

    /// Runs a command of the binary while no host serves; again, if the fault killed it. `make` is
    /// asked anew for each time.
    pub(crate) async fn run(&mut self, make: impl AsyncFn(&World) -> Command) {
        assert!(self.host.is_none(), "both would meet the fault");
        loop {
            let mut command = make(self.world).await;
            let done = command.envs(self.arms()).output().await.unwrap();
            let log = String::from_utf8_lossy(&done.stderr).into_owned();
            self.note(&log);
            if done.status.signal() != Some(9) {
                assert!(done.status.success(), "{command:?}: {log}");
                return;
            }
            self.mourn(&log);
        }
    }

    /// The fault has happened; the hosts to come are whole.
    fn mourn(&mut self, log: &str) {
        let fault = self.fault.take().expect("only the fault kills a host");
        let said = format!("gencode crashes at {}", fault.point);
        assert!(log.contains(&said), "{fault:?} did not kill it: {log}");
        self.deaths += 1;
    }

    /// Asks until a host answers.
    pub(crate) async fn ask<T>(&mut self, question: impl AsyncFn(&Host) -> Option<T>) -> T {
        loop {
            if let Some(answer) = question(self.host().await).await {
                return answer;
            }
            let mut host = self.host.take().unwrap();
            host.died().await;
            self.mourn(&host.log());
        }
    }

    /// Makes the project, unless it is there.
    pub(crate) async fn make(&mut self, request: &str) -> String {
        self.ask(async |host| {
            let (_, projects) = host.get("/api/projects").await?;
            let projects = projects.as_array().unwrap();
            if let Some(known) = projects.iter().find(|known| known["description"] == request) {
                return Some(known["id"].as_str().unwrap().to_owned());
            }
            let (status, project) =
                host.post("/api/projects", &json!({ "prompt": request })).await?;
            assert_eq!(status, 200, "{project}");
            Some(project["id"].as_str().unwrap().to_owned())
        })
        .await
    }

    /// Starts the build; a second wish changes nothing.
    pub(crate) async fn build(&mut self, id: &str) {
        let (status, answer) = self.ask(async |host| world::build(host, id).await).await;
        assert_eq!((status, answer["success"].as_bool()), (200, Some(true)), "{answer}");
    }

    /// Waits until the project is in a state.
    pub(crate) async fn until(&mut self, id: &str, wanted: &str) {
        let deadline = Instant::now() + RUN;
        loop {
            let status = self.ask(async |host| world::status(host, id).await).await;
            if status == wanted {
                return;
            }
            let log = || self.host.as_ref().map(Host::log).unwrap_or_default();
            if status == "failed" {
                let mut books = crate::books::Books::open(&self.world.data).await;
                let why = books.rows("SELECT project, reason FROM runs WHERE reason <> ''").await;
                panic!("{why:?}: {}", log());
            }
            assert!(Instant::now() < deadline, "still {status}: {}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the provider has sold this many answers or more.
    pub(crate) async fn until_sold(&mut self, count: usize) {
        let deadline = Instant::now() + RUN;
        while self.world.provider.sales().len() < count {
            assert!(
                Instant::now() < deadline,
                "no more than {}",
                self.world.provider.sales().len()
            );
            self.ask(async |host| host.get("/healthz").await).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Says something to the project, unless it was heard already: then there is a run more.
    pub(crate) async fn change(&mut self, id: &str, message: &str) {
        let before = self.runs(id).await;
        self.ask(async |host| {
            let status = world::status(host, id).await?;
            if status != "completed" || self::runs_of(self.world, id).await > before {
                return Some(());
            }
            let body = json!({ "project_id": id, "user_message": message });
            let (status, answer) = host.post("/api/workspace/resume", &body).await?;
            assert_eq!(status, 200, "{answer}");
            Some(())
        })
        .await;
    }

    async fn runs(&self, id: &str) -> usize {
        runs_of(self.world, id).await
    }

    /// Saves a file; doing it again changes nothing.
    pub(crate) async fn save(&mut self, id: &str, path: &str, content: &str) {
        let (status, answer) = self
            .ask(async |host| {
                let body = json!({ "path": path, "content": content });
                let known = format!("/api/workspace/{id}/file?path={path}");
                let (_, now): (u16, Value) = host.get(&known).await?;
                if now["content"] == content {
                    return Some((200, now));
                }
                host.put(&format!("/api/workspace/{id}/file"), &body).await
            })
            .await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Posts with a key until a host answers, which must be with 200.
    pub(crate) async fn once(&mut self, path: &str, key: &str, body: Value) -> Value {
        let (status, answer) = self.ask(async |host| host.post_once(path, key, &body).await).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Id of the newest run of a project.
    pub(crate) async fn newest_run(&mut self, id: &str) -> String {
        let path = format!("/api/v1/projects/{id}/runs");
        let (status, answer) = self.ask(async |host| host.get(&path).await).await;
        assert_eq!(status, 200, "{answer}");
        answer["runs"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Makes the oldest checkpoint the newest once more; doing it again changes nothing.
    pub(crate) async fn restore_first(&mut self, id: &str) {
        let base = format!("/api/projects/{id}/checkpoints");
        let list = format!("{base}?limit=100");
        let (_, page) = self.ask(async |host| host.get(&list).await).await;
        let oldest = page["checkpoints"].as_array().unwrap().last().unwrap()["id"].clone();
        let path = format!("{base}/{}/restore", oldest.as_str().unwrap());
        let (status, answer) = self.ask(async |host| host.post(&path, &json!({})).await).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Forks a project from a step on, unless that is done.
    pub(crate) async fn fork(&mut self, id: &str, step: &str, name: &str) {
        let path = format!("/api/projects/{id}/fork");
        let body = json!({ "step": step, "name": name });
        self.ask(async |host| {
            let (known, _) = host.get(&format!("/api/projects/{name}")).await?;
            if known == 200 {
                return Some(());
            }
            let (status, answer) = host.post(&path, &body).await?;
            assert_eq!((status, answer["project"]["id"].as_str()), (200, Some(name)), "{answer}");
            Some(())
        })
        .await;
    }

    /// Waits until a run waits for space.
    pub(crate) async fn until_short(&mut self) {
        let deadline = Instant::now() + RUN;
        let waiting = "SELECT CAST(count(*) AS TEXT) FROM runs WHERE waits_for = 'storage'";
        loop {
            self.ask(async |host| host.get("/healthz").await).await;
            let mut books = crate::books::Books::open(&self.world.data).await;
            if books.number(waiting).await > 0 {
                return;
            }
            assert!(Instant::now() < deadline, "no run waits for space");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a run is paused.
    pub(crate) async fn until_asked(&mut self) {
        let deadline = Instant::now() + RUN;
        loop {
            self.ask(async |host| host.get("/healthz").await).await;
            if paused(self.world).await > 0 {
                return;
            }
            assert!(Instant::now() < deadline, "nothing is asked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Answers the open question, unless that is done.
    pub(crate) async fn answer(&mut self, id: &str, text: &str) {
        let world = self.world;
        self.ask(async |host| {
            if paused(world).await == 0 {
                return host.get("/healthz").await.map(|_| ());
            }
            let body = json!({ "project_id": id, "user_message": text });
            let (status, answer) = host.post("/api/workspace/resume", &body).await?;
            assert_eq!(status, 200, "{answer}");
            Some(())
        })
        .await;
    }

    /// Chooses the provider that is chosen already.
    pub(crate) async fn choose_provider(&mut self) {
        let body = json!({ "provider": "openai-compatible", "model": crate::provider::MODEL });
        let set = self.ask(async |host| host.post("/api/providers/set", &body).await).await;
        assert_eq!(set.0, 200, "{}", set.1);
    }

    /// Deletes the project, unless it is gone.
    pub(crate) async fn delete(&mut self, id: &str) {
        let path = format!("/api/projects/{id}");
        let (status, answer) = self.ask(async |host| host.delete(&path).await).await;
        assert!(status == 200 || status == 204 || status == 404, "{status}: {answer}");
    }

    /// Ends the host in an orderly way; the next question boots another one.
    pub(crate) async fn end(&mut self) {
        self.host().await;
        let mut host = self.host.take().unwrap();
        host.signal(Signal::SIGTERM);
        let ended = host.ended().await;
        let log = host.log();
        if !ended.success() {
            self.mourn(&log);
        }
        self.note(&log);
    }

    /// Kills the host, which is not the fault under test.
    pub(crate) async fn kill(&mut self) {
        self.host().await;
        let mut host = self.host.take().unwrap();
        // It may be dying of its fault at this very moment.
        host.signal(Signal::SIGKILL);
        host.died().await;
        let log = host.log();
        if log.contains("gencode crashes at ") {
            self.mourn(&log);
        }
        self.note(&log);
    }

    fn note(&mut self, log: &str) {
        for point in log.lines().filter_map(|line| line.strip_prefix("gencode passes at ")) {
            *self.passed.entry(point.to_owned()).or_default() += 1;
        }
    }
}

async fn paused(world: &World) -> i64 {
    let mut books = crate::books::Books::open(&world.data).await;
    books.number("SELECT CAST(count(*) AS TEXT) FROM runs WHERE status = 'paused'").await
}

/// How many runs a project had.
async fn runs_of(world: &World, id: &str) -> usize {
    let mut books = crate::books::Books::open(&world.data).await;
    let runs = books.rows("SELECT project FROM runs").await;
    runs.iter().filter(|row| row[0] == id).count()
}
