//! Waiting for a database that is away: a run never fails for it.

use std::time::Duration;

use gencode_store::StoreError;
use gencode_workspace::WorkspaceError;
use tokio_util::sync::CancellationToken;

/// First wait before another try; doubles with each.
const FIRST: Duration = Duration::from_millis(100);

/// Longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that grow.
pub(crate) struct Waits(Duration);

impl Default for Waits {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Waits {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = self.0.saturating_mul(2).min(LONGEST);
    }
}

/// Whether the same write may be done later without anybody changing the run.
pub(crate) const fn may_pass(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Busy { .. } | StoreError::Unavailable { .. } | StoreError::Full { .. }
    )
}

/// Whether an error, or one of its causes, is for want of space.
pub(crate) fn wants_space(error: &(dyn std::error::Error + 'static)) -> bool {
    any_cause(error, |error| {
        matches!(error.downcast_ref(), Some(StoreError::Full { .. }))
            || matches!(error.downcast_ref(), Some(WorkspaceError::Full { .. }))
    })
}

/// Whether an error, or one of its causes, fits.
pub(crate) fn any_cause(
    error: &(dyn std::error::Error + 'static),
    fits: impl Fn(&(dyn std::error::Error + 'static)) -> bool,
) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if fits(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Repeats a write until the database takes or refuses it, or the host closes.
pub(crate) async fn insist<T, F>(
    closing: &CancellationToken,
    write: impl Fn() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut waits = Waits::default();
    loop {
        let error = match write().await {
            Err(error) if may_pass(&error) => error,
            done => return done,
        };
        tracing::debug!(%error, "the database is asked again");
        tokio::select! {
            () = closing.cancelled() => return Err(error),
            () = waits.wait() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn busy() -> StoreError {
        StoreError::Busy { database: "d".to_owned() }
    }

    #[tokio::test]
    async fn a_write_is_repeated_until_it_is_taken_or_refused() {
        let (tries, open) = (AtomicU32::new(0), CancellationToken::new());
        let count = || tries.fetch_add(1, Ordering::SeqCst);
        let taken = insist(&open, async || if count() < 2 { Err(busy()) } else { Ok(7) });
        assert_eq!(taken.await.unwrap(), 7);
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        let refused = insist(&open, async || {
            count();
            Err::<(), _>(StoreError::Conflict("no".to_owned()))
        });
        assert!(matches!(refused.await, Err(StoreError::Conflict(_))));
        assert_eq!(tries.load(Ordering::SeqCst), 4, "asked once");
    }

    #[tokio::test]
    async fn a_host_that_closes_does_not_wait_for_the_database() {
        let closing = CancellationToken::new();
        closing.cancel();
        let error = insist(&closing, async || Err::<(), _>(busy())).await.unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }));
    }
}
