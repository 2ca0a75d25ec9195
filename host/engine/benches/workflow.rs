//! What durability costs a workflow: three WebAssembly steps through the real engine on SQLite on
//! the disk, and how soon a run of a thousand steps goes on after its host died.
//!
//! Beside each number stands that of one durable write of the same database in the same minute: a
//! disk or a machine that is busy slows both. `--check` fails above the targets.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail loudly")]

#[path = "../../../tests/guests/guests.rs"]
#[expect(dead_code, reason = "the guests are made from text here")]
mod guests;

use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use gencode_core::{
    event::EventBody,
    id::{HostId, RunId},
    pipeline::{Pipeline, Step},
    run::{Run, StepStatus},
};
use gencode_engine::{
    Engine, EngineConfig, NewProject, Parts, Pipelines, Start,
    housekeeping::{Duty, MinFree, Places, Policy, SpaceConfig},
};
use gencode_llm::{Gateway, GatewayConfig};
use gencode_runtime::{Runtime, RuntimeConfig};
use gencode_sandbox::{Backend, Sandbox, SandboxConfig};
use gencode_store::{Claim, StepCommit, Store};
use gencode_workspace::Workspaces;
use serde_json::json;
use ulid::Ulid;

/// Half of all three-step workflows must be done in this time.
const WORKFLOW: Duration = Duration::from_millis(10);

/// Half of all runs of a thousand steps must go on within this time.
const RECOVERY: Duration = Duration::from_millis(50);

/// How far a shared machine may miss a target.
const TOLERANCE: f64 = 1.5;

const WORKFLOWS: usize = 100;
const STEPS: usize = 1_000;
const RECOVERIES: usize = 15;

/// A handler that is done at once.
const IDLE: &str = ";; kind: handler
;; capabilities:
(module
  (; prelude ;)
  (func (export \"run\") (param i32) (result i32) (i32.const 1024)))";

/// A handler that asks for the time first, which is recorded before it gets the answer.
const CLOCK: &str = ";; kind: handler
;; capabilities: clock
(module
  (import \"gencode:plugin/clock@0.1.0\" \"now\" (func $now (param i32)))
  (; prelude ;)
  (func (export \"run\") (param i32) (result i32)
    (call $now (i32.const 4096))
    (i32.const 1024)))";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    // The sandbox starts this very program as its helper.
    if arguments.by_ref().any(|argument| argument == "__sandbox") {
        return gencode_sandbox::helper_main(arguments);
    }
    let check = std::env::args().any(|argument| argument == "--check");
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (workflow, recovery) = tokio.block_on(async {
        let workflow = workflows("idle").await;
        workflows("clock").await;
        (workflow, recoveries().await)
    });
    let missed = |what: &str, took: Duration, target: Duration| {
        let missed = took.as_secs_f64() > target.as_secs_f64() * TOLERANCE;
        if missed {
            println!("too slow: {what}; the target is {target:?}");
        }
        missed
    };
    let slow = [
        missed("a workflow of three steps", workflow, WORKFLOW),
        missed("going on with a run of a thousand steps", recovery, RECOVERY),
    ];
    if check && slow.contains(&true) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A chain of steps, all done by one handler.
fn chain(handler: &str, steps: usize) -> Pipeline {
    let name = |number: usize| format!("step-{number}");
    let step = |number: usize| Step {
        id: name(number),
        handler: handler.to_owned(),
        title: format!("Step {number}"),
        performer: "Nobody".to_owned(),
        after: number.checked_sub(1).map(name).into_iter().collect(),
        turn: 1,
        turns: 1,
        skippable: false,
        max_agent_attempts: 1,
        max_attempts: 1,
        estimated_input_tokens: 0,
        estimated_output_tokens: 0,
        max_output_tokens: 1,
        max_output_tokens_retry: 1,
        deadline_seconds: 60,
    };
    Pipeline { agents: Vec::new(), steps: (0..steps).map(step).collect() }
}

/// An engine on the data in `dir` that takes up at most `max_runs` runs.
async fn open(dir: &Path, store: &Store, pipeline: &Pipeline, max_runs: usize) -> Engine {
    let plugins = dir.join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    for (name, text) in [("idle", IDLE), ("clock", CLOCK)] {
        std::fs::write(plugins.join(format!("{name}.wasm")), guests::from_text(name, text))
            .unwrap();
    }
    let helper = vec![std::env::current_exe().unwrap().into_os_string(), "__sandbox".into()];
    let sandbox = SandboxConfig {
        cache_dir: dir.join("dependencies"),
        runtime_dir: dir.join("sockets"),
        helper: helper.into_iter().collect(),
        backend: Backend::None,
        pass_env: Vec::new(),
        browser: None,
        concurrency: 1,
    };
    let parts = Parts {
        store: store.clone(),
        workspaces: Workspaces::open(&dir.join("workspaces"), &dir.join("blobs")).await.unwrap(),
        runtime: Arc::new(Runtime::new(RuntimeConfig::new(dir.join("compiled"))).unwrap()),
        gateway: Gateway::new(GatewayConfig::default()).unwrap(),
        sandbox: Sandbox::open(sandbox).await.unwrap(),
        seed: vec![("README.md".to_owned(), b"# Demo\n".to_vec())],
        pipelines: Pipelines { build: pipeline.clone(), refine: pipeline.clone() },
    };
    let config = EngineConfig {
        plugins,
        places: Places::below(dir, &dir.join("workspaces")),
        max_usd: 1.into(),
        lease_ms: 15_000,
        max_runs,
        max_queued: 1_000,
        take_all: true,
        attended: false,
        start_previews: false,
        space: SpaceConfig {
            folders: vec![dir.to_owned()],
            min_free: MinFree::default(),
            data: dir.to_owned(),
            max_data: None,
        },
        policy: Policy::default(),
        duty: Duty { every: None },
    };
    Engine::open(parts, config).await.unwrap()
}

/// Half of the times are shorter.
fn p50(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One small write that is on the disk when it returns.
async fn one_write(store: &Store) -> Duration {
    let mut times = Vec::with_capacity(WORKFLOWS);
    for number in 0..WORKFLOWS {
        let start = Instant::now();
        store.put_setting("bench", &number).await.unwrap();
        times.push(start.elapsed());
    }
    p50(times)
}

/// From the wish to build until the run is over in the store, three steps each.
async fn workflows(handler: &str) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("gencode.db")).await.unwrap();
    let engine = open(dir.path(), &store, &chain(handler, 3), 1).await;
    let project = project(&engine).await;
    let mut times = Vec::with_capacity(WORKFLOWS);
    // The first one makes the project's files.
    for number in 0..=WORKFLOWS {
        let mut news = engine.watch(&project);
        let start = Instant::now();
        let Start::Started(run) = engine.start_build(&project, true).await.unwrap() else {
            panic!("a run is going on")
        };
        while !store.run(run.id).await.unwrap().status.is_final() {
            news.changed().await.unwrap();
        }
        if number > 0 {
            times.push(start.elapsed());
        }
    }
    let write = one_write(&store).await;
    engine.shut_down().await;
    let time = p50(times);
    println!(
        "three steps, {handler:<6} {:8.2} ms p50   (one durable write {:.2} ms)",
        millis(time),
        millis(write)
    );
    time
}

async fn project(engine: &Engine) -> gencode_core::id::ProjectId {
    let new = NewProject { request: "a demo".to_owned(), provider: None, model: None };
    engine.create_project(new).await.unwrap().id
}

/// From the moment an engine looks for work until the last step of a run of a thousand begins.
async fn recoveries() -> Duration {
    let pipeline = chain("idle", STEPS);
    let dir = tempfile::tempdir().unwrap();
    let run = abandoned(dir.path(), &pipeline).await;
    let mut times = Vec::with_capacity(RECOVERIES);
    for _ in 0..RECOVERIES {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let store = Store::open(&copy.path().join("gencode.db")).await.unwrap();
        let seen = store.last_seq(&run.project).await.unwrap();
        let engine = open(copy.path(), &store, &pipeline, 1).await;
        let start = Instant::now();
        let mut news = engine.watch(&run.project);
        let last = format!("step-{}", STEPS - 1);
        let begun =
            |body: &EventBody| matches!(body, EventBody::StepStarted { step, .. } if *step == last);
        loop {
            let events = store.events_after(&run.project, seen, 16).await.unwrap();
            if events.iter().any(|event| begun(&event.body)) {
                break;
            }
            news.changed().await.unwrap();
        }
        times.push(start.elapsed());
        engine.shut_down().await;
    }
    let time = p50(times);
    println!("recovery, {STEPS} steps {:8.2} ms p50", millis(time));
    time
}

/// A run whose host died before its last step.
async fn abandoned(dir: &Path, pipeline: &Pipeline) -> Run {
    let store = Store::open(&dir.join("gencode.db")).await.unwrap();
    let engine = open(dir, &store, &chain("idle", 1), 1).await;
    // A first, short run leaves files and a checkpoint.
    let project = project(&engine).await;
    let Start::Started(first) = engine.start_build(&project, false).await.unwrap() else {
        panic!("a run is going on")
    };
    let mut news = engine.watch(&project);
    while !store.run(first.id).await.unwrap().status.is_final() {
        news.changed().await.unwrap();
    }
    engine.shut_down().await;
    let engine = open(dir, &store, pipeline, 0).await;
    let Start::Started(run) = engine.start_build(&project, true).await.unwrap() else {
        panic!("a run is going on")
    };
    engine.shut_down().await;
    let host = HostId::from_ulid(Ulid::new());
    let claim = Claim { host, lease_ms: 600_000, only: Some(run.id) };
    let lease = store.claim(&claim).await.unwrap().unwrap().lease;
    for step in pipeline.steps.iter().take(STEPS - 1) {
        let started = |attempt| {
            vec![EventBody::StepStarted {
                step: step.id.clone(),
                title: step.title.clone(),
                performer: step.performer.clone(),
                attempt,
            }]
        };
        store.begin_step(&lease, &step.id, None, started).await.unwrap();
        store.commit_step(&lease, &done(run.id, &step.id)).await.unwrap();
    }
    store.expire_host(&host).await.unwrap();
    store.close().await;
    run
}

fn done(run: RunId, step: &str) -> StepCommit {
    StepCommit {
        step: step.to_owned(),
        status: StepStatus::Completed,
        reason: String::new(),
        report: json!({ "run": run.to_string(), "summary": "Nothing was to be done." }),
        documents: Vec::new(),
        checkpoint: None,
        end: Some(json!({ "outcome": "none" })),
        events: vec![EventBody::StepFinished {
            step: step.to_owned(),
            status: StepStatus::Completed,
            reason: String::new(),
            summary: String::new(),
        }],
    }
}

/// Copies a folder without the log of a database: [`Store::close`] wrote it into the file, and it
/// may go away at any moment.
fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if ["gencode.db-wal", "gencode.db-shm"].iter().any(|log| entry.file_name() == *log) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
