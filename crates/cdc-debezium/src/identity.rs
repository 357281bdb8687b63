//! What a change is known by among those that stand at the same position of the source's log.
//!
//! What is hashed is gathered first: hashing once over all of it costs a third of hashing value by value.
//!
//! The hash goes into stored checkpoints, so its function must not change from one build or machine to
//! the next; the standard library's promises no such thing. Of rare kinds of values it is the text of
//! their debug form: where that changes with a version of this program, a change that is sent again at the
//! very position of the mark, across the update, counts as new.

use std::fmt::{self, Write as _};

use cdc_core::{ChangeIdentity, Date, Decimal, Row, Timestamp, Value};
use debezium_envelope::Envelope;

/// The hash of operation, table, key and rows. What changes when a change is sent again, like the time
/// of sending, is no part of it. The buffer is emptied first and holds what was hashed.
pub(crate) fn identity_of(envelope: &Envelope<'_>, content: &mut Vec<u8>) -> ChangeIdentity {
    content.clear();
    content.push(envelope.op.code().try_into().unwrap_or(u8::MAX));
    put_bytes(content, envelope.source.schema.as_bytes());
    put_bytes(content, envelope.source.table.as_bytes());
    for row in [envelope.key, envelope.before, envelope.after] {
        match row {
            None => content.push(0),
            Some(row) => {
                content.push(1);
                put_row(content, row);
            }
        }
    }
    ChangeIdentity::new(seahash::hash(content))
}

fn put_row(content: &mut Vec<u8>, row: Row<'_>) {
    for value in row.values() {
        put_value(content, value);
    }
}

/// Each kind of value begins with a number of its own, so that 1 and true differ.
fn put_value(content: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Null => content.push(2),
        Value::Unavailable => content.push(3),
        Value::Bool(flag) => content.extend_from_slice(&[4, u8::from(flag)]),
        Value::Int16(number) => put_number(content, number.into()),
        Value::Int32(number) => put_number(content, number.into()),
        Value::Int64(number) => put_number(content, number),
        Value::Text(text) => put_bytes(content, text.as_bytes()),
        Value::Bytes(bytes) => put_bytes(content, bytes),
        Value::Uuid(bytes) => put_bytes(content, &bytes),
        Value::Decimal(Decimal::Small { unscaled, scale }) => {
            put_number(content, scale.into());
            content.extend_from_slice(&unscaled.to_le_bytes());
        }
        Value::Date(Date::Days(days)) => put_number(content, days.into()),
        Value::Timestamp(at) | Value::Instant(at) => put_timestamp(content, at),
        Value::Float32(number) => put_number(content, number.to_bits().into()),
        Value::Float64(number) => put_number(content, number.to_bits().cast_signed()),
        // Rows of these are rare, and all have a form that does not depend on the machine.
        Value::Decimal(_)
        | Value::Bits(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::ZonedTime(_)
        | Value::Interval(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::SparseVector(_)
        | Value::Point(_)
        | Value::Geometry(_) => {
            content.push(9);
            let written = write!(Text(content), "{value:?}\u{0}");
            debug_assert!(written.is_ok(), "a buffer takes all text");
        }
    }
}

fn put_timestamp(content: &mut Vec<u8>, at: Timestamp) {
    match at {
        Timestamp::Millis(count)
        | Timestamp::Micros(count)
        | Timestamp::Nanos(count)
        | Timestamp::MicrosSince2000(count) => {
            put_number(content, count);
        }
        Timestamp::Infinity => content.push(7),
        Timestamp::NegInfinity => content.push(8),
    }
}

fn put_number(content: &mut Vec<u8>, number: i64) {
    content.push(5);
    content.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(content: &mut Vec<u8>, bytes: &[u8]) {
    content.push(6);
    content.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    content.extend_from_slice(bytes);
}

/// Takes text to the end of the buffer.
struct Text<'b>(&'b mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
