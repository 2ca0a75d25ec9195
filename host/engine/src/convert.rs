//! Records of the contract as the types of the crates that do the work, and back.

use gencode_llm::{IdempotencyKey, LlmError, Role};
use gencode_runtime::types;
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive as _};

pub(crate) fn document(document: gencode_store::Document) -> types::Document {
    types::Document {
        name: document.name,
        media_type: document.media_type,
        content: document.content,
    }
}

pub(crate) fn stored_document(document: types::Document) -> gencode_store::Document {
    gencode_store::Document {
        name: document.name,
        media_type: document.media_type,
        content: document.content,
    }
}

pub(crate) fn completion_request(
    request: &types::CompletionRequest,
    key: IdempotencyKey,
) -> Result<gencode_llm::CompletionRequest, LlmError> {
    let mut messages = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        let parts = message.parts.iter().map(|part| match part {
            types::Part::Text(text) => gencode_llm::Part::text(text),
            types::Part::Data(data) => {
                gencode_llm::Part::data(&data.name, &data.media_type, &data.content)
            }
        });
        let role: Role = message.role.parse()?;
        messages.push(gencode_llm::Message { role, parts: parts.collect() });
    }
    Ok(gencode_llm::CompletionRequest {
        task: request.task.clone(),
        messages,
        max_output_tokens: request.max_output_tokens,
        temperature: request.temperature,
        key: Some(key),
    })
}

pub(crate) fn completion(completion: gencode_llm::Completion) -> types::Completion {
    let micro = completion.usage.cost_usd * Decimal::from(1_000_000);
    types::Completion {
        text: completion.text,
        finish_reason: completion.finish_reason,
        usage: types::Usage {
            provider: completion.usage.provider,
            model: completion.usage.model,
            input_tokens: completion.usage.input_tokens,
            output_tokens: completion.usage.output_tokens,
            // Rounded up: what a guest sees is never less than what was paid.
            cost_micro_usd: micro
                .round_dp_with_strategy(0, RoundingStrategy::ToPositiveInfinity)
                .to_u64()
                .unwrap_or(u64::MAX),
        },
    }
}

pub(crate) fn llm_error(error: &LlmError) -> types::HostError {
    types::HostError {
        code: error.code().to_owned(),
        message: error.to_string(),
        retryable: error.retryable(),
    }
}

pub(crate) fn exec_result(result: gencode_sandbox::ExecResult) -> types::ExecResult {
    types::ExecResult {
        exit_code: result.exit_code,
        stdout: result.stdout,
        stderr: result.stderr,
        timed_out: result.timed_out,
        duration_ms: u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
    }
}

pub(crate) fn check_result(result: gencode_sandbox::CheckResult) -> types::CheckResult {
    types::CheckResult { name: result.name, passed: result.passed, detail: result.detail }
}

pub(crate) fn acceptance_request(
    request: &types::AcceptanceRequest,
) -> gencode_sandbox::AcceptanceRequest {
    let check = |check: &types::HttpCheck| gencode_sandbox::HttpCheck {
        name: check.name.clone(),
        method: check.method.clone(),
        path: check.path.clone(),
        headers: check.headers.clone(),
        body: check.body.clone(),
        expect_status: check.expect_status.clone(),
        expect_json: check.expect_json.clone(),
        capture: check.capture.clone(),
    };
    gencode_sandbox::AcceptanceRequest {
        argv: request.argv.clone(),
        cwd: request.cwd.clone(),
        env: request.env.clone(),
        health_path: request.health_path.clone(),
        checks: request.checks.iter().map(check).collect(),
        pages: request.pages.clone(),
    }
}
