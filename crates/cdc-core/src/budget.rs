//! One bound on the bytes that are under way.
//!
//! Everything that is retained until its batch is durable is charged here: records that wait, the
//! records of the batch being staged, the records and the encoded rows of the batch being applied.
//! A source asks before it reads more and pauses while the budget is spent, so memory stays bounded
//! however slow the sink is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
struct Shared {
    limit: usize,
    spent: Mutex<usize>,
    released: Condvar,
}

impl Shared {
    fn spent(&self) -> MutexGuard<'_, usize> {
        // A panic elsewhere cannot leave a plain counter half changed.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shared bound on bytes under way. Clones share it.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    shared: Arc<Shared>,
}

impl ByteBudget {
    /// A budget of this many bytes.
    pub fn new(limit: usize) -> Self {
        let shared = Shared { limit, spent: Mutex::new(0), released: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// The bound in bytes.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// The bytes charged now. May pass the limit by one batch, because rows are charged after they
    /// were encoded.
    pub fn spent(&self) -> usize {
        *self.shared.spent()
    }

    /// Charges bytes, waiting up to `patience` until they fit. `None` when they still do not.
    ///
    /// A request larger than the whole budget is granted when nothing else is charged: one huge
    /// record must be able to pass.
    pub fn try_charge(&self, bytes: usize, patience: Duration) -> Option<BudgetLease> {
        let fits = |spent: usize| spent == 0 || spent.saturating_add(bytes) <= self.shared.limit;
        let (mut spent, _) = self
            .shared
            .released
            .wait_timeout_while(self.shared.spent(), patience, |spent| !fits(*spent))
            .unwrap_or_else(PoisonError::into_inner);
        if !fits(*spent) {
            return None;
        }
        *spent = spent.saturating_add(bytes);
        drop(spent);
        Some(BudgetLease { budget: self.clone(), bytes })
    }

    /// Charges bytes that exist already, whether they fit or not.
    pub fn charge(&self, bytes: usize) -> BudgetLease {
        let mut spent = self.shared.spent();
        *spent = spent.saturating_add(bytes);
        drop(spent);
        BudgetLease { budget: self.clone(), bytes }
    }
}

/// Charged bytes; they are released when it is dropped.
#[derive(Debug)]
#[must_use = "dropping a lease releases its bytes"]
pub struct BudgetLease {
    budget: ByteBudget,
    bytes: usize,
}

impl BudgetLease {
    /// The bytes this lease holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes what the lease holds, whether it fits or not.
    pub fn resize(&mut self, bytes: usize) {
        let mut spent = self.budget.shared.spent();
        *spent = spent.saturating_sub(self.bytes).saturating_add(bytes);
        let shrunk = bytes < self.bytes;
        self.bytes = bytes;
        drop(spent);
        if shrunk {
            self.budget.shared.released.notify_all();
        }
    }
}

impl Drop for BudgetLease {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_refuses_until_a_lease_is_dropped() {
        let budget = ByteBudget::new(100);
        let first = budget.try_charge(80, Duration::ZERO).unwrap();
        assert!(budget.try_charge(30, Duration::ZERO).is_none());
        drop(first);
        assert!(budget.try_charge(30, Duration::ZERO).is_some());
        assert_eq!(budget.spent(), 0);
    }

    #[test]
    fn one_request_above_the_limit_passes_alone() {
        let budget = ByteBudget::new(100);
        let huge = budget.try_charge(1_000, Duration::ZERO).unwrap();
        assert!(budget.try_charge(1, Duration::ZERO).is_none());
        drop(huge);
        assert!(budget.try_charge(1, Duration::ZERO).is_some());
    }

    #[test]
    fn resizing_changes_what_is_charged() {
        let budget = ByteBudget::new(100);
        let mut lease = budget.charge(10);
        lease.resize(150);
        assert_eq!(budget.spent(), 150);
        lease.resize(40);
        assert!(budget.try_charge(60, Duration::ZERO).is_some());
    }
}
