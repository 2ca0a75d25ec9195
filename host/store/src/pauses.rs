//! Runs that wait: for an answer, for money, for a moment.

use gencode_core::{
    crash_around,
    digest::Digest,
    event::EventBody,
    id::RunId,
    run::{Run, RunStatus},
    time,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    JournalEntry, Lease, Once, Result, Store, StoreError,
    connection::Write,
    row::{Row, to_json},
    sql::sql,
};

/// A question to the user: a host call whose reply is not known yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub step: String,
    pub attempt: u32,
    /// Where in the journal the answer goes.
    pub path: String,
    pub digest: Digest,
    pub call: Value,
    pub text: String,
    /// Possible answers; empty for free text.
    pub options: Vec<String>,
    /// Taken when nobody can be asked.
    pub default: String,
}

/// What [`Store::pause_run`] needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pause {
    /// What a person reads.
    pub reason: String,
    pub question: Option<Question>,
    /// When the run goes on by itself (see [`Store::resume_due`]); none: when someone says so.
    pub resume_at: Option<Timestamp>,
    /// Whether it goes on when there is space again (see [`Store::waiting_for_storage`]).
    pub waits_for_storage: bool,
    pub events: Vec<EventBody>,
}

fn question_of(row: &Row) -> Result<Question> {
    Ok(Question {
        step: row.text("step")?,
        attempt: row.small("attempt")?,
        path: row.text("path")?,
        digest: row.parsed("digest")?,
        call: row.json("call")?,
        text: row.text("text")?,
        options: row.json("options")?,
        default: row.text("default_answer")?,
    })
}

const QUESTION: &str = "SELECT * FROM questions WHERE run = $1";

impl Store {
    /// Puts a run to sleep. Its owner loses it; steps that were running stay so, with their journal.
    pub async fn pause_run(&self, lease: &Lease, pause: &Pause) -> Result<()> {
        let (mut write, project) =
            self.write_as_owner(crash_around!("store.run.pause"), lease).await?;
        write
            .execute(
                sql("UPDATE runs SET status = 'paused', reason = $2, resume_at = $3, \
                     waits_for = $4, wanted = NULL, host = NULL, lease_until = NULL, epoch = epoch + 1 \
                     WHERE id = $1 AND status = 'running'")
                .bind(lease.run.to_string())
                .bind(pause.reason.clone())
                .bind(pause.resume_at.map(time::iso))
                .bind(pause.waits_for_storage.then(|| "storage".to_owned())),
            )
            .await?;
        if let Some(question) = &pause.question {
            write.insert_question(lease.run, question).await?;
        }
        write.append_events(&project, Some(lease.run), pause.events.clone()).await?;
        write.commit().await
    }

    /// What the run waits to be told, if anything.
    pub async fn question(&self, run: RunId) -> Result<Option<Question>> {
        let row = self.optional(sql(QUESTION).bind(run.to_string())).await?;
        row.map(|row| question_of(&row)).transpose()
    }

    /// Answers the open question of a paused run: `reply` becomes the journal's reply of the call
    /// that asked, and the run can be claimed again.
    pub async fn answer_run(&self, id: RunId, reply: Value, events: Vec<EventBody>) -> Result<Run> {
        Box::pin(self.answer_run_once(id, reply, events, None)).await
    }

    /// [`Store::answer_run`] for a request that may be repeated, whose outcome is the run.
    pub async fn answer_run_once(
        &self,
        id: RunId,
        reply: Value,
        events: Vec<EventBody>,
        once: Option<&Once>,
    ) -> Result<Run> {
        let mut write = self.write(crash_around!("store.run.answer")).await?;
        write.run(id).await?;
        let row = write.optional(sql(QUESTION).bind(id.to_string())).await?;
        let Some(row) = row else {
            return Err(StoreError::Conflict(format!("run {id} has no open question")));
        };
        let question = question_of(&row)?;
        let step = write.step(id, &question.step).await?;
        let entry = JournalEntry {
            run: id,
            step: question.step,
            attempt: question.attempt,
            path: question.path,
            digest: question.digest,
            call: question.call,
            reply,
            ledger: None,
        };
        write.insert_journal(&step, &entry)?;
        write.execute(sql("DELETE FROM questions WHERE run = $1").bind(id.to_string())).await?;
        let run = write.wake(id, events).await?;
        write.keep_outcome(once, &run).await?;
        write.commit().await?;
        Ok(run)
    }

    /// Lets a paused run go on. [`StoreError::Conflict`] when it waits for an answer instead.
    pub async fn resume_run(&self, id: RunId, events: Vec<EventBody>) -> Result<Run> {
        let mut write = self.write(crash_around!("store.run.resume")).await?;
        write.run(id).await?;
        write.no_question(id).await?;
        write.forget_waits(id, false).await?;
        let run = write.wake(id, events).await?;
        write.commit().await?;
        Ok(run)
    }

    /// Lets every paused run go on whose time has come. Returns their ids.
    pub async fn resume_due(&self) -> Result<Vec<RunId>> {
        // Most looks find nothing: they need not stand in line for the writer.
        let timers =
            sql("SELECT 1 FROM runs WHERE status = 'paused' AND resume_at IS NOT NULL LIMIT 1");
        if self.optional(timers).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut write = self.write(crash_around!("store.run.resume_due")).await?;
        let query = sql("SELECT id FROM runs WHERE status = 'paused' AND resume_at <= $1 \
                         AND NOT EXISTS (SELECT 1 FROM questions WHERE run = runs.id) \
                         ORDER BY created_at, id LIMIT 100");
        let now = write.now_text();
        // Another host wakes what it has locked.
        let rows = write.all(query.bind(now).locking_free()).await?;
        let ids: Vec<RunId> = rows.iter().map(|row| row.parsed("id")).collect::<Result<_>>()?;
        for id in &ids {
            write.forget_waits(*id, true).await?;
            let message = "The wait is over.".to_owned();
            write.wake(*id, vec![EventBody::RunResumed { message }]).await?;
        }
        write.commit().await?;
        Ok(ids)
    }
}

impl Write {
    async fn insert_question(&mut self, run: RunId, question: &Question) -> Result<()> {
        let call = to_json(&question.call)?;
        let options = to_json(&question.options)?;
        let now = self.now_text();
        self.execute(
            sql("INSERT INTO questions \
                 (run, step, attempt, path, digest, call, text, options, default_answer, at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(run.to_string())
            .bind(question.step.clone())
            .bind(i64::from(question.attempt))
            .bind(question.path.clone())
            .bind(question.digest.to_string())
            .bind(call)
            .bind(question.text.clone())
            .bind(options)
            .bind(question.default.clone())
            .bind(now),
        )
        .await?;
        Ok(())
    }

    /// [`StoreError::Conflict`] when the run waits for an answer.
    pub(crate) async fn no_question(&mut self, id: RunId) -> Result<()> {
        if self.optional(sql(QUESTION).bind(id.to_string())).await?.is_some() {
            return Err(StoreError::Conflict(format!("run {id} waits for an answer")));
        }
        Ok(())
    }

    /// Calls that were told to wait may be made: those whose moment has come, or all.
    pub(crate) async fn forget_waits(&mut self, id: RunId, only_due: bool) -> Result<()> {
        let until = if only_due { Some(self.now_text()) } else { None };
        let query = sql("UPDATE intents SET retry_at = NULL WHERE run = $1 \
                         AND retry_at IS NOT NULL AND ($2 IS NULL OR retry_at <= $2)");
        self.execute(query.bind(id.to_string()).bind(until)).await?;
        Ok(())
    }

    /// Makes a paused run claimable.
    pub(crate) async fn wake(&mut self, id: RunId, events: Vec<EventBody>) -> Result<Run> {
        let run = self.run(id).await?;
        if run.status != RunStatus::Paused {
            return Err(StoreError::Conflict(format!(
                "run {id} is {}, not paused",
                run.status.as_str()
            )));
        }
        self.execute(
            sql("UPDATE runs SET status = 'running', reason = '', resume_at = NULL, \
                 waits_for = NULL, wanted = NULL WHERE id = $1 AND status = 'paused'")
            .bind(id.to_string()),
        )
        .await?;
        self.append_events(&run.project, Some(id), events).await?;
        self.run(id).await
    }
}
