//! The one way to blocking work.

use crate::SandboxError;

/// Runs work that waits for the disk on a thread of its own.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, SandboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(err) => Err(SandboxError::Helper(format!("a blocking task did not end: {err}"))),
    }
}
