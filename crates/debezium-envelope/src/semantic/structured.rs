//! Temporal types that travel as objects with a member for each part
//! (`time.precision.mode=structured`).

use super::CellInput;
use super::interval::Parts;
use super::iso::timestamp;
use crate::calendar::days_from_civil;
use crate::error::CellError;
use crate::row::{Date, SemanticType, StructuredType, Time, Timestamp, Value, ZonedTime};
use crate::schema::ConnectSchema;

const EXPECTED: &str = "an object with the parts of a date, time or span";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    if schema.kind != "struct" {
        return None;
    }
    let kind = match schema.name.as_deref()? {
        "io.debezium.time.StructuredDate" => StructuredType::Date,
        "io.debezium.time.StructuredTime" => StructuredType::Time,
        "io.debezium.time.StructuredTimestamp" => StructuredType::Timestamp,
        "io.debezium.time.StructuredZonedTime" => StructuredType::ZonedTime,
        "io.debezium.time.StructuredZonedTimestamp" => StructuredType::ZonedTimestamp,
        "io.debezium.time.StructuredDuration" => StructuredType::Interval,
        _ => return None,
    };
    Some(SemanticType::Structured(kind))
}

const MEMBERS: &[&str] = &[
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "nanos",
    "offsetSeconds",
    "specialValue",
    "years",
    "months",
    "days",
    "hours",
    "minutes",
    "seconds",
];

/// The special values of types that have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Infinity,
    NegInfinity,
}

/// The members that were not null.
#[derive(Debug, Default)]
struct Members {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    nanos: Option<i64>,
    offset_seconds: Option<i64>,
    special: Option<Special>,
    span: Parts,
}

pub(super) fn decode(kind: StructuredType, cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let mut members = Members::default();
    cell.each_member(EXPECTED, MEMBERS, |name, cell| members.read(name, cell))?;
    let invalid = CellError::InvalidText { expected: EXPECTED };
    let value = match kind {
        StructuredType::Date => members.date().map(Value::Date),
        StructuredType::Time => {
            members.nanos_of_day().map(|nanos| Value::Time(Time::from_nanos(nanos)))
        }
        StructuredType::Timestamp => members.timestamp(0).map(Value::Timestamp),
        StructuredType::ZonedTime => members.zoned_time().map(Value::ZonedTime),
        StructuredType::ZonedTimestamp => {
            let offset = members.offset_seconds.unwrap_or(0);
            members.timestamp(offset).map(Value::Instant)
        }
        StructuredType::Interval => {
            members.span.nanos = members.nanos.unwrap_or(0);
            members.span.interval().map(Value::Interval)
        }
    };
    cell.set(value.ok_or(invalid)?)?;
    Ok(())
}

impl Members {
    /// Reads the member of this name; false for members that have no influence on the value.
    fn read(&mut self, name: &str, cell: &mut CellInput<'_, '_>) -> Result<bool, CellError> {
        let span = &mut self.span;
        let place = match name {
            "year" => &mut self.year,
            "month" => &mut self.month,
            "day" => &mut self.day,
            "hour" => &mut self.hour,
            "minute" => &mut self.minute,
            "second" => &mut self.second,
            "nanos" => &mut self.nanos,
            "offsetSeconds" => &mut self.offset_seconds,
            "specialValue" => {
                self.special = Self::special(cell)?;
                return Ok(true);
            }
            "years" | "months" | "days" | "hours" | "minutes" | "seconds" => {
                let place = match name {
                    "years" => &mut span.years,
                    "months" => &mut span.months,
                    "days" => &mut span.days,
                    "hours" => &mut span.hours,
                    "minutes" => &mut span.minutes,
                    _ => &mut span.seconds,
                };
                if !cell.reader.eat_null() {
                    *place = cell.integer(EXPECTED)?;
                }
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *place = if cell.reader.eat_null() { None } else { Some(cell.integer(EXPECTED)?) };
        Ok(true)
    }

    fn special(cell: &mut CellInput<'_, '_>) -> Result<Option<Special>, CellError> {
        if cell.reader.eat_null() {
            return Ok(None);
        }
        let token = cell.string(EXPECTED)?;
        match cell.reader.slice(token.range) {
            "POSITIVE_INFINITY" => Ok(Some(Special::Infinity)),
            "NEGATIVE_INFINITY" => Ok(Some(Special::NegInfinity)),
            _ => Err(CellError::InvalidText { expected: "POSITIVE_INFINITY or NEGATIVE_INFINITY" }),
        }
    }

    fn days(&self) -> Option<i64> {
        days_from_civil(self.year?, self.month?, self.day?)
    }

    fn date(&self) -> Option<Date> {
        match self.special {
            Some(Special::Infinity) => Some(Date::Infinity),
            Some(Special::NegInfinity) => Some(Date::NegInfinity),
            None => self.days()?.try_into().ok().map(Date::Days),
        }
    }

    /// Nanoseconds since midnight, up to 24:00:00.
    fn nanos_of_day(&self) -> Option<i64> {
        let within = |part: Option<i64>, most: i64| part.filter(|part| (0..=most).contains(part));
        let hour = within(self.hour, 24)?;
        let (minute, second) = (within(self.minute, 59)?, within(self.second, 59)?);
        let nanos = within(self.nanos.or(Some(0)), 999_999_999)?;
        if hour == 24 && (minute, second, nanos) != (0, 0, 0) {
            return None;
        }
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        let seconds = minutes.checked_mul(60)?.checked_add(second)?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
    }

    fn timestamp(&self, offset: i64) -> Option<Timestamp> {
        match self.special {
            Some(Special::Infinity) => Some(Timestamp::Infinity),
            Some(Special::NegInfinity) => Some(Timestamp::NegInfinity),
            None => timestamp(self.days()?, self.nanos_of_day()?, offset),
        }
    }

    fn zoned_time(&self) -> Option<ZonedTime> {
        let time = Time::from_nanos(self.nanos_of_day()?);
        let offset_seconds = self.offset_seconds?.try_into().ok()?;
        Some(ZonedTime { time, offset_seconds })
    }
}
