//! The front end and the back end stay apart, and secrets stay out of the code.

mod backend;
mod frontend;
mod secrets;

use gencode_plugin_sdk::{
    export_validator,
    finding::position,
    types::{Fault, File, Finding},
    validator::{CheckReport, CheckRequest, Description, Validator},
};

struct Architecture;

impl Validator for Architecture {
    fn describe() -> Description {
        Description::per_file(
            "architecture",
            "The front end and the back end stay apart, and secrets stay out of the code.",
            &["backend/**/*.py", "frontend/src/**/*.{ts,tsx,js,jsx}"],
        )
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        Ok(CheckReport::per_file(&request.files, |file| {
            let mut findings = secrets::known_keys(file);
            if file.path.starts_with("backend/") {
                backend::check(file, &mut findings);
            } else {
                frontend::check(file, &mut findings);
            }
            findings
        }))
    }
}

/// An error at a byte offset.
fn at(file: &File, offset: usize, code: &str, message: impl Into<String>) -> Finding {
    let (line, column) = position(&file.content, offset);
    Finding::error(code, &file.path, line, column, message)
}

export_validator!(Architecture);

#[cfg(test)]
mod tests;
