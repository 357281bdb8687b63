//! What makes a frame an envelope, and an envelope a valid change.

use super::RowSlot;
use super::frame::{Frame, ImageState, OpField};
use crate::error::DecodeError;
use crate::message::{Envelope, Op, SchemaBlock};
use crate::row::{Row, Value};
use crate::source::{RawSource, RawTransaction};

/// Whether a slot holds a row of the present message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotState {
    Filled,
    Empty,
}

impl SlotState {
    pub(super) fn row<'d>(self, slot: &'d RowSlot, record: &'d str) -> Option<Row<'d>> {
        match self {
            Self::Filled => Some(slot.view(record)),
            Self::Empty => None,
        }
    }
}

/// A checked row event without lifetime.
pub(super) struct Change {
    pub(super) op: Op,
    pub(super) before: SlotState,
    pub(super) after: SlotState,
    pub(super) key: SlotState,
    pub(super) source: RawSource,
    pub(super) ts_ms: Option<i64>,
    pub(super) ts_us: Option<i64>,
    pub(super) ts_ns: Option<i64>,
    pub(super) transaction: Option<RawTransaction>,
    pub(super) schema_block: SchemaBlock,
}

/// An envelope has an operation and a source; a message with rows and only one of them is a broken
/// envelope rather than something else.
pub(super) fn is_not_an_envelope(frame: &Frame) -> Result<bool, DecodeError> {
    let has_op = frame.op != OpField::Missing;
    let has_source = frame.source.is_some();
    let has_rows = !matches!(
        (&frame.before.state, &frame.after.state),
        (ImageState::Missing, ImageState::Missing)
    );
    match (has_op, has_source) {
        (true, true) => Ok(false),
        (true, false) if has_rows => Err(DecodeError::MissingField { path: "source".into() }),
        (false, true) if has_rows => Err(DecodeError::MissingField { path: "op".into() }),
        (true | false, false) | (false, true) => Ok(true),
    }
}

pub(super) fn missing_source() -> DecodeError {
    DecodeError::MissingField { path: "source".into() }
}

/// Refuses nanoseconds that cannot be what a PostgreSQL source holds. Other databases keep
/// nanoseconds, so it takes the connector's name to tell; keys do not say it, and a table with a
/// timestamp for its key has the same column in its rows.
pub(super) fn refuse_wrapped(envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    if envelope.source.connector != "postgresql" {
        return Ok(());
    }
    [envelope.before, envelope.after].into_iter().flatten().try_for_each(refuse_wrapped_in)
}

/// The same for one row of a source that is PostgreSQL as far as anyone knows.
pub(super) fn refuse_wrapped_in(row: Row<'_>) -> Result<(), DecodeError> {
    if !row.has_suspect_nanos() {
        return Ok(());
    }
    let is_wrapped = |value| {
        let alone = |value| matches!(value, Value::Timestamp(at) if at.is_wrapped());
        if let Value::Array(array) = value { array.leaves().any(alone) } else { alone(value) }
    };
    let mut columns = row.shape().columns().iter().zip(row.values());
    match columns.find(|(_, value)| is_wrapped(*value)) {
        Some((column, _)) => Err(DecodeError::WrappedTimestamp { column: (&*column.name).into() }),
        None => Ok(()),
    }
}

/// Checks that the operation has the rows it needs.
pub(super) fn check(
    frame: &mut Frame,
    source: RawSource,
    key: SlotState,
    schema_block: SchemaBlock,
) -> Result<Change, DecodeError> {
    let op = match frame.op {
        OpField::Row(op) => op,
        OpField::NotText => {
            return Err(DecodeError::InvalidField { path: "op", expected: "a string" });
        }
        OpField::Missing | OpField::Message | OpField::Unknown => {
            return Err(DecodeError::UnknownOperation {});
        }
    };
    let (mut before, mut after) = (frame.before.slot(), frame.after.slot());
    match op {
        Op::Create | Op::Read | Op::Update if after == SlotState::Empty => {
            return Err(DecodeError::MissingAfter { op: op.code() });
        }
        Op::Delete if before == SlotState::Empty && key == SlotState::Empty => {
            return Err(DecodeError::MissingBefore {});
        }
        Op::Truncate => {
            before = SlotState::Empty;
            after = SlotState::Empty;
        }
        Op::Create | Op::Read | Op::Update | Op::Delete => {}
    }
    let Frame { ts_ms, ts_us, ts_ns, .. } = *frame;
    let transaction = frame.transaction.take().transpose()?;
    Ok(Change { op, before, after, key, source, ts_ms, ts_us, ts_ns, transaction, schema_block })
}
