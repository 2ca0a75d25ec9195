//! What can go wrong, by what a caller can do about it.

use gencode_core::{id::RunId, project::IllegalTransition, run::Run};

/// Why the store did not do something. Nothing was changed when one of these comes back, save
/// [`StoreError::Unavailable`] from a commit, whose outcome is unknown: read it back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Ask for something that exists.
    #[error("there is no {what} `{id}`")]
    NotFound { what: &'static str, id: String },
    /// Read again and decide again.
    #[error("{0}")]
    Conflict(String),
    /// Read the answer that is kept ([`crate::Store::outcome`]): the request was done before.
    #[error("the request was done before")]
    Repeated,
    /// Another host owns the run, or it was stopped: let go of it.
    #[error("this host no longer owns run {0}")]
    LeaseLost(RunId),
    /// The rules forbid it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The value does not fit.
    #[error("{what} is more than the {limit} allowed")]
    TooLarge { what: &'static str, limit: u64 },
    /// No database could keep this value.
    #[error("a value cannot be stored")]
    Unstorable(#[source] serde_json::Error),
    /// Text with the character NUL, which not every database can keep.
    #[error("a text with the character NUL cannot be stored")]
    Nul,
    /// The address of the database is not understood.
    #[error("the database address is not usable: {0}")]
    Address(String),
    /// Try again later: someone else holds the database, or too many wait for it.
    #[error("the database {database} is busy")]
    Busy { database: String },
    /// Make room, then try again.
    #[error("no space is left for the database {database}; free some space and try again")]
    Full { database: String },
    /// Give the host write access.
    #[error(
        "the database {database} cannot be opened for writing; its directory must exist, and this user must be able to write to both"
    )]
    ReadOnly { database: String },
    /// The database is damaged or is not ours. It was left as it is.
    #[error(
        "{database} is not a usable database ({detail}); it was left untouched: restore a copy of it, or move it away to start with an empty one"
    )]
    Corrupt { database: String, detail: String },
    /// Use a newer host.
    #[error(
        "the database {database} has schema {found}, this host knows schemas up to {known}; use a newer version of the host"
    )]
    TooNew { database: String, found: i64, known: i64 },
    /// The database is away or refuses; it may be back later. A commit may have happened or not.
    #[error("the database {database} does not answer")]
    Unavailable {
        database: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The project already has a run that is not final: this one.
    #[error("run {} of project `{}` is not finished yet", .0.id, .0.project)]
    AlreadyRunning(Box<Run>),
    /// Too many runs wait for a host: try again later.
    #[error("{queued} runs wait to be taken up already; try again later")]
    Full { queued: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    /// Sorts a failure of the database.
    pub(crate) fn of(database: &str, error: sqlx::Error) -> Self {
        let name = || database.to_owned();
        if let sqlx::Error::ColumnDecode { index, source } = &error {
            return Self::Corrupt { database: name(), detail: format!("column {index}: {source}") };
        }
        let Some(refused) = error.as_database_error() else {
            return Self::Unavailable { database: name(), source: error.into() };
        };
        if refused.is_unique_violation() {
            return Self::Conflict("it exists already".to_owned());
        }
        let code = refused.code().unwrap_or_default().into_owned();
        let detail = refused.message().to_owned();
        let sqlite = refused.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
        let class = if sqlite { class_of_sqlite(&code) } else { class_of_postgres(&code) };
        match class {
            Class::Busy => Self::Busy { database: name() },
            Class::ReadOnly => Self::ReadOnly { database: name() },
            Class::Full => Self::Full { database: name() },
            Class::Corrupt => Self::Corrupt { database: name(), detail },
            Class::Refused => Self::Conflict(detail),
            Class::Away => Self::Unavailable { database: name(), source: error.into() },
        }
    }

    /// A row that breaks its own rules.
    pub(crate) fn damaged(database: &str, detail: impl Into<String>) -> Self {
        Self::Corrupt { database: database.to_owned(), detail: detail.into() }
    }

    /// The same failure once more, for each of several writes that failed together.
    pub(crate) fn again(&self, database: &str) -> Self {
        let database = database.to_owned();
        match self {
            Self::Busy { .. } => Self::Busy { database },
            Self::Full { .. } => Self::Full { database },
            Self::ReadOnly { .. } => Self::ReadOnly { database },
            Self::Corrupt { detail, .. } => Self::Corrupt { database, detail: detail.clone() },
            other => Self::Unavailable { database, source: other.to_string().into() },
        }
    }

    /// Whether the database itself failed, and not what was asked of it: then SQLite may have
    /// undone the whole transaction.
    pub(crate) fn is_of_the_database(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Full { .. }
                | Self::ReadOnly { .. }
                | Self::Corrupt { .. }
                | Self::Unavailable { .. }
        )
    }
}

enum Class {
    Busy,
    ReadOnly,
    Full,
    Corrupt,
    Refused,
    Away,
}

/// The low byte of an extended result code is the primary one (sqlite.org/rescode.html).
fn class_of_sqlite(code: &str) -> Class {
    match code.parse::<i32>().unwrap_or(0) & 0xff {
        5 | 6 => Class::Busy,
        8 | 14 => Class::ReadOnly,
        13 => Class::Full,
        11 | 26 => Class::Corrupt,
        19 => Class::Refused,
        _ => Class::Away,
    }
}

/// By SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html).
fn class_of_postgres(code: &str) -> Class {
    match code {
        // Serialization, deadlock, lock not available, too many connections.
        "40001" | "40P01" | "55P03" | "53300" => Class::Busy,
        "25006" | "42501" => Class::ReadOnly,
        "53100" => Class::Full,
        _ if code.starts_with("XX") => Class::Corrupt,
        // Integrity constraints, and what our triggers raise.
        _ if code.starts_with("23") || code == "P0001" => Class::Refused,
        _ => Class::Away,
    }
}
