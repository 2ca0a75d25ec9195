//! How important a file is: which files are worth a review by a model.

use crate::types::File;

/// What a file has to pass before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Style, pictures, prose.
    None,
    /// Tests and configuration: parsers and test runs decide.
    Preflight,
    /// Everything else: parsers and builds decide.
    Light,
    /// What the application stands on: a review as well.
    Full,
}

const FULL_BACKEND: [&str; 4] = ["models.py", "schemas.py", "main.py", "database.py"];

/// Importance of a file, by its path. The first rule that fits decides.
pub fn of(path: &str) -> Tier {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    if ["css", "html", "md", "svg", "png", "ico"].contains(&extension)
        || [".gitignore", ".dockerignore", "dockerfile"].contains(&name)
    {
        return Tier::None;
    }
    let test = path.split('/').any(|part| part == "test" || part == "tests")
        || name.contains(".spec.")
        || name.contains(".test.")
        || name.starts_with("test_")
        || name.starts_with("conftest")
        || name.contains(".config.")
        || ["pytest.ini", "requirements.txt", "package.json"].contains(&name);
    if test {
        return Tier::Preflight;
    }
    let backend = path
        .strip_prefix("backend/app/")
        .is_some_and(|rest| rest.starts_with("routers/") || FULL_BACKEND.contains(&rest));
    let frontend = path.strip_prefix("frontend/src/").is_some_and(|rest| {
        rest.starts_with("pages/") || rest.starts_with("api/") || rest.starts_with("app.")
    });
    if backend || frontend { Tier::Full } else { Tier::Light }
}

/// The files that need a review.
pub fn important(files: &[File]) -> Vec<File> {
    files.iter().filter(|file| of(&file.path) == Tier::Full).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        for (path, tier) in [
            ("backend/app/routers/line_items.py", Tier::Full),
            ("backend/app/models.py", Tier::Full),
            ("frontend/src/App.tsx", Tier::Full),
            ("frontend/src/pages/Orders.tsx", Tier::Full),
            ("frontend/src/api/client.ts", Tier::Full),
            ("frontend/src/pages/Orders.test.tsx", Tier::Preflight),
            ("frontend/src/pages/orders.css", Tier::None),
            ("backend/tests/test_orders.py", Tier::Preflight),
            ("frontend/vite.config.ts", Tier::Preflight),
            ("frontend/src/components/Table.tsx", Tier::Light),
            ("contract/openapi.json", Tier::Light),
            ("backend/Dockerfile", Tier::None),
            ("architecture.md", Tier::None),
        ] {
            assert_eq!(of(path), tier, "{path}");
        }
    }
}
