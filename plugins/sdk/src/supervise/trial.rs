//! Test runs, and the loop of diagnosis and repair when they fail.
//!
//! Tests are evidence: a repair may change one only where the diagnosis names it, and never so
//! that it checks less.

use super::{
    DEREK, Host, LUNA, MARCUS, Task, Worker, call, is_answers_fault,
    project::{documents, missing_tool, tail},
    report, wiring, work,
};
use crate::{
    handler::{
        AgentRequest, Answer, StepRequest,
        sandbox::{Command, ExecResult, InstallRequest},
    },
    types::{Document, Fault, File, Finding, TestReport},
};

/// Repairs of one suite in one step.
pub const MAX_REPAIRS: u32 = 3;

/// Longest that one command may take.
const COMMAND_MS: u32 = 600_000;

/// Characters of a failure that a model reads.
const FAILURE: usize = 12_000;

/// Characters of a failure that a person reads in a fault.
const EXCERPT: usize = 2_000;

/// One of the two halves of the application, with its tools and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    Backend,
    Frontend,
}

/// What is the same for all runs of a suite.
struct Facts {
    name: &'static str,
    tool: &'static str,
    fixer: Worker,
    mode: &'static str,
    /// What the diagnosis sees.
    sources: &'static [&'static str],
    /// What a repair may write.
    writes: &'static [&'static str],
}

/// Result of one run.
#[derive(Debug, Clone, PartialEq)]
pub enum Ran {
    Passed(TestReport),
    /// The numbers, and what a diagnosis needs to read.
    Failed(TestReport, String),
}

impl Suite {
    const fn facts(self) -> Facts {
        match self {
            Self::Backend => Facts {
                name: "backend",
                tool: "python",
                fixer: DEREK,
                mode: "backend_fix",
                sources: &["backend/app/**/*.py", "backend/tests/*.py"],
                writes: &[
                    "backend/app/{models,schemas,auth}.py",
                    "backend/app/routers/*.py",
                    "backend/tests/*.py",
                ],
            },
            Self::Frontend => Facts {
                name: "frontend",
                tool: "node",
                fixer: LUNA,
                mode: "frontend_fix",
                sources: &["frontend/src/**/*.{ts,tsx,css}"],
                writes: &["frontend/src/**"],
            },
        }
    }

    /// The name in reports, also the folder and the tree.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Globs of the files that a repair may write.
    pub const fn writes(self) -> &'static [&'static str] {
        self.facts().writes
    }

    /// Why the suite cannot be run here, if it cannot.
    pub fn missing(self, host: &impl Host) -> Result<Option<String>, Fault> {
        missing_tool(host, &[self.facts().tool])
    }

    /// Installs what the lock file says. Fault: `install-failed`.
    pub fn install(self, host: &impl Host, tree: &str) -> Result<(), Fault> {
        let Facts { name, tool, .. } = self.facts();
        host.at(0.3, &format!("installing the dependencies of the {name}"));
        let request =
            InstallRequest { tree: tree.into(), ecosystem: tool.into(), dir: name.into() };
        let done = host.install(&request)?;
        if done.exit_code == 0 && !done.timed_out {
            return Ok(());
        }
        // The registry may answer next time.
        Err(Fault::retryable(
            "install-failed",
            format!(
                "the dependencies of the {name} could not be installed: {}",
                tail(&printed(&done), EXCERPT)
            ),
        ))
    }

    /// Builds the front end, type check included. The failure is what the tools printed.
    pub fn build(host: &impl Host, tree: &str) -> Result<Option<String>, Fault> {
        host.at(0.5, "building the front end");
        let done = host.exec(&command(tree, "frontend", &["npm", "run", "build"]))?;
        Ok(failure_of(&done, "npm run build"))
    }

    /// Runs the tests once; the front end is built first.
    pub fn run(self, host: &impl Host, tree: &str) -> Result<Ran, Fault> {
        let (done, parsed) = match self {
            Self::Backend => {
                host.at(0.6, "running the back-end tests");
                // The options of `pytest.ini` would leave the summary out when added to `-q`.
                let argv = [
                    "python",
                    "-m",
                    "pytest",
                    "-o",
                    "addopts=",
                    "-p",
                    "no:cacheprovider",
                    "-q",
                    "-rfE",
                    "--tb=short",
                    "--color=no",
                ];
                let done = host.exec(&command(tree, "backend", &argv))?;
                let parsed = report::pytest(&done.stdout);
                (done, parsed)
            }
            Self::Frontend => {
                if let Some(output) = Self::build(host, tree)? {
                    return Ok(Ran::Failed(report::unknown(&output), output));
                }
                host.at(0.7, "running the front-end tests");
                let done =
                    host.exec(&command(tree, "frontend", &["vitest", "run", "--reporter=json"]))?;
                let parsed = report::vitest(&done.stdout);
                (done, parsed)
            }
        };
        Ok(judge(self, &done, parsed))
    }

    /// Runs the tests and has failures repaired until they pass. Answers the last report and what
    /// was repaired. Fault: `tests-failed`, with the end of the output.
    pub fn until_green(
        self,
        host: &impl Host,
        step: &StepRequest,
        tree: &str,
    ) -> Result<(TestReport, Vec<Finding>), Fault> {
        let name = self.facts().name;
        let mut repairs = Vec::new();
        let mut round = 0;
        loop {
            let (report, output) = match self.run(host, tree)? {
                Ran::Passed(report) => return Ok((report, repairs)),
                Ran::Failed(report, output) => (report, output),
            };
            if round == MAX_REPAIRS {
                return Err(Fault::permanent(
                    "tests-failed",
                    format!(
                        "the {name} still fails after {MAX_REPAIRS} repairs ({} failed, {} passed): {}",
                        report.failed,
                        report.passed,
                        tail(&output, EXCERPT)
                    ),
                ));
            }
            round += 1;
            host.say(
                "System",
                &format!("The {name} fails ({} failed, {} passed).", report.failed, report.passed),
            );
            repairs.push(self.repair(host, step, &output)?);
        }
    }

    /// One round of diagnosis and repair. What is repaired is staged; the answer is a remark.
    fn repair(self, host: &impl Host, step: &StepRequest, output: &str) -> Result<Finding, Fault> {
        let Facts { name, fixer, mode, sources, writes, .. } = self.facts();
        let mut known = documents(host, &["intent", "contract"])?;
        known.push(Document::text("failure", "text/plain", tail(output, FAILURE)));
        let files = host.read_all(sources)?;
        let (cause, corrections) = diagnose(host, step, &known, &files, output)?;
        let named: Vec<&str> = corrections.iter().map(|finding| finding.path.as_str()).collect();
        let check = |written: &[File], _: &[Document]| guard_tests(written, &files, &named);
        let approved = work(
            host,
            step,
            &Task {
                worker: fixer,
                mode,
                instructions: &format!("The diagnosis: {cause}"),
                documents: &known,
                files: &files,
                findings: &corrections,
                writes,
                review: None,
                check: Some(&check),
            },
        )?;
        host.stage(&approved.files)?;
        if self == Self::Backend {
            wiring::wire(host)?;
        }
        let paths: Vec<&str> = approved.files.iter().map(|file| file.path.as_str()).collect();
        Ok(Finding::info(
            "repair",
            "",
            0,
            0,
            format!("{name}: {cause} Changed: {}.", paths.join(", ")),
        ))
    }
}

/// Cause and corrections, from the lead. A diagnosis that cannot be read leaves the failure itself
/// as the finding; then no test may be touched.
fn diagnose(
    host: &impl Host,
    step: &StepRequest,
    documents: &[Document],
    files: &[File],
    output: &str,
) -> Result<(String, Vec<Finding>), Fault> {
    let request = AgentRequest {
        context: step.context.clone(),
        mode: "diagnosis".to_owned(),
        instructions: String::new(),
        documents: documents.to_vec(),
        files: files.to_vec(),
        findings: Vec::new(),
        max_output_tokens: step.max_output_tokens,
    };
    match call(host, MARCUS, request) {
        Ok(answer) => {
            host.say(MARCUS.persona, &answer.thinking);
            let Answer::Diagnosed(diagnosis) = answer.answer else {
                return Err(Fault::permanent(
                    "wrong-answer",
                    "a diagnosis was asked for and something else came",
                ));
            };
            let corrections = diagnosis
                .corrections
                .into_iter()
                .map(|c| {
                    Finding::error("diagnosis.correction", &c.path, 0, 0, c.problem)
                        .with_hint(c.fix)
                })
                .collect();
            Ok((diagnosis.root_cause, corrections))
        }
        Err(fault) if is_answers_fault(&fault) => Ok((
            "none could be read; the output of the run is all there is.".to_owned(),
            vec![Finding::error("test.failed", "", 0, 0, tail(output, EXCERPT))],
        )),
        Err(fault) => Err(fault),
    }
}

/// Findings about tests that a repair may not change, or that it made weaker.
pub fn guard_tests(written: &[File], before: &[File], named: &[&str]) -> Vec<Finding> {
    written
        .iter()
        .filter(|file| is_test(&file.path))
        .filter_map(|file| {
            let old = before.iter().find(|old| old.path == file.path)?;
            if old.content == file.content {
                None
            } else if !named.contains(&file.path.as_str()) {
                Some(
                    Finding::error(
                        "tests.changed",
                        &file.path,
                        0,
                        0,
                        "the diagnosis does not name this test",
                    )
                    .with_hint("leave the test as it is and repair what it tests"),
                )
            } else if weaker(&old.content, &file.content) {
                Some(
                    Finding::error(
                        "tests.weakened",
                        &file.path,
                        0,
                        0,
                        "the test checks less than before",
                    )
                    .with_hint(
                        "keep every case and every assertion; correct only the wrong expectation",
                    ),
                )
            } else {
                None
            }
        })
        .collect()
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("backend/tests/") || name.contains(".test.") || name.contains(".spec.")
}

/// Whether a test has fewer cases or assertions than before, or more that are left out or empty.
fn weaker(old: &str, new: &str) -> bool {
    let count = |text: &str, words: &[&str]| -> usize {
        words.iter().map(|word| text.matches(word).count()).sum()
    };
    let fewer = |words: &[&str]| count(new, words) < count(old, words);
    let more = |words: &[&str]| count(new, words) > count(old, words);
    fewer(&["def test_", "it(", "test(", "it.each", "test.each", "parametrize("])
        || fewer(&["assert ", "expect(", "pytest.raises"])
        || more(&[
            ".skip",
            "skipif",
            "xfail",
            ".todo",
            ".only",
            "assert True",
            "expect(true)",
            "or True",
        ])
}

fn judge(suite: Suite, done: &ExecResult, parsed: Option<TestReport>) -> Ran {
    let output = printed(done);
    let Some(mut report) = parsed else {
        return Ran::Failed(report::unknown(&output), timed(done, output));
    };
    let clean = done.exit_code == 0 && !done.timed_out;
    if clean && report.failed == 0 && report.passed > 0 {
        return Ran::Passed(report);
    }
    if report.failed == 0 {
        // It says nothing failed, yet it did not succeed, or there was nothing to run.
        report.failed = 1;
        let reason =
            if clean { "no test was run".to_owned() } else { tail(&output, EXCERPT).to_owned() };
        report.failures.push(reason);
    }
    // The report of the front end is JSON for machines; people and models read its failures.
    let output = match suite {
        Suite::Backend => output,
        Suite::Frontend => {
            format!("{}\n{}", report.failures.join("\n\n"), tail(&done.stderr, EXCERPT))
        }
    };
    Ran::Failed(report, timed(done, output))
}

fn timed(done: &ExecResult, output: String) -> String {
    if done.timed_out { format!("{output}\nstopped after {} ms", done.duration_ms) } else { output }
}

/// What a command printed if it failed.
pub fn failure_of(done: &ExecResult, what: &str) -> Option<String> {
    if done.exit_code == 0 && !done.timed_out {
        return None;
    }
    Some(timed(
        done,
        format!("`{what}` ended with {}:\n{}", done.exit_code, tail(&printed(done), FAILURE)),
    ))
}

fn printed(done: &ExecResult) -> String {
    [done.stdout.trim_end(), done.stderr.trim_end()]
        .iter()
        .filter(|stream| !stream.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

/// A command in a folder of a tree.
pub fn command(tree: &str, cwd: &str, argv: &[&str]) -> Command {
    Command {
        tree: tree.to_owned(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        cwd: cwd.to_owned(),
        env: vec![("CI".to_owned(), "1".to_owned())],
        timeout_ms: COMMAND_MS,
    }
}

#[cfg(test)]
mod tests;
