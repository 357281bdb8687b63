//! Whether a record's key names the row that its value shows.
//!
//! Consumers partition, compact and delete by the key and write what the value says. Where both name
//! different rows, none of that is right any more, so such a record is refused.

use crate::error::DecodeError;
use crate::message::{Envelope, Op};
use crate::row::{Row, Value};

/// Refuses a change whose key has another value than the row after it in a column that both have.
///
/// Rows before a change are left alone: what stands in them depends on the source's replica identity.
pub(super) fn refuse_other_key(envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let (Some(key), Some(after)) = (envelope.key, envelope.after) else { return Ok(()) };
    match envelope.op {
        Op::Create | Op::Read | Op::Update => {}
        Op::Delete | Op::Truncate => return Ok(()),
    }
    for (index, column) in key.shape().columns().iter().enumerate() {
        if let Some(place) = place_of(after, &column.name, index)
            && disagree(key.get(index), after.get(place))
        {
            return Err(DecodeError::KeyMismatch { column: (&*column.name).into() });
        }
    }
    Ok(())
}

/// Where a column stands, tried first where the key has it.
fn place_of(row: Row<'_>, name: &str, guess: usize) -> Option<usize> {
    let is_there = row.shape().columns().get(guess).is_some_and(|column| *column.name == *name);
    if is_there { Some(guess) } else { row.shape().index_of(name) }
}

/// Whether two values are known to be different.
///
/// Key and value may be described differently, or one of them not at all, and then a number and the
/// time that it counts are the same. Values of different kinds therefore never disagree, nor do those
/// whose equality is not that of their bytes.
fn disagree(key: Value<'_>, after: Value<'_>) -> bool {
    match (key, after) {
        (Value::Bool(key), Value::Bool(after)) => key != after,
        (Value::Text(key), Value::Text(after)) => key != after,
        (Value::Bytes(key), Value::Bytes(after)) => key != after,
        (Value::Uuid(key), Value::Uuid(after)) => key != after,
        (Value::Date(key), Value::Date(after)) => key != after,
        (Value::Time(key), Value::Time(after)) => key != after,
        (Value::Decimal(key), Value::Decimal(after)) => key != after && !key.is_same_number(&after),
        (key, after) => match (integer(key), integer(after)) {
            (Some(key), Some(after)) => key != after,
            (Some(_) | None, _) => false,
        },
    }
}

fn integer(value: Value<'_>) -> Option<i64> {
    if let Value::Int64(number) = value {
        Some(number)
    } else if let Value::Int32(number) = value {
        Some(number.into())
    } else if let Value::Int16(number) = value {
        Some(number.into())
    } else {
        None
    }
}
