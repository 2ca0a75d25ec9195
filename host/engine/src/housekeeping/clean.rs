//! Cleaning: what retention does not keep, then what nothing names any more.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use gencode_core::{
    digest::Digest,
    id::{HostId, ProjectId, RunId},
};
use gencode_store::{Gone, HoldKind, Prune, Retention, Store, StoreError};
use gencode_workspace::Workspaces;
use serde::Serialize;

use super::{Places, folders};
use crate::hosts::{HostLock, Presence};

/// How long a clean-up that does not renew its hold keeps others away.
const HOLD: Duration = Duration::from_mins(5);

/// Between two pieces of work of a gentle clean-up.
const PAUSE: Duration = Duration::from_millis(5);

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// For projects without a rule of their own.
    pub retention: Retention,
    /// What is younger is never taken away. See the module's rule.
    pub grace: Duration,
    /// Installed dependencies and machine code that were not used for so long go.
    pub unused: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            grace: Duration::from_hours(1),
            unused: Duration::from_hours(30 * 24),
        }
    }
}

/// How to clean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Only says what would go.
    pub dry_run: bool,
    /// Leaves room for others between its pieces of work.
    pub gentle: bool,
}

/// Some things that went, or would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    pub count: u64,
    pub bytes: u64,
}

impl Removed {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// What a clean-up took away, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    pub dry_run: bool,
    pub checkpoints: Removed,
    pub journal_entries: Removed,
    pub events: Removed,
    pub blobs: Removed,
    pub components: Removed,
    pub compiled_components: Removed,
    pub dependencies: Removed,
    pub run_trees: Removed,
    pub previews: Removed,
    pub host_locks: Removed,
    /// What could not be taken away, and why. The rest was.
    pub problems: Vec<String>,
}

impl Cleaned {
    /// Each kind of thing with its name.
    pub fn kinds(&self) -> [(&'static str, Removed); 10] {
        [
            ("checkpoints", self.checkpoints),
            ("journal entries", self.journal_entries),
            ("events", self.events),
            ("blobs", self.blobs),
            ("components", self.components),
            ("compiled components", self.compiled_components),
            ("installed dependencies", self.dependencies),
            ("trees of ended runs", self.run_trees),
            ("previews", self.previews),
            ("locks of dead hosts", self.host_locks),
        ]
    }

    /// Bytes of all together.
    pub fn bytes(&self) -> u64 {
        self.kinds().iter().fold(0, |sum, (_, removed)| sum.saturating_add(removed.bytes))
    }

    /// Notes what could not be done and goes on.
    pub(crate) fn problem(&mut self, what: &str, error: impl std::fmt::Display) {
        tracing::warn!(%error, "{what}");
        self.problems.push(format!("{what}: {error}"));
    }
}

/// Why nothing (more) is taken away.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// Try again later.
    #[error("{0}; try again when it is over")]
    Busy(String),
    #[error(transparent)]
    Store(StoreError),
    /// Kept rather than taken away by mistake.
    #[error("what is needed cannot be told: {0}; see `gencode doctor`")]
    Unknown(String),
    #[error("the folder `{0}` cannot be cleaned")]
    Folder(PathBuf, #[source] std::io::Error),
}

impl From<StoreError> for CleanError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(why) => Self::Busy(why),
            other => Self::Store(other),
        }
    }
}

/// Takes away what is no longer needed. Works without an engine, beside any number of hosts.
#[derive(Debug, Clone)]
pub struct Keeper {
    pub store: Store,
    pub workspaces: Workspaces,
    pub places: Places,
    pub policy: Policy,
}

/// The right to take things away, renewed while the work goes on.
pub(crate) struct Hold<'k> {
    keeper: &'k Keeper,
    id: HostId,
    how: How,
}

impl Hold<'_> {
    /// Between two pieces of work: still alone?
    pub(crate) async fn renew(&self) -> Result<(), CleanError> {
        if !self.how.dry_run {
            self.keeper.store.hold_for(self.id, HoldKind::Cleaning, HOLD).await?;
        }
        self.breathe().await;
        Ok(())
    }

    pub(crate) async fn breathe(&self) {
        if self.how.gentle {
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.how.dry_run
    }
}

impl Keeper {
    /// Cleans everything. A part that fails is named in the answer and the others are done.
    pub async fn clean(&self, how: How) -> Result<Cleaned, CleanError> {
        let present = self.present().await?;
        let mut dead = Cleaned { dry_run: how.dry_run, ..Cleaned::default() };
        // A clean-up or a backup that was killed keeps nobody away.
        self.clean_locks(how.dry_run, &mut dead).await?;
        let hold = Hold { keeper: self, id: present.id, how };
        hold.renew().await?;
        let cleaned = Box::pin(self.clean_with(&hold, dead)).await;
        if !how.dry_run
            && let Err(error) = self.store.let_go(hold.id).await
        {
            tracing::debug!(%error, "the hold ends by itself");
        }
        cleaned
    }

    /// Makes a piece of work known, until it is dropped.
    pub(crate) async fn present(&self) -> Result<Presence, CleanError> {
        let hosts = self.places.hosts.clone();
        tokio::task::spawn_blocking(move || Presence::take(&hosts))
            .await
            .map_err(|panicked| CleanError::Unknown(panicked.to_string()))?
            .map_err(|error| CleanError::Folder(self.places.hosts.clone(), error))
    }

    async fn clean_with(
        &self,
        hold: &Hold<'_>,
        mut cleaned: Cleaned,
    ) -> Result<Cleaned, CleanError> {
        let shown = self.shown_runs().await?;
        let gone = self.prune_all(hold, &shown, &mut cleaned).await?;
        hold.renew().await?;
        if let Err(error) = self.sweep_blobs(hold, &gone, &mut cleaned).await {
            cleaned.problem("the blobs were not cleaned to the end", error);
        }
        hold.renew().await?;
        let components = self.needed_components(&gone).await?;
        self.clean_folders(hold, components, &mut cleaned).await?;
        Ok(cleaned)
    }

    /// Components that a kept run or a living host needs.
    pub(crate) async fn needed_components(
        &self,
        gone: &Gone,
    ) -> Result<BTreeSet<Digest>, CleanError> {
        let hosts = self.places.hosts.clone();
        let living =
            tokio::task::spawn_blocking(move || folders::generations_of_living_hosts(&hosts));
        let living = living
            .await
            .map_err(|panicked| CleanError::Unknown(panicked.to_string()))?
            .map_err(|error| CleanError::Folder(self.places.hosts.clone(), error))?;
        let mut needed = self.store.kept_components(gone).await?;
        needed.extend(living);
        Ok(needed)
    }

    /// Only what crashes left and nobody can miss.
    pub(crate) async fn clean_leftovers(&self, how: How) -> Result<Cleaned, CleanError> {
        let mut cleaned = Cleaned { dry_run: how.dry_run, ..Cleaned::default() };
        let known = self.known(&mut cleaned).await?;
        let (keeper, dry_run) = (self.clone(), how.dry_run);
        let mut report = std::mem::take(&mut cleaned);
        let done = tokio::task::spawn_blocking(move || {
            let sweep = folders::Sweep { places: &keeper.places, policy: keeper.policy, dry_run };
            sweep.trees(&known, &mut report);
            sweep.previews(&known, &mut report);
            report
        });
        cleaned = done.await.map_err(|panicked| CleanError::Unknown(panicked.to_string()))?;
        self.clean_locks(dry_run, &mut cleaned).await?;
        Ok(cleaned)
    }

    /// Runs whose result is shown as a preview.
    async fn shown_runs(&self) -> Result<BTreeSet<RunId>, CleanError> {
        let previews = self.store.previews().await?;
        // The tree is named `<run>-<try>`.
        let run_of = |spec: &serde_json::Value| {
            let tree = spec.get("tree")?.as_str()?.rsplit('/').next()?;
            tree.rsplit_once('-')?.0.parse().ok()
        };
        Ok(previews.iter().filter_map(|preview| run_of(&preview.spec)).collect())
    }

    async fn prune_all(
        &self,
        hold: &Hold<'_>,
        shown: &BTreeSet<RunId>,
        cleaned: &mut Cleaned,
    ) -> Result<Gone, CleanError> {
        let mut all = Gone::default();
        let mut after: Option<ProjectId> = None;
        loop {
            let page = self.store.kept_projects(after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.project.clone());
            for kept in page {
                let pruned = self
                    .store
                    .prune(&Prune {
                        project: kept.project,
                        retention: kept.own.unwrap_or(self.policy.retention),
                        grace: self.policy.grace,
                        shown: shown.clone(),
                        dry_run: hold.dry_run(),
                    })
                    .await?;
                cleaned.checkpoints.count += pruned.gone.checkpoints.len() as u64;
                cleaned.journal_entries.count += pruned.journal_entries;
                cleaned.journal_entries.bytes += pruned.journal_bytes;
                cleaned.events.count += pruned.events;
                cleaned.events.bytes += pruned.event_bytes;
                all.checkpoints.extend(pruned.gone.checkpoints);
                all.journals.extend(pruned.gone.journals);
                hold.breathe().await;
            }
            hold.renew().await?;
        }
    }

    async fn clean_folders(
        &self,
        hold: &Hold<'_>,
        components: BTreeSet<Digest>,
        cleaned: &mut Cleaned,
    ) -> Result<(), CleanError> {
        let known = self.known(cleaned).await?;
        let (keeper, dry_run) = (self.clone(), hold.dry_run());
        let mut report = std::mem::take(cleaned);
        let done = tokio::task::spawn_blocking(move || {
            let sweep = folders::Sweep { places: &keeper.places, policy: keeper.policy, dry_run };
            sweep.components(&components, &mut report);
            sweep.trees(&known, &mut report);
            sweep.previews(&known, &mut report);
            sweep.compiled(&mut report);
            sweep.dependencies(&mut report);
            report
        });
        *cleaned = done.await.map_err(|panicked| CleanError::Unknown(panicked.to_string()))?;
        Ok(())
    }

    /// What the database knows about the names that lie in the folders.
    async fn known(&self, cleaned: &mut Cleaned) -> Result<folders::Known, CleanError> {
        let places = self.places.clone();
        let listed = tokio::task::spawn_blocking(move || folders::Named::list(&places));
        let named = match listed.await {
            Ok(Ok(named)) => named,
            Ok(Err(error)) => {
                cleaned.problem("the folders cannot be listed", error);
                folders::Named::default()
            }
            Err(panicked) => return Err(CleanError::Unknown(panicked.to_string())),
        };
        let mut known = folders::Known::default();
        for run in named.runs {
            if !self.store.is_unfinished(run).await? {
                known.ended_runs.insert(run);
            }
        }
        for project in named.projects {
            match self.store.project(&project).await {
                Ok(_) => {}
                Err(StoreError::NotFound { .. }) => {
                    known.gone_projects.insert(project);
                }
                Err(error) => return Err(error.into()),
            }
        }
        for preview in self.store.previews().await? {
            if let Some(tree) = preview.spec.get("tree").and_then(|tree| tree.as_str()) {
                known.preview_trees.insert(PathBuf::from(tree));
            }
        }
        Ok(known)
    }

    /// Takes the runs and holds of dead hosts away from them, and then their locks.
    pub(crate) async fn clean_locks(
        &self,
        dry_run: bool,
        cleaned: &mut Cleaned,
    ) -> Result<(), CleanError> {
        let hosts = self.places.hosts.clone();
        let swept = tokio::task::spawn_blocking(move || HostLock::dead(&hosts));
        let dead = match swept.await {
            Ok(Ok(dead)) => dead,
            Ok(Err(error)) => {
                cleaned.problem("dead hosts were not looked for", error);
                return Ok(());
            }
            Err(panicked) => return Err(CleanError::Unknown(panicked.to_string())),
        };
        for (host, lock) in dead {
            if !dry_run {
                self.store.expire_host(&host).await?;
                if let Err(error) = super::files::remove(&lock) {
                    cleaned.problem("the lock of a dead host was not removed", error);
                    continue;
                }
            }
            cleaned.host_locks.add(0);
        }
        Ok(())
    }
}
