//! The rules of one table, in the order in which they were written.

use std::sync::Arc;

use cdc_core::{Operation, RowShape, SkipReason};

use crate::bind::bind;
use crate::filter::OperationSet;
use crate::{BoundRules, Rule, RuleError, RuleKind};

/// The rules of one table. They run in the order written; clones share them.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Arc<[Rule]>,
}

impl RuleSet {
    /// No rules: every change passes untouched.
    pub fn empty() -> Self {
        Self::default()
    }

    /// These rules, in this order. A name that is taken gets a number, so that counts by name stay
    /// apart.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut unique: Vec<Rule> = Vec::with_capacity(rules.len());
        for rule in rules {
            let taken = |name: &str| unique.iter().any(|other| other.name() == name);
            let mut name = rule.name().to_owned();
            let mut number = 2_u32;
            while taken(&name) {
                name = format!("{} #{number}", rule.name());
                number = number.saturating_add(1);
            }
            let rule = if name == rule.name() { rule } else { rule.named(name) };
            unique.push(rule);
        }
        Self { rules: unique.into() }
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Finds the columns of every rule in a shape. Done once per table and shape; the result is
    /// applied to every change whose rows have that shape.
    ///
    /// # Errors
    ///
    /// The first rule that does not fit the shape.
    pub fn bind(&self, shape: &Arc<RowShape>) -> Result<BoundRules, RuleError> {
        bind(&self.rules, shape)
    }

    /// Whether a change without a row, a truncate, is skipped, and by which rule. Only filters
    /// by operation can do that: without a row there is no condition to decide and nothing to
    /// validate.
    pub fn verdict_without_row(&self, operation: Operation) -> Option<SkipReason> {
        self.rules.iter().find_map(|rule| {
            let RuleKind::Filter(filter) = rule.kind() else { return None };
            let listed = OperationSet::of(&filter.operations).contains(operation);
            let matches = filter.condition.as_ref().map_or(Some(listed), |_| {
                // Only that the operation is not listed is certain.
                (!listed).then_some(false)
            });
            filter
                .effect
                .skips(matches)
                .then(|| SkipReason::Filtered(Arc::clone(rule.shared_name())))
        })
    }
}
