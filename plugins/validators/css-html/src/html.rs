//! HTML.

use gencode_plugin_sdk::types::{File, Finding};
use html5gum::{DefaultEmitter, Error, Token, Tokenizer};

use crate::at;

/// Elements that have no content and no end tag.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// Elements whose end tag may be left out.
const OPTIONAL_END: [&str; 19] = [
    "html", "head", "body", "li", "dt", "dd", "p", "rt", "rp", "optgroup", "option", "colgroup",
    "caption", "thead", "tbody", "tfoot", "tr", "td", "th",
];

/// Elements inside which a tag may close itself.
const FOREIGN: [&str; 2] = ["svg", "math"];

struct Open {
    name: String,
    offset: usize,
    closes_itself: bool,
}

/// Judges an HTML file.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    // Without a tree, the content of `<script>` and the like is told apart by name.
    emitter.naively_switch_states(true);
    let mut tags = Tags { file, open: Vec::new(), findings: Vec::new() };
    for token in Tokenizer::new_with_emitter(&file.content, emitter) {
        // Reading from memory cannot fail.
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = text(&tag.name);
                tags.start(name, tag.span.start, tag.self_closing);
            }
            Token::EndTag(tag) => tags.end(&text(&tag.name), tag.span.start),
            Token::Error(error) => tags.error(error.value, error.span.start),
            _ => {}
        }
    }
    tags.finish()
}

struct Tags<'a> {
    file: &'a File,
    open: Vec<Open>,
    findings: Vec<Finding>,
}

impl Tags<'_> {
    fn start(&mut self, name: String, offset: usize, closes_itself: bool) {
        let foreign = |name: &str| FOREIGN.contains(&name);
        let inside = foreign(&name) || self.open.iter().any(|open| foreign(&open.name));
        let is_closed = VOID.contains(&name.as_str()) || (inside && closes_itself);
        if !is_closed {
            self.open.push(Open { name, offset, closes_itself });
        }
    }

    fn end(&mut self, name: &str, offset: usize) {
        let Some(depth) = self.open.iter().rposition(|open| open.name == name) else {
            self.findings.push(
                at(self.file, offset, "html.unmatched", format!("`</{name}>` closes nothing"))
                    .with_hint("Remove it or open what it should close."),
            );
            return;
        };
        let inner = self.open.split_off(depth);
        inner.iter().skip(1).for_each(|open| self.unclosed(open));
    }

    fn unclosed(&mut self, open: &Open) {
        let Open { name, offset, closes_itself } = open;
        if OPTIONAL_END.contains(&name.as_str()) {
            return;
        }
        let hint = if *closes_itself {
            format!("HTML ignores the `/`; write `<{name}></{name}>`.")
        } else {
            format!("Add `</{name}>`.")
        };
        self.findings.push(
            at(self.file, *offset, "html.unclosed", format!("`<{name}>` is never closed"))
                .with_hint(hint),
        );
    }

    fn error(&mut self, error: Error, offset: usize) {
        let serious = matches!(
            error,
            Error::DuplicateAttribute
                | Error::EofBeforeTagName
                | Error::EofInComment
                | Error::EofInDoctype
                | Error::EofInTag
                | Error::MissingWhitespaceBetweenAttributes
                | Error::UnexpectedCharacterInAttributeName
        );
        if serious {
            let message = error.as_str().replace('-', " ");
            self.findings.push(at(self.file, offset, "html.syntax", message));
        }
    }

    fn finish(mut self) -> Vec<Finding> {
        for open in std::mem::take(&mut self.open) {
            self.unclosed(&open);
        }
        self.findings
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
