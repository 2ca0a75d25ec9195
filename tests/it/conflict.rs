//! The user edits what a step is working on, and decides what becomes of both.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    control::{REQUEST, id_of, until, world},
    gate::Gate,
    host::{Data, SOON, Server},
};

/// A file that every change of the data writes.
const FILE: &str = "backend/app/models.py";
const OTHER: &str = "backend/app/schemas.py";
const MINE: &str = "# mine\n";

/// A project whose refinement meets an edit of the user, and waits for a word.
struct Met {
    data: Data,
    _gate: Gate,
    server: Server,
    project: String,
    run: String,
}

impl Met {
    async fn new() -> Self {
        let (data, gate) = world().await;
        let server = data.serve().await;
        let project = server.start(REQUEST).await;
        server.wait_for(&project, "completed").await;
        gate.hold(std::time::Duration::from_secs(1));
        let seen = gate.visits().len();
        let body =
            json!({ "project_id": project, "user_message": "add a field nickname to members" });
        let (status, answer) = server.post("/api/workspace/resume", &body).await;
        assert_eq!((status, &answer["mode"]), (200, &json!("refine")), "{answer}");
        // The step has begun, from the files as they were.
        until("a call is under way", async || gate.visits().len() > seen).await;
        let run = id_of(&server.run_of(&project).await);
        server.save(&project, FILE, MINE).await;
        gate.hold(std::time::Duration::ZERO);
        let met = Self { data, _gate: gate, server, project, run };
        met.asked().await;
        met
    }

    /// Waits for the question.
    async fn asked(&self) -> Value {
        let view = self.server.until(&self.run, "paused").await;
        let question = view["question"].clone();
        assert!(question["text"].as_str().unwrap().contains(FILE), "{view}");
        assert_eq!(question["options"].as_array().unwrap().len(), 3, "{view}");
        question
    }

    async fn answer(&self, option: usize) {
        let question = self.asked().await;
        let text = question["options"][option].as_str().unwrap();
        let path = format!("/api/v1/runs/{}/answers", self.run);
        let (status, answer) = self.server.post(&path, &json!({ "text": text })).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn done(&self) {
        self.server.until(&self.run, "completed").await;
    }

    async fn text_of(&self, path: &str) -> String {
        let path = format!("/api/workspace/{}/file?path={path}", self.project);
        let (status, file) = self.server.get(&path).await;
        assert_eq!(status, 200, "{file}");
        file["content"].as_str().unwrap().to_owned()
    }

    async fn tries(&self) -> u64 {
        let view = self.server.run(&self.run).await;
        let steps = view["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == "refine").unwrap()["attempt"].as_u64().unwrap()
    }
}

impl Server {
    async fn save(&self, project: &str, path: &str, content: &str) {
        let body = json!({ "path": path, "content": content });
        let request = self.client.put(format!("{}/api/workspace/{project}/file", self.url));
        assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn the_users_version_stays_and_the_rest_of_the_step_is_kept() {
    let mut met = Met::new().await;
    // The question outlives its host.
    met.server.kill().await;
    met.server = met.data.serve().await;
    met.answer(0).await;
    met.done().await;
    assert_eq!(met.text_of(FILE).await, MINE);
    assert!(met.text_of(OTHER).await.contains("nickname"));
    assert_eq!(met.tries().await, 1, "nothing was done again");
}

#[tokio::test]
async fn the_steps_version_is_taken_and_the_users_stays_in_the_history() {
    let met = Met::new().await;
    // Who edits again meanwhile is asked again: the answer was for what he saw.
    let first = met.asked().await;
    met.server.save(&met.project, FILE, "# mine, again\n").await;
    met.answer(1).await;
    let deadline = Instant::now() + SOON;
    loop {
        let view = met.server.run(&met.run).await;
        if view["status"] == "paused" && view["question"].is_object() {
            break;
        }
        assert_ne!(view["status"], "completed", "an edit that nobody decided about: {view}");
        assert!(Instant::now() < deadline, "{view}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(met.asked().await["text"], first["text"]);
    assert_eq!(met.text_of(FILE).await, "# mine, again\n");
    met.answer(1).await;
    met.done().await;
    assert!(met.text_of(FILE).await.contains("nickname"));
    let path = format!("/api/projects/{}/checkpoints?limit=100", met.project);
    let (_, page) = met.server.get(&path).await;
    let kept = page["checkpoints"].as_array().unwrap().iter();
    assert_eq!(kept.filter(|one| one["author"] == "user").count(), 2, "{page}");
    // A replay of the run sees what its guests saw, and nothing of the decision.
    let said = met.data.run(&["replay", &met.run]).await;
    let said = format!("{}{}", text(&said.stdout), text(&said.stderr));
    assert!(said.contains("identical"), "{said}");
}

#[tokio::test]
async fn the_step_is_done_again_from_the_users_version() {
    let met = Met::new().await;
    met.answer(2).await;
    met.done().await;
    assert_eq!(met.tries().await, 2);
    assert!(met.text_of(FILE).await.contains("nickname"));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
