//! Pre-flight: every validator that wants to see something, before anyone pays for a review and
//! before anything is written (audit "pre-flight before review").

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gencode_core::plugin::Grants;
use gencode_runtime::{
    Call, Host, HostCall, HostFailure, HostReply, LogLevel, Usage,
    types::{CheckReport, CheckRequest, File, Finding, HostError},
};

use crate::{
    library::Validator,
    pure,
    scope::{Meter, Scope},
};

/// Validators that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// Checks files as if they were already in the project, and merges the reports in order of
/// validator id. A validator that breaks is an error finding: what was not checked is not written.
pub(crate) async fn check(scope: &Scope, files: Vec<File>) -> Result<CheckReport, HostFailure> {
    let project = project_with(scope, &files).await?;
    let changed: BTreeMap<&str, &File> =
        files.iter().map(|file| (file.path.as_str(), file)).collect();
    let documents = scope.all_documents();
    let mut calls = Vec::new();
    for validator in &scope.plugins.validators {
        if !changed.keys().any(|path| validator.files.matches(path)) {
            continue;
        }
        let wanted = |file: &&File| validator.files.matches(&file.path);
        let files: Vec<File> = if validator.description.whole_project {
            project.values().filter(wanted).cloned().collect()
        } else {
            files.iter().filter(wanted).cloned().collect()
        };
        let documents = documents
            .iter()
            .filter(|document| validator.description.documents.contains(&document.name))
            .cloned()
            .collect();
        let request = CheckRequest { context: scope.context(), files, documents };
        calls.push(run(scope, validator, request).boxed());
    }
    let reports: Vec<CheckReport> = stream::iter(calls)
        .buffered(SIDE_BY_SIDE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    let mut merged = CheckReport { findings: Vec::new(), repaired: Vec::new() };
    for report in reports {
        merged.findings.extend(report.findings);
        for file in report.repaired {
            // A validator may better what it was asked about, nothing else; the first one wins.
            let asked = changed.contains_key(file.path.as_str());
            if asked && !merged.repaired.iter().any(|known| known.path == file.path) {
                merged.repaired.push(file);
            }
        }
    }
    Ok(merged)
}

/// The project's text files with these laid over them.
async fn project_with(
    scope: &Scope,
    files: &[File],
) -> Result<BTreeMap<String, File>, HostFailure> {
    let validators = &scope.plugins.validators;
    let wanted = move |path: &str| {
        validators
            .iter()
            .any(|validator| validator.description.whole_project && validator.files.matches(path))
    };
    let texts = pure::texts(scope, wanted).await?;
    let mut project: BTreeMap<String, File> =
        texts.into_iter().map(|file| (file.path.clone(), file)).collect();
    for file in files {
        project.insert(file.path.clone(), file.clone());
    }
    Ok(project)
}

async fn run(
    scope: &Scope,
    validator: &Validator,
    request: CheckRequest,
) -> Result<CheckReport, HostFailure> {
    let manifest = &validator.plugin.manifest;
    let call = Call {
        grants: Grants::default(),
        limits: scope.limits(&validator.plugin),
        host: Arc::new(Nothing { plugin: manifest.id.clone(), meter: Arc::clone(&scope.meter) }),
    };
    let broken = |code: &str, why: String| {
        let finding = Finding {
            code: format!("validator.{code}"),
            severity: "error".to_owned(),
            path: String::new(),
            line: 0,
            column: 0,
            message: format!("validator `{}` could not check: {why}", manifest.id),
            hint: "this is a fault of the validator, not of the files".to_owned(),
        };
        CheckReport { findings: vec![finding], repaired: Vec::new() }
    };
    match scope.runtime.call_validator(&validator.plugin, call, &request).await {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(fault)) => Ok(broken(&fault.code, fault.message)),
        Err(gencode_runtime::CallError::Host(source)) => Err(HostFailure::Fatal(source)),
        Err(error) => Ok(broken(error.code(), error.to_string())),
    }
}

/// The host of a guest that may only log.
struct Nothing {
    plugin: String,
    meter: Arc<Meter>,
}

#[async_trait::async_trait]
impl Host for Nothing {
    async fn call(
        &self,
        _seq: u64,
        call: HostCall,
    ) -> Result<Result<HostReply, HostError>, HostFailure> {
        // Unreachable by the world's imports; a refusal all the same.
        let message = format!("a validator may not use `{}`", call.capability().as_str());
        Ok(Err(pure::refused("denied", message)))
    }

    fn log(&self, level: LogLevel, message: &str) {
        tracing::debug!(plugin = %self.plugin, ?level, "{message}");
    }

    fn ended(&self, usage: Usage) {
        self.meter.add(&self.plugin, usage);
    }
}
