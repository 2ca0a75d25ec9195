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

    pub(crate) fn begins_with(&self, begin: &str) -> bool {
        self.text.starts_with(begin)
    }

    /// PostgreSQL's text cannot hold the character NUL; so that both databases behave alike,
    /// neither gets it.
    pub(crate) fn has_nul(&self) -> bool {
        self.values
            .iter()
            .any(|value| matches!(value, Value::Text(Some(text)) if text.contains('\0')))
    }

    /// Makes a query of rows (`SELECT …`) also tell the database's clock, in the column `now`.
    pub(crate) fn with_now(self, clock: &str) -> Self {
        let columns = self.text.trim_start_matches("SELECT ");
        Self { text: format!("SELECT {clock} AS now, {columns}").into(), ..self }
    }

    /// Several statements as one, for SQLite: one call of the driver instead of many.
    pub(crate) fn sequence(statements: Vec<Self>) -> Self {
        Self::joined(statements, |texts| texts.join("; "))
    }

    /// Several statements as one, for PostgreSQL: one journey to the server instead of many. They
    /// run on the same state of the database, so none may need what another one did.
    pub(crate) fn together(statements: Vec<Self>) -> Self {
        Self::joined(statements, |mut texts| {
            let last = texts.pop().unwrap_or_default();
            let parts: Vec<String> =
                texts.iter().enumerate().map(|(n, text)| format!("s{n} AS ({text})")).collect();
            if parts.is_empty() { last } else { format!("WITH {} {last}", parts.join(", ")) }
        })
    }

    fn joined(statements: Vec<Self>, join: impl FnOnce(Vec<String>) -> String) -> Self {
        let mut texts = Vec::with_capacity(statements.len());
        let mut values = Vec::new();
        let mut lock = "";
        for statement in statements {
            texts.push(renumbered(&statement.text, values.len()));
            values.extend(statement.values);
            lock = statement.lock;
        }
        Self { text: join(texts).into(), values, lock }
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

/// The text with every parameter `$n` raised by `by`.
fn renumbered(text: &str, by: usize) -> String {
    if by == 0 {
        return text.to_owned();
    }
    let mut pieces = text.split('$');
    let mut raised = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = piece.split_at(digits);
        raised.push('$');
        match number.parse::<usize>() {
            Ok(number) => raised.push_str(&(number + by).to_string()),
            Err(_) => raised.push_str(number),
        }
        raised.push_str(rest);
    }
    raised
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_joined_with_their_parameters() {
        let one = || sql("UPDATE a SET b = $1 WHERE c = $2 OR d = $1").bind("x").bind(1);
        let two = || sql("DELETE FROM e").bind("unused");
        let three = || sql("INSERT INTO f VALUES ($12, $1)").bind("y");
        let sequence = Sql::sequence(vec![one(), two(), three()]);
        assert_eq!(
            sequence.text,
            "UPDATE a SET b = $1 WHERE c = $2 OR d = $1; DELETE FROM e; INSERT INTO f VALUES ($15, $4)"
        );
        assert_eq!(sequence.values.len(), 4);
        assert_eq!(
            Sql::together(vec![two(), three()]).text,
            "WITH s0 AS (DELETE FROM e) INSERT INTO f VALUES ($13, $2)"
        );
        assert_eq!(Sql::together(vec![two()]).text, "DELETE FROM e");
        assert_eq!(sql("SELECT a FROM b").with_now("now()").text, "SELECT now() AS now, a FROM b");
    }
}
