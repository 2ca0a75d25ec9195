//! Looking at a database that may be damaged, without changing it.

use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};

use crate::{Location, Result, Store, StoreError, open::Engine, sql::sql};

/// Most problems of one kind that are told.
const MANY: i64 = 20;

/// Tries of steps whose journals are looked at per page.
const TRIES: i64 = 500;

/// A rule that rows must keep, and a query for those that do not: `what` is broken `why`.
const RULES: [&str; 9] = [
    "SELECT steps.run AS what, 'is ' || runs.status || ', its step ' || steps.step || ' is ' || \
     steps.status AS why FROM steps JOIN runs ON runs.id = steps.run \
     WHERE (runs.status = 'completed' AND steps.status NOT IN ('completed', 'skipped')) \
        OR (runs.status IN ('failed', 'stopped') AND steps.status IN ('running', 'waiting')) LIMIT $1",
    "SELECT run AS what, 'has the step ' || step || ' that runs without a try' AS why FROM steps \
     WHERE status = 'running' AND attempt = 0 LIMIT $1",
    "SELECT id AS what, 'is ' || status || ' and did not end' AS why FROM runs \
     WHERE status IN ('completed', 'failed', 'stopped') AND finished_at IS NULL LIMIT $1",
    "SELECT id AS what, 'is ' || status || ' and has ended' AS why FROM runs \
     WHERE status IN ('queued', 'running', 'paused') AND finished_at IS NOT NULL LIMIT $1",
    "SELECT journal.run AS what, 'recorded more tries of the step ' || journal.step || \
     ' than there were' AS why FROM journal \
     JOIN steps ON steps.run = journal.run AND steps.step = journal.step \
     WHERE journal.attempt > steps.attempt LIMIT $1",
    "SELECT questions.run AS what, 'waits for an answer and is ' || runs.status AS why \
     FROM questions JOIN runs ON runs.id = questions.run WHERE runs.status <> 'paused' LIMIT $1",
    "SELECT child.id AS what, 'comes after the checkpoint ' || child.parent || \
     ', which is not there' AS why FROM checkpoints AS child \
     LEFT JOIN checkpoints AS parent ON parent.id = child.parent \
     WHERE child.parent IS NOT NULL AND parent.id IS NULL LIMIT $1",
    "SELECT events.project AS what, 'has a gap in the numbers of its events' AS why FROM events \
     GROUP BY events.project HAVING COUNT(*) <> MAX(seq) - MIN(seq) + 1 LIMIT $1",
    "SELECT projects.id AS what, 'has lost its newest events' AS why FROM projects \
     JOIN events ON events.project = projects.id GROUP BY projects.id, projects.last_seq \
     HAVING MAX(events.seq) <> projects.last_seq LIMIT $1",
];

/// What is wrong with the database itself, in words; empty when it is sound.
///
/// Opens the file anew and reads it page by page, so that it works where [`Store::connect`] does
/// not. A PostgreSQL server looks after its files itself.
pub async fn integrity(location: &Location) -> Result<Vec<String>> {
    match location {
        Location::File(file) => sqlite_integrity(file).await,
        Location::Postgres(_) => Ok(Vec::new()),
    }
}

async fn sqlite_integrity(file: &Path) -> Result<Vec<String>> {
    let name = file.display().to_string();
    let fail = |error| StoreError::of(&name, error);
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(fail)?;
    let mut problems = Vec::new();
    let checked =
        sqlx::query("PRAGMA integrity_check(20)").fetch_all(&mut connection).await.map_err(fail)?;
    for row in checked {
        let verdict: String = row.try_get(0).map_err(fail)?;
        if verdict != "ok" {
            problems.push(verdict);
        }
    }
    let broken =
        sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.map_err(fail)?;
    if let Some(first) = broken.first() {
        let table: String = first.try_get(0).map_err(fail)?;
        problems.push(format!(
            "{} rows refer to rows that are not there, first in {table}",
            broken.len()
        ));
    }
    // The connection read only; what its closing says does not matter.
    let _closed = connection.close().await;
    Ok(problems)
}

impl Store {
    /// Rows that break the rules of what the host keeps, in words; empty when all is well. Rows that
    /// change meanwhile are each seen at one moment.
    pub async fn broken_rules(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for rule in RULES {
            for row in self.all(sql(rule).bind(MANY)).await? {
                problems.push(format!("{} {}", row.text("what")?, row.text("why")?));
            }
        }
        Ok(problems)
    }

    /// Entries of journals that are not as they were written, in words. Reads all of them.
    pub async fn damaged_journals(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let mut after = (String::new(), String::new(), 0);
        loop {
            let query = sql("SELECT DISTINCT run, step, attempt FROM journal \
                             WHERE (run, step, attempt) > ($1, $2, $3) \
                             ORDER BY run, step, attempt LIMIT $4")
            .bind(after.0.clone())
            .bind(after.1.clone())
            .bind(after.2)
            .bind(TRIES);
            let tries = self.all(query).await?;
            if tries.is_empty() {
                return Ok(problems);
            }
            for row in &tries {
                after = (row.text("run")?, row.text("step")?, row.integer("attempt")?);
                match self.journal_load(row.parsed("run")?, &after.1, row.small("attempt")?).await {
                    Ok(_) => {}
                    Err(StoreError::Corrupt { detail, .. }) => problems.push(detail),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// `SQLite` or `PostgreSQL`, with its version.
    pub async fn server(&self) -> Result<String> {
        let query = match &self.inner.engine {
            Engine::Sqlite { .. } => "SELECT 'SQLite ' || sqlite_version() AS version",
            Engine::Postgres(_) => {
                "SELECT 'PostgreSQL ' || current_setting('server_version') AS version"
            }
        };
        let row = self.optional(sql(query)).await?;
        row.ok_or_else(|| self.damaged("it does not know its version"))?.text("version")
    }
}
