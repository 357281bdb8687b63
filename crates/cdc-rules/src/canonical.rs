//! The text form of a value that is hashed: PostgreSQL's own `value::text` in a session with ISO
//! dates and UTC, so that a hash can be recomputed in SQL.
//!
//! The form does not depend on the wire unit: the same instant in milliseconds and in microseconds
//! has one text. Nothing here allocates, except for decimals beyond 128 bits.

use std::fmt::{self, Write};
use std::num::FpCategory;

use cdc_core::{Date, Timestamp, Value};

use crate::calendar::{Moment, write_date, write_time, write_timestamp};

/// Writes the text of a value; NULL and unavailable values have none.
pub(crate) fn write_canonical(out: &mut impl Write, value: Value<'_>) -> fmt::Result {
    match value {
        Value::Null | Value::Unavailable => Ok(()),
        Value::Bool(flag) => out.write_str(if flag { "true" } else { "false" }),
        Value::Int16(number) => write!(out, "{number}"),
        Value::Int32(number) => write!(out, "{number}"),
        Value::Int64(number) => write!(out, "{number}"),
        Value::Float32(number) => {
            write_float(out, number.classify(), 6, format_args!("{number:e}"))
        }
        Value::Float64(number) => {
            write_float(out, number.classify(), 15, format_args!("{number:e}"))
        }
        Value::Decimal(decimal) => write!(out, "{decimal}"),
        Value::Text(text) => out.write_str(text),
        Value::Bytes(bytes) => {
            out.write_str("\\x")?;
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
        Value::Bits(bits) => write!(out, "{bits}"),
        // Columns of these kinds are refused when a hash is bound; the text only has to be total.
        Value::ZonedTime(_)
        | Value::Interval(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::SparseVector(_)
        | Value::Point(_)
        | Value::Geometry(_) => write!(out, "{value:?}"),
        Value::Date(Date::Days(days)) => write_date(out, days.into()),
        Value::Date(Date::Infinity) => out.write_str("infinity"),
        Value::Date(Date::NegInfinity) => out.write_str("-infinity"),
        Value::Time(time) => write_time(out, time.nanos()),
        Value::Timestamp(timestamp) => write_moment(out, timestamp, ""),
        Value::Instant(timestamp) => write_moment(out, timestamp, "+00"),
        Value::Uuid(bytes) => bytes.iter().enumerate().try_for_each(|(index, byte)| {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.write_str("-")?;
            }
            write!(out, "{byte:02x}")
        }),
    }
}

fn write_moment(out: &mut impl Write, timestamp: Timestamp, zone: &str) -> fmt::Result {
    match Moment::of_timestamp(timestamp) {
        Moment::At(nanos) => write_timestamp(out, nanos, zone),
        Moment::Infinity => out.write_str("infinity"),
        Moment::NegInfinity => out.write_str("-infinity"),
    }
}

/// The shortest digits that read back, as PostgreSQL lays them out: an exponent below -4 or from
/// `exponent_from` on, with at least two digits.
fn write_float(
    out: &mut impl Write,
    category: FpCategory,
    exponent_from: i32,
    scientific: fmt::Arguments<'_>,
) -> fmt::Result {
    let mut buffer = ShortText::default();
    buffer.write_fmt(scientific)?;
    let text = buffer.as_str();
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    if category == FpCategory::Nan {
        return out.write_str("NaN");
    }
    out.write_str(sign)?;
    if category == FpCategory::Infinite {
        return out.write_str("Infinity");
    }
    let (mantissa, exponent) = text.split_once('e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if exponent < -4 || exponent >= exponent_from {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let Ok(whole) = usize::try_from(exponent) else {
        out.write_str("0.")?;
        (1..exponent.unsigned_abs()).try_for_each(|_| out.write_str("0"))?;
        return write!(out, "{first}{rest}");
    };
    match rest.split_at_checked(whole) {
        Some((head, "")) => write!(out, "{first}{head}"),
        Some((head, tail)) => write!(out, "{first}{head}.{tail}"),
        None => {
            write!(out, "{first}{rest}")?;
            (rest.len()..whole).try_for_each(|_| out.write_str("0"))
        }
    }
}

/// A text that surely fits: a 64-bit float in scientific form takes at most 24 bytes.
#[derive(Default)]
struct ShortText {
    bytes: [u8; 32],
    used: usize,
}

impl ShortText {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.used).and_then(|used| str::from_utf8(used).ok()).unwrap_or_default()
    }
}

impl Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used.saturating_add(text.len());
        let free = self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cdc_core::{Decimal, Time};

    use super::*;

    fn text(value: Value<'_>) -> String {
        let mut out = String::new();
        write_canonical(&mut out, value).unwrap();
        out
    }

    #[test]
    fn floats_read_as_postgresql_prints_them() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (-1234.5, "-1234.5"),
            (120.0, "120"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1e300, "1e+300"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-5e-324, "-5e-324"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(Value::Float64(number)), expected);
        }
        assert_eq!(text(Value::Float32(0.1)), "0.1");
        assert_eq!(text(Value::Float32(1e6)), "1e+06");
        assert_eq!(text(Value::Float32(999_999.0)), "999999");
    }

    #[test]
    fn every_kind_of_value_has_its_text() {
        let uuid = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        for (value, expected) in [
            (Value::Bool(true), "true"),
            (Value::Int16(-7), "-7"),
            (Value::Int32(7), "7"),
            (Value::Int64(i64::MIN), "-9223372036854775808"),
            (Value::Decimal(Decimal::Small { unscaled: -1050, scale: 2 }), "-10.50"),
            (Value::Decimal(Decimal::NaN), "NaN"),
            (Value::Text("a\"ü"), "a\"ü"),
            (Value::Bytes(&[0, 255]), "\\x00ff"),
            (Value::Date(Date::Days(19_753)), "2024-01-31"),
            (Value::Date(Date::NegInfinity), "-infinity"),
            (Value::Time(Time::from_nanos(3_600_000_000_000)), "01:00:00"),
            (Value::Timestamp(Timestamp::Millis(500)), "1970-01-01 00:00:00.5"),
            (Value::Timestamp(Timestamp::Micros(500_000)), "1970-01-01 00:00:00.5"),
            (Value::Instant(Timestamp::Nanos(1)), "1970-01-01 00:00:00.000000001+00"),
            (Value::Instant(Timestamp::Infinity), "infinity"),
            (Value::Uuid(uuid), "00112233-4455-6677-8899-aabbccddeeff"),
        ] {
            assert_eq!(text(value), expected);
        }
    }
}
