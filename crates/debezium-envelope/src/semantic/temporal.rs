//! Days, times of day and wall-clock timestamps, all integers in a unit that the type states.
//!
//! PostgreSQL's infinities travel as fixed numbers. They are recognised by equality only: a value
//! that is merely far away stays a value.

use super::CellInput;
use crate::error::CellError;
use crate::row::{Date, SemanticType, Time, TimeUnit, Timestamp, Value};
use crate::schema::ConnectSchema;

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref()?, schema.kind.as_str()) {
        ("io.debezium.time.Date" | "org.apache.kafka.connect.data.Date", "int32") => {
            Some(SemanticType::Date)
        }
        ("io.debezium.time.Time" | "org.apache.kafka.connect.data.Time", "int32") => {
            Some(SemanticType::Time(TimeUnit::Millis))
        }
        ("io.debezium.time.MicroTime", "int64") => Some(SemanticType::Time(TimeUnit::Micros)),
        ("io.debezium.time.NanoTime", "int64") => Some(SemanticType::Time(TimeUnit::Nanos)),
        ("io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp", "int64") => {
            Some(SemanticType::Timestamp(TimeUnit::Millis))
        }
        ("io.debezium.time.MicroTimestamp", "int64") => {
            Some(SemanticType::Timestamp(TimeUnit::Micros))
        }
        ("io.debezium.time.NanoTimestamp", "int64") => {
            Some(SemanticType::Timestamp(TimeUnit::Nanos))
        }
        _ => None,
    }
}

/// A day number. The streaming path, the snapshot path (which depends on the connector's time zone)
/// and later versions each write their own numbers for the infinities; all lie outside
/// PostgreSQL's range of dates.
pub(super) fn decode_date(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    const EXPECTED: &str = "a 32-bit count of days";
    let days = cell.integer(EXPECTED)?;
    let days = days.try_into().map_err(|_| CellError::OutOfRange { expected: EXPECTED })?;
    cell.set(Value::Date(day(days)))?;
    Ok(())
}

/// What a day number stands for.
pub(super) fn day(days: i32) -> Date {
    match days {
        -2_147_472_692 | -622_191_234 | -622_191_233 | 2_146_033_979 => Date::Infinity,
        -2_147_472_691 | -625_821_272 | -625_821_271 => Date::NegInfinity,
        days => Date::Days(days),
    }
}

/// What a count of microseconds stands for, short of the ends of 64 bits. The number of the infinity is
/// also that of 294247-01-10 04:00:25.2, which PostgreSQL could hold and nobody has.
pub(super) fn micros(count: i64) -> Timestamp {
    match count {
        9_223_372_036_825_200_000 => Timestamp::Infinity,
        -9_223_372_036_832_400_000 => Timestamp::NegInfinity,
        micros => Timestamp::Micros(micros),
    }
}

/// Below it are no moments. Debezium cuts the seconds of a moment after 294247-01-10 04:00:54 to the
/// greatest count of microseconds and adds the fraction, which wraps into the first counts of all.
pub(crate) const CUT_END: i64 = i64::MIN + 1_000_000;

pub(super) fn decode_time(unit: TimeUnit, cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    const EXPECTED: &str = "a count of time units since midnight";
    let count = cell.integer(EXPECTED)?;
    let nanos_per_unit = match unit {
        TimeUnit::Millis => 1_000_000,
        TimeUnit::Micros => 1_000,
        TimeUnit::Nanos => 1,
    };
    let nanos =
        count.checked_mul(nanos_per_unit).ok_or(CellError::OutOfRange { expected: EXPECTED })?;
    cell.set(Value::Time(Time::from_nanos(nanos)))?;
    Ok(())
}

pub(super) fn decode_timestamp(
    unit: TimeUnit,
    cell: &mut CellInput<'_, '_>,
) -> Result<(), CellError> {
    let count = cell.integer("a 64-bit count of time units since 1970")?;
    let timestamp = match (unit, count) {
        // Since 3.7 the number of microseconds stands for an infinity of milliseconds too.
        (TimeUnit::Millis, 9_223_372_036_825_200 | 9_223_372_036_825_200_000)
        | (TimeUnit::Micros | TimeUnit::Nanos, i64::MAX) => Timestamp::Infinity,
        (TimeUnit::Millis, -9_223_372_036_832_400 | -9_223_372_036_832_400_000)
        | (TimeUnit::Micros | TimeUnit::Nanos, i64::MIN) => Timestamp::NegInfinity,
        (TimeUnit::Millis, millis) => Timestamp::Millis(millis),
        (TimeUnit::Micros, count) => micros(count),
        (TimeUnit::Nanos, nanos) => Timestamp::Nanos(nanos),
    };
    // Microseconds end so for an infinity since Debezium 3.7; before, a later moment was cut to it.
    let is_end = count == i64::MAX || count < CUT_END;
    if timestamp.is_wrapped() || (unit == TimeUnit::Micros && is_end) {
        cell.buffer.note_suspect();
    }
    cell.set(Value::Timestamp(timestamp))?;
    Ok(())
}
