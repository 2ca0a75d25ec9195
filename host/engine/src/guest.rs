//! Answers the host calls of one guest: the one place where a plugin's wish becomes an effect.
//!
//! **Invariant:** what costs money, takes long or could answer differently another time is recorded
//! before the guest sees it, and answered from the record after a restart (design §6).

use std::sync::Arc;

use async_trait::async_trait;
use gencode_core::{crash_point, event::EventBody, ledger::LedgerEntry, plugin::Capability};
use gencode_llm::LanguageModel as _;
use gencode_runtime::{
    Host, HostCall, HostFailure, HostReply, LogLevel, Plugin,
    types::{AgentCall, CompletionRequest, Question},
};
use gencode_store::StoreError;

use crate::{
    attempt::{Attempt, digest_of, summary_of},
    convert,
    pure::{self, Answer, fatal, refused},
    tools,
};

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

#[async_trait]
impl Host for Guest {
    async fn call(&self, seq: u64, call: HostCall) -> Answer {
        let path = format!("{}{seq}", self.path);
        let attempt = &self.attempt;
        match call {
            // Only told; nothing the guest could see differs.
            HostCall::Say { agent, message } => {
                let step = attempt.scope.step.id.clone();
                attempt
                    .tell(self.top.unwrap_or(seq), EventBody::AgentSaid { step, agent, message })
                    .await?;
                Ok(Ok(HostReply::Done))
            }
            HostCall::At { fraction, activity } => {
                let step = attempt.scope.step.id.clone();
                attempt
                    .tell(
                        self.top.unwrap_or(seq),
                        EventBody::StepProgress { step, fraction, activity },
                    )
                    .await?;
                Ok(Ok(HostReply::Done))
            }
            HostCall::Invoke(calls) => self.invoke(seq, &path, calls).await,
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
            // Made again after a restart.
            HostCall::List { .. }
            | HostCall::Read { .. }
            | HostCall::ReadAll { .. }
            | HostCall::Stage { .. }
            | HostCall::Remove { .. }
            | HostCall::PutDocument(_)
            | HostCall::GetDocument { .. }
            | HostCall::Check { .. }
            | HostCall::Config => pure::answer(&attempt.scope, &self.plugin, call).await,
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
            run = %self.attempt.scope.run.id,
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
                let value = store
                    .memory_get(&attempt.scope.run.project, plugin, key)
                    .await
                    .map_err(fatal)?;
                Ok(HostReply::Value(value))
            }
            HostCall::MemoryPut { key, value } => {
                match store.memory_put(&attempt.scope.run.project, plugin, key, value).await {
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

    async fn complete(&self, path: &str, call: &HostCall, request: &CompletionRequest) -> Answer {
        let attempt = &self.attempt;
        if let Some(reply) = attempt.recorded(path, call)? {
            return Ok(reply);
        }
        let engine = &attempt.engine;
        let (provider, model) = (&attempt.scope.run.provider, &attempt.scope.run.model);
        let outcome = async {
            let request = convert::completion_request(request, attempt.key_of(path))?;
            let most = engine.gateway.estimate_max_cost(provider, model, &request)?;
            let used = engine.spent(attempt.scope.run.id).await?;
            let key = attempt.scope.run.id.to_string();
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
            let used = engine.spent(attempt.scope.run.id).await.map_err(fatal)?;
            money.settle(used);
        }
        Ok(reply)
    }

    fn booked(&self, task: &str, usage: &gencode_llm::Usage) -> LedgerEntry {
        let attempt = &self.attempt;
        LedgerEntry {
            run: attempt.scope.run.id,
            step: attempt.scope.step.id.clone(),
            agent: persona(&self.plugin.manifest.id),
            task: task.to_owned(),
            provider: usage.provider.clone(),
            model: usage.model.clone(),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_usd: usage.cost_usd,
            is_retry: self.is_retry || attempt.scope.number > 1,
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
                step: attempt.scope.step.id.clone(),
                attempt: attempt.scope.number,
                path: path.to_owned(),
                digest: digest_of(call)?,
                call: summary_of(call),
                text: question.text.clone(),
                options: question.options.clone(),
                default: question.default.clone(),
            }),
            resume_at: None,
            events: vec![EventBody::RunPaused {
                step: attempt.scope.step.id.clone(),
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
        let host = |index: usize, agent: &Arc<Plugin>, call: &AgentCall| -> Arc<dyn Host> {
            Arc::new(Self {
                attempt: Arc::clone(&self.attempt),
                plugin: Arc::clone(agent),
                path: format!("{path}/{index}/"),
                top: Some(top),
                is_retry: !call.request.findings.is_empty(),
            })
        };
        pure::invoke(&self.attempt.scope, calls, host).await
    }
}

#[derive(Debug, thiserror::Error)]
enum CompleteError {
    #[error(transparent)]
    Model(#[from] gencode_llm::LlmError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The name the ledger and the dashboard know: `marcus` is shown as `Marcus` (contract §2.8).
fn persona(id: &str) -> String {
    let mut chars = id.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
