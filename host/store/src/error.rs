//! What can go wrong, by what a caller can do about it.

use std::path::{Path, PathBuf};

use gencode_core::{id::RunId, project::IllegalTransition, run::Run};

/// Why the store did not do something. Nothing was changed when one of these comes back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Ask for something that exists.
    #[error("there is no {what} `{id}`")]
    NotFound { what: &'static str, id: String },
    /// Read again and decide again.
    #[error("{0}")]
    Conflict(String),
    /// Another host owns the run, or it was stopped: let go of it.
    #[error("this host no longer owns run {0}")]
    LeaseLost(RunId),
    /// The rules forbid it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The value does not fit.
    #[error("{what} is more than the {limit} allowed")]
    TooLarge { what: &'static str, limit: u64 },
    /// Try again later: someone else holds the database.
    #[error("the database {} is busy", .file.display())]
    Busy { file: PathBuf },
    /// Make room, then try again.
    #[error("no space is left for the database {}; free some space and try again", .file.display())]
    Full { file: PathBuf },
    /// Give the host write access.
    #[error("the database {} cannot be opened for writing; its directory must exist, and this user must be able to write to both", .file.display())]
    ReadOnly { file: PathBuf },
    /// The file is damaged or is not ours. It was left as it is.
    #[error("{} is not a usable database ({detail}); it was left untouched: restore a copy of it, or move it away to start with an empty one", .file.display())]
    Corrupt { file: PathBuf, detail: String },
    /// Use a newer host.
    #[error("the database {} has schema {found}, this host knows schemas up to {known}; use a newer version of the host", .file.display())]
    TooNew { file: PathBuf, found: i64, known: i64 },
    /// Nothing a caller can do; for the operator.
    #[error("the database {} does not answer", .file.display())]
    Unavailable {
        file: PathBuf,
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
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    /// Sorts a failure of the database.
    pub(crate) fn of(file: &Path, error: sqlx::Error) -> Self {
        let file = file.to_owned();
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy { file };
        }
        if let Some(database) = error.as_database_error() {
            if database.is_unique_violation() {
                return Self::Conflict("it exists already".to_owned());
            }
            let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
            let detail = database.message().to_owned();
            // The low byte of an extended result code is the primary one (sqlite.org/rescode.html).
            match code & 0xff {
                5 | 6 => return Self::Busy { file },
                8 | 14 => return Self::ReadOnly { file },
                13 => return Self::Full { file },
                11 | 26 => return Self::Corrupt { file, detail },
                19 => return Self::Conflict(detail),
                _ => {}
            }
        }
        if let sqlx::Error::ColumnDecode { index, source } = &error {
            return Self::Corrupt { file, detail: format!("column {index}: {source}") };
        }
        Self::Unavailable { file, source: error.into() }
    }

    /// A row that breaks its own rules.
    pub(crate) fn damaged(file: &Path, detail: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), detail: detail.into() }
    }
}
