//! What a replay found, as data: `gencode replay --json` prints it as it is.

use std::{collections::BTreeMap, fmt};

use gencode_core::{
    digest::Digest,
    id::{ProjectId, RunId},
};
use serde::Serialize;

pub use crate::scope::Used;

/// All tries of a run that were played again.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub run: RunId,
    pub project: ProjectId,
    /// Plugins that are not the ones the run used.
    pub replaced: Vec<Replaced>,
    /// In the order of the pipeline.
    pub tries: Vec<Try>,
}

/// A plugin that took the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replaced {
    pub plugin: String,
    /// The component the run used; none for a plugin it did not have.
    pub recorded: Option<Digest>,
    /// The component that was played; none for a plugin that was left out.
    pub played: Option<Digest>,
}

/// One try of one step.
#[derive(Debug, Clone, Serialize)]
pub struct Try {
    pub step: String,
    /// From 1.
    pub attempt: u32,
    /// The handler.
    pub handler: String,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Sum over all plugins.
    pub fuel: u64,
    /// Sum over all plugins.
    pub host_calls: u32,
    /// What each plugin used.
    pub plugins: BTreeMap<String, Used>,
    pub duration_ms: u64,
}

/// Whether a try did the same again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every call, and in the end every byte.
    Identical,
    /// The same as far as the journal goes, which for this reason is not to the end.
    Unfinished { why: String },
    /// Something is not as it was.
    Diverged { divergence: Box<Divergence> },
    /// Nothing of this run's own was called.
    NotRun { why: String },
}

/// The first thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Divergence {
    pub what: Difference,
    /// Position of the call (`3/1/0`), path of the file, or name of the document; empty for the
    /// outcome.
    pub at: String,
    /// The plugin that made the call, or left what differs.
    pub plugin: String,
    /// What there was, cut to a readable length; empty when there was nothing.
    pub recorded: String,
    /// What there is now, likewise.
    pub now: String,
    /// Both as a unified diff.
    pub diff: String,
}

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Another call than the recorded one.
    Call,
    /// A call that is not in the journal.
    NewCall,
    /// A recorded call that was not made.
    MissingCall,
    /// What the handler answered, or how its call ended.
    Outcome,
    /// Whether the host took the work.
    Judgement,
    /// A staged file.
    File,
    /// A document.
    Document,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, plugin) = (&self.at, &self.plugin);
        match self.what {
            Difference::Call => write!(f, "at call {at}: `{plugin}` made another call"),
            Difference::NewCall => {
                write!(f, "at call {at}: `{plugin}` made a call that is not in the journal")
            }
            Difference::MissingCall => write!(f, "at call {at}: `{plugin}` did not make it"),
            Difference::Outcome => write!(f, "at the end: `{plugin}` answered something else"),
            Difference::Judgement => write!(f, "at the end: the host judged its work otherwise"),
            Difference::File => write!(f, "in file {at}: `{plugin}` staged something else"),
            Difference::Document => write!(f, "in document {at}: `{plugin}` left something else"),
        }
    }
}

impl Report {
    /// Whether nothing diverged.
    pub fn is_identical(&self) -> bool {
        !self.tries.iter().any(|played| matches!(played.verdict, Verdict::Diverged { .. }))
    }
}
