//! JSON, YAML and TOML files that can be read.

mod json;

use gencode_plugin_sdk::{
    export_validator,
    finding::position,
    types::{Fault, File, Finding},
    validator::{CheckReport, CheckRequest, Description, Validator},
};
use serde::de::IgnoredAny;

struct JsonYamlToml;

impl Validator for JsonYamlToml {
    fn describe() -> Description {
        Description::per_file(
            "json-yaml-toml",
            "JSON, YAML and TOML files that can be read.",
            &["**/*.{json,jsonc,webmanifest,yaml,yml,toml}"],
        )
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        Ok(CheckReport::per_file(&request.files, |file| {
            match file.path.rsplit('.').next().unwrap_or_default() {
                "yaml" | "yml" => yaml(file),
                "toml" => toml(file),
                _ => json::check(file),
            }
        }))
    }
}

fn yaml(file: &File) -> Vec<Finding> {
    // Several documents in one file are usual.
    let Err(error) = serde_saphyr::from_multiple::<IgnoredAny>(&file.content) else {
        return Vec::new();
    };
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let (line, column) = error
        .location()
        .map_or((0, 0), |location| (number(location.line()), number(location.column())));
    vec![
        Finding::error("yaml.syntax", &file.path, line, column, first_line(&error.to_string()))
            .with_hint("Give the whole file again as valid YAML."),
    ]
}

fn toml(file: &File) -> Vec<Finding> {
    let Err(error) = file.content.parse::<toml::Table>() else { return Vec::new() };
    let (line, column) = error.span().map_or((0, 0), |span| position(&file.content, span.start));
    vec![
        Finding::error("toml.syntax", &file.path, line, column, error.message().replace('\n', " "))
            .with_hint("Give the whole file again as valid TOML."),
    ]
}

/// Parsers like to draw the place below their message; a finding has fields for it.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

export_validator!(JsonYamlToml);

#[cfg(test)]
mod tests {
    use gencode_plugin_sdk::testing::check;

    use super::*;

    fn found(path: &str, content: &str) -> Vec<String> {
        let report = check::<JsonYamlToml>(&[(path, content)], Vec::new()).unwrap();
        report
            .findings
            .into_iter()
            .map(|f| {
                assert!(!f.message.is_empty() && !f.message.contains('\n'), "{}", f.message);
                format!("{} {}:{}", f.code, f.line, f.column)
            })
            .collect()
    }

    #[test]
    fn good_files_pass() {
        for (path, good) in [
            ("a.json", "{\"a\": [1, 2.5e3, null, \"\\u00e4\\n\\\"\"], \"b\": {}}\n"),
            ("a.json", "[]"),
            (
                "frontend/tsconfig.json",
                "{\n  // why\n  \"a\": \"// no comment /* */\", /* x */\n  \"b\": [1,],\n}\n",
            ),
            ("frontend/tsconfig.app.json", "/* a */ {}\n"),
            (
                "a.yaml",
                "services:\n  app:\n    build: .\n    ports: [\"8000:8000\"]\n    env: &e\n      A: it's\n    more: *e\n",
            ),
            ("a.yml", "--- \na: 1\n---\nb: |\n  text: {{\n"),
            ("docker-compose.yml", "x:\n  test: [\"CMD-SHELL\", \"pg_isready -U ${USER:-app}\"]\n"),
            ("a.yaml", "# nothing\n"),
            ("pyproject.toml", "[project]\nname = \"x\"\n[tool.a]\nb = [1, 2]\nd = 2020-01-01\n"),
        ] {
            assert_eq!(found(path, good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn bad_files_have_a_place() {
        assert_eq!(found("a.json", "{\n  \"a\": 1,\n}\n"), ["json.syntax 3:1"]);
        assert_eq!(found("a.json", "{\"a\": 1"), ["json.syntax 1:7"]);
        assert_eq!(found("a.json", "{\"a\": 'x'}"), ["json.syntax 1:7"]);
        assert_eq!(found("a.json", "{} {}"), ["json.syntax 1:4"]);
        assert_eq!(found("a.json", ""), ["json.syntax 1:1"]);
        assert_eq!(found("package.json", "{ // no\n}"), ["json.syntax 1:3"]);
        assert_eq!(found("tsconfig.json", "{\n  // a\n  \"a\" 1\n}"), ["json.syntax 3:7"]);
        assert_eq!(found("a.toml", "a = 1\nb = \n"), ["toml.syntax 2:5"]);
        assert_eq!(found("a.toml", "a = 1\na = 2\n"), ["toml.syntax 2:1"]);
        for bad in [
            "a: [1, 2\nb: 3\n",
            "a: 1\n  b: 2\n",
            "a: \"x\n",
            "a: *missing\n",
            "a:\n\tb: 1\n",
            "a: 1\na: 2\n",
        ] {
            let found = found("a.yaml", bad);
            assert!(found.len() == 1 && found[0].starts_with("yaml.syntax"), "{bad:?}: {found:?}");
            assert!(!found[0].ends_with(" 0:0"), "{bad:?}: {found:?}");
        }
    }

    #[test]
    fn a_key_given_twice_is_a_warning() {
        assert_eq!(
            found("a.json", "{\"a\": {\"b\": 1, \"b\": 2}, \"a\": 1}"),
            ["json.duplicate-key 0:0", "json.duplicate-key 0:0"]
        );
        assert_eq!(found("a.json", "[{\"a\": 1}, {\"a\": 1}]"), Vec::<String>::new());
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        assert_eq!(found("a.json", &"[".repeat(100_000)).len(), 1);
        assert_eq!(found("a.yaml", &"[".repeat(10_000)).len(), 1);
        assert_eq!(found("a.toml", &format!("a = {}", "[".repeat(10_000))).len(), 1);
    }
}
