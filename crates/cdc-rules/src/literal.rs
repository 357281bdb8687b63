//! The values that a rule compares with: parsed once per shape by the column's type, then compared
//! exactly.

mod decimal;

use std::cmp::Ordering;

use cdc_config::closest;
use cdc_core::{Date, SemanticType, Value};

use crate::calendar::{Moment, parse_time};
use decimal::DecimalLiteral;

/// A literal of a rule in the column's own type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Integer(i64),
    /// NaN is equal to itself and above everything, as in PostgreSQL.
    Float(f64),
    Decimal(DecimalLiteral),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Date(Moment),
    /// Nanoseconds since midnight.
    Time(i64),
    Timestamp(Moment),
    Instant(Moment),
    Uuid([u8; 16]),
    /// For a column whose type nobody declared: what the literal is as each kind of JSON token.
    Token {
        text: Box<str>,
        integer: Option<i64>,
        boolean: Option<bool>,
    },
}

/// What is wrong with a literal, to be completed with the rule and the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LiteralFault {
    /// The column's type cannot be compared with literals at all; says what it takes.
    UnsuitableType { needs: &'static str },
    /// The text does not have this form.
    Malformed { expected: &'static str },
    /// The text is none of the enum's labels.
    UnknownLabel { near_miss: Option<String> },
}

const SCALAR: &str = "a column that is not json and whose type is supported";
const ORDERED: &str = "a number, date, time or timestamp column with a declared type";

impl Literal {
    /// A literal to test for equality with.
    pub(crate) fn parse(text: &str, semantic: &SemanticType) -> Result<Self, LiteralFault> {
        let (parsed, expected) = match semantic {
            SemanticType::Boolean => (boolean(text).map(Self::Bool), "true or false"),
            SemanticType::Int16 | SemanticType::Int32 | SemanticType::Int64 => {
                (text.parse().ok().map(Self::Integer), "a whole number of at most 64 bits")
            }
            // Read at the column's own width: 0.1 has another value in each.
            SemanticType::Float32 => {
                (text.parse::<f32>().ok().map(|number| Self::Float(number.into())), "a number")
            }
            SemanticType::Float64 => (text.parse().ok().map(Self::Float), "a number"),
            SemanticType::Decimal { .. } | SemanticType::VariableDecimal => (
                DecimalLiteral::parse(text).map(Self::Decimal),
                "a decimal number of at most 38 digits, without exponent",
            ),
            SemanticType::Text => (Some(Self::Text(text.into())), ""),
            SemanticType::Enum { allowed } => return label(text, allowed),
            SemanticType::Bytes => {
                (hex(text.strip_prefix("\\x")).map(Self::Bytes), "bytes in the form \\x00ff")
            }
            SemanticType::Date => {
                (Moment::parse_date(text).map(Self::Date), "a date such as 2024-01-31")
            }
            SemanticType::Time(_) => {
                (parse_time(text).map(Self::Time), "a time of day such as 23:59:59.5")
            }
            SemanticType::Timestamp(_) => (
                Moment::parse_timestamp(text).map(Self::Timestamp),
                "a timestamp such as 2024-01-31 23:59:59.5, without a zone",
            ),
            SemanticType::ZonedTimestamp => (
                Moment::parse_instant(text).map(Self::Instant),
                "an instant such as 2024-01-31T23:59:59.5Z, with Z or an offset",
            ),
            SemanticType::Uuid => (uuid(text).map(Self::Uuid), "a UUID in its hyphenated form"),
            SemanticType::SelfEvident => (Some(Self::token(text)), ""),
            SemanticType::Json
            | SemanticType::Unsupported { .. }
            | SemanticType::EncodedBytes(_)
            | SemanticType::Bits { .. }
            | SemanticType::VarBits { .. }
            | SemanticType::IsoDate
            | SemanticType::IsoTime
            | SemanticType::ZonedTime
            | SemanticType::IsoTimestamp
            | SemanticType::Interval(_)
            | SemanticType::Structured(_)
            | SemanticType::Year
            | SemanticType::Xml
            | SemanticType::Ltree
            | SemanticType::Tsvector
            | SemanticType::EnumSet { .. }
            | SemanticType::Array { .. }
            | SemanticType::Map { .. }
            | SemanticType::Vector
            | SemanticType::HalfVector
            | SemanticType::SparseVector
            | SemanticType::Point
            | SemanticType::Geometry
            | SemanticType::Geography
            | SemanticType::Circle
            | SemanticType::Line => {
                return Err(LiteralFault::UnsuitableType { needs: SCALAR });
            }
        };
        parsed.ok_or(LiteralFault::Malformed { expected })
    }

    /// A literal to order values by: only for types whose order is the same everywhere. Text is
    /// none of them, because its order depends on a collation.
    pub(crate) fn parse_bound(text: &str, semantic: &SemanticType) -> Result<Self, LiteralFault> {
        match semantic {
            SemanticType::Int16
            | SemanticType::Int32
            | SemanticType::Int64
            | SemanticType::Float32
            | SemanticType::Float64
            | SemanticType::Decimal { .. }
            | SemanticType::VariableDecimal
            | SemanticType::Date
            | SemanticType::Time(_)
            | SemanticType::Timestamp(_)
            | SemanticType::ZonedTimestamp => Self::parse(text, semantic),
            SemanticType::Boolean
            | SemanticType::Text
            | SemanticType::Bytes
            | SemanticType::Uuid
            | SemanticType::Json
            | SemanticType::Enum { .. }
            | SemanticType::SelfEvident
            | SemanticType::EncodedBytes(_)
            | SemanticType::Bits { .. }
            | SemanticType::VarBits { .. }
            | SemanticType::IsoDate
            | SemanticType::IsoTime
            | SemanticType::ZonedTime
            | SemanticType::IsoTimestamp
            | SemanticType::Interval(_)
            | SemanticType::Structured(_)
            | SemanticType::Year
            | SemanticType::Xml
            | SemanticType::Ltree
            | SemanticType::Tsvector
            | SemanticType::EnumSet { .. }
            | SemanticType::Array { .. }
            | SemanticType::Map { .. }
            | SemanticType::Vector
            | SemanticType::HalfVector
            | SemanticType::SparseVector
            | SemanticType::Point
            | SemanticType::Geometry
            | SemanticType::Geography
            | SemanticType::Circle
            | SemanticType::Line
            | SemanticType::Unsupported { .. } => {
                Err(LiteralFault::UnsuitableType { needs: ORDERED })
            }
        }
    }

    fn token(text: &str) -> Self {
        Self::Token { text: text.into(), integer: text.parse().ok(), boolean: boolean(text) }
    }

    /// Whether a value is this literal. A value of another kind is not.
    pub(crate) fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Bool(own), Value::Bool(other)) => *own == other,
            (Self::Text(own), Value::Text(other)) => **own == *other,
            (Self::Bytes(own), Value::Bytes(other)) => **own == *other,
            (Self::Uuid(own), Value::Uuid(other)) => *own == other,
            (Self::Token { text, .. }, Value::Text(other)) => **text == *other,
            (Self::Token { boolean, .. }, Value::Bool(other)) => *boolean == Some(other),
            (Self::Token { integer, .. }, other) => {
                whole(other).is_some_and(|other| *integer == Some(other))
            }
            _ => self.order(value) == Some(Ordering::Equal),
        }
    }

    /// How a value stands to this literal: `Less` when the value is less. `None` for kinds that have
    /// no order between them.
    pub(crate) fn order(&self, value: Value<'_>) -> Option<Ordering> {
        match (self, value) {
            (Self::Integer(own), other) => Some(whole(other)?.cmp(own)),
            (Self::Float(own), Value::Float32(other)) => Some(order_floats(other.into(), *own)),
            (Self::Float(own), Value::Float64(other)) => Some(order_floats(other, *own)),
            (Self::Decimal(own), Value::Decimal(other)) => Some(own.order(&other)),
            (Self::Date(own), Value::Date(other)) => Some(day(other).cmp(own)),
            (Self::Time(own), Value::Time(other)) => Some(other.nanos().cmp(own)),
            (Self::Timestamp(own), Value::Timestamp(other))
            | (Self::Instant(own), Value::Instant(other)) => {
                Some(Moment::of_timestamp(other).cmp(own))
            }
            _ => None,
        }
    }

    /// Whether no value can be between this literal and a lower one.
    pub(crate) fn is_above(&self, max: &Self) -> bool {
        match (self, max) {
            (Self::Integer(min), Self::Integer(max)) | (Self::Time(min), Self::Time(max)) => {
                min > max
            }
            (Self::Float(min), Self::Float(max)) => order_floats(*min, *max).is_gt(),
            (Self::Decimal(min), Self::Decimal(max)) => max.order(&min.as_decimal()).is_gt(),
            (Self::Date(min), Self::Date(max))
            | (Self::Timestamp(min), Self::Timestamp(max))
            | (Self::Instant(min), Self::Instant(max)) => min > max,
            _ => false,
        }
    }
}

fn whole(value: Value<'_>) -> Option<i64> {
    if let Value::Int16(number) = value {
        Some(number.into())
    } else if let Value::Int32(number) = value {
        Some(number.into())
    } else if let Value::Int64(number) = value {
        Some(number)
    } else {
        None
    }
}

fn day(date: Date) -> Moment {
    match date {
        Date::Days(days) => Moment::At(days.into()),
        Date::Infinity => Moment::Infinity,
        Date::NegInfinity => Moment::NegInfinity,
    }
}

/// PostgreSQL's order of floats: NaN is equal to itself and above everything.
fn order_floats(one: f64, two: f64) -> Ordering {
    one.partial_cmp(&two).unwrap_or_else(|| one.is_nan().cmp(&two.is_nan()))
}

fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn label(text: &str, allowed: &[String]) -> Result<Literal, LiteralFault> {
    if allowed.is_empty() || allowed.iter().any(|label| label == text) {
        return Ok(Literal::Text(text.into()));
    }
    let near_miss = closest(text, allowed.iter().map(String::as_str)).map(str::to_owned);
    Err(LiteralFault::UnknownLabel { near_miss })
}

fn hex(digits: Option<&str>) -> Option<Box<[u8]>> {
    let (pairs, odd) = digits?.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some((nibble(*high)? << 4) | nibble(*low)?)).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let hyphens_in_place = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| (b == b'-') == matches!(at, 8 | 13 | 18 | 23));
    let digits: String = text.chars().filter(|digit| *digit != '-').collect();
    hyphens_in_place.then(|| hex(Some(&digits)))??.as_ref().try_into().ok()
}

#[cfg(test)]
mod tests;
