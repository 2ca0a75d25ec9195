//! The format in which every model answers: blocks between marker lines.
//!
//! ```text
//! <<<THINKING>>>
//! Three to five sentences.
//! <<<END_THINKING>>>
//! <<<FILE path="backend/app/models.py">>>
//! content
//! <<<END_FILE>>>
//! <<<DOCUMENT name="contract" type="application/json">>>
//! content
//! <<<END_DOCUMENT>>>
//! <<<END_ANSWER>>>
//! ```
//!
//! Every block and the answer have an end marker, so an answer that was cut off is never taken
//! for a complete one. Prose outside blocks, `\r\n` and a Markdown fence around the content of a
//! block are put up with; anything else that is wrong is an error.

use std::fmt::Write as _;

use crate::{
    document,
    types::{Document, Fault, File},
};

/// What a model said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// For the user; empty when the model gave none.
    pub thinking: String,
    /// In the order of the answer.
    pub files: Vec<File>,
    /// In the order of the answer.
    pub documents: Vec<Document>,
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Nothing was said, or no file and no document among what was said.
    #[error("the answer holds no file and no document")]
    Empty,
    /// The text ends before `<<<END_ANSWER>>>`.
    #[error("the answer was cut off: {}", match inside { Some(block) => format!("it ends inside {block}"), None => "<<<END_ANSWER>>> is missing".to_owned() })]
    Truncated {
        /// The block that was being written.
        inside: Option<String>,
    },
    /// A block is followed by another marker instead of its end.
    #[error("line {line}: {block} has no end marker")]
    MissingEnd {
        /// The block without end.
        block: String,
        /// Line of the marker that was found instead.
        line: usize,
    },
    /// A marker that is misspelt, or an end without a beginning.
    #[error("line {line}: `{marker}` is not a marker that may stand here")]
    Marker {
        /// The line as it stands.
        marker: String,
        /// Counted from 1.
        line: usize,
    },
    /// The same file or document twice.
    #[error("line {line}: {block} was given before")]
    Duplicate {
        /// The second block.
        block: String,
        /// Counted from 1.
        line: usize,
    },
    /// A document that calls itself JSON and is not.
    #[error("document `{name}` is not JSON: {reason}")]
    UnreadableDocument {
        /// Name of the document.
        name: String,
        /// What the parser says.
        reason: String,
    },
}

impl AnswerError {
    /// Stable code of the fault.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty-answer",
            Self::Truncated { .. } => "truncated-answer",
            Self::MissingEnd { .. } | Self::Marker { .. } | Self::Duplicate { .. } => {
                "unreadable-answer"
            }
            Self::UnreadableDocument { .. } => "unreadable-document",
        }
    }
}

impl From<AnswerError> for Fault {
    /// Always worth another attempt: a model may do better.
    fn from(error: AnswerError) -> Self {
        Self::retryable(error.code(), error.to_string())
    }
}

/// What stands between two markers.
#[derive(Debug, Clone, PartialEq)]
enum Block {
    Thinking,
    File(String),
    Document { name: String, media_type: String },
}

impl Block {
    fn end(&self) -> &'static str {
        match self {
            Self::Thinking => "<<<END_THINKING>>>",
            Self::File(_) => "<<<END_FILE>>>",
            Self::Document { .. } => "<<<END_DOCUMENT>>>",
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Thinking => "the thinking".to_owned(),
            Self::File(path) => format!("file `{path}`"),
            Self::Document { name, .. } => format!("document `{name}`"),
        }
    }
}

const END_ANSWER: &str = "<<<END_ANSWER>>>";

impl Answer {
    /// Reads an answer.
    pub fn parse(text: &str) -> Result<Self, AnswerError> {
        if text.trim().is_empty() {
            return Err(AnswerError::Empty);
        }
        let mut answer = Self::default();
        let mut open: Option<(Block, Vec<&str>)> = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let mark = line.trim();
            let is_marker = is_marker(mark);
            if let Some((block, mut lines)) = open.take() {
                if mark == block.end() {
                    answer.close(block, &lines, number)?;
                } else if is_marker {
                    return Err(AnswerError::MissingEnd { block: block.name(), line: number });
                } else {
                    lines.push(line);
                    open = Some((block, lines));
                }
            } else if mark == END_ANSWER {
                return answer.finish();
            } else if is_marker {
                let block = opening(mark)
                    .ok_or_else(|| AnswerError::Marker { marker: mark.to_owned(), line: number })?;
                open = Some((block, Vec::new()));
            }
        }
        Err(AnswerError::Truncated { inside: open.map(|(block, _)| block.name()) })
    }

    /// The document of that name as JSON. Faults: `missing-document`, `unreadable-document`; both
    /// worth another attempt, because it is the model that left it out.
    pub fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Fault> {
        document::find(&self.documents, name)
            .ok_or_else(|| {
                Fault::retryable("missing-document", format!("the answer has no document `{name}`"))
            })?
            .read()
    }

    /// Writes an answer in the format that [`Answer::parse`] reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if !self.thinking.is_empty() {
            put(&mut text, "<<<THINKING>>>", &self.thinking, "<<<END_THINKING>>>");
        }
        for file in &self.files {
            let opening = format!("<<<FILE path=\"{}\">>>", file.path);
            put(&mut text, &opening, &file.content, "<<<END_FILE>>>");
        }
        for document in &self.documents {
            let Document { name, media_type, content } = document;
            let opening = format!("<<<DOCUMENT name=\"{name}\" type=\"{media_type}\">>>");
            put(&mut text, &opening, content, "<<<END_DOCUMENT>>>");
        }
        text.push_str(END_ANSWER);
        text.push('\n');
        text
    }

    fn close(&mut self, block: Block, lines: &[&str], line: usize) -> Result<(), AnswerError> {
        let duplicate = match &block {
            Block::Thinking => !self.thinking.is_empty(),
            Block::File(path) => self.files.iter().any(|file| file.path == *path),
            Block::Document { name, .. } => document::find(&self.documents, name).is_some(),
        };
        if duplicate {
            return Err(AnswerError::Duplicate { block: block.name(), line });
        }
        match block {
            Block::Thinking => lines.join("\n").trim().clone_into(&mut self.thinking),
            Block::File(path) => {
                let markdown = path.to_ascii_lowercase().ends_with(".md");
                self.files.push(File { content: content(lines, markdown), path });
            }
            Block::Document { name, media_type } => {
                let content = content(lines, media_type == "text/markdown");
                if media_type == document::JSON
                    && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&content)
                {
                    return Err(AnswerError::UnreadableDocument {
                        name,
                        reason: error.to_string(),
                    });
                }
                self.documents.push(Document { name, media_type, content });
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Self, AnswerError> {
        if self.files.is_empty() && self.documents.is_empty() {
            return Err(AnswerError::Empty);
        }
        Ok(self)
    }
}

/// Writes one block; its content ends in a newline unless it is empty.
fn put(text: &mut String, opening: &str, content: &str, end: &str) {
    let newline = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{opening}\n{content}{newline}{end}");
}

/// Whether a line has the form of a marker: `<<<NAME…>>>` with a name in capitals.
fn is_marker(line: &str) -> bool {
    line.strip_prefix("<<<").and_then(|rest| rest.strip_suffix(">>>")).is_some_and(|inside| {
        inside.split(' ').next().is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        })
    })
}

fn opening(marker: &str) -> Option<Block> {
    let inside = marker.strip_prefix("<<<")?.strip_suffix(">>>")?;
    let (kind, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
    let mut attributes = read_attributes(attributes)?;
    let mut take = |name: &str| {
        let at = attributes.iter().position(|(key, value)| *key == name && !value.is_empty())?;
        Some(attributes.swap_remove(at).1.to_owned())
    };
    let block = match kind {
        "THINKING" => Block::Thinking,
        "FILE" => Block::File(take("path")?),
        "DOCUMENT" => Block::Document { name: take("name")?, media_type: take("type")? },
        _ => return None,
    };
    attributes.is_empty().then_some(block)
}

/// Reads `key="value" key="value"`.
fn read_attributes(mut text: &str) -> Option<Vec<(&str, &str)>> {
    let mut attributes = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return Some(attributes);
        }
        let (key, rest) = text.split_once("=\"")?;
        let (value, rest) = rest.split_once('"')?;
        attributes.push((key, value));
        text = rest;
    }
}

/// The content of a block, without a fence around it, ending in exactly one newline; nothing
/// stays nothing. In Markdown a fence may belong to the content, so only one that says
/// `markdown` is taken off.
fn content(lines: &[&str], markdown: bool) -> String {
    let blank = |line: &&str| line.trim().is_empty();
    let start = lines.iter().position(|line| !blank(line));
    let end = lines.iter().rposition(|line| !blank(line));
    let (Some(start), Some(end)) = (start, end) else { return String::new() };
    let mut inside = lines.get(..=end).unwrap_or_default();
    if let Some([first, fenced @ .., last]) = lines.get(start..=end)
        && let Some(info) = first.trim().strip_prefix("```")
        && !info.contains('`')
        && last.trim() == "```"
        && (!markdown || matches!(info.trim(), "markdown" | "md"))
    {
        let kept = fenced.iter().rposition(|line| !blank(line)).map_or(0, |last| last + 1);
        inside = fenced.get(..kept).unwrap_or_default();
    }
    if inside.is_empty() {
        return String::new();
    }
    let mut text = inside.join("\n");
    text.push('\n');
    text
}

/// Tells a model how to answer; the end of a system prompt.
///
/// `documents` are the names of the JSON documents it must give, `files` says whether it may
/// give files.
pub fn instructions(documents: &[&str], files: bool) -> String {
    let mut text = String::from(
        "Answer in exactly this form. Marker lines stand alone on a line; content runs from the \
         line after the opening marker to the line before the end marker. Give whole files, never \
         parts, no placeholder for omitted code, no Markdown fence inside a block.\n\n\
         <<<THINKING>>>\nthree to five sentences for the user\n<<<END_THINKING>>>\n",
    );
    if files {
        text.push_str("<<<FILE path=\"path/in/the/project\">>>\nthe whole file\n<<<END_FILE>>>\n");
    }
    for name in documents {
        let _ = writeln!(
            text,
            "<<<DOCUMENT name=\"{name}\" type=\"application/json\">>>\nthe document as JSON\n<<<END_DOCUMENT>>>"
        );
    }
    text.push_str(END_ANSWER);
    text.push_str("\n\nThe last line is required: without it the answer counts as cut off.\n");
    text
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
