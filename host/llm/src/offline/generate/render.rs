//! Fills the templates of the generated application.
//!
//! Delimiters are `«value»`, `<% statement %>` and `<# comment #>`, which neither Python nor TSX uses.

use std::sync::OnceLock;

use include_dir::{Dir, include_dir};
use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};

use crate::offline::OfflineError;

static TEMPLATES: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/../../templates/apps/fastapi-react/generate");

/// The text of a template, filled with `context`; ends with exactly one line break.
pub(super) fn render(template: &str, context: &Value) -> Result<String, OfflineError> {
    let environment = environment()?;
    let text = environment
        .get_template(template)
        .and_then(|template| template.render(context.clone()))
        .map_err(|source| OfflineError::Template { name: template.to_owned(), source })?;
    let text = text.trim_matches('\n');
    let text = if template.ends_with(".py.j2") { joined(text) } else { text.to_owned() };
    Ok(format!("{text}\n"))
}

/// Longest line of Python.
const LINE: usize = 120;

/// Puts what stands in brackets on lines of its own, without a trailing comma, back on one line
/// where it fits, as formatters of Python do.
fn joined(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        out.push(line.to_owned());
        let [.., open, inner, close] = out.as_slice() else { continue };
        let closes = close.trim_start().starts_with(')');
        let opens = open.ends_with('(') && !open.trim_start().starts_with('#');
        if !closes || !opens || inner.ends_with([',', '(', '[', '{']) || inner.contains('#') {
            continue;
        }
        let whole = format!("{open}{}{}", inner.trim_start(), close.trim_start());
        if whole.chars().count() <= LINE {
            out.truncate(out.len() - 3);
            out.push(whole);
        }
    }
    out.join("\n")
}

/// Anything as the templates see it.
pub(super) fn view(value: &impl serde::Serialize) -> Value {
    Value::from(Serde(value))
}

fn environment() -> Result<&'static Environment<'static>, OfflineError> {
    static ENVIRONMENT: OnceLock<Result<Environment<'static>, String>> = OnceLock::new();
    ENVIRONMENT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|reason| OfflineError::Templates(reason.clone()))
}

fn build() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .block_delimiters("<%", "%>")
        .variable_delimiters("«", "»")
        .comment_delimiters("<#", "#>")
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("py", python_literal);
    environment.add_filter("js", json_literal);
    environment.add_filter("prose", prose);
    environment.add_filter("html", html);
    environment.add_filter("jsx", jsx_attribute);
    environment.add_filter("jsx_text", jsx_text);
    environment.add_filter("as_child", as_child);
    for file in files(&TEMPLATES) {
        let name = file.path().to_string_lossy().into_owned();
        if let Some(text) = file.contents_utf8() {
            environment.add_template_owned(name, text.to_owned())?;
        }
    }
    Ok(environment)
}

fn files<'a>(directory: &'a Dir<'a>) -> Vec<&'a include_dir::File<'a>> {
    directory.files().chain(directory.dirs().flat_map(files)).collect()
}

/// A value as a Python literal.
fn python_literal(value: &Value) -> String {
    serde_json::to_value(value).map_or_else(|_| "None".to_owned(), |json| python(&json))
}

fn python(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "None".to_owned(),
        serde_json::Value::Bool(true) => "True".to_owned(),
        serde_json::Value::Bool(false) => "False".to_owned(),
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::Object(map) => {
            let items: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", quote(key), python(value)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::String(text) => repeated(text).unwrap_or_else(|| python_quote(text)),
    }
}

/// A long run of one letter as a product.
fn repeated(text: &str) -> Option<String> {
    let first = text.chars().next()?;
    let count = text.chars().count();
    (count > 50 && text.chars().all(|c| c == first))
        .then(|| format!("{} * {count}", quote(&first.to_string())))
}

/// A string literal of Python, in the quotes that need no escapes where there are such.
fn python_quote(text: &str) -> String {
    let plain =
        text.contains('"') && !text.contains(['\'', '\\']) && !text.chars().any(char::is_control);
    if plain { format!("'{text}'") } else { quote(text) }
}

/// A string literal; the escapes of JSON mean the same in Python and JavaScript.
fn quote(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A value as a JavaScript literal.
fn json_literal(value: &Value) -> String {
    serde_json::to_value(value).map_or_else(|_| "null".to_owned(), |json| json.to_string())
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whether text can stand in JSX as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['"', '\'', '`', '\\', '&', '<', '>', '{', '}', '\n', '\r', '\t'])
        && text.trim() == text
}

/// The value of a JSX attribute.
fn jsx_attribute(text: &str) -> String {
    if is_plain(text) { format!("\"{text}\"") } else { format!("{{{}}}", quote(text)) }
}

/// Text between JSX tags.
fn jsx_text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("{{{}}}", quote(text)) }
}

/// An expression between JSX tags.
fn as_child(expression: &str) -> String {
    if expression.starts_with('<') { expression.to_owned() } else { format!("{{{expression}}}") }
}

/// Text from the request as it may stand in a comment, a docstring or a paragraph: one line, no
/// quotes or markup that could end it.
pub(super) fn prose(text: &str) -> String {
    let flat: String = text
        .chars()
        .map(|c| match c {
            '"' | '`' => '\'',
            '\\' => '/',
            '<' => '(',
            '>' => ')',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    flat.split_whitespace().collect::<Vec<_>>().join(" ").replace("*/", "* /").replace("<<<", "<")
}
