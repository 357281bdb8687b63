//! The text form of semantic types, as declarations write them.

use std::str::FromStr;

use super::shape::{SemanticType, TimeUnit};

/// A text that names no semantic type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSemanticTypeError {
    /// No type has this name.
    #[error(
        "parsed the column type {found:?}: expected decimal(p,s), decimal, timestamp(unit), \
         time(unit), timestamptz, date, boolean, int16, int32, int64, float32, float64, text, bytes, \
         uuid, json or enum"
    )]
    UnknownName {
        /// What stood there.
        found: String,
    },
    /// `time` and `timestamp` need the unit in which their numbers count.
    #[error(
        "parsed the column type {found:?}: expected {name}(millis), {name}(micros) or {name}(nanos)"
    )]
    Unit {
        /// What stood there.
        found: String,
        /// `time` or `timestamp`.
        name: &'static str,
    },
    /// The arguments of `decimal` are not `precision,scale`.
    #[error(
        "parsed the column type {found:?}: expected decimal(precision,scale) with whole numbers, \
         such as decimal(10,2), decimal(*,2) for any precision, or decimal"
    )]
    Decimal {
        /// What stood there.
        found: String,
    },
    /// A type without arguments was given some.
    #[error("parsed the column type {found:?}: {name} takes no argument")]
    Arguments {
        /// What stood there.
        found: String,
        /// The type.
        name: String,
    },
}

impl SemanticType {
    /// The type that a text names; the reverse of its `Display`.
    ///
    /// ```
    /// use debezium_envelope::{SemanticType, TimeUnit};
    ///
    /// assert_eq!(SemanticType::parse("timestamp(micros)"), Ok(SemanticType::Timestamp(TimeUnit::Micros)));
    /// assert!(SemanticType::parse("timestamp").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`ParseSemanticTypeError`], which says what could stand there.
    pub fn parse(text: &str) -> Result<Self, ParseSemanticTypeError> {
        let found = || text.to_owned();
        let trimmed = text.trim();
        let (name, arguments) = match trimmed.split_once('(') {
            None => (trimmed, None),
            Some((name, rest)) => {
                let unknown = || ParseSemanticTypeError::UnknownName { found: found() };
                let arguments = rest.strip_suffix(')').ok_or_else(unknown)?;
                (name.trim_end(), Some(arguments.trim()))
            }
        };
        let parsed = match (name, arguments) {
            ("decimal", None) => return Ok(Self::VariableDecimal),
            ("decimal", Some(arguments)) => {
                return decimal(arguments)
                    .ok_or_else(|| ParseSemanticTypeError::Decimal { found: found() });
            }
            ("time", unit) => return time_unit(text, "time", unit).map(Self::Time),
            ("timestamp", unit) => return time_unit(text, "timestamp", unit).map(Self::Timestamp),
            ("boolean", _) => Self::Boolean,
            ("int16", _) => Self::Int16,
            ("int32", _) => Self::Int32,
            ("int64", _) => Self::Int64,
            ("float32", _) => Self::Float32,
            ("float64", _) => Self::Float64,
            ("text", _) => Self::Text,
            ("bytes", _) => Self::Bytes,
            ("date", _) => Self::Date,
            ("timestamptz", _) => Self::ZonedTimestamp,
            ("uuid", _) => Self::Uuid,
            ("json", _) => Self::Json,
            ("enum", _) => Self::Enum { allowed: Vec::new() },
            _ => return Err(ParseSemanticTypeError::UnknownName { found: found() }),
        };
        if arguments.is_some() {
            let name = name.to_owned();
            return Err(ParseSemanticTypeError::Arguments { found: found(), name });
        }
        Ok(parsed)
    }
}

impl FromStr for SemanticType {
    type Err = ParseSemanticTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn decimal(arguments: &str) -> Option<SemanticType> {
    let (precision, scale) = arguments.split_once(',')?;
    let precision = match precision.trim() {
        "*" => None,
        digits => Some(digits.parse().ok()?),
    };
    Some(SemanticType::Decimal { precision, scale: scale.trim().parse().ok()? })
}

fn time_unit(
    text: &str,
    name: &'static str,
    unit: Option<&str>,
) -> Result<TimeUnit, ParseSemanticTypeError> {
    match unit {
        Some("millis") => Ok(TimeUnit::Millis),
        Some("micros") => Ok(TimeUnit::Micros),
        Some("nanos") => Ok(TimeUnit::Nanos),
        Some(_) | None => Err(ParseSemanticTypeError::Unit { found: text.to_owned(), name }),
    }
}
