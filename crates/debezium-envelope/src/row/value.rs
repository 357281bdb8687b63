//! The value of one cell.

use crate::decimal::Decimal;

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

/// A point in time in its wire unit, counted from 1970-01-01 00:00:00.
///
/// In [`Value::Timestamp`] it is a wall-clock reading without a zone, in [`Value::Instant`] it is
/// an instant in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timestamp {
    /// Milliseconds.
    Millis(i64),
    /// Microseconds.
    Micros(i64),
    /// Nanoseconds.
    Nanos(i64),
    /// PostgreSQL's `infinity`.
    Infinity,
    /// PostgreSQL's `-infinity`.
    NegInfinity,
}

impl Timestamp {
    /// Microseconds, or `None` for an infinity, on overflow, and when the conversion would round.
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
            Self::Infinity | Self::NegInfinity => None,
        }
    }
}

/// The value of one cell, borrowed from the record it was decoded from.
///
/// The enum is exhaustive on purpose: a sink that meets a new kind of value should fail to compile,
/// not fall into a default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// The source did not send the value: an unchanged TOAST column outside the replica identity.
    /// It is *not* NULL, and writing NULL for it would lose the row's present value.
    Unavailable,
    /// A boolean.
    Bool(bool),
    /// A 16-bit integer.
    Int16(i16),
    /// A 32-bit integer.
    Int32(i32),
    /// A 64-bit integer.
    Int64(i64),
    /// A 32-bit IEEE number.
    Float32(f32),
    /// A 64-bit IEEE number.
    Float64(f64),
    /// An exact decimal.
    Decimal(Decimal<'a>),
    /// Text, a JSON document or an enum label: the column's type says which.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A date and time without a zone.
    Timestamp(Timestamp),
    /// An instant.
    Instant(Timestamp),
    /// A UUID in network order.
    Uuid([u8; 16]),
}

impl Value<'_> {
    /// Whether this is SQL NULL; an unavailable value is not.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
