//! One value in the wire form of its column's type.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json::{put_integer, put_java_float, put_string};
use crate::calendar::civil_from_days;
use crate::decimal::Decimal;
use crate::limits::Limits;
use crate::row::{Date, SemanticType, Time, TimeUnit, Timestamp, Value};
use crate::semantic::PLACEHOLDER;

/// Appends a value; `None` when the type has no exact form for it, which is what every pair that is
/// not listed means.
pub(super) fn put(out: &mut Vec<u8>, semantic: &SemanticType, value: Value<'_>) -> Option<()> {
    match (semantic, value) {
        (_, Value::Null) => out.extend_from_slice(b"null"),
        (
            SemanticType::Text
            | SemanticType::Json
            | SemanticType::Enum { .. }
            | SemanticType::VariableDecimal
            | SemanticType::ZonedTimestamp
            | SemanticType::SelfEvident,
            Value::Unavailable,
        ) => put_string(out, PLACEHOLDER),
        (SemanticType::Bytes, Value::Unavailable) => put_base64(out, PLACEHOLDER.as_bytes()),
        (SemanticType::Boolean | SemanticType::SelfEvident, Value::Bool(value)) => {
            out.extend_from_slice(if value { b"true" } else { b"false" });
        }
        (SemanticType::Int16, Value::Int16(value)) => put_integer(out, value.into()),
        (SemanticType::Int32, Value::Int32(value)) => put_integer(out, value.into()),
        (SemanticType::Int64 | SemanticType::SelfEvident, Value::Int64(value)) => {
            put_integer(out, value);
        }
        (SemanticType::Float32, Value::Float32(value)) => put_float32(out, value),
        (SemanticType::Float64, Value::Float64(value)) => put_float64(out, value),
        (
            SemanticType::Text
            | SemanticType::Json
            | SemanticType::Enum { .. }
            | SemanticType::SelfEvident,
            Value::Text(text),
        ) => put_string(out, text),
        (SemanticType::Bytes, Value::Bytes(bytes)) => put_base64(out, bytes),
        (SemanticType::Decimal { scale, .. }, Value::Decimal(decimal)) => {
            return put_fixed(out, decimal, *scale);
        }
        (SemanticType::VariableDecimal, Value::Decimal(decimal)) => {
            return put_variable(out, decimal);
        }
        (SemanticType::SelfEvident, Value::Decimal(decimal)) => {
            decimal.scale()?;
            write!(out, "{decimal}").ok()?;
        }
        (SemanticType::Date, Value::Date(date)) => return put_date(out, date),
        (SemanticType::Time(unit), Value::Time(time)) => return put_time(out, *unit, time),
        (SemanticType::Timestamp(unit), Value::Timestamp(timestamp)) => {
            return put_timestamp(out, *unit, timestamp);
        }
        (SemanticType::ZonedTimestamp, Value::Instant(instant)) => return put_zoned(out, instant),
        (SemanticType::Uuid, Value::Uuid(uuid)) => put_uuid(out, uuid),
        _ => return None,
    }
    Some(())
}

fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let length = bytes.len().div_ceil(3).saturating_mul(4);
    out.resize(start.saturating_add(length), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    let written = STANDARD.encode_slice(bytes, place).unwrap_or(0);
    out.truncate(start.saturating_add(written));
    out.push(b'"');
}

/// The shortest two's complement of a number, as Java's `BigInteger.toByteArray` gives it.
fn put_unscaled(out: &mut Vec<u8>, unscaled: i128) {
    let bytes = unscaled.to_be_bytes();
    let sign_bits =
        if unscaled < 0 { (!unscaled).leading_zeros() } else { unscaled.leading_zeros() };
    // One sign bit has to stay.
    let redundant = usize::try_from(sign_bits.saturating_sub(1) / 8).unwrap_or(0);
    put_base64(out, bytes.get(redundant..).unwrap_or(&bytes));
}

fn put_decimal(out: &mut Vec<u8>, decimal: Decimal<'_>) -> Option<()> {
    match decimal {
        Decimal::Small { unscaled, .. } => put_unscaled(out, unscaled),
        Decimal::Wide { unscaled, .. } => put_base64(out, unscaled),
        Decimal::NaN | Decimal::Infinity | Decimal::NegInfinity => return None,
    }
    Some(())
}

fn put_fixed(out: &mut Vec<u8>, decimal: Decimal<'_>, scale: i32) -> Option<()> {
    if decimal.scale()? == scale {
        return put_decimal(out, decimal);
    }
    let mut scratch = Vec::new();
    put_decimal(out, decimal.rescale(scale, &mut scratch, &Limits::default()).ok()?)
}

fn put_variable(out: &mut Vec<u8>, decimal: Decimal<'_>) -> Option<()> {
    out.extend_from_slice(b"{\"scale\":");
    put_integer(out, decimal.scale()?.into());
    out.extend_from_slice(b",\"value\":");
    put_decimal(out, decimal)?;
    out.push(b'}');
    Some(())
}

fn put_float32(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        put_java_float(out, &format!("{value:e}"));
    } else {
        put_special_float(out, value.into());
    }
}

fn put_float64(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        put_java_float(out, &format!("{value:e}"));
    } else {
        put_special_float(out, value);
    }
}

fn put_special_float(out: &mut Vec<u8>, value: f64) {
    let word = match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    put_string(out, word);
}

/// The infinities in the numbers of the streaming path; days that are taken by any of those numbers
/// have no form of their own.
fn put_date(out: &mut Vec<u8>, date: Date) -> Option<()> {
    let days = match date {
        Date::Infinity => -2_147_472_692,
        Date::NegInfinity => -2_147_472_691,
        Date::Days(
            -2_147_472_692 | -2_147_472_691 | -622_191_234 | -622_191_233 | -625_821_272
            | -625_821_271 | 2_146_033_979,
        ) => return None,
        Date::Days(days) => days,
    };
    put_integer(out, days.into());
    Some(())
}

fn put_time(out: &mut Vec<u8>, unit: TimeUnit, time: Time) -> Option<()> {
    let per_unit = match unit {
        TimeUnit::Millis => 1_000_000,
        TimeUnit::Micros => 1_000,
        TimeUnit::Nanos => 1,
    };
    put_integer(out, exact_quotient(time.nanos(), per_unit)?);
    Some(())
}

fn exact_quotient(number: i64, divisor: i64) -> Option<i64> {
    (number.checked_rem(divisor)? == 0).then(|| number.checked_div(divisor))?
}

fn put_timestamp(out: &mut Vec<u8>, unit: TimeUnit, timestamp: Timestamp) -> Option<()> {
    let (infinity, neg_infinity) = match unit {
        TimeUnit::Millis => (9_223_372_036_825_200, -9_223_372_036_832_400),
        TimeUnit::Micros => (9_223_372_036_825_200_000, -9_223_372_036_832_400_000),
        TimeUnit::Nanos => (i64::MAX, i64::MIN),
    };
    let count = match (unit, timestamp) {
        (_, special @ (Timestamp::Infinity | Timestamp::NegInfinity)) => {
            put_integer(out, if special == Timestamp::Infinity { infinity } else { neg_infinity });
            return Some(());
        }
        (TimeUnit::Millis, Timestamp::Millis(count))
        | (TimeUnit::Micros, Timestamp::Micros(count))
        | (TimeUnit::Nanos, Timestamp::Nanos(count)) => count,
        (TimeUnit::Millis, Timestamp::Micros(micros)) => exact_quotient(micros, 1_000)?,
        (TimeUnit::Millis, Timestamp::Nanos(nanos)) => exact_quotient(nanos, 1_000_000)?,
        (TimeUnit::Micros, Timestamp::Millis(millis)) => millis.checked_mul(1_000)?,
        (TimeUnit::Micros, Timestamp::Nanos(nanos)) => exact_quotient(nanos, 1_000)?,
        (TimeUnit::Nanos, Timestamp::Millis(millis)) => millis.checked_mul(1_000_000)?,
        (TimeUnit::Nanos, Timestamp::Micros(micros)) => micros.checked_mul(1_000)?,
    };
    let taken = count == infinity
        || count == neg_infinity
        || (unit == TimeUnit::Micros && matches!(count, i64::MAX | i64::MIN));
    if taken {
        return None;
    }
    put_integer(out, count);
    Some(())
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`, with nine digits when six do not do.
fn put_zoned(out: &mut Vec<u8>, instant: Timestamp) -> Option<()> {
    let (seconds, nanos) = match instant {
        Timestamp::Infinity => {
            put_string(out, "infinity");
            return Some(());
        }
        Timestamp::NegInfinity => {
            put_string(out, "-infinity");
            return Some(());
        }
        Timestamp::Millis(millis) => {
            (millis.div_euclid(1_000), millis.rem_euclid(1_000).checked_mul(1_000_000)?)
        }
        Timestamp::Micros(micros) => {
            (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000).checked_mul(1_000)?)
        }
        Timestamp::Nanos(nanos) => {
            (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
        }
    };
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400))?;
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let sign = match year {
        i64::MIN..=-1 => "-",
        0..=9_999 => "",
        _ => "+",
    };
    let year = year.unsigned_abs();
    write!(out, "\"{sign}{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.").ok()?;
    if nanos % 1_000 == 0 {
        write!(out, "{:06}Z\"", nanos / 1_000).ok()
    } else {
        write!(out, "{nanos:09}Z\"").ok()
    }
}

fn put_uuid(out: &mut Vec<u8>, uuid: [u8; 16]) {
    out.push(b'"');
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        for digit in [byte >> 4, byte & 0xf] {
            let offset = if digit < 10 { b'0' } else { b'a'.wrapping_sub(10) };
            out.push(offset.wrapping_add(digit));
        }
    }
    out.push(b'"');
}
