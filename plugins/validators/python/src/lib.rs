//! Python that parses, with whole bodies, safe defaults and imports that exist.

mod bodies;
mod imports;

use gencode_plugin_sdk::{
    export_validator,
    finding::position,
    nesting,
    types::{Fault, File, Finding},
    validator::{CheckReport, CheckRequest, Description, Validator},
};
use ruff_python_ast::{ModModule, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::{Ranged, TextSize};

/// The oldest Python that a generated application must run on.
const PYTHON: PythonVersion = PythonVersion::PY311;

/// Errors of one file beyond which the rest only repeats the first ones.
const MAX_SYNTAX_ERRORS: usize = 5;

struct Python;

impl Validator for Python {
    fn describe() -> Description {
        Description::whole_project(
            "python",
            "Python that parses, with whole bodies, safe defaults and imports that exist.",
            &["**/*.py", "**/*.pyi"],
        )
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        let mut findings = Vec::new();
        let mut modules = Vec::new();
        for file in &request.files {
            let before = findings.len();
            if let Some(parsed) = parse(file, &mut findings) {
                bodies::check(file, &parsed, &mut findings);
                modules.push(Module { file, parsed, broken: findings.len() > before });
            }
        }
        imports::check(&modules, &mut findings);
        Ok(findings.into())
    }
}

/// A file and what it says.
struct Module<'a> {
    file: &'a File,
    parsed: Parsed<ModModule>,
    /// Whether something was found in it already, so that it may define less than it should.
    broken: bool,
}

/// Parses a file. None where it is too broken to say more about it.
fn parse(file: &File, findings: &mut Vec<Finding>) -> Option<Parsed<ModModule>> {
    if let Some(offset) = nesting::too_deep(&file.content) {
        let (line, column) = position(&file.content, offset);
        let message = "brackets are nested too deep to be read";
        findings.push(Finding::error("python.too-deep", &file.path, line, column, message));
        return None;
    }
    let options = ParseOptions::from(Mode::Module).with_target_version(PYTHON);
    let parsed = parse_unchecked(&file.content, options).try_into_module()?;
    for error in parsed.errors().iter().take(MAX_SYNTAX_ERRORS) {
        let (line, column) = place(file, error.range().start());
        findings.push(
            Finding::error("python.syntax", &file.path, line, column, error.error.to_string())
                .with_hint("Give the whole file again, without the syntax error."),
        );
    }
    if parsed.has_invalid_syntax() {
        // Even so other files may import from it; what it defines is taken from what was understood.
        return Some(parsed);
    }
    for error in parsed.unsupported_syntax_errors().iter().take(MAX_SYNTAX_ERRORS) {
        let (line, column) = place(file, error.range().start());
        findings.push(
            Finding::error("python.version", &file.path, line, column, error.to_string())
                .with_hint(format!("Write it so that Python {PYTHON} accepts it.")),
        );
    }
    Some(parsed)
}

fn place(file: &File, offset: TextSize) -> (u32, u32) {
    position(&file.content, offset.to_usize())
}

export_validator!(Python);

#[cfg(test)]
mod tests;
