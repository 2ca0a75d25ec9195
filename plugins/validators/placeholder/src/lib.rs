//! Files that are whole: no omitted code, no placeholders, not cut off.

mod lines;
mod whole;

use gencode_plugin_sdk::{
    export_validator,
    types::{Fault, File},
    validator::{CheckReport, CheckRequest, Description, Validator},
};

struct Placeholder;

impl Validator for Placeholder {
    fn describe() -> Description {
        Description::per_file(
            "placeholder",
            "Files that are whole: no omitted code, no placeholders, not cut off.",
            &["**"],
        )
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        Ok(CheckReport::per_file(&request.files, |file| {
            let Some(kind) = Kind::of(file) else { return Vec::new() };
            let mut findings = whole::check(file, kind);
            findings.extend(lines::check(file, kind));
            findings
        }))
    }
}

/// What a file is written in, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Python,
    /// JavaScript, TypeScript and style sheets: `//` and `/* */`.
    Script,
    Markup,
    Markdown,
    /// Settings with `#` comments, and anything else.
    Other,
}

impl Kind {
    /// None for files that nobody writes by hand.
    fn of(file: &File) -> Option<Self> {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if name.contains("-lock.") {
            return None;
        }
        Some(match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("lock" | "svg") => return None,
            Some("py" | "pyi") => Self::Python,
            Some("js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" | "css" | "scss") => {
                Self::Script
            }
            Some("html" | "htm" | "xml") => Self::Markup,
            Some("md" | "markdown") => Self::Markdown,
            _ => Self::Other,
        })
    }
}

export_validator!(Placeholder);

#[cfg(test)]
mod tests;
