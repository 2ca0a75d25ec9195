//! Asking the user: the run sleeps until there is an answer, however long that takes.

use gencode_core::event::EventBody;
use gencode_runtime::{HostCall, HostFailure, HostReply, types::Question};
use gencode_store::Pause;

use crate::{
    attempt::{Attempt, digest_of, summary_of},
    pure::Answer,
};

/// Answered from the record of the call at `path`, or the run pauses until someone answers. Where
/// nobody can be asked, the default is the answer.
pub(crate) async fn ask(attempt: &Attempt, path: &str, question: &Question) -> Answer {
    let call = HostCall::Ask(question.clone());
    if let Some(reply) = attempt.recorded(path, &call)? {
        return Ok(reply);
    }
    if !attempt.engine.config.attended {
        let reply = Ok(HostReply::Text(question.default.clone()));
        attempt.record(path, &call, &reply, None).await?;
        return Ok(reply);
    }
    let step = attempt.scope.step.id.clone();
    attempt.suspend(Pause {
        reason: question.text.clone(),
        question: Some(gencode_store::Question {
            step: step.clone(),
            attempt: attempt.scope.number,
            path: path.to_owned(),
            digest: digest_of(&call)?,
            call: summary_of(&call),
            text: question.text.clone(),
            options: question.options.clone(),
            default: question.default.clone(),
        }),
        events: vec![EventBody::RunPaused {
            step,
            question: question.text.clone(),
            options: question.options.clone(),
        }],
        ..Pause::default()
    });
    // Nothing else of the run goes on until there is an answer.
    attempt.hand.rest(&question.text);
    Err(HostFailure::Suspend(question.text.clone()))
}
