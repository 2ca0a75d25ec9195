//! The history of a project: numbered without gaps, never changed.

use gencode_core::{
    crash_around,
    event::{Event, EventBody},
    id::{ProjectId, RunId},
};
use tokio::sync::broadcast;

use crate::{
    Result, Store,
    connection::Write,
    projects::no_project,
    row::{to_integer, to_json},
    sql::sql,
};

const MAX_PAGE: u32 = 1000;

/// Most rows one statement adds.
const MAX_ROWS: usize = 100;

/// Something was added to a project's history by this process.
///
/// Only a hint: read the events after the last one you have, and look now and then without a hint
/// (another host may have added some, and a slow listener misses hints).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHint {
    pub project: ProjectId,
    /// Sequence number of the newest event.
    pub seq: u64,
}

impl Store {
    /// Adds facts to a project's history and returns them with their numbers.
    pub async fn append_events(
        &self,
        project: &ProjectId,
        run: Option<RunId>,
        bodies: Vec<EventBody>,
    ) -> Result<Vec<Event>> {
        let mut write = self.write(crash_around!("store.event.append")).await?;
        let events = write.append_events(project, run, bodies).await?;
        write.commit().await?;
        Ok(events)
    }

    /// The events with a number above `seq`, in order; at most `limit` (and at most 1,000).
    pub async fn events_after(
        &self,
        project: &ProjectId,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let rows = self
            .all(
                sql("SELECT seq, at, run, body FROM events WHERE project = $1 AND seq > $2 \
                     ORDER BY seq LIMIT $3")
                .bind(project.to_string())
                .bind(to_integer(seq))
                .bind(i64::from(limit.min(MAX_PAGE))),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Event {
                    project: project.clone(),
                    seq: row.natural("seq")?,
                    at: row.instant("at")?,
                    run: row.optional_parsed("run")?,
                    body: row.json("body")?,
                })
            })
            .collect()
    }

    /// Number of the newest event; 0 when there is none.
    pub async fn last_seq(&self, project: &ProjectId) -> Result<u64> {
        let query = sql("SELECT last_seq FROM projects WHERE id = $1").bind(project.to_string());
        let row = self.optional(query).await?.ok_or_else(|| no_project(project))?;
        row.natural("last_seq")
    }

    /// Hints of all projects. A listener that lags gets `Lagged` and reads what it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<EventHint> {
        self.inner.hints.subscribe()
    }
}

impl Write {
    /// Adds facts within this write.
    pub(crate) async fn append_events(
        &mut self,
        project: &ProjectId,
        run: Option<RunId>,
        bodies: Vec<EventBody>,
    ) -> Result<Vec<Event>> {
        if bodies.is_empty() {
            return Ok(Vec::new());
        }
        let before = self.keep_project(project).await?.last_seq;
        // The project's row is touched once by all that is sent together.
        if self.waits("UPDATE projects") {
            self.send().await?;
        }
        let now = self.now_text();
        let events: Vec<Event> = (before.saturating_add(1)..)
            .zip(bodies)
            .map(|(seq, body)| Event { project: project.clone(), seq, at: self.now, run, body })
            .collect();
        let last = before.saturating_add(events.len() as u64);
        self.later(
            sql("UPDATE projects SET last_seq = $2, modified_at = $3 WHERE id = $1")
                .bind(project.to_string())
                .bind(to_integer(last))
                .bind(now.clone()),
        );
        for some in events.chunks(MAX_ROWS) {
            let rows: Vec<String> = (0..some.len())
                .map(|row| format!("($1, ${}, $2, $3, ${})", 4 + 2 * row, 5 + 2 * row))
                .collect();
            let text = format!(
                "INSERT INTO events (project, seq, at, run, body) VALUES {}",
                rows.join(", ")
            );
            let mut insert = sql(text)
                .bind(project.to_string())
                .bind(now.clone())
                .bind(run.map(|run| run.to_string()));
            for event in some {
                insert = insert.bind(to_integer(event.seq)).bind(to_json(&event.body)?);
            }
            self.later(insert);
        }
        if let Some(project) = &mut self.project {
            project.last_seq = last;
        }
        self.hint(project.clone(), last);
        Ok(events)
    }
}
