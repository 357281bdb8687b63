//! What an operator is told about a refused pair.

use std::fmt::Write as _;

use cdc_core::SemanticType;

use super::rules::Source;
use super::target::{TargetKind, TargetType};
use super::{CellEncoder, PairRefusal, fitting};
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
    target: &TargetColumn,
    kind: Option<TargetType>,
) -> PairRefusal {
    let TargetColumn { name, type_name, .. } = target;
    let source = Source::of(semantic);
    let message = if source == Source::SelfEvident {
        format!("column {name}: undeclared values cannot be written exactly to {type_name}")
    } else {
        format!("column {name}: {semantic} cannot be written exactly to {type_name}")
    };
    PairRefusal { message, hint: hint(semantic, target, kind) }
}

fn hint(semantic: &SemanticType, target: &TargetColumn, kind: Option<TargetType>) -> String {
    let source = Source::of(semantic);
    let is_float = matches!(source, Source::Float32 | Source::Float64);
    match kind {
        _ if source != Source::SelfEvident => {}
        Some(kind) => return declaration(target, kind),
        None => {
            return "declare what it holds, and change the target column to a type that can hold it"
                .to_owned();
        }
    }
    if is_float && kind.is_some_and(|kind| kind.kind == TargetKind::Numeric) {
        return "set decimal.handling.mode of the connector to precise or string, since a binary \
                float cannot hold every decimal; for a column that is a float in the source change \
                the target column's type to double precision"
            .to_owned();
    }
    let Some(fitting) = fitting(semantic) else {
        return "leave the column out of the rows with a rule, or convert it in the source"
            .to_owned();
    };
    let mut hint = format!("change the target column's type to {fitting}");
    if let Some(otherwise) = without_extension(source) {
        write!(hint, ", or to {otherwise}").expect("writing to a String cannot fail");
    }
    if let Some(reason) = reason(source, kind) {
        write!(hint, ", since {reason}").expect("writing to a String cannot fail");
    }
    hint
}

/// What takes the values of a type that an extension brings, on a server that has no such extension.
fn without_extension(source: Source) -> Option<&'static str> {
    match (source,) {
        (Source::Geometry | Source::Geography,) => Some("bytea where the server has no PostGIS"),
        (Source::Vector | Source::HalfVector,) => Some("real[] where the server has no pgvector"),
        (Source::SparseVector,) => Some("text where the server has no pgvector"),
        (_,) => None,
    }
}

/// A declaration to paste into the table's configuration.
fn declaration(target: &TargetColumn, kind: TargetType) -> String {
    let (mut declared, explanation) = match (kind.kind, kind.encoder) {
        (TargetKind::Numeric, CellEncoder::Numeric(Some(bound))) if bound.scale >= 0 => (
            format!("decimal({},{})", bound.precision, bound.scale),
            ", with the precision and scale of the source column",
        ),
        (TargetKind::Numeric, _) => {
            ("decimal".to_owned(), ", or decimal(precision,scale) when the source column has them")
        }
        (TargetKind::Money, CellEncoder::Money { digits }) => {
            (format!("decimal(*,{digits})"), ", with money.fraction.digits of the connector")
        }
        (TargetKind::Float4, _) => ("float32".to_owned(), ""),
        (TargetKind::Date, _) => ("date".to_owned(), ""),
        (TargetKind::Time, _) => (
            "time(micros)".to_owned(),
            ", or time(millis) when the source column keeps at most 3 digits of a second",
        ),
        (TargetKind::Timestamp, _) => (
            "timestamp(micros)".to_owned(),
            ", or timestamp(millis) when the source column keeps at most 3 digits of a second",
        ),
        (TargetKind::Interval, _) => (
            "interval(iso)".to_owned(),
            ", with interval.handling.mode=string of the connector, since its default merges months \
             and days",
        ),
        (TargetKind::Hstore, _) => ("json".to_owned(), ", or map with hstore.handling.mode=map"),
        (TargetKind::Bit, CellEncoder::Bit { length: 1 }) => ("boolean".to_owned(), ""),
        (TargetKind::Bit, CellEncoder::Bit { length }) => (format!("bits({length})"), ""),
        (TargetKind::Varbit, _) => ("varbits".to_owned(), ""),
        (TargetKind::Bytea, _) => ("bytes".to_owned(), ""),
        (TargetKind::TextForm, _) => (
            "bytes".to_owned(),
            ", or bytes(hex) or bytes(base64url) by binary.handling.mode of the connector, which sends \
             such types with include.unknown.datatypes=true",
        ),
        (TargetKind::Box | TargetKind::Segment | TargetKind::Path | TargetKind::Polygon, _) => {
            ("geometry".to_owned(), "")
        }
        (kind, _) if SAME_NAME.contains(&kind) => (kind.name().to_owned(), ""),
        (_, _) => ("text".to_owned(), ""),
    };
    if target.element.is_some() {
        declared = format!("array({declared})");
    }
    let column = toml_key(&target.name);
    format!("declare what it holds: columns = {{ {column} = \"{declared}\" }}{explanation}")
}

/// Types whose meaning has the same name.
const SAME_NAME: &[TargetKind] = &[
    TargetKind::Timestamptz,
    TargetKind::Timetz,
    TargetKind::Point,
    TargetKind::Circle,
    TargetKind::Line,
    TargetKind::Xml,
    TargetKind::Ltree,
    TargetKind::Tsvector,
    TargetKind::Geometry,
    TargetKind::Geography,
    TargetKind::Vector,
    TargetKind::HalfVector,
    TargetKind::SparseVector,
];

/// A TOML key: bare where TOML allows it.
pub(crate) fn toml_key(name: &str) -> String {
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

/// Why a pair that looks close is refused.
fn reason(source: Source, kind: Option<TargetType>) -> Option<&'static str> {
    use TargetKind as T;
    match (source, kind?.kind) {
        (Source::Timestamp, T::Timestamptz) => {
            Some("the values have no time zone and none may be guessed")
        }
        (Source::ZonedTimestamp, T::Timestamp) => {
            Some("the values are instants and would lose their time zone")
        }
        (_, T::TextForm) => Some(
            "types without an exact binary form take only the bytes that a connector sends with \
                  include.unknown.datatypes=true",
        ),
        (Source::ZonedTime, T::Time) => Some("the values would lose their offset"),
        (Source::Int16 | Source::Int32 | Source::Int64, T::Int2 | T::Int4 | T::Numeric)
        | (Source::Decimal, T::Numeric)
        | (Source::Bits | Source::VarBits, T::Bit | T::Varbit) => {
            Some("some values would not fit the present one")
        }
        (_, _) => None,
    }
}
