//! Days, times and instants: from the text of a rule's literal, and to the text that is hashed.
//!
//! Everything counts in the proleptic Gregorian calendar from 1970-01-01, in whole nanoseconds where
//! a day is too coarse, so that comparing values of different wire units is comparing integers.

use std::fmt;

use cdc_core::Timestamp;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i128 = 86_400;
const NANOS_PER_DAY: i128 = NANOS_PER_SECOND * SECONDS_PER_DAY;

/// Microseconds from 1970-01-01 to 2000-01-01.
const MICROS_TO_2000: i128 = 946_684_800_000_000;

/// Largest year a literal may name, PostgreSQL's own bound.
const YEAR_MAX: i64 = 294_276;

/// A place on a time line with both ends. The order of the variants is the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    NegInfinity,
    /// Days for a date, nanoseconds for everything finer.
    At(i128),
    Infinity,
}

impl Moment {
    /// Nanoseconds since 1970, whatever unit the value came in.
    pub(crate) fn of_timestamp(timestamp: Timestamp) -> Self {
        match timestamp {
            Timestamp::Millis(millis) => Self::At(i128::from(millis) * 1_000_000),
            Timestamp::Micros(micros) => Self::At(i128::from(micros) * 1_000),
            Timestamp::Nanos(nanos) => Self::At(nanos.into()),
            Timestamp::MicrosSince2000(micros) => {
                Self::At((i128::from(micros) + MICROS_TO_2000) * 1_000)
            }
            Timestamp::Infinity => Self::Infinity,
            Timestamp::NegInfinity => Self::NegInfinity,
        }
    }

    fn parse_infinity(text: &str) -> Option<Self> {
        match text {
            "infinity" => Some(Self::Infinity),
            "-infinity" => Some(Self::NegInfinity),
            _ => None,
        }
    }

    /// `YYYY-MM-DD`, in days.
    pub(crate) fn parse_date(text: &str) -> Option<Self> {
        Self::parse_infinity(text).or_else(|| date(text).map(|days| Self::At(days.into())))
    }

    /// `YYYY-MM-DD HH:MM[:SS[.fraction]]`, or a date alone for its midnight, in nanoseconds.
    pub(crate) fn parse_timestamp(text: &str) -> Option<Self> {
        Self::parse_infinity(text).or_else(|| wall_clock(text).map(Self::At))
    }

    /// A wall clock reading followed by `Z` or an offset such as `+02` or `-03:30`, in nanoseconds
    /// of UTC.
    pub(crate) fn parse_instant(text: &str) -> Option<Self> {
        Self::parse_infinity(text).or_else(|| {
            if let Some(clock) = text.strip_suffix(['Z', 'z']) {
                return wall_clock(clock).map(Self::At);
            }
            // The date has hyphens of its own, so an offset can only stand behind the time.
            let time_at = text.find(['T', 't', ' '])?;
            let sign_at = text.rfind(['+', '-']).filter(|at| *at > time_at)?;
            let (clock, offset) = text.split_at_checked(sign_at)?;
            Some(Self::At(wall_clock(clock)? - offset_nanos(offset)?))
        })
    }
}

/// `HH:MM[:SS[.fraction]]` from `00:00` to `24:00`, in nanoseconds since midnight.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "00"));
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let (hours, minutes, seconds) = (two(hours, 24)?, two(minutes, 59)?, two(seconds, 59)?);
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let mut nanos = digits(fraction)?;
    for _ in fraction.len()..9 {
        nanos *= 10;
    }
    let total = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + nanos;
    (total <= 86_400_000_000_000).then_some(total)
}

fn wall_clock(text: &str) -> Option<i128> {
    let (day, time) = match text.split_once(['T', 't', ' ']) {
        Some((day, time)) => (day, parse_time(time)?),
        None => (text, 0),
    };
    Some(i128::from(date(day)?) * NANOS_PER_DAY + i128::from(time))
}

fn offset_nanos(text: &str) -> Option<i128> {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => (-1, magnitude),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = magnitude.split_once(':').unwrap_or((magnitude, "00"));
    let minutes = two(hours, 18)? * 60 + two(minutes, 59)?;
    Some(i128::from(sign * minutes) * 60 * NANOS_PER_SECOND)
}

fn date(text: &str) -> Option<i64> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let year = digits(year).filter(|value| year.len() >= 4 && (1..=YEAR_MAX).contains(value))?;
    let (month, day) = (two(month, 12)?, two(day, 31)?);
    if month < 1 || day < 1 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // A day that its month does not have comes back as another one.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Exactly two digits, at most `max`.
fn two(text: &str, max: i64) -> Option<i64> {
    digits(text).filter(|value| text.len() == 2 && *value <= max)
}

fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day is a year's last, and
/// in eras of 400 years, which have 146,097 days each.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// Year (0 is 1 BC), month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (year * 365 + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// Writes a date as PostgreSQL does.
pub(crate) fn write_date(out: &mut impl fmt::Write, days: i64) -> fmt::Result {
    write_day_and(out, days, |_| Ok(()))
}

/// Writes nanoseconds since 1970 as PostgreSQL writes a timestamp; `zone` follows the time.
pub(crate) fn write_timestamp(out: &mut impl fmt::Write, nanos: i128, zone: &str) -> fmt::Result {
    let out_of_range = |_| fmt::Error;
    let days = i64::try_from(nanos.div_euclid(NANOS_PER_DAY)).map_err(out_of_range)?;
    let time = i64::try_from(nanos.rem_euclid(NANOS_PER_DAY)).map_err(out_of_range)?;
    write_day_and(out, days, |out| {
        out.write_str(" ")?;
        write_time(out, time)?;
        out.write_str(zone)
    })
}

fn write_day_and<W: fmt::Write>(
    out: &mut W,
    days: i64,
    rest: impl FnOnce(&mut W) -> fmt::Result,
) -> fmt::Result {
    let (year, month, day) = civil_from_days(days);
    let before_christ = year < 1;
    let shown = if before_christ { 1 - year } else { year };
    write!(out, "{shown:04}-{month:02}-{day:02}")?;
    rest(out)?;
    if before_christ { out.write_str(" BC") } else { Ok(()) }
}

/// Writes nanoseconds since midnight, without trailing zeros of the fraction.
pub(crate) fn write_time(out: &mut impl fmt::Write, nanos: i64) -> fmt::Result {
    if nanos < 0 {
        out.write_str("-")?;
    }
    let nanos = nanos.unsigned_abs();
    let (seconds, mut fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
    if fraction == 0 {
        return Ok(());
    }
    let mut width = 9;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    write!(out, ".{fraction:0width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<i128> {
        match Moment::parse_date(text)? {
            Moment::At(days) => Some(days),
            Moment::NegInfinity | Moment::Infinity => None,
        }
    }

    #[test]
    fn every_day_of_eight_centuries_reads_back() {
        let mut expected = -135_140; // 1600-01-01
        assert_eq!(day("1600-01-01"), Some(expected.into()));
        while expected < 157_054 {
            let mut text = String::new();
            write_date(&mut text, expected).unwrap();
            assert_eq!(day(&text), Some(expected.into()), "{text}");
            expected += 1;
        }
    }

    #[test]
    fn refuses_days_and_times_that_do_not_exist() {
        for bad in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "24-01-01", "x", ""] {
            assert_eq!(Moment::parse_date(bad), None, "{bad}");
        }
        for bad in ["24:00:01", "12:60", "1:00", "12", "12:00:00.", "12:00:00.1234567890", ""] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
        for bad in
            ["2024-01-01T00:00:00", "2024-01-01", "2024-01-01 00:00+19", "Z", "2024-01-01+01"]
        {
            assert_eq!(Moment::parse_instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn units_and_offsets_meet_at_the_same_moment() {
        let expected = Moment::of_timestamp(Timestamp::Millis(1_706_695_200_500));
        for text in ["2024-01-31 10:00:00.5", "2024-01-31T10:00:00.500000"] {
            assert_eq!(Moment::parse_timestamp(text), Some(expected), "{text}");
        }
        for text in
            ["2024-01-31T10:00:00.5Z", "2024-01-31 12:00:00.5+02", "2024-01-31 06:30:00.5-03:30"]
        {
            assert_eq!(Moment::parse_instant(text), Some(expected), "{text}");
        }
        assert_eq!(Moment::of_timestamp(Timestamp::Nanos(1_706_695_200_500_000_000)), expected);
        assert!(Moment::parse_date("-infinity") < Moment::parse_date("0001-01-01"));
        assert_eq!(parse_time("24:00"), Some(86_400_000_000_000));
    }

    #[test]
    fn writes_what_postgresql_writes() {
        let written = |nanos, zone| {
            let mut text = String::new();
            write_timestamp(&mut text, nanos, zone).unwrap();
            text
        };
        assert_eq!(written(1_706_695_200_500_000_000, ""), "2024-01-31 10:00:00.5");
        assert_eq!(written(-1_000, "+00"), "1969-12-31 23:59:59.999999+00");
        assert_eq!(written(-63_517_824_000_000_000_000, ""), "0044-03-15 00:00:00 BC");
    }
}
