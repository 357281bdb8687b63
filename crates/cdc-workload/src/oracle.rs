//! What must be in a table after a stream: computed from the operations alone.
//!
//! It is deliberately simple code that knows nothing about logs, envelopes or batches. A pipeline, a
//! real PostgreSQL and this module are compared with each other.

use std::collections::BTreeMap;

use crate::{Operation, Order, Transaction};

/// The table after some transactions, and what happened on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oracle {
    rows: BTreeMap<i32, Order>,
    counts: OperationCounts,
}

/// What can be said about the table after some transactions without holding its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The operations so far.
    pub counts: OperationCounts,
    /// `count(*)`.
    pub rows: u64,
    /// `sum(amount)` in cents, 0 for an empty table.
    pub amount_cents: i128,
}

impl Tally {
    /// Lets one more transaction happen.
    pub fn apply(&mut self, transaction: &Transaction) {
        for operation in &transaction.operations {
            self.counts.count(operation);
            match operation {
                Operation::Insert(order) => {
                    self.rows += 1;
                    self.amount_cents += cents(order);
                }
                Operation::Update { before, after } => {
                    self.amount_cents += cents(after) - cents(before);
                }
                Operation::Delete(order) => {
                    self.rows = self.rows.saturating_sub(1);
                    self.amount_cents -= cents(order);
                }
            }
        }
    }
}

fn cents(order: &Order) -> i128 {
    order.amount.map_or(0, |cents| i128::from(cents.0))
}

/// How many operations of each kind happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// New rows.
    pub inserts: u64,
    /// Changed rows, those with a changed key included.
    pub updates: u64,
    /// Removed rows.
    pub deletes: u64,
    /// Updates that changed the key.
    pub key_changes: u64,
}

impl OperationCounts {
    /// All operations.
    pub fn operations(&self) -> u64 {
        self.inserts + self.updates + self.deletes
    }

    /// Row events in the log, which are also the rows of a history: a changed key makes two.
    pub fn events(&self) -> u64 {
        self.operations() + self.key_changes
    }

    /// Records in the log: the row events and a tombstone after each removal of a key.
    pub fn records(&self) -> u64 {
        self.events() + self.deletes + self.key_changes
    }

    fn count(&mut self, operation: &Operation) {
        match operation {
            Operation::Insert(_) => self.inserts += 1,
            Operation::Update { .. } => self.updates += 1,
            Operation::Delete(_) => self.deletes += 1,
        }
        self.key_changes += u64::from(operation.changes_key());
    }
}

impl Oracle {
    /// The table after these transactions, starting from an empty one.
    pub fn of<'t>(transactions: impl IntoIterator<Item = &'t Transaction>) -> Self {
        let mut oracle = Self::default();
        for transaction in transactions {
            oracle.apply(transaction);
        }
        oracle
    }

    /// Lets one more transaction happen.
    pub fn apply(&mut self, transaction: &Transaction) {
        for operation in &transaction.operations {
            self.counts.count(operation);
            match operation {
                Operation::Insert(order) => {
                    self.rows.insert(order.order_id, order.clone());
                }
                Operation::Update { before, after } => {
                    self.rows.remove(&before.order_id);
                    self.rows.insert(after.order_id, after.clone());
                }
                Operation::Delete(order) => {
                    self.rows.remove(&order.order_id);
                }
            }
        }
    }

    /// The rows, by key.
    pub fn rows(&self) -> &BTreeMap<i32, Order> {
        &self.rows
    }

    /// The operations so far.
    pub fn counts(&self) -> OperationCounts {
        self.counts
    }

    /// `sum(amount)` in cents, 0 for an empty table. NULL amounts count nothing, as in SQL.
    pub fn amount_cents(&self) -> i128 {
        self.rows.values().map(cents).sum()
    }
}
