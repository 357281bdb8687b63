//! Days, times, points in time and spans of time.

use std::fmt;

use crate::calendar::days_from_civil;

/// A calendar day in the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Date {
    /// Days since 1970-01-01.
    Days(i32),
    /// PostgreSQL's `infinity`.
    Infinity,
    /// PostgreSQL's `-infinity`.
    NegInfinity,
}

impl Date {
    /// The day with this date in the proleptic Gregorian calendar; `None` when there is none, or when it
    /// is beyond 32 bits of days. Years are astronomical: 0 is 1 BC, -1 is 2 BC.
    ///
    /// ```
    /// use debezium_envelope::Date;
    ///
    /// assert_eq!(Date::from_civil(2024, 2, 29), Some(Date::Days(19_782)));
    /// assert_eq!(Date::from_civil(2023, 2, 29), None);
    /// ```
    pub fn from_civil(year: i64, month: i64, day: i64) -> Option<Self> {
        days_from_civil(year, month, day)?.try_into().map(Self::Days).ok()
    }
}

/// A time of day in nanoseconds since midnight.
///
/// PostgreSQL's range is `00:00:00` to `24:00:00` inclusive; other sources may send durations
/// outside it, and a sink decides whether it can hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    nanos: i64,
}

impl Time {
    /// A time from nanoseconds since midnight.
    pub fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// Nanoseconds since midnight.
    pub fn nanos(self) -> i64 {
        self.nanos
    }

    /// Microseconds since midnight, or `None` when that would round.
    pub fn micros(self) -> Option<i64> {
        (self.nanos % 1_000 == 0).then_some(self.nanos / 1_000)
    }
}

/// A time of day and the offset from UTC in which it was read: PostgreSQL's `timetz`.
///
/// Debezium turns every value into UTC before 3.7, so that the offset is 0 and the clock of the
/// source is lost; what stays is the moment of the day. There is no order: `10:00+01` and `09:00+00`
/// are the same moment and different values.
///
/// ```
/// use debezium_envelope::{Time, ZonedTime};
///
/// let time = ZonedTime { time: Time::from_nanos(3_600_000_000_000), offset_seconds: 19_800 };
/// assert_eq!(time.to_string(), "01:00:00+05:30");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZonedTime {
    /// What the clock shows, `00:00:00` to `24:00:00` inclusive.
    pub time: Time,
    /// How far that clock is ahead of UTC, in seconds; negative west of Greenwich.
    pub offset_seconds: i32,
}

/// `HH:MM:SS`, a fraction as long as needed, then `Z` or `±HH:MM[:SS]`.
impl fmt::Display for ZonedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(f, self.time.nanos)?;
        if self.offset_seconds == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_seconds < 0 { '-' } else { '+' };
        let offset = self.offset_seconds.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", offset / 3_600, offset / 60 % 60)?;
        if offset.is_multiple_of(60) { Ok(()) } else { write!(f, ":{:02}", offset % 60) }
    }
}

/// `HH:MM:SS` and a fraction without trailing zeros.
pub(crate) fn write_time(f: &mut impl fmt::Write, nanos: i64) -> fmt::Result {
    if nanos < 0 {
        f.write_str("-")?;
    }
    let nanos = nanos.unsigned_abs();
    let seconds = nanos / 1_000_000_000;
    write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
    write_fraction(f, nanos % 1_000_000_000, 9)
}

/// A point and `digits` digits without their trailing zeros; nothing for zero.
fn write_fraction(f: &mut impl fmt::Write, mut fraction: u64, mut digits: usize) -> fmt::Result {
    if fraction == 0 {
        return Ok(());
    }
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        digits = digits.saturating_sub(1);
    }
    write!(f, ".{fraction:0digits$}")
}

/// Microseconds from 1970-01-01 to 2000-01-01.
pub(crate) const MICROS_TO_2000: i64 = 946_684_800_000_000;

/// A point in time in its wire unit, counted from 1970-01-01 00:00:00 but for one variant.
///
/// In [`Value::Timestamp`](crate::Value::Timestamp) it is a wall-clock reading without a zone, in
/// [`Value::Instant`](crate::Value::Instant) it is an instant in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timestamp {
    /// Milliseconds.
    Millis(i64),
    /// Microseconds.
    Micros(i64),
    /// Nanoseconds.
    Nanos(i64),
    /// Microseconds since 2000-01-01 00:00:00, as PostgreSQL itself counts them.
    ///
    /// PostgreSQL's last thirty years, from 294247-01-10 04:00:54.775808 on, have no count of
    /// microseconds since 1970 in 64 bits. The decoder gives them in this form where they are not
    /// whole milliseconds, and no earlier moment.
    MicrosSince2000(i64),
    /// PostgreSQL's `infinity`.
    Infinity,
    /// PostgreSQL's `-infinity`.
    NegInfinity,
}

impl Timestamp {
    /// Microseconds since 1970, or `None` for an infinity, on overflow, and when the conversion would round.
    ///
    /// ```
    /// use debezium_envelope::Timestamp;
    ///
    /// assert_eq!(Timestamp::Millis(-1).micros(), Some(-1_000));
    /// assert_eq!(Timestamp::Nanos(1_500).micros(), None);
    /// ```
    pub fn micros(self) -> Option<i64> {
        match self {
            Self::Millis(millis) => millis.checked_mul(1_000),
            Self::Micros(micros) => Some(micros),
            Self::Nanos(nanos) => (nanos % 1_000 == 0).then_some(nanos / 1_000),
            Self::MicrosSince2000(micros) => micros.checked_add(MICROS_TO_2000),
            Self::Infinity | Self::NegInfinity => None,
        }
    }

    /// Whether nanoseconds from a PostgreSQL source cannot be what the source holds.
    ///
    /// Before Debezium 3.6 `time.precision.mode=nanoseconds` computed them in 64 bits and let them
    /// wrap outside 1677 to 2262. PostgreSQL keeps microseconds, so a remainder below a microsecond
    /// proves a wrap. The infinities wrapped into two fixed numbers that are also the encodings of
    /// instants around 1970 and may be either. What cannot be seen is a wrap by a multiple of 125
    /// times the range, which needs a year beyond 71,000.
    ///
    /// ```
    /// use debezium_envelope::Timestamp;
    ///
    /// // 0001-01-01 00:00:00, as Debezium 3.4 writes it.
    /// assert!(Timestamp::Nanos(-6_795_364_578_871_345_152).is_wrapped());
    /// assert!(!Timestamp::Nanos(1_704_067_200_000_001_000).is_wrapped());
    /// ```
    pub fn is_wrapped(self) -> bool {
        match self {
            Self::Nanos(-29_575_808_000 | 22_375_808_000) => true,
            Self::Nanos(nanos) => nanos % 1_000 != 0,
            Self::Millis(_)
            | Self::Micros(_)
            | Self::MicrosSince2000(_)
            | Self::Infinity
            | Self::NegInfinity => false,
        }
    }
}

/// A span of time as PostgreSQL keeps it: months, days and microseconds side by side, because a month
/// has no fixed number of days and a day no fixed number of hours.
///
/// A column in `interval.handling.mode=numeric` has microseconds only: Debezium has already counted a
/// month as 30.4375 days, which cannot be undone. Equality is that of the parts, and there is no
/// order. [`Display`](fmt::Display) writes the ISO form that Debezium writes, with every part
/// present and signed by itself.
///
/// ```
/// use debezium_envelope::Interval;
///
/// let interval = Interval { months: 14, days: -3, micros: 14_706_789_000 };
/// assert_eq!(interval.to_string(), "P1Y2M-3DT4H5M6.789S");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Whole months; twelve are a year.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds; may be more than a day.
    pub micros: i64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, days, micros } = *self;
        let seconds = micros / 1_000_000;
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        write!(f, "P{}Y{}M{days}DT{hours}H{minutes}M", months / 12, months % 12)?;
        // The sign of a fraction below one second would be lost with its zero.
        let sign = if micros < 0 && micros % 60_000_000 != 0 { "-" } else { "" };
        write!(f, "{sign}{}", (seconds % 60).unsigned_abs())?;
        write_fraction(f, (micros % 1_000_000).unsigned_abs(), 6)?;
        f.write_str("S")
    }
}
