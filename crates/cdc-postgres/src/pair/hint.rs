//! What an operator is told about a refused pair.

use std::fmt::Write as _;

use cdc_core::SemanticType;

use super::PairRefusal;
use super::rules::{IntegerWidth, Source};
use super::target::TargetType;
use crate::catalog::TargetColumn;

/// The refusal of a column that the server alone fills.
pub(super) fn generated(target: &TargetColumn) -> PairRefusal {
    PairRefusal {
        message: format!(
            "column {}: the server generates its values ({})",
            target.name, target.type_name
        ),
        hint: "leave the column out of the rows with a rule, or make it an ordinary column".into(),
    }
}

/// The refusal of a pair that is not in the table.
pub(super) fn refusal(
    semantic: &SemanticType,
    source: Source,
    target: &TargetColumn,
    kind: Option<TargetType>,
) -> PairRefusal {
    let TargetColumn { name, type_name, .. } = target;
    let message = if source == Source::SelfEvident {
        format!("column {name}: undeclared values cannot be written exactly to {type_name}")
    } else {
        format!("column {name}: {semantic} cannot be written exactly to {type_name}")
    };
    let hint = match (source, kind) {
        (Source::Unsupported, _) => {
            "leave the column out of the rows with a rule, or convert it in the source".to_owned()
        }
        (Source::SelfEvident, Some(kind)) => declaration(name, kind),
        (Source::SelfEvident, None) => {
            "declare what it holds, and change the target column to a type that can hold it"
                .to_owned()
        }
        (Source::Float32 | Source::Float64, Some(TargetType::Numeric(_))) => {
            "set decimal.handling.mode of the connector to precise or string, since a binary \
             float cannot hold every decimal; for a column that is a float in the source change \
             the target column's type to double precision"
                .to_owned()
        }
        (_, _) => {
            let mut hint = format!("change the target column's type to {}", fitting(source));
            if let Some(reason) = reason(source, kind) {
                write!(hint, ", since {reason}").expect("writing to a String cannot fail");
            }
            hint
        }
    };
    PairRefusal { message, hint }
}

/// A declaration to paste into the table's configuration.
fn declaration(column: &str, kind: TargetType) -> String {
    let (declared, explanation) = match (kind,) {
        (TargetType::Numeric(Some(bound)),) if bound.scale >= 0 => (
            format!("decimal({},{})", bound.precision, bound.scale),
            ", with the precision and scale of the source column",
        ),
        (TargetType::Numeric(_),) => {
            ("decimal".to_owned(), ", or decimal(precision,scale) when the source column has them")
        }
        (TargetType::Float4,) => ("float32".to_owned(), ""),
        (TargetType::Date,) => ("date".to_owned(), ""),
        (TargetType::Time { .. },) => (
            "time(micros)".to_owned(),
            ", or time(millis) when the source column keeps at most 3 digits of a second",
        ),
        (TargetType::Timestamp { .. },) => (
            "timestamp(micros)".to_owned(),
            ", or timestamp(millis) when the source column keeps at most 3 digits of a second",
        ),
        (TargetType::Timestamptz { .. },) => ("timestamptz".to_owned(), ""),
        (TargetType::Bytea,) => ("bytes".to_owned(), ""),
        (_,) => ("text".to_owned(), ""),
    };
    format!("declare what it holds: columns = {{ {} = \"{declared}\" }}{explanation}", key(column))
}

/// A TOML key: bare where TOML allows it.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("writing to a String cannot fail");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The column type that holds every value of the source.
fn fitting(source: Source) -> String {
    let name = match source {
        Source::Boolean => "boolean",
        Source::Integer(IntegerWidth::Two) => "smallint",
        Source::Integer(IntegerWidth::Four) => "integer",
        Source::Integer(IntegerWidth::Eight) => "bigint",
        Source::Float32 => "real",
        Source::Float64 => "double precision",
        Source::Bytes => "bytea",
        Source::Decimal { precision: Some(precision), scale: scale @ 0.. } => {
            return format!("numeric({},{scale})", precision.max(scale.unsigned_abs()));
        }
        Source::Decimal { .. } | Source::VariableDecimal => "numeric",
        Source::Date => "date",
        Source::Time => "time",
        Source::Timestamp => "timestamp",
        Source::ZonedTimestamp => "timestamptz",
        Source::Uuid => "uuid",
        Source::Json => "jsonb",
        Source::Text | Source::Enum | Source::SelfEvident | Source::Unsupported => "text",
    };
    name.to_owned()
}

/// Why a pair that looks close is refused.
fn reason(source: Source, kind: Option<TargetType>) -> Option<&'static str> {
    match (source, kind?) {
        (Source::Timestamp, TargetType::Timestamptz { .. }) => {
            Some("the values have no time zone and none may be guessed")
        }
        (Source::ZonedTimestamp, TargetType::Timestamp { .. }) => {
            Some("the values are instants and would lose their time zone")
        }
        (Source::Integer(_), TargetType::Int2 | TargetType::Int4 | TargetType::Numeric(_))
        | (Source::Decimal { .. }, TargetType::Numeric(_)) => {
            Some("some values would not fit the present one")
        }
        (_, _) => None,
    }
}
