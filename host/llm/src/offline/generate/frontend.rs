//! The files of the front end.

use minijinja::{Value, context};

use super::{
    pages::Pages,
    plan::App,
    render::{render, view},
    theme,
};
use crate::offline::OfflineError;

type Files = Vec<(String, String)>;

/// Which client the pages talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// In memory, over sample data.
    Mock,
    /// Over HTTP, as the contract says.
    Real,
}

/// Tokens and style sheet.
pub(super) fn design(app: &App) -> Result<Files, OfflineError> {
    let tokens = serde_json::to_string_pretty(&theme::tokens(&app.vibe))?;
    Ok(vec![
        ("frontend/src/design/tokens.json".to_owned(), format!("{tokens}\n")),
        ("frontend/src/design/theme.css".to_owned(), theme::style_sheet(&app.vibe)),
    ])
}

/// Pages, routes and navigation.
pub(super) fn pages(app: &App) -> Result<Files, OfflineError> {
    let shared = view(app);
    let mut files = Files::new();
    let accent = theme::accent(&app.vibe).trim_start_matches('#').to_owned();
    let with_app = context! { app => shared.clone(), accent };
    let mut add = |path: &str| -> Result<(), OfflineError> {
        files
            .push((format!("frontend/{path}"), render(&format!("frontend/{path}.j2"), &with_app)?));
        Ok(())
    };
    for path in [
        "index.html",
        "src/text.ts",
        "src/App.tsx",
        "src/routes.tsx",
        "src/navigation.ts",
        "src/pages/HomePage.tsx",
        "src/pages/NotFoundPage.tsx",
        "src/api/http.ts",
        "src/api/types.ts",
    ] {
        add(path)?;
    }
    if app.uses.get("enum") == Some(&true) {
        add("src/options.ts")?;
    }
    if app.auth {
        for path in ["src/auth.tsx", "src/pages/SignInPage.tsx", "src/pages/RegisterPage.tsx"] {
            add(path)?;
        }
    }
    for (name, plural, context) in entities(app, &shared) {
        for page in ["List", "Detail", "Form"] {
            let content = render(&format!("frontend/src/pages/entity/{page}.tsx.j2"), &context)?;
            files.push((format!("frontend/src/pages/{plural}/{name}{page}Page.tsx"), content));
        }
    }
    Ok(files)
}

/// The functions that pages call: one module per entity.
pub(super) fn client(app: &App, client: Client) -> Result<Files, OfflineError> {
    let shared = view(app);
    let suffix = if client == Client::Mock { ".mock" } else { "" };
    let with_app = context! { app => view(&with_pages(app)) };
    let mut files = Files::new();
    if client == Client::Mock {
        files.push((
            "frontend/src/data/mock.ts".to_owned(),
            render("frontend/src/data/mock.ts.j2", &with_app)?,
        ));
    }
    for (wanted, name) in [(app.dashboard, "dashboard"), (app.auth, "auth")] {
        if wanted {
            let content = render(&format!("frontend/src/api/{name}{suffix}.ts.j2"), &with_app)?;
            files.push((format!("frontend/src/api/{name}.ts"), content));
        }
    }
    for (_, plural, context) in entities(app, &shared) {
        let content = render(&format!("frontend/src/api/entity{suffix}.ts.j2"), &context)?;
        files.push((format!("frontend/src/api/{plural}.ts"), content));
    }
    Ok(files)
}

/// The tests of the front end.
pub(super) fn tests(app: &App) -> Result<Files, OfflineError> {
    let shared = view(app);
    let with_app = context! { app => view(&with_pages(app)) };
    let mut files = vec![
        (
            "frontend/src/api/client.test.ts".to_owned(),
            render("frontend/src/api/client.test.ts.j2", &with_app)?,
        ),
        (
            "frontend/src/App.test.tsx".to_owned(),
            render("frontend/src/App.test.tsx.j2", &with_app)?,
        ),
        (
            "frontend/src/test/renderAt.tsx".to_owned(),
            render("frontend/src/test/renderAt.tsx.j2", &with_app)?,
        ),
    ];
    for (_, plural, context) in entities(app, &shared) {
        let content = render("frontend/src/pages/entity/entity.test.tsx.j2", &context)?;
        files.push((format!("frontend/src/pages/{plural}/{plural}.test.tsx"), content));
    }
    Ok(files)
}

/// Name, plural and context of every entity.
fn entities(app: &App, shared: &Value) -> Vec<(String, String, Value)> {
    let context =
        |entity: serde_json::Value| context! { app => shared.clone(), entity => view(&entity) };
    app.entities
        .iter()
        .map(|entity| {
            (entity.brief.name.clone(), entity.brief.plural.clone(), context(merged(entity)))
        })
        .collect()
}

/// The plan of an entity together with what its pages show.
fn merged(entity: &super::plan::EntityPlan) -> serde_json::Value {
    let mut plan = serde_json::to_value(entity).unwrap_or_default();
    let pages = serde_json::to_value(Pages::new(entity)).unwrap_or_default();
    if let (Some(plan), serde_json::Value::Object(pages)) = (plan.as_object_mut(), pages) {
        plan.extend(pages);
    }
    plan
}

fn with_pages(app: &App) -> serde_json::Value {
    let mut plan = serde_json::to_value(app).unwrap_or_default();
    if let Some(entities) = plan.get_mut("entities") {
        *entities = app.entities.iter().map(merged).collect();
    }
    plan
}
