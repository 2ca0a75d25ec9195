//! Imports of the project's own modules: they must exist and define what is asked of them.

use std::collections::{BTreeMap, BTreeSet};

use gencode_plugin_sdk::types::{File, Finding};
use ruff_python_ast::{
    Alias, Expr, ExprContext, Parameter, Stmt,
    visitor::{Visitor, walk_expr, walk_parameter, walk_stmt},
};
use ruff_text_size::{Ranged, TextSize};

use crate::{Module, place};

/// The package that generated applications consist of.
const PACKAGE: &str = "app";

/// Judges the imports of every module.
pub(crate) fn check(modules: &[Module<'_>], findings: &mut Vec<Finding>) {
    let project = Project::of(modules);
    for module in modules.iter().filter(|module| !module.parsed.has_invalid_syntax()) {
        let body = module.parsed.suite();
        let mut imports =
            Imports { file: module.file, project: &project, findings, local: BTreeMap::new() };
        imports.visit_body(body);
        let mut bound = Bound::default();
        bound.visit_body(body);
        let local = std::mem::take(&mut imports.local);
        let local = local.into_iter().filter(|(name, _)| !bound.0.contains(name)).collect();
        Uses { imports, local }.visit_body(body);
    }
}

/// What a module offers to others.
#[derive(Default)]
struct Names {
    defined: BTreeSet<String>,
    /// Whether it may define more than can be seen: `import *`, `__getattr__`, a broken file.
    open: bool,
}

/// Every module by the path of its file without extension (`backend/app/models`); a package by
/// the path of its folder.
struct Project {
    modules: BTreeMap<String, Names>,
    folders: BTreeSet<String>,
}

impl Project {
    fn of(modules: &[Module<'_>]) -> Self {
        let mut project = Self { modules: BTreeMap::new(), folders: BTreeSet::new() };
        for module in modules {
            let path = module.file.path.as_str();
            let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
            let key = stem.strip_suffix("/__init__").unwrap_or(stem);
            let mut folder = key;
            while let Some((parent, _)) = folder.rsplit_once('/') {
                project.folders.insert(parent.to_owned());
                folder = parent;
            }
            let mut names = Names { open: module.broken, ..Names::default() };
            Definitions(&mut names).visit_body(module.parsed.suite());
            project.modules.insert(key.to_owned(), names);
        }
        project
    }

    fn exists(&self, key: &str) -> bool {
        self.modules.contains_key(key) || self.folders.contains(key)
    }

    /// Whether `from key import name` works.
    fn offers(&self, key: &str, name: &str) -> bool {
        self.exists(&format!("{key}/{name}"))
            || self.modules.get(key).is_some_and(|names| names.open || names.defined.contains(name))
    }

    /// Key of an absolute module such as `app.models`, seen from a file: the package nearest
    /// above the file. None when the project has no such package.
    fn absolute(&self, from: &str, name: &str) -> Option<String> {
        let below = name.replace('.', "/");
        let mut folder = from;
        loop {
            folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
            let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            if self.exists(&format!("{prefix}{PACKAGE}")) {
                return Some(format!("{prefix}{below}"));
            }
            if folder.is_empty() {
                return None;
            }
        }
    }
}

/// Collects the names bound at the top level of a module.
struct Definitions<'a>(&'a mut Names);

impl Definitions<'_> {
    fn add(&mut self, name: &str) {
        self.0.open |= name == "__getattr__";
        self.0.defined.insert(name.to_owned());
    }

    fn add_alias(&mut self, alias: &Alias) {
        if alias.name.as_str() == "*" {
            self.0.open = true;
        } else if let Some(name) = &alias.asname {
            self.add(name);
        } else {
            self.add(alias.name.split('.').next().unwrap_or_default());
        }
    }
}

impl<'a> Visitor<'a> for Definitions<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            // What is inside them is not at the top level.
            Stmt::FunctionDef(function) => self.add(&function.name),
            Stmt::ClassDef(class) => self.add(&class.name),
            Stmt::Import(import) => import.names.iter().for_each(|alias| self.add_alias(alias)),
            Stmt::ImportFrom(import) => import.names.iter().for_each(|alias| self.add_alias(alias)),
            Stmt::TypeAlias(alias) => self.visit_expr(&alias.name),
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx == ExprContext::Store => self.add(&name.id),
            Expr::Call(call) if matches!(&*call.func, Expr::Name(name) if name.id == "globals" || name.id == "setattr") =>
            {
                self.0.open = true;
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}

struct Imports<'a> {
    file: &'a File,
    project: &'a Project,
    findings: &'a mut Vec<Finding>,
    /// Modules of the project by the name they have in this file.
    local: BTreeMap<String, String>,
}

/// Names that a file binds otherwise than by importing, at any depth: they may hide a module.
#[derive(Default)]
struct Bound(BTreeSet<String>);

impl<'a> Visitor<'a> for Bound {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression
            && name.ctx != ExprContext::Load
        {
            self.0.insert(name.id.to_string());
        }
        walk_expr(self, expression);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.0.insert(parameter.name.to_string());
        walk_parameter(self, parameter);
    }
}

/// Looks at `models.Task`, where `models` is a module of the project.
struct Uses<'a> {
    imports: Imports<'a>,
    local: BTreeMap<String, String>,
}

impl<'a> Visitor<'a> for Uses<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Attribute(attribute) = expression
            && let Expr::Name(module) = &*attribute.value
            && let Some(key) = self.local.get(module.id.as_str())
            && attribute.ctx == ExprContext::Load
            && !attribute.attr.starts_with("__")
            && !self.imports.project.offers(key, &attribute.attr)
        {
            self.imports.undefined(&attribute.attr, key, attribute.attr.start());
        }
        walk_expr(self, expression);
    }
}

impl<'a> Visitor<'a> for Imports<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    if is_own(&alias.name) {
                        let key = self.module(&alias.name, alias.start());
                        if let (Some(key), Some(local)) = (key, &alias.asname) {
                            self.local.insert(local.to_string(), key);
                        }
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                let key = if import.level > 0 {
                    self.relative(import.level, module, import.start())
                } else if is_own(module) {
                    self.module(module, import.start())
                } else {
                    None
                };
                if let Some(key) = key {
                    import.names.iter().for_each(|alias| self.name(&key, alias));
                }
            }
            // A module that is imported only if it is there may be missing.
            Stmt::Try(attempt) if !attempt.handlers.is_empty() => {
                attempt.handlers.iter().for_each(|handler| self.visit_except_handler(handler));
                self.visit_body(&attempt.orelse);
                self.visit_body(&attempt.finalbody);
            }
            _ => walk_stmt(self, statement),
        }
    }
}

impl Imports<'_> {
    /// Key of a module of the project's package, reported when it is missing.
    fn module(&mut self, name: &str, at: TextSize) -> Option<String> {
        let key = self.project.absolute(&self.file.path, name);
        let found = key.filter(|key| self.project.exists(key));
        if found.is_none() {
            self.missing(name, at);
        }
        found
    }

    /// Key of a module named relative to this file, reported when it is missing.
    fn relative(&mut self, level: u32, name: &str, at: TextSize) -> Option<String> {
        let mut folder = self.file.path.as_str();
        for _ in 0..level {
            folder = folder.rsplit_once('/')?.0;
        }
        let key = if name.is_empty() {
            folder.to_owned()
        } else {
            format!("{folder}/{}", name.replace('.', "/"))
        };
        if !self.project.exists(&key) {
            let dots = ".".repeat(usize::try_from(level).unwrap_or_default());
            self.missing(&format!("{dots}{name}"), at);
            return None;
        }
        Some(key)
    }

    fn name(&mut self, key: &str, alias: &Alias) {
        let name = alias.name.as_str();
        if name == "*" {
            return;
        }
        if !self.project.offers(key, name) {
            self.undefined(name, key, alias.start());
            return;
        }
        // A package may define a name that is also a module; then it is not known which is meant.
        let module = format!("{key}/{name}");
        let is_defined =
            self.project.modules.get(key).is_some_and(|names| names.defined.contains(name));
        if self.project.modules.contains_key(&module) && !is_defined {
            self.local.insert(alias.asname.as_ref().unwrap_or(&alias.name).to_string(), module);
        }
    }

    fn undefined(&mut self, name: &str, key: &str, at: TextSize) {
        let (line, column) = place(self.file, at);
        let message = format!("`{name}` is not defined in `{key}`");
        self.findings.push(
            Finding::error("python.import-name", &self.file.path, line, column, message)
                .with_hint("Define it there or use what is defined there."),
        );
    }

    fn missing(&mut self, name: &str, at: TextSize) {
        let (line, column) = place(self.file, at);
        let message = format!("there is no module `{name}` in the project");
        self.findings.push(
            Finding::error("python.import", &self.file.path, line, column, message)
                .with_hint("Import a module that exists, or write this one as well."),
        );
    }
}

fn is_own(module: &str) -> bool {
    module == PACKAGE || module.strip_prefix(PACKAGE).is_some_and(|rest| rest.starts_with('.'))
}
