//! A replay is about some tables of a pipeline: changes of the others stand in the same topics.

use std::sync::Arc;

use cdc_core::{Decoded, Decoder, Record, Rejection, SkipReason, TableId};

/// The name under which changes of other tables are counted.
const OTHER_TABLE: &str = "other_table";

/// A decoder that passes over changes of all tables but these, and over rejected records of others.
#[derive(Debug, Clone)]
pub struct OnlyTables<D> {
    inner: D,
    tables: Arc<[TableId]>,
    reason: Arc<str>,
}

impl<D> OnlyTables<D> {
    /// Changes of these tables as the inner decoder gives them.
    pub fn new(inner: D, tables: impl IntoIterator<Item = TableId>) -> Self {
        Self { inner, tables: tables.into_iter().collect(), reason: Arc::from(OTHER_TABLE) }
    }
}

impl<D: Decoder> Decoder for OnlyTables<D> {
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>> {
        let Self { inner, tables, reason } = self;
        let is_other = |table| !tables.contains(&table);
        match inner.decode(record) {
            Ok(Decoded::Change(event)) if is_other(event.table) => {
                Ok(Decoded::Skip(SkipReason::Filtered(Arc::clone(reason))))
            }
            Err(rejection) if rejection.table.is_some_and(is_other) => {
                Ok(Decoded::Skip(SkipReason::Filtered(Arc::clone(reason))))
            }
            decoded => decoded,
        }
    }
}
