//! From rows to values; a value that breaks its own rules means a damaged database.

use std::{str::FromStr, sync::Arc};

use gencode_core::time;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sqlx::{
    Column as _, Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow, sqlite::SqliteRow,
};

use crate::{Result, StoreError};

/// One row, with the name of the database it comes from.
pub(crate) struct Row {
    database: Arc<str>,
    cells: Cells,
}

enum Cells {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn sqlite(database: &Arc<str>, row: SqliteRow) -> Self {
        Self { database: Arc::clone(database), cells: Cells::Sqlite(row) }
    }

    pub(crate) fn postgres(database: &Arc<str>, row: PgRow) -> Self {
        Self { database: Arc::clone(database), cells: Cells::Postgres(row) }
    }

    fn damaged(&self, column: &'static str) -> StoreError {
        StoreError::damaged(&self.database, format!("column {column} holds an impossible value"))
    }

    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<String>> {
        match &self.cells {
            Cells::Sqlite(row) => row.try_get(column),
            Cells::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| StoreError::of(&self.database, error))
    }

    pub(crate) fn optional_integer(&self, column: &'static str) -> Result<Option<i64>> {
        match &self.cells {
            Cells::Sqlite(row) => row.try_get(column),
            Cells::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| StoreError::of(&self.database, error))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String> {
        self.optional_text(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn integer(&self, column: &'static str) -> Result<i64> {
        self.optional_integer(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool> {
        self.integer(column).map(|value| value != 0)
    }

    pub(crate) fn natural(&self, column: &'static str) -> Result<u64> {
        u64::try_from(self.integer(column)?).map_err(|_| self.damaged(column))
    }

    pub(crate) fn small(&self, column: &'static str) -> Result<u32> {
        u32::try_from(self.integer(column)?).map_err(|_| self.damaged(column))
    }

    /// A value stored as its own text form.
    pub(crate) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T> {
        self.text(column)?.parse().map_err(|_| self.damaged(column))
    }

    pub(crate) fn optional_parsed<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        self.optional_text(column)?
            .map(|text| text.parse().map_err(|_| self.damaged(column)))
            .transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.damaged(column))
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<Timestamp> {
        time::parse_iso(&self.text(column)?).ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_instant(&self, column: &'static str) -> Result<Option<Timestamp>> {
        self.optional_text(column)?
            .map(|text| time::parse_iso(&text).ok_or_else(|| self.damaged(column)))
            .transpose()
    }

    /// All cells by the names of their columns: texts, whole numbers and nulls.
    pub(crate) fn cells(&self) -> Result<Map<String, Value>> {
        let names: Vec<String> = match &self.cells {
            Cells::Sqlite(row) => row.columns().iter().map(|column| column.name().into()).collect(),
            Cells::Postgres(row) => {
                row.columns().iter().map(|column| column.name().into()).collect()
            }
        };
        names
            .into_iter()
            .enumerate()
            .map(|(index, name)| {
                let cell = match &self.cells {
                    Cells::Sqlite(row) => sqlite_cell(row, index),
                    Cells::Postgres(row) => postgres_cell(row, index),
                };
                Ok((name, cell.map_err(|error| StoreError::of(&self.database, error))?))
            })
            .collect()
    }

    /// A status word.
    pub(crate) fn word<T>(&self, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<T> {
        parse(&self.text(column)?).ok_or_else(|| self.damaged(column))
    }
}

fn sqlite_cell(row: &SqliteRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    match kind.as_str() {
        "INTEGER" => row.try_get::<i64, _>(index).map(Value::from),
        _ => row.try_get::<String, _>(index).map(Value::from),
    }
}

fn postgres_cell(row: &PgRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    match kind.as_str() {
        "INT8" => row.try_get::<i64, _>(index).map(Value::from),
        _ => row.try_get::<String, _>(index).map(Value::from),
    }
}

/// Stored form of a structured value.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(StoreError::Unstorable)
}

/// Stored form of a count. Counts beyond 2^63 do not occur; they would be clamped, not wrapped.
pub(crate) fn to_integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
