//! From rows to values; a value that breaks its own rules means a damaged database.

use std::{path::Path, str::FromStr};

use gencode_core::time;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, Sqlite, Type, sqlite::SqliteRow};

use crate::{Result, StoreError};

/// One row with the file it comes from.
pub(crate) struct Cells<'r> {
    file: &'r Path,
    row: &'r SqliteRow,
}

impl<'r> Cells<'r> {
    pub(crate) fn new(file: &'r Path, row: &'r SqliteRow) -> Self {
        Self { file, row }
    }

    fn raw<T: sqlx::Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &'static str) -> Result<T> {
        self.row.try_get(column).map_err(|error| StoreError::of(self.file, error))
    }

    fn damaged(&self, column: &'static str) -> StoreError {
        StoreError::damaged(self.file, format!("column {column} holds an impossible value"))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String> {
        self.raw(column)
    }

    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<String>> {
        self.raw(column)
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool> {
        self.raw::<i64>(column).map(|value| value != 0)
    }

    pub(crate) fn natural(&self, column: &'static str) -> Result<u64> {
        u64::try_from(self.raw::<i64>(column)?).map_err(|_| self.damaged(column))
    }

    pub(crate) fn small(&self, column: &'static str) -> Result<u32> {
        u32::try_from(self.raw::<i64>(column)?).map_err(|_| self.damaged(column))
    }

    /// A value stored as its own text form.
    pub(crate) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T> {
        self.raw::<String>(column)?.parse().map_err(|_| self.damaged(column))
    }

    pub(crate) fn optional_parsed<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        self.raw::<Option<String>>(column)?
            .map(|text| text.parse().map_err(|_| self.damaged(column)))
            .transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(&self.raw::<String>(column)?).map_err(|_| self.damaged(column))
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<Timestamp> {
        time::parse_iso(&self.raw::<String>(column)?).ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_instant(&self, column: &'static str) -> Result<Option<Timestamp>> {
        self.raw::<Option<String>>(column)?
            .map(|text| time::parse_iso(&text).ok_or_else(|| self.damaged(column)))
            .transpose()
    }

    /// A status word.
    pub(crate) fn word<T>(&self, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<T> {
        parse(&self.raw::<String>(column)?).ok_or_else(|| self.damaged(column))
    }
}

/// Stored form of a structured value.
pub(crate) fn to_json(file: &Path, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Unavailable { file: file.to_owned(), source: error.into() })
}

/// Stored form of a count. Counts beyond 2^63 do not occur; they would be clamped, not wrapped.
pub(crate) fn to_integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
