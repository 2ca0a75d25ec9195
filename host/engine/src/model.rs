//! A guest's model call: what it may cost, the intent, the call, its record. Nothing is sent that
//! was not written down before, and no answer is seen that was not written down after.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gencode_core::{crash_point, event::EventBody, ledger::LedgerEntry};
use gencode_llm::{Completion, Guard, LanguageModel as _, LlmError, Provider};
use gencode_runtime::{
    HostCall, HostFailure, HostReply,
    types::{CompletionRequest, HostError},
};
use gencode_store::{CallSite, Intent, Pause, StoreError};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::{
    convert,
    guest::Guest,
    pure::{Answer, fatal},
};

/// How often one call lets its run wait because the provider asks for it.
const MAX_WAITS: u32 = 20;

/// How long a run waits when the provider limits the rate and does not say for how long; doubles
/// with each wait.
const UNASKED_WAIT: Duration = Duration::from_secs(10);

/// Longest wait that the provider did not ask for.
const MAX_UNASKED_WAIT: Duration = Duration::from_mins(5);

/// Calls that are under way in this process: their cost is set aside in memory.
#[derive(Default)]
pub(crate) struct UnderWay(Arc<Mutex<BTreeSet<CallSite>>>);

/// Keeps a call among those under way.
struct Passage {
    site: CallSite,
    all: Arc<Mutex<BTreeSet<CallSite>>>,
}

impl UnderWay {
    fn enter(&self, site: &CallSite) -> Passage {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(site.clone());
        Passage { site: site.clone(), all: Arc::clone(&self.0) }
    }

    /// What the intents of a run may have cost that nobody is waiting for any more.
    pub(crate) fn unconfirmed(&self, intents: &[Intent]) -> Decimal {
        let here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        intents
            .iter()
            .map(|intent| {
                let own = intent.pending && here.contains(&intent.site);
                Intent { pending: intent.pending && !own, ..intent.clone() }.at_worst()
            })
            .sum()
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.site);
    }
}

/// What became of a call.
enum Sent {
    /// The money stays set aside until the answer is recorded.
    Answered(Result<Completion, LlmError>, Guard),
    /// The run has to wait until then.
    Later(Timestamp, String),
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    /// Nothing was sent.
    #[error(transparent)]
    Model(#[from] LlmError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guest {
    pub(crate) async fn complete(
        &self,
        path: &str,
        call: &HostCall,
        request: &CompletionRequest,
    ) -> Answer {
        let attempt = &self.attempt;
        if let Some(reply) = attempt.recorded(path, call)? {
            return Ok(reply);
        }
        if let Some(until) = attempt.waits_until(path) {
            return Err(self.wait(until, "the provider asked to wait"));
        }
        if attempt.scope.run.provider == Provider::Offline.as_str() {
            return self.complete_offline(path, call, request).await;
        }
        let site = attempt.site(path);
        // Until its record is there, its cost counts as set aside.
        let passage = attempt.engine.under_way.enter(&site);
        let (answer, money) = match self.send(&site, request).await {
            Ok(Sent::Answered(answer, money)) => (answer, money),
            Ok(Sent::Later(until, why)) => return Err(self.wait(until, &why)),
            Err(CallError::Store(error)) => return Err(fatal(error)),
            Err(CallError::Model(error)) => {
                let reply = Err(convert::llm_error(&error));
                attempt.record(path, call, &reply, None).await?;
                return Ok(reply);
            }
        };
        let (reply, ledger, known) = self.reply(request, answer);
        attempt.settle(path, call, &reply, ledger, known).await?;
        crash_point!("model.call.recorded");
        drop(passage);
        let used = attempt.engine.spent_at_worst(attempt.scope.run.id).await.map_err(fatal)?;
        money.settle(used);
        Ok(reply)
    }

    /// The built-in model is part of this host: nothing is sent, so nothing is intended.
    async fn complete_offline(
        &self,
        path: &str,
        call: &HostCall,
        request: &CompletionRequest,
    ) -> Answer {
        let attempt = &self.attempt;
        let run = &attempt.scope.run;
        crash_point!("model.call.before");
        let answer = match convert::completion_request(request, attempt.key_of(path)) {
            Ok(request) => {
                attempt.engine.gateway.complete(&run.provider, &run.model, &request).await
            }
            Err(error) => Err(error),
        };
        crash_point!("model.call.after");
        let (reply, ledger, _) = self.reply(request, answer);
        attempt.record(path, call, &reply, ledger).await?;
        crash_point!("model.call.recorded");
        Ok(reply)
    }

    /// Sets the money aside, writes the intent down, and makes the call.
    async fn send(&self, site: &CallSite, request: &CompletionRequest) -> Result<Sent, CallError> {
        let attempt = &self.attempt;
        let engine = &attempt.engine;
        let run = &attempt.scope.run;
        let request = convert::completion_request(request, attempt.key_of(&site.path))?;
        let most = engine.gateway.estimate_max_cost(&run.provider, &run.model, &request)?;
        let used = engine.spent_at_worst(run.id).await?;
        let budget = engine.config.max_usd;
        let money = engine.reservations.reserve(run.id.to_string(), most, used, budget)?;
        let intent = engine.store.intend(&attempt.lease, site, most).await?;
        crash_point!("model.call.before");
        let answer = engine.gateway.complete(&run.provider, &run.model, &request).await;
        engine.meters.model_called(&run.provider, answer.is_ok());
        crash_point!("model.call.after");
        if let Err(error) = &answer
            && let Some(wait) = wait_of(error, intent.waits)
        {
            let until = engine.store.postpone(&attempt.lease, site, wait).await?;
            return Ok(Sent::Later(until, error.to_string()));
        }
        Ok(Sent::Answered(answer, money))
    }

    /// What the guest is told, what is booked, and whether nothing about the cost is left open.
    fn reply(
        &self,
        request: &CompletionRequest,
        answer: Result<Completion, LlmError>,
    ) -> (Result<HostReply, HostError>, Option<LedgerEntry>, bool) {
        match answer {
            Ok(completion) => {
                let entry = self.booked(&request.task, &completion.usage);
                (Ok(HostReply::Completion(convert::completion(completion))), Some(entry), true)
            }
            Err(error) => {
                // A refused or unreadable answer may have been paid for all the same.
                let entry = error.usage().map(|usage| self.booked(&request.task, usage));
                let open = matches!(error, LlmError::Timeout { .. } | LlmError::Network { .. });
                (Err(convert::llm_error(&error)), entry, !open)
            }
        }
    }

    /// The run waits by itself; its owner gives it back.
    fn wait(&self, until: Timestamp, why: &str) -> HostFailure {
        let step = self.attempt.scope.step.id.clone();
        let reason =
            format!("{why}; the run goes on by itself at {}", until.strftime("%H:%M:%S UTC"));
        self.attempt.suspend(Pause {
            reason: reason.clone(),
            resume_at: Some(until),
            events: vec![EventBody::RunPaused {
                step,
                question: reason.clone(),
                options: Vec::new(),
            }],
            ..Pause::default()
        });
        HostFailure::Suspend(reason)
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
}

/// How long the run has to wait before the call is made again; none where the guest is to decide.
fn wait_of(error: &LlmError, waits: u32) -> Option<SignedDuration> {
    let wait = match (error, error.retry_after()) {
        (LlmError::RateLimited { .. } | LlmError::Overloaded { .. }, Some(asked)) => asked,
        (LlmError::RateLimited { .. }, None) => {
            UNASKED_WAIT.saturating_mul(2u32.saturating_pow(waits)).min(MAX_UNASKED_WAIT)
        }
        _ => return None,
    };
    (waits < MAX_WAITS).then(|| SignedDuration::try_from(wait).ok()).flatten()
}

/// The name the ledger and the dashboard know: `marcus` is shown as `Marcus` (contract §2.8).
fn persona(id: &str) -> String {
    let mut chars = id.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(seconds: Option<u64>) -> LlmError {
        let retry_after = seconds.map(Duration::from_secs);
        LlmError::RateLimited { provider: "openai".to_owned(), retry_after }
    }

    #[test]
    fn waits_are_the_providers_and_bounded() {
        let seconds = |error: &LlmError, waits| wait_of(error, waits).map(|wait| wait.as_secs());
        assert_eq!(seconds(&limited(Some(90)), 0), Some(90));
        assert_eq!(seconds(&limited(Some(90)), MAX_WAITS), None, "then the guest hears of it");
        assert_eq!(seconds(&limited(None), 0), Some(10));
        assert_eq!(seconds(&limited(None), 2), Some(40));
        assert_eq!(seconds(&limited(None), 19), Some(300));
        let auth = LlmError::Auth { provider: String::new(), status: 401 };
        assert_eq!(seconds(&auth, 0), None);
    }

    #[test]
    fn only_calls_that_nobody_waits_for_are_unconfirmed() {
        let run = gencode_core::id::RunId::from_ulid(ulid::Ulid::from(1u128));
        let intent = |path: &str, lost, pending| Intent {
            site: CallSite { run, step: "s".to_owned(), attempt: 1, path: path.to_owned() },
            most_usd: Decimal::new(5, 2),
            tries: 3,
            lost,
            pending,
            waits: 0,
            retry_at: None,
        };
        let intents = [intent("0", 0, true), intent("1", 2, true), intent("2", 0, false)];
        let under_way = UnderWay::default();
        assert_eq!(under_way.unconfirmed(&intents), Decimal::new(20, 2));
        let passage = under_way.enter(&intents[1].site);
        assert_eq!(
            under_way.unconfirmed(&intents),
            Decimal::new(15, 2),
            "two are lost, one is not"
        );
        drop(passage);
        assert_eq!(under_way.unconfirmed(&intents), Decimal::new(20, 2));
    }
}
