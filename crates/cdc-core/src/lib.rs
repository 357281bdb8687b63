//! The types and traits that sources, decoders, sinks and the engine share.
//!
//! What it guarantees: a source, a decoder and a sink that follow these contracts can be joined by
//! the engine without knowing each other, and progress can only be reported by whoever has seen a
//! [`WriteBatch`] applied, because nothing else makes a [`Receipt`].
//!
//! ```
//! use cdc_core::{ByteBudget, NextOffset, Offset, Partition, RecordBatchBuilder, RecordParts};
//!
//! let budget = ByteBudget::new(1 << 20);
//! let partition = Partition::new("shop.public.orders", 0, 0)?;
//! let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
//! builder.push(&RecordParts {
//!     offset: Offset::try_new(0)?,
//!     timestamp_ms: None,
//!     key: Some(b"{\"order_id\":1}"),
//!     value: None,
//!     headers: &[],
//! });
//! let batch = builder.finish(budget.charge(64));
//! assert_eq!(batch.len(), 1);
//! # Ok::<(), cdc_core::CheckpointError>(())
//! ```
//!
//! Vocabulary: a [`Record`] is a raw log entry; a [`ChangeEvent`] is a decoded and placed change; a
//! [`WriteBatch`] is the unit that a sink applies entirely or not at all; a [`DeadLetter`] is a
//! record that could not be applied and is kept with its reason; an [`ErrorClass`] says what is
//! known about a failure and so what may be done next; a [`Witness`] is a record that was applied, by
//! which a log is known again.
//!
//! Differences from a single `Source` trait that also decodes: where bytes come from and what they
//! mean are independent choices (Debezium messages arrive from a broker, from a capture file and
//! from a replay alike), so the [`Decoder`] is handed to the engine beside the [`Source`].
//!
//! Limits: no I/O, no runtime, no driver. The row model is re-exported from `debezium-envelope`.

mod batch;
mod budget;
mod change;
mod decoder;
mod error;
mod record;
mod record_value;
mod redact;
mod rejection;
mod sink;
mod snapshot;
mod source;
mod witness;

pub use batch::{Body, Receipt, RecordRef, Tally, WriteBatch};
pub use budget::{BudgetLease, ByteBudget};
pub use change::{
    Change, ChangeEvent, Emission, Operation, Origin, SourceTable, TableId, TableNameError,
};
pub use decoder::{Decoded, Decoder};
pub use error::{Classify, ErrorClass, Halt, Poison, with_causes};
pub use record::{
    HeaderIter, Headers, PLACE_BYTES_MAX, PLACE_HEADER, Record, RecordBatch, RecordBatchBuilder,
    RecordParts,
};
pub use record_value::RecordValue;
pub use redact::Redact;
pub use rejection::{BEHIND_DEAD_LETTER, DeadLetter, Rejection, SkipReason, Stage};
pub use sink::{Sink, Staged, Stager, Writer};
pub use snapshot::{SnapshotFate, SnapshotPlace, SnapshotRow};
pub use source::{Assignment, ResumePoint, Revocation, Source, SourceEvent};
pub use witness::{Continuity, Inquiry, KnownLog, Witness, Witnesses};

pub use cdc_checkpoint::{
    ChangeIdentity, Checkpoint, CheckpointDelta, CheckpointError, Found, Generation, Keyed,
    NextOffset, Offset, OffsetRange, Partition, PartitionNumber, SentChange, Sighting, SourceMarks,
    SourcePosition, TopicName,
};
pub use debezium_envelope::{
    Array, BinaryMode, Bits, BytesText, CatalogKind, CatalogType, Column, ConnectorModes, Date,
    Decimal, DecimalMode, Geometry, HstoreMode, Interval, IntervalForm, IntervalMode, Limits, Map,
    NativeShape, ParseModeError, Point, REDACTED, RedactError, Redaction, Redactions, Row,
    RowBuffer, RowShape, SemanticType, Slot, SparseVector, StructuredType, Time, TimeMode,
    TimeUnit, Timestamp, Value, ZonedTime,
};
