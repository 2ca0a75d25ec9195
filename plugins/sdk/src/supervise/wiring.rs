//! The registry of routers, written from the modules that are there.

use std::fmt::Write as _;

use super::Host;
use crate::types::{Fault, File};

/// The registry.
pub const REGISTRY: &str = "backend/app/routers/__init__.py";

/// The modules it is written from, itself included.
pub const ROUTERS: &str = "backend/app/routers/*.py";

/// Text of the registry, and the modules it mounts. Depends on nothing but the files, so that
/// wiring twice is wiring once.
pub fn registry(files: &[File]) -> (String, Vec<String>) {
    let mut modules: Vec<String> = files
        .iter()
        .filter(|file| declares_router(&file.content))
        .filter_map(|file| {
            let name = file.path.strip_prefix("backend/app/routers/")?.strip_suffix(".py")?;
            (!name.starts_with('_') && !name.contains('/')).then(|| name.to_owned())
        })
        .collect();
    modules.sort();
    modules.dedup();
    let mut text =
        "\"\"\"The registry of routers, written from the modules of this folder.\"\"\"\n\n\
         from fastapi import APIRouter\n\n"
            .to_owned();
    if !modules.is_empty() {
        text.push_str("from app.routers import (\n");
        for module in &modules {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "    {module},");
        }
        text.push_str(")\n\n");
    }
    text.push_str("api_router = APIRouter()\n");
    for module in &modules {
        let _ = writeln!(text, "api_router.include_router({module}.router)");
    }
    (text, modules)
}

/// Whether a module binds the name `router` at its top level.
fn declares_router(content: &str) -> bool {
    content.lines().any(|line| {
        line.strip_prefix("router").is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
    })
}

/// Stages the registry if it changed; answers the modules it mounts. Fault: `no-routers`.
pub fn wire(host: &impl Host) -> Result<Vec<String>, Fault> {
    let files = host.read_all(&[ROUTERS])?;
    let (text, modules) = registry(&files);
    if modules.is_empty() {
        return Err(Fault::permanent(
            "no-routers",
            "backend/app/routers holds no module with a router, so the application would answer nothing",
        ));
    }
    if !files.iter().any(|file| file.path == REGISTRY && file.content == text) {
        host.stage(&[File::new(REGISTRY, text)])?;
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::fake::Fake;

    const ROUTER: &str = "from fastapi import APIRouter\n\nrouter = APIRouter(prefix=\"/x\")\n";

    #[test]
    fn wiring_twice_is_wiring_once() {
        let host = Fake::default()
            .with_file("backend/app/routers/__init__.py", "")
            .with_file("backend/app/routers/tags.py", ROUTER)
            .with_file("backend/app/routers/line_items.py", "router: APIRouter = make()\n")
            .with_file("backend/app/routers/helpers.py", "def router_of():\n    router = 1\n");
        assert_eq!(wire(&host).unwrap(), ["line_items", "tags"]);
        let first = host.file(REGISTRY).unwrap();
        assert!(first.contains("    line_items,\n    tags,\n"));
        assert!(first.ends_with(
            "api_router.include_router(line_items.router)\napi_router.include_router(tags.router)\n"
        ));
        assert_eq!(wire(&host).unwrap(), ["line_items", "tags"]);
        assert_eq!(host.file(REGISTRY).unwrap(), first);
        assert_eq!(host.log().iter().filter(|line| line.starts_with("stage")).count(), 1);
    }

    #[test]
    fn an_application_without_routers_is_a_fault() {
        let host = Fake::default().with_file("backend/app/routers/__init__.py", "router = 1\n");
        assert_eq!(wire(&host).unwrap_err().code, "no-routers");
    }
}
