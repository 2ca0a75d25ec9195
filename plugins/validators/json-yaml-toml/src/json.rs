//! JSON, and the JSON with comments of a few tools.

use std::{collections::BTreeSet, fmt};

use gencode_plugin_sdk::types::{File, Finding};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Judges a JSON file.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let plain;
    let text = if allows_comments(&file.path) {
        plain = without_comments(&file.content);
        plain.as_str()
    } else {
        file.content.as_str()
    };
    let mut twice = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let result = Walk(&mut twice).deserialize(&mut reader).and_then(|()| reader.end());
    if let Err(error) = result {
        let place = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).max(1);
        let message = error.to_string();
        // The place is in the finding's own fields.
        let message = message.split(" at line ").next().unwrap_or_default();
        return vec![
            Finding::error(
                "json.syntax",
                &file.path,
                place(error.line()),
                place(error.column()),
                message,
            )
            .with_hint("Give the whole file again as valid JSON."),
        ];
    }
    twice
        .into_iter()
        .map(|key| {
            let message = format!("the key `{key}` is given twice in one object");
            Finding::warning("json.duplicate-key", &file.path, 0, 0, message)
        })
        .collect()
}

/// Tools that read their settings with comments and trailing commas.
fn allows_comments(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("tsconfig")
        || name.starts_with("jsconfig")
        || name.rsplit('.').next() == Some("jsonc")
        || path.starts_with(".vscode/")
        || path.contains("/.vscode/")
}

/// Blanks comments and trailing commas; every other byte keeps its place.
fn without_comments(text: &str) -> String {
    let mut out: Vec<char> = Vec::with_capacity(text.len());
    // Where a comma stands after which nothing has come yet.
    let mut comma = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('"', _) => {
                comma = None;
                out.push(c);
                let mut escaped = false;
                for c in chars.by_ref() {
                    out.push(c);
                    if c == '"' && !escaped {
                        break;
                    }
                    escaped = c == '\\' && !escaped;
                }
            }
            ('/', Some('/')) => {
                out.push(' ');
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    out.extend(std::iter::repeat_n(' ', c.len_utf8()));
                }
            }
            ('/', Some('*')) => {
                out.push(' ');
                let mut last = ' ';
                let mut opened = false;
                for c in chars.by_ref() {
                    if c == '\n' {
                        out.push(c);
                    } else {
                        out.extend(std::iter::repeat_n(' ', c.len_utf8()));
                    }
                    if opened && last == '*' && c == '/' {
                        break;
                    }
                    // The star of `/*` does not end it.
                    last = if opened { c } else { ' ' };
                    opened = true;
                }
            }
            (',', _) => {
                comma = Some(out.len());
                out.push(c);
            }
            ('}' | ']', _) => {
                if let Some(place) = comma.take().and_then(|at: usize| out.get_mut(at)) {
                    *place = ' ';
                }
                out.push(c);
            }
            _ => {
                if !c.is_whitespace() {
                    comma = None;
                }
                out.push(c);
            }
        }
    }
    out.into_iter().collect()
}

/// Reads any value and notes keys that an object has twice.
struct Walk<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Walk(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key.clone()) {
                self.0.push(key);
            }
            entries.next_value_seed(Walk(&mut *self.0))?;
        }
        Ok(())
    }
}
