//! How many retries all transfers of an engine may spend.
//!
//! Knows the budget that all have in common, and which owners of hosts have had something of it lately. Must not know
//! what is asked again, or why. Invariants: retries stay within the burst and the percentage, and one more for each owner
//! that has had none: whoever fails all the time spends what is there, and nobody's first retry with it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits;
use crate::protocol::Host;

/// How many retries all transfers of an engine may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// What is there at the beginning, and at most. Where nothing is left, a registrable domain (or an address) that
    /// has had nothing of it may still ask once, if this is more than 0.
    pub burst: u32,
    /// What each transfer that ends adds, in hundredths of a retry: a server that always fails is asked
    /// by so many percent more than without retries.
    pub percent: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { burst: 100, percent: 10 }
    }
}

/// Hundredths of the budget that one retry costs.
const PRICE: u64 = 100;

/// What is left of a budget.
pub(super) struct Purse {
    budget: RetryBudget,
    /// Hundredths of a retry.
    left: u64,
    debtors: HashMap<Arc<str>, Debt>,
    /// Rises with each retry.
    spent: u64,
}

/// What an owner has paid back of its last retry, by transfers that ended.
struct Debt {
    paid: u64,
    since: u64,
}

impl Purse {
    pub(super) fn new(budget: RetryBudget) -> Purse {
        let left = u64::from(budget.burst) * PRICE;
        Purse { budget, left, debtors: HashMap::new(), spent: 0 }
    }

    /// Pays for one retry of a request to this host, if that can be.
    pub(super) fn spend(&mut self, host: &Host) -> bool {
        let owner = host.owner().to_text();
        if self.left >= PRICE {
            self.left -= PRICE;
        } else if self.budget.burst == 0 || self.debtors.contains_key(&owner) {
            return false;
        }
        self.spent += 1;
        if self.debtors.len() >= limits::RETRY_DEBTORS && !self.debtors.contains_key(&owner) {
            self.forget_oldest();
        }
        self.debtors.insert(owner, Debt { paid: 0, since: self.spent });
        true
    }

    /// A transfer to this host is over that might have asked again.
    pub(super) fn note_end(&mut self, host: &Host) {
        let most = u64::from(self.budget.burst) * PRICE;
        let percent = u64::from(self.budget.percent);
        self.left = (self.left + percent).min(most);
        if self.debtors.is_empty() {
            return;
        }
        let owner = host.owner().to_text();
        if let Some(debt) = self.debtors.get_mut(&owner) {
            debt.paid += percent;
            if debt.paid >= PRICE {
                self.debtors.remove(&owner);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.debtors.iter().min_by_key(|(_, debt)| debt.since);
        if let Some(owner) = oldest.map(|(owner, _)| owner.clone()) {
            self.debtors.remove(&owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::protocol::Origin;

    fn host(name: &str) -> Host {
        let url = Url::parse(&format!("http://{name}/")).unwrap();
        Origin::from_url(&url).unwrap().host().clone()
    }

    #[test]
    fn the_budget_is_bounded_both_ways() {
        let mut purse = Purse::new(RetryBudget { burst: 2, percent: 50 });
        let down = host("down.example");
        purse.note_end(&down);
        assert_eq!(purse.left, 200, "no more than the burst");
        assert!(purse.spend(&down) && purse.spend(&down) && !purse.spend(&down));
        purse.note_end(&host("other.example"));
        assert!(!purse.spend(&down));
        purse.note_end(&host("other.example"));
        assert!(purse.spend(&down), "two ends make one retry");
        assert!(!Purse::new(RetryBudget { burst: 0, percent: 0 }).spend(&down));
    }

    /// Guard: one site that is down does not keep the others from asking again.
    #[test]
    fn whoever_fails_all_the_time_spends_nobody_elses_retry() {
        let mut purse = Purse::new(RetryBudget { burst: 5, percent: 10 });
        let mut asked = 0;
        for n in 0..1000 {
            let down = host(&format!("h{n}.down.example"));
            asked += u32::from(purse.spend(&down));
            purse.note_end(&down);
        }
        assert!((100..=110).contains(&asked), "{asked}");
        let other = host("other.example");
        assert!(purse.spend(&other), "it has had none");
        assert!(!purse.spend(&host("www.other.example")), "and has now");
        (0..10).for_each(|_| purse.note_end(&other));
        purse.left = 0;
        assert!(purse.spend(&other), "its own ends have paid");
    }

    #[test]
    fn owners_that_had_one_are_bounded() {
        let mut purse = Purse::new(RetryBudget { burst: 1, percent: 0 });
        for n in 0..2 * limits::RETRY_DEBTORS {
            assert!(purse.spend(&host(&format!("n{n}.example"))));
            assert!(purse.debtors.len() <= limits::RETRY_DEBTORS);
        }
        assert!(!purse.spend(&host(&format!("n{}.example", 2 * limits::RETRY_DEBTORS - 1))));
    }
}
