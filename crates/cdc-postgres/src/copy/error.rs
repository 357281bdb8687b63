//! Why one value cannot be written to its column.

use std::borrow::Cow;
use std::fmt;

use cdc_core::{Decimal, Value};

/// A value that its column cannot hold exactly. Nothing in it repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ValueError {
    /// A stable word to group and filter by.
    pub(crate) reason: &'static str,
    /// What was expected, in terms of kinds, lengths and limits.
    pub(crate) message: Cow<'static, str>,
    /// What to do, starting with a verb.
    pub(crate) hint: Option<&'static str>,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}

#[cold]
fn error(
    reason: &'static str,
    message: impl Into<Cow<'static, str>>,
    hint: &'static str,
) -> ValueError {
    ValueError { reason, message: message.into(), hint: Some(hint) }
}

/// The value is of another kind than the column's type.
#[cold]
pub(super) fn wrong_type(expected: &'static str, found: Value<'_>) -> ValueError {
    error(
        "wrong_type",
        format!("expected {expected}, found {}", kind(found)),
        "declare the column's type as the source sends it",
    )
}

/// The value lies outside what the column's type covers.
#[cold]
pub(super) fn out_of_range(expected: impl Into<Cow<'static, str>>) -> ValueError {
    error("out_of_range", expected, "widen the target column, or correct the value in the source")
}

/// The value would have to be rounded.
#[cold]
pub(super) fn not_exact(expected: impl Into<Cow<'static, str>>) -> ValueError {
    error("not_exact", expected, "give the target column more digits after the point")
}

/// The text is longer than the column.
#[cold]
pub(super) fn too_long(expected: String) -> ValueError {
    error("too_long", expected, "widen the target column, or shorten the value in the source")
}

/// The text holds U+0000.
#[cold]
pub(super) fn nul_character() -> ValueError {
    error(
        "nul_character",
        "expected text without the character U+0000, which PostgreSQL cannot store",
        "remove the character in the source, or mask the column with a rule",
    )
}

/// The value is not what its kind can be in this column.
#[cold]
pub(super) fn invalid_form(expected: &'static str) -> ValueError {
    error(
        "invalid_form",
        format!("expected {expected}"),
        "correct the value in the source, or change the target column's type to text",
    )
}

/// The text is not a UUID.
#[cold]
pub(super) fn invalid_uuid() -> ValueError {
    error(
        "invalid_uuid",
        "expected a UUID as 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12",
        "correct the value in the source, or change the target column's type to text",
    )
}

/// The text is not a decimal number.
#[cold]
pub(super) fn invalid_number() -> ValueError {
    error(
        "invalid_number",
        "expected a decimal number as text",
        "correct the value in the source, or change the target column's type to text",
    )
}

/// The source did not send the value.
#[cold]
pub(super) fn unavailable() -> ValueError {
    error(
        "unavailable",
        "expected a value, but the source did not send this unchanged one",
        "set REPLICA IDENTITY FULL on the source table",
    )
}

/// What kind of value it is, in words.
fn kind(value: Value<'_>) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Unavailable => "an unavailable value",
        Value::Bool(_) => "a boolean",
        Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => "an integer",
        Value::Float32(_) | Value::Float64(_) => "a floating-point number",
        Value::Decimal(Decimal::Small { .. } | Decimal::Wide { .. }) => "a decimal",
        Value::Decimal(Decimal::NaN | Decimal::Infinity | Decimal::NegInfinity) => {
            "a special decimal"
        }
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::Date(_) => "a date",
        Value::Time(_) => "a time",
        Value::Timestamp(_) => "a timestamp",
        Value::Instant(_) => "an instant",
        Value::Uuid(_) => "a UUID",
        Value::Bits(_) => "a bit string",
        Value::ZonedTime(_) => "a time with an offset",
        Value::Interval(_) => "an interval",
        Value::Array(_) => "an array",
        Value::Map(_) => "a map",
        Value::SparseVector(_) => "a sparse vector",
        Value::Point(_) => "a point",
        Value::Geometry(_) => "a geometry",
    }
}
