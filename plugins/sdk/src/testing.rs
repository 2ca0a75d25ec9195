//! Inputs for an author's own tests, which run natively with plain `cargo test`.

use crate::types::RunContext;

/// A context as the host would give it.
pub fn context() -> RunContext {
    RunContext {
        project_id: "sample".to_owned(),
        run_id: "run_00000000000000000000000000".to_owned(),
        step_id: "test".to_owned(),
        attempt: 1,
        request: "a task manager with projects and tags".to_owned(),
        provider: "offline".to_owned(),
        model: "offline".to_owned(),
    }
}

/// Checks files, given as (path, content), with a validator.
#[cfg(feature = "validator")]
pub fn check<V: crate::validator::Validator>(
    files: &[(&str, &str)],
    documents: Vec<crate::types::Document>,
) -> Result<crate::validator::CheckReport, crate::types::Fault> {
    let files =
        files.iter().map(|&(path, content)| crate::types::File::new(path, content)).collect();
    V::check(crate::validator::CheckRequest { context: context(), files, documents })
}
