//! What is kept, for how long, and taking away the rest.
//!
//! **Invariants:**
//! - a row of the ledger is never taken away: what was paid stays known;
//! - of the events only the oldest go, so that the numbers of those that stay have no gap;
//! - the newest checkpoint and the one before it stay, and so does what was the newest a short
//!   while ago: someone may just be building on it.

use std::{collections::BTreeSet, time::Duration};

use gencode_core::{
    crash_around,
    digest::Digest,
    id::{ProjectId, RunId},
    run::{Generation, RunStatus},
    time,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    Result, Store, StoreError, connection::Write, projects::no_project, row::Row, sql::sql,
};

/// Fewest checkpoints a project keeps: a working copy is repaired from the newest and the one before.
pub const MIN_CHECKPOINTS: u32 = 2;

/// Rows read at once by what walks through a table.
const PAGE: i64 = 5_000;

/// Projects looked at per page.
const PROJECTS: i64 = 500;

/// How long the history of a project is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Days for which everything is kept.
    pub keep_days: u32,
    /// Newest checkpoints that are kept however old they are; at least [`MIN_CHECKPOINTS`].
    pub keep_checkpoints: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_days: 30, keep_checkpoints: 50 }
    }
}

/// A project with its own rule, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptProject {
    pub project: ProjectId,
    pub own: Option<Retention>,
}

/// What [`Store::prune`] needs.
#[derive(Debug, Clone)]
pub struct Prune {
    pub project: ProjectId,
    pub retention: Retention,
    /// What was the newest checkpoint so short a while ago stays.
    pub grace: Duration,
    /// Runs whose result is shown: their last checkpoints stay.
    pub shown: BTreeSet<RunId>,
    /// Only says what would go.
    pub dry_run: bool,
}

/// What [`Store::prune`] took away, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    pub gone: Gone,
    pub journal_entries: u64,
    /// Bytes of text in them.
    pub journal_bytes: u64,
    pub events: u64,
    /// Bytes of text in them.
    pub event_bytes: u64,
}

/// Rows that name other things, and are gone or are to be thought of as gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Numbers of checkpoints.
    pub checkpoints: BTreeSet<i64>,
    /// Runs without their journals.
    pub journals: BTreeSet<RunId>,
}

/// One checkpoint, as far as retention is concerned.
struct Candidate {
    n: i64,
    id: String,
    run: Option<RunId>,
    created_at: Timestamp,
}

impl Store {
    /// The project's own rule, if it has one.
    pub async fn retention(&self, project: &ProjectId) -> Result<Option<Retention>> {
        let query = sql("SELECT p.id, r.keep_days, r.keep_checkpoints FROM projects AS p \
                         LEFT JOIN retention AS r ON r.project = p.id WHERE p.id = $1");
        let row = self.optional(query.bind(project.to_string())).await?;
        let row = row.ok_or_else(|| no_project(project))?;
        own_rule(&row)
    }

    /// Gives the project a rule of its own, or with none takes it away.
    pub async fn set_retention(&self, project: &ProjectId, own: Option<Retention>) -> Result<()> {
        let mut write = self.write(crash_around!("store.retention.set")).await?;
        write.project_status(project).await?;
        let query = match own {
            None => sql("DELETE FROM retention WHERE project = $1").bind(project.to_string()),
            Some(own) => sql("INSERT INTO retention (project, keep_days, keep_checkpoints) \
                              VALUES ($1, $2, $3) ON CONFLICT (project) DO UPDATE \
                              SET keep_days = excluded.keep_days, \
                                  keep_checkpoints = excluded.keep_checkpoints")
            .bind(project.to_string())
            .bind(i64::from(own.keep_days))
            .bind(i64::from(own.keep_checkpoints.max(MIN_CHECKPOINTS))),
        };
        write.execute(query).await?;
        write.commit().await
    }

    /// The next projects after `after` in order of id; none at the end.
    pub async fn kept_projects(&self, after: Option<&ProjectId>) -> Result<Vec<KeptProject>> {
        let query = sql("SELECT p.id, r.keep_days, r.keep_checkpoints FROM projects AS p \
                         LEFT JOIN retention AS r ON r.project = p.id \
                         WHERE p.id > $1 ORDER BY p.id LIMIT $2")
        .bind(after.map(ToString::to_string).unwrap_or_default())
        .bind(PROJECTS);
        let rows = self.all(query).await?;
        rows.iter()
            .map(|row| Ok(KeptProject { project: row.parsed("id")?, own: own_rule(row)? }))
            .collect()
    }

    /// Takes away what the rule does not keep of a project, in one transaction.
    pub async fn prune(&self, prune: &Prune) -> Result<Pruned> {
        let mut write = self.write(crash_around!("store.prune")).await?;
        let before = days_before(write.now, prune.retention.keep_days);
        let mut pruned = Pruned::default();
        write.prune_checkpoints(prune, &mut pruned).await?;
        write.prune_journal(&prune.project, before, &mut pruned).await?;
        write.prune_events(&prune.project, before, &mut pruned).await?;
        if !prune.dry_run && pruned != Pruned::default() {
            write.commit().await?;
        }
        Ok(pruned)
    }

    /// Every state of files that something still needs: those of checkpoints, and those from which
    /// the tries of steps began whose journals are kept.
    pub async fn kept_manifests(&self, without: &Gone) -> Result<BTreeSet<Digest>> {
        let mut kept = BTreeSet::new();
        let mut after = 0;
        loop {
            let query = sql("SELECT n, manifest FROM checkpoints WHERE n > $1 ORDER BY n LIMIT $2");
            let rows = self.all(query.bind(after).bind(PAGE)).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                after = row.integer("n")?;
                if !without.checkpoints.contains(&after) {
                    kept.insert(row.parsed("manifest")?);
                }
            }
        }
        let mut after = (String::new(), String::new(), 0);
        loop {
            // The digest of this entry is that of the manifest.
            let query = sql("SELECT run, step, attempt, digest FROM journal \
                             WHERE path = '@base' AND (run, step, attempt) > ($1, $2, $3) \
                             ORDER BY run, step, attempt LIMIT $4")
            .bind(after.0.clone())
            .bind(after.1.clone())
            .bind(after.2)
            .bind(PAGE);
            let rows = self.all(query).await?;
            if rows.is_empty() {
                return Ok(kept);
            }
            for row in &rows {
                after = (row.text("run")?, row.text("step")?, row.integer("attempt")?);
                if !without.journals.contains(&row.parsed("run")?) {
                    kept.insert(row.parsed("digest")?);
                }
            }
        }
    }

    /// Every component that a run needs which is not final or whose journal is kept.
    pub async fn kept_components(&self, without: &Gone) -> Result<BTreeSet<Digest>> {
        let mut kept = BTreeSet::new();
        // Most runs have the same generation: it is read once.
        let mut seen = BTreeSet::new();
        let mut after = String::new();
        loop {
            let query = sql("SELECT id, status, generation FROM runs WHERE id > $1 \
                             AND (status IN ('queued', 'running', 'paused') \
                                  OR EXISTS (SELECT 1 FROM journal WHERE journal.run = runs.id)) \
                             ORDER BY id LIMIT $2");
            let rows = self.all(query.bind(after.clone()).bind(PAGE)).await?;
            if rows.is_empty() {
                return Ok(kept);
            }
            for row in &rows {
                after = row.text("id")?;
                let status = row.word("status", RunStatus::parse)?;
                let gone = without.journals.contains(&row.parsed("id")?);
                if (gone && status.is_final()) || !seen.insert(row.text("generation")?) {
                    continue;
                }
                let generation: Generation = row.json("generation")?;
                kept.extend(generation.0.values().map(|pinned| pinned.digest));
            }
        }
    }

    /// Whether the run may still be worked on. False also when there is no such run.
    pub async fn is_unfinished(&self, run: RunId) -> Result<bool> {
        match self.run(run).await {
            Ok(run) => Ok(!run.status.is_final()),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn own_rule(row: &Row) -> Result<Option<Retention>> {
    let days = row.optional_integer("keep_days")?;
    let checkpoints = row.optional_integer("keep_checkpoints")?;
    Ok(days.zip(checkpoints).map(|(days, checkpoints)| Retention {
        keep_days: u32::try_from(days).unwrap_or(u32::MAX),
        keep_checkpoints: u32::try_from(checkpoints).unwrap_or(u32::MAX),
    }))
}

/// Which of a project's checkpoints, newest first, may go.
fn beyond(
    checkpoints: &[Candidate],
    prune: &Prune,
    now: Timestamp,
    unfinished: &BTreeSet<RunId>,
) -> BTreeSet<usize> {
    let newest = prune.retention.keep_checkpoints.max(MIN_CHECKPOINTS) as usize;
    let before = days_before(now, prune.retention.keep_days);
    let grace = SignedDuration::try_from(prune.grace).unwrap_or(SignedDuration::MAX);
    let settled = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
    let mut shown = prune.shown.clone();
    let mut going = BTreeSet::new();
    let mut next: Option<Timestamp> = None;
    for (index, checkpoint) in checkpoints.iter().enumerate() {
        // The first one of a run that is met is its last.
        let needed =
            checkpoint.run.is_some_and(|run| unfinished.contains(&run) | shown.remove(&run));
        let was_newest_lately = next.is_none_or(|next| next >= settled);
        if index >= newest && checkpoint.created_at < before && !was_newest_lately && !needed {
            going.insert(index);
        }
        next = Some(checkpoint.created_at);
    }
    going
}

fn days_before(now: Timestamp, days: u32) -> Timestamp {
    let days = SignedDuration::from_hours(i64::from(days) * 24);
    now.checked_sub(days).unwrap_or(Timestamp::MIN)
}

impl Write {
    async fn prune_checkpoints(&mut self, prune: &Prune, pruned: &mut Pruned) -> Result<()> {
        let project = prune.project.to_string();
        let rows = self
            .all(
                sql("SELECT n, id, run, created_at FROM checkpoints \
                     WHERE project = $1 ORDER BY n DESC")
                .bind(project.clone()),
            )
            .await?;
        let checkpoints = rows
            .iter()
            .map(|row| {
                Ok(Candidate {
                    n: row.integer("n")?,
                    id: row.text("id")?,
                    run: row.optional_parsed("run")?,
                    created_at: row.instant("created_at")?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut unfinished = BTreeSet::new();
        let active = sql("SELECT id FROM runs WHERE project = $1 \
                          AND status IN ('queued', 'running', 'paused')");
        for row in self.all(active.bind(project.clone())).await? {
            unfinished.insert(row.parsed("id")?);
        }
        let going = beyond(&checkpoints, prune, self.now, &unfinished);
        // Oldest first, so that the parent of the one that stays is known when it comes.
        let mut parent: Option<String> = None;
        let mut relink = false;
        for (index, checkpoint) in checkpoints.iter().enumerate().rev() {
            if going.contains(&index) {
                let delete = sql("DELETE FROM checkpoints WHERE n = $1").bind(checkpoint.n);
                self.execute(delete).await?;
                pruned.gone.checkpoints.insert(checkpoint.n);
                relink = true;
                continue;
            }
            if relink {
                let update = sql("UPDATE checkpoints SET parent = $2 WHERE n = $1")
                    .bind(checkpoint.n)
                    .bind(parent.clone());
                self.execute(update).await?;
                relink = false;
            }
            parent = Some(checkpoint.id.clone());
        }
        Ok(())
    }

    async fn prune_journal(
        &mut self,
        project: &ProjectId,
        before: Timestamp,
        pruned: &mut Pruned,
    ) -> Result<()> {
        const OLD: &str = "SELECT run, COUNT(*) AS entries, \
             SUM(octet_length(call) + octet_length(reply)) AS bytes FROM journal \
             WHERE run IN (SELECT id FROM runs WHERE project = $1 AND finished_at < $2 \
                           AND status IN ('completed', 'failed', 'stopped')) GROUP BY run";
        let old = sql(OLD).bind(project.to_string()).bind(time::iso(before));
        for row in self.all(old).await? {
            pruned.journal_entries += row.natural("entries")?;
            pruned.journal_bytes += row.natural("bytes")?;
            let run: RunId = row.parsed("run")?;
            self.execute(sql("DELETE FROM journal WHERE run = $1").bind(run.to_string())).await?;
            pruned.gone.journals.insert(run);
        }
        Ok(())
    }

    /// Events up to the first that is young, or of the project's latest run, or of one that is not
    /// final.
    async fn prune_events(
        &mut self,
        project: &ProjectId,
        before: Timestamp,
        pruned: &mut Pruned,
    ) -> Result<()> {
        const FIRST_KEPT: &str = "SELECT MIN(seq) AS first FROM events \
             WHERE project = $1 AND (at >= $2 OR run IN ( \
                 SELECT id FROM runs WHERE project = $1 AND (finished_at IS NULL OR id = ( \
                     SELECT id FROM runs WHERE project = $1 \
                     ORDER BY created_at DESC, id DESC LIMIT 1))))";
        const OLDER: &str = "SELECT COUNT(*) AS events, \
             COALESCE(SUM(octet_length(body)), 0) AS bytes FROM events \
             WHERE project = $1 AND seq < $2";
        let query = sql(FIRST_KEPT).bind(project.to_string()).bind(time::iso(before));
        let first = match self.optional(query).await? {
            Some(row) => row.optional_integer("first")?,
            None => None,
        };
        // Without any to keep, all are old.
        let first = first.unwrap_or(i64::MAX);
        let query = sql(OLDER).bind(project.to_string()).bind(first);
        let Some(row) = self.optional(query).await? else { return Ok(()) };
        let events = row.natural("events")?;
        if events == 0 {
            return Ok(());
        }
        pruned.events += events;
        pruned.event_bytes += row.natural("bytes")?;
        let delete = sql("DELETE FROM events WHERE project = $1 AND seq < $2");
        self.execute(delete.bind(project.to_string()).bind(first)).await?;
        Ok(())
    }
}
