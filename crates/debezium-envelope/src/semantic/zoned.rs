//! Instants and times of day as ISO-8601 text with an offset.

use super::CellInput;
use super::iso::{Fields, timestamp};
use super::text::PLACEHOLDER;
use crate::error::CellError;
use crate::row::{SemanticType, Time, Timestamp, Value, ZonedTime};
use crate::schema::ConnectSchema;

const INSTANT: &str = "an ISO-8601 date and time with offset, infinity or -infinity";
const TIME: &str = "an ISO-8601 time of day with offset";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref()?, schema.kind.as_str()) {
        ("io.debezium.time.ZonedTimestamp", "string") => Some(SemanticType::ZonedTimestamp),
        ("io.debezium.time.ZonedTime", "string") => Some(SemanticType::ZonedTime),
        _ => None,
    }
}

/// An instant, turned into a count since 1970 in UTC.
pub(super) fn decode_timestamp(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(INSTANT)?;
    let value = match cell.reader.characters_in(&token, &mut cell.scratch.text) {
        "infinity" => Value::Instant(Timestamp::Infinity),
        "-infinity" => Value::Instant(Timestamp::NegInfinity),
        PLACEHOLDER if cell.role.detects() => Value::Unavailable,
        text => {
            let instant = instant(text).ok_or(CellError::InvalidText { expected: INSTANT })?;
            Value::Instant(instant)
        }
    };
    cell.set(value)?;
    Ok(())
}

fn instant(text: &str) -> Option<Timestamp> {
    let mut fields = Fields::new(text);
    let days = fields.date()?;
    fields.eat(b'T')?;
    let nanos = fields.time_of_day()?;
    let offset = fields.offset()?;
    fields.end()?;
    timestamp(days, nanos, offset)
}

/// A time of day with its offset, which PostgreSQL's connector has turned into UTC.
pub(super) fn decode_time(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(TIME)?;
    let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
    let time = time(text).ok_or(CellError::InvalidText { expected: TIME })?;
    cell.set(Value::ZonedTime(time))?;
    Ok(())
}

fn time(text: &str) -> Option<ZonedTime> {
    let mut fields = Fields::new(text);
    let time = Time::from_nanos(fields.time_of_day()?);
    let offset_seconds = i32::try_from(fields.offset()?).ok()?;
    fields.end()?;
    Some(ZonedTime { time, offset_seconds })
}
