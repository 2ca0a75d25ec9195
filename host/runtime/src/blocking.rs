//! The one door to blocking threads in this crate.

use crate::host::BoxError;

/// Runs CPU-heavy or blocking work away from the async threads. A panic in it is an error.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BoxError> {
    let task = tokio::task::spawn_blocking(work);
    task.await.map_err(BoxError::from)
}
