//! Counts of records, apart for each record batch of a write batch, so that the ledger can tell the
//! partitions of a batch apart.

use cdc_core::RecordRef;

/// How many records of each record batch.
#[derive(Debug, Default)]
pub(crate) struct Counts(Vec<u64>);

impl Counts {
    /// Counts a record.
    pub(crate) fn count(&mut self, at: RecordRef) {
        self.raise(at.batch, 1);
    }

    /// Adds other counts.
    pub(crate) fn add(&mut self, other: &Self) {
        for (batch, more) in (0..).zip(&other.0) {
            self.raise(batch, *more);
        }
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many records of one record batch.
    pub(crate) fn of(&self, batch: u32) -> u64 {
        usize::try_from(batch).ok().and_then(|batch| self.0.get(batch)).copied().unwrap_or(0)
    }

    fn raise(&mut self, batch: u32, by: u64) {
        let Ok(batch) = usize::try_from(batch) else { return };
        if batch >= self.0.len() {
            self.0.resize(batch.saturating_add(1), 0);
        }
        if let Some(count) = self.0.get_mut(batch) {
            *count = count.saturating_add(by);
        }
    }
}
