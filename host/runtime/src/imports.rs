//! The functions a guest can call: each becomes a [`HostCall`] and goes through [`CallState::ask`].

use wasmtime::component::{HasSelf, Linker};

use crate::{
    bindings::handler::{
        Handler,
        gencode::plugin::{
            agent_types, agents, ask_user, clock, config, context, handler_types, llm, log, memory,
            progress, random, sandbox, types, validator_types, validators, workspace_read,
            workspace_write,
        },
    },
    host::{HostCall, HostReply, LogLevel},
    state::CallState,
    types::{
        AcceptanceReport, AcceptanceRequest, AgentAnswer, AgentCall, CheckReport, CheckResult,
        Command, Completion, CompletionRequest, Document, ExecResult, Fault, File, FileInfo,
        HostError, InstallRequest, Question,
    },
};

/// What a fallible import returns: the outer error ends the guest, the inner one is told to it.
type Reply<T> = wasmtime::Result<Result<T, HostError>>;

/// Adds every interface of the contract. What a plugin may really do is checked per call.
pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    Handler::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// Asks the engine and takes the variant of the reply that belongs to the call.
macro_rules! ask {
    ($state:expr, $call:expr, $variant:ident) => {{
        let reply = $state.ask($call).await?;
        $state.take(reply, |reply| match reply {
            HostReply::$variant(value) => Some(value),
            _ => None,
        })
    }};
    ($state:expr, $call:expr) => {{
        let reply = $state.ask($call).await?;
        $state.take(reply, |reply| matches!(reply, HostReply::Done).then_some(()))
    }};
}

impl types::Host for CallState {}
impl agent_types::Host for CallState {}
impl handler_types::Host for CallState {}
impl validator_types::Host for CallState {}

impl log::Host for CallState {
    async fn write(&mut self, level: String, message: String) -> wasmtime::Result<()> {
        self.note(LogLevel::named(&level), &message);
        Ok(())
    }
}

impl llm::Host for CallState {
    async fn complete(&mut self, request: CompletionRequest) -> Reply<Completion> {
        ask!(self, HostCall::Complete(request), Completion)
    }
}

impl workspace_read::Host for CallState {
    async fn list(&mut self, globs: Vec<String>) -> Reply<Vec<FileInfo>> {
        ask!(self, HostCall::List { globs }, Files)
    }

    async fn read(&mut self, path: String) -> Reply<String> {
        ask!(self, HostCall::Read { path }, Text)
    }

    async fn read_all(&mut self, globs: Vec<String>) -> Reply<Vec<File>> {
        ask!(self, HostCall::ReadAll { globs }, Contents)
    }
}

impl workspace_write::Host for CallState {
    async fn stage(&mut self, files: Vec<File>) -> Reply<()> {
        ask!(self, HostCall::Stage { files })
    }

    async fn remove(&mut self, path: String) -> Reply<()> {
        ask!(self, HostCall::Remove { path })
    }
}

impl agents::Host for CallState {
    async fn invoke(&mut self, call: AgentCall) -> Reply<Result<AgentAnswer, Fault>> {
        let reply = self.ask(HostCall::Invoke(vec![call])).await?;
        self.take(reply, |reply| match reply {
            HostReply::Answers(answers) => <[_; 1]>::try_from(answers).ok().map(|[one]| one),
            _ => None,
        })
    }

    async fn invoke_all(
        &mut self,
        calls: Vec<AgentCall>,
    ) -> Reply<Vec<Result<AgentAnswer, Fault>>> {
        let count = calls.len();
        let reply = self.ask(HostCall::Invoke(calls)).await?;
        self.take(reply, |reply| match reply {
            HostReply::Answers(answers) if answers.len() == count => Some(answers),
            _ => None,
        })
    }
}

impl validators::Host for CallState {
    async fn check(&mut self, files: Vec<File>) -> Reply<CheckReport> {
        ask!(self, HostCall::Check { files }, Checked)
    }
}

impl sandbox::Host for CallState {
    async fn available(&mut self, tool: String) -> Reply<String> {
        ask!(self, HostCall::Available { tool }, Text)
    }

    async fn install(&mut self, request: InstallRequest) -> Reply<ExecResult> {
        ask!(self, HostCall::Install(request), Executed)
    }

    async fn exec(&mut self, command: Command) -> Reply<ExecResult> {
        ask!(self, HostCall::Exec(command), Executed)
    }

    async fn accept(&mut self, request: AcceptanceRequest) -> Reply<AcceptanceReport> {
        ask!(self, HostCall::Accept(request), Accepted)
    }

    async fn browse(
        &mut self,
        tree: String,
        dir: String,
        pages: Vec<String>,
    ) -> Reply<Vec<CheckResult>> {
        ask!(self, HostCall::Browse { tree, dir, pages }, Pages)
    }
}

impl progress::Host for CallState {
    async fn say(&mut self, agent: String, message: String) -> wasmtime::Result<()> {
        self.tell(HostCall::Say { agent, message }).await
    }

    async fn at(&mut self, fraction: f32, activity: String) -> wasmtime::Result<()> {
        // JSON has no NaN, and the journal is JSON.
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        self.tell(HostCall::At { fraction, activity }).await
    }
}

impl ask_user::Host for CallState {
    async fn ask(&mut self, question: Question) -> Reply<String> {
        ask!(self, HostCall::Ask(question), Text)
    }
}

impl context::Host for CallState {
    async fn get(&mut self, name: String) -> Reply<Document> {
        ask!(self, HostCall::GetDocument { name }, Document)
    }

    async fn put(&mut self, document: Document) -> Reply<()> {
        ask!(self, HostCall::PutDocument(document))
    }
}

impl memory::Host for CallState {
    async fn get(&mut self, key: String) -> Reply<Option<String>> {
        ask!(self, HostCall::MemoryGet { key }, Value)
    }

    async fn put(&mut self, key: String, value: String) -> Reply<()> {
        ask!(self, HostCall::MemoryPut { key, value })
    }
}

impl clock::Host for CallState {
    async fn now(&mut self) -> Reply<u64> {
        ask!(self, HostCall::Now, Time)
    }
}

impl random::Host for CallState {
    async fn bytes(&mut self, length: u32) -> Reply<Vec<u8>> {
        let reply = CallState::ask(self, HostCall::Random { length }).await?;
        self.take(reply, |reply| match reply {
            HostReply::Bytes(bytes) if u32::try_from(bytes.len()) == Ok(length) => Some(bytes),
            _ => None,
        })
    }
}

impl config::Host for CallState {
    async fn get(&mut self) -> Reply<String> {
        ask!(self, HostCall::Config, Text)
    }
}
