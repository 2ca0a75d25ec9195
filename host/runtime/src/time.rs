//! Computing time.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};

/// Adds up the time in which a future computes; the time in which it waits does not count.
pub(crate) struct Timed<'a, F> {
    pub(crate) future: F,
    pub(crate) nanos: &'a AtomicU64,
}

impl<F: Future + Unpin> Future for Timed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let start = thread_time();
        let poll = Pin::new(&mut self.future).poll(context);
        let nanos = thread_time().saturating_sub(start).as_nanos();
        self.nanos.fetch_add(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        poll
    }
}

/// What a counter of nanoseconds stands at.
pub(crate) fn total(nanos: &AtomicU64) -> Duration {
    Duration::from_nanos(nanos.load(Ordering::Relaxed))
}

/// Time that this thread has spent on a processor. Not the time on the wall: on a machine with
/// too much to do, a guest must not be ended because others were computing.
#[cfg(unix)]
fn thread_time() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    // It cannot fail: the clock is that of the thread itself.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Without such a clock the wall has to do.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    use std::{sync::LazyLock, time::Instant};
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn computing_counts_and_waiting_does_not() {
        let nanos = AtomicU64::new(0);
        let work = Box::pin(async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            for n in 0..1_000_000 {
                std::hint::black_box(n);
            }
        });
        let start = std::time::Instant::now();
        Timed { future: work, nanos: &nanos }.await;
        let computed = total(&nanos);
        assert!(computed > Duration::ZERO);
        assert!(computed + Duration::from_millis(150) < start.elapsed(), "{computed:?}");
    }
}
