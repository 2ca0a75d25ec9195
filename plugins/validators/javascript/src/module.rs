//! One file of code: whether it parses, what it imports and what it exports.

use std::collections::BTreeSet;

use gencode_plugin_sdk::{
    finding::position,
    nesting,
    types::{File, Finding},
};
use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Expression, ImportExpression, JSXAttributeItem, JSXAttributeName, JSXOpeningElement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::{Parser, ParserReturn};
use oxc_span::{GetSpan, SourceType, Span};
use oxc_syntax::module_record::{ExportExportName, ExportImportName, ImportImportName};

/// Errors of one file beyond which the rest only repeats the first ones.
const MAX_SYNTAX_ERRORS: usize = 5;

/// What the other files need to know about a file of code.
pub(crate) struct Module<'f> {
    pub(crate) file: &'f File,
    pub(crate) imports: Vec<Import>,
    pub(crate) exports: BTreeSet<String>,
    /// Specifiers of `export * from`.
    pub(crate) stars: Vec<String>,
    /// Whether it may export more than can be seen: a script, a broken file.
    pub(crate) open: bool,
}

/// One mention of another module.
pub(crate) struct Import {
    pub(crate) specifier: String,
    pub(crate) offset: u32,
    /// What is taken from it, and where that is said.
    pub(crate) names: Vec<(String, u32)>,
}

impl<'f> Module<'f> {
    /// Parses a file; none when it is no code.
    pub(crate) fn read(file: &'f File, findings: &mut Vec<Finding>) -> Option<Self> {
        let source_type = SourceType::from_path(&file.path).ok()?;
        if let Some(offset) = nesting::too_deep(&file.content) {
            let offset = u32::try_from(offset).unwrap_or_default();
            let message = "brackets are nested too deep to be read".to_owned();
            findings.push(at(file, offset, "javascript.too-deep", message));
            return None;
        }
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, &file.content, source_type).parse();
        let before = findings.len();
        for error in parsed.diagnostics.errors().take(MAX_SYNTAX_ERRORS) {
            let offset = error.labels.first().map_or(0, |label| label.span().start);
            findings.push(
                at(file, offset, "javascript.syntax", error.message.to_string()).with_hint(
                    error
                        .help
                        .as_deref()
                        .unwrap_or("Give the whole file again, without the syntax error."),
                ),
            );
        }
        let mut module = Self {
            file,
            imports: Vec::new(),
            exports: BTreeSet::new(),
            stars: Vec::new(),
            open: findings.len() > before
                || parsed.panicked
                || !parsed.module_record.has_module_syntax
                || source_type.is_typescript_definition(),
        };
        module.record(&parsed);
        let mut tree = Tree { file, findings, imports: &mut module.imports };
        tree.visit_program(&parsed.program);
        module.imports.sort_by_key(|import| import.offset);
        Some(module)
    }

    /// Reads imports and exports off the parser's record.
    fn record(&mut self, parsed: &ParserReturn<'_>) {
        let record = &parsed.module_record;
        for (specifier, mentions) in &record.requested_modules {
            for mention in mentions {
                self.import(specifier, mention.span, Vec::new());
            }
        }
        for entry in &record.import_entries {
            let name = match &entry.import_name {
                ImportImportName::Name(name) => (name.name.to_string(), name.span.start),
                ImportImportName::Default(span) => ("default".to_owned(), span.start),
                ImportImportName::NamespaceObject => continue,
            };
            self.import(&entry.module_request.name, entry.module_request.span, vec![name]);
        }
        let exports = record.local_export_entries.iter().chain(&record.indirect_export_entries);
        for entry in exports {
            match &entry.export_name {
                ExportExportName::Name(name) => self.exports.insert(name.name.to_string()),
                ExportExportName::Default(_) => self.exports.insert("default".to_owned()),
                ExportExportName::Null => continue,
            };
            if let (Some(request), ExportImportName::Name(name)) =
                (&entry.module_request, &entry.import_name)
            {
                let name = (name.name.to_string(), name.span.start);
                self.import(&request.name, request.span, vec![name]);
            }
        }
        self.stars.extend(
            record
                .star_export_entries
                .iter()
                .filter_map(|entry| entry.module_request.as_ref())
                .map(|request| request.name.to_string()),
        );
    }

    /// Notes a mention; names of the same mention are gathered.
    fn import(&mut self, specifier: &str, span: Span, names: Vec<(String, u32)>) {
        match self.imports.iter_mut().find(|import| import.offset == span.start) {
            Some(known) => known.names.extend(names),
            None => self.imports.push(Import {
                specifier: specifier.to_owned(),
                offset: span.start,
                names,
            }),
        }
    }
}

/// What the parser's record does not hold.
struct Tree<'a, 'f> {
    file: &'f File,
    findings: &'a mut Vec<Finding>,
    imports: &'a mut Vec<Import>,
}

impl<'a> Visit<'a> for Tree<'_, '_> {
    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        if let Expression::StringLiteral(literal) = &import.source {
            self.imports.push(Import {
                specifier: literal.value.to_string(),
                offset: literal.span.start,
                names: Vec::new(),
            });
        }
        walk::walk_import_expression(self, import);
    }

    fn visit_jsx_opening_element(&mut self, element: &JSXOpeningElement<'a>) {
        let mut seen = BTreeSet::new();
        for item in &element.attributes {
            let JSXAttributeItem::Attribute(attribute) = item else { continue };
            let name = match &attribute.name {
                JSXAttributeName::Identifier(name) => name.name.to_string(),
                JSXAttributeName::NamespacedName(name) => {
                    format!("{}:{}", name.namespace.name, name.name.name)
                }
            };
            if !seen.insert(name.clone()) {
                let message = format!("the attribute `{name}` is given twice");
                let offset = attribute.span().start;
                self.findings.push(
                    at(self.file, offset, "javascript.duplicate-attribute", message)
                        .with_hint("Keep one of them."),
                );
            }
        }
        walk::walk_jsx_opening_element(self, element);
    }
}

/// An error at a byte offset.
pub(crate) fn at(file: &File, offset: u32, code: &str, message: String) -> Finding {
    let (line, column) = position(&file.content, usize::try_from(offset).unwrap_or_default());
    Finding::error(code, &file.path, line, column, message)
}
