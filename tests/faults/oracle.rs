//! What must be true after every fault (invariants I1 to I11 of the fault plan): compared with a
//! run of the same play that nothing disturbed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{books::Books, provider::Sale, world::World};

/// What a world holds in the end. Ids of runs, hosts and checkpoints differ between worlds and are
/// left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Project and state.
    projects: Vec<Vec<String>>,
    /// Project, kind and state, in order.
    runs: Vec<Vec<String>>,
    /// Project, kind of run, step, state, reason, tries.
    steps: Vec<Vec<String>>,
    /// Project and digest of the manifest of its newest checkpoint.
    heads: BTreeMap<String, String>,
    /// Project, step and author of every checkpoint.
    checkpoints: Vec<Vec<String>>,
    /// Working copies, by project and path.
    files: BTreeMap<(String, String), Vec<u8>>,
    /// What was paid: position of the call within its run, and the sale.
    sales: BTreeMap<String, Vec<Sale>>,
}

impl Outcome {
    /// Reads the outcome of a world whose host has ended, and checks what must hold in any.
    pub(crate) async fn of(world: &World) -> Self {
        let mut books = Books::open(&world.data).await;
        one_final_state(&mut books).await;
        dense_history(&mut books).await;
        one_commit_per_step(&mut books).await;
        paid_once_and_booked(&mut books, world).await;
        nothing_left_over(world).await;
        let projects = books.rows("SELECT id, status FROM projects ORDER BY id").await;
        let mut files = BTreeMap::new();
        for project in &projects {
            let project = &project[0];
            if world.folder(project).is_dir() {
                for (path, content) in world.files(project) {
                    files.insert((project.clone(), path), content);
                }
            }
        }
        let mut sales: BTreeMap<String, Vec<Sale>> = BTreeMap::new();
        for (key, sale) in world.provider.sales() {
            // The key begins with the run, whose id differs between worlds. How often a call was
            // asked for differs too; that it was charged once is checked above.
            let place = key.split_once('/').map_or(key.as_str(), |(_, place)| place);
            sales.entry(place.to_owned()).or_default().push(Sale { asked: 0, ..sale });
        }
        Self {
            runs: books
                .rows("SELECT project, kind, status FROM runs ORDER BY project, created_at")
                .await,
            steps: books
                .rows(
                    "SELECT r.project, r.kind, s.step, s.status, s.reason, CAST(s.attempt AS TEXT) \
                     FROM steps s JOIN runs r ON r.id = s.run \
                     ORDER BY r.project, r.created_at, s.position",
                )
                .await,
            heads: books
                .rows(
                    "SELECT project, manifest FROM checkpoints c WHERE n = \
                     (SELECT max(n) FROM checkpoints d WHERE d.project = c.project)",
                )
                .await
                .into_iter()
                .map(|row| (row[0].clone(), row[1].clone()))
                .collect(),
            checkpoints: books
                .rows(
                    "SELECT project, step, author FROM checkpoints ORDER BY project, step, author",
                )
                .await,
            projects,
            files,
            sales,
        }
    }

    /// How many different states the projects are in.
    pub(crate) fn heads(&self) -> usize {
        self.heads.values().collect::<BTreeSet<_>>().len()
    }

    /// Fails where the two differ, with what differs only.
    pub(crate) fn assert_same(&self, undisturbed: &Self, what: &str) {
        assert_eq!(self.projects, undisturbed.projects, "{what}: projects");
        assert_eq!(self.runs, undisturbed.runs, "{what}: runs");
        assert_eq!(self.steps, undisturbed.steps, "{what}: steps");
        assert_eq!(self.checkpoints, undisturbed.checkpoints, "{what}: checkpoints");
        assert_eq!(self.sales, undisturbed.sales, "{what}: model calls");
        let names = |outcome: &Self| outcome.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(undisturbed), "{what}: files");
        for (path, content) in &self.files {
            assert!(content == &undisturbed.files[path], "{what}: {path:?} differs");
        }
        assert_eq!(self.heads, undisturbed.heads, "{what}: newest checkpoints");
    }
}

/// I1: every accepted run is in exactly one terminal state, and holds nothing.
async fn one_final_state(books: &mut Books) {
    let open = "SELECT id, status FROM runs WHERE status NOT IN ('completed', 'failed', 'stopped')";
    assert_eq!(books.rows(open).await, Vec::<Vec<String>>::new(), "runs that never ended");
    let open = "SELECT s.run, s.step, s.status FROM steps s \
                WHERE s.status IN ('waiting', 'running')";
    assert_eq!(books.rows(open).await, Vec::<Vec<String>>::new(), "steps that never ended");
    let open = "SELECT run, step FROM questions";
    assert_eq!(books.rows(open).await, Vec::<Vec<String>>::new(), "questions nobody asks any more");
}

/// I2 and I7: the history of a project has every number once, and as many ends as runs.
async fn dense_history(books: &mut Books) {
    let gaps = "SELECT p.id, CAST(p.last_seq AS TEXT), CAST(count(e.seq) AS TEXT) \
                FROM projects p LEFT JOIN events e ON e.project = p.id GROUP BY p.id, p.last_seq \
                HAVING count(e.seq) <> p.last_seq OR coalesce(max(e.seq), 0) <> p.last_seq";
    assert_eq!(books.rows(gaps).await, Vec::<Vec<String>>::new(), "numbers of events are missing");
    let rows = books.rows("SELECT coalesce(run, ''), body FROM events ORDER BY project, seq").await;
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    let mut finished: BTreeSet<(String, String)> = BTreeSet::new();
    for row in rows {
        let body: serde_json::Value = serde_json::from_str(&row[1]).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let kind = text("type");
        if ["run_completed", "run_failed", "run_stopped"].contains(&kind.as_str()) {
            *ends.entry(row[0].clone()).or_default() += 1;
        }
        if kind == "step_finished" && text("status") != "waiting" {
            let new = finished.insert((row[0].clone(), text("step")));
            assert!(new, "a step ended twice: {body}");
        }
    }
    let runs = books.number("SELECT CAST(count(*) AS TEXT) FROM runs").await;
    assert_eq!(ends.len(), usize::try_from(runs).unwrap(), "runs without an end in the history");
    assert!(ends.values().all(|count| *count == 1), "runs that ended twice: {ends:?}");
}

/// I3: a step has at most one committed result, and checkpoints are one line.
async fn one_commit_per_step(books: &mut Books) {
    let twice = "SELECT run, step, CAST(count(*) AS TEXT) FROM checkpoints WHERE author = 'run' \
                 GROUP BY run, step HAVING count(*) > 1";
    assert_eq!(books.rows(twice).await, Vec::<Vec<String>>::new(), "steps committed twice");
    let forks = "SELECT parent, CAST(count(*) AS TEXT) FROM checkpoints \
                 WHERE parent IS NOT NULL GROUP BY parent, project HAVING count(*) > 1";
    assert_eq!(books.rows(forks).await, Vec::<Vec<String>>::new(), "checkpoints that fork");
    let lost = "SELECT c.id FROM checkpoints c WHERE parent IS NOT NULL \
                AND NOT EXISTS (SELECT 1 FROM checkpoints p WHERE p.id = c.parent)";
    assert_eq!(books.rows(lost).await, Vec::<Vec<String>>::new(), "checkpoints without parent");
}

/// I4 and I5: nothing was paid twice, and the ledger is the provider's bill.
async fn paid_once_and_booked(books: &mut Books, world: &World) {
    let sales = world.provider.sales();
    for (key, sale) in &sales {
        assert_eq!(sale.charged, 1, "{key} was paid {} times", sale.charged);
    }
    let booked = books
        .rows(
            "SELECT CAST(count(*) AS TEXT), CAST(coalesce(sum(input_tokens), 0) AS TEXT), \
             CAST(coalesce(sum(output_tokens), 0) AS TEXT) FROM ledger",
        )
        .await;
    let sum = |tokens: fn(&Sale) -> u64| sales.values().map(tokens).sum::<u64>().to_string();
    let billed =
        [sales.len().to_string(), sum(|sale| sale.input_tokens), sum(|sale| sale.output_tokens)];
    assert_eq!(booked, [billed], "the ledger (left) is not the provider's bill (right)");
}

/// I9: no process and no half-made folder is left.
async fn nothing_left_over(world: &World) {
    crate::orphans::assert_none().await;
    let data = world.data.path();
    assert_eq!(names(&data.join("trees")), Vec::<String>::new(), "sandbox trees");
    let sockets = names(&data.join("run/gencode-0"));
    assert!(!sockets.iter().any(|name| name.starts_with("s-")), "folders of sockets: {sockets:?}");
    let partial = names(&data.join("components"));
    let partial: Vec<_> =
        partial.iter().filter(|name| name.strip_suffix(".wasm").is_none()).collect();
    assert!(partial.is_empty(), "half-kept components: {partial:?}");
    for place in ["blobs", "workspaces"] {
        let staging = data.join(place).join(".staging");
        let places: Vec<String> =
            names(&staging).into_iter().filter(|name| name.parse::<u64>().is_ok()).collect();
        // Hosts that ended leave their own, empty; the next ones use them again.
        for one in places {
            assert_eq!(names(&staging.join(&one)), Vec::<String>::new(), "{place}: half-written");
        }
    }
    let locks = names(&data.join("hosts"));
    assert!(locks.len() <= 1, "locks of dead hosts: {locks:?}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
