//! Decoded and placed changes.

use std::fmt;
use std::sync::Arc;

use cdc_checkpoint::SentChange;
use debezium_envelope::{Row, RowShape};

use crate::{Record, SnapshotRow};

/// A configured table, by its place in the configuration. What it stands for is known to whoever
/// numbered the tables: the decoder maps the source's names to it, the sink maps it to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(u32);

impl TableId {
    /// The table at this place of the configuration.
    pub fn new(index: u32) -> Self {
        Self(index)
    }

    /// Its place in the configuration.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The qualified name of a table, `schema.name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceTable {
    schema: String,
    name: String,
}

/// A table name that is not of the form `schema.name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a table name of the form schema.name")]
pub struct TableNameError;

impl SourceTable {
    /// A name from its two parts, taken literally.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// A name from `schema.name`. The first dot separates, so a schema whose name has a dot in it
    /// cannot be written this way.
    ///
    /// # Errors
    ///
    /// When a part is empty or the dot is missing.
    pub fn parse(text: &str) -> Result<Self, TableNameError> {
        match text.split_once('.') {
            Some((schema, name)) if !schema.is_empty() && !name.is_empty() => {
                Ok(Self::new(schema, name))
            }
            _ => Err(TableNameError),
        }
    }

    /// The schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The name within the schema.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for SourceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// It was inserted.
    Insert,
    /// It was read by a snapshot.
    Snapshot,
    /// It was updated.
    Update,
    /// It was deleted.
    Delete,
    /// All rows of the table were removed at once.
    Truncate,
}

impl Operation {
    /// Debezium's one-letter code, which history tables keep: `c`, `r`, `u`, `d`, `t`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Insert => "c",
            Self::Snapshot => "r",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
        }
    }

    /// The operation with this one-letter code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Insert, Self::Snapshot, Self::Update, Self::Delete, Self::Truncate]
            .into_iter()
            .find(|operation| operation.code() == code)
    }
}

/// A change of one row, or of all rows of a table.
#[derive(Debug, Clone, Copy)]
pub enum Change<'e> {
    /// A new row.
    Insert {
        /// The row.
        after: Row<'e>,
    },
    /// A row as a snapshot read it.
    Snapshot {
        /// The row.
        row: Row<'e>,
    },
    /// A changed row.
    Update {
        /// The row before, when the source's replica identity provides it.
        before: Option<Row<'e>>,
        /// The row after.
        after: Row<'e>,
    },
    /// A removed row.
    Delete {
        /// The row before; without full replica identity only its key columns are real, and the
        /// others are unavailable or NULL.
        before: Row<'e>,
    },
    /// All rows removed.
    Truncate,
}

impl<'e> Change<'e> {
    /// What happened.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Insert { .. } => Operation::Insert,
            Self::Snapshot { .. } => Operation::Snapshot,
            Self::Update { .. } => Operation::Update,
            Self::Delete { .. } => Operation::Delete,
            Self::Truncate => Operation::Truncate,
        }
    }

    /// The row that describes the change: the row after it, or before it for a delete.
    pub fn row(&self) -> Option<Row<'e>> {
        match self {
            Self::Insert { after: row }
            | Self::Snapshot { row }
            | Self::Update { after: row, .. }
            | Self::Delete { before: row } => Some(*row),
            Self::Truncate => None,
        }
    }

    /// The columns of that row.
    pub fn shape(&self) -> Option<&'e Arc<RowShape>> {
        self.row().map(|row| row.shape())
    }
}

/// Where and when a change was made in the source. Lineage: it never orders versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// Position in the source's write-ahead log.
    pub lsn: Option<u64>,
    /// The source transaction.
    pub tx_id: Option<i64>,
    /// Commit time of that transaction, milliseconds since 1970; for a snapshot, when it was read.
    pub committed_at_ms: Option<i64>,
    /// When the capture process saw the change, milliseconds since 1970.
    pub captured_at_ms: Option<i64>,
}

/// What a streamed change is known by when its connector sends it again, at a new place of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission<'e> {
    /// The connector that sent it.
    pub connector: &'e str,
    /// The source database.
    pub database: &'e str,
    /// Where it stands in the source.
    pub change: SentChange,
}

/// A decoded change in its place: which table, where in the log, where in the source.
#[derive(Debug, Clone, Copy)]
pub struct ChangeEvent<'e> {
    /// The configured table that changed.
    pub table: TableId,
    /// What changed.
    pub change: Change<'e>,
    /// Where it was made.
    pub origin: Origin,
    /// What it is known by when it is sent again. `None` for rows that a snapshot read and for changes
    /// that do not say where they stand: these are never taken for known.
    pub emission: Option<Emission<'e>>,
    /// What it says of the snapshot that read its row. `None` for streamed changes, for rows of incremental
    /// snapshots, and for those that do not say which snapshot it was.
    pub snapshot: Option<SnapshotRow<'e>>,
    /// Place among the changes of one record: zero unless a record holds several.
    pub ordinal: u32,
    /// The log entry it was decoded from.
    pub record: Record<'e>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_codes_read_back() {
        for code in ["c", "r", "u", "d", "t"] {
            assert_eq!(Operation::from_code(code).map(Operation::code), Some(code));
        }
        assert_eq!(Operation::from_code("x"), None);
    }

    #[test]
    fn a_table_name_needs_both_parts() {
        assert_eq!(SourceTable::parse("public.orders").unwrap().to_string(), "public.orders");
        for bad in ["orders", ".orders", "public.", ""] {
            assert_eq!(SourceTable::parse(bad), Err(TableNameError), "{bad:?}");
        }
    }
}
