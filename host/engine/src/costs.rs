//! The cost dashboard, folded from the ledger (http-ws-contract §2.8). Only what providers
//! reported is in it; nothing is estimated.

use std::collections::BTreeMap;

use gencode_core::{
    ledger::{Budget, INR_PER_USD, LedgerEntry},
    time::iso,
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Serialize;

/// Tokens and calls of one agent or step.
#[derive(Debug, Default, Clone, Serialize, utoipa::ToSchema)]
pub struct Tally {
    pub input: u64,
    pub output: u64,
    pub calls: u64,
    pub retries: u64,
    #[serde(skip)]
    cost: Decimal,
}

impl Tally {
    fn add(&mut self, entry: &LedgerEntry) {
        self.input += entry.input_tokens;
        self.output += entry.output_tokens;
        self.calls += 1;
        self.retries += u64::from(entry.is_retry);
        self.cost += entry.cost_usd;
    }
}

/// A tally with its money.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PricedTally {
    #[serde(flatten)]
    pub tally: Tally,
    pub cost_usd: f64,
}

/// One step of the dashboard.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct StepCosts {
    #[serde(flatten)]
    pub tally: Tally,
    pub cost_usd: f64,
    pub cost_inr: f64,
    pub agents: BTreeMap<String, PricedTally>,
}

/// One model call of the dashboard.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct CallCosts {
    pub timestamp: String,
    pub step: String,
    pub agent: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_usd: f64,
    pub is_retry: bool,
    pub remaining_usd: f64,
}

/// All twelve keys of `GET /api/tracking/{id}/costs`, always.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Costs {
    pub total_input_tokens: u64,
    pub total_output_tokens: u64,
    pub total_tokens: u64,
    /// US dollars.
    pub total_estimated_cost: f64,
    pub total_cost_inr: f64,
    pub max_budget_inr: f64,
    pub remaining_inr: f64,
    pub budget_status: &'static str,
    pub by_step: BTreeMap<String, StepCosts>,
    pub by_agent: BTreeMap<String, Tally>,
    pub by_provider_cost: BTreeMap<String, f64>,
    pub detailed_calls: Vec<CallCosts>,
}

/// The one place where money becomes a float: for display, after all sums are done.
pub(crate) fn shown(amount: Decimal, places: u32) -> f64 {
    amount.round_dp(places).to_f64().unwrap_or(f64::MAX)
}

impl Costs {
    /// Folds the ledger of a run (or project) under its limit.
    pub fn fold(ledger: &[LedgerEntry], max_usd: Decimal) -> Self {
        let mut total = Tally::default();
        let mut by_agent: BTreeMap<String, Tally> = BTreeMap::new();
        let mut by_step: BTreeMap<String, (Tally, BTreeMap<String, Tally>)> = BTreeMap::new();
        let mut detailed_calls = Vec::with_capacity(ledger.len());
        for entry in ledger {
            total.add(entry);
            by_agent.entry(entry.agent.clone()).or_default().add(entry);
            let (step, agents) = by_step.entry(entry.step.clone()).or_default();
            step.add(entry);
            agents.entry(entry.agent.clone()).or_default().add(entry);
            let so_far = Budget { max_usd, used_usd: total.cost };
            detailed_calls.push(CallCosts {
                timestamp: iso(entry.at),
                step: entry.step.clone(),
                agent: entry.agent.clone(),
                input_tokens: entry.input_tokens,
                output_tokens: entry.output_tokens,
                cost_usd: shown(entry.cost_usd, 9),
                is_retry: entry.is_retry,
                remaining_usd: shown(so_far.remaining(), 6),
            });
        }
        let budget = Budget { max_usd, used_usd: total.cost };
        Self {
            total_input_tokens: total.input,
            total_output_tokens: total.output,
            total_tokens: total.input + total.output,
            total_estimated_cost: shown(total.cost, 6),
            total_cost_inr: shown(total.cost * INR_PER_USD, 2),
            max_budget_inr: shown(max_usd * INR_PER_USD, 2),
            remaining_inr: shown(budget.remaining() * INR_PER_USD, 2),
            budget_status: budget.status(),
            by_step: by_step
                .into_iter()
                .map(|(name, (tally, agents))| {
                    let agents = agents
                        .into_iter()
                        .map(|(agent, tally)| {
                            (agent, PricedTally { cost_usd: shown(tally.cost, 9), tally })
                        })
                        .collect();
                    let costs = StepCosts {
                        cost_usd: shown(tally.cost, 9),
                        cost_inr: shown(tally.cost * INR_PER_USD, 9),
                        tally,
                        agents,
                    };
                    (name, costs)
                })
                .collect(),
            by_provider_cost: by_agent
                .iter()
                .map(|(agent, tally)| (agent.clone(), shown(tally.cost, 9)))
                .collect(),
            by_agent,
            detailed_calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use gencode_core::ledger::DEFAULT_MAX_INR;
    use serde_json::json;

    use super::*;

    fn entry(step: &str, agent: &str, cost: &str, is_retry: bool) -> LedgerEntry {
        LedgerEntry {
            run: "run_00000000010000000000000002".parse().unwrap(),
            step: step.into(),
            agent: agent.into(),
            task: "x".into(),
            provider: "p".into(),
            model: "m".into(),
            input_tokens: 5000,
            output_tokens: 2500,
            cost_usd: cost.parse().unwrap(),
            is_retry,
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_empty_ledger_still_has_all_twelve_keys() {
        let costs = serde_json::to_value(Costs::fold(&[], DEFAULT_MAX_INR / INR_PER_USD)).unwrap();
        assert_eq!(costs.as_object().unwrap().len(), 12);
        assert_eq!(costs["max_budget_inr"], json!(30.0));
        assert_eq!(costs["budget_status"], json!("🟢 HEALTHY"));
    }

    #[test]
    fn sums_are_exact_and_keyed_by_agent() {
        let ledger = [
            entry("analysis", "Marcus", "0.1", false),
            entry("analysis", "Marcus", "0.2", true),
            entry("contracts", "Derek", "0.00775", false),
        ];
        let costs = serde_json::to_value(Costs::fold(&ledger, Decimal::ONE)).unwrap();
        assert_eq!(costs["total_estimated_cost"], json!(0.30775));
        assert_eq!(
            costs["by_agent"]["Marcus"],
            json!({"input":10000,"output":5000,"calls":2,"retries":1})
        );
        assert_eq!(costs["by_provider_cost"]["Marcus"], json!(0.3));
        assert_eq!(costs["by_step"]["analysis"]["agents"]["Marcus"]["cost_usd"], json!(0.3));
        assert_eq!(costs["detailed_calls"][2]["remaining_usd"], json!(0.69225));
    }
}
