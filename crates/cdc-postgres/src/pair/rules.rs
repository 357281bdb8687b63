//! The table of exact pairs.

use cdc_core::SemanticType;

use super::target::TargetType;

/// A [`SemanticType`] without what only messages need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Boolean,
    Integer(IntegerWidth),
    Float32,
    Float64,
    Text,
    Bytes,
    Decimal { precision: Option<u32>, scale: i32 },
    VariableDecimal,
    Date,
    Time,
    Timestamp,
    ZonedTimestamp,
    Uuid,
    Json,
    Enum,
    SelfEvident,
    Unsupported,
}

/// How wide an integer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IntegerWidth {
    Two,
    Four,
    Eight,
}

impl IntegerWidth {
    /// Decimal digits of the largest value.
    fn digits(self) -> i64 {
        match self {
            Self::Two => 5,
            Self::Four => 10,
            Self::Eight => 19,
        }
    }
}

impl Source {
    pub(super) fn of(semantic: &SemanticType) -> Self {
        match semantic {
            SemanticType::Boolean => Self::Boolean,
            SemanticType::Int16 => Self::Integer(IntegerWidth::Two),
            SemanticType::Int32 => Self::Integer(IntegerWidth::Four),
            SemanticType::Int64 => Self::Integer(IntegerWidth::Eight),
            SemanticType::Float32 => Self::Float32,
            SemanticType::Float64 => Self::Float64,
            SemanticType::Text => Self::Text,
            SemanticType::Bytes => Self::Bytes,
            SemanticType::Decimal { precision, scale } => {
                Self::Decimal { precision: *precision, scale: *scale }
            }
            SemanticType::VariableDecimal => Self::VariableDecimal,
            SemanticType::Date => Self::Date,
            SemanticType::Time(_) => Self::Time,
            SemanticType::Timestamp(_) => Self::Timestamp,
            SemanticType::ZonedTimestamp => Self::ZonedTimestamp,
            SemanticType::Uuid => Self::Uuid,
            SemanticType::Json => Self::Json,
            SemanticType::Enum { .. } => Self::Enum,
            SemanticType::SelfEvident => Self::SelfEvident,
            // The binary form of these types is not written yet.
            SemanticType::Unsupported { .. }
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
            | SemanticType::Line => Self::Unsupported,
        }
    }
}

/// Characters of a UUID as text.
const UUID_CHARS: u32 = 36;

/// Whether the target can hold every value of the source, or refuses exactly those that it cannot.
///
/// One arm per source; whatever is not named is refused.
pub(super) fn allows(source: Source, target: TargetType) -> bool {
    use TargetType as T;
    let is_text = matches!(target, T::Text | T::Varchar { .. });
    let is_padded = matches!(target, T::Char { .. });
    match source {
        Source::Boolean => matches!(target, T::Bool),
        Source::Integer(width) => holds_integer(target, width),
        Source::Float32 => matches!(target, T::Float4 | T::Float8),
        Source::Float64 => matches!(target, T::Float8),
        // Connectors can be told to write decimals as text.
        Source::Text => is_text || is_padded || matches!(target, T::Numeric(_)),
        Source::Bytes => matches!(target, T::Bytea),
        Source::Decimal { precision, scale } => holds_decimal(target, precision, scale),
        Source::VariableDecimal => matches!(target, T::Numeric(_)),
        Source::Date => matches!(target, T::Date),
        Source::Time => matches!(target, T::Time { .. }),
        Source::Timestamp => matches!(target, T::Timestamp { .. }),
        Source::ZonedTimestamp => matches!(target, T::Timestamptz { .. }),
        Source::Uuid => matches!(target, T::Uuid) || holds_uuid_text(target),
        // Padding would change a document that ends in a blank; other text has blanks to spare.
        Source::Json => is_text || matches!(target, T::Json | T::Jsonb),
        Source::Enum => is_text || is_padded || matches!(target, T::Enum),
        Source::SelfEvident => is_text || is_padded || speaks_for_itself(target),
        Source::Unsupported => false,
    }
}

fn holds_integer(target: TargetType, width: IntegerWidth) -> bool {
    match (target, width) {
        (TargetType::Int2, IntegerWidth::Two)
        | (TargetType::Int4, IntegerWidth::Two | IntegerWidth::Four)
        | (TargetType::Int8 | TargetType::Numeric(None), _) => true,
        (TargetType::Numeric(Some(bound)), _) => {
            bound.scale >= 0 && bound.integer_digits() >= width.digits()
        }
        (_, _) => false,
    }
}

/// Without a known precision the digits before the point are checked value by value.
fn holds_decimal(target: TargetType, precision: Option<u32>, scale: i32) -> bool {
    let TargetType::Numeric(bound) = target else { return false };
    let scale = i64::from(scale);
    let integer_digits = precision.map(|digits| i64::from(digits).saturating_sub(scale));
    bound.is_none_or(|bound| {
        i64::from(bound.scale) >= scale
            && integer_digits.is_none_or(|digits| bound.integer_digits() >= digits)
    })
}

fn holds_uuid_text(target: TargetType) -> bool {
    match (target,) {
        (TargetType::Text,) => true,
        (TargetType::Varchar { chars_max } | TargetType::Char { chars_max },) => {
            chars_max.is_none_or(|max| max >= UUID_CHARS)
        }
        (_,) => false,
    }
}

/// Where the JSON token says all there is to know, and each value is checked against the target.
fn speaks_for_itself(target: TargetType) -> bool {
    use TargetType as T;
    matches!(
        target,
        T::Bool | T::Int2 | T::Int4 | T::Int8 | T::Float8 | T::Enum | T::Json | T::Jsonb | T::Uuid
    )
}
