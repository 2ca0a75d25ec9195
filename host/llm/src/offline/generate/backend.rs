//! The files of the back end.

use std::collections::BTreeSet;

use minijinja::{Value, context};

use super::{
    plan::{App, EntityPlan},
    render::{render, view},
};
use crate::offline::OfflineError;

type Files = Vec<(String, String)>;

/// Models, schemas, routers and what goes with them.
pub(super) fn implementation(app: &App) -> Result<Files, OfflineError> {
    let shared = view(app);
    let with_app = context! { app => shared.clone() };
    let mut files = vec![
        ("backend/app/models.py".to_owned(), render("backend/app/models.py.j2", &with_app)?),
        ("backend/app/schemas.py".to_owned(), render("backend/app/schemas.py.j2", &with_app)?),
    ];
    if app.auth {
        files
            .push(("backend/app/auth.py".to_owned(), render("backend/app/auth.py.j2", &with_app)?));
        files.push((
            "backend/app/routers/auth.py".to_owned(),
            render("backend/app/routers/auth.py.j2", &with_app)?,
        ));
    }
    if app.dashboard {
        let content = render("backend/app/routers/dashboard.py.j2", &with_app)?;
        files.push(("backend/app/routers/dashboard.py".to_owned(), content));
    }
    for entity in &app.entities {
        let content = render("backend/app/routers/entity.py.j2", &with_entity(&shared, entity))?;
        files.push((format!("backend/app/routers/{}.py", entity.brief.plural), content));
    }
    Ok(files)
}

/// The tests of the back end.
pub(super) fn tests(app: &App) -> Result<Files, OfflineError> {
    let shared = view(app);
    let with_app = context! { app => shared.clone() };
    let mut files = vec![
        (
            "backend/tests/factories.py".to_owned(),
            render("backend/tests/factories.py.j2", &with_app)?,
        ),
        (
            "backend/tests/test_contract.py".to_owned(),
            render("backend/tests/test_contract.py.j2", &with_app)?,
        ),
    ];
    if app.auth {
        files.push((
            "backend/tests/test_auth.py".to_owned(),
            render("backend/tests/test_auth.py.j2", &with_app)?,
        ));
    }
    if app.dashboard {
        let content = render("backend/tests/test_dashboard.py.j2", &with_app)?;
        files.push(("backend/tests/test_dashboard.py".to_owned(), content));
    }
    for entity in &app.entities {
        let mut imports = BTreeSet::from([
            format!("{}_body", entity.brief.snake),
            format!("make_{}", entity.brief.snake),
        ]);
        let targets = entity.references.iter().map(|reference| &reference.target);
        imports.extend(
            targets
                .chain(entity.links.iter().map(|link| &link.target))
                .map(|target| format!("make_{}", target.snake)),
        );
        let context =
            context! { app => shared.clone(), entity => view(entity), imports => view(&imports) };
        let content = render("backend/tests/test_entity.py.j2", &context)?;
        files.push((format!("backend/tests/test_{}.py", entity.brief.plural), content));
    }
    Ok(files)
}

fn with_entity(app: &Value, entity: &EntityPlan) -> Value {
    context! { app => app.clone(), entity => view(entity) }
}
