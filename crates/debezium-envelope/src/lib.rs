//! Exact decoder and encoder of Debezium change messages.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::as_conversions))]

mod decimal;
mod declarations;
mod decoder;
mod error;
mod json;
mod limits;
mod lsn;
mod message;
mod plan;
mod row;
mod schema;
mod semantic;
mod source;

pub use decimal::{Decimal, DecimalError};
pub use declarations::Declarations;
pub use decoder::MessageDecoder;
pub use error::{DecodeError, Side};
pub use json::JsonKind;
pub use limits::Limits;
pub use lsn::{Lsn, ParseLsnError, Sequence};
pub use message::{
    Envelope, Heartbeat, LogicalMessage, Message, Op, Other, SchemaBlock, SchemaChange,
    SnapshotMarker, SourceInfo, Tombstone, TransactionBlock, TransactionBoundary,
    TransactionMarker,
};
pub use row::{
    Column, Date, ParseSemanticTypeError, Row, RowBuffer, RowShape, SemanticType, Slot, Time,
    TimeUnit, Timestamp, Value,
};
