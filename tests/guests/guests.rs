//! Builds the guests of this folder. Used by every test crate that needs one:
//! `#[path = "…/tests/guests/guests.rs"] mod guests;`

use std::{fs, path::Path};

use gencode_core::plugin::PluginKind;
use gencode_runtime::build::{WasiImports, componentize, embed_world};

/// The component of `<name>.wat`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|dir| dir.join("tests/guests").join(format!("{name}.wat")))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("there is no guest `{name}`"));
    from_text(name, &fs::read_to_string(path).unwrap())
}

/// The component of a module in text form, with the notes at its beginning that a file has.
pub(crate) fn from_text(name: &str, text: &str) -> Vec<u8> {
    let kind = kind(text);
    let module =
        wat::parse_str(text.replace("(; prelude ;)", include_str!("prelude.wat"))).unwrap();
    let module = embed_world(&module, kind).unwrap();
    componentize(&module, &manifest(name, text), kind, WasiImports::Refuse).unwrap()
}

fn kind(text: &str) -> PluginKind {
    match note(text, "kind") {
        "agent" => PluginKind::Agent,
        "handler" => PluginKind::Handler,
        "validator" => PluginKind::Validator,
        other => panic!("`{other}` is not a kind of plugin"),
    }
}

/// The `plugin.toml` that the notes describe.
pub(crate) fn manifest(name: &str, text: &str) -> String {
    let mut toml = format!(
        "id = \"{name}\"
kind = \"{}\"
version = \"0.1.0\"
contract = \"0.1.0\"
\
         summary = \"A test guest.\"
[capabilities]
",
        kind(text)
    );
    for capability in note(text, "capabilities").split(',').map(str::trim) {
        if !capability.is_empty() {
            toml.push_str(capability);
            toml.push_str(
                " = {}
",
            );
        }
    }
    toml
}

fn note<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!(";; {name}:");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().trim()
}
