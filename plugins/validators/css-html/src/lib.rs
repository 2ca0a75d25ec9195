//! Style sheets that parse and HTML whose tags match.

mod css;
mod html;

use gencode_plugin_sdk::{
    export_validator,
    finding::position,
    types::{Fault, File, Finding},
    validator::{CheckReport, CheckRequest, Description, Validator},
};

struct CssHtml;

impl Validator for CssHtml {
    fn describe() -> Description {
        Description::per_file(
            "css-html",
            "Style sheets that parse and HTML whose tags match.",
            &["**/*.{css,html,htm}"],
        )
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        Ok(CheckReport::per_file(&request.files, |file| match file.path.rsplit('.').next() {
            Some("css") => css::check(file),
            _ => html::check(file),
        }))
    }
}

/// An error at a byte offset.
fn at(file: &File, offset: usize, code: &str, message: impl Into<String>) -> Finding {
    let (line, column) = position(&file.content, offset);
    Finding::error(code, &file.path, line, column, message)
}

export_validator!(CssHtml);

#[cfg(test)]
mod tests;
