//! Intervals in PostgreSQL's own style, such as `1 year 2 mons -3 days +04:05:06.789`.

use cdc_core::Interval;

use super::TextError;
use super::cursor::Cursor;

const FORM: TextError =
    TextError::Form { expected: "a span of time such as 1 year 2 mons -3 days +04:05:06.789" };

/// Every part is exact. PostgreSQL 17 has infinite spans, which nothing here can hold.
pub(super) fn read(text: &str) -> Result<Interval, TextError> {
    if matches!(text, "infinity" | "-infinity") {
        return Err(TextError::Range { expected: "a finite span of time" });
    }
    parts(text).ok_or(FORM)
}

fn parts(text: &str) -> Option<Interval> {
    let (mut months, mut days, mut micros) = (0_i64, 0_i64, 0_i64);
    let mut words = text.split(' ');
    while let Some(word) = words.next() {
        if word.contains(':') {
            micros = clock(word)?;
            words.next().is_none().then_some(())?;
            break;
        }
        let number: i64 = word.parse().ok()?;
        match words.next()? {
            "year" | "years" => months = months.checked_add(number.checked_mul(12)?)?,
            "mon" | "mons" => months = months.checked_add(number)?,
            "day" | "days" => days = days.checked_add(number)?,
            _ => return None,
        }
    }
    let (months, days) = (months.try_into().ok()?, days.try_into().ok()?);
    Some(Interval { months, days, micros })
}

/// Hours of any number, minutes, seconds and their fraction, under one sign. They are added up with
/// their sign, because the least count of 64 bits has no positive counterpart.
fn clock(word: &str) -> Option<i64> {
    let mut cursor = Cursor::new(word);
    let sign = if cursor.eat(b'-') { -1 } else { 1 };
    if sign == 1 {
        cursor.eat(b'+');
    }
    let (hours, _) = cursor.digits(2, 10)?;
    cursor.expect(b':')?;
    let minutes = cursor.two(59)?;
    cursor.expect(b':')?;
    let seconds = cursor.two(59)?;
    let fraction = cursor.fraction()?;
    cursor.end()?;
    let parts =
        [(hours, 3_600_000_000), (minutes, 60_000_000), (seconds, 1_000_000), (fraction, 1)];
    parts.into_iter().try_fold(0_i64, |sum, (number, micros): (i64, i64)| {
        sum.checked_add(number.checked_mul(micros.checked_mul(sign)?)?)
    })
}
