//! Everything the database holds as lines of JSON, read at one moment and written back as a whole.
//!
//! The form knows no database: a table is its name, a row is an object of texts, whole numbers and
//! nulls. So what one kind of database held can go into the other. Tables and columns are taken
//! from the database itself: a new migration needs nothing here.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use gencode_core::{crash_around, digest::Digest};
use serde_json::{Map, Value as Json};
use sqlx::{Postgres, Sqlite, Transaction};
use tokio::sync::mpsc;

use crate::{
    Result, Store, StoreError,
    connection::Write,
    open::Engine,
    row::Row,
    sql::{Sql, Value, sql},
};

/// A part of a table is sent when it has so many bytes.
const PART_BYTES: usize = 4 << 20;

/// Most values in one statement; SQLite takes 32,766.
const MAX_VALUES: usize = 8_000;

/// What belongs to the database and not to what is kept in it.
const NOT_KEPT: [&str; 2] = ["_sqlx_migrations", "holds"];

/// Some rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub table: String,
    pub rows: u64,
    /// One JSON object a line.
    pub lines: Vec<u8>,
}

/// What [`Store::import`] is given.
#[derive(Debug)]
pub enum Incoming {
    Part(Part),
    /// Everything was there and was checked, so many rows of each table: make it durable. Without
    /// this nothing is.
    Whole(BTreeMap<String, u64>),
}

/// What a backup of the database named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Version of the schema.
    pub schema: i64,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    /// States of files that these rows need.
    pub manifests: BTreeSet<Digest>,
}

/// Tables in an order in which each comes after those it refers to, with what refers to itself.
struct Catalogue {
    tables: Vec<String>,
    /// Column that refers to a row of the same table, and the column it refers to.
    own: BTreeMap<String, (String, String)>,
}

/// One moment of the database.
enum Moment {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

const SQLITE_TABLES: &str = "SELECT name FROM sqlite_master \
    WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
const SQLITE_REFERENCES: &str = "SELECT m.name AS child, f.\"table\" AS parent, \
    f.\"from\" AS child_column, f.\"to\" AS parent_column \
    FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table'";
const POSTGRES_TABLES: &str = "SELECT table_name::text AS name FROM information_schema.tables \
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1";
const POSTGRES_REFERENCES: &str = "SELECT child.relname::text AS child, \
    parent.relname::text AS parent, own.attname::text AS child_column, \
    theirs.attname::text AS parent_column \
    FROM pg_constraint AS c \
    JOIN pg_class AS child ON child.oid = c.conrelid \
    JOIN pg_class AS parent ON parent.oid = c.confrelid \
    JOIN pg_attribute AS own ON own.attrelid = c.conrelid AND own.attnum = c.conkey[1] \
    JOIN pg_attribute AS theirs ON theirs.attrelid = c.confrelid AND theirs.attnum = c.confkey[1] \
    WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace";
const POSTGRES_IDENTITIES: &str = "SELECT table_name::text AS name, column_name::text AS own \
    FROM information_schema.columns \
    WHERE table_schema = current_schema() AND is_identity = 'YES'";

impl Moment {
    async fn begin(store: &Store) -> Result<Self> {
        let fail = |error| StoreError::of(store.name(), error);
        match &store.inner.engine {
            Engine::Sqlite { readers, .. } => {
                Ok(Self::Sqlite(readers.begin().await.map_err(fail)?))
            }
            Engine::Postgres(pool) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let mut tx = pool.begin_with(begin).await.map_err(fail)?;
                // The reader waits for who takes the rows, and that is no fault.
                for setting in PATIENT {
                    sqlx::query(setting).execute(&mut *tx).await.map_err(fail)?;
                }
                Ok(Self::Postgres(tx))
            }
        }
    }

    fn rows<'t>(&'t mut self, store: &'t Store, query: Sql) -> BoxStream<'t, Result<Row>> {
        let name = &store.inner.name;
        let fail = move |error| StoreError::of(name, error);
        match self {
            Self::Sqlite(tx) => query
                .sqlite()
                .fetch(&mut **tx)
                .map_ok(move |row| Row::sqlite(name, row))
                .map_err(fail)
                .boxed(),
            Self::Postgres(tx) => query
                .postgres()
                .fetch(&mut **tx)
                .map_ok(move |row| Row::postgres(name, row))
                .map_err(fail)
                .boxed(),
        }
    }

    async fn all(&mut self, store: &Store, query: Sql) -> Result<Vec<Row>> {
        self.rows(store, query).try_collect().await
    }
}

/// For transactions that take long because they do much.
const PATIENT: [&str; 2] =
    ["SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = '10min'"];

impl Store {
    /// Sends everything the database holds at this moment, part by part. Hosts may go on writing.
    ///
    /// A receiver that goes away ends it with [`StoreError::Conflict`].
    pub async fn export(&self, parts: mpsc::Sender<Part>) -> Result<Exported> {
        let mut moment = Moment::begin(self).await?;
        let schema = sql("SELECT max(version) AS version FROM _sqlx_migrations");
        let schema = moment.all(self, schema).await?;
        let schema = match schema.first() {
            Some(row) => row.optional_integer("version")?.unwrap_or(0),
            None => 0,
        };
        let mut exported = Exported { schema, ..Exported::default() };
        let references = moment.all(self, sql(self.references())).await?;
        let tables = moment.all(self, sql(self.tables())).await?;
        for table in Catalogue::of(&tables, &references)?.tables {
            let rows = self.export_table(&mut moment, &table, &parts).await?;
            exported.tables.insert(table, rows);
        }
        for query in [
            "SELECT DISTINCT manifest AS digest FROM checkpoints",
            "SELECT DISTINCT digest FROM journal WHERE path = '@base'",
        ] {
            let mut rows = moment.rows(self, sql(query));
            while let Some(row) = rows.try_next().await? {
                exported.manifests.insert(row.parsed("digest")?);
            }
        }
        Ok(exported)
    }

    async fn export_table(
        &self,
        moment: &mut Moment,
        table: &str,
        parts: &mpsc::Sender<Part>,
    ) -> Result<u64> {
        let empty = || Part { table: table.to_owned(), rows: 0, lines: Vec::new() };
        let mut rows = moment.rows(self, sql(format!("SELECT * FROM {}", quoted(table))));
        let (mut part, mut sent) = (empty(), 0);
        loop {
            let row = rows.try_next().await?;
            let last = row.is_none();
            if let Some(row) = row {
                serde_json::to_writer(&mut part.lines, &row.cells()?)
                    .map_err(StoreError::Unstorable)?;
                part.lines.push(b'\n');
                part.rows += 1;
                sent += 1;
            }
            // A table without rows is sent too: a backup says that it was there.
            if part.lines.len() >= PART_BYTES || (last && (part.rows > 0 || sent == 0)) {
                let full = std::mem::replace(&mut part, empty());
                parts.send(full).await.map_err(|_| cut_off())?;
            }
            if last {
                return Ok(sent);
            }
        }
    }

    fn tables(&self) -> &'static str {
        match self.inner.engine {
            Engine::Sqlite { .. } => SQLITE_TABLES,
            Engine::Postgres(_) => POSTGRES_TABLES,
        }
    }

    fn references(&self) -> &'static str {
        match self.inner.engine {
            Engine::Sqlite { .. } => SQLITE_REFERENCES,
            Engine::Postgres(_) => POSTGRES_REFERENCES,
        }
    }

    /// Version of the schema, which is the newest this host knows once the database is open.
    pub async fn schema(&self) -> Result<i64> {
        let query = sql("SELECT max(version) AS version FROM _sqlx_migrations");
        match self.optional(query).await? {
            Some(row) => Ok(row.optional_integer("version")?.unwrap_or(0)),
            None => Ok(0),
        }
    }

    /// Whether nothing was ever kept here.
    pub async fn is_empty(&self) -> Result<bool> {
        for query in ["SELECT 1 FROM projects LIMIT 1", "SELECT 1 FROM settings LIMIT 1"] {
            if self.optional(sql(query)).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets all previews, whose trees lie on a disk that is not there any more. Says how many.
    pub async fn forget_previews(&self) -> Result<u64> {
        let mut write = self.write(crash_around!("store.import")).await?;
        let forgotten = write.execute(sql("DELETE FROM previews")).await?;
        write.commit().await?;
        Ok(forgotten)
    }

    /// Writes everything that was exported, in one transaction. Returns the rows of each table.
    ///
    /// [`StoreError::Conflict`] when something is kept here already, or when what comes ends
    /// without [`Incoming::Whole`]; then nothing is written.
    pub async fn import(
        &self,
        mut incoming: mpsc::Receiver<Incoming>,
    ) -> Result<BTreeMap<String, u64>> {
        if !self.is_empty().await? {
            return Err(StoreError::Conflict(format!("{} is not empty", self.name())));
        }
        let mut write = self.write(crash_around!("store.import")).await?;
        if matches!(self.inner.engine, Engine::Postgres(_)) {
            for setting in PATIENT {
                write.execute(sql(setting)).await?;
            }
        }
        let references = write.all(sql(self.references())).await?;
        let tables = write.all(sql(self.tables())).await?;
        let catalogue = Catalogue::of(&tables, &references)?;
        // What migrations put there is in what comes.
        for table in catalogue.tables.iter().rev() {
            write.execute(sql(format!("DELETE FROM {}", quoted(table)))).await?;
        }
        let mut counts = BTreeMap::new();
        let mut later = Vec::new();
        loop {
            match incoming.recv().await {
                Some(Incoming::Part(part)) => {
                    let rows = catalogue.insert(&mut write, &part, &mut later).await?;
                    *counts.entry(part.table).or_insert(0) += rows;
                }
                Some(Incoming::Whole(wanted)) if wanted == counts => break,
                Some(Incoming::Whole(wanted)) => {
                    let what = format!("tables have {counts:?} rows and should have {wanted:?}");
                    return Err(StoreError::Conflict(what));
                }
                None => return Err(cut_off()),
            }
        }
        for statement in later {
            write.execute(statement).await?;
        }
        if matches!(self.inner.engine, Engine::Postgres(_)) {
            write.raise_identities().await?;
        }
        write.commit().await?;
        Ok(counts)
    }
}

fn cut_off() -> StoreError {
    StoreError::Conflict("the backup was cut off".to_owned())
}

fn unknown(what: &str) -> StoreError {
    StoreError::Conflict(format!("the backup has {what}, which this host does not know"))
}

/// A name as a statement has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Catalogue {
    fn of(tables: &[Row], references: &[Row]) -> Result<Self> {
        let mut waiting: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for table in tables {
            let name = table.text("name")?;
            if !NOT_KEPT.contains(&name.as_str()) {
                waiting.insert(name, BTreeSet::new());
            }
        }
        let mut own = BTreeMap::new();
        for reference in references {
            let (child, parent) = (reference.text("child")?, reference.text("parent")?);
            if child == parent {
                let column = reference.text("child_column")?;
                own.insert(child, (column, reference.text("parent_column")?));
            } else if let Some(parents) = waiting.get_mut(&child) {
                parents.insert(parent);
            }
        }
        let mut order = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let free = waiting
                .iter()
                .find(|(_, parents)| parents.iter().all(|parent| !waiting.contains_key(parent)))
                .map(|(name, _)| name.clone());
            let Some(free) = free else {
                return Err(StoreError::Conflict(
                    "tables refer to each other in a ring".to_owned(),
                ));
            };
            waiting.remove(&free);
            order.push(free);
        }
        Ok(Self { tables: order, own })
    }

    /// Inserts the rows of a part. References within the table come `later`.
    async fn insert(&self, write: &mut Write, part: &Part, later: &mut Vec<Sql>) -> Result<u64> {
        if !self.tables.contains(&part.table) {
            return Err(unknown(&format!("a table `{}`", part.table)));
        }
        let own = self.own.get(&part.table);
        let mut rows: Vec<Map<String, Json>> = Vec::new();
        let mut done = 0;
        for line in part.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut row: Map<String, Json> =
                serde_json::from_slice(line).map_err(StoreError::Unstorable)?;
            if let Some((column, key)) = own
                && let Some(target) = row.get(column).filter(|target| !target.is_null()).cloned()
                && let Some(id) = row.get(key).cloned()
            {
                later.push(
                    sql(format!(
                        "UPDATE {} SET {} = $1 WHERE {} = $2",
                        quoted(&part.table),
                        quoted(column),
                        quoted(key)
                    ))
                    .bind(value(&target)?)
                    .bind(value(&id)?),
                );
                row.insert(column.clone(), Json::Null);
            }
            // One statement takes rows of the same columns only.
            let fits = rows.first().is_none_or(|first| {
                first.keys().eq(row.keys()) && (rows.len() + 1) * first.len() <= MAX_VALUES
            });
            if !fits {
                done += insert_rows(write, &part.table, &rows).await?;
                rows.clear();
            }
            rows.push(row);
        }
        done += insert_rows(write, &part.table, &rows).await?;
        if done == part.rows { Ok(done) } else { Err(cut_off()) }
    }
}

async fn insert_rows(write: &mut Write, table: &str, rows: &[Map<String, Json>]) -> Result<u64> {
    let Some(first) = rows.first() else { return Ok(0) };
    let columns: Vec<String> = first.keys().map(|column| quoted(column)).collect();
    let mut text = format!("INSERT INTO {} ({}) VALUES ", quoted(table), columns.join(", "));
    let mut values = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        text.push_str(if index == 0 { "(" } else { ", (" });
        for (column, cell) in row.values().enumerate() {
            if column > 0 {
                text.push_str(", ");
            }
            if cell.is_null() {
                // As a parameter it would need a type.
                text.push_str("NULL");
            } else {
                values.push(value(cell)?);
                text.push_str(&format!("${}", values.len()));
            }
        }
        text.push(')');
    }
    let insert = values.into_iter().fold(sql(text), Sql::bind);
    write.execute(insert).await
}

/// A cell that is not null as a parameter.
fn value(cell: &Json) -> Result<Value> {
    match cell {
        Json::String(text) => Ok(Value::from(text.clone())),
        Json::Number(number) => {
            number.as_i64().map(Value::from).ok_or_else(|| unknown("a number that is not whole"))
        }
        _ => Err(unknown("a value that is neither text nor number")),
    }
}

impl Write {
    /// Lets the next numbers come after those that were inserted.
    async fn raise_identities(&mut self) -> Result<()> {
        for row in self.all(sql(POSTGRES_IDENTITIES)).await? {
            let (table, column) = (row.text("name")?, row.text("own")?);
            let query = format!(
                "SELECT setval(pg_get_serial_sequence($1, $2), coalesce(max({own}), 0) + 1, false) \
                 FROM {table}",
                own = quoted(&column),
                table = quoted(&table)
            );
            self.all(sql(query).bind(quoted(&table)).bind(column)).await?;
        }
        Ok(())
    }
}
