//! Answers the host calls of one guest: the one place where a plugin's wish becomes an effect.
//!
//! **Invariant:** what costs money, takes long or could answer differently another time is recorded
//! before the guest sees it, and answered from the record after a restart (design §6).

use std::sync::Arc;

use async_trait::async_trait;
use gencode_core::{crash_point, event::EventBody, plugin::Capability};
use gencode_runtime::{Host, HostCall, HostFailure, HostReply, LogLevel, Plugin, types::AgentCall};
use gencode_store::StoreError;

use crate::{
    attempt::Attempt,
    effects::{Effect, effect_of},
    pure::{self, Answer, fatal, refused},
    questions, tools,
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
        if attempt.hand.is_resting() {
            // What was under way ends and is recorded; nothing new begins.
            return Err(HostFailure::Suspend(attempt.hand.reason()));
        }
        match effect_of(&call) {
            Effect::Pure => match call {
                HostCall::Invoke(calls) => self.invoke(seq, &path, calls).await,
                call => pure::answer(&attempt.scope, &self.plugin, call).await,
            },
            Effect::Idempotent => match call {
                HostCall::Complete(ref request) => self.complete(&path, &call, request).await,
                other => Err(unexpected(&other)),
            },
            Effect::AtLeastOnce => match told(&attempt.scope.step.id, &call) {
                Some(event) => {
                    attempt.tell(self.top.unwrap_or(seq), event).await?;
                    Ok(Ok(HostReply::Done))
                }
                None => self.perform_and_record(&path, &call).await,
            },
            Effect::Ask => match call {
                HostCall::Ask(question) => questions::ask(attempt, &path, &question).await,
                other => Err(unexpected(&other)),
            },
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
    async fn perform_and_record(&self, path: &str, call: &HostCall) -> Answer {
        let attempt = &self.attempt;
        if let Some(reply) = attempt.recorded(path, call)? {
            if tools::tree_name(call).is_some() {
                attempt.note_answered(call.clone());
            }
            return Ok(reply);
        }
        // What lies outside the database cannot refuse a host that lost its lease.
        attempt.engine.store.check_lease(&attempt.lease).await.map_err(fatal)?;
        crash_point!("effect.call.before");
        let reply = self.perform(call).await?;
        crash_point!("effect.call.after");
        attempt.record(path, call, &reply, None).await?;
        crash_point!("effect.call.recorded");
        Ok(reply)
    }

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
            other => return Err(unexpected(other)),
        })
    }

    /// Agents are run again after a restart; their model calls are answered from the record.
    async fn invoke(&self, seq: u64, path: &str, calls: Vec<AgentCall>) -> Answer {
        let top = self.top.unwrap_or(seq);
        let names: Vec<String> = calls.iter().map(|call| call.agent.clone()).collect();
        let host = |index: usize, agent: &Arc<Plugin>, call: &AgentCall| -> Arc<dyn Host> {
            Arc::new(Self {
                attempt: Arc::clone(&self.attempt),
                plugin: Arc::clone(agent),
                path: format!("{path}/{index}/"),
                top: Some(top),
                is_retry: !call.request.findings.is_empty(),
            })
        };
        let answer = pure::invoke(&self.attempt.scope, calls, host).await;
        if let Ok(Ok(HostReply::Answers(answers))) = &answer {
            for (name, answer) in names.iter().zip(answers) {
                self.attempt.engine.meters.plugin_called(name, answer.is_ok());
            }
        }
        answer
    }
}

/// What a call only tells the user, if it is one of these.
fn told(step: &str, call: &HostCall) -> Option<EventBody> {
    let step = step.to_owned();
    match call {
        HostCall::Say { agent, message } => {
            let (agent, message) = (agent.clone(), message.clone());
            Some(EventBody::AgentSaid { step, agent, message })
        }
        HostCall::At { fraction, activity } => {
            let (fraction, activity) = (*fraction, activity.clone());
            Some(EventBody::StepProgress { step, fraction, activity })
        }
        _ => None,
    }
}

/// A call whose effect is not what its handling expects: a mistake of this host.
fn unexpected(call: &HostCall) -> HostFailure {
    fatal(format!("`{}` is not handled as its effect says", call.capability().as_str()))
}
