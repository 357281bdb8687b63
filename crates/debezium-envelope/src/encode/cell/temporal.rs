//! Days, times, points and spans of time in the wire form of their column's type.

mod structured;

use std::io::Write as _;

use super::{Form, Origin, Part};
use crate::calendar::civil_from_days;
use crate::encode::json::{put_integer, put_string};
use crate::encode::options::{DIGITS_MAX, Release};
use crate::row::{
    Date, Interval, IntervalForm, MICROS_TO_2000, SemanticType, Time, TimeUnit, Timestamp, Value,
    ZonedTime, write_time,
};
use crate::semantic::CUT_END;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

/// Appends a temporal value; `None` when the type has no exact form for it.
pub(super) fn put(
    out: &mut Vec<u8>,
    semantic: &SemanticType,
    value: Value<'_>,
    form: Form,
) -> Option<()> {
    match (semantic, value) {
        (SemanticType::Structured(kind), value) => structured::put(out, *kind, value, form),
        (SemanticType::Date, Value::Date(date)) => {
            put_integer(out, day_number(date, form)?.into());
            Some(())
        }
        (SemanticType::IsoDate, Value::Date(date)) => put_iso_date(out, date, form),
        (SemanticType::Time(unit), Value::Time(time)) => put_time(out, *unit, time),
        (SemanticType::IsoTime, Value::Time(time)) => write!(out, "\"{}Z\"", iso_time(time)?).ok(),
        (SemanticType::ZonedTime, Value::ZonedTime(time)) => put_zoned_time(out, time),
        (SemanticType::Timestamp(unit), Value::Timestamp(timestamp)) => {
            put_timestamp(out, *unit, timestamp, form.release)
        }
        (SemanticType::IsoTimestamp, Value::Timestamp(timestamp)) => {
            put_iso_timestamp(out, timestamp, form.release)
        }
        (SemanticType::ZonedTimestamp, Value::Instant(instant)) => put_zoned(out, instant, form),
        (SemanticType::Interval(form), Value::Interval(interval)) => {
            put_interval(out, *form, interval)
        }
        _ => None,
    }
}

/// Days that are taken by any of the numbers for an infinity have no form of their own.
fn day_number(date: Date, form: Form) -> Option<i32> {
    let days = match date {
        Date::Infinity if form.is_queried() => -622_191_234,
        Date::NegInfinity if form.is_queried() => -625_821_272,
        Date::Infinity if form.release < Release::V3_7 => -2_147_472_692,
        Date::Infinity => 2_146_033_979,
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

/// The numbers for the infinities, of which other units have had each other's.
const INFINITIES: [(TimeUnit, i64, i64); 5] = [
    (TimeUnit::Millis, 9_223_372_036_825_200, -9_223_372_036_832_400),
    (TimeUnit::Millis, 9_223_372_036_825_200_000, -9_223_372_036_832_400_000),
    (TimeUnit::Micros, 9_223_372_036_825_200_000, -9_223_372_036_832_400_000),
    (TimeUnit::Micros, i64::MAX, i64::MIN),
    (TimeUnit::Nanos, i64::MAX, i64::MIN),
];

fn put_timestamp(
    out: &mut Vec<u8>,
    unit: TimeUnit,
    timestamp: Timestamp,
    release: Release,
) -> Option<()> {
    let mut known = INFINITIES.iter().filter(|(own, ..)| *own == unit);
    let (_, infinity, neg_infinity) =
        if release < Release::V3_7 { known.next()? } else { known.next_back()? };
    let count = match (unit, timestamp) {
        (_, special @ (Timestamp::Infinity | Timestamp::NegInfinity)) => {
            let count = if special == Timestamp::Infinity { infinity } else { neg_infinity };
            put_integer(out, *count);
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
        (TimeUnit::Millis, Timestamp::MicrosSince2000(micros)) => {
            exact_quotient(micros, 1_000)?.checked_add(MICROS_TO_2000 / 1_000)?
        }
        (TimeUnit::Micros, Timestamp::MicrosSince2000(_)) => timestamp.micros()?,
        (TimeUnit::Nanos, Timestamp::MicrosSince2000(_)) => {
            timestamp.micros()?.checked_mul(1_000)?
        }
    };
    let is_infinity = |(own, infinity, neg_infinity): &(TimeUnit, i64, i64)| {
        *own == unit && (count == *infinity || count == *neg_infinity)
    };
    let is_cut = unit == TimeUnit::Micros && count < CUT_END;
    if is_cut || INFINITIES.iter().any(is_infinity) {
        return None;
    }
    put_integer(out, count);
    Some(())
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ` with as many digits as the source's type has, or with nine when
/// that is of a database that keeps nanoseconds.
fn put_zoned(out: &mut Vec<u8>, instant: Timestamp, form: Form) -> Option<()> {
    let word = match instant {
        Timestamp::Infinity => Some("infinity"),
        Timestamp::NegInfinity if form.part == Part::Element => {
            let fraction = format!(".{:0<width$}", "", width = form.digits.into());
            let fraction = if form.digits == 0 { "" } else { &fraction };
            return write!(out, "\"+292269055-12-02T23:00:00{fraction}Z\"").ok();
        }
        Timestamp::NegInfinity => Some("-infinity"),
        Timestamp::Millis(_)
        | Timestamp::Micros(_)
        | Timestamp::Nanos(_)
        | Timestamp::MicrosSince2000(_) => None,
    };
    if let Some(word) = word {
        put_string(out, word);
        return Some(());
    }
    let (days, nanos) = day_and_time(instant)?;
    let is_epoch = days == 0 && nanos == 0;
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    out.push(b'"');
    put_day(out, days)?;
    write!(out, "T{hour:02}:{minute:02}:{second:02}").ok()?;
    let digits = if form.digits == DIGITS_MAX && nanos % 1_000 != 0 { 9 } else { form.digits };
    if digits > 0 && !(form.origin == Origin::StandIn && is_epoch) {
        let unit = 10_i64.checked_pow(9_u32.checked_sub(digits.into())?)?;
        let (fraction, width) = (exact_quotient(nanos, unit)?, usize::from(digits));
        write!(out, ".{fraction:0width$}").ok()?;
    } else if nanos != 0 {
        return None;
    }
    out.extend_from_slice(b"Z\"");
    Some(())
}

/// Days since 1970 and nanoseconds of that day; `None` for an infinity.
fn day_and_time(timestamp: Timestamp) -> Option<(i64, i64)> {
    let (count, per_second, begin) = match timestamp {
        Timestamp::Millis(millis) => (millis, 1_000, 0),
        Timestamp::Micros(micros) => (micros, 1_000_000, 0),
        Timestamp::Nanos(nanos) => (nanos, NANOS_PER_SECOND, 0),
        Timestamp::MicrosSince2000(micros) => (micros, 1_000_000, MICROS_TO_2000 / 1_000_000),
        Timestamp::Infinity | Timestamp::NegInfinity => return None,
    };
    let seconds = count.div_euclid(per_second).checked_add(begin)?;
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

fn put_iso_date(out: &mut Vec<u8>, date: Date, form: Form) -> Option<()> {
    let special = match date {
        Date::Infinity if form.is_queried() => "+292278994-08-16Z",
        Date::NegInfinity if form.is_queried() => "+292269055-12-02Z",
        Date::Infinity | Date::NegInfinity | Date::Days(_) => "",
    };
    if !special.is_empty() {
        put_string(out, special);
        return Some(());
    }
    out.push(b'"');
    put_day(out, day_number(date, form)?.into())?;
    out.extend_from_slice(b"Z\"");
    Some(())
}

fn put_iso_timestamp(out: &mut Vec<u8>, timestamp: Timestamp, release: Release) -> Option<()> {
    let special = match timestamp {
        Timestamp::Infinity if release < Release::V3_7 => "+294247-01-10T04:00:25.2Z",
        Timestamp::NegInfinity if release < Release::V3_7 => "-290308-12-21T19:59:27.6Z",
        Timestamp::Infinity => "+292278994-08-16T23:00:00Z",
        Timestamp::NegInfinity => "-292275055-05-16T23:00:00Z",
        Timestamp::Micros(
            9_223_372_036_825_200_000 | -9_223_372_036_832_400_000 | i64::MAX | i64::MIN,
        ) => {
            return None;
        }
        Timestamp::Millis(_)
        | Timestamp::Micros(_)
        | Timestamp::Nanos(_)
        | Timestamp::MicrosSince2000(_) => "",
    };
    if !special.is_empty() {
        put_string(out, special);
        return Some(());
    }
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
