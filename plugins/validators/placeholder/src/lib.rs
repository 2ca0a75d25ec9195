//! Finds omitted code, placeholders and files that were cut off.

use gencode_plugin_sdk::{
    export_validator,
    types::{Fault, File, Finding},
    validator::{CheckReport, CheckRequest, Description, Validator},
};

struct Placeholder;

impl Validator for Placeholder {
    fn describe() -> Description {
        Description::per_file("placeholder", "x", &["**/*"])
    }
    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        Ok(CheckReport::per_file(&request.files, |f: &File| vec![Finding::error("a", &f.path, 1, 1, "x")]))
    }
}

export_validator!(Placeholder);
