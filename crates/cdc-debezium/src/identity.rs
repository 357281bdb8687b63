//! What a change is known by among those that stand at the same position of the source's log.
//!
//! The hash goes into stored checkpoints, so its function must not change from one build or machine to
//! the next; the standard library's promises no such thing. Of rare kinds of values it is the text of
//! their debug form: where that changes with a version of this program, a change that is sent again at the
//! very position of the mark, across the update, counts as new.

use std::fmt::{self, Write as _};
use std::hash::Hasher as _;

use cdc_core::{ChangeIdentity, Date, Decimal, Row, Timestamp, Value};
use debezium_envelope::Envelope;
use seahash::SeaHasher;

/// The hash of operation, table, key and rows. What changes when a change is sent again, like the time
/// of sending, is no part of it.
pub(crate) fn identity_of(envelope: &Envelope<'_>) -> ChangeIdentity {
    let mut hasher = SeaHasher::new();
    hasher.write_u32(u32::from(envelope.op.code()));
    hash_bytes(&mut hasher, envelope.source.schema.as_bytes());
    hash_bytes(&mut hasher, envelope.source.table.as_bytes());
    for row in [envelope.key, envelope.before, envelope.after] {
        match row {
            None => hasher.write_u8(0),
            Some(row) => {
                hasher.write_u8(1);
                hash_row(&mut hasher, row);
            }
        }
    }
    ChangeIdentity::new(hasher.finish())
}

fn hash_row(hasher: &mut SeaHasher, row: Row<'_>) {
    for value in row.values() {
        hash_value(hasher, value);
    }
}

/// Each kind of value begins with a number of its own, so that 1 and true differ.
fn hash_value(hasher: &mut SeaHasher, value: Value<'_>) {
    match value {
        Value::Null => hasher.write_u8(2),
        Value::Unavailable => hasher.write_u8(3),
        Value::Bool(flag) => hasher.write_u16(0x0400 | u16::from(flag)),
        Value::Int16(number) => hash_number(hasher, number.into()),
        Value::Int32(number) => hash_number(hasher, number.into()),
        Value::Int64(number) => hash_number(hasher, number),
        Value::Text(text) => hash_bytes(hasher, text.as_bytes()),
        Value::Bytes(bytes) => hash_bytes(hasher, bytes),
        Value::Uuid(bytes) => hash_bytes(hasher, &bytes),
        Value::Decimal(Decimal::Small { unscaled, scale }) => {
            hash_number(hasher, scale.into());
            hasher.write(&unscaled.to_le_bytes());
        }
        Value::Date(Date::Days(days)) => hash_number(hasher, days.into()),
        Value::Timestamp(at) | Value::Instant(at) => hash_timestamp(hasher, at),
        Value::Float32(number) => hash_number(hasher, number.to_bits().into()),
        Value::Float64(number) => hash_number(hasher, number.to_bits().cast_signed()),
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
            let written = write!(Written(hasher), "{value:?}");
            debug_assert!(written.is_ok(), "a hasher takes all text");
        }
    }
}

fn hash_timestamp(hasher: &mut SeaHasher, at: Timestamp) {
    match at {
        Timestamp::Millis(count)
        | Timestamp::Micros(count)
        | Timestamp::Nanos(count)
        | Timestamp::MicrosSince2000(count) => {
            hash_number(hasher, count);
        }
        Timestamp::Infinity => hasher.write_u8(7),
        Timestamp::NegInfinity => hasher.write_u8(8),
    }
}

fn hash_number(hasher: &mut SeaHasher, number: i64) {
    hasher.write_u8(5);
    hasher.write_u64(number.cast_unsigned());
}

fn hash_bytes(hasher: &mut SeaHasher, bytes: &[u8]) {
    hasher.write_u8(6);
    hasher.write_u64(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    hasher.write(bytes);
}

struct Written<'h>(&'h mut SeaHasher);

impl fmt::Write for Written<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
