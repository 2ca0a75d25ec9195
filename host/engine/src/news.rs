//! Hearing that a project's history grew.

use std::time::Duration;

use gencode_core::id::ProjectId;
use gencode_store::EventHint;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Another host on the same database gives no hint, so a listener looks by itself this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The engine is closing; nothing more will happen.
#[derive(Debug, thiserror::Error)]
#[error("the host is shutting down")]
pub struct Closed;

/// Hints about one project. See [`crate::Engine::watch`].
pub struct News {
    project: ProjectId,
    hints: Receiver<EventHint>,
    closing: CancellationToken,
}

impl News {
    pub(crate) fn new(
        project: ProjectId,
        hints: Receiver<EventHint>,
        closing: CancellationToken,
    ) -> Self {
        Self { project, hints, closing }
    }

    /// Resolves when there may be something new. Read the events after the last one you have.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        let look = tokio::time::sleep(LOOK_EVERY);
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return Err(Closed),
                () = &mut look => return Ok(()),
                hint = self.hints.recv() => match hint {
                    Ok(hint) if hint.project == self.project => return Ok(()),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Ok(()),
                    Err(RecvError::Closed) => return Err(Closed),
                },
            }
        }
    }
}
