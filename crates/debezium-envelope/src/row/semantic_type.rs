//! What columns mean, and the names of it.

use std::fmt;

/// The unit in which a temporal column counts on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Thousandths of a second.
    Millis,
    /// Millionths of a second, PostgreSQL's own resolution.
    Micros,
    /// Thousand-millionths of a second.
    Nanos,
}

impl TimeUnit {
    fn name(self) -> &'static str {
        match self {
            Self::Millis => "millis",
            Self::Micros => "micros",
            Self::Nanos => "nanos",
        }
    }
}

/// The text form of bytes that travel as a string, which the message does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BytesText {
    /// Two hexadecimal digits a byte, without a prefix (`binary.handling.mode=hex`).
    Hex,
    /// Base64 in the alphabet with `-` and `_`, padded (`binary.handling.mode=base64-url-safe`).
    Base64Url,
}

/// The wire form of a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntervalForm {
    /// A count of microseconds in which a month is 30.4375 days (`interval.handling.mode=numeric`).
    /// Months and days are merged, and one value in a hundred is a microsecond low: Debezium computes
    /// it as a float.
    Micros,
    /// The same in nanoseconds.
    Nanos,
    /// ISO-8601 text with every part, which is exact (`interval.handling.mode=string`).
    Iso,
}

/// A temporal type that travels as an object with a member for each part
/// (`time.precision.mode=structured`, Debezium 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StructuredType {
    /// A calendar day.
    Date,
    /// A time of day.
    Time,
    /// A date and time without a zone.
    Timestamp,
    /// A time of day with the offset in which the source holds it.
    ZonedTime,
    /// An instant; its own offset is dropped, since PostgreSQL keeps none.
    ZonedTimestamp,
    /// A span of time.
    Interval,
}

/// What a column means, whatever its bytes look like.
///
/// A message with a schema block says it; for a message without one it is declared from outside,
/// because the same JSON number may be a count, a date or microseconds. Types that differ only in
/// their wire form give the same kind of [`Value`](crate::Value).
///
/// [`Display`](fmt::Display) writes the text that [`parse`](Self::parse) reads, with two exceptions:
/// the labels of an enum are left out, and [`SelfEvident`](Self::SelfEvident) and
/// [`Unsupported`](Self::Unsupported) cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SemanticType {
    /// `boolean`, also PostgreSQL's `bit(1)`.
    Boolean,
    /// A 16-bit signed integer.
    Int16,
    /// A 32-bit signed integer.
    Int32,
    /// A 64-bit signed integer; also PostgreSQL's `oid`.
    Int64,
    /// A 32-bit IEEE number, including NaN and the infinities.
    Float32,
    /// A 64-bit IEEE number, including NaN and the infinities. In `decimal.handling.mode=double` the
    /// source's decimals arrive so and are rounded to some 15 digits before they are sent.
    Float64,
    /// Text without further meaning; also network addresses, ranges, `citext` and whatever else the
    /// producer gives in its source's text form without a name.
    Text,
    /// Bytes in standard base64. Columns of types that Debezium does not know arrive so under
    /// `include.unknown.datatypes`, as the bytes of their text form.
    Bytes,
    /// Bytes that travel as text of another form.
    EncodedBytes(BytesText),
    /// A bit string of a fixed length. A schema describes `bit varying(n)` in the same words unless
    /// the connector propagates the source's type; such values get leading zeros that they may not
    /// have had.
    Bits {
        /// How many bits.
        length: u32,
    },
    /// A bit string of varying length, whose leading zeros the producer has dropped.
    VarBits {
        /// Most bits; `None` when the source sets no bound.
        length: Option<u32>,
    },
    /// A decimal whose scale is part of the type (`numeric(p,s)`, `money`).
    Decimal {
        /// Most digits in total, when the producer said so.
        precision: Option<u32>,
        /// Digits after the decimal point; negative for multiples of a power of ten.
        scale: i32,
    },
    /// A decimal that carries its own scale (`numeric` without precision), or decimal text.
    VariableDecimal,
    /// A calendar day, as a count of days.
    Date,
    /// A calendar day as text.
    IsoDate,
    /// A time of day, `00:00:00` to `24:00:00` inclusive.
    Time(TimeUnit),
    /// A time of day as text. `24:00:00` arrives as `00:00:00`.
    IsoTime,
    /// A time of day with an offset from UTC, as text.
    ZonedTime,
    /// A date and time without a zone.
    Timestamp(TimeUnit),
    /// A date and time without a zone, as text.
    IsoTimestamp,
    /// An instant, always kept in UTC.
    ZonedTimestamp,
    /// A span of time.
    Interval(IntervalForm),
    /// A temporal type in parts.
    Structured(StructuredType),
    /// A calendar year, as a 32-bit integer.
    Year,
    /// A UUID.
    Uuid,
    /// A JSON document as text, unchanged; also an `hstore` in `hstore.handling.mode=json`, which
    /// nothing tells apart from one.
    Json,
    /// An XML document as text, unchanged.
    Xml,
    /// A path of labels in the text form of the extension `ltree`.
    Ltree,
    /// A list of lexemes in PostgreSQL's text form.
    Tsvector,
    /// A label out of a closed set.
    Enum {
        /// The labels, in the order in which the source declares them; empty when unknown.
        allowed: Vec<String>,
    },
    /// Some labels out of a closed set, joined by commas.
    EnumSet {
        /// The labels, in the order in which the source declares them; empty when unknown.
        allowed: Vec<String>,
    },
    /// An array of any number of dimensions.
    Array {
        /// What its elements mean. An array, a vector or a map without text keys cannot be an
        /// element.
        element: Box<SemanticType>,
    },
    /// Keys with values, such as an `hstore` in `hstore.handling.mode=map`.
    Map {
        /// What its keys mean. Text keys are the members of a JSON object, others stand in pairs.
        key: Box<SemanticType>,
        /// What its values mean.
        value: Box<SemanticType>,
    },
    /// `vector` of the extension `pgvector`: 64-bit floats on the way, 32-bit ones in the source.
    Vector,
    /// `halfvec` of the extension `pgvector`: 32-bit floats on the way, 16-bit ones in the source.
    HalfVector,
    /// `sparsevec` of the extension `pgvector`. Debezium cannot send more than 32,767 dimensions.
    SparseVector,
    /// A point of a plane.
    Point,
    /// A shape in well-known binary: a `PostGIS` `geometry`, or since Debezium 3.7 PostgreSQL's `box`,
    /// `lseg`, `path` and `polygon`.
    Geometry,
    /// A shape on the globe in well-known binary: a `PostGIS` `geography`.
    Geography,
    /// A circle in PostgreSQL's text form, `<(x,y),r>`.
    Circle,
    /// A line in PostgreSQL's text form, `{A,B,C}` for Ax + By + C = 0.
    Line,
    /// No schema block and no declaration: booleans, integers, floats and text are taken for what
    /// their JSON token says, and nothing that could mean two things is accepted by a sink.
    SelfEvident,
    /// A type that this version does not decode; sinks refuse it by this name.
    Unsupported {
        /// The semantic or wire type's name as the producer gave it.
        name: String,
    },
}

impl SemanticType {
    /// A map from text to text, which is what an `hstore` is.
    pub fn text_map() -> Self {
        Self::Map { key: Box::new(Self::Text), value: Box::new(Self::Text) }
    }

    /// Whether values can stand in an array: those that themselves begin with a bracket cannot,
    /// because they could not be told from a further dimension.
    pub(crate) fn can_be_element(&self) -> bool {
        if let Self::Map { key, .. } = self {
            return **key == Self::Text;
        }
        !matches!(
            self,
            Self::Array { .. } | Self::Vector | Self::HalfVector | Self::Unsupported { .. }
        )
    }

    /// The type of a column whose schema says this one and whose declaration says `declared`.
    ///
    /// A schema is right, but it may say too little: a mere string can hold bytes or a decimal, a bit
    /// string may be of varying length, and a name that this crate does not know says nothing. There
    /// the declaration counts, and nowhere else.
    #[must_use]
    pub(crate) fn refined_by(self, declared: &Self) -> Self {
        match (self, declared) {
            (Self::Unsupported { .. }, declared)
            | (Self::Bits { .. }, declared @ Self::VarBits { .. }) => declared.clone(),
            (Self::Text, declared) if declared.travels_as_string() => declared.clone(),
            (Self::Array { element }, Self::Array { element: declared }) => {
                Self::Array { element: Box::new(element.refined_by(declared)) }
            }
            (Self::Map { key, value }, Self::Map { value: declared, .. }) => {
                Self::Map { key, value: Box::new(value.refined_by(declared)) }
            }
            (own, _) => own,
        }
    }

    /// Whether values travel as JSON strings.
    fn travels_as_string(&self) -> bool {
        matches!(
            self,
            Self::Bytes
                | Self::EncodedBytes(_)
                | Self::VariableDecimal
                | Self::IsoDate
                | Self::IsoTime
                | Self::ZonedTime
                | Self::IsoTimestamp
                | Self::ZonedTimestamp
                | Self::Interval(IntervalForm::Iso)
                | Self::Uuid
                | Self::Json
                | Self::Xml
                | Self::Ltree
                | Self::Tsvector
                | Self::Enum { .. }
                | Self::EnumSet { .. }
        )
    }
}

impl fmt::Display for StructuredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Date => "date(structured)",
            Self::Time => "time(structured)",
            Self::Timestamp => "timestamp(structured)",
            Self::ZonedTime => "timetz(structured)",
            Self::ZonedTimestamp => "timestamptz(structured)",
            Self::Interval => "interval(structured)",
        })
    }
}

impl fmt::Display for SemanticType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Decimal { precision: Some(precision), scale } => {
                return write!(f, "decimal({precision},{scale})");
            }
            Self::Decimal { precision: None, scale } => return write!(f, "decimal(*,{scale})"),
            Self::Time(unit) => return write!(f, "time({})", unit.name()),
            Self::Timestamp(unit) => return write!(f, "timestamp({})", unit.name()),
            Self::Structured(kind) => return kind.fmt(f),
            Self::Bits { length } => return write!(f, "bits({length})"),
            Self::VarBits { length: Some(length) } => return write!(f, "varbits({length})"),
            Self::Array { element } => return write!(f, "array({element})"),
            Self::Map { key, value } if **key != Self::Text || **value != Self::Text => {
                return write!(f, "map({key},{value})");
            }
            Self::Unsupported { name } => return write!(f, "unsupported type {name}"),
            Self::Boolean => "boolean",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::EncodedBytes(BytesText::Hex) => "bytes(hex)",
            Self::EncodedBytes(BytesText::Base64Url) => "bytes(base64url)",
            Self::VarBits { length: None } => "varbits",
            Self::VariableDecimal => "decimal",
            Self::Date => "date",
            Self::IsoDate => "date(iso)",
            Self::IsoTime => "time(iso)",
            Self::ZonedTime => "timetz",
            Self::IsoTimestamp => "timestamp(iso)",
            Self::ZonedTimestamp => "timestamptz",
            Self::Interval(IntervalForm::Micros) => "interval",
            Self::Interval(IntervalForm::Nanos) => "interval(nanos)",
            Self::Interval(IntervalForm::Iso) => "interval(iso)",
            Self::Year => "year",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Ltree => "ltree",
            Self::Tsvector => "tsvector",
            Self::Enum { .. } => "enum",
            Self::EnumSet { .. } => "enumset",
            Self::Map { .. } => "map",
            Self::Vector => "vector",
            Self::HalfVector => "halfvec",
            Self::SparseVector => "sparsevec",
            Self::Point => "point",
            Self::Geometry => "geometry",
            Self::Geography => "geography",
            Self::Circle => "circle",
            Self::Line => "line",
            Self::SelfEvident => "undeclared",
        };
        f.write_str(name)
    }
}
