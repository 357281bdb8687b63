//! Days and microseconds: from 1970 to PostgreSQL's 2000-01-01, within PostgreSQL's range.

use cdc_core::{Date, Time, Timestamp};

use super::error::{ValueError, not_exact, out_of_range};

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;

/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The same in milliseconds.
const EPOCH_MILLIS: i64 = EPOCH_MICROS / MILLI_MICROS;

/// Microseconds of a millisecond.
const MILLI_MICROS: i64 = 1_000;

/// 2000-01-01 in days since day 0 of the Julian calendar.
pub(super) const JULIAN_EPOCH: i64 = 2_451_545;

/// 4714-11-24 BC, day 0 of the Julian calendar, counted from 2000-01-01.
const DAY_MIN: i32 = -2_451_545;

/// 5874897-12-31, the last day PostgreSQL knows.
const DAY_MAX: i32 = 2_145_031_948;

/// 4714-11-24 00:00:00 BC.
const MICROS_MIN: i64 = -211_813_488_000_000_000;

/// 294276-12-31 23:59:59.999999.
const MICROS_MAX: i64 = 9_223_371_331_199_999_999;

/// 24:00:00, which PostgreSQL's `time` includes.
const DAY_MICROS: i64 = 86_400_000_000;

/// Days since 2000-01-01.
pub(super) fn date(date: Date) -> Result<i32, ValueError> {
    match date {
        Date::Infinity => Ok(i32::MAX),
        Date::NegInfinity => Ok(i32::MIN),
        Date::Days(days) => days
            .checked_sub(EPOCH_DAYS)
            .filter(|days| (DAY_MIN..=DAY_MAX).contains(days))
            .ok_or_else(|| out_of_range("expected a date from 4714-11-24 BC to 5874897-12-31")),
    }
}

/// Microseconds since midnight, a whole multiple of `step`.
pub(super) fn time(time: Time, step: u32) -> Result<i64, ValueError> {
    let micros = time.micros().ok_or_else(|| rounded(step))?;
    if !(0..=DAY_MICROS).contains(&micros) {
        return Err(out_of_range("expected a time of day from 00:00:00 to 24:00:00"));
    }
    whole(micros, step)
}

/// Microseconds since 2000-01-01, a whole multiple of `step`.
pub(super) fn timestamp(timestamp: Timestamp, step: u32) -> Result<i64, ValueError> {
    // The last thirty years have no number of 64 bits that counts microseconds from 1970, so
    // milliseconds are counted from 2000 before they become microseconds.
    let micros = match timestamp {
        Timestamp::Infinity => return Ok(i64::MAX),
        Timestamp::NegInfinity => return Ok(i64::MIN),
        Timestamp::Millis(millis) => {
            let millis = millis.checked_sub(EPOCH_MILLIS);
            millis.and_then(|millis| millis.checked_mul(MILLI_MICROS))
        }
        Timestamp::Micros(micros) => micros.checked_sub(EPOCH_MICROS),
        Timestamp::MicrosSince2000(micros) => Some(micros),
        Timestamp::Nanos(_) => {
            timestamp.micros().ok_or_else(|| rounded(step))?.checked_sub(EPOCH_MICROS)
        }
    };
    // Both epochs are midnights, so the fraction of a second is the same in either.
    whole(within(micros)?, step)
}

/// Microseconds since 2000-01-01, from days since 1970-01-01 and microseconds of the day. The last years
/// have no number of 64 bits that counts from 1970.
pub(super) fn parts(days: i64, micros: i64) -> Result<i64, ValueError> {
    let days = days.checked_sub(EPOCH_DAYS.into());
    within(days.and_then(|days| days.checked_mul(DAY_MICROS)?.checked_add(micros)))
}

/// The same number, when PostgreSQL knows the timestamp.
fn within(micros: Option<i64>) -> Result<i64, ValueError> {
    micros.filter(|micros| (MICROS_MIN..=MICROS_MAX).contains(micros)).ok_or_else(beyond)
}

/// The same number, when it is a multiple of `step`.
pub(super) fn whole(micros: i64, step: u32) -> Result<i64, ValueError> {
    match micros.checked_rem(i64::from(step)) {
        Some(0) => Ok(micros),
        _ => Err(rounded(step)),
    }
}

#[cold]
fn beyond() -> ValueError {
    out_of_range("expected a timestamp from 4714-11-24 BC to 294276-12-31")
}

#[cold]
fn rounded(step: u32) -> ValueError {
    let digits = 6_u32.saturating_sub(step.checked_ilog10().unwrap_or(0));
    not_exact(format!("expected at most {digits} digits of a second after the point"))
}
