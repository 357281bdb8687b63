//! The view of decoded cells as a row.

use std::sync::Arc;

use super::buffer::RowBuffer;
use super::shape::RowShape;
use super::value::Value;

/// Where an output column of a projected row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The source row's column with this index.
    Source(usize),
    /// The cell with this index in the buffer of derived values.
    Derived(usize),
}

#[derive(Debug, Clone, Copy)]
struct Projection<'a> {
    slots: &'a [Slot],
    derived: &'a RowBuffer,
}

/// A `Copy` view of one decoded row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    shape: &'a Arc<RowShape>,
    cells: &'a RowBuffer,
    record: &'a str,
    projection: Option<Projection<'a>>,
}

impl<'a> Row<'a> {
    pub(super) fn new(shape: &'a Arc<RowShape>, cells: &'a RowBuffer, record: &'a str) -> Self {
        Self { shape, cells, record, projection: None }
    }

    /// Names and types of the columns.
    pub fn shape(&self) -> &'a Arc<RowShape> {
        self.shape
    }

    /// How many columns the row has.
    pub fn len(&self) -> usize {
        self.shape.len()
    }

    /// Whether the row has no column.
    pub fn is_empty(&self) -> bool {
        self.shape.is_empty()
    }

    /// The value of the column at `index`; NULL past the end.
    pub fn get(&self, index: usize) -> Value<'a> {
        match self.projection {
            None => self.cells.value(index, self.record),
            Some(Projection { slots, derived }) => match slots.get(index) {
                Some(Slot::Source(source)) => self.cells.value(*source, self.record),
                Some(Slot::Derived(cell)) => derived.value(*cell, ""),
                None => Value::Null,
            },
        }
    }

    /// The value of the column with this name.
    pub fn get_by_name(&self, name: &str) -> Option<Value<'a>> {
        self.shape.index_of(name).map(|index| self.get(index))
    }

    /// All values in column order.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let row = *self;
        (0..row.len()).map(move |index| row.get(index))
    }

    /// Whether a timestamp was noted that may have wrapped; see
    /// [`Timestamp::is_wrapped`](super::temporal::Timestamp::is_wrapped).
    pub(crate) fn has_suspect(&self) -> bool {
        self.cells.has_suspect()
    }

    /// The same cells under another shape: column `i` of the result is `slots[i]`.
    ///
    /// Projecting a row that is already projected replaces its projection; indices always count
    /// the decoded columns.
    #[must_use]
    pub fn project(
        &self,
        shape: &'a Arc<RowShape>,
        slots: &'a [Slot],
        derived: &'a RowBuffer,
    ) -> Row<'a> {
        Row { shape, projection: Some(Projection { slots, derived }), ..*self }
    }
}
