//! Times as objects with a member for each part, in the order of the connector's schema
//! (`time.precision.mode=structured`).

use std::io::Write as _;

use super::{NANOS_PER_DAY, NANOS_PER_SECOND, day_and_time};
use crate::calendar::civil_from_days;
use crate::encode::cell::{Form, Origin, Part};
use crate::row::{Date, Interval, StructuredType, Time, Timestamp, Value};

const INFINITY: &str = "\"POSITIVE_INFINITY\"";
const NEG_INFINITY: &str = "\"NEGATIVE_INFINITY\"";

/// 292269055-12-02 23:00:00 in milliseconds since 1970, as which elements of arrays arrive.
const NEG_INFINITY_ELEMENT: i64 = 9_223_058_401_542_000_000;

const NO_DAY: &str = r#""year":null,"month":null,"day":null"#;
const NO_TIME: &str = r#""hour":null,"minute":null,"second":null,"nanos":null"#;
const NO_ZONE: &str = r#""offsetSeconds":null,"zoneId":null"#;

/// Appends a value; `None` when the type has no exact form for it.
pub(super) fn put(
    out: &mut Vec<u8>,
    kind: StructuredType,
    value: Value<'_>,
    form: Form,
) -> Option<()> {
    let mut value = value;
    if form.part == Part::Element && value == Value::Instant(Timestamp::NegInfinity) {
        value = Value::Instant(Timestamp::Millis(NEG_INFINITY_ELEMENT));
    }
    let special = special(value);
    let special_value = special.unwrap_or("null");
    let parts = match (kind, value) {
        (StructuredType::Date, Value::Date(date)) => {
            format!("{},\"specialValue\":{special_value}", day(date)?)
        }
        (StructuredType::Time, Value::Time(value)) => time(of_day(value)?),
        (StructuredType::Timestamp, Value::Timestamp(value)) => {
            format!("{},\"specialValue\":{special_value}", moment(value)?)
        }
        (StructuredType::ZonedTimestamp, Value::Instant(value)) => {
            let is_stand_in = form.origin == Origin::StandIn && day_and_time(value) == Some((0, 0));
            let zone = match (special, is_stand_in) {
                (Some(_), _) => NO_ZONE,
                (None, true) => r#""offsetSeconds":0,"zoneId":null"#,
                (None, false) => r#""offsetSeconds":0,"zoneId":"Z""#,
            };
            format!("{},{zone},\"specialValue\":{special_value}", moment(value)?)
        }
        (StructuredType::ZonedTime, Value::ZonedTime(value)) => {
            format!("{},\"offsetSeconds\":{}", time(of_day(value.time)?), value.offset_seconds)
        }
        (StructuredType::Interval, Value::Interval(value)) => span(value)?,
        _ => return None,
    };
    if kind == StructuredType::Date {
        return write!(out, "{{{parts}}}").ok();
    }
    write!(out, "{{{parts},\"precision\":{}}}", form.digits).ok()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other value is infinite")]
fn special(value: Value<'_>) -> Option<&'static str> {
    match value {
        Value::Date(Date::Infinity)
        | Value::Timestamp(Timestamp::Infinity)
        | Value::Instant(Timestamp::Infinity) => Some(INFINITY),
        Value::Date(Date::NegInfinity)
        | Value::Timestamp(Timestamp::NegInfinity)
        | Value::Instant(Timestamp::NegInfinity) => Some(NEG_INFINITY),
        _ => None,
    }
}

fn day(date: Date) -> Option<String> {
    let Date::Days(days) = date else { return Some(NO_DAY.to_owned()) };
    day_parts(days.into())
}

fn day_parts(days: i64) -> Option<String> {
    let (year, month, day) = civil_from_days(days)?;
    Some(format!("\"year\":{year},\"month\":{month},\"day\":{day}"))
}

fn moment(timestamp: Timestamp) -> Option<String> {
    if matches!(timestamp, Timestamp::Infinity | Timestamp::NegInfinity) {
        return Some(format!("{NO_DAY},{NO_TIME}"));
    }
    let (days, nanos) = day_and_time(timestamp)?;
    Some(format!("{},{}", day_parts(days)?, time(nanos)))
}

fn of_day(time: Time) -> Option<i64> {
    Some(time.nanos()).filter(|nanos| (0..=NANOS_PER_DAY).contains(nanos))
}

fn time(nanos: i64) -> String {
    let (seconds, nanos) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("\"hour\":{hour},\"minute\":{minute},\"second\":{second},\"nanos\":{nanos}")
}

/// Each part has its own sign.
fn span(Interval { months, days, micros }: Interval) -> Option<String> {
    let (years, months) = (months / 12, months % 12);
    let (seconds, nanos) = (micros / 1_000_000, (micros % 1_000_000).checked_mul(1_000)?);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    Some(format!(
        "\"years\":{years},\"months\":{months},\"days\":{days},\"hours\":{hours},\
         \"minutes\":{minutes},\"seconds\":{seconds},\"nanos\":{nanos}"
    ))
}
