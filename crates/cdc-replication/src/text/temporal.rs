//! Days, times of day and moments in PostgreSQL's ISO style.

use cdc_core::{Date, Time, TimeUnit, Timestamp, ZonedTime};

use super::TextError;
use super::cursor::Cursor;

const DATE: TextError =
    TextError::Form { expected: "a day such as 2024-02-29 or 0044-03-15 BC, or an infinity" };
const TIME: TextError = TextError::Form { expected: "a time of day such as 12:34:56.789" };
const ZONED_TIME: TextError =
    TextError::Form { expected: "a time of day with offset such as 12:34:56.789+05:30" };
const TIMESTAMP: TextError = TextError::Form {
    expected: "a day and a time such as 2024-02-29 12:34:56.789, or an infinity",
};
const INSTANT: TextError = TextError::Form {
    expected: "a day and a time with offset such as 2024-02-29 12:34:56.789+00, or an infinity",
};
const MILLIS: TextError =
    TextError::Range { expected: "at most three digits after the point of a second" };

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Seconds from 1970-01-01 to 2000-01-01.
const SECONDS_TO_2000: i64 = 946_684_800;

pub(super) fn date(text: &str) -> Result<Date, TextError> {
    match text {
        "infinity" => return Ok(Date::Infinity),
        "-infinity" => return Ok(Date::NegInfinity),
        _ => {}
    }
    let mut cursor = Cursor::new(text);
    let day = Civil::read(&mut cursor).ok_or(DATE)?;
    day.in_era(&cursor).ok_or(DATE)
}

pub(super) fn time(text: &str, unit: TimeUnit) -> Result<Time, TextError> {
    let mut cursor = Cursor::new(text);
    let micros = time_of_day(&mut cursor).ok_or(TIME)?;
    cursor.end().ok_or(TIME)?;
    check_unit(micros, unit)?;
    Ok(Time::from_nanos(micros.checked_mul(1_000).ok_or(TIME)?))
}

pub(super) fn zoned_time(text: &str) -> Result<ZonedTime, TextError> {
    let mut cursor = Cursor::new(text);
    let mut read = || {
        let nanos = time_of_day(&mut cursor)?.checked_mul(1_000)?;
        let offset_seconds = i32::try_from(offset(&mut cursor)?).ok()?;
        cursor.end()?;
        Some(ZonedTime { time: Time::from_nanos(nanos), offset_seconds })
    };
    read().ok_or(ZONED_TIME)
}

/// A moment in the unit of its column, but for those of PostgreSQL's last thirty years that have no
/// count of microseconds since 1970.
pub(super) fn timestamp(text: &str, unit: TimeUnit) -> Result<Timestamp, TextError> {
    if let Some(infinity) = infinity(text) {
        return Ok(infinity);
    }
    let (seconds, micros) = moment(text, false).ok_or(TIMESTAMP)?;
    check_unit(micros, unit)?;
    let fine = || fine(seconds, micros);
    let timestamp = match unit {
        TimeUnit::Millis => millis(seconds, micros),
        TimeUnit::Micros => fine(),
        TimeUnit::Nanos => fine().map(|fine| match fine {
            Timestamp::Micros(micros) => micros.checked_mul(1_000).map_or(fine, Timestamp::Nanos),
            Timestamp::Millis(_)
            | Timestamp::Nanos(_)
            | Timestamp::MicrosSince2000(_)
            | Timestamp::Infinity
            | Timestamp::NegInfinity => fine,
        }),
    };
    timestamp.ok_or(TIMESTAMP)
}

pub(super) fn instant(text: &str) -> Result<Timestamp, TextError> {
    if let Some(infinity) = infinity(text) {
        return Ok(infinity);
    }
    let (seconds, micros) = moment(text, true).ok_or(INSTANT)?;
    fine(seconds, micros).ok_or(INSTANT)
}

fn infinity(text: &str) -> Option<Timestamp> {
    match text {
        "infinity" => Some(Timestamp::Infinity),
        "-infinity" => Some(Timestamp::NegInfinity),
        _ => None,
    }
}

/// Whole seconds since 1970 and the microseconds behind them.
fn moment(text: &str, is_zoned: bool) -> Option<(i64, i64)> {
    let mut cursor = Cursor::new(text);
    let day = Civil::read(&mut cursor)?;
    cursor.expect(b' ')?;
    let of_day = time_of_day(&mut cursor)?;
    let offset = if is_zoned { offset(&mut cursor)? } else { 0 };
    let Date::Days(days) = day.in_era(&cursor)? else { return None };
    let seconds = i64::from(days)
        .checked_mul(SECONDS_PER_DAY)?
        .checked_add(of_day / MICROS_PER_SECOND)?
        .checked_sub(offset)?;
    Some((seconds, of_day % MICROS_PER_SECOND))
}

fn millis(seconds: i64, micros: i64) -> Option<Timestamp> {
    Some(Timestamp::Millis(seconds.checked_mul(1_000)?.checked_add(micros / 1_000)?))
}

/// Microseconds since 1970; beyond their reach milliseconds where they are exact, else microseconds
/// since 2000.
fn fine(seconds: i64, micros: i64) -> Option<Timestamp> {
    let count = |seconds: i64| seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(micros);
    if let Some(count) = count(seconds) {
        return Some(Timestamp::Micros(count));
    }
    if micros % 1_000 == 0 {
        return millis(seconds, micros);
    }
    count(seconds.checked_sub(SECONDS_TO_2000)?).map(Timestamp::MicrosSince2000)
}

/// A column of milliseconds has no digits beyond them.
fn check_unit(micros: i64, unit: TimeUnit) -> Result<(), TextError> {
    match unit {
        TimeUnit::Millis if micros % 1_000 != 0 => Err(MILLIS),
        TimeUnit::Millis | TimeUnit::Micros | TimeUnit::Nanos => Ok(()),
    }
}

/// A date as it is written, before its era is known, which stands at the end.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Civil {
    /// Years have four digits or more.
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (year, _) = cursor.digits(4, 7)?;
        cursor.expect(b'-')?;
        let month = cursor.two(12)?;
        cursor.expect(b'-')?;
        let day = cursor.two(31)?;
        (year > 0).then_some(Self { year, month, day })
    }

    /// The day, when nothing is left but an era.
    fn in_era(&self, cursor: &Cursor<'_>) -> Option<Date> {
        let year = match cursor.rest() {
            b"" => self.year,
            b" BC" => 1_i64.checked_sub(self.year)?,
            _ => return None,
        };
        Date::from_civil(year, self.month, self.day)
    }
}

/// Microseconds since midnight, up to 24:00:00.
fn time_of_day(cursor: &mut Cursor<'_>) -> Option<i64> {
    let hour = cursor.two(24)?;
    cursor.expect(b':')?;
    let minute = cursor.two(59)?;
    cursor.expect(b':')?;
    let second = cursor.two(59)?;
    let micros = cursor.fraction()?;
    if hour == 24 && (minute, second, micros) != (0, 0, 0) {
        return None;
    }
    let minutes = hour.checked_mul(60)?.checked_add(minute)?;
    let seconds = minutes.checked_mul(60)?.checked_add(second)?;
    seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(micros)
}

/// Seconds ahead of UTC: `+00`, `-08`, `+05:30` or `+05:53:28`.
fn offset(cursor: &mut Cursor<'_>) -> Option<i64> {
    let negative = cursor.eat(b'-');
    if !negative {
        cursor.expect(b'+')?;
    }
    let hours = cursor.two(15)?;
    let mut seconds = hours.checked_mul(3_600)?;
    for unit in [60, 1] {
        if !cursor.eat(b':') {
            break;
        }
        seconds = seconds.checked_add(cursor.two(59)?.checked_mul(unit)?)?;
    }
    if negative { seconds.checked_neg() } else { Some(seconds) }
}
