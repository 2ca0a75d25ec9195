//! The documents of a prompt, and how the offline model reads them.

use serde::Deserialize;

use super::{contract, judge::Reported};
use crate::offline::{OfflineError, model::Intent};

/// What a prompt carries: documents by name.
#[derive(Debug, Clone, Copy)]
pub struct Documents<'a> {
    task: &'a str,
    documents: &'a [(String, String)],
}

/// A file of the project, as the document `files` carries it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProjectFile {
    pub(super) path: String,
    pub(super) content: String,
}

impl<'a> Documents<'a> {
    /// The documents that came with `task`.
    pub fn new(task: &'a str, documents: &'a [(String, String)]) -> Self {
        Self { task, documents }
    }

    /// The content of a document, if it came; the last one of a name counts.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.documents
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, content)| content.as_str())
    }

    pub(super) fn require(&self, name: &'static str) -> Result<&'a str, OfflineError> {
        self.get(name).ok_or_else(|| OfflineError::MissingDocument {
            task: self.task.to_owned(),
            document: name,
        })
    }

    /// The intent: from the contract where there is one, as it is what was agreed on, else the intent itself.
    pub(super) fn intent(&self) -> Result<Intent, OfflineError> {
        let intent = match self.get("contract") {
            Some(text) => {
                let document: serde_json::Value = parse("contract", text)?;
                match document.get(contract::INTENT) {
                    Some(intent) => from_value("contract", intent)?,
                    None => parse("intent", self.require("intent")?)?,
                }
            }
            None => parse("intent", self.require("intent")?)?,
        };
        let intent: Intent = intent;
        if intent.entities.is_empty() { Err(OfflineError::NoEntities) } else { Ok(intent) }
    }

    /// What is already known to be wrong; nothing when the document is not there.
    pub(super) fn findings(&self) -> Result<Vec<Reported>, OfflineError> {
        self.get("findings").map_or_else(|| Ok(Vec::new()), |text| parse("findings", text))
    }

    /// The files that came along; none when the document is not there.
    pub(super) fn files(&self) -> Result<Vec<ProjectFile>, OfflineError> {
        self.get("files").map_or_else(|| Ok(Vec::new()), |text| parse("files", text))
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    document: &'static str,
    text: &str,
) -> Result<T, OfflineError> {
    serde_json::from_str(text).map_err(|source| OfflineError::BadDocument { document, source })
}

fn from_value(document: &'static str, value: &serde_json::Value) -> Result<Intent, OfflineError> {
    Intent::deserialize(value).map_err(|source| OfflineError::BadDocument { document, source })
}
