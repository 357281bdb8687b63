//! Rules bound to a shape, applied to one change after the other.
//!
//! Nothing here looks up a name or allocates: columns are indices, hashes go into buffers that keep
//! their memory, and a projected row is a view.

use std::sync::Arc;

use cdc_core::{Change, ChangeEvent, Rejection, Row, RowBuffer, RowShape, SkipReason, Slot, Stage};

use crate::filter::BoundFilter;
use crate::hash::KeyedHash;
use crate::validate::BoundCheck;

/// What the rules made of a change.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one, and boxing it would cost an allocation per row"
)]
pub enum Verdict<'e> {
    /// It goes on, with the columns of [`BoundRules::output_shape`].
    Keep(ChangeEvent<'e>),
    /// A filter left it out.
    Skip(SkipReason),
    /// A validation refused its row.
    Reject(Box<Rejection>),
}

/// The rules of a table for rows of one shape. Made by [`RuleSet::bind`](crate::RuleSet::bind).
#[derive(Debug)]
pub struct BoundRules {
    pub(crate) input: Arc<RowShape>,
    /// An equal shape behind another pointer that rows have come with, so that columns are compared
    /// once and not per row.
    pub(crate) twin: Option<Arc<RowShape>>,
    pub(crate) steps: Vec<Step>,
    pub(crate) projection: Option<Projection>,
}

/// One rule that looks at changes.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) rule: Arc<str>,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    Filter(BoundFilter),
    Check(BoundCheck),
}

/// How output columns come from input columns.
#[derive(Debug)]
pub(crate) struct Projection {
    pub(crate) output: Arc<RowShape>,
    pub(crate) slots: Vec<Slot>,
    /// In the order of the derived cells: the input column and its hash.
    pub(crate) hashes: Vec<(usize, KeyedHash)>,
    /// Two buffers, because an update shows two rows at once.
    pub(crate) before: RowBuffer,
    pub(crate) after: RowBuffer,
}

impl BoundRules {
    /// The columns of the changes that [`apply`](Self::apply) keeps: the very shape that was bound
    /// when no rule renames, drops or hashes.
    pub fn output_shape(&self) -> &Arc<RowShape> {
        self.projection.as_ref().map_or(&self.input, |projection| &projection.output)
    }

    /// Runs the rules over a change, in the order written; the first filter or validation that
    /// decides ends it. Masking, renaming and dropping treat the rows before and after alike.
    ///
    /// A row of another shape than the bound one is rejected, because its columns would be taken
    /// for each other.
    pub fn apply<'e>(&'e mut self, event: &ChangeEvent<'e>) -> Verdict<'e> {
        if self.steps.is_empty() && self.projection.is_none() {
            return Verdict::Keep(*event);
        }
        if !self.fits(&event.change) {
            return Verdict::Reject(foreign_shape(event));
        }
        for step in &self.steps {
            match &step.action {
                Action::Filter(filter) if filter.skips(event) => {
                    return Verdict::Skip(SkipReason::Filtered(Arc::clone(&step.rule)));
                }
                Action::Check(check) if !passes(check, &event.change) => {
                    return Verdict::Reject(check.rejection(&step.rule, event));
                }
                Action::Filter(_) | Action::Check(_) => {}
            }
        }
        let change = match &mut self.projection {
            Some(projection) => projection.project(event.change),
            None => event.change,
        };
        Verdict::Keep(ChangeEvent { change, ..*event })
    }

    fn fits(&mut self, change: &Change<'_>) -> bool {
        let before = match change {
            Change::Update { before, .. } => *before,
            Change::Insert { .. }
            | Change::Snapshot { .. }
            | Change::Delete { .. }
            | Change::Truncate => None,
        };
        [change.row(), before].into_iter().flatten().all(|row| self.is_input(row.shape()))
    }

    fn is_input(&mut self, shape: &Arc<RowShape>) -> bool {
        let known = Arc::ptr_eq(shape, &self.input)
            || self.twin.as_ref().is_some_and(|twin| Arc::ptr_eq(shape, twin));
        if known || **shape != *self.input {
            return known;
        }
        self.twin = Some(Arc::clone(shape));
        true
    }
}

/// Deletes and truncates are not validated: refusing one would keep a row that is gone.
fn passes(check: &BoundCheck, change: &Change<'_>) -> bool {
    match change {
        Change::Insert { after: row }
        | Change::Snapshot { row }
        | Change::Update { after: row, .. } => check.passes(*row),
        Change::Delete { .. } | Change::Truncate => true,
    }
}

fn foreign_shape(event: &ChangeEvent<'_>) -> Box<Rejection> {
    let message = "the rows before and after the change have different columns";
    Box::new(Rejection::new(Stage::Rule, "shape_mismatch", message).in_table(event.table))
}

impl Projection {
    fn project<'e>(&'e mut self, change: Change<'e>) -> Change<'e> {
        let Self { output, slots, hashes, before: before_cells, after: after_cells } = self;
        let view = View { output, slots, hashes };
        match change {
            Change::Insert { after } => Change::Insert { after: view.of(after, after_cells) },
            Change::Snapshot { row } => Change::Snapshot { row: view.of(row, after_cells) },
            Change::Update { before, after } => Change::Update {
                before: before.map(|before| view.of(before, before_cells)),
                after: view.of(after, after_cells),
            },
            Change::Delete { before } => Change::Delete { before: view.of(before, before_cells) },
            Change::Truncate => Change::Truncate,
        }
    }
}

/// The parts of a projection that all rows share.
#[derive(Clone, Copy)]
struct View<'e> {
    output: &'e Arc<RowShape>,
    slots: &'e [Slot],
    hashes: &'e [(usize, KeyedHash)],
}

impl<'e> View<'e> {
    fn of(self, row: Row<'e>, derived: &'e mut RowBuffer) -> Row<'e> {
        derived.clear();
        for (column, hash) in self.hashes {
            hash.push(row.get(*column), derived);
        }
        row.project(self.output, self.slots, derived)
    }
}
