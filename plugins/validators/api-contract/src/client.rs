//! The calls of the client against the contract.

use std::collections::BTreeMap;

use gencode_plugin_sdk::{
    nesting,
    types::{File, Finding},
};
use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Argument, CallExpression, Expression, ObjectPropertyKind, PropertyKey, StringLiteral,
    TemplateLiteral, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType};

use crate::{
    at,
    contract::{Contract, METHODS},
    path::Path,
};

/// Stands for what is only known when the program runs.
const HOLE: &str = "{}";

/// Judges the client, if it is a real one.
pub(crate) fn check(files: &[File], contract: &Contract, findings: &mut Vec<Finding>) {
    for file in files.iter().filter(|file| file.path.starts_with("frontend/src/api/")) {
        let Ok(source_type) = SourceType::from_path(&file.path) else { continue };
        if file.path.contains(".test.")
            || file.path.contains(".spec.")
            || nesting::too_deep(&file.content).is_some()
        {
            continue;
        }
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, &file.content, source_type).parse();
        let is_mock = parsed
            .module_record
            .requested_modules
            .keys()
            .any(|specifier| specifier.trim_end_matches(".ts").ends_with("data/mock"));
        // A file that does not parse is another validator's business.
        if is_mock || parsed.panicked || parsed.diagnostics.has_errors() {
            continue;
        }
        let mut calls =
            Calls { file, contract, findings, texts: BTreeMap::new(), judged: Vec::new() };
        calls.visit_program(&parsed.program);
    }
}

struct Calls<'a> {
    file: &'a File,
    contract: &'a Contract,
    findings: &'a mut Vec<Finding>,
    /// Constants of the file that hold a text.
    texts: BTreeMap<String, String>,
    /// Offsets of texts that were judged as part of a call.
    judged: Vec<u32>,
}

impl<'a> Visit<'a> for Calls<'_> {
    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let (Some(name), Some(value)) = (declarator.id.get_identifier_name(), &declarator.init)
            && let Some(text) = self.text(value)
        {
            self.texts.insert(name.to_string(), text);
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        self.call(call);
        walk::walk_call_expression(self, call);
    }

    fn visit_string_literal(&mut self, literal: &StringLiteral<'a>) {
        self.lone(literal.value.as_str(), literal.span.start);
    }

    fn visit_template_literal(&mut self, literal: &TemplateLiteral<'a>) {
        if let Some(text) = self.template(literal) {
            self.lone(&text, literal.span.start);
        }
        walk::walk_template_literal(self, literal);
    }
}

impl Calls<'_> {
    fn call(&mut self, call: &CallExpression<'_>) {
        let expressions = || call.arguments.iter().filter_map(Argument::as_expression);
        let Some((offset, text)) = expressions()
            .filter_map(|argument| Some((argument.span().start, self.text(argument)?)))
            .find(|(_, text)| text.starts_with('/'))
        else {
            return;
        };
        let named = expressions().find_map(|argument| match argument {
            Expression::StringLiteral(literal) => method(&literal.value),
            Expression::ObjectExpression(object) => object.properties.iter().find_map(|property| {
                let ObjectPropertyKind::ObjectProperty(property) = property else { return None };
                match (&property.key, &property.value) {
                    (PropertyKey::StaticIdentifier(key), Expression::StringLiteral(value))
                        if key.name == "method" =>
                    {
                        method(&value.value)
                    }
                    _ => None,
                }
            }),
            _ => None,
        });
        let callee = match &call.callee {
            Expression::StaticMemberExpression(member) => member.property.name.as_str(),
            Expression::Identifier(name) => name.name.as_str(),
            _ => "",
        };
        // `api.get("/tasks")`, `del("/tasks")`, `postJson("/tasks")`.
        let spoken = METHODS.into_iter().find(|method| callee.to_lowercase().starts_with(*method));
        let spoken = spoken.or_else(|| matches!(callee, "del" | "remove").then_some("delete"));
        // Without either it is a `GET` where nothing else can be meant.
        let method = named
            .or(spoken)
            .or_else(|| (callee == "fetch" && call.arguments.len() == 1).then_some("get"));
        let mut target = Target::new(&text);
        if target.path.is_below("api") {
            self.judged.push(offset);
        } else if method.is_some() {
            target = Target::new(&format!("/api{text}"));
        } else {
            return;
        }
        let methods = self.contract.methods(|path| target.may_call(path));
        let path = &target.path;
        let message = if methods.is_empty() {
            format!("`{path}` is not in the contract")
        } else if let Some(method) = method.filter(|method| !methods.contains(method)) {
            format!("`{} {path}` is not in the contract", method.to_uppercase())
        } else {
            return;
        };
        self.remark(offset, message);
    }

    /// A path outside a call, for example a constant: something of the contract must begin so.
    fn lone(&mut self, text: &str, offset: u32) {
        if !text.starts_with("/api/") || self.judged.contains(&offset) {
            return;
        }
        let path = Target::new(text).path;
        if self.contract.methods(|known| path.may_begin(known)).is_empty() {
            self.remark(offset, format!("nothing in the contract begins with `{path}`"));
        }
    }

    fn remark(&mut self, offset: u32, message: String) {
        let offset = usize::try_from(offset).unwrap_or_default();
        self.findings.push(
            at(self.file, offset, "api.unknown-call", message)
                .with_hint("Call a path and method of the contract."),
        );
    }

    /// The text of an expression, with [`HOLE`] for what is not known; none when it is no text.
    fn text(&self, expression: &Expression<'_>) -> Option<String> {
        match expression.get_inner_expression() {
            Expression::StringLiteral(literal) => Some(literal.value.to_string()),
            Expression::TemplateLiteral(literal) => self.template(literal),
            Expression::Identifier(name) => self.texts.get(name.name.as_str()).cloned(),
            Expression::BinaryExpression(sum) if sum.operator.as_str() == "+" => {
                let left = self.text(&sum.left)?;
                Some(left + &self.text(&sum.right).unwrap_or_else(|| HOLE.to_owned()))
            }
            _ => None,
        }
    }

    fn template(&self, literal: &TemplateLiteral<'_>) -> Option<String> {
        let mut text = String::new();
        let mut expressions = literal.expressions.iter();
        for quasi in &literal.quasis {
            text.push_str(quasi.value.cooked.as_ref()?);
            if let Some(expression) = expressions.next() {
                text.push_str(&self.text(expression).unwrap_or_else(|| HOLE.to_owned()));
            }
        }
        Some(text)
    }
}

/// What a request is sent to.
struct Target {
    path: Path,
    /// Whether more may follow: `/api/tasks${query}`, `/api${path}`.
    open: bool,
}

impl Target {
    /// Reads a path without its query.
    fn new(text: &str) -> Self {
        let text = text.split(['?', '#']).next().unwrap_or_default();
        match text.rsplit_once(HOLE) {
            Some((before, "")) if !before.ends_with('/') => {
                Self { path: Path::new(before), open: true }
            }
            _ => Self { path: Path::new(text), open: false },
        }
    }

    fn may_call(&self, path: &Path) -> bool {
        if self.open { self.path.may_begin(path) } else { self.path.may_call(path) }
    }
}

fn method(text: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|method| text.eq_ignore_ascii_case(method))
}
