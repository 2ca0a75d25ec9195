//! Random sequences of operations against a model that keeps everything in memory: both databases
//! must answer as the model does, and look like it afterwards.

use std::collections::BTreeMap;

use gencode_core::{
    event::EventBody,
    project::ProjectStatus,
    run::{RunStatus, StepStatus},
};
use proptest::prelude::*;

use super::*;
use crate::{BaseEntry, NextStep, Pause, StartError, StoreError};

/// What a caller may do. Small numbers stand for projects, runs, hosts and steps, so that
/// operations meet.
#[derive(Debug, Clone)]
enum Op {
    Create(u8),
    Delete(u8),
    Start { project: u8 },
    Claim { host: u8 },
    Begin { run: u8, step: u8 },
    Record { run: u8, step: u8, path: u8 },
    Commit { run: u8, step: u8, status: StepStatus, next: Option<u8> },
    Pause(u8),
    Resume(u8),
    Stop(u8),
    Finish { run: u8, status: RunStatus },
    Release(u8),
    HostDies(u8),
}

const PROJECTS: u8 = 3;
const RUNS: u8 = 6;

fn operations() -> impl Strategy<Value = Op> {
    let (project, run, step, host) = (0..PROJECTS, 0..RUNS, 0u8..3, 1u8..3);
    let ends = prop_oneof![
        6 => Just(StepStatus::Completed),
        1 => Just(StepStatus::Skipped),
        1 => Just(StepStatus::Failed),
        1 => Just(StepStatus::Blocked),
        2 => Just(StepStatus::Waiting),
        1 => Just(StepStatus::Running),
    ];
    let finals = prop_oneof![
        4 => Just(RunStatus::Completed),
        1 => Just(RunStatus::Failed),
        1 => Just(RunStatus::Paused),
    ];
    prop_oneof![
        2 => project.clone().prop_map(Op::Create),
        1 => project.clone().prop_map(Op::Delete),
        4 => project.prop_map(|project| Op::Start { project }),
        6 => host.clone().prop_map(|host| Op::Claim { host }),
        6 => (run.clone(), step.clone()).prop_map(|(run, step)| Op::Begin { run, step }),
        6 => (run.clone(), step.clone(), 0u8..4).prop_map(|(run, step, path)| Op::Record { run, step, path }),
        8 => (run.clone(), step.clone(), ends, prop::option::of(step))
            .prop_map(|(run, step, status, next)| Op::Commit { run, step, status, next }),
        2 => run.clone().prop_map(Op::Pause),
        2 => run.clone().prop_map(Op::Resume),
        1 => run.clone().prop_map(Op::Stop),
        4 => (run.clone(), finals).prop_map(|(run, status)| Op::Finish { run, status }),
        1 => run.prop_map(Op::Release),
        1 => host.prop_map(Op::HostDies),
    ]
}

/// What is said of an operation, without its words.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Done,
    /// The number of a try.
    Try(Option<u32>),
    /// A run that was claimed.
    Claimed(Option<u8>),
    AlreadyRunning(u8),
    NotFound,
    Conflict,
    LeaseLost,
    Illegal,
    Other(String),
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::NotFound,
            StoreError::Conflict(_) => Self::Conflict,
            StoreError::LeaseLost(_) => Self::LeaseLost,
            StoreError::Illegal(_) => Self::Illegal,
            other => Self::Other(format!("{other:?}")),
        }
    }
}

fn answer<T>(result: crate::Result<T>) -> Answer {
    result.map_or_else(Answer::from, |_| Answer::Done)
}

/// The rules once more, in memory.
#[derive(Debug, Default)]
struct Model {
    projects: BTreeMap<u8, (ProjectStatus, u64)>,
    runs: BTreeMap<u8, ModelRun>,
    started: u8,
}

#[derive(Debug, Clone)]
struct ModelRun {
    project: u8,
    status: RunStatus,
    epoch: u64,
    host: Option<u8>,
    leased: bool,
    steps: [(StepStatus, u32); 3],
    journal: Vec<(u8, u32, u8)>,
}

impl Model {
    fn say(&mut self, project: u8, events: u64) {
        if let Some((_, seq)) = self.projects.get_mut(&project) {
            *seq += events;
        }
    }

    fn set_project(&mut self, project: u8, status: ProjectStatus) {
        if let Some((known, _)) = self.projects.get_mut(&project) {
            *known = status;
        }
    }

    /// The run of a lease that is still good.
    fn held(&mut self, run: u8, lease: Option<&Lease>) -> Option<&mut ModelRun> {
        let epoch = lease?.epoch;
        let known = self.runs.get_mut(&run)?;
        (known.status == RunStatus::Running && known.host.is_some() && known.epoch == epoch)
            .then_some(known)
    }

    fn end(&mut self, run: u8, to: RunStatus) {
        let Some(known) = self.runs.get_mut(&run) else { return };
        (known.status, known.host, known.leased) = (to, None, false);
        known.epoch += 1;
        for (status, _) in &mut known.steps {
            *status = match *status {
                StepStatus::Running => StepStatus::Failed,
                StepStatus::Waiting => StepStatus::Blocked,
                other => other,
            };
        }
        let project = known.project;
        let completed = to == RunStatus::Completed;
        self.set_project(
            project,
            if completed { ProjectStatus::Completed } else { ProjectStatus::Failed },
        );
        self.say(project, 1);
    }

    fn apply(&mut self, op: &Op, leases: &BTreeMap<u8, Lease>) -> Answer {
        match *op {
            Op::Create(project) => {
                if self.projects.contains_key(&project) {
                    return Answer::Conflict;
                }
                self.projects.insert(project, (ProjectStatus::Created, 0));
                Answer::Done
            }
            Op::Delete(project) => {
                let active = |run: &&ModelRun| run.project == project && !run.status.is_final();
                if self.runs.values().any(|run| active(&run)) {
                    return Answer::Conflict;
                }
                if self.projects.remove(&project).is_none() {
                    return Answer::NotFound;
                }
                self.runs.retain(|_, run| run.project != project);
                Answer::Done
            }
            Op::Start { project } => {
                let Some((status, _)) = self.projects.get(&project).copied() else {
                    return Answer::NotFound;
                };
                let going_on = |run: &ModelRun| run.project == project && !run.status.is_final();
                if let Some((id, _)) = self.runs.iter().find(|(_, run)| going_on(run)) {
                    return Answer::AlreadyRunning(*id);
                }
                let run = ModelRun {
                    project,
                    status: RunStatus::Queued,
                    epoch: 0,
                    host: None,
                    leased: false,
                    steps: [(StepStatus::Waiting, 0); 3],
                    journal: Vec::new(),
                };
                self.runs.insert(self.started, run);
                self.started += 1;
                let fresh = matches!(status, ProjectStatus::Created | ProjectStatus::Analyzing);
                self.set_project(
                    project,
                    if fresh { ProjectStatus::Analyzing } else { ProjectStatus::Building },
                );
                self.say(project, 1);
                Answer::Done
            }
            Op::Claim { host } => {
                // The oldest: runs are numbered in the order of their start.
                let free = |run: &ModelRun| {
                    matches!(run.status, RunStatus::Queued | RunStatus::Running) && !run.leased
                };
                let Some((id, run)) = self.runs.iter_mut().find(|(_, run)| free(run)) else {
                    return Answer::Claimed(None);
                };
                let first = run.status == RunStatus::Queued;
                let recovered = !first && run.host.is_some();
                (run.status, run.host, run.leased) = (RunStatus::Running, Some(host), true);
                run.epoch += 1;
                let (id, project) = (*id, run.project);
                self.say(project, u64::from(first || recovered));
                Answer::Claimed(Some(id))
            }
            Op::Begin { run, step } => {
                let Some(known) = self.held(run, leases.get(&run)) else {
                    return Answer::LeaseLost;
                };
                let (status, tries) = &mut known.steps[usize::from(step)];
                if *status == StepStatus::Running {
                    return Answer::Try(Some(*tries));
                }
                if !status.may_become(StepStatus::Running) {
                    return Answer::Illegal;
                }
                (*status, *tries) = (StepStatus::Running, *tries + 1);
                let (tries, project) = (*tries, known.project);
                self.say(project, 1);
                Answer::Try(Some(tries))
            }
            Op::Record { run, step, path } => {
                let Some(known) = self.held(run, leases.get(&run)) else {
                    return Answer::LeaseLost;
                };
                let (status, tries) = known.steps[usize::from(step)];
                if status != StepStatus::Running || known.journal.contains(&(step, tries, path)) {
                    return Answer::Conflict;
                }
                known.journal.push((step, tries, path));
                Answer::Done
            }
            Op::Commit { run, step, status, next } => {
                let Some(known) = self.held(run, leases.get(&run)) else {
                    return Answer::LeaseLost;
                };
                let from = known.steps[usize::from(step)].0;
                if !from.may_become(status) || status == StepStatus::Running {
                    return Answer::Illegal;
                }
                known.steps[usize::from(step)].0 = status;
                let next = next.filter(|next| *next != step).and_then(|next| {
                    let (status, tries) = &mut known.steps[usize::from(next)];
                    status.may_become(StepStatus::Running).then(|| {
                        (*status, *tries) = (StepStatus::Running, *tries + 1);
                        *tries
                    })
                });
                let project = known.project;
                let analyzing = self
                    .projects
                    .get(&project)
                    .is_some_and(|(now, _)| *now == ProjectStatus::Analyzing);
                if status.satisfies() && analyzing {
                    self.set_project(project, ProjectStatus::Building);
                }
                self.say(project, 1 + u64::from(next.is_some()));
                Answer::Try(next)
            }
            Op::Pause(run) => {
                let Some(known) = self.held(run, leases.get(&run)) else {
                    return Answer::LeaseLost;
                };
                (known.status, known.host, known.leased) = (RunStatus::Paused, None, false);
                known.epoch += 1;
                Answer::Done
            }
            Op::Resume(run) => match self.runs.get_mut(&run) {
                None => Answer::NotFound,
                Some(known) if known.status != RunStatus::Paused => Answer::Conflict,
                Some(known) => {
                    known.status = RunStatus::Running;
                    let project = known.project;
                    self.say(project, 1);
                    Answer::Done
                }
            },
            Op::Stop(run) => match self.runs.get(&run) {
                None => Answer::NotFound,
                Some(known) if known.status.is_final() => Answer::Illegal,
                Some(_) => {
                    self.end(run, RunStatus::Stopped);
                    Answer::Done
                }
            },
            Op::Finish { run, status } => {
                let Some(known) = self.held(run, leases.get(&run)) else {
                    return Answer::LeaseLost;
                };
                let open = known.steps.iter().any(|(status, _)| !status.satisfies());
                if !status.is_final() || (status == RunStatus::Completed && open) {
                    return Answer::Illegal;
                }
                self.end(run, status);
                Answer::Done
            }
            Op::Release(run) => {
                let Some(known) = self.held(run, leases.get(&run)) else {
                    return Answer::LeaseLost;
                };
                (known.host, known.leased) = (None, false);
                known.epoch += 1;
                Answer::Done
            }
            Op::HostDies(host) => {
                for run in self.runs.values_mut() {
                    if run.host == Some(host) && run.status == RunStatus::Running && run.leased {
                        run.leased = false;
                        run.epoch += 1;
                    }
                }
                Answer::Done
            }
        }
    }
}

fn name(project: u8) -> String {
    format!("p{project}")
}

const NAMES: [&str; 3] = STEPS;

/// Does an operation for real. `started` counts the runs that were started.
fn next_step(step: &str) -> NextStep {
    let base = BaseEntry { manifest: Digest::of(b"files"), value: json!({ "documents": [] }) };
    NextStep { step: step.to_owned(), base }
}

async fn perform(
    store: &Store,
    op: &Op,
    leases: &mut BTreeMap<u8, Lease>,
    started: &mut u8,
) -> Answer {
    // A run that was never claimed has a lease nobody granted.
    let lease = |run: u8, leases: &BTreeMap<u8, Lease>| {
        let nobody = Lease { run: rid(u128::from(run) + 1), host: hid(77), epoch: 0 };
        leases.get(&run).cloned().unwrap_or(nobody)
    };
    let said = || vec![EventBody::RunStarted];
    match *op {
        Op::Create(n) => answer(store.create_project(&project(&name(n), i64::from(n))).await),
        Op::Delete(n) => answer(store.delete_project(&pid(&name(n))).await),
        Op::Start { project } => {
            let new = new_run(&name(project), u128::from(*started) + 1);
            match store.start_run(new).await {
                Ok(_) => {
                    *started += 1;
                    Answer::Done
                }
                Err(StartError::AlreadyRunning(run)) => {
                    Answer::AlreadyRunning(number_of(run.id, *started))
                }
                Err(StartError::Full { .. }) => Answer::Other("full".to_owned()),
                Err(StartError::Store(error)) => error.into(),
            }
        }
        Op::Claim { host } => {
            let claim = Claim { host: hid(u128::from(host)), lease_ms: 3_600_000, only: None };
            match store.claim(&claim).await {
                Ok(None) => Answer::Claimed(None),
                Ok(Some(claimed)) => {
                    let run = number_of(claimed.run.id, *started);
                    leases.insert(run, claimed.lease);
                    Answer::Claimed(Some(run))
                }
                Err(error) => error.into(),
            }
        }
        Op::Begin { run, step } => {
            let lease = lease(run, leases);
            let begun = store.begin_step(&lease, NAMES[usize::from(step)], None, |_| said()).await;
            begun.map_or_else(Answer::from, |begun| Answer::Try(Some(begun.attempt)))
        }
        Op::Record { run, step, path } => {
            let step = NAMES[usize::from(step)];
            let tries = store.steps(rid(u128::from(run) + 1)).await.unwrap();
            let tries =
                tries.iter().find(|record| record.step == step).map_or(1, |record| record.attempt);
            let mut entry = entry(step, tries, &path.to_string(), Some("0.1"));
            entry.run = rid(u128::from(run) + 1);
            entry.ledger.as_mut().unwrap().run = entry.run;
            answer(store.journal_append(&lease(run, leases), &entry).await)
        }
        Op::Commit { run, step, status, next } => {
            let end = StepCommit { events: said(), ..commit(NAMES[usize::from(step)], status) };
            let next = next.filter(|next| *next != step).map(|next| NAMES[usize::from(next)]);
            let lease = lease(run, leases);
            let done = store.commit_step_and_begin(&lease, &end, next.map(next_step), |_| said());
            done.await.map_or_else(Answer::from, Answer::Try)
        }
        Op::Pause(run) => answer(store.pause_run(&lease(run, leases), &Pause::default()).await),
        Op::Resume(run) => answer(store.resume_run(rid(u128::from(run) + 1), said()).await),
        Op::Stop(run) => answer(store.stop_run(rid(u128::from(run) + 1), "enough").await),
        Op::Finish { run, status } => {
            answer(store.finish_run(&lease(run, leases), status, "", said()).await)
        }
        Op::Release(run) => answer(store.release(&lease(run, leases)).await),
        Op::HostDies(host) => answer(store.expire_host(&hid(u128::from(host))).await),
    }
}

fn number_of(run: RunId, started: u8) -> u8 {
    (0..started).find(|n| rid(u128::from(*n) + 1) == run).unwrap()
}

/// The database looks like the model.
async fn compare(store: &Store, model: &Model) {
    for n in 0..PROJECTS {
        let id = pid(&name(n));
        let Some((status, seq)) = model.projects.get(&n) else {
            assert!(matches!(store.project(&id).await, Err(StoreError::NotFound { .. })));
            continue;
        };
        assert_eq!(store.project(&id).await.unwrap().status, *status, "project {n}");
        let events = store.events_after(&id, 0, 1000).await.unwrap();
        let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=*seq).collect::<Vec<_>>(), "events of project {n}");
    }
    for (n, known) in &model.runs {
        let id = rid(u128::from(*n) + 1);
        assert_eq!(store.run(id).await.unwrap().status, known.status, "run {n}");
        let steps: Vec<(StepStatus, u32)> =
            store.steps(id).await.unwrap().iter().map(|step| (step.status, step.attempt)).collect();
        assert_eq!(steps, known.steps, "steps of run {n}");
        let calls = store.run_totals(id).await.unwrap().all.calls;
        assert_eq!(calls, known.journal.len() as u64, "ledger of run {n}");
    }
}

async fn follow(kind: Kind, operations: &[Op]) {
    let fixture = fixture(kind).await;
    let (mut model, mut leases, mut started) = (Model::default(), BTreeMap::new(), 0);
    for (at, op) in operations.iter().enumerate() {
        let before = leases.clone();
        let found = perform(&fixture.store, op, &mut leases, &mut started).await;
        let expected = model.apply(op, &before);
        assert_eq!(found, expected, "operation {at}, {op:?}, on {kind:?}");
    }
    compare(&fixture.store, &model).await;
}

fn walk(kind: Kind, operations: &[Op]) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(follow(kind, operations));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_does_what_the_model_does(operations in prop::collection::vec(operations(), 1..80)) {
        walk(Kind::Sqlite, &operations);
    }

    #[test]
    fn postgres_does_what_the_model_does(operations in prop::collection::vec(operations(), 1..80)) {
        walk(Kind::Postgres, &operations);
    }
}
