//! Changes a finished application: the files of the changed intent that differ from those of the old one.

use std::collections::BTreeMap;

use super::{
    contract, documents::ProjectFile, frontend, normal::normalise, papers, plan::App, repair,
};
use crate::offline::{OfflineError, model::Intent};

/// What has to be written and what has to go.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub(super) files: Vec<(String, String)>,
    pub(super) removed: Vec<String>,
}

/// Every file of the finished application that is written from the intent.
pub(super) fn application(intent: &Intent) -> Result<BTreeMap<String, String>, OfflineError> {
    let intent = normalise(intent);
    let app = App::new(&intent);
    let contract = serde_json::to_string_pretty(&contract::contract(&app, &intent))?;
    let mut files: BTreeMap<String, String> =
        repair::canonical_backend(&app)?.into_iter().collect();
    files.extend(repair::canonical_frontend(&app)?);
    files.extend(frontend::pages(&app)?);
    files.extend(frontend::design(&app)?);
    files.insert("contract/openapi.json".to_owned(), format!("{contract}\n"));
    files.insert("contracts.md".to_owned(), papers::contracts(&app)?);
    files.insert("architecture.md".to_owned(), papers::architecture(&app, &intent)?);
    files.insert("README.md".to_owned(), papers::readme(&app)?);
    Ok(files)
}

/// The difference between two applications, for a project that has these files. What a written test
/// stands on comes along where it is missing: a step that could not run its tests wrote none.
pub(super) fn between(
    old: &Intent,
    new: &Intent,
    present: &[ProjectFile],
) -> Result<Change, OfflineError> {
    let (old, new) = (application(old)?, application(new)?);
    let is_present = |path: &str| present.iter().any(|file| file.path == path);
    let removed =
        old.keys().filter(|path| !new.contains_key(*path) && is_present(path)).cloned().collect();
    let files = new
        .into_iter()
        .filter(|(path, content)| {
            old.get(path) != Some(content) || (is_support(path) && !is_present(path))
        })
        .collect();
    Ok(Change { files, removed })
}

/// Whether tests import the file.
fn is_support(path: &str) -> bool {
    path.starts_with("frontend/src/test/") || path == "backend/tests/conftest.py"
}
