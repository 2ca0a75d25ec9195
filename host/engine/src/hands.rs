//! The runs this host has in hand, and how each is told to rest, to stop, or to let go.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gencode_core::id::RunId;
use gencode_store::{Lease, Owned, Wanted};
use tokio_util::sync::CancellationToken;

/// Why the work on a run is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Another host has the run, or it is not to be worked on any more.
    Lost,
    /// Somebody wants it stopped, for this reason.
    Stop(String),
}

/// One run in the hands of this host.
pub(crate) struct Hand {
    pub(crate) lease: Lease,
    resting: AtomicBool,
    reason: Mutex<String>,
    cut: CancellationToken,
    why: Mutex<Option<Cut>>,
}

impl Hand {
    pub(crate) fn new(lease: Lease) -> Self {
        Self {
            lease,
            resting: AtomicBool::new(false),
            reason: Mutex::default(),
            cut: CancellationToken::new(),
            why: Mutex::default(),
        }
    }

    /// No new work is begun: guests are suspended at their next host call.
    pub(crate) fn rest(&self, reason: &str) {
        reason.clone_into(&mut lock(&self.reason));
        self.resting.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::SeqCst)
    }

    /// Why it rests, for a person.
    pub(crate) fn reason(&self) -> String {
        lock(&self.reason).clone()
    }

    /// Cuts the work off; the first reason counts.
    pub(crate) fn cut_off(&self, why: Cut) {
        lock(&self.why).get_or_insert(why);
        self.cut.cancel();
    }

    /// Resolves when the work is to be cut off.
    pub(crate) async fn cut(&self) -> Cut {
        self.cut.cancelled().await;
        lock(&self.why).clone().unwrap_or(Cut::Lost)
    }
}

/// All runs this host has in hand.
#[derive(Default)]
pub(crate) struct Hands(Arc<Mutex<HashMap<RunId, Arc<Hand>>>>);

/// Keeps a run among the [`Hands`].
pub(crate) struct Held {
    pub(crate) hand: Arc<Hand>,
    all: Arc<Mutex<HashMap<RunId, Arc<Hand>>>>,
}

impl Hands {
    pub(crate) fn take(&self, lease: Lease) -> Held {
        let hand = Arc::new(Hand::new(lease));
        lock(&self.0).insert(hand.lease.run, Arc::clone(&hand));
        Held { hand, all: Arc::clone(&self.0) }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Hand>> {
        lock(&self.0).values().cloned().collect()
    }

    /// Tells each run what the store says of it. `before` was there when the store was asked.
    pub(crate) fn heed(before: &[Arc<Hand>], owned: &[Owned]) {
        for hand in before {
            let mine =
                |owned: &&Owned| owned.run == hand.lease.run && owned.epoch == hand.lease.epoch;
            match owned.iter().find(mine) {
                None => hand.cut_off(Cut::Lost),
                Some(Owned { wanted: Some(Wanted::Stop), reason, .. }) => {
                    hand.cut_off(Cut::Stop(reason.clone()));
                }
                Some(Owned { wanted: Some(Wanted::Pause), reason, .. }) => hand.rest(reason),
                Some(Owned { wanted: None, .. }) => {}
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        // The same host may have taken the run up again meanwhile.
        if all.get(&self.hand.lease.run).is_some_and(|hand| Arc::ptr_eq(hand, &self.hand)) {
            all.remove(&self.hand.lease.run);
        }
    }
}

/// A panic while it was locked leaves whole values: still sound to use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use gencode_core::id::HostId;
    use ulid::Ulid;

    use super::*;

    fn lease(run: u128, epoch: u64) -> Lease {
        Lease { run: RunId::from_ulid(Ulid::from(run)), host: HostId::from_ulid(1.into()), epoch }
    }

    fn owned(lease: &Lease, wanted: Option<Wanted>) -> Owned {
        Owned { run: lease.run, epoch: lease.epoch, wanted, reason: "because".to_owned() }
    }

    #[tokio::test]
    async fn a_run_hears_what_is_wanted_of_it() {
        let hands = Hands::default();
        let held = [1, 2, 3, 4].map(|run| hands.take(lease(run, 1)));
        let before = hands.all();
        let [calm, paused, stopped, taken] = &held;
        Hands::heed(
            &before,
            &[
                owned(&calm.hand.lease, None),
                owned(&paused.hand.lease, Some(Wanted::Pause)),
                owned(&stopped.hand.lease, Some(Wanted::Stop)),
                // Taken over: the epoch is another.
                owned(&lease(4, 2), None),
            ],
        );
        assert!(!calm.hand.is_resting() && !calm.hand.cut.is_cancelled());
        assert!(paused.hand.is_resting() && !paused.hand.cut.is_cancelled());
        assert_eq!(paused.hand.reason(), "because");
        assert_eq!(stopped.hand.cut().await, Cut::Stop("because".to_owned()));
        assert_eq!(taken.hand.cut().await, Cut::Lost);
    }

    #[test]
    fn a_run_that_is_taken_up_again_stays_in_hand() {
        let hands = Hands::default();
        let first = hands.take(lease(1, 1));
        let second = hands.take(lease(1, 2));
        drop(first);
        assert_eq!(hands.all().len(), 1);
        drop(second);
        assert!(hands.all().is_empty());
    }
}
