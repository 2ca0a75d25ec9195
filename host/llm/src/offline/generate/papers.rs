//! The documents for people: architecture, contract and README.

use minijinja::context;

use super::{
    plan::App,
    render::{render, view},
    theme,
};
use crate::offline::{OfflineError, model::Intent};

/// `architecture.md`.
pub(super) fn architecture(app: &App, intent: &Intent) -> Result<String, OfflineError> {
    let tokens = serde_json::to_string_pretty(&theme::tokens(&app.vibe))?;
    let context = context! {
        app => view(app),
        archetype => intent.archetype.choice.clone(),
        features => view(&intent.features),
        evidence => view(&intent.vibe.evidence),
        vibe => theme::name(&app.vibe),
        tokens,
    };
    render("architecture.md.j2", &context)
}

/// `contracts.md`.
pub(super) fn contracts(app: &App) -> Result<String, OfflineError> {
    render("contracts.md.j2", &context! { app => view(app) })
}

/// `README.md` of the application.
pub(super) fn readme(app: &App) -> Result<String, OfflineError> {
    render("README.md.j2", &context! { app => view(app) })
}
