//! Records that a batch is staged without, because the sink refused them.

use std::collections::BTreeMap;

use cdc_core::{Offset, Partition, Record, Rejection};

/// Refused records by their place in the log, which stays the same however the batch is cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excluded {
    rejections: BTreeMap<(Partition, Offset), Box<Rejection>>,
}

impl Excluded {
    pub(crate) fn insert(&mut self, record: &Record<'_>, rejection: Box<Rejection>) {
        self.rejections.insert((record.partition.clone(), record.offset), rejection);
    }

    /// Why this record is left out, if it is.
    pub(crate) fn reason(&self, record: &Record<'_>) -> Option<&Rejection> {
        if self.rejections.is_empty() {
            return None;
        }
        self.rejections.get(&(record.partition.clone(), record.offset)).map(|held| &**held)
    }

    pub(crate) fn len(&self) -> usize {
        self.rejections.len()
    }
}
