//! Rules of the front end.

use gencode_plugin_sdk::types::{File, Finding};

use crate::at;

/// Judges a file of the front end.
pub(crate) fn check(file: &File, findings: &mut Vec<Finding>) {
    let path = file.path.as_str();
    let is_test = path.contains(".test.") || path.contains(".spec.") || path.contains("/test/");
    let is_view =
        path.starts_with("frontend/src/pages/") || path.starts_with("frontend/src/components/");
    let mut offset = 0;
    for line in file.content.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let code = line.trim_start();
        if code.starts_with("//") || code.starts_with('*') || code.starts_with("/*") {
            continue;
        }
        if path.starts_with("frontend/src/api/")
            && !is_test
            && let Some(column) = url_with_port(line)
        {
            findings.push(
                at(file, start + column, "architecture.absolute-url", "the address of one machine stands in the code")
                    .with_hint("Use a path that begins with `/api`; the page and the API have the same origin."),
            );
        }
        if let Some(column) = line.find("../backend/").filter(|_| is_import(line)) {
            findings.push(
                at(
                    file,
                    start + column,
                    "architecture.layers",
                    "the front end imports the back end",
                )
                .with_hint("Let them meet at the HTTP interface only."),
            );
        }
        if is_view
            && !is_test
            && is_import(line)
            && let Some(column) = line.find("data/mock")
        {
            findings.push(
                at(
                    file,
                    start + column,
                    "architecture.mock-import",
                    "a view imports the mock data itself",
                )
                .with_hint("Go through `src/api`, which will talk to the real server."),
            );
        }
        if is_view
            && !is_test
            && let Some(column) = fetch_call(line)
        {
            let mut finding = at(
                file,
                start + column,
                "architecture.direct-request",
                "a view talks to the server itself",
            );
            "warning".clone_into(&mut finding.severity);
            findings.push(finding.with_hint("Go through `src/api`."));
        }
    }
}

fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("import ")
        || line.contains(" from ")
        || line.starts_with("from ")
        || line.contains("import(")
}

/// Where `http://host:1234` begins.
fn url_with_port(line: &str) -> Option<usize> {
    ["http://", "https://", "ws://", "wss://"].iter().find_map(|scheme| {
        line.match_indices(scheme).find_map(|(at, _)| {
            let rest = line.get(at + scheme.len()..)?;
            let host =
                rest.split(|c: char| !(c.is_ascii_alphanumeric() || "-._[]".contains(c))).next()?;
            let port = rest.get(host.len()..)?.strip_prefix(':')?;
            (!host.is_empty() && port.starts_with(|c: char| c.is_ascii_digit())).then_some(at)
        })
    })
}

/// Where `fetch(` begins as a name of its own.
fn fetch_call(line: &str) -> Option<usize> {
    line.match_indices("fetch(").map(|(at, _)| at).find(|&at| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "_$.'\"`".contains(c))
    })
}
