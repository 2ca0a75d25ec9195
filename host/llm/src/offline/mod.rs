//! The offline model: understands a request by dictionary and rules, and writes an application from templates.
//!
//! It answers the same tasks in the same format as a language model, so that every step, parser,
//! validator and review of the product really runs, without a key and without a network.

pub mod generate;
pub mod model;
pub mod understand;

/// Why the offline model gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The prompt does not carry what the task needs.
    #[error("the task `{task}` needs the document `{document}`")]
    MissingDocument { task: String, document: &'static str },
    /// A document is there, but cannot be read.
    #[error("the document `{document}` is not what it should be")]
    BadDocument { document: &'static str, source: serde_json::Error },
    /// There is nothing to build.
    #[error("the intent names no entity")]
    NoEntities,
    /// The task is not one that the offline model knows.
    #[error("the offline model cannot do the task `{0}`")]
    UnknownTask(String),
    /// An answer cannot be written as JSON.
    #[error("an answer cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// The templates of the application are broken.
    #[error("the templates of the application are broken: {0}")]
    Templates(String),
    /// One template is broken.
    #[error("the template `{name}` cannot be filled")]
    Template { name: String, source: minijinja::Error },
}

/// Answers a task from the documents of its prompt, as (name, content).
///
/// Pure and deterministic: the same input gives the same bytes.
pub fn answer(task: &str, documents: &[(String, String)]) -> Result<String, OfflineError> {
    generate::answer(task, &generate::Documents::new(task, documents))
}
