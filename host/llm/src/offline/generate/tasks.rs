//! One function per task; what a task is called is what the agents call it.

use std::fmt::Write as _;

use super::{
    answer::Answer,
    backend, change, contract,
    documents::Documents,
    frontend::{self, Client},
    judge,
    normal::normalise,
    papers,
    plan::App,
    repair,
};
use crate::offline::{
    OfflineError,
    model::Intent,
    understand::{refine, understand},
};

/// Answers one task.
pub fn answer(task: &str, documents: &Documents<'_>) -> Result<String, OfflineError> {
    match task {
        "analysis" => analysis(documents),
        "architecture" => architecture(documents),
        "frontend_mock" => frontend_mock(documents),
        "visual_review" => visual_review(documents),
        "contracts" => contracts(documents),
        "backend_implementation" => backend_implementation(documents),
        "backend_tests" => backend_tests(documents),
        "diagnosis" => diagnosis(documents),
        "backend_fix" => fix(documents, End::Back),
        "frontend_integration" => frontend_integration(documents),
        "frontend_tests" => frontend_tests(documents),
        "frontend_fix" => fix(documents, End::Front),
        "review" => review(documents),
        "refine" => refinement(documents),
        other => Err(OfflineError::UnknownTask(other.to_owned())),
    }
}

fn analysis(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let intent = normalise(&understand(documents.require("request")?));
    let mut thinking = format!("I read the request as \"{}\". I see these records:", intent.title);
    for entity in &intent.entities {
        let fields: Vec<&str> = entity.fields.iter().map(|field| field.name.as_str()).collect();
        // Writing to a string cannot fail.
        let _ = write!(thinking, "\n- {} ({})", entity.name, fields.join(", "));
    }
    for relation in &intent.relations {
        let _ = write!(
            thinking,
            "\n- {} refers to {} as `{}`",
            relation.source, relation.target, relation.name
        );
    }
    if !intent.features.is_empty() {
        let _ = write!(thinking, "\nFeatures: {}.", intent.features.join(", "));
    }
    Ok(Answer::new(&thinking).json("intent", &intent)?.finish())
}

fn architecture(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (intent, app) = planned(documents)?;
    let text = papers::architecture(&app, &intent)?;
    let thinking = format!(
        "One process serves API and interface; {} tables; the look is {}.",
        app.entities.len(),
        super::theme::name(&app.vibe)
    );
    Ok(Answer::new(&thinking)
        .file("architecture.md", text.clone())
        .files(frontend::design(&app)?)
        .markdown("architecture", text)
        .finish())
}

fn frontend_mock(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    let files = frontend::pages(&app)?.into_iter().chain(frontend::client(&app, Client::Mock)?);
    let thinking = "List, form and detail pages for every kind of record, over sample data in memory. Pages import from \
                    `src/api` only, so that the real client can take its place.";
    Ok(Answer::new(thinking).files(files).finish())
}

fn visual_review(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    let verdict = judge::visual_review(&app, &documents.files()?, &documents.findings()?);
    Ok(Answer::new("I read the browser's reports and the sources; I do not see pictures.")
        .json("verdict", &verdict)?
        .finish())
}

fn contracts(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (intent, app) = planned(documents)?;
    let contract = contract::contract(&app, &intent);
    let operations = app.entities.len() * 6;
    let thinking =
        format!("{operations} operations on records, one shape for lists, one for errors.");
    Ok(Answer::new(&thinking)
        .file("contract/openapi.json", serde_json::to_string_pretty(&contract)?)
        .file("contracts.md", papers::contracts(&app)?)
        .json("contract", &contract)?
        .finish())
}

fn backend_implementation(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    let thinking = "Models, schemas and one router per kind of record, from the contract. Required references delete with \
                    their target, optional ones are emptied.";
    Ok(Answer::new(thinking)
        .files(backend::implementation(&app)?)
        .file("README.md", papers::readme(&app)?)
        .finish())
}

fn backend_tests(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    let thinking = "Tests of every route and rule through the API, and one that keeps the served contract equal to the written one.";
    Ok(Answer::new(thinking).files(backend::tests(&app)?).finish())
}

fn frontend_integration(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    Ok(Answer::new(
        "The client calls the API now; the pages stay as they are, and the sample data goes.",
    )
    .files(frontend::client(&app, Client::Real)?)
    .json("removed", &["frontend/src/data/mock.ts"])?
    .finish())
}

fn frontend_tests(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    let thinking = "Tests of every page with its states, and of every function of the client against the contract.";
    Ok(Answer::new(thinking).files(frontend::tests(&app)?).finish())
}

fn diagnosis(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    let diagnosis = repair::diagnose(&app, documents.require("failure")?, &documents.files()?)?;
    let thinking = "I compared the files with what the contract leads to, and looked for the files that the output names.";
    Ok(Answer::new(thinking).json("diagnosis", &diagnosis)?.finish())
}

/// One half of the application.
#[derive(Debug, Clone, Copy)]
enum End {
    Back,
    Front,
}

fn fix(documents: &Documents<'_>, end: End) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    let (canonical, folder) = match end {
        End::Back => (repair::canonical_backend(&app)?, "backend/"),
        End::Front => (repair::canonical_frontend(&app)?, "frontend/"),
    };
    let mut present = documents.files()?;
    present.retain(|file| file.path.starts_with(folder));
    let files = repair::repair(canonical, documents.get("failure").unwrap_or_default(), &present);
    let thinking = "I wrote the files anew from the contract. If they were right already, the cause lies outside of them, \
                    and I cannot find it.";
    Ok(Answer::new(thinking).files(files).finish())
}

fn review(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let (_, app) = planned(documents)?;
    // With a message it is the change of a finished application that is judged, or one round of repair.
    let partial = ["message", "failure"].iter().any(|name| documents.get(name).is_some());
    let verdict = judge::review(&app, &documents.files()?, partial);
    Ok(Answer::new("I compared the files with the contract by rules.")
        .json("verdict", &verdict)?
        .finish())
}

fn refinement(documents: &Documents<'_>) -> Result<String, OfflineError> {
    let old = normalise(&documents.intent()?);
    let refined = refine(&old, documents.require("message")?);
    let new = normalise(&refined.intent);
    let mut thinking = String::new();
    for (introduction, lines) in [
        ("I understood:", &refined.changes),
        ("I did not understand, and left as it is:", &refined.not_understood),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(thinking, "{introduction}\n- {}", lines.join("\n- "));
        }
    }
    if new == old {
        thinking.push_str("Nothing changes.");
        return Ok(Answer::new(&thinking).json("intent", &old)?.finish());
    }
    let change = change::between(&old, &new, &documents.files()?)?;
    let contract = contract::contract(&App::new(&new), &new);
    let answer = Answer::new(&thinking)
        .files(change.files)
        .json("intent", &new)?
        .json("contract", &contract)?;
    let answer =
        if change.removed.is_empty() { answer } else { answer.json("removed", &change.removed)? };
    Ok(answer.finish())
}

fn planned(documents: &Documents<'_>) -> Result<(Intent, App), OfflineError> {
    let intent = normalise(&documents.intent()?);
    let app = App::new(&intent);
    Ok((intent, app))
}
