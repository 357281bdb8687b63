//! Where a change stream has been applied up to, and the only ways in which that may change.
//!
//! What it guarantees: progress is a set of half-open ranges that join without a gap, a step is
//! taken for all its partitions or for none, and nothing ever moves back.
//!
//! ```
//! use cdc_checkpoint::{Checkpoint, CheckpointDelta, NextOffset, OffsetRange, Partition};
//!
//! let orders = Partition::new("shop.public.orders", 0, 3)?;
//! let first = OffsetRange::try_new(NextOffset::ZERO, NextOffset::try_new(120)?)?;
//! let delta = CheckpointDelta::single(orders.clone(), first);
//!
//! let mut checkpoint = Checkpoint::default();
//! checkpoint.advance(&delta)?;
//! assert_eq!(checkpoint.to_string(), "shop.public.orders/0/3@120");
//! assert!(checkpoint.advance(&delta).is_err());
//! # Ok::<(), cdc_checkpoint::CheckpointError>(())
//! ```
//!
//! Vocabulary: an [`Offset`] is the log coordinate of one record; a [`NextOffset`] is where reading
//! resumes; a [`Partition`] is one ordered log, with the [`Generation`] of its topic; a
//! [`CheckpointDelta`] is one step of progress; a [`Checkpoint`] is the sum of all steps; a
//! [`SourceMark`] is how far a source's connector has sent, by which a change that it sends again is
//! [sighted](Sighting).
//!
//! Limits: no I/O and no stores. Offsets may skip (compacted logs, transaction markers), so the
//! length of a range says nothing about the number of records in it.

mod checkpoint;
mod delta;
mod error;
mod mark;
mod position;
mod source_marks;

pub use checkpoint::Checkpoint;
pub use delta::{CheckpointDelta, OffsetRange};
pub use error::CheckpointError;
pub use mark::{ChangeIdentity, Found, Keyed, SentChange, Sighting, SourceMark, SourcePosition};
pub use position::{Generation, NextOffset, Offset, Partition, PartitionNumber, TopicName};
pub use source_marks::SourceMarks;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
