//! Days, times, points and spans of time in the wire form of their column's type.

use std::io::Write as _;

use crate::calendar::civil_from_days;
use crate::encode::json::{put_integer, put_string};
use crate::row::{
    Date, Interval, IntervalForm, SemanticType, StructuredType, Time, TimeUnit, Timestamp, Value,
    ZonedTime, write_time,
};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

/// Appends a temporal value; `None` when the type has no exact form for it.
pub(super) fn put(out: &mut Vec<u8>, semantic: &SemanticType, value: Value<'_>) -> Option<()> {
    match (semantic, value) {
        (SemanticType::Structured(kind), value) => put_structured(out, *kind, value),
        (SemanticType::Date, Value::Date(date)) => {
            put_integer(out, day_number(date)?.into());
            Some(())
        }
        (SemanticType::IsoDate, Value::Date(date)) => put_iso_date(out, date),
        (SemanticType::Time(unit), Value::Time(time)) => put_time(out, *unit, time),
        (SemanticType::IsoTime, Value::Time(time)) => write!(out, "\"{}Z\"", iso_time(time)?).ok(),
        (SemanticType::ZonedTime, Value::ZonedTime(time)) => put_zoned_time(out, time),
        (SemanticType::Timestamp(unit), Value::Timestamp(timestamp)) => {
            put_timestamp(out, *unit, timestamp)
        }
        (SemanticType::IsoTimestamp, Value::Timestamp(timestamp)) => {
            put_iso_timestamp(out, timestamp)
        }
        (SemanticType::ZonedTimestamp, Value::Instant(instant)) => put_zoned(out, instant),
        (SemanticType::Interval(form), Value::Interval(interval)) => {
            put_interval(out, *form, interval)
        }
        _ => None,
    }
}

/// The infinities in the numbers of the streaming path; days that are taken by any of those numbers
/// have no form of their own.
fn day_number(date: Date) -> Option<i32> {
    let days = match date {
        Date::Infinity => -2_147_472_692,
        Date::NegInfinity => -2_147_472_691,
        Date::Days(
            -2_147_472_692 | -2_147_472_691 | -622_191_234 | -622_191_233 | -625_821_272
            | -625_821_271 | 2_146_033_979,
        ) => return None,
        Date::Days(days) => days,
    };
    Some(days)
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
    let word = match instant {
        Timestamp::Infinity => Some("infinity"),
        Timestamp::NegInfinity => Some("-infinity"),
        Timestamp::Millis(_) | Timestamp::Micros(_) | Timestamp::Nanos(_) => None,
    };
    if let Some(word) = word {
        put_string(out, word);
        return Some(());
    }
    let (days, nanos) = day_and_time(instant)?;
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    out.push(b'"');
    put_day(out, days)?;
    write!(out, "T{hour:02}:{minute:02}:{second:02}.").ok()?;
    if nanos % 1_000 == 0 {
        write!(out, "{:06}Z\"", nanos / 1_000).ok()
    } else {
        write!(out, "{nanos:09}Z\"").ok()
    }
}

/// Days since 1970 and nanoseconds of that day; `None` for an infinity.
fn day_and_time(timestamp: Timestamp) -> Option<(i64, i64)> {
    let (count, per_second) = match timestamp {
        Timestamp::Millis(millis) => (millis, 1_000),
        Timestamp::Micros(micros) => (micros, 1_000_000),
        Timestamp::Nanos(nanos) => (nanos, NANOS_PER_SECOND),
        Timestamp::Infinity | Timestamp::NegInfinity => return None,
    };
    let seconds = count.div_euclid(per_second);
    let nanos =
        count.rem_euclid(per_second).checked_mul(NANOS_PER_SECOND.checked_div(per_second)?)?;
    let of_day = seconds.rem_euclid(86_400).checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)?;
    Some((seconds.div_euclid(86_400), of_day))
}

/// `YYYY-MM-DD` with a sign for years that four digits do not hold.
fn put_day(out: &mut Vec<u8>, days: i64) -> Option<()> {
    let (year, month, day) = civil_from_days(days)?;
    let sign = match year {
        i64::MIN..=-1 => "-",
        0..=9_999 => "",
        _ => "+",
    };
    write!(out, "{sign}{:04}-{month:02}-{day:02}", year.unsigned_abs()).ok()
}

/// A time of day; what lies outside a day has no text.
fn iso_time(time: Time) -> Option<String> {
    let mut text = String::new();
    let nanos = Some(time.nanos()).filter(|nanos| (0..=NANOS_PER_DAY).contains(nanos))?;
    write_time(&mut text, nanos).ok()?;
    Some(text)
}

fn put_iso_date(out: &mut Vec<u8>, date: Date) -> Option<()> {
    out.push(b'"');
    put_day(out, day_number(date)?.into())?;
    out.extend_from_slice(b"Z\"");
    Some(())
}

/// The infinities in the text of the streaming path.
fn put_iso_timestamp(out: &mut Vec<u8>, timestamp: Timestamp) -> Option<()> {
    let timestamp = match timestamp {
        Timestamp::Infinity => Timestamp::Micros(9_223_372_036_825_200_000),
        Timestamp::NegInfinity => Timestamp::Micros(-9_223_372_036_832_400_000),
        Timestamp::Micros(
            9_223_372_036_825_200_000 | -9_223_372_036_832_400_000 | i64::MAX | i64::MIN,
        ) => {
            return None;
        }
        own @ (Timestamp::Millis(_) | Timestamp::Micros(_) | Timestamp::Nanos(_)) => own,
    };
    let (days, nanos) = day_and_time(timestamp)?;
    out.push(b'"');
    put_day(out, days)?;
    write!(out, "T{}Z\"", iso_time(Time::from_nanos(nanos))?).ok()
}

fn put_zoned_time(out: &mut Vec<u8>, time: ZonedTime) -> Option<()> {
    iso_time(time.time)?;
    // Eighteen hours are the most that ISO-8601 text is read with.
    (time.offset_seconds.unsigned_abs() < 19 * 3_600).then(|| write!(out, "\"{time}\"").ok())?
}

fn put_interval(out: &mut Vec<u8>, form: IntervalForm, interval: Interval) -> Option<()> {
    let only_micros = interval.months == 0 && interval.days == 0;
    match form {
        IntervalForm::Iso => return write!(out, "\"{interval}\"").ok(),
        IntervalForm::Micros if only_micros => put_integer(out, interval.micros),
        IntervalForm::Nanos if only_micros => put_integer(out, interval.micros.checked_mul(1_000)?),
        IntervalForm::Micros | IntervalForm::Nanos => return None,
    }
    Some(())
}

/// A member for each part, in the order of the connector's schema.
fn put_structured(out: &mut Vec<u8>, kind: StructuredType, value: Value<'_>) -> Option<()> {
    let date = |days: i64| {
        let (year, month, day) = civil_from_days(days)?;
        Some(format!("\"year\":{year},\"month\":{month},\"day\":{day}"))
    };
    let time = |nanos: i64| {
        let (seconds, nanos) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("\"hour\":{hour},\"minute\":{minute},\"second\":{second},\"nanos\":{nanos}")
    };
    let of_day =
        |time: Time| Some(time.nanos()).filter(|nanos| (0..=NANOS_PER_DAY).contains(nanos));
    let parts = match (kind, value) {
        (
            _,
            Value::Date(Date::Infinity)
            | Value::Timestamp(Timestamp::Infinity)
            | Value::Instant(Timestamp::Infinity),
        ) => "\"specialValue\":\"POSITIVE_INFINITY\"".to_owned(),
        (
            _,
            Value::Date(Date::NegInfinity)
            | Value::Timestamp(Timestamp::NegInfinity)
            | Value::Instant(Timestamp::NegInfinity),
        ) => "\"specialValue\":\"NEGATIVE_INFINITY\"".to_owned(),
        (StructuredType::Date, Value::Date(Date::Days(days))) => date(days.into())?,
        (StructuredType::Time, Value::Time(value)) => time(of_day(value)?),
        (StructuredType::Timestamp, Value::Timestamp(value)) => {
            let (days, nanos) = day_and_time(value)?;
            format!("{},{}", date(days)?, time(nanos))
        }
        (StructuredType::ZonedTimestamp, Value::Instant(value)) => {
            let (days, nanos) = day_and_time(value)?;
            format!("{},{},\"offsetSeconds\":0", date(days)?, time(nanos))
        }
        (StructuredType::ZonedTime, Value::ZonedTime(value)) => {
            format!("{},\"offsetSeconds\":{}", time(of_day(value.time)?), value.offset_seconds)
        }
        (StructuredType::Interval, Value::Interval(Interval { months, days, micros })) => {
            let (years, months) = (months / 12, months % 12);
            let (seconds, nanos) = (micros / 1_000_000, (micros % 1_000_000).checked_mul(1_000)?);
            format!(
                "\"years\":{years},\"months\":{months},\"days\":{days},\"hours\":0,\
                 \"minutes\":0,\"seconds\":{seconds},\"nanos\":{nanos}"
            )
        }
        _ => return None,
    };
    write!(out, "{{{parts}}}").ok()
}
