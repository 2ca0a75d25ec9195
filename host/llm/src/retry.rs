//! When to try a call again, and how long to wait before.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use crate::{config::Limits, error::LlmError};

/// Where the jitter of waits comes from: a number from 0 up to, but not including, 1.
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// A source of one's own; numbers outside of 0 to 1 are clamped.
    pub fn new(source: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    fn next(&self) -> f64 {
        let number = (self.0)();
        if number.is_finite() { number.clamp(0.0, 1.0) } else { 1.0 }
    }
}

impl Default for Jitter {
    /// Random enough to spread waits: the standard library's own hash seeds, no crate needed.
    fn default() -> Self {
        Self::new(|| {
            let seed = RandomState::new().build_hasher().finish();
            // 32 of its bits are more than a wait of seconds can show.
            f64::from(u32::try_from(seed >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
        })
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// How long to wait before try `tried + 1`, or nothing when `error` is for the caller.
///
/// What the provider asks for is honoured below [`Limits::max_retry_after`]; else exponential
/// back-off with full jitter.
pub(crate) fn wait_before_next(
    error: &LlmError,
    tried: u32,
    limits: &Limits,
    jitter: &Jitter,
) -> Option<Duration> {
    if !error.retryable() || tried >= limits.tries {
        return None;
    }
    if let Some(asked) = error.retry_after() {
        return (asked < limits.max_retry_after).then_some(asked);
    }
    let doubled = 2u32.saturating_pow(tried.saturating_sub(1));
    let bound = limits.backoff.saturating_mul(doubled).min(limits.max_backoff);
    Some(bound.mul_f64(jitter.next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overloaded(retry_after: Option<u64>) -> LlmError {
        LlmError::Overloaded {
            provider: "openai".to_owned(),
            status: 503,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let limits = Limits { tries: 9, ..Limits::default() };
        let full = Jitter::new(|| 1.0);
        let waits: Vec<u128> = (1..=6)
            .map(|tried| {
                wait_before_next(&overloaded(None), tried, &limits, &full).unwrap().as_millis()
            })
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000]);
        let half = Jitter::new(|| 0.5);
        assert_eq!(
            wait_before_next(&overloaded(None), 1, &limits, &half),
            Some(Duration::from_millis(250))
        );
    }

    #[test]
    fn tries_end() {
        let limits = Limits::default();
        let jitter = Jitter::default();
        assert!(wait_before_next(&overloaded(None), 2, &limits, &jitter).is_some());
        assert_eq!(wait_before_next(&overloaded(None), 3, &limits, &jitter), None);
    }

    #[test]
    fn what_the_provider_asks_for_goes_first_unless_it_is_long() {
        let limits = Limits::default();
        let jitter = Jitter::new(|| 0.0);
        assert_eq!(
            wait_before_next(&overloaded(Some(4)), 1, &limits, &jitter),
            Some(Duration::from_secs(4))
        );
        assert_eq!(wait_before_next(&overloaded(Some(5)), 1, &limits, &jitter), None);
    }

    #[test]
    fn the_default_jitter_spreads_within_its_range() {
        let jitter = Jitter::default();
        let numbers: Vec<f64> = (0..200).map(|_| jitter.next()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let low = numbers.iter().filter(|number| **number < 0.5).count();
        assert!((40..160).contains(&low), "{low} of 200 are below one half");
    }
}
