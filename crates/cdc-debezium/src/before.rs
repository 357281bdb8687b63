//! How much of the row before a delete is real.
//!
//! Unless the source table has full replica identity, PostgreSQL logs the key of a deleted row alone.
//! Debezium sends a whole row all the same: NULL where a column may be NULL, and an invented value
//! where it may not. Stored in a history these would be amounts of 0.00 that nobody ever had.

use cdc_core::{Row, RowBuffer, Value};

use crate::filler::is_filler;

/// How the rows before deletes of a table are taken.
///
/// A change of a key is a delete and an insert, so its old row is taken alike. A row of which the key
/// alone is real becomes one whose other columns are [`Value::Unavailable`].
///
/// The decision looks at one record and at nothing before it: a replay decides as the first run did.
/// Without a record key, or when it has no column of the row, rows are taken as they come in every
/// mode. PostgreSQL refuses deletes from a published table that has no identity, so the rows of a
/// table without key are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BeforeImages {
    /// The key alone is real when every other column is NULL, unavailable, or holds what Debezium
    /// fills in; otherwise the whole row is.
    ///
    /// Debezium fills in the default of the column or the zero of its type.
    ///
    /// It errs where the record does not tell. A whole row that has nothing but NULL, zeros and
    /// defaults beside its key counts as its key. Without schema block the defaults are unknown, and
    /// a key image that has one counts as whole; so does one whose replica identity is an index over
    /// other columns than the record's key.
    #[default]
    Auto,
    /// Every column is real: the source table has full replica identity.
    Full,
    /// The columns of the record's key are real and no others.
    Key,
}

impl BeforeImages {
    /// The row before a delete with what is not real made unavailable. `image` is the place for such
    /// a row.
    pub(crate) fn taken<'e>(
        self,
        before: Row<'e>,
        key: Option<Row<'e>>,
        image: &'e mut RowBuffer,
    ) -> Row<'e> {
        let columns = || before.shape().columns().iter().zip(before.values());
        let is_key = |name: &str| key.is_some_and(|key| key.shape().index_of(name).is_some());
        let is_partial = match self {
            Self::Full => false,
            Self::Key => true,
            // The first real value settles it, in whole rows that is one of the first columns.
            Self::Auto => columns().enumerate().all(|(index, (column, value))| {
                is_filler(&column.semantic, value)
                    || is_key(&column.name)
                    || before.shape().default_of(index) == Some(value)
            }),
        };
        if !is_partial || !columns().any(|(column, _)| is_key(&column.name)) {
            return before;
        }
        image.clear();
        for (column, value) in columns() {
            image.push(if is_key(&column.name) { value } else { Value::Unavailable });
        }
        image.row(before.shape(), "")
    }
}
