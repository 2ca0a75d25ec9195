//! A world for one test: a provider, a database, a data folder, and the hosts on them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use crate::{
    guests,
    host::{Backend, Data, RUN, files_of, plugins},
    process::{Boot, Host},
    provider::{self, Provider},
};

/// What every run is asked for.
pub(crate) const REQUEST: &str = "a club with members, events and payments";

/// Which programs the hosts find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Tools {
    /// None: steps that need one are skipped, with that reason. Ten times faster.
    Hidden,
    /// Those of this machine.
    Present,
}

pub(crate) struct World {
    pub(crate) data: Data,
    pub(crate) provider: Provider,
}

impl World {
    pub(crate) async fn new(backend: Backend, tools: Tools) -> Self {
        Self::in_data(Data::on(backend), tools).await
    }

    pub(crate) async fn in_data(mut data: Data, tools: Tools) -> Self {
        let provider = Provider::start().await;
        let prices = data.path().join("prices.toml");
        std::fs::write(&prices, provider::PRICES).unwrap();
        let sockets = data.path().join("run");
        std::fs::create_dir(&sockets).unwrap();
        let mut env = vec![
            ("DEFAULT_LLM_PROVIDER", "openai-compatible".to_owned()),
            ("DEFAULT_LLM_MODEL", provider::MODEL.to_owned()),
            ("OPENAI_COMPATIBLE_BASE_URL", provider.url.clone()),
            ("GENCODE_PRICES", prices.display().to_string()),
            ("XDG_RUNTIME_DIR", sockets.display().to_string()),
        ];
        if tools == Tools::Hidden {
            env.push(("PATH", "/nonexistent".to_owned()));
        }
        data.env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        plugins().await;
        Self { data, provider }
    }

    pub(crate) async fn boot(&self) -> Host {
        Host::boot(&self.data, &[]).await.up()
    }

    pub(crate) async fn boot_with(&self, env: &[(&str, &str)]) -> Boot {
        Host::boot(&self.data, env).await
    }

    /// Puts a guest in the place of a core plugin.
    pub(crate) async fn replace_plugin(&mut self, id: &str, text: &str) {
        let folder = self.data.path().join("plugins");
        std::fs::create_dir(&folder).unwrap();
        for (name, content) in files_of(plugins().await) {
            std::fs::write(folder.join(name), content).unwrap();
        }
        std::fs::write(folder.join(format!("{id}.wasm")), guests::from_text(id, text)).unwrap();
        self.data.plugins = Some(folder);
    }

    /// The working copy of a project.
    pub(crate) fn files(&self, project: &str) -> BTreeMap<String, Vec<u8>> {
        files_of(&self.folder(project)).into_iter().collect()
    }

    pub(crate) fn folder(&self, project: &str) -> PathBuf {
        self.data.path().join("workspaces").join(project)
    }
}

/// Makes a project and starts its build. Panics if the host dies.
pub(crate) async fn start(host: &Host, request: &str) -> String {
    let (status, project) =
        host.post("/api/projects", &json!({ "prompt": request })).await.expect("the host lives");
    assert_eq!(status, 200, "{project}");
    let id = project["id"].as_str().unwrap().to_owned();
    let (status, answer) = build(host, &id).await.expect("the host lives");
    assert_eq!((status, answer["success"].as_bool()), (200, Some(true)), "{answer}");
    id
}

/// Asks for the build of a project.
pub(crate) async fn build(host: &Host, id: &str) -> Option<(u16, serde_json::Value)> {
    let path = format!("/api/workspace/{id}/generate/backend");
    host.post(&path, &json!({ "description": REQUEST })).await
}

/// State of a project, if the host answers.
pub(crate) async fn status(host: &Host, id: &str) -> Option<String> {
    let (code, project) = host.get(&format!("/api/projects/{id}")).await?;
    assert_eq!(code, 200, "{project}: {}", host.log());
    project["status"].as_str().map(str::to_owned)
}

/// Waits until the project is completed. Panics if the host dies or the run fails.
pub(crate) async fn completed(host: &Host, id: &str) {
    let deadline = Instant::now() + RUN;
    loop {
        let status = status(host, id).await.unwrap_or_else(|| panic!("no answer: {}", host.log()));
        if status == "completed" {
            return;
        }
        assert_ne!(status, "failed", "{}", host.log());
        assert!(Instant::now() < deadline, "still {status}: {}", host.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The programs of this target take turns: each uses the whole machine.
pub(crate) async fn turn() -> tokio::sync::SemaphorePermit<'static> {
    static MACHINE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);
    MACHINE.acquire().await.unwrap()
}
