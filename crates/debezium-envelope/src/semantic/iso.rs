//! ISO-8601 fields, as all temporal types that travel as text are made of them.

use crate::calendar::days_from_civil;
use crate::row::{MICROS_TO_2000, Timestamp};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A cursor over the fixed-width fields of a text.
pub(super) struct Fields<'t>(&'t [u8]);

impl<'t> Fields<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(text.as_bytes())
    }

    pub(super) fn eat(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == byte).then(|| self.0 = rest)
    }

    /// Succeeds when nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// A run of decimal digits between `least` and `most` long, and its length.
    pub(super) fn digits(&mut self, least: usize, most: usize) -> Option<(i64, usize)> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (run, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let number = run.iter().try_fold(0_i64, |number, digit| {
            number.checked_mul(10)?.checked_add(digit.wrapping_sub(b'0').into())
        })?;
        (count >= least).then_some((number, count))
    }

    fn two(&mut self, most: i64) -> Option<i64> {
        let (number, _) = self.digits(2, 2)?;
        (number <= most).then_some(number)
    }

    /// Days since 1970. Years are astronomical (0 is 1 BC), at least four digits, and signed when
    /// they are longer or negative.
    pub(super) fn date(&mut self) -> Option<i64> {
        let negative = self.eat(b'-').is_some();
        let signed = negative || self.eat(b'+').is_some();
        let (year, _) = self.digits(4, if signed { 9 } else { 4 })?;
        let year = if negative { year.checked_neg()? } else { year };
        self.eat(b'-')?;
        let month = self.two(12)?;
        self.eat(b'-')?;
        let day = self.two(31)?;
        days_from_civil(year, month, day)
    }

    /// Nanoseconds since midnight, up to 24:00:00.
    pub(super) fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.two(24)?;
        self.eat(b':')?;
        let minute = self.two(59)?;
        let second = if self.eat(b':').is_some() { self.two(59)? } else { 0 };
        let nanos = self.fraction()?;
        if hour == 24 && (minute, second, nanos) != (0, 0, 0) {
            return None;
        }
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        let seconds = minutes.checked_mul(60)?.checked_add(second)?;
        seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)
    }

    /// Nanoseconds of an optional fraction of one to nine digits.
    pub(super) fn fraction(&mut self) -> Option<i64> {
        if self.eat(b'.').is_none() {
            return Some(0);
        }
        let (number, digits) = self.digits(1, 9)?;
        let missing = u32::try_from(9_usize.checked_sub(digits)?).ok()?;
        number.checked_mul(10_i64.checked_pow(missing)?)
    }

    /// Seconds ahead of UTC.
    pub(super) fn offset(&mut self) -> Option<i64> {
        if self.eat(b'Z').is_some() {
            return Some(0);
        }
        let negative = self.eat(b'-').is_some();
        if !negative {
            self.eat(b'+')?;
        }
        let hours = self.two(18)?;
        self.eat(b':')?;
        let minutes = self.two(59)?;
        let seconds = if self.eat(b':').is_some() { self.two(59)? } else { 0 };
        let total = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?;
        let total = total.checked_add(seconds)?;
        if negative { total.checked_neg() } else { Some(total) }
    }

    /// The `Z` that a text of a column without zone carries for decoration, then the end. Another
    /// offset would contradict the column's type.
    pub(super) fn decoration(&mut self) -> Option<()> {
        let _ = self.eat(b'Z');
        self.end()
    }
}

/// The days on which Java's least and greatest date fall, each in one of two time zones. They stand for
/// PostgreSQL's infinities: in elements of arrays, which lose the era of the least one, and since
/// Debezium 3.7 in columns.
const NEG_INFINITY: [i64; 4] =
    [106_748_361_128, 106_748_361_129, -106_751_991_168, -106_751_991_167];
const INFINITY: [i64; 2] = [106_751_991_166, 106_751_991_167];

/// The point in time of a day, a time of that day and an offset in seconds: in microseconds when that
/// is exact, else in nanoseconds. The last of PostgreSQL's years, whose microseconds no 64 bits count
/// from 1970, are given in milliseconds, else in microseconds from 2000. Days that only an infinity can
/// be are taken for it.
pub(super) fn timestamp(days: i64, nanos_of_day: i64, offset: i64) -> Option<Timestamp> {
    if NEG_INFINITY.contains(&days) {
        return Some(Timestamp::NegInfinity);
    }
    if INFINITY.contains(&days) {
        return Some(Timestamp::Infinity);
    }
    let seconds = days
        .checked_mul(86_400)?
        .checked_add(nanos_of_day / NANOS_PER_SECOND)?
        .checked_sub(offset)?;
    let nanos = nanos_of_day % NANOS_PER_SECOND;
    let micros = seconds.checked_mul(1_000_000).and_then(|it| it.checked_add(nanos / 1_000));
    if let Some(micros) = micros.filter(|_| nanos % 1_000 == 0) {
        Some(Timestamp::Micros(micros))
    } else if micros.is_none() && nanos % 1_000_000 == 0 {
        Some(Timestamp::Millis(seconds.checked_mul(1_000)?.checked_add(nanos / 1_000_000)?))
    } else if micros.is_none() && nanos % 1_000 == 0 {
        let seconds = seconds.checked_sub(MICROS_TO_2000 / 1_000_000)?;
        let micros = seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)?;
        Some(Timestamp::MicrosSince2000(micros))
    } else {
        Some(Timestamp::Nanos(seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)?))
    }
}
