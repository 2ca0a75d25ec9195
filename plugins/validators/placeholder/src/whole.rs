//! What a file as a whole gives away: where it ends, what it is wrapped in.

use gencode_plugin_sdk::{
    finding::position,
    types::{File, Finding},
};

use crate::Kind;

/// A single line longer than this is code that lost its line breaks.
const LONGEST_ONLY_LINE: usize = 200;

/// Judges a file as a whole.
pub(crate) fn check(file: &File, kind: Kind) -> Vec<Finding> {
    let text = file.content.as_str();
    let error = |code: &str, offset: usize, message: &str| {
        let (line, column) = position(text, offset);
        Finding::error(code, &file.path, line, column, message)
            .with_hint("Give the whole file again, with nothing left out.")
    };
    let is_code = matches!(kind, Kind::Python | Kind::Script) && !file.path.ends_with("css");
    let mut findings = Vec::new();
    if text.trim().is_empty() {
        if kind == Kind::Markup || (is_code && kind != Kind::Python) {
            findings.push(error("placeholder.empty", 0, "the file is empty"));
        }
        return findings;
    }
    if is_code
        && text.trim().lines().count() == 1
        && text.trim().chars().count() > LONGEST_ONLY_LINE
    {
        findings.push(error("placeholder.one-line", 0, "the file lost its line breaks"));
    }
    if kind != Kind::Markdown && text.trim_start().starts_with("```") {
        findings.push(error("placeholder.fence", 0, "the file is wrapped in a Markdown fence"));
    }
    if let Some(offset) = lone_dots(text, kind) {
        findings.push(error(
            "placeholder.cut-off",
            offset,
            "`...` stands where the file should go on",
        ));
    }
    let open = match kind {
        Kind::Python => {
            open_string(text).map(|offset| (offset, "the string that begins here never ends"))
        }
        Kind::Markdown => {
            open_fence(text).map(|offset| (offset, "the code block that begins here never ends"))
        }
        _ => None,
    };
    if let Some((offset, message)) = open {
        findings.push(error("placeholder.cut-off", offset, message));
    }
    findings
}

/// `...` alone on a line, where it cannot be part of the language: in Python it is the body of a
/// stub when indented; elsewhere only the end of the file is judged.
fn lone_dots(text: &str, kind: Kind) -> Option<usize> {
    let mut offset = 0;
    let mut found = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let dots = matches!(trimmed, "..." | "…");
        match kind {
            Kind::Python if dots && line.starts_with('.') => return Some(offset),
            Kind::Python => {}
            _ if dots => found = Some(offset),
            _ if !trimmed.is_empty() => found = None,
            _ => {}
        }
        offset += line.len();
    }
    found
}

/// Where the last triple-quoted string of Python begins, if it never ends.
fn open_string(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut offset = 0;
    while let Some(&byte) = bytes.get(offset) {
        match byte {
            b'#' => offset += line_length(bytes, offset),
            b'"' | b'\'' => {
                let triple = [byte; 3];
                let start = offset;
                if bytes.get(offset..)?.starts_with(&triple) {
                    offset += 3;
                    loop {
                        let rest = bytes.get(offset..).unwrap_or_default();
                        match rest.first() {
                            None => return Some(start),
                            Some(b'\\') => offset += 2,
                            Some(_) if rest.starts_with(&triple) => break,
                            Some(_) => offset += 1,
                        }
                    }
                    offset += 3;
                } else {
                    offset += 1;
                    // A single-quoted string ends with its line at the latest.
                    while let Some(&inside) = bytes.get(offset) {
                        offset += if inside == b'\\' { 2 } else { 1 };
                        if inside == byte || inside == b'\n' {
                            break;
                        }
                    }
                }
            }
            _ => offset += 1,
        }
    }
    None
}

fn line_length(bytes: &[u8], offset: usize) -> usize {
    let rest = bytes.get(offset..).unwrap_or_default();
    rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
}

/// Where the last code block of Markdown begins, if it never ends.
fn open_fence(text: &str) -> Option<usize> {
    let mut open: Option<(usize, char, usize)> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'));
        if let Some(mark) = mark {
            let length = trimmed.chars().take_while(|&c| c == mark).count();
            let alone = trimmed.chars().all(|c| c == mark);
            match open {
                Some((_, opening, least)) if mark == opening && length >= least && alone => {
                    open = None;
                }
                None if length >= 3 && !trimmed.get(length..)?.contains(mark) => {
                    open = Some((offset, mark, length));
                }
                _ => {}
            }
        }
        offset += line.len();
    }
    open.map(|(offset, ..)| offset)
}
