//! Blocking work on a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Result, WorkspaceError};

/// Threads that wait for the disk or the network side by side: a disk gathers their writes into
/// few of its own.
const WAITERS: usize = 8;

/// Does a job for every item on a few threads; the first error is returned.
pub(crate) fn side_by_side<T: Sync>(
    items: &[T],
    job: impl Fn(&T) -> Result<()> + Sync,
) -> Result<()> {
    if let [only] = items {
        return job(only);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            job(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..items.len().min(WAITERS)).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(WorkspaceError::CutOff)))
            .fold(Ok(()), Result::and)
    })
}
