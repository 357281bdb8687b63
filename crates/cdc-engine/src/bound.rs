//! Rules bound to the shapes that have been seen.

use std::sync::Arc;

use cdc_core::{ChangeEvent, RowShape, TableId};
use cdc_rules::{BoundRules, RuleError, RuleSet, Verdict};

/// How many (table, shape) pairs are kept bound. A topic whose shape changes more often than this
/// within a run is bound again now and then, which costs time and nothing else.
const SHAPES_MAX: usize = 1_024;

#[derive(Debug)]
struct Entry {
    table: TableId,
    shape: Arc<RowShape>,
    rules: BoundRules,
}

/// The rule sets of all tables, bound on first sight of a shape.
#[derive(Debug)]
pub(crate) struct RuleBook {
    sets: Vec<RuleSet>,
    bound: Vec<Entry>,
    /// The entry that fitted last: changes of one shape come in runs.
    last: usize,
}

impl RuleBook {
    /// Rule sets by table; a table beyond the end has none.
    pub(crate) fn new(sets: Vec<RuleSet>) -> Self {
        Self { sets, bound: Vec::new(), last: 0 }
    }

    /// Applies the table's rules to a change.
    pub(crate) fn apply<'e>(
        &'e mut self,
        event: &ChangeEvent<'e>,
    ) -> Result<Verdict<'e>, RuleError> {
        let Some(shape) = event.change.shape() else {
            let unruled = RuleSet::empty();
            let set = self.sets.get(event.table.index()).unwrap_or(&unruled);
            return Ok(match set.verdict_without_row(event.change.operation()) {
                Some(reason) => Verdict::Skip(reason),
                None => Verdict::Keep(*event),
            });
        };
        let index = self.entry(event.table, shape)?;
        let entry = self.bound.get_mut(index).expect("the index of an entry that was just found");
        Ok(entry.rules.apply(event))
    }

    fn entry(&mut self, table: TableId, shape: &Arc<RowShape>) -> Result<usize, RuleError> {
        let fits = |entry: &Entry| {
            entry.table == table && (Arc::ptr_eq(&entry.shape, shape) || entry.shape == *shape)
        };
        if self.bound.get(self.last).is_some_and(fits) {
            return Ok(self.last);
        }
        if let Some(index) = self.bound.iter().position(fits) {
            self.last = index;
            return Ok(index);
        }
        if self.bound.len() >= SHAPES_MAX {
            self.bound.clear();
        }
        let rules = match self.sets.get(table.index()) {
            Some(set) => set.bind(shape)?,
            None => RuleSet::empty().bind(shape)?,
        };
        self.last = self.bound.len();
        self.bound.push(Entry { table, shape: Arc::clone(shape), rules });
        Ok(self.last)
    }
}
