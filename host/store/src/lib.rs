//! What the host remembers, in one database: an SQLite file or PostgreSQL. The only crate that knows SQL.
//!
//! **Invariants:**
//! - no `sqlx` type leaves this crate;
//! - a write is done as a whole or not at all, and a write based on a read inside it is never
//!   stale: SQLite has one writer (`lane.rs`), on PostgreSQL the rows that are read stay locked,
//!   first the run, then its project;
//! - a statement reads the same on SQLite and PostgreSQL (`sql.rs`), and so do its values;
//! - instants (and so leases) come from the database's clock, never from a host's;
//! - every write of a run's owner names its [`Lease`] and is refused once the epoch moved.

mod access;
mod backup;
mod checkpoints;
mod claims;
mod commit;
mod connection;
mod documents;
mod error;
mod events;
mod forks;
mod holds;
mod inspect;
mod intents;
mod journal;
mod lane;
mod ledger;
mod location;
mod memory;
mod open;
mod pauses;
mod postgres;
mod previews;
mod projects;
mod replays;
mod requests;
mod retention;
mod row;
mod runs;
mod settings;
mod signals;
mod sql;
mod sqlite;
mod steps;
#[cfg(test)]
mod tests;

pub use backup::{Exported, Incoming, Part};
pub use checkpoints::{Checkpoint, CheckpointAuthor, CheckpointPage, NewCheckpoint, Restored};
pub use claims::{Claim, ClaimKind, Claimed, Lease};
pub use commit::{END, NextStep, StepCommit};
pub use documents::Document;
pub use error::{StartError, StoreError};
pub use events::EventHint;
pub use forks::{ForkError, NewFork, StepBase};
pub use holds::HoldKind;
pub use inspect::integrity;
pub use intents::{CallSite, Intent};
pub use journal::JournalEntry;
pub use ledger::{LedgerRow, Total, Totals};
pub use location::{Location, Server};
pub use memory::{MAX_MEMORY_KEYS, MAX_MEMORY_VALUE_BYTES};
pub use open::Store;
pub use pauses::{Pause, Question};
pub use previews::PreviewRecord;
pub use projects::ProjectPage;
pub use requests::{Once, Outcome};
pub use retention::{Gone, KeptProject, MIN_CHECKPOINTS, Prune, Pruned, Retention};
pub use runs::{NewRun, StepSeed};
pub use signals::{Owned, Standing, Wanted};
pub use steps::{BASE, BaseEntry, Begun};

/// Short form used throughout.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
