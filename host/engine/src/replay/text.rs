//! Differences in words a person can read: values as indented lines, and unified diffs of them.

use serde_json::Value;
use similar::TextDiff;

/// Lines of a diff or a value that are shown.
const MAX_LINES: usize = 60;

/// Characters of one line that are shown.
const MAX_LINE: usize = 400;

/// Unchanged lines around a change.
const CONTEXT: usize = 2;

/// Both texts as a unified diff, cut to a readable length.
pub(super) fn diff(recorded: &str, now: &str) -> String {
    let text = TextDiff::from_lines(recorded, now)
        .unified_diff()
        .context_radius(CONTEXT)
        .header("recorded", "now")
        .to_string();
    short(&text)
}

/// The beginning of a text: enough to see what it is.
pub(super) fn short(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().take(MAX_LINES).map(short_line).collect();
    let more = text.lines().count().saturating_sub(MAX_LINES);
    if more > 0 {
        lines.push(format!("… {more} more lines"));
    }
    lines.join("\n")
}

fn short_line(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}

/// A value as lines: one per field, and one per line of a text, so that a diff names what changed.
pub(super) fn lines_of(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, 0, value);
    text
}

fn write(text: &mut String, depth: usize, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                field(text, depth, &format!("{indent}{name}:"), value);
            }
        }
        Value::Array(items) => {
            for item in items {
                field(text, depth, &format!("{indent}-"), item);
            }
        }
        Value::String(string) => {
            for line in string.lines() {
                text.push_str(&format!("{indent}{line}\n"));
            }
        }
        other => text.push_str(&format!("{indent}{other}\n")),
    }
}

fn field(text: &mut String, depth: usize, label: &str, value: &Value) {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(string) => string.lines().count() > 1,
        _ => false,
    };
    if nested {
        text.push_str(&format!("{label}\n"));
        write(text, depth + 1, value);
    } else {
        let shown = match value {
            Value::String(string) => string.clone(),
            other => other.to_string(),
        };
        text.push_str(&format!("{label} {shown}\n"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_of_values_names_the_field_and_the_line_that_changed() {
        let before = json!({ "complete": { "task": "review", "text": "one\ntwo\nthree" } });
        let now = json!({ "complete": { "task": "review", "text": "one\n2\nthree" } });
        let expected = "--- recorded\n+++ now\n@@ -2,5 +2,5 @@\n   task: review\n   text:\n     one\n-    two\n+    2\n     three";
        let found = diff(&lines_of(&before), &lines_of(&now));
        assert!(found.contains("-    two\n+    2\n"), "{found}");
        assert!(found.starts_with("--- recorded\n+++ now\n"), "{found} {expected}");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(1_000);
        assert_eq!(short(&long).chars().count(), MAX_LINE + 1);
        let many = "x\n".repeat(100);
        assert!(short(&many).ends_with("… 40 more lines"), "{}", short(&many));
        assert_eq!(lines_of(&json!([])), "");
    }
}
