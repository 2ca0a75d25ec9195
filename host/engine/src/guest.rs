//! Answers the host calls of one guest: the one place where a plugin's wish becomes an effect.
//!
//! **Invariant:** what costs money, takes long or could answer differently another time is recorded
//! before the guest sees it, and answered from the record after a restart (design §6).

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use gencode_core::{
    crash_point, digest::Digest, event::EventBody, glob::Globs, ledger::LedgerEntry,
    path::WorkspacePath, plugin::Capability,
};
use gencode_llm::LanguageModel as _;
use gencode_runtime::{
    CallLimits, Host, HostCall, HostFailure, HostReply, LogLevel, Plugin,
    types::{
        AgentAnswer, AgentCall, CompletionRequest, Fault, File, FileInfo, HostError, Question,
    },
};
use gencode_store::StoreError;
use gencode_workspace::{Content, Overlay, View as _, WorkspaceError};

use crate::{
    attempt::{Attempt, digest_of, fatal, summary_of},
    checks, convert, tools,
};

/// Agents of one `invoke-all` that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// The host, as one guest sees it.
pub(crate) struct Guest {
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) plugin: Arc<Plugin>,
    /// Position of this guest's call in the step, with a trailing slash; empty for the handler.
    pub(crate) path: String,
    /// Position of the handler's call this guest works for; none for the handler itself.
    pub(crate) top: Option<u64>,
    /// Whether an earlier answer in this step was refused.
    pub(crate) is_retry: bool,
}

type Answer = Result<Result<HostReply, HostError>, HostFailure>;

#[async_trait]
impl Host for Guest {
    async fn call(&self, seq: u64, call: HostCall) -> Answer {
        let path = format!("{}{seq}", self.path);
        let attempt = &self.attempt;
        match call {
            // Only told; nothing the guest could see differs.
            HostCall::Say { agent, message } => {
                let step = attempt.step.id.clone();
                attempt
                    .tell(self.top.unwrap_or(seq), EventBody::AgentSaid { step, agent, message })
                    .await?;
                Ok(Ok(HostReply::Done))
            }
            HostCall::At { fraction, activity } => {
                let step = attempt.step.id.clone();
                attempt
                    .tell(
                        self.top.unwrap_or(seq),
                        EventBody::StepProgress { step, fraction, activity },
                    )
                    .await?;
                Ok(Ok(HostReply::Done))
            }
            // Made again after a restart: they depend only on what is recorded.
            HostCall::List { globs } => Ok(Ok(self.list(&globs))),
            HostCall::Read { path } => self.read(&path).await,
            HostCall::ReadAll { globs } => self.read_all(&globs).await,
            HostCall::Stage { files } => Ok(self.stage(files)),
            HostCall::Remove { path } => Ok(self.remove(&path)),
            HostCall::PutDocument(document) => {
                let mut work = attempt.work();
                work.documents.retain(|known| known.name != document.name);
                work.documents.push(document);
                Ok(Ok(HostReply::Done))
            }
            HostCall::GetDocument { name } => Ok(match attempt.document(&name) {
                Some(document) => Ok(HostReply::Document(document)),
                None => Err(refused(
                    "not-found",
                    format!("no step before this one left a document `{name}`"),
                )),
            }),
            HostCall::Check { files } => {
                checks::check(attempt, files).await.map(|report| Ok(HostReply::Checked(report)))
            }
            HostCall::Invoke(calls) => self.invoke(seq, &path, calls).await,
            HostCall::Config => {
                let config = serde_json::to_string(&self.plugin.manifest.config).map_err(fatal)?;
                Ok(Ok(HostReply::Text(config)))
            }
            // Recorded.
            HostCall::Complete(ref request) => self.complete(&path, &call, request).await,
            HostCall::Ask(ref question) => self.ask(&path, &call, question).await,
            HostCall::Available { .. }
            | HostCall::Install(_)
            | HostCall::Exec(_)
            | HostCall::Accept(_)
            | HostCall::Browse { .. }
            | HostCall::MemoryGet { .. }
            | HostCall::MemoryPut { .. }
            | HostCall::Now
            | HostCall::Random { .. } => {
                if let Some(reply) = attempt.recorded(&path, &call)? {
                    return Ok(reply);
                }
                crash_point!("effect.call.before");
                let reply = self.perform(&call).await?;
                crash_point!("effect.call.after");
                attempt.record(&path, &call, &reply, None).await?;
                crash_point!("effect.call.recorded");
                Ok(reply)
            }
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        let plugin = &self.plugin.manifest.id;
        match level {
            LogLevel::Error => tracing::error!(%plugin, "{message}"),
            LogLevel::Warn => tracing::warn!(%plugin, "{message}"),
            LogLevel::Info => tracing::info!(%plugin, "{message}"),
            LogLevel::Debug => tracing::debug!(%plugin, "{message}"),
        }
    }

    fn denied(&self, capability: Capability) {
        tracing::warn!(
            plugin = %self.plugin.manifest.id,
            run = %self.attempt.run.id,
            capability = capability.as_str(),
            "a plugin asked for what it was not granted"
        );
    }
}

impl Guest {
    /// Effects that are recorded as they come.
    async fn perform(&self, call: &HostCall) -> Answer {
        let attempt = &self.attempt;
        let store = &attempt.engine.store;
        let plugin = &self.plugin.manifest.id;
        Ok(match call {
            HostCall::Available { .. }
            | HostCall::Install(_)
            | HostCall::Exec(_)
            | HostCall::Accept(_)
            | HostCall::Browse { .. } => return tools::perform(attempt, call).await,
            HostCall::MemoryGet { key } => {
                let value =
                    store.memory_get(&attempt.run.project, plugin, key).await.map_err(fatal)?;
                Ok(HostReply::Value(value))
            }
            HostCall::MemoryPut { key, value } => {
                match store.memory_put(&attempt.run.project, plugin, key, value).await {
                    Ok(()) => Ok(HostReply::Done),
                    Err(error @ StoreError::TooLarge { .. }) => {
                        Err(refused("limit", error.to_string()))
                    }
                    Err(error) => return Err(fatal(error)),
                }
            }
            HostCall::Now => {
                Ok(HostReply::Time(u64::try_from(crate::now().as_millisecond()).unwrap_or(0)))
            }
            HostCall::Random { length } => Ok(HostReply::Bytes(crate::random_bytes(*length))),
            other => {
                let message = format!("`{}` is not a recorded call", other.capability().as_str());
                return Err(fatal(message));
            }
        })
    }

    fn list(&self, globs: &[String]) -> HostReply {
        let wanted = Globs::new(globs);
        let info = |path: WorkspacePath, content: Content| {
            let (size, digest) = match content {
                Content::Blob(entry) => (entry.size, entry.digest),
                Content::Text { content, .. } => {
                    (content.len() as u64, Digest::of(content.as_bytes()))
                }
            };
            FileInfo { path: path.into(), size, digest: digest.to_string() }
        };
        let files = self
            .view()
            .contents()
            .into_iter()
            .filter(|(path, _)| wanted.matches(path.as_str()))
            .map(|(path, content)| info(path, content))
            .collect();
        HostReply::Files(files)
    }

    async fn read(&self, path: &str) -> Answer {
        let path: WorkspacePath = match path.parse() {
            Ok(path) => path,
            Err(error) => return Ok(Err(refused("invalid", format!("{error}")))),
        };
        match self.attempt.engine.workspaces.read(&self.view(), &path).await {
            Ok(bytes) => Ok(match String::from_utf8(bytes) {
                Ok(text) => Ok(HostReply::Text(text)),
                Err(_) => Err(refused("invalid", format!("`{path}` is not a text file"))),
            }),
            Err(WorkspaceError::NotFound { .. }) => {
                Ok(Err(refused("not-found", format!("there is no file `{path}`"))))
            }
            Err(error) => Err(fatal(error)),
        }
    }

    async fn read_all(&self, globs: &[String]) -> Answer {
        let wanted = Globs::new(globs);
        let files = texts(&self.attempt, move |path: &str| wanted.matches(path)).await?;
        Ok(Ok(HostReply::Contents(files)))
    }

    /// The project as this step sees it.
    fn view(&self) -> Overlay {
        self.attempt.work().overlay.clone()
    }

    fn stage(&self, files: Vec<File>) -> Result<HostReply, HostError> {
        // All or none: what was staged replaces the overlay only at the end.
        let mut overlay = self.view();
        for file in files {
            let path: WorkspacePath = file
                .path
                .parse()
                .map_err(|error| refused("invalid", format!("`{}`: {error}", file.path)))?;
            overlay.stage(path, file.content).map_err(|error| refusal(&error))?;
        }
        self.attempt.work().overlay = overlay;
        Ok(HostReply::Done)
    }

    fn remove(&self, path: &str) -> Result<HostReply, HostError> {
        let path: WorkspacePath =
            path.parse().map_err(|error| refused("invalid", format!("`{path}`: {error}")))?;
        self.attempt
            .work()
            .overlay
            .remove(&path)
            .map(|()| HostReply::Done)
            .map_err(|error| refusal(&error))
    }

    async fn complete(&self, path: &str, call: &HostCall, request: &CompletionRequest) -> Answer {
        let attempt = &self.attempt;
        if let Some(reply) = attempt.recorded(path, call)? {
            return Ok(reply);
        }
        let engine = &attempt.engine;
        let (provider, model) = (&attempt.run.provider, &attempt.run.model);
        let outcome = async {
            let request = convert::completion_request(request, attempt.key_of(path))?;
            let most = engine.gateway.estimate_max_cost(provider, model, &request)?;
            let used = engine.spent(attempt.run.id).await?;
            let key = attempt.run.id.to_string();
            let money = engine.reservations.reserve(key, most, used, engine.config.max_usd)?;
            crash_point!("model.call.before");
            let completion = engine.gateway.complete(provider, model, &request).await?;
            crash_point!("model.call.after");
            Ok::<_, CompleteError>((completion, money))
        };
        let (reply, ledger, money) = match outcome.await {
            Ok((completion, money)) => {
                let entry = self.booked(&request.task, &completion.usage);
                (
                    Ok(HostReply::Completion(convert::completion(completion))),
                    Some(entry),
                    Some(money),
                )
            }
            Err(CompleteError::Store(error)) => return Err(fatal(error)),
            Err(CompleteError::Model(error)) => {
                // A refused or unreadable answer may have been paid for all the same.
                let entry = error.usage().map(|usage| self.booked(&request.task, usage));
                (Err(convert::llm_error(&error)), entry, None)
            }
        };
        attempt.record(path, call, &reply, ledger).await?;
        crash_point!("model.call.recorded");
        if let Some(money) = money {
            let used = engine.spent(attempt.run.id).await.map_err(fatal)?;
            money.settle(used);
        }
        Ok(reply)
    }

    fn booked(&self, task: &str, usage: &gencode_llm::Usage) -> LedgerEntry {
        let attempt = &self.attempt;
        LedgerEntry {
            run: attempt.run.id,
            step: attempt.step.id.clone(),
            agent: persona(&self.plugin.manifest.id),
            task: task.to_owned(),
            provider: usage.provider.clone(),
            model: usage.model.clone(),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_usd: usage.cost_usd,
            is_retry: self.is_retry || attempt.number > 1,
            at: crate::now(),
        }
    }

    /// Answered from the record, or the run pauses until someone answers.
    async fn ask(&self, path: &str, call: &HostCall, question: &Question) -> Answer {
        let attempt = &self.attempt;
        if let Some(reply) = attempt.recorded(path, call)? {
            return Ok(reply);
        }
        if !attempt.engine.config.attended {
            let reply = Ok(HostReply::Text(question.default.clone()));
            attempt.record(path, call, &reply, None).await?;
            return Ok(reply);
        }
        let pause = gencode_store::Pause {
            reason: question.text.clone(),
            question: Some(gencode_store::Question {
                step: attempt.step.id.clone(),
                attempt: attempt.number,
                path: path.to_owned(),
                digest: digest_of(call)?,
                call: summary_of(call),
                text: question.text.clone(),
                options: question.options.clone(),
                default: question.default.clone(),
            }),
            resume_at: None,
            events: vec![EventBody::RunPaused {
                step: attempt.step.id.clone(),
                question: question.text.clone(),
                options: question.options.clone(),
            }],
        };
        crash_point!("run.pause.before");
        attempt.engine.store.pause_run(&attempt.lease, &pause).await.map_err(fatal)?;
        crash_point!("run.pause.after");
        Err(HostFailure::Suspend(question.text.clone()))
    }

    /// Agents are run again after a restart; their model calls are answered from the record.
    async fn invoke(&self, seq: u64, path: &str, calls: Vec<AgentCall>) -> Answer {
        let top = self.top.unwrap_or(seq);
        let mut working = Vec::with_capacity(calls.len());
        for (index, call) in calls.into_iter().enumerate() {
            working.push(self.invoke_one(top, format!("{path}/{index}/"), call).boxed());
        }
        let answers: Vec<Result<Result<AgentAnswer, Fault>, Refusal>> =
            stream::iter(working).buffered(SIDE_BY_SIDE).collect().await;
        let mut all = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer {
                Ok(answer) => all.push(answer),
                Err(Refusal::Host(failure)) => return Err(failure),
                Err(Refusal::Guest(error)) => return Ok(Err(error)),
            }
        }
        Ok(Ok(HostReply::Answers(all)))
    }

    async fn invoke_one(
        &self,
        top: u64,
        path: String,
        call: AgentCall,
    ) -> Result<Result<AgentAnswer, Fault>, Refusal> {
        let attempt = &self.attempt;
        let Some(agent) = attempt.plugins.agents.get(&call.agent) else {
            let message = format!("there is no agent `{}`", call.agent);
            return Err(Refusal::Guest(refused("not-found", message)));
        };
        let manifest = &agent.manifest;
        let own = CallLimits::of_kind(manifest.kind);
        let guest = Self {
            attempt: Arc::clone(attempt),
            plugin: Arc::clone(agent),
            path,
            top: Some(top),
            is_retry: !call.request.findings.is_empty(),
        };
        let runtime_call = gencode_runtime::Call {
            grants: gencode_core::plugin::Grants::meet(manifest, None),
            limits: own.asked(manifest.limits, &own),
            host: Arc::new(guest),
        };
        match attempt.engine.runtime.call_agent(agent, runtime_call, &call.request).await {
            Ok(answer) => Ok(answer),
            Err(gencode_runtime::CallError::Host(source)) => {
                Err(Refusal::Host(HostFailure::Fatal(source)))
            }
            Err(gencode_runtime::CallError::Suspended(why)) => {
                Err(Refusal::Host(HostFailure::Suspend(why)))
            }
            // The agent is to blame, not the handler that called it.
            Err(error) => Ok(Err(Fault {
                code: format!("plugin-{}", error.code()),
                message: format!("agent `{}`: {error}", call.agent),
                retryable: false,
            })),
        }
    }
}

/// Text files of the project as the step sees it, by path; binary ones are left out.
pub(crate) async fn texts(
    attempt: &Attempt,
    wanted: impl Fn(&str) -> bool + Send + Sync,
) -> Result<Vec<File>, HostFailure> {
    let view = attempt.work().overlay.clone();
    let files = attempt
        .engine
        .workspaces
        .read_all(&view, move |path: &WorkspacePath| wanted(path.as_str()))
        .await
        .map_err(fatal)?;
    let text = |(path, bytes): (WorkspacePath, Vec<u8>)| {
        Some(File { path: path.into(), content: String::from_utf8(bytes).ok()? })
    };
    Ok(files.into_iter().filter_map(text).collect())
}

fn refusal(error: &WorkspaceError) -> HostError {
    let code = match error {
        WorkspaceError::NotAllowed { .. } => "denied",
        WorkspaceError::NotFound { .. } => "not-found",
        WorkspaceError::Conflict { .. } => "conflict",
        WorkspaceError::TooLarge { .. } => "limit",
        _ => "invalid",
    };
    refused(code, error.to_string())
}

enum Refusal {
    Guest(HostError),
    Host(HostFailure),
}

#[derive(Debug, thiserror::Error)]
enum CompleteError {
    #[error(transparent)]
    Model(#[from] gencode_llm::LlmError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A typed refusal; the guest may go on.
pub(crate) fn refused(code: &str, message: String) -> HostError {
    HostError { code: code.to_owned(), message, retryable: false }
}

/// The name the ledger and the dashboard know: `marcus` is shown as `Marcus` (contract §2.8).
fn persona(id: &str) -> String {
    let mut chars = id.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
