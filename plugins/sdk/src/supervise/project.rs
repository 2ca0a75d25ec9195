//! What a step reads of the project, and the reports it makes.

use serde_json::Value;

use super::{FORBIDDEN, Host};
use crate::{
    handler::{Description, StepReport},
    types::{Document, Entity, Fault, File, Finding, Intent},
};

/// Where the contract lies in the application.
pub const CONTRACT: &str = "contract/openapi.json";

/// Key of the contract under which the whole intent travels.
pub const INTENT_KEY: &str = "x-gencode-intent";

/// Files of the seed and of the host that no model may replace, though a step may write beside them.
const FIXED: [&str; 4] = [
    "backend/app/routers/__init__.py",
    "backend/tests/__init__.py",
    "backend/tests/conftest.py",
    "backend/tests/test_app.py",
];

/// A finding for every file that no model may replace.
pub fn fixed(files: &[File]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| FIXED.contains(&file.path.as_str()))
        .map(|file| {
            Finding::error(
                FORBIDDEN,
                &file.path,
                0,
                0,
                "the file comes with the seed or from a script",
            )
            .with_hint("leave it out")
        })
        .collect()
}

/// A finding for every path that is not among the files.
pub fn missing(files: &[File], paths: &[&str]) -> Vec<Finding> {
    paths
        .iter()
        .filter(|path| !files.iter().any(|file| file.path == **path))
        .map(|path| {
            Finding::error("answer.missing-file", path, 0, 0, "the file is missing")
                .with_hint("add it, complete")
        })
        .collect()
}

/// The files that differ from what is there.
pub fn changed(host: &impl Host, files: Vec<File>) -> Result<Vec<File>, Fault> {
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let before = if paths.is_empty() { Vec::new() } else { host.read_all(&paths)? };
    Ok(files.into_iter().filter(|file| !before.contains(file)).collect())
}

/// What a handler says about itself, as constants.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// Same as in `plugin.toml`.
    pub id: &'static str,
    /// What a person reads.
    pub title: &'static str,
    /// Who does it.
    pub performer: &'static str,
    /// Documents that must exist.
    pub needs: &'static [&'static str],
    /// Documents it leaves.
    pub produces: &'static [&'static str],
    /// Globs of the files it may write.
    pub writes: &'static [&'static str],
    /// Globs that must each match afterwards.
    pub leaves: &'static [&'static str],
}

impl Card {
    /// What `describe` answers.
    pub fn describe(&self) -> Description {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Description {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            performer: self.performer.to_owned(),
            needs: owned(self.needs),
            produces: owned(self.produces),
            writes: owned(self.writes),
            leaves: owned(self.leaves),
        }
    }
}

/// Path of an entity's list in API and front end, without `/api`: `/line-items`.
pub fn route(entity: &Entity) -> String {
    format!("/{}", entity.plural.replace('_', "-"))
}

/// Letters and digits of a text in lower case, to compare names in different spellings.
pub fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The documents of these names that exist.
///
/// What an earlier run left is looked up in the application's own files.
pub fn documents(host: &impl Host, names: &[&str]) -> Result<Vec<Document>, Fault> {
    let mut found = Vec::new();
    for name in names {
        found.extend(document(host, name)?);
    }
    Ok(found)
}

fn document(host: &impl Host, name: &str) -> Result<Option<Document>, Fault> {
    match host.document(name) {
        Ok(document) => return Ok(Some(document)),
        Err(error) if error.code == "not-found" => {}
        Err(error) => return Err(error.into()),
    }
    let read = |path: &str| -> Result<Option<String>, Fault> {
        Ok(host.read_all(&[path])?.into_iter().next().map(|file| file.content))
    };
    Ok(match name {
        "contract" => read(CONTRACT)?.map(|text| Document::text(name, crate::document::JSON, text)),
        "architecture" => {
            read("architecture.md")?.map(|text| Document::text(name, "text/markdown", text))
        }
        "intent" => {
            let Some(contract) = read(CONTRACT)? else { return Ok(None) };
            let contract: Value =
                Document::text("contract", crate::document::JSON, contract).read()?;
            contract.get(INTENT_KEY).map(|intent| Document::json(name, intent)).transpose()?
        }
        _ => None,
    })
}

/// The document of this name. Fault: `missing-document`.
pub fn require(host: &impl Host, name: &str) -> Result<Document, Fault> {
    document(host, name)?.ok_or_else(|| {
        Fault::permanent("missing-document", format!("no earlier step left the document `{name}`"))
    })
}

/// The intent of the application.
pub fn intent(host: &impl Host) -> Result<Intent, Fault> {
    require(host, "intent")?.read()
}

/// The contract with the intent that everything after it is generated from: the one we understood,
/// not a copy that a model made of it. Unchanged where it holds that intent already.
pub fn with_intent(contract: &str, intent: &Intent) -> Result<String, Fault> {
    let unreadable = |error: serde_json::Error| {
        Fault::permanent("contract-unreadable", format!("the contract: {error}"))
    };
    let mut object: serde_json::Map<String, Value> =
        serde_json::from_str(contract).map_err(unreadable)?;
    let intent = serde_json::to_value(intent).map_err(unreadable)?;
    if object.get(INTENT_KEY) == Some(&intent) {
        return Ok(contract.to_owned());
    }
    object.insert(INTENT_KEY.to_owned(), intent);
    Ok(Document::json("contract", &object)?.content)
}

/// Asks for tools. The answer is the reason to skip the step, if one is missing.
pub fn missing_tool(host: &impl Host, tools: &[&str]) -> Result<Option<String>, Fault> {
    for tool in tools {
        match host.available(tool) {
            Ok(_) => {}
            Err(error) if error.code == "unavailable" => {
                return Ok(Some(format!("{tool} is not available: {}", error.message)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// A report of work without tests.
pub fn report(summary: impl Into<String>, findings: Vec<Finding>, score: Option<u8>) -> StepReport {
    StepReport { summary: summary.into(), findings, score, tests: Vec::new(), acceptance: None }
}

/// The last characters of a text, cut at a line where possible.
pub fn tail(text: &str, characters: usize) -> &str {
    let text = text.trim_end();
    let skip = text.chars().count().saturating_sub(characters);
    let start = text.char_indices().nth(skip).map_or(text.len(), |(index, _)| index);
    let cut = text.get(start..).unwrap_or_default();
    match cut.split_once('\n') {
        Some((_, rest)) if skip > 0 && !rest.is_empty() => rest,
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::fake::Fake;

    #[test]
    fn a_later_run_finds_documents_in_the_application() {
        let host = Fake::default()
            .with_file(CONTRACT, r#"{"openapi": "3.1.0", "x-gencode-intent": {"title": "Shop"}}"#);
        let found = documents(&host, &["intent", "contract", "architecture"]).unwrap();
        assert_eq!(
            found.iter().map(|document| document.name.as_str()).collect::<Vec<_>>(),
            ["intent", "contract"]
        );
        assert!(found[0].content.contains("Shop"));
        assert_eq!(require(&host, "architecture").unwrap_err().code, "missing-document");
    }

    #[test]
    fn a_tail_begins_at_a_line() {
        assert_eq!(tail("one\ntwo\nthree\n", 8), "three");
        assert_eq!(tail("short", 80), "short");
        assert_eq!(tail("ääää", 2), "ää");
    }
}
