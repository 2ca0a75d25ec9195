//! Money: what model calls cost and what may still be spent.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::RunId;

/// Money and tokens of one model call, as the provider reported them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub run: RunId,
    pub step: String,
    /// Who asked: `Marcus`, `Victoria`, `Derek` or `Luna`, or the id of a third-party plugin.
    pub agent: String,
    /// What for, for example `review`.
    pub task: String,
    pub provider: String,
    pub model: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Exact, in US dollars.
    pub cost_usd: Decimal,
    /// Whether the call repeats an earlier try of the same step.
    pub is_retry: bool,
    pub at: Timestamp,
}

/// Indian rupees per US dollar (domain-rules §2.6).
pub const INR_PER_USD: Decimal = Decimal::from_parts(90, 0, 0, false, 0);

/// Default limit of a run: 30.00 INR, in rupees (domain-rules §2.6).
pub const DEFAULT_MAX_INR: Decimal = Decimal::from_parts(30, 0, 0, false, 0);

/// Margin on an estimate: ×1.3 (domain-rules §2.6).
const SAFETY_MARGIN: Decimal = Decimal::from_parts(13, 0, 0, false, 1);

/// What may be spent and what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Limit in US dollars.
    pub max_usd: Decimal,
    /// Spent, in US dollars.
    pub used_usd: Decimal,
}

impl Budget {
    /// What is left; never negative.
    pub fn remaining(&self) -> Decimal {
        (self.max_usd - self.used_usd).max(Decimal::ZERO)
    }

    /// How many tries of an estimated cost are left, at most `policy_attempts` (domain-rules §2.6):
    /// 0 when nothing remains, all of them when the estimate is zero, otherwise as many as fit
    /// with a margin of 1.3.
    pub fn allowed_attempts(&self, estimate_usd: Decimal, policy_attempts: u32) -> u32 {
        let remaining = self.remaining();
        if remaining <= Decimal::ZERO {
            return 0;
        }
        if estimate_usd <= Decimal::ZERO {
            return policy_attempts;
        }
        let fits = (remaining / (estimate_usd * SAFETY_MARGIN)).floor();
        u32::try_from(fits).map_or(policy_attempts, |fits| fits.min(policy_attempts))
    }

    /// Status by remaining share: above 70 %, 40 %, 15 % or below (http-ws-contract §2.8).
    pub fn status(&self) -> &'static str {
        let share = if self.max_usd.is_zero() {
            Decimal::ZERO
        } else {
            self.remaining() / self.max_usd * Decimal::ONE_HUNDRED
        };
        if share > Decimal::from(70) {
            "🟢 HEALTHY"
        } else if share > Decimal::from(40) {
            "🟡 MODERATE"
        } else if share > Decimal::from(15) {
            "🟠 LOW"
        } else {
            "🔴 CRITICAL"
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn audit_budget_arithmetic() {
        let max_usd = DEFAULT_MAX_INR / INR_PER_USD;
        let budget = |used: &str| Budget { max_usd, used_usd: usd(used) };
        // Estimate of `backend_implementation`: 10,000 tokens in at 0.30, 20,000 out at 2.50 per million.
        let estimate = usd("0.053");
        for (used, attempts, status) in [
            ("0", 3, "🟢 HEALTHY"),
            ("0.10", 3, "🟡 MODERATE"),
            ("0.15485", 2, "🟡 MODERATE"),
            ("0.25", 1, "🟠 LOW"),
            ("0.32", 0, "🔴 CRITICAL"),
            ("9.99", 0, "🔴 CRITICAL"),
        ] {
            let budget = budget(used);
            assert_eq!(budget.allowed_attempts(estimate, 3), attempts, "{used}");
            assert_eq!(budget.status(), status, "{used}");
        }
        assert_eq!(budget("0.1").allowed_attempts(Decimal::ZERO, 1), 1, "a free step");
        assert_eq!(budget("9").allowed_attempts(Decimal::ZERO, 1), 0, "nothing remains");
    }

    proptest! {
        #[test]
        fn allowed_attempts_always_fit_the_budget(max in 0u32..1_000_000, used in 0u32..1_000_000, estimate in 1u32..100_000, policy in 0u32..10) {
            let micro = |n: u32| Decimal::new(i64::from(n), 6);
            let budget = Budget { max_usd: micro(max), used_usd: micro(used) };
            let attempts = budget.allowed_attempts(micro(estimate), policy);
            prop_assert!(attempts <= policy);
            prop_assert!(micro(estimate) * SAFETY_MARGIN * Decimal::from(attempts) <= budget.remaining());
        }
    }
}
