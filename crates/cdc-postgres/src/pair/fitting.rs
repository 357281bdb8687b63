//! The column type that holds every value of a meaning.

use cdc_core::{IntervalForm, SemanticType, StructuredType, TimeUnit};

/// Most digits and most digits after the point of a `numeric` with a bound.
const DIGITS_MAX: u32 = 1_000;
const SCALE_MAX: i32 = 1_000;

/// Most bits of a bit string with a bound.
const BITS_MAX: u32 = 83_886_080;

/// The type to give a column so that every value of this meaning fits; `None` when there is none, or
/// when nobody has said what the values are.
pub(crate) fn fitting(semantic: &SemanticType) -> Option<String> {
    let name = match semantic {
        SemanticType::Boolean => "boolean",
        SemanticType::Int16 => "smallint",
        SemanticType::Int32 | SemanticType::Year => "integer",
        SemanticType::Int64 => "bigint",
        SemanticType::Float32 => "real",
        SemanticType::Float64 => "double precision",
        SemanticType::Text | SemanticType::Enum { .. } | SemanticType::EnumSet { .. } => "text",
        SemanticType::Bytes | SemanticType::EncodedBytes(_) => "bytea",
        SemanticType::Bits { length: length @ 1..=BITS_MAX } => {
            return Some(format!("bit({length})"));
        }
        SemanticType::VarBits { length: Some(length @ 1..=BITS_MAX) } => {
            return Some(format!("bit varying({length})"));
        }
        SemanticType::Bits { .. } | SemanticType::VarBits { .. } => "bit varying",
        SemanticType::Decimal {
            precision: Some(precision @ 1..=DIGITS_MAX),
            scale: scale @ 0..=SCALE_MAX,
        } => return Some(format!("numeric({},{scale})", (*precision).max(scale.unsigned_abs()))),
        SemanticType::Decimal { .. } | SemanticType::VariableDecimal => "numeric",
        SemanticType::Date
        | SemanticType::IsoDate
        | SemanticType::Structured(StructuredType::Date) => "date",
        SemanticType::Time(TimeUnit::Millis) => "time(3)",
        SemanticType::Time(TimeUnit::Micros | TimeUnit::Nanos)
        | SemanticType::IsoTime
        | SemanticType::Structured(StructuredType::Time) => "time",
        SemanticType::ZonedTime | SemanticType::Structured(StructuredType::ZonedTime) => "timetz",
        SemanticType::Timestamp(TimeUnit::Millis) => "timestamp(3)",
        SemanticType::Timestamp(TimeUnit::Micros | TimeUnit::Nanos)
        | SemanticType::IsoTimestamp
        | SemanticType::Structured(StructuredType::Timestamp) => "timestamp",
        SemanticType::ZonedTimestamp | SemanticType::Structured(StructuredType::ZonedTimestamp) => {
            "timestamptz"
        }
        SemanticType::Interval(IntervalForm::Micros | IntervalForm::Nanos | IntervalForm::Iso)
        | SemanticType::Structured(StructuredType::Interval) => "interval",
        SemanticType::Uuid => "uuid",
        SemanticType::Json => "jsonb",
        SemanticType::Xml => "xml",
        SemanticType::Ltree => "ltree",
        SemanticType::Tsvector => "tsvector",
        SemanticType::Array { element } => return Some(format!("{}[]", fitting(element)?)),
        SemanticType::Map { .. } if *semantic == SemanticType::text_map() => "hstore",
        SemanticType::Vector => "vector",
        SemanticType::HalfVector => "halfvec",
        SemanticType::SparseVector => "sparsevec",
        SemanticType::Point => "point",
        SemanticType::Geometry => "geometry",
        SemanticType::Geography => "geography",
        SemanticType::Circle => "circle",
        SemanticType::Line => "line",
        SemanticType::Map { .. } | SemanticType::SelfEvident | SemanticType::Unsupported { .. } => {
            return None;
        }
    };
    Some(name.to_owned())
}
