//! What makes a frame an envelope, and an envelope a valid change.

use super::RowSlot;
use super::frame::{Frame, ImageState, OpField};
use crate::error::DecodeError;
use crate::message::{Envelope, Op, SchemaBlock};
use crate::row::{Row, SemanticType, TimeUnit, Timestamp, Value};
use crate::semantic::CUT_END;
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

/// The first version that writes the ends of 64 bits for the infinities of microseconds.
const ENDS_ARE_INFINITIES: (u32, u32) = (3, 7);

/// Refuses timestamps that cannot be what the source holds: nanoseconds that have wrapped, and
/// microseconds that were cut to the end of 64 bits. Other databases keep nanoseconds, so it takes the
/// connector's name to tell; keys do not say it, and a table with a timestamp for its key has the same
/// column in its rows.
pub(super) fn refuse_wrapped(envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    for row in [envelope.before, envelope.after].into_iter().flatten() {
        if !row.has_suspect() {
            continue;
        }
        if envelope.source.connector == "postgresql" {
            refuse_wrapped_in(row)?;
        }
        if version(envelope.source.version).is_none_or(|version| version < ENDS_ARE_INFINITIES) {
            refuse_cut_in(row)?;
        }
    }
    Ok(())
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Refuses wrapped nanoseconds, and what microseconds became that were cut and then wrapped, in a row of a
/// source that is PostgreSQL as far as anyone knows.
pub(super) fn refuse_wrapped_in(row: Row<'_>) -> Result<(), DecodeError> {
    if !row.has_suspect() {
        return Ok(());
    }
    if let Some(column) = column_with(row, |_, at| at.is_wrapped()) {
        return Err(DecodeError::WrappedTimestamp { column });
    }
    let cut = |semantic: &SemanticType, at: Timestamp| {
        *semantic == SemanticType::Timestamp(TimeUnit::Micros)
            && matches!(at, Timestamp::Micros(count) if count < CUT_END)
    };
    match column_with(row, cut) {
        Some(column) => Err(DecodeError::OutOfRange { column, expected: CUT }),
        None => Ok(()),
    }
}

/// Refuses what can only be the end of 64 bits in a row that holds one. A row may hold an infinity too;
/// the column that comes first is named.
fn refuse_cut_in(row: Row<'_>) -> Result<(), DecodeError> {
    let cut = |semantic: &SemanticType, at: Timestamp| {
        *semantic == SemanticType::Timestamp(TimeUnit::Micros)
            && matches!(at, Timestamp::Infinity | Timestamp::NegInfinity)
    };
    match column_with(row, cut) {
        Some(column) => Err(DecodeError::OutOfRange { column, expected: CUT }),
        None => Ok(()),
    }
}

const CUT: &str = "64-bit microseconds since 1970, to which it was cut";

/// The first column with such a timestamp, alone or in an array.
fn column_with(row: Row<'_>, is_it: impl Fn(&SemanticType, Timestamp) -> bool) -> Option<Box<str>> {
    let holds = |semantic: &SemanticType, value| {
        let alone = |semantic: &SemanticType, value| matches!(value, Value::Timestamp(at) if is_it(semantic, at));
        match (semantic, value) {
            (SemanticType::Array { element }, Value::Array(array)) => {
                array.leaves().any(|value| alone(element, value))
            }
            (semantic, value) => alone(semantic, value),
        }
    };
    let mut columns = row.shape().columns().iter().zip(row.values());
    let found = columns.find(|(column, value)| holds(&column.semantic, *value));
    found.map(|(column, _)| (&*column.name).into())
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
