//! What stands inside functions: bodies that were left out, defaults that are shared.

use gencode_plugin_sdk::types::{File, Finding};
use ruff_python_ast::{
    Expr, ModModule, Stmt, StmtFunctionDef,
    token::TokenKind,
    visitor::{Visitor, walk_stmt},
};
use ruff_python_parser::Parsed;
use ruff_text_size::{Ranged, TextRange};

use crate::place;

/// Last component of a decorator that makes a function answer HTTP requests.
const METHODS: [&str; 8] =
    ["get", "post", "put", "patch", "delete", "head", "options", "websocket"];

/// Comments that stand for code, in lower case.
const OMISSIONS: [&str; 12] = [
    "todo",
    "fixme",
    "implement",
    "placeholder",
    "your code",
    "your logic",
    "rest of",
    "omitted",
    "goes here",
    "existing code",
    "same as",
    "left as",
];

/// Judges every function of a file.
pub(crate) fn check(file: &File, parsed: &Parsed<ModModule>, findings: &mut Vec<Finding>) {
    let comments = parsed
        .tokens()
        .iter()
        .filter(|token| token.kind() == TokenKind::Comment)
        .map(Ranged::range)
        .collect();
    Functions { file, comments, findings }.visit_body(parsed.suite());
}

struct Functions<'a> {
    file: &'a File,
    comments: Vec<TextRange>,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Visitor<'a> for Functions<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::FunctionDef(function) = statement {
            self.body(function);
            self.defaults(function);
        }
        walk_stmt(self, statement);
    }
}

impl Functions<'_> {
    fn body(&mut self, function: &StmtFunctionDef) {
        if self.file.path.rsplit('.').next() == Some("pyi")
            || !function.body.iter().all(says_nothing)
        {
            return;
        }
        // An empty body alone is good Python: protocols, abstract methods, overloads, hooks.
        let why = if let Some(comment) = self.omission(function) {
            format!("the body of `{}` is only `{comment}`", function.name)
        } else if function.decorator_list.iter().any(|decorator| is_route(&decorator.expression)) {
            format!("the route `{}` has no body", function.name)
        } else if function.name.starts_with("test_") {
            format!("the test `{}` checks nothing", function.name)
        } else {
            return;
        };
        let (line, column) = place(self.file, function.name.range().start());
        self.findings.push(
            Finding::error("python.truncated", &self.file.path, line, column, why)
                .with_hint("Write the whole body."),
        );
    }

    /// The first comment of a function that stands for code that was left out.
    fn omission(&self, function: &StmtFunctionDef) -> Option<&str> {
        let text = &self.file.content;
        let start = function.body.first().map_or(function.end(), |_| function.parameters.end());
        // A comment behind the last statement belongs to it.
        let end = function.end().to_usize();
        let line_end = text.get(end..)?.find('\n').map_or(text.len(), |length| end + length);
        self.comments
            .iter()
            .filter(|comment| comment.start() >= start && comment.end().to_usize() <= line_end)
            .filter_map(|comment| text.get(comment.start().to_usize()..comment.end().to_usize()))
            .find(|comment| {
                let comment = comment.to_lowercase();
                comment.contains("...") || OMISSIONS.iter().any(|word| comment.contains(word))
            })
    }

    fn defaults(&mut self, function: &StmtFunctionDef) {
        for parameter in function.parameters.iter_non_variadic_params() {
            let Some(default) = parameter.default() else { continue };
            if is_mutable(default) {
                let (line, column) = place(self.file, default.start());
                let name = parameter.name();
                let message = format!(
                    "the default of `{name}` is shared by every call of `{}`",
                    function.name
                );
                self.findings.push(
                    Finding::error(
                        "python.mutable-default",
                        &self.file.path,
                        line,
                        column,
                        message,
                    )
                    .with_hint("Use `None` and make the value inside the function."),
                );
            }
        }
    }
}

/// `pass`, `...` or a docstring.
fn says_nothing(statement: &Stmt) -> bool {
    match statement {
        Stmt::Pass(_) => true,
        Stmt::Expr(expression) => {
            matches!(*expression.value, Expr::EllipsisLiteral(_) | Expr::StringLiteral(_))
        }
        _ => false,
    }
}

/// `@router.get("/…")`.
fn is_route(decorator: &Expr) -> bool {
    let Expr::Call(call) = decorator else { return false };
    let Expr::Attribute(attribute) = &*call.func else { return false };
    let path = call.arguments.args.first();
    METHODS.contains(&attribute.attr.as_str()) && matches!(path, Some(Expr::StringLiteral(_)))
}

fn is_mutable(default: &Expr) -> bool {
    match default {
        Expr::List(_)
        | Expr::Dict(_)
        | Expr::Set(_)
        | Expr::ListComp(_)
        | Expr::DictComp(_)
        | Expr::SetComp(_) => true,
        Expr::Call(call) => {
            call.arguments.is_empty()
                && matches!(&*call.func, Expr::Name(name) if matches!(name.id.as_str(), "list" | "dict" | "set"))
        }
        _ => false,
    }
}
