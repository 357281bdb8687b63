//! The sum of all steps.

use std::collections::BTreeMap;
use std::fmt;

use crate::{CheckpointDelta, CheckpointError, NextOffset, Partition};

/// Where each partition has been applied up to.
///
/// A partition that is not in the map has not been started; it begins at whatever position its
/// first step names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    next: BTreeMap<Partition, NextOffset>,
}

impl Checkpoint {
    /// Where one partition resumes.
    pub fn next(&self, partition: &Partition) -> Option<NextOffset> {
        self.next.get(partition).copied()
    }

    /// Records where a partition stands, as a store gave it back.
    pub fn restore(&mut self, partition: Partition, next: NextOffset) {
        self.next.insert(partition, next);
    }

    /// Takes a step: every partition of the delta, or none.
    ///
    /// | checkpoint stands | outcome |
    /// |---|---|
    /// | where the range starts, or the partition is new | moves to the range's end |
    /// | before the range | [`CheckpointError::Gap`], nothing changes |
    /// | after the range's start | [`CheckpointError::Overlap`], nothing changes |
    ///
    /// # Errors
    ///
    /// The first partition, in order, that does not fit.
    pub fn advance(&mut self, delta: &CheckpointDelta) -> Result<(), CheckpointError> {
        for (partition, range) in delta.ranges() {
            let Some(applied) = self.next(partition) else { continue };
            let (partition, from) = (partition.clone(), range.from());
            if applied < from {
                return Err(CheckpointError::Gap { partition, applied, from });
            }
            if applied > from {
                return Err(CheckpointError::Overlap { partition, applied, from });
            }
        }
        for (partition, range) in delta.ranges() {
            self.next.insert(partition.clone(), range.until());
        }
        Ok(())
    }

    /// All partitions and where they resume, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Partition, NextOffset)> {
        self.next.iter().map(|(partition, next)| (partition, *next))
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (partition, next)) in self.next.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{partition}@{next}")?;
        }
        Ok(())
    }
}
