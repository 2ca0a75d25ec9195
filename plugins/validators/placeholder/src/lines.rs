//! What a single line gives away.

use gencode_plugin_sdk::types::{File, Finding};

use crate::Kind;

/// Said in a comment, they stand for code that is not there. In lower case.
const OMISSIONS: [&str; 19] = [
    "rest of the code",
    "rest of the file",
    "rest of the implementation",
    "rest of the component",
    "rest of your code",
    "rest of the function",
    "rest of the class",
    "rest of the routes",
    "omitted for brevity",
    "truncated for brevity",
    "shortened for brevity",
    "existing code here",
    "existing code remains",
    "implementation goes here",
    "code goes here",
    "logic goes here",
    "your code here",
    "your logic here",
    "your implementation here",
];

/// After leading dots in a comment they mean "and so on".
const AND_SO_ON: [&str; 17] = [
    "rest",
    "existing",
    "other",
    "others",
    "remaining",
    "previous",
    "more",
    "similar",
    "etc",
    "code",
    "implementation",
    "omitted",
    "unchanged",
    "additional",
    "same",
    "here",
    "continue",
];

/// What a task that nobody did begins with.
const TASKS: [&str; 9] = [
    "implement",
    "add implementation",
    "add the implementation",
    "add logic",
    "add code",
    "write the",
    "fill in",
    "fill this",
    "complete this",
];

/// Places to be filled in by hand, anywhere in a file. In lower case.
const BLANKS: [&str; 6] =
    ["<your code", "<insert ", "<add your", "[your code here]", "lorem ipsum", "<placeholder>"];

/// Judges a file line by line.
pub(crate) fn check(file: &File, kind: Kind) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut before = "";
    for (index, line) in file.content.lines().enumerate() {
        if let Some((column, code, message)) = judge(line, before, kind) {
            let number = |value: usize| u32::try_from(value + 1).unwrap_or(u32::MAX);
            let column = line.get(..column).map_or(0, |text| text.chars().count());
            findings.push(
                Finding::error(code, &file.path, number(index), number(column), message)
                    .with_hint("Give the whole file again, with nothing left out."),
            );
        }
        before = line;
    }
    findings
}

type Remark = (usize, &'static str, String);

/// The first thing that is wrong with a line: where, which code, what.
fn judge(line: &str, before: &str, kind: Kind) -> Option<Remark> {
    leftover(line, kind).or_else(|| blank(line)).or_else(|| {
        let start = comment_start(line, kind)?;
        let comment = comment_text(line.get(start..)?);
        let continued = comment_start(before, kind)
            .and_then(|start| before.get(start..))
            .is_some_and(|text| ends_in_dots(comment_text(text)));
        let shown = comment.chars().take(80).collect::<String>();
        if omits(comment, continued) {
            Some((
                start,
                "placeholder.omitted",
                format!("`{shown}` stands for code that is missing"),
            ))
        } else if is_undone(comment) {
            Some((start, "placeholder.todo", format!("`{shown}` was not done")))
        } else {
            None
        }
    })
}

/// What a generator, a merge or a model left in the file.
fn leftover(line: &str, kind: Kind) -> Option<Remark> {
    let text = line.trim();
    let template = "placeholder.template";
    if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
        return Some((0, "placeholder.conflict", "a merge was not finished here".to_owned()));
    }
    if ["<<<FILE ", "<<<DOCUMENT ", "<<<END_", "<<<THINKING"]
        .iter()
        .any(|mark| text.starts_with(mark))
    {
        return Some((0, template, "a marker of the answer format is part of the file".to_owned()));
    }
    if kind != Kind::Markdown && text.starts_with("{%") && text.ends_with("%}") {
        return Some((0, template, format!("the template tag `{text}` was not filled in")));
    }
    let mut rest = 0;
    while let Some(start) = line.get(rest..)?.find("{{").map(|at| rest + at) {
        rest = start + 2;
        let inside = line.get(rest..)?.split_once("}}").map(|(inside, _)| inside.trim());
        // `style={{ WIDE }}` is an object, `${{ X }}` belongs to a workflow file.
        let attribute = line.get(..start)?.trim_end().ends_with(['=', '$']);
        if let Some(name) = inside.filter(|name| !attribute && is_template_name(name)) {
            return Some((start, template, format!("`{{{{{name}}}}}` was not filled in")));
        }
    }
    None
}

fn is_template_name(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn blank(line: &str) -> Option<Remark> {
    let lower = line.to_ascii_lowercase();
    if let Some((start, words)) = BLANKS.iter().find_map(|words| Some((lower.find(words)?, *words)))
    {
        return Some((start, "placeholder.text", format!("`{words}` was not replaced")));
    }
    let start = lower.find("throw new error(")?;
    let thrown = lower.get(start..)?;
    ["not implemented", "not yet implemented", "todo"]
        .iter()
        .any(|words| thrown.contains(words))
        .then(|| {
            (
                start,
                "placeholder.todo",
                "the function only says that it is not implemented".to_owned(),
            )
        })
}

/// Where the comment of a line begins.
fn comment_start(line: &str, kind: Kind) -> Option<usize> {
    let marks: &[&str] = match kind {
        Kind::Python | Kind::Other => &["#"],
        Kind::Script => &["//", "/*", "*"],
        Kind::Markup => &["<!--", "//", "/*"],
        Kind::Markdown => &["<!--"],
    };
    let indent = line.len() - line.trim_start().len();
    marks
        .iter()
        .filter_map(|mark| {
            let at = line.match_indices(mark).map(|(at, _)| at).find(|&at| {
                let before = line.get(..at).unwrap_or_default();
                // `*` begins a line inside a block comment only; others follow a space or bracket.
                at == indent || (*mark != "*" && before.ends_with([' ', '\t', '{', '(', ';', ',']))
            })?;
            Some(at)
        })
        .min()
}

/// A comment without its marks.
fn comment_text(comment: &str) -> &str {
    comment
        .trim_start_matches(['#', '/', '*', '!', '<', '-', '{'])
        .trim_end_matches(['*', '/', '-', '>', '}'])
        .trim()
}

fn ends_in_dots(text: &str) -> bool {
    text.ends_with("...") || text.ends_with('…')
}

fn omits(comment: &str, continued: bool) -> bool {
    let lower = comment.to_lowercase();
    let words = lower.trim_start_matches(['.', '…']);
    let dots = words.len() < lower.len() && (lower.starts_with("...") || lower.starts_with('…'));
    if dots && !continued {
        let mut words =
            words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() || words.any(|word| AND_SO_ON.contains(&word)) {
            return true;
        }
    }
    OMISSIONS.iter().any(|phrase| lower.contains(phrase))
}

/// `TODO: implement …`, but not every note about the future.
fn is_undone(comment: &str) -> bool {
    let lower = comment.to_lowercase();
    ["todo", "fixme"].iter().any(|word| {
        lower.strip_prefix(word).is_some_and(|rest| {
            let task = rest.trim_start_matches([':', '-', '(', ')', ' ']);
            TASKS.iter().any(|start| task.starts_with(start))
        })
    })
}
