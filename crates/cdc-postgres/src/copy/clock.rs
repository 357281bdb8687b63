//! Days and timestamps in PostgreSQL's own text form, as they stand inside ranges.

use super::error::{ValueError, invalid_form};
use super::temporal;
use cdc_core::{Date, Timestamp};

const DAY: &str = "a day such as 2024-05-06";
const TIMESTAMP: &str = "a timestamp such as 2024-05-06 07:08:09.123";
const INSTANT: &str = "an instant such as 2024-05-06 07:08:09.123+02";

/// Microseconds of a second, a minute and an hour.
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Whether an offset from UTC stands behind the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// A reading of a wall clock.
    None,
    /// An instant.
    Offset,
}

/// Days since 2000-01-01.
pub(super) fn date(text: &str) -> Result<i32, ValueError> {
    let date = match text {
        "infinity" => Date::Infinity,
        "-infinity" => Date::NegInfinity,
        _ => {
            let mut fields = Fields { rest: text.as_bytes() };
            let days = fields.civil().and_then(|civil| {
                let days = civil.days(fields.before_christ())?;
                fields.rest.is_empty().then_some(days)
            });
            let days = days.ok_or_else(|| invalid_form(DAY))?;
            // Far beyond 32 bits it is far beyond PostgreSQL's range, too.
            Date::Days(i32::try_from(days).unwrap_or(i32::MAX))
        }
    };
    temporal::date(date)
}

/// Microseconds since 2000-01-01.
pub(super) fn timestamp(text: &str, zone: Zone) -> Result<i64, ValueError> {
    match text {
        "infinity" => temporal::timestamp(Timestamp::Infinity, 1),
        "-infinity" => temporal::timestamp(Timestamp::NegInfinity, 1),
        _ => {
            let expected = if zone == Zone::None { TIMESTAMP } else { INSTANT };
            let (days, micros) = parts(text, zone).ok_or_else(|| invalid_form(expected))?;
            temporal::parts(days, micros)
        }
    }
}

/// Days since 1970 and microseconds of the day in UTC.
fn parts(text: &str, zone: Zone) -> Option<(i64, i64)> {
    let mut fields = Fields { rest: text.as_bytes() };
    let civil = fields.civil()?;
    fields.eat(b' ')?;
    let mut micros = fields.time()?;
    if zone == Zone::Offset {
        micros = micros.saturating_sub(fields.offset()?);
    }
    let days = civil.days(fields.before_christ())?;
    fields.rest.is_empty().then_some((days, micros))
}

/// A day as it is written.
#[derive(Debug, Clone, Copy)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Civil {
    /// Days since 1970-01-01; `None` for a day that no calendar has.
    fn days(self, before_christ: bool) -> Option<i64> {
        let Self { year, month, day } = self;
        // There is no year zero in the text; the calendar counts with one.
        let year = if before_christ { 1_i64.checked_sub(year)? } else { year };
        let is_leap =
            year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => 31,
        };
        if self.year < 1 || !(1..=12).contains(&month) || !(1..=length).contains(&day) {
            return None;
        }
        // Years that begin in March have their leap day at the end.
        let (year, month) = if month > 2 {
            (year, month.checked_sub(3)?)
        } else {
            (year.checked_sub(1)?, month.checked_add(9)?)
        };
        let leap_days = year
            .div_euclid(4)
            .checked_sub(year.div_euclid(100))?
            .checked_add(year.div_euclid(400))?;
        let days = year.checked_mul(365)?.checked_add(leap_days)?;
        // March to the month before has 153 days in every five months.
        let months = month.checked_mul(153)?.checked_add(2)?.div_euclid(5);
        // The first of March of the year zero is 719468 days before 1970.
        days.checked_add(months)?.checked_add(day)?.checked_sub(719_469)
    }
}

/// A cursor over the characters.
#[derive(Debug)]
struct Fields<'t> {
    rest: &'t [u8],
}

impl Fields<'_> {
    fn eat(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        (*first == wanted).then(|| self.rest = rest)
    }

    /// A number of at least so many digits and at most nine.
    fn number(&mut self, at_least: usize) -> Option<i64> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        let number = str::from_utf8(digits).ok()?.parse().ok()?;
        (at_least..=9).contains(&count).then_some(number)
    }

    fn civil(&mut self) -> Option<Civil> {
        let year = self.number(4)?;
        self.eat(b'-')?;
        let month = self.number(2)?;
        self.eat(b'-')?;
        let day = self.number(2)?;
        Some(Civil { year, month, day })
    }

    fn time(&mut self) -> Option<i64> {
        let hours = self.number(2).filter(|hours| *hours <= 24)?;
        self.eat(b':')?;
        let minutes = self.number(2).filter(|minutes| *minutes < 60)?;
        self.eat(b':')?;
        let seconds = self.number(2).filter(|seconds| *seconds < 60)?;
        let mut fraction = 0_i64;
        if self.eat(b'.').is_some() {
            let before = self.rest.len();
            fraction = self.number(1)?;
            let digits = u32::try_from(before.saturating_sub(self.rest.len())).ok()?;
            fraction = fraction.checked_mul(10_i64.checked_pow(6_u32.checked_sub(digits)?)?)?;
        }
        sum(hours, minutes, seconds)?.checked_add(fraction)
    }

    /// `±HH`, `±HH:MM` or `±HH:MM:SS`, in microseconds.
    fn offset(&mut self) -> Option<i64> {
        let (sign, rest) = self.rest.split_first()?;
        self.rest = rest;
        let hours = self.number(2)?;
        let minutes = if self.eat(b':').is_some() { self.number(2)? } else { 0 };
        let seconds = if self.eat(b':').is_some() { self.number(2)? } else { 0 };
        let offset = sum(hours, minutes, seconds)?;
        match sign {
            b'+' => Some(offset),
            b'-' => offset.checked_neg(),
            _ => None,
        }
    }

    fn before_christ(&mut self) -> bool {
        let era = self.rest.strip_prefix(b" BC");
        if let Some(rest) = era {
            self.rest = rest;
        }
        era.is_some()
    }
}

fn sum(hours: i64, minutes: i64, seconds: i64) -> Option<i64> {
    let hours = hours.checked_mul(HOUR)?;
    let minutes = minutes.checked_mul(MINUTE)?;
    hours.checked_add(minutes)?.checked_add(seconds.checked_mul(SECOND)?)
}
