//! The clean-up that a serving host does by itself, once in a while and gently.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{How, Keeper, clean::CleanError};
use crate::Inner;

/// Setting that says when a host of this database cleaned up last.
const LAST: &str = "housekeeping.last";

/// A host that has just started has better things to do.
const SETTLE: Duration = Duration::from_mins(2);

/// How often it is asked whether a clean-up is due.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// How often a host says that it still needs its components.
const STAY_YOUNG_EVERY: Duration = Duration::from_mins(30);

/// When a host cleans up by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// None for never.
    pub every: Option<Duration>,
}

impl Default for Duty {
    fn default() -> Self {
        Self { every: Some(Duration::from_hours(24)) }
    }
}

/// Cleans up whenever it is due, until the engine closes. What is cut off then is done next time.
pub(crate) async fn work(engine: Arc<Inner>) {
    tokio::select! {
        () = engine.closing.cancelled() => {}
        () = clean(&engine) => {}
        () = stay_young(&engine) => {}
    }
}

/// Makes the components of this host young again and again. Hosts on other machines that share its
/// blobs do not see its lock.
async fn stay_young(engine: &Inner) {
    loop {
        tokio::time::sleep(STAY_YOUNG_EVERY).await;
        if let Err(error) = engine.library.keep_again().await {
            tracing::warn!(%error, "the components of this host were not kept again");
        }
    }
}

async fn clean(engine: &Inner) {
    let Some(every) = engine.config.duty.every else { return std::future::pending().await };
    tokio::time::sleep(SETTLE.min(every)).await;
    loop {
        match once(&engine.keeper, every).await {
            Ok(()) => engine.space.forget().await,
            Err(CleanError::Busy(why)) => tracing::debug!(why, "the clean-up waits"),
            Err(error) => tracing::warn!(%error, "the clean-up was not done; will try again"),
        }
        tokio::time::sleep(LOOK_EVERY.min(every)).await;
    }
}

/// One clean-up, if it is due. Of several hosts the first does it for all.
async fn once(keeper: &Keeper, every: Duration) -> Result<(), CleanError> {
    let last: Option<Timestamp> = keeper.store.setting(LAST).await?;
    let now = Timestamp::now();
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    if last.is_some_and(|last| now.duration_since(last) < every && last <= now) {
        return Ok(());
    }
    let cleaned = keeper.clean(How { dry_run: false, gentle: true }).await?;
    keeper.store.put_setting(LAST, &now).await?;
    tracing::info!(bytes = cleaned.bytes(), problems = cleaned.problems.len(), "cleaned up");
    Ok(())
}
