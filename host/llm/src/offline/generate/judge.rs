//! A reviewer that knows rules and no taste: it compares files with the contract and says what it cannot judge.

use serde::Serialize;

use super::{documents::ProjectFile, plan::App};

/// A remark, in the shape of the record `finding`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    code: &'static str,
    severity: &'static str,
    path: String,
    line: usize,
    column: usize,
    message: String,
    hint: String,
}

/// What to change where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Correction {
    pub(super) path: String,
    pub(super) problem: String,
    pub(super) fix: String,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    approved: bool,
    /// 0 to 10; approval begins at 6.
    score: usize,
    findings: Vec<Finding>,
    corrections: Vec<Correction>,
    feedback: String,
}

/// Text that must not be in a file, where, and why.
const FORBIDDEN: [(&str, &str, &str); 9] = [
    ("NotImplementedError", ".py", "the code is not implemented"),
    ("eval(", ".py", "text is run as code"),
    ("shell=True", ".py", "a command is run by a shell"),
    ("verify=False", ".py", "certificates are not checked"),
    ("dangerouslySetInnerHTML", ".tsx", "markup from data reaches the page"),
    ("eval(", ".ts", "text is run as code"),
    ("console.log(", ".ts", "debug output is left"),
    ("@ts-ignore", ".ts", "the type check is switched off"),
    ("lorem ipsum", "", "filler text is left"),
];

/// Judges the files of a step. `partial` files are a change, so that not every entity has to be among them.
pub(super) fn review(app: &App, files: &[ProjectFile], partial: bool) -> Verdict {
    let mut findings: Vec<Finding> = files.iter().flat_map(forbidden).collect();
    for file in files {
        findings.extend(conventions(app, file));
    }
    if !partial {
        findings.extend(missing(app, files));
    }
    verdict(
        findings,
        &format!(
            "{} files were compared with the contract: entities, routes, forbidden patterns. \
             The offline model judges by rules; whether the result pleases is for people to say.",
            files.len()
        ),
    )
}

/// Judges the front end by what a browser reported and by what its sources lack.
pub(super) fn visual_review(app: &App, files: &[ProjectFile], reported: &[Reported]) -> Verdict {
    let mut findings: Vec<Finding> = reported
        .iter()
        .map(|report| Finding {
            code: "browser.report",
            severity: if report.severity == "error" { "error" } else { "warning" },
            path: report.path.clone(),
            line: 0,
            column: 0,
            message: report.message.clone(),
            hint: "Open the page and repair what the browser reports.".to_owned(),
        })
        .collect();
    let pages: Vec<&ProjectFile> =
        files.iter().filter(|file| file.path.starts_with("frontend/src/pages/")).collect();
    if !pages.is_empty() {
        for entity in &app.entities {
            let shown = pages
                .iter()
                .any(|page| page.path.contains(&format!("{}ListPage", entity.brief.name)));
            if !shown {
                let path = format!("frontend/src/pages/{}", entity.brief.plural);
                findings.push(error(
                    "ui.missing-page",
                    &path,
                    format!("{} has no page", entity.brief.label_plural),
                ));
            }
        }
        for page in pages.iter().filter(|page| page.path.ends_with("ListPage.tsx")) {
            for state in ["Loading", "EmptyState", "ErrorState"] {
                if !page.content.contains(state) {
                    findings.push(error(
                        "ui.missing-state",
                        &page.path,
                        format!("{state} is never shown"),
                    ));
                }
            }
        }
    }
    verdict(
        findings,
        "The browser's reports and the sources of the pages were read; the offline model does not see the picture itself.",
    )
}

/// What a browser reported, as the document `findings` carries it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(default)]
pub(super) struct Reported {
    pub(super) severity: String,
    pub(super) path: String,
    pub(super) message: String,
}

impl Default for Reported {
    fn default() -> Self {
        Self { severity: "error".to_owned(), path: String::new(), message: String::new() }
    }
}

fn error(code: &'static str, path: &str, message: String) -> Finding {
    Finding {
        code,
        severity: "error",
        path: path.to_owned(),
        line: 0,
        column: 0,
        message,
        hint: String::new(),
    }
}

fn verdict(findings: Vec<Finding>, feedback: &str) -> Verdict {
    let errors = findings.iter().filter(|finding| finding.severity == "error").count();
    let remarks = findings.len() - errors;
    let corrections = findings
        .iter()
        .filter(|finding| finding.severity == "error")
        .map(|finding| Correction {
            path: finding.path.clone(),
            problem: finding.message.clone(),
            fix: if finding.hint.is_empty() {
                "Write it as the contract says.".to_owned()
            } else {
                finding.hint.clone()
            },
        })
        .collect();
    let score = if errors > 0 {
        5_usize.saturating_sub(errors)
    } else {
        9_usize.saturating_sub(remarks).max(6)
    };
    Verdict { approved: errors == 0, score, findings, corrections, feedback: feedback.to_owned() }
}

fn forbidden(file: &ProjectFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.content.lines()) {
        for (pattern, extension, why) in FORBIDDEN {
            // Types of files that hold the other one: `.tsx` is also TypeScript.
            let applies = file.path.ends_with(extension)
                || (extension == ".ts"
                    && file.path.strip_suffix('x').is_some_and(|path| path.ends_with(extension)));
            if let Some(column) = line.find(pattern).filter(|_| applies) {
                let mut finding =
                    error("review.forbidden", &file.path, format!("`{pattern}`: {why}"));
                (finding.line, finding.column) = (number, column + 1);
                findings.push(finding);
            }
        }
    }
    findings
}

/// What a router or a client module must hold.
fn conventions(app: &App, file: &ProjectFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut need = |what: &str, message: String| {
        if !file.content.contains(what) {
            findings.push(error("review.incomplete", &file.path, message));
        }
    };
    for entity in &app.entities {
        let (plural, path) = (&entity.brief.plural, &entity.brief.path);
        if file.path == format!("backend/app/routers/{plural}.py") {
            need(&format!("/{path}"), format!("the router does not serve /api/{path}"));
            for method in ["get", "post", "put", "patch", "delete"] {
                need(
                    &format!("@router.{method}("),
                    format!("there is no {} route", method.to_uppercase()),
                );
            }
        }
        let is_client = file.path == format!("frontend/src/api/{plural}.ts");
        if is_client && !file.content.contains("data/mock") {
            need(&format!("/api/{path}"), format!("the client does not call /api/{path}"));
        }
    }
    findings
}

/// A family of files: where one is, there must be one for every entity.
const FAMILIES: [(&str, &str, &str); 6] = [
    ("backend/app/routers/", ".py", "router"),
    ("backend/tests/test_", ".py", "test of the back end"),
    ("frontend/src/api/", ".ts", "client module"),
    ("frontend/src/pages/", "ListPage.tsx", "list page"),
    ("frontend/src/pages/", "FormPage.tsx", "form"),
    ("frontend/src/pages/", "DetailPage.tsx", "detail page"),
];

fn missing(app: &App, files: &[ProjectFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, end, what) in FAMILIES {
        let expected: Vec<(String, &str)> = app
            .entities
            .iter()
            .map(|entity| {
                let brief = &entity.brief;
                let path = if end.ends_with("Page.tsx") {
                    format!("{folder}{}/{}{end}", brief.plural, brief.name)
                } else {
                    format!("{folder}{}{end}", brief.plural)
                };
                (path, brief.name.as_str())
            })
            .collect();
        let is_there = |path: &str| files.iter().any(|file| file.path == path);
        if expected.iter().any(|(path, _)| is_there(path)) {
            let absent = expected.iter().filter(|(path, _)| !is_there(path));
            findings.extend(absent.map(|(path, name)| {
                error("review.missing", path, format!("{name} has no {what}"))
            }));
        }
    }
    for (path, suffix, what) in
        [("backend/app/models.py", "(", "model"), ("backend/app/schemas.py", "Read(", "schema")]
    {
        for file in files.iter().filter(|file| file.path == path) {
            for entity in &app.entities {
                if !file.content.contains(&format!("class {}{suffix}", entity.brief.name)) {
                    findings.push(error(
                        "review.missing",
                        path,
                        format!("{} has no {what}", entity.brief.name),
                    ));
                }
            }
        }
    }
    findings
}
