//! One statement for both databases: its text, its values, and the row locks it takes.

use std::borrow::Cow;

use sqlx::{
    Postgres, Sqlite,
    postgres::PgArguments,
    query::Query,
    sqlite::SqliteArguments,
    {AssertSqlSafe, SqlSafeStr as _},
};

/// A statement with its parameters, `$1` onwards, in a form that SQLite and PostgreSQL both read.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
    lock: &'static str,
}

/// A parameter. Null has a type, because PostgreSQL wants to know it.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
}

/// A statement with its parameters to be bound.
pub(crate) fn sql(text: impl Into<Cow<'static, str>>) -> Sql {
    Sql { text: text.into(), values: Vec::new(), lock: "" }
}

impl Sql {
    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Keeps the rows that are read from changing until the write ends. SQLite has one writer, so
    /// only PostgreSQL needs to be told.
    pub(crate) fn locking(self) -> Self {
        // Not FOR UPDATE: rows that refer to these may still be added.
        Self { lock: " FOR NO KEY UPDATE", ..self }
    }

    /// As [`Self::locking`], leaving out rows that someone else has locked.
    pub(crate) fn locking_free(self) -> Self {
        Self { lock: " FOR NO KEY UPDATE SKIP LOCKED", ..self }
    }

    /// PostgreSQL's text cannot hold the character NUL; so that both databases behave alike,
    /// neither gets it.
    pub(crate) fn has_nul(&self) -> bool {
        self.values
            .iter()
            .any(|value| matches!(value, Value::Text(Some(text)) if text.contains('\0')))
    }

    pub(crate) fn sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = match self.text {
            Cow::Borrowed(text) => sqlx::query(text),
            Cow::Owned(text) => sqlx::query(AssertSqlSafe(text).into_sql_str()),
        };
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Integer(number) => query.bind(number),
        })
    }

    pub(crate) fn postgres(self) -> Query<'static, Postgres, PgArguments> {
        let query = match self.text {
            Cow::Borrowed(text) if self.lock.is_empty() => sqlx::query(text),
            text => sqlx::query(AssertSqlSafe(format!("{text}{}", self.lock)).into_sql_str()),
        };
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Integer(number) => query.bind(number),
        })
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}
