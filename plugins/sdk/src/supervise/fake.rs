//! A host that plays a script, for tests of handlers. It keeps what was asked of it, in order.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use super::Host;
use crate::{
    glob,
    handler::{
        AgentAnswer, AgentRequest, Answer, Authored, CheckReport, StepRequest,
        agents::AgentCall,
        sandbox::{
            AcceptanceReport, AcceptanceRequest, CheckResult, Command, ExecResult, InstallRequest,
        },
    },
    types::{Document, Fault, File, Finding, HostError, Intent},
};

/// A scripted host. Without a script it has no tools, answers no agent, and finds nothing wrong.
#[derive(Debug, Default)]
pub struct Fake {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, String>,
    users: Vec<String>,
    documents: BTreeMap<String, Document>,
    tools: Vec<String>,
    answers: BTreeMap<String, VecDeque<Result<Answer, Fault>>>,
    checks: VecDeque<CheckReport>,
    commands: BTreeMap<String, VecDeque<ExecResult>>,
    browsed: VecDeque<Vec<CheckResult>>,
    acceptance: VecDeque<AcceptanceReport>,
    log: Vec<String>,
    requests: Vec<AgentRequest>,
    accepted: Vec<AcceptanceRequest>,
}

impl Fake {
    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.state.borrow_mut());
        self
    }

    /// A file of the project.
    #[must_use]
    pub fn with_file(self, path: &str, content: &str) -> Self {
        self.with(|state| drop(state.files.insert(path.to_owned(), content.to_owned())))
    }

    /// A file that the user wrote or edited.
    #[must_use]
    pub fn with_users_file(self, path: &str, content: &str) -> Self {
        self.with_file(path, content).with(|state| state.users.push(path.to_owned()))
    }

    /// A document of an earlier step.
    #[must_use]
    pub fn with_document(self, document: Document) -> Self {
        self.with(|state| drop(state.documents.insert(document.name.clone(), document)))
    }

    /// The documents `intent` and `contract` of [`intent`]. The contract is empty but for the intent.
    #[must_use]
    pub fn with_sample(self) -> Self {
        let Ok(intent) = intent() else { return self };
        let contract =
            format!("{{\"openapi\": \"3.1.0\", \"x-gencode-intent\": {}}}", intent.content);
        self.with_document(intent).with_document(Document::text(
            "contract",
            crate::document::JSON,
            contract,
        ))
    }

    /// A toolchain that is there.
    #[must_use]
    pub fn with_tool(self, tool: &str) -> Self {
        self.with(|state| state.tools.push(tool.to_owned()))
    }

    /// The next answer of an agent in a mode, for example `derek/refine`.
    #[must_use]
    pub fn with_answer(self, agent_and_mode: &str, answer: Result<Answer, Fault>) -> Self {
        self.with(|state| {
            state.answers.entry(agent_and_mode.to_owned()).or_default().push_back(answer);
        })
    }

    /// The next answer of an agent in a mode: these files.
    #[must_use]
    pub fn with_files_from(self, agent_and_mode: &str, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|&(path, content)| File::new(path, content)).collect();
        self.with_answer(
            agent_and_mode,
            Ok(Answer::Authored(Authored { files, documents: Vec::new() })),
        )
    }

    /// What the validators find next; when the script is over they find nothing.
    #[must_use]
    pub fn with_check(self, findings: Vec<Finding>, repaired: Vec<File>) -> Self {
        self.with(|state| state.checks.push_back(CheckReport { findings, repaired }))
    }

    /// What a command does next, by its first words, for example `npm run build`. When the script
    /// of a command is over it succeeds and prints nothing.
    #[must_use]
    pub fn with_command(self, words: &str, exit_code: i32, stdout: &str) -> Self {
        let result = ExecResult {
            exit_code,
            stdout: stdout.to_owned(),
            stderr: String::new(),
            timed_out: false,
            duration_ms: 1,
        };
        self.with(|state| state.commands.entry(words.to_owned()).or_default().push_back(result))
    }

    /// What the browser finds next.
    #[must_use]
    pub fn with_pages(self, results: &[(&str, bool, &str)]) -> Self {
        let results = results
            .iter()
            .map(|&(name, passed, detail)| CheckResult {
                name: name.into(),
                passed,
                detail: detail.into(),
            })
            .collect();
        self.with(|state| state.browsed.push_back(results))
    }

    /// What the acceptance run reports next.
    #[must_use]
    pub fn with_acceptance(self, report: AcceptanceReport) -> Self {
        self.with(|state| state.acceptance.push_back(report))
    }

    /// What was asked, in order: `invoke derek/refine (1 findings)`, `check 2`, `stage a.py`, …
    pub fn log(&self) -> Vec<String> {
        self.state.borrow().log.clone()
    }

    /// The log without what was said to the user.
    pub fn deeds(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| !line.starts_with("say ")).collect()
    }

    /// The requests to agents, in order.
    pub fn requests(&self) -> Vec<AgentRequest> {
        self.state.borrow().requests.clone()
    }

    /// The acceptance runs that were asked for.
    pub fn accepted(&self) -> Vec<AcceptanceRequest> {
        self.state.borrow().accepted.clone()
    }

    /// A file as it is now.
    pub fn file(&self, path: &str) -> Option<String> {
        self.state.borrow().files.get(path).cloned()
    }

    /// A document as it is now.
    pub fn left(&self, name: &str) -> Option<Document> {
        self.state.borrow().documents.get(name).cloned()
    }

    fn note(&self, line: String) {
        self.state.borrow_mut().log.push(line);
    }
}

/// A step with three tries.
pub fn step(id: &str) -> StepRequest {
    let mut context = crate::testing::context();
    id.clone_into(&mut context.step_id);
    StepRequest {
        context,
        max_agent_attempts: 3,
        max_output_tokens: 8000,
        max_output_tokens_retry: 10_000,
        message: String::new(),
    }
}

/// The intent of a small application: orders with line items and tags.
pub fn intent() -> Result<Document, Fault> {
    let intent: Intent =
        Document::text("intent", crate::document::JSON, include_str!("sample_intent.json"))
            .read()?;
    Document::json("intent", &intent)
}

fn refused(code: &str, message: impl Into<String>) -> HostError {
    HostError { code: code.to_owned(), message: message.into(), retryable: false }
}

fn fine() -> ExecResult {
    ExecResult {
        exit_code: 0,
        stdout: String::new(),
        stderr: String::new(),
        timed_out: false,
        duration_ms: 1,
    }
}

fn names(files: &[File]) -> String {
    files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>().join(", ")
}

impl Host for Fake {
    fn say(&self, agent: &str, message: &str) {
        self.note(format!("say {agent}: {message}"));
    }

    fn at(&self, _fraction: f32, _activity: &str) {}

    fn invoke(&self, call: &AgentCall) -> Result<Result<AgentAnswer, Fault>, HostError> {
        let key = format!("{}/{}", call.agent, call.request.mode);
        self.note(format!("invoke {key} ({} findings)", call.request.findings.len()));
        let mut state = self.state.borrow_mut();
        state.requests.push(call.request.clone());
        let next = state.answers.get_mut(&key).and_then(VecDeque::pop_front);
        match next {
            Some(answer) => Ok(answer.map(|answer| AgentAnswer {
                thinking: format!("{key} is done."),
                answer,
                usage: Vec::new(),
            })),
            None => Err(refused("failed", format!("the script has no further answer of {key}"))),
        }
    }

    fn check(&self, files: &[File]) -> Result<CheckReport, HostError> {
        self.note(format!("check {}", names(files)));
        let next = self.state.borrow_mut().checks.pop_front();
        Ok(next.unwrap_or_else(|| CheckReport { findings: Vec::new(), repaired: Vec::new() }))
    }

    fn list(&self, globs: &[&str]) -> Result<Vec<String>, HostError> {
        Ok(self.read_all(globs)?.into_iter().map(|file| file.path).collect())
    }

    fn read_all(&self, globs: &[&str]) -> Result<Vec<File>, HostError> {
        let state = self.state.borrow();
        let matching = state
            .files
            .iter()
            .filter(|(path, _)| globs.is_empty() || glob::matches_any(globs, path));
        Ok(matching.map(|(path, content)| File::new(path.clone(), content.clone())).collect())
    }

    fn stage(&self, files: &[File]) -> Result<(), HostError> {
        self.note(format!("stage {}", names(files)));
        let mut state = self.state.borrow_mut();
        state.files.extend(files.iter().map(|file| (file.path.clone(), file.content.clone())));
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        self.note(format!("remove {path}"));
        if self.state.borrow().users.iter().any(|users| users == path) {
            return Err(refused("conflict", format!("{path} is the user's")));
        }
        let gone = self.state.borrow_mut().files.remove(path);
        gone.map(|_| ()).ok_or_else(|| refused("not-found", format!("there is no {path}")))
    }

    fn document(&self, name: &str) -> Result<Document, HostError> {
        let found = self.state.borrow().documents.get(name).cloned();
        found.ok_or_else(|| refused("not-found", format!("there is no document {name}")))
    }

    fn put(&self, document: &Document) -> Result<(), HostError> {
        self.note(format!("put {}", document.name));
        self.state.borrow_mut().documents.insert(document.name.clone(), document.clone());
        Ok(())
    }

    fn available(&self, tool: &str) -> Result<String, HostError> {
        let known = self.state.borrow().tools.iter().any(|known| known == tool);
        if known {
            Ok("1.0".to_owned())
        } else {
            Err(refused("unavailable", format!("install {tool}")))
        }
    }

    fn install(&self, request: &InstallRequest) -> Result<ExecResult, HostError> {
        self.note(format!("install {} in {}/{}", request.ecosystem, request.tree, request.dir));
        let key = format!("install {}", request.ecosystem);
        let next = self.state.borrow_mut().commands.get_mut(&key).and_then(VecDeque::pop_front);
        Ok(next.unwrap_or_else(fine))
    }

    fn exec(&self, command: &Command) -> Result<ExecResult, HostError> {
        let line = command.argv.join(" ");
        self.note(format!("exec {line}"));
        let mut state = self.state.borrow_mut();
        let next = state.commands.iter_mut().find(|(words, _)| line.starts_with(words.as_str()));
        Ok(next.and_then(|(_, results)| results.pop_front()).unwrap_or_else(fine))
    }

    fn accept(&self, request: &AcceptanceRequest) -> Result<AcceptanceReport, HostError> {
        self.note(format!("accept {} checks, {} pages", request.checks.len(), request.pages.len()));
        let mut state = self.state.borrow_mut();
        state.accepted.push(request.clone());
        state
            .acceptance
            .pop_front()
            .ok_or_else(|| refused("failed", "the script has no acceptance report"))
    }

    fn browse(
        &self,
        tree: &str,
        dir: &str,
        pages: &[String],
    ) -> Result<Vec<CheckResult>, HostError> {
        self.note(format!("browse {tree}/{dir} {}", pages.join(" ")));
        let next = self.state.borrow_mut().browsed.pop_front();
        next.ok_or_else(|| refused("unavailable", "install a browser"))
    }
}
