//! One step of progress.

use std::collections::BTreeMap;
use std::fmt;

use crate::{CheckpointError, NextOffset, Partition};

/// A half-open range of one log: from a position up to, not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetRange {
    from: NextOffset,
    until: NextOffset,
}

impl OffsetRange {
    /// The range between two positions; it may be empty.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::BackwardRange`] when it would end before it starts.
    pub fn try_new(from: NextOffset, until: NextOffset) -> Result<Self, CheckpointError> {
        if until < from {
            return Err(CheckpointError::BackwardRange { from, until });
        }
        Ok(Self { from, until })
    }

    /// Where the range starts.
    pub fn from(&self) -> NextOffset {
        self.from
    }

    /// Where reading resumes after the range.
    pub fn until(&self) -> NextOffset {
        self.until
    }

    /// Whether nothing lies in the range.
    pub fn is_empty(&self) -> bool {
        self.from == self.until
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.until)
    }
}

/// One step of progress: a half-open range per partition.
///
/// A delta proves that its ranges are contiguous per partition, because
/// [`extend`](Self::extend) takes nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckpointDelta {
    ranges: BTreeMap<Partition, OffsetRange>,
}

impl CheckpointDelta {
    /// A step of one partition.
    pub fn single(partition: Partition, range: OffsetRange) -> Self {
        Self { ranges: BTreeMap::from([(partition, range)]) }
    }

    /// Adds a range that continues what the delta holds of its partition.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Disjoint`] when it leaves a gap or overlaps; the delta is unchanged.
    pub fn extend(
        &mut self,
        partition: &Partition,
        range: OffsetRange,
    ) -> Result<(), CheckpointError> {
        match self.ranges.get_mut(partition) {
            None => {
                self.ranges.insert(partition.clone(), range);
                Ok(())
            }
            Some(held) if held.until == range.from => {
                held.until = range.until;
                Ok(())
            }
            Some(held) => Err(CheckpointError::Disjoint {
                partition: partition.clone(),
                held: *held,
                next: range,
            }),
        }
    }

    /// The range of one partition.
    pub fn range(&self, partition: &Partition) -> Option<OffsetRange> {
        self.ranges.get(partition).copied()
    }

    /// All ranges, ordered by partition.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = (&Partition, OffsetRange)> {
        self.ranges.iter().map(|(partition, range)| (partition, *range))
    }

    /// Whether the step touches no partition.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl fmt::Display for CheckpointDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (partition, range)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{partition}{range}")?;
        }
        Ok(())
    }
}
