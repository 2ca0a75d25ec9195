//! How long a run spent outside the host.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Adds up the wall-clock time during which at least one external command of a run was running.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExternalTime(Arc<Mutex<Spent>>);

#[derive(Debug, Default)]
struct Spent {
    running: u32,
    since: Option<Instant>,
    total: Duration,
}

/// While it lives, an external command is running.
pub(crate) struct Outside(ExternalTime);

impl ExternalTime {
    fn with<T>(&self, change: impl FnOnce(&mut Spent) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Marks the start of an external command.
    pub(crate) fn enter(&self) -> Outside {
        self.with(|spent| {
            if spent.running == 0 {
                spent.since = Some(Instant::now());
            }
            spent.running += 1;
        });
        Outside(self.clone())
    }

    /// The sum so far. Commands that ran side by side count once.
    pub(crate) fn total(&self) -> Duration {
        self.with(|spent| spent.total + spent.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.0.with(|spent| {
            spent.running = spent.running.saturating_sub(1);
            if spent.running == 0
                && let Some(since) = spent.since.take()
            {
                spent.total += since.elapsed();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_side_by_side_count_once() {
        let clock = ExternalTime::default();
        let first = clock.enter();
        let second = clock.enter();
        drop(first);
        assert!(clock.with(|spent| spent.since.is_some()), "the second is still running");
        drop(second);
        let total = clock.total();
        assert!(clock.with(|spent| spent.since.is_none() && spent.running == 0));
        assert_eq!(clock.total(), total, "nothing runs, nothing is added");
    }
}
