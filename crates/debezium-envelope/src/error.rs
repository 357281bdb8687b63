//! What can be wrong with a record, said without repeating its values.

use std::fmt;

use crate::decimal::DecimalError;
use crate::foreign::ForeignFormat;
use crate::json::{JsonError, JsonKind};
use crate::limits::Limits;
use crate::row::ScratchFull;

/// The half of a Kafka record that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The record's key.
    Key,
    /// The record's value.
    Value,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

/// Why a record could not be decoded. Every case is a fault of the record's bytes or of the
/// declarations; decoding the same bytes again gives the same error.
///
/// Messages name members, columns, kinds and limits; they never contain a column's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record is longer than [`Limits::record_bytes_max`](crate::Limits::record_bytes_max).
    #[error("refused a {side} of {bytes} bytes: the limit is {bytes_max}")]
    RecordTooLarge {
        /// Key or value.
        side: Side,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A value of no bytes, which is neither a message nor a tombstone.
    #[error("read a value of zero bytes where a message or a null was expected")]
    EmptyValue {},
    /// Not UTF-8.
    #[error("read a {side} that is not UTF-8 from byte {at} on")]
    InvalidUtf8 {
        /// Key or value.
        side: Side,
        /// Where the valid text ends.
        at: usize,
    },
    /// Not JSON.
    #[error("read a {side} that is not JSON: byte {at} should be {expected}")]
    MalformedJson {
        /// Key or value.
        side: Side,
        /// Byte position of the fault.
        at: usize,
        /// What the grammar asks for there.
        expected: &'static str,
    },
    /// Nested deeper than [`Limits::depth_max`](crate::Limits::depth_max).
    #[error("refused a {side} nested deeper than {depth_max} levels at byte {at}")]
    TooDeep {
        /// Key or value.
        side: Side,
        /// Byte position of the container that is too deep.
        at: usize,
        /// The limit.
        depth_max: u32,
    },
    /// A number longer than [`Limits::number_bytes_max`](crate::Limits::number_bytes_max).
    #[error("refused a {side} with a number longer than {bytes_max} bytes at byte {at}")]
    NumberTooLong {
        /// Key or value.
        side: Side,
        /// Where the number begins.
        at: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Values that need more than [`Limits::scratch_bytes_max`](crate::Limits::scratch_bytes_max)
    /// beside the record.
    #[error("refused the column {column}, whose row needs more than {bytes_max} bytes of memory")]
    RowTooLarge {
        /// The column that passed the limit.
        column: Box<str>,
        /// The limit.
        bytes_max: usize,
    },
    /// More values than [`Limits::tokens_max`](crate::Limits::tokens_max).
    #[error("refused a {side} of more than {tokens_max} JSON values")]
    TooManyTokens {
        /// Key or value.
        side: Side,
        /// The limit.
        tokens_max: u32,
    },
    /// Bytes in another format than JSON text, which their beginning tells.
    #[error("read a value that looks like {found} where JSON text was expected", found = .found.name())]
    NotJson {
        /// The format.
        found: ForeignFormat,
    },
    /// JSON, but not an object.
    #[error("read a {side} that is {found} where an object was expected", found = .found.name())]
    NotAnObject {
        /// Key or value.
        side: Side,
        /// What it is.
        found: JsonKind,
    },
    /// A tombstone whose key cannot be read as a row, so that it is unknown what it deletes.
    #[error("read a tombstone whose key is not a JSON object")]
    UnreadableKey {},
    /// The schema block is not a Connect schema, or lacks what decoding needs.
    #[error("compiled the schema block of a {side}: {problem}")]
    InvalidSchema {
        /// Key or value.
        side: Side,
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// A member that the message must have is absent.
    #[error("looked for the member {path}, which is absent")]
    MissingField {
        /// Dotted path inside the payload.
        path: Box<str>,
    },
    /// A member stands twice in one object.
    #[error("read the member {path} twice")]
    DuplicateField {
        /// Dotted path inside the payload.
        path: Box<str>,
    },
    /// A member of the message frame has the wrong kind or form.
    #[error("read the member {path} where {expected} was expected")]
    InvalidField {
        /// Dotted path inside the payload.
        path: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// The operation code is none that Debezium defines.
    #[error("read an operation code that is none of c, r, u, d, t, m")]
    UnknownOperation {},
    /// A create, read or update without its new row.
    #[error("read a row event {op} without the row after the change")]
    MissingAfter {
        /// The operation code.
        op: char,
    },
    /// A delete that has neither an old row nor a key.
    #[error("read a delete with neither the row before the change nor a key")]
    MissingBefore {},
    /// A key and the row after the change have different values in a column of the key, so that they
    /// speak of different rows.
    #[error("read a key whose column {column} differs from the row after the change")]
    KeyMismatch {
        /// The column.
        column: Box<str>,
    },
    /// A row has a member that its schema does not describe.
    #[error("read the column {column}, which the schema block does not describe")]
    UndescribedColumn {
        /// The member's name.
        column: Box<str>,
    },
    /// An array or object in a column whose type nobody declared.
    #[error("read {found} in the column {column}, whose type is not declared", found = .found.name())]
    UndeclaredType {
        /// The column.
        column: Box<str>,
        /// The kind of value found.
        found: JsonKind,
    },
    /// A column's value has the wrong kind of JSON value for its type.
    #[error("read {found} in the column {column} where {expected} was expected", found = .found.name())]
    WrongType {
        /// The column.
        column: Box<str>,
        /// What its type asks for.
        expected: &'static str,
        /// The kind of value found.
        found: JsonKind,
    },
    /// A number outside its type.
    #[error("read a number in the column {column} that does not fit {expected}")]
    OutOfRange {
        /// The column.
        column: Box<str>,
        /// The type.
        expected: &'static str,
    },
    /// Text that does not have the form its type prescribes.
    #[error("read text in the column {column} that is not {expected}")]
    InvalidText {
        /// The column.
        column: Box<str>,
        /// The form.
        expected: &'static str,
    },
    /// A timestamp that a PostgreSQL source cannot hold: Debezium before 3.6 let its nanoseconds wrap,
    /// so that it is an infinity or lies outside 1677 to 2262.
    #[error("read a timestamp in the column {column} whose nanoseconds have wrapped on the way")]
    WrappedTimestamp {
        /// The column.
        column: Box<str>,
    },
    /// A decimal that is not one, or passes the limits.
    #[error("read the decimal in the column {column}: {reason}")]
    InvalidDecimal {
        /// The column.
        column: Box<str>,
        /// What is wrong.
        reason: DecimalError,
    },
}

impl DecodeError {
    /// A short name of the case that never changes, for counters and dead letters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RecordTooLarge { .. } => "record_too_large",
            Self::EmptyValue {} => "empty_value",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::MalformedJson { .. } => "malformed_json",
            Self::TooDeep { .. } => "too_deep",
            Self::NumberTooLong { .. } => "number_too_long",
            Self::RowTooLarge { .. } => "row_too_large",
            Self::TooManyTokens { .. } => "too_many_tokens",
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject { .. } => "not_an_object",
            Self::UnreadableKey {} => "unreadable_key",
            Self::InvalidSchema { .. } => "invalid_schema",
            Self::MissingField { .. } => "missing_field",
            Self::DuplicateField { .. } => "duplicate_field",
            Self::InvalidField { .. } => "invalid_field",
            Self::UnknownOperation {} => "unknown_operation",
            Self::MissingAfter { .. } => "missing_after",
            Self::MissingBefore {} => "missing_before",
            Self::KeyMismatch { .. } => "key_mismatch",
            Self::UndescribedColumn { .. } => "undescribed_column",
            Self::UndeclaredType { .. } => "undeclared_type",
            Self::WrongType { .. } => "wrong_type",
            Self::OutOfRange { .. } => "out_of_range",
            Self::InvalidText { .. } => "invalid_text",
            Self::WrappedTimestamp { .. } => "timestamp_wrapped",
            Self::InvalidDecimal { .. } => "decimal_invalid",
        }
    }

    /// The column at fault, when it is one column.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::UndescribedColumn { column }
            | Self::UndeclaredType { column, .. }
            | Self::WrongType { column, .. }
            | Self::OutOfRange { column, .. }
            | Self::InvalidText { column, .. }
            | Self::WrappedTimestamp { column }
            | Self::RowTooLarge { column, .. }
            | Self::KeyMismatch { column }
            | Self::InvalidDecimal { column, .. } => Some(column),
            Self::RecordTooLarge { .. }
            | Self::EmptyValue {}
            | Self::InvalidUtf8 { .. }
            | Self::MalformedJson { .. }
            | Self::TooDeep { .. }
            | Self::NumberTooLong { .. }
            | Self::TooManyTokens { .. }
            | Self::NotJson { .. }
            | Self::NotAnObject { .. }
            | Self::UnreadableKey {}
            | Self::InvalidSchema { .. }
            | Self::MissingField { .. }
            | Self::DuplicateField { .. }
            | Self::InvalidField { .. }
            | Self::UnknownOperation {}
            | Self::MissingAfter { .. }
            | Self::MissingBefore {} => None,
        }
    }

    /// What an operator can do about it, when there is something to do besides looking at the
    /// producer.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::RecordTooLarge { .. }
            | Self::TooDeep { .. }
            | Self::NumberTooLong { .. }
            | Self::RowTooLarge { .. }
            | Self::TooManyTokens { .. } => Some("raise the limit if the producer is trusted"),
            Self::MalformedJson { .. } | Self::InvalidUtf8 { .. } | Self::NotAnObject { .. } => {
                Some("check that the connector uses Kafka Connect's JsonConverter")
            }
            Self::NotJson { found } => Some(found.hint()),
            Self::KeyMismatch { .. } => Some(
                "check the connector's transforms and column masks: one changes a key column in the \
                 key or in the value alone",
            ),
            Self::UnreadableKey {} => Some("check the connector's key converter"),
            Self::UndeclaredType { .. } => Some("declare the column's type"),
            Self::WrongType { .. }
            | Self::OutOfRange { .. }
            | Self::InvalidText { .. }
            | Self::InvalidDecimal { .. } => Some(
                "compare the column's declared type with its type in the source and with the \
                 connector's decimal, time and binary modes",
            ),
            Self::WrappedTimestamp { .. } => Some(
                "set the connector's time.precision.mode to adaptive or microseconds, or run \
                 Debezium 3.6 or later, and capture the row again",
            ),
            Self::MissingBefore {} => {
                Some("give the table a primary key or set REPLICA IDENTITY FULL")
            }
            Self::EmptyValue {} => {
                Some("find out what else writes to the topic: Debezium writes no empty values")
            }
            Self::InvalidSchema { .. } | Self::UndescribedColumn { .. } => {
                Some("check the connector's converters and transforms, which make the schema block")
            }
            Self::MissingField { .. }
            | Self::DuplicateField { .. }
            | Self::InvalidField { .. }
            | Self::UnknownOperation {}
            | Self::MissingAfter { .. } => Some(
                "check the connector's transforms, and find out what else writes to the topic: \
                 Debezium itself writes no such message",
            ),
        }
    }

    /// The same fault, named by the format of the value when that is another one than JSON text.
    pub(crate) fn of_value(self, value: &[u8]) -> Self {
        let is_no_text = matches!(
            self,
            Self::MalformedJson { side: Side::Value, .. }
                | Self::InvalidUtf8 { side: Side::Value, .. }
        );
        match is_no_text.then(|| ForeignFormat::of(value)).flatten() {
            Some(found) => Self::NotJson { found },
            None => self,
        }
    }

    /// The same fault of a value of which this many bytes were known before it was read.
    pub(crate) fn behind(mut self, before: usize) -> Self {
        if let Self::MalformedJson { side: Side::Value, at, .. }
        | Self::TooDeep { side: Side::Value, at, .. }
        | Self::NumberTooLong { side: Side::Value, at, .. }
        | Self::InvalidUtf8 { side: Side::Value, at } = &mut self
        {
            *at = at.saturating_add(before);
        }
        self
    }

    /// Names the side and the limits behind a reader's error.
    pub(crate) fn json(side: Side, limits: &Limits, error: JsonError) -> Self {
        match error {
            JsonError::Malformed { at, expected } => Self::MalformedJson { side, at, expected },
            JsonError::TooDeep { at } => Self::TooDeep { side, at, depth_max: limits.depth() },
            JsonError::NumberTooLong { at } => {
                Self::NumberTooLong { side, at, bytes_max: limits.number_bytes() }
            }
            JsonError::TooManyTokens => Self::TooManyTokens { side, tokens_max: limits.tokens_max },
        }
    }
}

/// What is wrong with one cell; the row decoder adds the column's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellError {
    Json(JsonError),
    WrongType {
        expected: &'static str,
        found: JsonKind,
    },
    OutOfRange {
        expected: &'static str,
    },
    InvalidText {
        expected: &'static str,
    },
    Decimal(DecimalError),
    Undeclared {
        found: JsonKind,
    },
    /// A member of the value stands twice.
    Twice {
        member: &'static str,
    },
    ScratchFull,
}

impl From<JsonError> for CellError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<ScratchFull> for CellError {
    fn from(_: ScratchFull) -> Self {
        Self::ScratchFull
    }
}

impl From<DecimalError> for CellError {
    fn from(error: DecimalError) -> Self {
        Self::Decimal(error)
    }
}

impl CellError {
    /// The same fault with its place.
    pub(crate) fn at_column(self, column: &str, side: Side, limits: &Limits) -> DecodeError {
        let column = Box::from(column);
        match self {
            Self::Json(error) => DecodeError::json(side, limits, error),
            Self::WrongType { expected, found } => {
                DecodeError::WrongType { column, expected, found }
            }
            Self::OutOfRange { expected } => DecodeError::OutOfRange { column, expected },
            Self::InvalidText { expected } => DecodeError::InvalidText { column, expected },
            Self::Decimal(reason) => DecodeError::InvalidDecimal { column, reason },
            Self::Undeclared { found } => DecodeError::UndeclaredType { column, found },
            Self::Twice { member } => {
                DecodeError::DuplicateField { path: format!("{column}.{member}").into() }
            }
            Self::ScratchFull => {
                DecodeError::RowTooLarge { column, bytes_max: limits.scratch_bytes_max }
            }
        }
    }
}
