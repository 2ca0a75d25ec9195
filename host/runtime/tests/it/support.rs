//! A runtime, a host that does as it is told, and requests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use gencode_core::plugin::{Capability, Grants, PluginKind};
use gencode_runtime::{
    Call, CallError, CallLimits, Host, HostCall, HostFailure, HostReply, LogLevel, Plugin, Runtime,
    RuntimeConfig,
    types::{
        AgentAnswer, AgentRequest, CheckReport, CheckRequest, Fault, HostError, RunContext,
        StepRequest,
    },
};

pub(crate) type Answer = Result<Result<HostReply, HostError>, HostFailure>;

type Answering = dyn Fn(u64, &HostCall) -> Answer + Send + Sync;

/// A runtime with a cache of its own.
pub(crate) struct World {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) cache: tempfile::TempDir,
}

pub(crate) fn world() -> World {
    let cache = tempfile::tempdir().unwrap();
    World { runtime: runtime(cache.path()), cache }
}

pub(crate) fn runtime(cache: &std::path::Path) -> Arc<Runtime> {
    Arc::new(Runtime::new(RuntimeConfig::new(cache)).unwrap())
}

/// Answers host calls with a function and remembers what it saw.
pub(crate) struct TestHost {
    answer: Box<Answering>,
    pub(crate) calls: Mutex<Vec<(u64, HostCall)>>,
    pub(crate) lines: Mutex<Vec<(LogLevel, String)>>,
    pub(crate) denied: Mutex<Vec<Capability>>,
}

impl TestHost {
    pub(crate) fn new(
        answer: impl Fn(u64, &HostCall) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            calls: Mutex::default(),
            lines: Mutex::default(),
            denied: Mutex::default(),
        })
    }

    /// For guests that must not ask for anything.
    pub(crate) fn silent() -> Arc<Self> {
        Self::new(|_, call| panic!("nobody should ask {call:?}"))
    }
}

#[async_trait]
impl Host for TestHost {
    async fn call(&self, seq: u64, call: HostCall) -> Answer {
        let answer = (self.answer)(seq, &call);
        self.calls.lock().unwrap().push((seq, call));
        answer
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.lines.lock().unwrap().push((level, message.to_owned()));
    }

    fn denied(&self, capability: Capability) {
        self.denied.lock().unwrap().push(capability);
    }
}

/// A call with everything granted that the manifest asks for, and a second on the processor.
pub(crate) fn call(plugin: &Plugin, host: Arc<TestHost>) -> Call {
    let kind = plugin.manifest.kind;
    let cpu = Duration::from_secs(1);
    // Tests share their machine with others; where time on the wall matters they say so.
    let deadline = Duration::from_mins(5);
    let limits = CallLimits { cpu, deadline, ..CallLimits::of_kind(kind) };
    Call { grants: Grants::meet(&plugin.manifest, None), limits, host }
}

pub(crate) fn context() -> RunContext {
    RunContext {
        project_id: "demo".to_owned(),
        run_id: "run_1".to_owned(),
        step_id: "analysis".to_owned(),
        attempt: 1,
        request: "a task manager".to_owned(),
        provider: "offline".to_owned(),
        model: "offline".to_owned(),
    }
}

pub(crate) fn check_request() -> CheckRequest {
    CheckRequest { context: context(), files: Vec::new(), documents: Vec::new() }
}

pub(crate) fn agent_request() -> AgentRequest {
    AgentRequest {
        context: context(),
        mode: "analysis".to_owned(),
        instructions: "Look.".to_owned(),
        documents: Vec::new(),
        files: Vec::new(),
        findings: Vec::new(),
        max_output_tokens: 100,
    }
}

pub(crate) fn step_request() -> StepRequest {
    StepRequest {
        context: context(),
        max_agent_attempts: 3,
        max_output_tokens: 100,
        max_output_tokens_retry: 200,
        message: String::new(),
    }
}

/// Calls a plugin of any kind; what it answers does not matter, only how the call ends.
pub(crate) async fn run(world: &World, plugin: &Plugin, call: Call) -> Result<(), CallError> {
    match plugin.manifest.kind {
        PluginKind::Agent => {
            world.runtime.call_agent(plugin, call, &agent_request()).await.map(drop)
        }
        PluginKind::Handler => {
            world.runtime.call_handler(plugin, call, &step_request()).await.map(drop)
        }
        PluginKind::Validator => {
            world.runtime.call_validator(plugin, call, &check_request()).await.map(drop)
        }
    }
}

/// Calls an agent.
pub(crate) async fn ask(
    runtime: &Runtime,
    plugin: &Plugin,
    call: Call,
) -> Result<Result<AgentAnswer, Fault>, CallError> {
    runtime.call_agent(plugin, call, &agent_request()).await
}

/// Calls a validator that asks for nothing.
pub(crate) async fn check(
    runtime: &Runtime,
    plugin: &Plugin,
) -> Result<Result<CheckReport, Fault>, CallError> {
    runtime.call_validator(plugin, call(plugin, TestHost::silent()), &check_request()).await
}
