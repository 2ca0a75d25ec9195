//! The answer format: thinking, files and documents between marker lines.

use std::fmt::Write as _;

/// A file or a document of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A file of the project.
    File { path: String, content: String },
    /// A structured result.
    Document { name: &'static str, media_type: &'static str, content: String },
}

/// An answer under construction.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    thinking: String,
    parts: Vec<Part>,
}

impl Answer {
    /// Begins an answer; it always says who answers, after what it has to say.
    pub(super) fn new(thinking: &str) -> Self {
        let signature = "I am the offline model: a deterministic generator, not a language model.";
        Self { thinking: format!("{thinking}\n{signature}"), parts: Vec::new() }
    }

    pub(super) fn file(mut self, path: impl Into<String>, content: impl Into<String>) -> Self {
        self.parts.push(Part::File { path: path.into(), content: content.into() });
        self
    }

    pub(super) fn files(mut self, files: impl IntoIterator<Item = (String, String)>) -> Self {
        self.parts.extend(files.into_iter().map(|(path, content)| Part::File { path, content }));
        self
    }

    pub(super) fn json(
        mut self,
        name: &'static str,
        value: &impl serde::Serialize,
    ) -> Result<Self, serde_json::Error> {
        let content = serde_json::to_string_pretty(value)?;
        self.parts.push(Part::Document { name, media_type: "application/json", content });
        Ok(self)
    }

    pub(super) fn markdown(mut self, name: &'static str, content: impl Into<String>) -> Self {
        self.parts.push(Part::Document {
            name,
            media_type: "text/markdown",
            content: content.into(),
        });
        self
    }

    /// The text of the answer.
    pub(super) fn finish(self) -> String {
        let mut text = format!("<<<THINKING>>>\n{}\n<<<END_THINKING>>>\n", body(&self.thinking));
        for part in &self.parts {
            // Writing to a string cannot fail.
            let _ = match part {
                Part::File { path, content } => {
                    writeln!(text, "<<<FILE path=\"{path}\">>>\n{}\n<<<END_FILE>>>", body(content))
                }
                Part::Document { name, media_type, content } => writeln!(
                    text,
                    "<<<DOCUMENT name=\"{name}\" type=\"{media_type}\">>>\n{}\n<<<END_DOCUMENT>>>",
                    body(content)
                ),
            };
        }
        text.push_str("<<<END_ANSWER>>>\n");
        text
    }
}

/// Content without its final line break, and without lines that a reader would take for a marker.
fn body(content: &str) -> String {
    let content = content.trim_end_matches('\n');
    if !content.contains("<<<") {
        return content.to_owned();
    }
    let safe = |line: &str| {
        if line.trim_start().starts_with("<<<") {
            line.replace("<<<", "< <<")
        } else {
            line.to_owned()
        }
    };
    content.lines().map(safe).collect::<Vec<_>>().join("\n")
}
