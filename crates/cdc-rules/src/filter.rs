//! Filters bound to columns: which changes are skipped.

use cdc_core::{Change, ChangeEvent, Operation, Row, Value};

use crate::literal::Literal;
use crate::rule::{Deletes, FilterEffect};

impl FilterEffect {
    /// Whether a change is skipped; one of which it is not known whether it matches never is.
    pub(crate) fn skips(self, matches: Option<bool>) -> bool {
        match self {
            Self::Keep => matches == Some(false),
            Self::Drop => matches == Some(true),
        }
    }
}

/// A set of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OperationSet(u8);

impl OperationSet {
    /// The listed ones, or all when none is listed.
    pub(crate) fn of(operations: &[Operation]) -> Self {
        if operations.is_empty() {
            return Self(u8::MAX);
        }
        Self(operations.iter().fold(0, |bits, operation| bits | Self::bit(*operation)))
    }

    pub(crate) fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    fn bit(operation: Operation) -> u8 {
        match operation {
            Operation::Insert => 1,
            Operation::Snapshot => 2,
            Operation::Update => 4,
            Operation::Delete => 8,
            Operation::Truncate => 16,
        }
    }
}

/// A filter whose column is found.
#[derive(Debug)]
pub(crate) struct BoundFilter {
    pub(crate) effect: FilterEffect,
    pub(crate) operations: OperationSet,
    pub(crate) condition: Option<BoundCondition>,
    pub(crate) deletes: Deletes,
}

impl BoundFilter {
    /// Whether the change is skipped.
    pub(crate) fn skips(&self, event: &ChangeEvent<'_>) -> bool {
        let matches = if self.operations.contains(event.change.operation()) {
            match &self.condition {
                None => Some(true),
                Some(condition) => {
                    self.judged_row(&event.change).and_then(|row| condition.holds(row))
                }
            }
        } else {
            Some(false)
        };
        self.effect.skips(matches)
    }

    fn judged_row<'e>(&self, change: &Change<'e>) -> Option<Row<'e>> {
        match (change, self.deletes) {
            (Change::Delete { .. }, Deletes::Pass) => None,
            (
                Change::Delete { .. }
                | Change::Insert { .. }
                | Change::Snapshot { .. }
                | Change::Update { .. }
                | Change::Truncate,
                _,
            ) => change.row(),
        }
    }
}

/// A condition whose column is found and whose literals have its type.
#[derive(Debug)]
pub(crate) struct BoundCondition {
    pub(crate) column: usize,
    pub(crate) comparisons: Vec<BoundComparison>,
}

impl BoundCondition {
    /// Whether the row meets it; `None` when its value is not known.
    fn holds(&self, row: Row<'_>) -> Option<bool> {
        let value = row.get(self.column);
        if value == Value::Unavailable {
            return None;
        }
        Some(self.comparisons.iter().all(|comparison| comparison.holds(value)))
    }
}

#[derive(Debug)]
pub(crate) enum BoundComparison {
    Equals(Literal),
    NotEquals(Literal),
    In(Vec<Literal>),
    IsNull,
    NotNull,
    Less(Literal),
    Greater(Literal),
}

impl BoundComparison {
    fn holds(&self, value: Value<'_>) -> bool {
        match self {
            Self::Equals(literal) => literal.is(value),
            Self::NotEquals(literal) => !value.is_null() && !literal.is(value),
            Self::In(literals) => literals.iter().any(|literal| literal.is(value)),
            Self::IsNull => value.is_null(),
            Self::NotNull => !value.is_null(),
            Self::Less(literal) => literal.order(value).is_some_and(std::cmp::Ordering::is_lt),
            Self::Greater(literal) => literal.order(value).is_some_and(std::cmp::Ordering::is_gt),
        }
    }
}
