//! Money set aside while calls are under way, so that calls side by side cannot overspend together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rust_decimal::Decimal;

use crate::error::LlmError;

/// What is set aside per budget. Clones share the same books.
///
/// **Invariant:** for one key, ledger total + reservations ≤ the limit given with the latest
/// successful [`reserve`](Self::reserve), as long as no call costs more than was reserved for it.
#[derive(Debug, Clone, Default)]
pub struct Reservations(Arc<Mutex<BTreeMap<String, Account>>>);

#[derive(Debug, Default)]
struct Account {
    /// Set aside by guards that are alive.
    reserved: Decimal,
    /// Highest ledger total seen. A total only grows, so a caller that read the ledger before a
    /// neighbour booked its call is corrected here.
    used: Decimal,
    guards: usize,
}

/// Money set aside for one call. Dropping it releases the money unspent.
#[derive(Debug)]
#[must_use = "dropping the guard releases the money"]
pub struct Guard {
    books: Reservations,
    key: String,
    amount: Decimal,
}

impl Reservations {
    /// No reservations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `amount` aside on the budget `key` (for example the id of a run), if it fits into
    /// `max` beside the ledger's total `used` and what others have set aside.
    pub fn reserve(
        &self,
        key: impl Into<String>,
        amount: Decimal,
        used: Decimal,
        max: Decimal,
    ) -> Result<Guard, LlmError> {
        let key = key.into();
        let amount = amount.max(Decimal::ZERO);
        let mut books = self.lock();
        let account = books.entry(key.clone()).or_default();
        account.used = account.used.max(used);
        let taken = account.used + account.reserved;
        if taken + amount > max {
            let remaining = (max - taken).max(Decimal::ZERO);
            return Err(LlmError::Budget { needed: amount, remaining });
        }
        account.reserved += amount;
        account.guards += 1;
        drop(books);
        Ok(Guard { books: self.clone(), key, amount })
    }

    /// What is set aside on `key` now.
    pub fn reserved(&self, key: &str) -> Decimal {
        self.lock().get(key).map_or(Decimal::ZERO, |account| account.reserved)
    }

    /// Drops what is remembered of `key` (a finished run), unless calls of it are under way.
    pub fn forget(&self, key: &str) {
        let mut books = self.lock();
        if books.get(key).is_some_and(|account| account.guards == 0) {
            books.remove(key);
        }
    }

    /// A panic elsewhere cannot leave the sums half changed: each change is one statement.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// How much is set aside.
    pub const fn amount(&self) -> Decimal {
        self.amount
    }

    /// Releases the money after the call was booked; `used` is the ledger's total with it.
    ///
    /// Book first, then settle: in the other order a neighbour may read the old total.
    pub fn settle(self, used: Decimal) {
        if let Some(account) = self.books.lock().get_mut(&self.key) {
            account.used = account.used.max(used);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(account) = self.books.lock().get_mut(&self.key) {
            account.reserved -= self.amount;
            account.guards -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn neighbours_share_what_remains() {
        let books = Reservations::new();
        let first = books.reserve("run", usd("0.2"), usd("0.1"), usd("0.4")).unwrap();
        let error = books.reserve("run", usd("0.11"), usd("0.1"), usd("0.4")).unwrap_err();
        assert!(
            matches!(error, LlmError::Budget { needed, remaining } if needed == usd("0.11") && remaining == usd("0.1")),
            "{error}"
        );
        let other = books.reserve("another run", usd("0.4"), usd("0"), usd("0.4")).unwrap();
        assert_eq!(other.amount(), usd("0.4"));
        drop(first);
        assert_eq!(books.reserved("run"), Decimal::ZERO);
        let exact = books.reserve("run", usd("0.3"), usd("0.1"), usd("0.4")).unwrap();
        assert_eq!(books.reserved("run"), usd("0.3"));
        drop(exact);
    }

    #[test]
    fn a_stale_total_does_not_hide_what_a_neighbour_booked() {
        let books = Reservations::new();
        let guard = books.reserve("run", usd("5"), usd("0"), usd("6")).unwrap();
        guard.settle(usd("5"));
        let error = books.reserve("run", usd("5"), usd("0"), usd("6")).unwrap_err();
        assert!(
            matches!(error, LlmError::Budget { remaining, .. } if remaining == usd("1")),
            "{error}"
        );
    }

    #[test]
    fn forgetting_waits_for_calls_under_way() {
        let books = Reservations::new();
        let guard = books.reserve("run", usd("1"), usd("2"), usd("9")).unwrap();
        books.forget("run");
        assert_eq!(books.reserved("run"), usd("1"), "still under way");
        drop(guard);
        books.forget("run");
        assert!(books.lock().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn calls_side_by_side_never_spend_more_than_the_limit(
            max in 1i64..500,
            calls in prop::collection::vec((1i64..100, 0u8..=100), 2..10),
        ) {
            let micro = |n: i64| Decimal::new(n, 6);
            let books = Reservations::new();
            let ledger = Mutex::new(Decimal::ZERO);
            let start = Barrier::new(calls.len());
            thread::scope(|scope| {
                for (amount, share) in &calls {
                    let (books, ledger, start) = (&books, &ledger, &start);
                    scope.spawn(move || {
                        start.wait();
                        for _ in 0..20 {
                            let used = *ledger.lock().unwrap();
                            // Somebody books between reading the total and reserving.
                            thread::yield_now();
                            let Ok(guard) = books.reserve("run", micro(*amount), used, micro(max)) else { continue };
                            thread::yield_now();
                            let cost = micro(*amount * i64::from(*share) / 100);
                            let total = {
                                let mut ledger = ledger.lock().unwrap();
                                *ledger += cost;
                                assert!(*ledger <= micro(max), "spent {ledger} of {max}");
                                *ledger
                            };
                            guard.settle(total);
                        }
                    });
                }
            });
            prop_assert!(*ledger.lock().unwrap() <= micro(max));
            prop_assert_eq!(books.reserved("run"), Decimal::ZERO, "nothing is left set aside");
        }
    }
}
