//! From PostgreSQL's text form of a value to the cell of a row.
//!
//! The cell is the one that decoding Debezium's message of the same column gives, but for what the
//! connector loses on its way and the text still has: the parts of an interval, the offset of a `timetz`,
//! the length of a `bit varying`, NaN in a `numeric(p,s)`, zeros at the end of a `numeric`, eras, inner
//! arrays. Those are kept.
//!
//! The session that gave the text has `datestyle=ISO, intervalstyle=postgres, timezone=UTC,
//! extra_float_digits=3, bytea_output=hex`. Without them days and intervals are refused, but digits of
//! floats may be missing and escaped bytes be taken for text, which nothing in the text tells.
//!
//! `lc_monetary` must not be pinned: it decides what the stored number of a `money` counts. Amounts are
//! read whatever it says, if they have the digits after the point that the column's type says.

mod array;
mod bytes;
mod cursor;
mod hstore;
mod number;
mod quoted;
mod shape;
mod span;
mod temporal;
mod vector;

use cdc_core::{IntervalForm, RowBuffer, SemanticType, StructuredType, TimeUnit, Value};

#[cfg(test)]
pub(crate) use self::shape::put_shape;

/// Why a text is not a value of its column. It does not hold the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextError {
    /// Another form than the type's.
    #[error("expected {expected}")]
    Form {
        /// What the type's text looks like.
        expected: &'static str,
    },
    /// The right form of a value that the type cannot hold exactly.
    #[error("expected {expected}, found a value beyond it")]
    Range {
        /// What the type holds.
        expected: &'static str,
    },
    /// A type that no column of the catalog has.
    #[error("expected a column whose type PostgreSQL's catalog can give")]
    Untyped {},
}

impl TextError {
    /// A stable name to group and filter by.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Form { .. } => "text_invalid",
            Self::Range { .. } => "text_out_of_range",
            Self::Untyped {} => "text_untyped",
        }
    }
}

/// Sets the cell at `index` to what the text of a column of this type says; a row that is shorter gets
/// NULLs before it. On an error the cell is NULL.
///
/// Text of [`SemanticType::Bytes`] that does not begin with `\x` is of a type that Debezium does not know,
/// and gives the bytes of the text, as the connector sends it under `include.unknown.datatypes`. Text of
/// [`SemanticType::Json`] may be an `hstore`, which becomes a JSON object: no document looks like one.
pub(crate) fn put(
    buffer: &mut RowBuffer,
    index: usize,
    semantic: &SemanticType,
    text: &str,
) -> Result<(), TextError> {
    if index >= buffer.len() {
        buffer.resize(index.saturating_add(1));
    }
    let result = read(buffer, index, semantic, text);
    if result.is_err() {
        buffer.set(index, Value::Null);
    }
    result
}

/// As [`put`], for a cell that exists and may be left as it is on an error.
fn read(
    buffer: &mut RowBuffer,
    index: usize,
    semantic: &SemanticType,
    text: &str,
) -> Result<(), TextError> {
    let value = match semantic {
        SemanticType::Text
        | SemanticType::Xml
        | SemanticType::Ltree
        | SemanticType::Tsvector
        | SemanticType::Enum { .. }
        | SemanticType::EnumSet { .. } => Value::Text(text),
        SemanticType::Boolean => boolean(text)?,
        SemanticType::Int16 => Value::Int16(integer(text, "a 16-bit integer")?),
        SemanticType::Int32 | SemanticType::Year => {
            Value::Int32(integer(text, "a 32-bit integer")?)
        }
        SemanticType::Int64 => Value::Int64(integer(text, "a 64-bit integer")?),
        SemanticType::Float32 => Value::Float32(number::float(text, "a 32-bit float")?),
        SemanticType::Float64 => Value::Float64(number::float(text, "a 64-bit float")?),
        SemanticType::Decimal { precision, scale } => {
            return number::put_fixed(buffer, index, *precision, *scale, text);
        }
        SemanticType::VariableDecimal => return number::put_decimal(buffer, index, text),
        SemanticType::Date
        | SemanticType::IsoDate
        | SemanticType::Structured(StructuredType::Date) => Value::Date(temporal::date(text)?),
        SemanticType::Time(unit) => Value::Time(temporal::time(text, *unit)?),
        SemanticType::IsoTime | SemanticType::Structured(StructuredType::Time) => {
            Value::Time(temporal::time(text, TimeUnit::Micros)?)
        }
        SemanticType::ZonedTime | SemanticType::Structured(StructuredType::ZonedTime) => {
            Value::ZonedTime(temporal::zoned_time(text)?)
        }
        SemanticType::Timestamp(unit) => Value::Timestamp(temporal::timestamp(text, *unit)?),
        SemanticType::IsoTimestamp | SemanticType::Structured(StructuredType::Timestamp) => {
            Value::Timestamp(temporal::timestamp(text, TimeUnit::Micros)?)
        }
        SemanticType::ZonedTimestamp | SemanticType::Structured(StructuredType::ZonedTimestamp) => {
            Value::Instant(temporal::instant(text)?)
        }
        SemanticType::Interval(IntervalForm::Micros | IntervalForm::Nanos | IntervalForm::Iso)
        | SemanticType::Structured(StructuredType::Interval) => Value::Interval(span::read(text)?),
        SemanticType::Uuid => Value::Uuid(bytes::uuid(text)?),
        SemanticType::Json => return hstore::put_json(buffer, index, text),
        SemanticType::Bytes | SemanticType::EncodedBytes(_) => {
            return bytes::put(buffer, index, text);
        }
        SemanticType::Bits { .. }
        | SemanticType::VarBits { .. }
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
        | SemanticType::SelfEvident
        | SemanticType::Unsupported { .. } => return read_rare(buffer, index, semantic, text),
    };
    buffer.set(index, value);
    Ok(())
}

/// The types that most tables do not have.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller names every type and hands over those of this function"
)]
fn read_rare(
    buffer: &mut RowBuffer,
    index: usize,
    semantic: &SemanticType,
    text: &str,
) -> Result<(), TextError> {
    match semantic {
        SemanticType::Bits { length } => bytes::put_bits(buffer, index, *length, text),
        SemanticType::VarBits { length } => bytes::put_varbits(buffer, index, *length, text),
        SemanticType::Array { element } => array::put(buffer, index, element, text),
        SemanticType::Map { key, value } => hstore::put_map(buffer, index, (key, value), text),
        SemanticType::Vector => vector::put(buffer, index, &SemanticType::Float64, text),
        SemanticType::HalfVector => vector::put(buffer, index, &SemanticType::Float32, text),
        SemanticType::SparseVector => vector::put_sparse(buffer, index, text),
        SemanticType::Point => shape::put_point(buffer, index, text),
        SemanticType::Geometry | SemanticType::Geography => shape::put(buffer, index, text),
        SemanticType::Circle => shape::put_circle(buffer, index, text),
        SemanticType::Line => shape::put_line(buffer, index, text),
        // No column of the catalog has another type.
        _ => Err(TextError::Untyped {}),
    }
}

/// A single bit is a boolean, too.
fn boolean(text: &str) -> Result<Value<'static>, TextError> {
    match text {
        "t" | "1" => Ok(Value::Bool(true)),
        "f" | "0" => Ok(Value::Bool(false)),
        _ => Err(TextError::Form { expected: "t or f, or a single bit" }),
    }
}

fn integer<T: std::str::FromStr>(text: &str, expected: &'static str) -> Result<T, TextError> {
    text.parse().map_err(|_| TextError::Form { expected })
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test names the values that it expects")]
mod captures;
#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test names the values that it expects")]
mod server_tests;
#[cfg(test)]
mod tests;
