//! The same through the store: runs whose steps do nothing, and lists of projects.

use std::time::Instant;

use gencode_core::{
    digest::Digest,
    event::EventBody,
    id::{HostId, ProjectId, RunId},
    project::{Project, ProjectStatus},
    run::{Generation, Run, RunKind, RunStatus, StepStatus},
};
use gencode_store::{BaseEntry, Claim, Lease, NewRun, NextStep, StepCommit, StepSeed, Store};
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use ulid::Ulid;

/// A claimed run and the names of its steps.
pub(crate) struct Walk {
    lease: Lease,
    steps: Vec<String>,
}

fn project(id: &str) -> Project {
    let now = Timestamp::now();
    Project {
        id: id.parse::<ProjectId>().unwrap(),
        name: id.to_owned(),
        description: "a shop".to_owned(),
        provider: None,
        model: None,
        status: ProjectStatus::Created,
        created_at: now,
        modified_at: now,
        forked_from: None,
    }
}

/// Starts runs and claims them.
pub(crate) async fn runs(store: &Store, count: usize, steps: usize, name: &str) -> Vec<Walk> {
    let mut walks = Vec::new();
    for n in 0..count {
        let project = project(&format!("{name}-{n}"));
        store.create_project(&project).await.unwrap();
        let steps: Vec<String> = (0..steps).map(|step| format!("step-{step}")).collect();
        let run = Run {
            id: RunId::from_ulid(Ulid::new()),
            project: project.id,
            kind: RunKind::Build,
            request: "a shop".to_owned(),
            provider: "offline".to_owned(),
            model: "offline".to_owned(),
            generation: Generation::default(),
            status: RunStatus::Queued,
            reason: String::new(),
            created_at: Timestamp::now(),
            started_at: None,
            finished_at: None,
        };
        let id = run.id;
        let seeds = steps.iter().zip(0..);
        let seeds = seeds.map(|(step, position)| StepSeed { step: step.clone(), position });
        let new = NewRun { run, steps: seeds.collect(), continues: None };
        store.start_run(new).await.unwrap();
        let claim =
            Claim { host: HostId::from_ulid(Ulid::new()), lease_ms: 600_000, only: Some(id) };
        let lease = store.claim(&claim).await.unwrap().unwrap().lease;
        walks.push(Walk { lease, steps });
    }
    walks
}

/// Takes every run through all its steps, side by side.
pub(crate) async fn walk(store: &Store, walks: Vec<Walk>) {
    let mut all = JoinSet::new();
    for walk in walks {
        let store = store.clone();
        all.spawn(async move {
            let mut steps = walk.steps.iter().peekable();
            if let Some(first) = steps.peek() {
                store.begin_step(&walk.lease, first, Some(base()), started(first)).await.unwrap();
            }
            while let Some(step) = steps.next() {
                let begun = started(steps.peek().map_or("", |next| next.as_str()));
                let next = steps.peek();
                let next = next.map(|next| NextStep { step: (*next).clone(), base: base() });
                store.commit_step_and_begin(&walk.lease, &done(step), next, begun).await.unwrap();
            }
        });
    }
    all.join_all().await;
}

/// What a step begins from, as the engine notes it.
fn base() -> BaseEntry {
    let manifest = Digest::of(b"files");
    let value = json!({ "manifest": manifest, "documents": ["intent"], "digests": [Digest::of(b"intent")] });
    BaseEntry { manifest, value }
}

fn started(step: &str) -> impl FnOnce(u32) -> Vec<EventBody> {
    let step = step.to_owned();
    move |attempt| {
        vec![EventBody::StepStarted {
            step,
            title: "Nothing".to_owned(),
            performer: "nobody".to_owned(),
            attempt,
        }]
    }
}

fn done(step: &str) -> StepCommit {
    StepCommit {
        step: step.to_owned(),
        status: StepStatus::Completed,
        reason: String::new(),
        report: serde_json::Value::Null,
        documents: Vec::new(),
        checkpoint: None,
        end: None,
        events: vec![EventBody::StepFinished {
            step: step.to_owned(),
            status: StepStatus::Completed,
            reason: String::new(),
            summary: String::new(),
        }],
    }
}

/// Microseconds for a page of projects among 100 and among 100,000.
pub(crate) async fn lists(store: &Store) -> (f64, f64) {
    let mut have = 0;
    let mut times = [0.0; 2];
    for (time, want) in times.iter_mut().zip([100, 100_000]) {
        let mut adding = JoinSet::new();
        for n in have..want {
            let store = store.clone();
            adding.spawn(async move { store.create_project(&project(&format!("p{n}"))).await });
            if adding.len() >= 256 {
                adding.join_next().await.unwrap().unwrap().unwrap();
            }
        }
        adding.join_all().await;
        have = want;
        let mut best = f64::MAX;
        for _ in 0..200 {
            let start = Instant::now();
            let page = store.list_projects(50, None).await.unwrap();
            assert_eq!(page.projects.len(), 50);
            best = best.min(start.elapsed().as_secs_f64() * 1e6);
        }
        *time = best;
    }
    times.into()
}
