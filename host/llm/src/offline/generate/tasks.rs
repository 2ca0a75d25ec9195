//! One function per task; what a task is called is what the agents call it.

use super::{
    answer::Answer,
    backend, contract,
    documents::Documents,
    frontend::{self, Client},
    normal::normalise,
    plan::App,
};
use crate::offline::{OfflineError, understand::understand};

/// Answers one task.
pub fn answer(task: &str, documents: &Documents<'_>) -> Result<String, OfflineError> {
    match task {
        "analysis" => analysis(documents),
        "architecture" => architecture(documents),
        "frontend_mock" => frontend_mock(documents),
        "frontend_integration" => frontend_integration(documents),
        "frontend_tests" => frontend_tests(documents),
        "contracts" => contracts(documents),
        "backend_implementation" => backend_implementation(documents),
        "backend_tests" => backend_tests(documents),
        other => Err(OfflineError::UnknownTask(other.to_owned())),
    }
}

fn analysis(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let intent = normalise(&understand(documents.require("request")?));
    Ok(Answer::new("").json("intent", &intent)?.finish())
}

fn contracts(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let intent = normalise(&documents.intent()?);
    let contract = contract::contract(&App::new(&intent), &intent);
    let text = serde_json::to_string_pretty(&contract)?;
    Ok(Answer::new("").file("contract/openapi.json", text).json("contract", &contract)?.finish())
}

fn backend_implementation(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let app = App::new(&documents.intent()?);
    Ok(Answer::new("").files(backend::implementation(&app)?).finish())
}

fn backend_tests(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let app = App::new(&documents.intent()?);
    Ok(Answer::new("").files(backend::tests(&app)?).finish())
}

fn architecture(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let app = App::new(&documents.intent()?);
    Ok(Answer::new("").files(frontend::design(&app)?).finish())
}

fn frontend_mock(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let app = App::new(&documents.intent()?);
    let files = frontend::pages(&app)?.into_iter().chain(frontend::client(&app, Client::Mock)?);
    Ok(Answer::new("").files(files).finish())
}

fn frontend_integration(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let app = App::new(&documents.intent()?);
    Ok(Answer::new("").files(frontend::client(&app, Client::Real)?).json("removed", &["frontend/src/data/mock.ts"])?.finish())
}

fn frontend_tests(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let app = App::new(&documents.intent()?);
    Ok(Answer::new("").files(frontend::tests(&app)?).finish())
}
