//! Spans of time, and times of day with a zone.

use cdc_core::{Interval, Value};

use super::error::{ValueError, out_of_range, wrong_type};
use super::{cell, temporal};

/// PostgreSQL's zones are less than sixteen hours away from UTC.
const OFFSET_BEYOND: i32 = 57_600;

/// Appends an `interval`: microseconds, days, months.
pub(super) fn put_interval(
    out: &mut Vec<u8>,
    value: Value<'_>,
    step: u32,
) -> Result<(), ValueError> {
    let Value::Interval(interval) = value else { return Err(wrong_type("an interval", value)) };
    let Interval { months, days, micros } = interval;
    let lowest = (months, days, micros) == (i32::MIN, i32::MIN, i64::MIN);
    let highest = (months, days, micros) == (i32::MAX, i32::MAX, i64::MAX);
    if lowest || highest {
        return Err(out_of_range("expected a span that is not PostgreSQL 17's form of infinity"));
    }
    let micros = temporal::whole(micros, step)?;
    cell::put_length(out, 16)?;
    out.extend_from_slice(&micros.to_be_bytes());
    out.extend_from_slice(&days.to_be_bytes());
    out.extend_from_slice(&months.to_be_bytes());
    Ok(())
}

/// Appends a `timetz`: microseconds since midnight, then seconds west of Greenwich.
pub(super) fn put_timetz(out: &mut Vec<u8>, value: Value<'_>, step: u32) -> Result<(), ValueError> {
    let Value::ZonedTime(zoned) = value else {
        return Err(wrong_type("a time with an offset", value));
    };
    let micros = temporal::time(zoned.time, step)?;
    let west = zoned.offset_seconds.checked_neg();
    let west = west.filter(|west| west.unsigned_abs() < OFFSET_BEYOND.unsigned_abs());
    let west = west.ok_or_else(|| out_of_range("expected an offset of less than 16 hours"))?;
    cell::put_length(out, 12)?;
    out.extend_from_slice(&micros.to_be_bytes());
    out.extend_from_slice(&west.to_be_bytes());
    Ok(())
}
