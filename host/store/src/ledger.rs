//! Money: every model call, and sums of them in exact decimals.

use std::collections::BTreeMap;

use gencode_core::{
    id::{ProjectId, RunId},
    ledger::LedgerEntry,
    time,
};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::{
    Result, Store,
    connection::Write,
    row::{Row, to_integer},
    sql::sql,
};

const PAGE: u32 = 1000;

/// One booked call with its position in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerRow {
    /// Rises with every booking; the cursor for the next page.
    pub n: u64,
    pub entry: LedgerEntry,
}

/// A sum of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Exact, in US dollars.
    pub cost_usd: Decimal,
}

/// Sums of calls, overall and by who and what for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub all: Total,
    pub by_step: BTreeMap<String, Total>,
    pub by_agent: BTreeMap<String, Total>,
}

impl Total {
    fn add(&mut self, entry: &LedgerEntry) {
        self.calls += 1;
        self.input_tokens += entry.input_tokens;
        self.output_tokens += entry.output_tokens;
        self.cost_usd += entry.cost_usd;
    }
}

impl Totals {
    fn add(&mut self, entry: &LedgerEntry) {
        self.all.add(entry);
        self.by_step.entry(entry.step.clone()).or_default().add(entry);
        self.by_agent.entry(entry.agent.clone()).or_default().add(entry);
    }
}

fn row_of(row: &Row) -> Result<LedgerRow> {
    let entry = LedgerEntry {
        run: row.parsed("run")?,
        step: row.text("step")?,
        agent: row.text("agent")?,
        task: row.text("task")?,
        provider: row.text("provider")?,
        model: row.text("model")?,
        input_tokens: row.natural("input_tokens")?,
        output_tokens: row.natural("output_tokens")?,
        cost_usd: row.parsed("cost_usd")?,
        is_retry: row.flag("is_retry")?,
        at: row.instant("at")?,
    };
    Ok(LedgerRow { n: row.natural("n")?, entry })
}

impl Store {
    /// Calls of a project in the order they were booked, after position `after` (0 for the first
    /// page); at most `limit` (and at most 1,000). Without those of a deleted project of the same
    /// name, which stay in the ledger.
    pub async fn ledger(
        &self,
        project: &ProjectId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<LedgerRow>> {
        let query = sql("SELECT * FROM ledger WHERE project = $1 AND n > $2 \
                         AND EXISTS (SELECT 1 FROM runs WHERE id = ledger.run) \
                         ORDER BY n LIMIT $3")
        .bind(project.to_string())
        .bind(to_integer(after))
        .bind(i64::from(limit.min(PAGE)));
        self.all(query).await?.iter().map(row_of).collect()
    }

    /// Calls of a run, in the order they were booked.
    pub async fn ledger_of_run(&self, run: RunId) -> Result<Vec<LedgerEntry>> {
        let query = sql("SELECT * FROM ledger WHERE run = $1 ORDER BY n").bind(run.to_string());
        self.all(query).await?.iter().map(|row| Ok(row_of(row)?.entry)).collect()
    }

    /// Sums over a run.
    pub async fn run_totals(&self, run: RunId) -> Result<Totals> {
        let mut totals = Totals::default();
        for entry in self.ledger_of_run(run).await? {
            totals.add(&entry);
        }
        Ok(totals)
    }

    /// Sums over all runs of a project.
    pub async fn project_totals(&self, project: &ProjectId) -> Result<Totals> {
        let mut totals = Totals::default();
        let mut after = 0;
        loop {
            let page = self.ledger(project, after, PAGE).await?;
            for row in &page {
                totals.add(&row.entry);
            }
            match page.last() {
                Some(last) => after = last.n,
                None => return Ok(totals),
            }
        }
    }
}

impl Write {
    pub(crate) fn insert_ledger(&mut self, project: &ProjectId, entry: &LedgerEntry) {
        self.later(
            sql("INSERT INTO ledger (project, run, step, agent, task, provider, model, \
                 input_tokens, output_tokens, cost_usd, is_retry, at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
            .bind(project.to_string())
            .bind(entry.run.to_string())
            .bind(entry.step.clone())
            .bind(entry.agent.clone())
            .bind(entry.task.clone())
            .bind(entry.provider.clone())
            .bind(entry.model.clone())
            .bind(to_integer(entry.input_tokens))
            .bind(to_integer(entry.output_tokens))
            .bind(entry.cost_usd.to_string())
            .bind(i64::from(entry.is_retry))
            .bind(time::iso(entry.at)),
        );
    }
}
