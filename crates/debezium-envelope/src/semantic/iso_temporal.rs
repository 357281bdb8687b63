//! Days, times of day and wall-clock timestamps as ISO-8601 text (`time.precision.mode=isostring`).
//!
//! Their `Z` is decoration: the columns have no zone. The infinities are recognised by the same
//! numbers of days and microseconds as in the counted modes, and two by their text, because the
//! snapshot path writes days that depend on the connector's time zone.

use super::CellInput;
use super::iso::{Fields, timestamp};
use super::temporal::{day, micros};
use crate::error::CellError;
use crate::row::{Date, SemanticType, Time, Timestamp, Value};
use crate::schema::ConnectSchema;

const DATE: &str = "an ISO-8601 date";
const TIME: &str = "an ISO-8601 time of day without offset";
const TIMESTAMP: &str = "an ISO-8601 date and time without offset";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref()?, schema.kind.as_str()) {
        ("io.debezium.time.IsoDate", "string") => Some(SemanticType::IsoDate),
        ("io.debezium.time.IsoTime", "string") => Some(SemanticType::IsoTime),
        ("io.debezium.time.IsoTimestamp", "string") => Some(SemanticType::IsoTimestamp),
        _ => None,
    }
}

pub(super) fn decode_date(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(DATE)?;
    let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
    let date = if text.contains("+292278994-08-") {
        Date::Infinity
    } else if text.contains("+292269055-12-") {
        Date::NegInfinity
    } else {
        let mut fields = Fields::new(text);
        let days = fields.date().filter(|_| fields.decoration().is_some());
        let days = days.ok_or(CellError::InvalidText { expected: DATE })?;
        day(days
            .try_into()
            .map_err(|_| CellError::OutOfRange { expected: "a 32-bit count of days" })?)
    };
    cell.set(Value::Date(date))?;
    Ok(())
}

pub(super) fn decode_time(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(TIME)?;
    let mut fields = Fields::new(cell.reader.characters_in(&token, &mut cell.scratch.text));
    let nanos = fields.time_of_day().filter(|_| fields.decoration().is_some());
    let nanos = nanos.ok_or(CellError::InvalidText { expected: TIME })?;
    cell.set(Value::Time(Time::from_nanos(nanos)))?;
    Ok(())
}

pub(super) fn decode_timestamp(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(TIMESTAMP)?;
    let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
    let value = parse(text).ok_or(CellError::InvalidText { expected: TIMESTAMP })?;
    let value = if let Timestamp::Micros(count) = value { micros(count) } else { value };
    cell.set(Value::Timestamp(value))?;
    Ok(())
}

fn parse(text: &str) -> Option<Timestamp> {
    let mut fields = Fields::new(text);
    let days = fields.date()?;
    fields.eat(b'T')?;
    let nanos = fields.time_of_day()?;
    fields.decoration()?;
    timestamp(days, nanos, 0)
}
