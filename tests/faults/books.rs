//! The host's database, read from outside, whichever kind it is.

use sqlx::{Connection as _, PgConnection, Row as _, SqliteConnection};

use crate::host::Data;

/// A connection beside the host's.
pub(crate) enum Books {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Books {
    pub(crate) async fn open(data: &Data) -> Self {
        if let Some(address) = &data.database {
            return Self::Postgres(PgConnection::connect(address).await.unwrap());
        }
        let file = data.path().join("gencode.db");
        let address = format!("sqlite://{}", file.display());
        Self::Sqlite(SqliteConnection::connect(&address).await.unwrap())
    }

    /// Rows of a query whose columns are all text.
    pub(crate) async fn rows(&mut self, query: &'static str) -> Vec<Vec<String>> {
        macro_rules! read {
            ($connection:expr) => {
                sqlx::query(query)
                    .fetch_all($connection)
                    .await
                    .unwrap_or_else(|error| panic!("{query}: {error}"))
                    .iter()
                    .map(|row| {
                        let cell = |at| row.get::<Option<String>, _>(at).unwrap_or_default();
                        (0..row.columns().len()).map(cell).collect()
                    })
                    .collect()
            };
        }
        match self {
            Self::Sqlite(connection) => read!(connection),
            Self::Postgres(connection) => read!(connection),
        }
    }

    /// The only number of the only row.
    pub(crate) async fn number(&mut self, query: &'static str) -> i64 {
        let rows = self.rows(query).await;
        rows[0][0].parse().unwrap_or_else(|_| panic!("{query}: {rows:?}"))
    }

    /// Changes something behind the host's back.
    pub(crate) async fn tamper(&mut self, statement: &'static str) -> u64 {
        let done = match self {
            Self::Sqlite(connection) => {
                sqlx::query(statement).execute(connection).await.map(|done| done.rows_affected())
            }
            Self::Postgres(connection) => {
                sqlx::query(statement).execute(connection).await.map(|done| done.rows_affected())
            }
        };
        done.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }
}
