//! The table of exact pairs: what a source column must mean, what the target column must be, and what
//! must hold beside.

mod table;

use cdc_core::{SemanticType, StructuredType};

use super::encoder::CellEncoder;
use super::target::{TargetKind, TargetType};
use table::TABLE;

/// A [`SemanticType`] without its parameters; types that differ only in their wire form are one.
macro_rules! sources {
    ($($variant:ident $name:literal;)+) => {
        /// What a source column means, without parameters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Source {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Source {
            /// Its name in the language of declarations.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

sources! {
    Boolean "boolean";
    Int16 "int16";
    Int32 "int32";
    Int64 "int64";
    Float32 "float32";
    Float64 "float64";
    Decimal "decimal(p,s)";
    VariableDecimal "decimal";
    Text "text";
    Json "json";
    Xml "xml";
    Ltree "ltree";
    Tsvector "tsvector";
    Enum "enum";
    EnumSet "enumset";
    Uuid "uuid";
    Bytes "bytes";
    Bits "bits(n)";
    VarBits "varbits";
    Date "date";
    Time "time";
    ZonedTime "timetz";
    Timestamp "timestamp";
    ZonedTimestamp "timestamptz";
    Interval "interval";
    Map "map";
    Point "point";
    Geometry "geometry";
    Geography "geography";
    Circle "circle";
    Line "line";
    Vector "vector";
    HalfVector "halfvec";
    SparseVector "sparsevec";
    SelfEvident "undeclared";
    Array "array";
    Unsupported "unsupported";
}

impl Source {
    pub(super) fn of(semantic: &SemanticType) -> Self {
        match semantic {
            SemanticType::Boolean => Self::Boolean,
            SemanticType::Int16 => Self::Int16,
            SemanticType::Int32 | SemanticType::Year => Self::Int32,
            SemanticType::Int64 => Self::Int64,
            SemanticType::Float32 => Self::Float32,
            SemanticType::Float64 => Self::Float64,
            SemanticType::Text => Self::Text,
            SemanticType::Bytes | SemanticType::EncodedBytes(_) => Self::Bytes,
            SemanticType::Bits { .. } => Self::Bits,
            SemanticType::VarBits { .. } => Self::VarBits,
            SemanticType::Decimal { .. } => Self::Decimal,
            SemanticType::VariableDecimal => Self::VariableDecimal,
            SemanticType::Date
            | SemanticType::IsoDate
            | SemanticType::Structured(StructuredType::Date) => Self::Date,
            SemanticType::Time(_)
            | SemanticType::IsoTime
            | SemanticType::Structured(StructuredType::Time) => Self::Time,
            SemanticType::ZonedTime | SemanticType::Structured(StructuredType::ZonedTime) => {
                Self::ZonedTime
            }
            SemanticType::Timestamp(_)
            | SemanticType::IsoTimestamp
            | SemanticType::Structured(StructuredType::Timestamp) => Self::Timestamp,
            SemanticType::ZonedTimestamp
            | SemanticType::Structured(StructuredType::ZonedTimestamp) => Self::ZonedTimestamp,
            SemanticType::Interval(_) | SemanticType::Structured(StructuredType::Interval) => {
                Self::Interval
            }
            SemanticType::Uuid => Self::Uuid,
            SemanticType::Json => Self::Json,
            SemanticType::Xml => Self::Xml,
            SemanticType::Ltree => Self::Ltree,
            SemanticType::Tsvector => Self::Tsvector,
            SemanticType::Enum { .. } => Self::Enum,
            SemanticType::EnumSet { .. } => Self::EnumSet,
            SemanticType::Array { .. } => Self::Array,
            SemanticType::Map { .. } => Self::Map,
            SemanticType::Vector => Self::Vector,
            SemanticType::HalfVector => Self::HalfVector,
            SemanticType::SparseVector => Self::SparseVector,
            SemanticType::Point => Self::Point,
            SemanticType::Geometry => Self::Geometry,
            SemanticType::Geography => Self::Geography,
            SemanticType::Circle => Self::Circle,
            SemanticType::Line => Self::Line,
            SemanticType::SelfEvident => Self::SelfEvident,
            SemanticType::Unsupported { .. } => Self::Unsupported,
        }
    }

    /// Decimal digits of the largest value of an integer type.
    fn integer_digits(self) -> i64 {
        match (self,) {
            (Self::Int16,) => 5,
            (Self::Int32,) => 10,
            (_,) => 19,
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) source: Source,
    pub(super) target: TargetKind,
    pub(super) condition: Condition,
    /// Why the pair is exact, or how far.
    pub(super) why: &'static str,
}

/// What must hold beside the two types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing: every value fits.
    Always,
    /// Nothing, but a value that does not fit is refused on its own.
    EachValue,
    /// A `numeric` has room for all digits of the integer type.
    IntegerDigits,
    /// A `numeric` has the decimal's digits on both sides of the point.
    DecimalDigits,
    /// A text column has room for 36 characters.
    UuidChars,
    /// Both have the same number of bits.
    SameBits,
    /// The target has room for as many bits.
    EnoughBits,
    /// The target holds exactly one bit.
    OneBit,
    /// Keys and values of the map are text.
    TextMap,
}

/// Characters of a UUID as text.
const UUID_CHARS: u32 = 36;

impl Condition {
    /// The condition in words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Always => "",
            Self::EachValue => "each value is checked",
            Self::IntegerDigits => "all digits of the integer type before the point",
            Self::DecimalDigits => "as many digits on both sides of the point",
            Self::UuidChars => "36 characters or more",
            Self::SameBits => "the same number of bits",
            Self::EnoughBits => "as many bits or more",
            Self::OneBit => "bit(1)",
            Self::TextMap => "keys and values are text",
        }
    }

    fn holds(self, semantic: &SemanticType, target: TargetType) -> bool {
        match self {
            Self::Always | Self::EachValue => true,
            Self::IntegerDigits => holds_integer(target, Source::of(semantic).integer_digits()),
            Self::DecimalDigits => holds_decimal(target, semantic),
            Self::UuidChars => match (target.encoder,) {
                (CellEncoder::Text { chars_max },) => chars_max.is_none_or(|max| max >= UUID_CHARS),
                (_,) => false,
            },
            Self::SameBits => match (semantic, target.encoder) {
                (SemanticType::Bits { length }, CellEncoder::Bit { length: held }) => {
                    *length == held
                }
                (_, _) => false,
            },
            Self::EnoughBits => holds_bits(target, semantic),
            Self::OneBit => target.encoder == CellEncoder::Bit { length: 1 },
            Self::TextMap => *semantic == SemanticType::text_map(),
        }
    }
}

impl TargetType {
    /// How values of this source are written: what comes as the bytes of a text form, as text, and a
    /// shape without a type for shapes as its bytes.
    pub(super) fn encoder_for(self, semantic: &SemanticType) -> CellEncoder {
        let source = Source::of(semantic);
        let is_shape = matches!(source, Source::Geometry | Source::Geography);
        if is_text_form(source, self.kind) {
            CellEncoder::TextForm
        } else if is_shape && self.kind == TargetKind::Bytea {
            CellEncoder::WkbBytes
        } else {
            self.encoder
        }
    }
}

/// Whether bytes are the text form of a value of another type: so a connector sends the types that it
/// does not know.
pub(super) fn is_text_form(source: Source, target: TargetKind) -> bool {
    source == Source::Bytes && target != TargetKind::Bytea
}

/// All rows of the table.
pub(super) fn rules() -> &'static [Rule] {
    TABLE
}

/// Whether the target can hold every value of the source, or refuses exactly those that it cannot.
/// Whatever is not in the table is refused.
pub(super) fn allows(semantic: &SemanticType, target: TargetType) -> bool {
    let source = Source::of(semantic);
    let rule = TABLE.iter().find(|rule| rule.source == source && rule.target == target.kind);
    rule.is_some_and(|rule| rule.condition.holds(semantic, target))
}

fn holds_integer(target: TargetType, digits: i64) -> bool {
    match (target.encoder,) {
        (CellEncoder::Numeric(Some(bound)),) => {
            bound.scale >= 0 && bound.integer_digits() >= digits
        }
        (CellEncoder::Numeric(None) | CellEncoder::FiniteNumeric,) => true,
        (_,) => false,
    }
}

/// Without a known precision the digits before the point are checked value by value.
fn holds_decimal(target: TargetType, semantic: &SemanticType) -> bool {
    let SemanticType::Decimal { precision, scale } = semantic else { return false };
    let CellEncoder::Numeric(Some(bound)) = target.encoder else { return true };
    let scale = i64::from(*scale);
    let integer_digits = precision.map(|digits| i64::from(digits).saturating_sub(scale));
    i64::from(bound.scale) >= scale
        && integer_digits.is_none_or(|digits| bound.integer_digits() >= digits)
}

/// Without a known bound the bits are counted value by value.
fn holds_bits(target: TargetType, semantic: &SemanticType) -> bool {
    let CellEncoder::Varbit { length_max } = target.encoder else { return false };
    let length = match (semantic,) {
        (SemanticType::Bits { length },) => Some(*length),
        (SemanticType::VarBits { length },) => *length,
        (_,) => None,
    };
    match (length, length_max) {
        (Some(length), Some(max)) => length <= max,
        (_, _) => true,
    }
}
