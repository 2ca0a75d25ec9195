//! Rules of the back end.

use gencode_plugin_sdk::{
    nesting,
    types::{File, Finding},
};
use ruff_python_ast::{
    Expr, ExprCall, Stmt,
    visitor::{Visitor, walk_expr, walk_keyword, walk_stmt},
};
use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextSize};

use crate::{
    at,
    secrets::{has_password, is_name, is_value},
};

/// What opens a connection or a session; routers are given one.
const OPENERS: [&str; 8] = [
    "create_engine",
    "create_async_engine",
    "sessionmaker",
    "async_sessionmaker",
    "scoped_session",
    "Session",
    "AsyncSession",
    "SessionLocal",
];

/// Those that a router has no reason even to import.
const ENGINES: [&str; 7] = [
    "create_engine",
    "create_async_engine",
    "sessionmaker",
    "async_sessionmaker",
    "scoped_session",
    "engine",
    "SessionLocal",
];

/// Judges a module of the back end.
pub(crate) fn check(file: &File, findings: &mut Vec<Finding>) {
    // A file that cannot be parsed is another validator's business.
    if nesting::too_deep(&file.content).is_some() {
        return;
    }
    let Ok(parsed) = parse_module(&file.content) else { return };
    let mut rules = Rules {
        file,
        is_router: file.path.starts_with("backend/app/routers/")
            && !file.path.ends_with("/__init__.py"),
        is_product: file.path.starts_with("backend/app/"),
        findings,
    };
    rules.visit_body(parsed.suite());
}

struct Rules<'a> {
    file: &'a File,
    is_router: bool,
    /// Tests may invent passwords.
    is_product: bool,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Visitor<'a> for Rules<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                import.names.iter().for_each(|alias| self.import(&alias.name, alias.start()));
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                if import.level == 0 {
                    self.import(module, import.start());
                }
                for alias in
                    import.names.iter().filter(|alias| ENGINES.contains(&alias.name.as_str()))
                {
                    self.session(alias.name.as_str(), alias.start());
                }
            }
            Stmt::Assign(assignment) => {
                for target in &assignment.targets {
                    self.secret(target, &assignment.value);
                }
            }
            Stmt::AnnAssign(assignment) => {
                if let Some(value) = &assignment.value {
                    self.secret(&assignment.target, value);
                }
            }
            // A docstring may show what a URL looks like.
            Stmt::Expr(expression) if expression.value.is_string_literal_expr() => return,
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_keyword(&mut self, keyword: &'a ruff_python_ast::Keyword) {
        if let (Some(name), Expr::StringLiteral(value)) = (&keyword.arg, &keyword.value)
            && is_name(name)
            && is_value(name, value.value.to_str())
        {
            self.hard_coded(name, keyword.start());
        }
        walk_keyword(self, keyword);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(call) => self.call(call),
            Expr::StringLiteral(text) if self.is_product && has_password(text.value.to_str()) => {
                self.hard_coded("the URL", expression.start());
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}

impl Rules<'_> {
    fn import(&mut self, module: &str, offset: TextSize) {
        if module == "frontend" || module.starts_with("frontend.") {
            self.findings.push(
                at(
                    self.file,
                    offset.to_usize(),
                    "architecture.layers",
                    "the back end imports the front end",
                )
                .with_hint("Let them meet at the HTTP interface only."),
            );
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let name = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return,
        };
        if OPENERS.contains(&name) {
            self.session(name, call.start());
        }
        // `os.environ.get("SECRET_KEY", "change-me")`: the default is what production runs with.
        if let ("get" | "getenv", [Expr::StringLiteral(key), Expr::StringLiteral(default)]) =
            (name, &call.arguments.args[..])
            && is_name(key.value.to_str())
            && is_value(key.value.to_str(), default.value.to_str())
        {
            self.hard_coded(key.value.to_str(), default.start());
        }
    }

    fn session(&mut self, name: &str, offset: TextSize) {
        if self.is_router {
            let message = format!("a router uses `{name}` itself");
            self.findings.push(
                at(self.file, offset.to_usize(), "architecture.session", message)
                    .with_hint("Take the session as a dependency."),
            );
        }
    }

    fn secret(&mut self, target: &Expr, value: &Expr) {
        let name = match target {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            Expr::Subscript(subscript) => match &*subscript.slice {
                Expr::StringLiteral(key) => key.value.to_str(),
                _ => return,
            },
            _ => return,
        };
        if let Expr::StringLiteral(text) = value
            && is_name(name)
            && is_value(name, text.value.to_str())
        {
            self.hard_coded(name, value.start());
        }
    }

    fn hard_coded(&mut self, name: &str, offset: TextSize) {
        if self.is_product {
            let message = format!("the secret of `{name}` stands in the code");
            self.findings.push(
                at(self.file, offset.to_usize(), "architecture.secret", message)
                    .with_hint("Read it from the environment, without a default."),
            );
        }
    }
}
