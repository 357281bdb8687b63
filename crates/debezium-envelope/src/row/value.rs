//! The value of one cell.

use super::bits::Bits;
use super::list::{Array, Map, SparseVector};
use super::spatial::{Geometry, Point};
use super::temporal::{Date, Interval, Time, Timestamp, ZonedTime};
use crate::decimal::Decimal;

/// The value of one cell, borrowed from the record it was decoded from.
///
/// The enum is exhaustive on purpose: a sink that meets a new kind of value should fail to compile,
/// not fall into a default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// The source did not send the value: an unchanged TOAST column outside the replica identity, or
    /// a column of an old row of which only the key was kept. It is *not* NULL, and writing NULL for
    /// it would lose the row's present value.
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
    /// Text, a JSON or XML document, an enum label or another type's text form: the column's type
    /// says which.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A bit string.
    Bits(Bits<'a>),
    /// A day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A time of day with an offset from UTC.
    ZonedTime(ZonedTime),
    /// A date and time without a zone.
    Timestamp(Timestamp),
    /// An instant.
    Instant(Timestamp),
    /// A span of time.
    Interval(Interval),
    /// A UUID in network order.
    Uuid([u8; 16]),
    /// An array, or a vector of numbers.
    Array(Array<'a>),
    /// Keys with values.
    Map(Map<'a>),
    /// A vector most of whose elements are zero.
    SparseVector(SparseVector<'a>),
    /// A point of a plane.
    Point(Point),
    /// A shape in well-known binary.
    Geometry(Geometry<'a>),
}

/// Values are passed by copy, millions of them a second.
const _: () = assert!(size_of::<Value<'_>>() <= 32, "a value has at most 32 bytes");

impl Value<'_> {
    /// Whether this is SQL NULL; an unavailable value is not.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
