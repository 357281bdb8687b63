//! From the columns of a row to cells.

use cdc_core::{Rejection, Row, RowBuffer, Value};

use super::rejection;
use super::relations::Compiled;
use crate::pgoutput::{Tuple, TupleColumn};
use crate::text;

/// What a NULL in a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// That the value is NULL.
    AreValues,
    /// That the source did not log the column: what identifies a row is never NULL.
    AreAbsent,
}

impl Compiled {
    /// A row of the table.
    pub(super) fn row<'e>(
        &'e self,
        row: &[u8],
        nulls: Nulls,
        buffer: &'e mut RowBuffer,
    ) -> Result<Row<'e>, Box<Rejection>> {
        let row = self.checked(row)?;
        buffer.clear();
        for (index, value) in row.columns().enumerate() {
            self.put(buffer, index, value, nulls)?;
        }
        Ok(buffer.row(&self.shape, ""))
    }

    /// A row after a change. What is stored out of line and was not changed is taken from the row before
    /// it, where the source logged that.
    pub(super) fn row_after<'e>(
        &'e self,
        new: &[u8],
        old: &[u8],
        buffer: &'e mut RowBuffer,
    ) -> Result<Row<'e>, Box<Rejection>> {
        let (new, old) = (self.checked(new)?, self.checked(old)?);
        buffer.clear();
        for (index, (new, old)) in new.columns().zip(old.columns()).enumerate() {
            let is_in_old = matches!(old, TupleColumn::Text(_) | TupleColumn::Binary(_));
            let value = if new == TupleColumn::Unchanged && is_in_old { old } else { new };
            self.put(buffer, index, value, Nulls::AreValues)?;
        }
        Ok(buffer.row(&self.shape, ""))
    }

    fn checked<'r>(&self, row: &'r [u8]) -> Result<Tuple<'r>, Box<Rejection>> {
        let row = Tuple::parse(row).map_err(|source| {
            rejection::malformed_frame(&crate::frame::FrameError::Change { source }, self.table)
        })?;
        if row.len() == self.description.columns.len() {
            Ok(row)
        } else {
            Err(rejection::column_count(self, row.len()))
        }
    }

    /// Appends a cell for the column at `index` of the table, if it has a meaning.
    fn put(
        &self,
        buffer: &mut RowBuffer,
        index: usize,
        value: TupleColumn<'_>,
        nulls: Nulls,
    ) -> Result<(), Box<Rejection>> {
        let Some(column) = self.description.columns.get(index) else { return Ok(()) };
        let Some(semantic) = &column.semantic else { return Ok(()) };
        match value {
            TupleColumn::Null if nulls == Nulls::AreValues => buffer.push(Value::Null),
            TupleColumn::Null | TupleColumn::Unchanged => buffer.push(Value::Unavailable),
            TupleColumn::Text(bytes) => {
                let text = str::from_utf8(bytes).map_err(|_| rejection::not_utf8(self, column))?;
                let cell = buffer.len();
                text::put(buffer, cell, semantic, text)
                    .map_err(|error| rejection::bad_value(self, column, error))?;
            }
            TupleColumn::Binary(_) => return Err(rejection::binary_value(self, column)),
        }
        Ok(())
    }
}
