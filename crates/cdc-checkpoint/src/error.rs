//! What can be wrong with a position or a step of progress.

use crate::{NextOffset, OffsetRange, Partition};

/// A position that cannot exist, or a step that would lose or repeat changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Log offsets start at zero.
    #[error("offset {found} is negative")]
    NegativeOffset {
        /// The number that was given.
        found: i64,
    },
    /// Partition numbers start at zero.
    #[error("partition number {found} is negative")]
    NegativePartition {
        /// The number that was given.
        found: i32,
    },
    /// A topic needs a name of 1 to 249 characters.
    #[error("a topic name has 1 to 249 characters, not {length}")]
    TopicLength {
        /// Length of the name that was given.
        length: usize,
    },
    /// A topic's name has other characters than Kafka allows.
    #[error(
        "a topic name has only A-Z, a-z, 0-9, '.', '_' and '-', and is not '.' or '..': {name:?}"
    )]
    TopicCharacters {
        /// The name that was given.
        name: String,
    },
    /// A range that ends before it starts.
    #[error("range ends at {until}, before its start {from}")]
    BackwardRange {
        /// Where the range would start.
        from: NextOffset,
        /// Where the range would end.
        until: NextOffset,
    },
    /// Two ranges of one partition that do not touch cannot be one step.
    #[error("range {next} of {partition} does not continue {held}")]
    Disjoint {
        /// The partition of both ranges.
        partition: Partition,
        /// What the delta holds.
        held: OffsetRange,
        /// What was to be added.
        next: OffsetRange,
    },
    /// The step starts after the end of what has been applied: something would be skipped.
    #[error("{partition} is applied up to {applied}, but the step starts at {from}: a gap")]
    Gap {
        /// The partition.
        partition: Partition,
        /// Where the checkpoint stands.
        applied: NextOffset,
        /// Where the step starts.
        from: NextOffset,
    },
    /// The step starts before the end of what has been applied: something would be repeated.
    #[error("{partition} is applied up to {applied}, but the step starts at {from}: an overlap")]
    Overlap {
        /// The partition.
        partition: Partition,
        /// Where the checkpoint stands.
        applied: NextOffset,
        /// Where the step starts.
        from: NextOffset,
    },
    /// Stored marks of a source that cannot be read.
    #[error("the stored marks of the source cannot be read: {reason}")]
    StoredMarks {
        /// What is wrong with them.
        reason: String,
    },
}
