//! Style sheets.

use gencode_plugin_sdk::{
    nesting,
    types::{File, Finding},
};
use oxc_css_parser::{
    Allocator, Parser, Syntax,
    ast::Stylesheet,
    error::{Error, ErrorKind},
};

use crate::at;

/// Judges a style sheet.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    if let Some(offset) = nesting::too_deep(&file.content) {
        return vec![at(file, offset, "css.too-deep", "brackets are nested too deep to be read")];
    }
    let allocator = Allocator::default();
    let mut parser = Parser::new(&allocator, &file.content, Syntax::Css);
    if let Err(error) = parser.parse::<Stylesheet<'_>>() {
        return vec![finding(file, &error)];
    }
    let errors = parser.recoverable_errors().iter();
    let mut findings: Vec<Finding> = errors
        .map(|error| {
            let mut finding = finding(file, error);
            // A browser skips a rule it does not know; a file that was cut off is another matter.
            if !is_cut(&error.kind) {
                "warning".clone_into(&mut finding.severity);
            }
            finding
        })
        .collect();
    if !findings.iter().any(Finding::is_error) {
        findings.extend(unbalanced(file));
    }
    findings
}

/// The first bracket without its partner. The parser closes them silently, as a browser does.
fn unbalanced(file: &File) -> Option<Finding> {
    let bytes = file.content.as_bytes();
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut offset = 0;
    while let Some((first, rest)) = bytes.get(offset..).and_then(<[u8]>::split_first) {
        let length = match first {
            b'/' if rest.first() == Some(&b'*') => {
                match rest.windows(2).skip(1).position(|two| two == b"*/") {
                    Some(end) => end + 4,
                    None => return Some(at(file, offset, "css.syntax", "the comment never ends")),
                }
            }
            b'"' | b'\'' => 1 + until(rest, *first),
            b'\\' => 2,
            // What is inside `url(…)` without quotes is one word.
            b'(' if is_bare_url(bytes, offset) => 1 + until(rest, b')'),
            b'(' | b'[' | b'{' => {
                open.push((*first, offset));
                1
            }
            b')' | b']' | b'}' => {
                let partner = match first {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                match open.pop() {
                    Some((bracket, _)) if bracket == partner => {}
                    Some((_, at)) => return Some(lonely(file, at)),
                    None => return Some(lonely(file, offset)),
                }
                1
            }
            _ => 1,
        };
        offset += length;
    }
    open.pop().map(|(_, at)| lonely(file, at))
}

fn lonely(file: &File, offset: usize) -> Finding {
    let bracket = file.content.get(offset..=offset).unwrap_or_default();
    at(file, offset, "css.unbalanced", format!("`{bracket}` has no partner"))
        .with_hint("Close what was opened, in order.")
}

/// Length up to and with the first such byte that is not escaped.
fn until(bytes: &[u8], end: u8) -> usize {
    let mut escaped = false;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte == end && !escaped {
            return index + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    bytes.len()
}

fn is_bare_url(bytes: &[u8], bracket: usize) -> bool {
    let name = bytes.get(bracket.saturating_sub(3)..bracket).unwrap_or_default();
    let argument = bytes.get(bracket + 1..).unwrap_or_default().trim_ascii_start();
    name.eq_ignore_ascii_case(b"url") && !matches!(argument.first(), Some(b'"' | b'\''))
}

fn finding(file: &File, error: &Error) -> Finding {
    let offset = usize::try_from(error.span.start).unwrap_or_default();
    at(file, offset, "css.syntax", error.kind.to_string())
        .with_hint("Give the whole file again, without the syntax error.")
}

/// Whether something was opened that never ends.
fn is_cut(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::EofInBlock | ErrorKind::UnexpectedEof | ErrorKind::UnterminatedString)
}
