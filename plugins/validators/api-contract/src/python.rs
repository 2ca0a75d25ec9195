//! What one module of the back end says about routers.

use std::collections::BTreeMap;

use gencode_plugin_sdk::{nesting, types::File};
use ruff_python_ast::{
    Decorator, Expr, ExprCall, Stmt, StmtImportFrom,
    visitor::{Visitor, walk_expr, walk_stmt},
};
use ruff_python_parser::parse_module;
use ruff_text_size::Ranged;

use crate::contract::METHODS;

/// A prefix or path: a text, or something that is only known when the program runs.
pub(crate) type Text = Option<String>;

/// A module of the back end.
pub(crate) struct Module<'a> {
    pub(crate) file: &'a File,
    /// Path of the file without extension, or of the folder of a package.
    pub(crate) key: String,
    /// Routers and applications by the name of their variable.
    pub(crate) routers: BTreeMap<String, Router>,
    pub(crate) routes: Vec<Route>,
    pub(crate) mounts: Vec<Mount>,
    /// Names that were imported: what they mean.
    pub(crate) imports: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
}

pub(crate) struct Router {
    pub(crate) is_application: bool,
    pub(crate) prefix: Text,
}

/// `@router.get("/path")`.
pub(crate) struct Route {
    pub(crate) router: String,
    pub(crate) methods: Vec<&'static str>,
    pub(crate) path: Text,
    pub(crate) offset: usize,
}

/// `application.include_router(router, prefix="…")`.
pub(crate) struct Mount {
    pub(crate) into: String,
    /// Dotted name of what is included; none when it is no name.
    pub(crate) what: Option<String>,
    pub(crate) prefix: Text,
}

impl<'a> Module<'a> {
    /// Reads a module; none when it cannot be parsed, which another validator reports.
    pub(crate) fn read(file: &'a File) -> Option<Self> {
        let stem = file.path.strip_suffix(".py")?;
        if nesting::too_deep(&file.content).is_some() {
            return None;
        }
        let parsed = parse_module(&file.content).ok()?;
        let mut module = Self {
            file,
            key: stem.strip_suffix("/__init__").unwrap_or(stem).to_owned(),
            routers: BTreeMap::new(),
            routes: Vec::new(),
            mounts: Vec::new(),
            imports: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        module.visit_body(parsed.suite());
        Some(module)
    }

    /// The folder that relative imports start from.
    fn package(&self) -> &str {
        if self.file.path.ends_with("/__init__.py") {
            &self.key
        } else {
            self.key.rsplit_once('/').map_or("", |(folder, _)| folder)
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom) {
        let module = import.module.as_ref().map_or("", |module| module.as_str()).replace('.', "/");
        let base = if import.level == 0 {
            // `app` is the package that holds this file.
            match self.key.find("/app").filter(|_| module == "app" || module.starts_with("app/")) {
                Some(at) => format!("{}/{module}", self.key.get(..at).unwrap_or_default()),
                None => return,
            }
        } else {
            let mut folder = self.package();
            for _ in 1..import.level {
                folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
            }
            if module.is_empty() { folder.to_owned() } else { format!("{folder}/{module}") }
        };
        for alias in &import.names {
            let local = alias.asname.as_ref().unwrap_or(&alias.name).to_string();
            self.imports.insert(local, format!("{base}/{}", alias.name));
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr) {
        let Expr::Name(target) = target else { return };
        match value {
            Expr::StringLiteral(text) => {
                self.texts.insert(target.id.to_string(), text.value.to_string());
            }
            Expr::Call(call) => {
                let name = dotted(&call.func).unwrap_or_default();
                let is_application = matches!(name.as_str(), "FastAPI" | "fastapi.FastAPI");
                if is_application || matches!(name.as_str(), "APIRouter" | "fastapi.APIRouter") {
                    let prefix = self.keyword(call, "prefix");
                    self.routers.insert(target.id.to_string(), Router { is_application, prefix });
                }
            }
            _ => {}
        }
    }

    fn keyword(&self, call: &ExprCall, name: &str) -> Text {
        match call.arguments.find_keyword(name) {
            Some(keyword) => self.text(&keyword.value),
            None => Some(String::new()),
        }
    }

    fn text(&self, expression: &Expr) -> Text {
        match expression {
            Expr::StringLiteral(text) => Some(text.value.to_string()),
            Expr::Name(name) => self.texts.get(name.id.as_str()).cloned(),
            _ => None,
        }
    }

    fn route(&mut self, call: &ExprCall) {
        let Expr::Attribute(attribute) = &*call.func else { return };
        let Some(router) = dotted(&attribute.value) else { return };
        if !self.routers.contains_key(&router) && !self.imports.contains_key(&router) {
            return;
        }
        let method = attribute.attr.as_str();
        let methods: Vec<&'static str> = match method {
            "api_route" | "add_api_route" => {
                let listed = call.arguments.find_keyword("methods").map(|keyword| &keyword.value);
                let items = match listed {
                    Some(Expr::List(list)) => &list.elts[..],
                    Some(Expr::Tuple(list)) => &list.elts[..],
                    Some(Expr::Set(list)) => &list.elts[..],
                    _ => &[],
                };
                let names = items.iter().filter_map(|item| self.text(item));
                let known =
                    |name: String| METHODS.into_iter().find(|m| name.eq_ignore_ascii_case(m));
                names.filter_map(known).collect()
            }
            _ => METHODS.into_iter().filter(|known| *known == method).collect(),
        };
        let hidden = call.arguments.find_keyword("include_in_schema").is_some_and(
            |keyword| matches!(&keyword.value, Expr::BooleanLiteral(literal) if !literal.value),
        );
        let path = call.arguments.find_argument_value("path", 0);
        if !methods.is_empty()
            && !hidden
            && let Some(path) = path
        {
            let path = self.text(path);
            self.routes.push(Route { router, methods, path, offset: call.start().to_usize() });
        }
    }

    fn mount(&mut self, call: &ExprCall) {
        let Expr::Attribute(attribute) = &*call.func else { return };
        if attribute.attr.as_str() != "include_router" {
            return;
        }
        let Some(into) = dotted(&attribute.value) else { return };
        let what = call.arguments.find_argument_value("router", 0).and_then(dotted);
        let prefix = self.keyword(call, "prefix");
        self.mounts.push(Mount { into, what, prefix });
    }
}

impl<'a> Visitor<'a> for Module<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::Assign(assignment) => {
                if let [target] = &assignment.targets[..] {
                    self.assign(target, &assignment.value);
                }
            }
            Stmt::AnnAssign(assignment) => {
                if let Some(value) = &assignment.value {
                    self.assign(&assignment.target, value);
                }
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_decorator(&mut self, decorator: &'a Decorator) {
        if let Expr::Call(call) = &decorator.expression {
            self.route(call);
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression {
            self.mount(call);
            if matches!(&*call.func, Expr::Attribute(a) if a.attr.as_str() == "add_api_route") {
                self.route(call);
            }
        }
        walk_expr(self, expression);
    }
}

/// `a.b.c` as text.
fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => {
            Some(format!("{}.{}", dotted(&attribute.value)?, attribute.attr))
        }
        _ => None,
    }
}
