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
/// Each variant says what a decoded value proves and what it leaves open, its unit and range, how
/// values are ordered, and its text: how it stands in the message, and PostgreSQL's own form where that
/// is another. *Proves* is what decoding has checked; a record that fails it is an error.
///
/// [`Display`](fmt::Display) writes the text that [`parse`](Self::parse) reads, with two exceptions:
/// the labels of an enum are left out, and [`SelfEvident`](Self::SelfEvident) and
/// [`Unsupported`](Self::Unsupported) cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SemanticType {
    /// `boolean`, also PostgreSQL's `bit(1)`, which nothing tells apart.
    ///
    /// Proves one of two values; false is before true. Text: `true` and `false`; PostgreSQL writes `t`
    /// and `f`, or `1` and `0` for a bit.
    Boolean,
    /// A 16-bit signed integer.
    ///
    /// Proves a whole number from -32,768 to 32,767, without unit, ordered as numbers. Text: decimal
    /// digits.
    Int16,
    /// A 32-bit signed integer.
    ///
    /// Proves a whole number from -2,147,483,648 to 2,147,483,647, without unit, ordered as numbers.
    /// Text: decimal digits.
    Int32,
    /// A 64-bit signed integer; also PostgreSQL's `oid`, which is 0 to 4,294,967,295.
    ///
    /// Proves a whole number of 64 bits, without unit, ordered as numbers. Text: decimal digits, of
    /// which a reader that goes through a float loses the last.
    Int64,
    /// A 32-bit IEEE number, including NaN and the infinities.
    ///
    /// Proves the number nearest to the text in 32 bits, and that a finite text is neither rounded to
    /// infinity nor to zero. Up to some 3.4E38, about seven digits. No total order among values here;
    /// PostgreSQL puts NaN last. Text: `1.5`, `3.4028235E38`, and the strings `"NaN"`, `"Infinity"`,
    /// `"-Infinity"`.
    Float32,
    /// A 64-bit IEEE number, including NaN and the infinities. In `decimal.handling.mode=double` the
    /// source's decimals arrive so and are rounded to some 15 digits before they are sent.
    ///
    /// Proves the same as [`Float32`](Self::Float32) in 64 bits: up to some 1.8E308, about fifteen
    /// digits. Order and text are those of the narrower type.
    Float64,
    /// Text without further meaning; also network addresses, ranges, `citext` and whatever else the
    /// producer gives in its source's text form without a name.
    ///
    /// Proves well-formed Unicode, nothing about its content: U+0000 may stand in it, which PostgreSQL
    /// cannot keep. As long as the record allows. Equality is that of the bytes; an order by a language
    /// is the source's, and does not travel. Text: the characters themselves.
    Text,
    /// Bytes in standard base64. Columns of types that Debezium does not know arrive so under
    /// `include.unknown.datatypes`, as the bytes of their text form.
    ///
    /// Proves padded base64 without other characters. Any length within the record's; ordered byte by
    /// byte. Text: base64; PostgreSQL writes `\x` and hexadecimal digits.
    Bytes,
    /// Bytes that travel as text of another form.
    ///
    /// Proves that form throughout. Range and order are those of [`Bytes`](Self::Bytes). Text: as the
    /// form says; a schema block shows a mere string.
    EncodedBytes(BytesText),
    /// A bit string of a fixed length. A schema describes `bit varying(n)` in the same words unless
    /// the connector propagates the source's type; such values get leading zeros that they may not
    /// have had.
    ///
    /// Proves that no bit stands beyond the length. Equal if all bits are; PostgreSQL orders bit by bit
    /// from the left. Text: base64 of little-endian bytes without the zeros at their end; PostgreSQL
    /// writes a `0` or `1` for each bit.
    Bits {
        /// How many bits.
        length: u32,
    },
    /// A bit string of varying length, whose leading zeros the producer has dropped.
    ///
    /// Proves that no bit stands beyond the bound, but neither the length nor the leading zeros: an
    /// empty string and one of zeros are the same. Order and text are those of [`Bits`](Self::Bits).
    VarBits {
        /// Most bits; `None` when the source sets no bound.
        length: Option<u32>,
    },
    /// A decimal whose scale is part of the type (`numeric(p,s)`, `money`).
    ///
    /// Proves an exact number at this scale, within the digits that [`Limits`](crate::Limits) allow; the
    /// precision is what the producer said, and is not checked. NaN cannot travel so and arrives as
    /// NULL. Ordered as numbers, [not derived](crate::Decimal). Text: base64 of the unscaled integer in
    /// two's complement, or a JSON number (`decimal.format=NUMERIC`); PostgreSQL writes digits with all
    /// places of the scale, as [`Decimal`](crate::Decimal) prints.
    Decimal {
        /// Most digits in total, when the producer said so.
        precision: Option<u32>,
        /// Digits after the decimal point; negative for multiples of a power of ten.
        scale: i32,
    },
    /// A decimal that carries its own scale (`numeric` without precision), or decimal text.
    ///
    /// Proves an exact number, NaN or an infinity, within the digits that [`Limits`](crate::Limits)
    /// allow. Zeros at the end are kept in text and lost in an object. Ordered as numbers; PostgreSQL
    /// puts NaN above infinity. Text: `{"scale":1,"value":"AQ=="}`, a string such as `"0.10"` or
    /// `"NAN"`, or a JSON number.
    VariableDecimal,
    /// A calendar day, as a count of days.
    ///
    /// Proves days since 1970-01-01 in the proleptic Gregorian calendar, of 32 bits, or one of the
    /// numbers that connectors write for the infinities. Wider than PostgreSQL's range, which ends at
    /// 5874897-12-31. Ordered by time, the infinities at the ends. Text: `19782`; PostgreSQL writes
    /// `2024-02-29`.
    Date,
    /// A calendar day as text.
    ///
    /// Proves a day that exists, in the range and order of [`Date`](Self::Date). Text: `2024-02-29Z`,
    /// years beyond four digits or before 1 with a sign, 0 for 1 BC; the `Z` means nothing.
    IsoDate,
    /// A time of day, `00:00:00` to `24:00:00` inclusive.
    ///
    /// Proves a count of this unit since midnight that fits 64 bits of nanoseconds. Other sources than
    /// PostgreSQL keep spans of hours in it, so values outside a day are decoded and a target refuses
    /// them. Ordered as numbers. Text: `45296789`; PostgreSQL writes `12:34:56.789`.
    Time(TimeUnit),
    /// A time of day as text. `24:00:00` arrives as `00:00:00`.
    ///
    /// Proves a clock from `00:00:00` to `24:00:00`, to the nanosecond, without leap seconds, ordered as
    /// numbers. Text: `12:34:56.789Z`; the `Z` means nothing, and another offset is refused.
    IsoTime,
    /// A time of day with an offset from UTC, as text.
    ///
    /// Proves a clock as above, and an offset below nineteen hours; PostgreSQL's end before sixteen. No
    /// order: see [`ZonedTime`](crate::ZonedTime). Text: `07:04:56.123456Z` or `12:34:56+05:30`.
    ZonedTime,
    /// A date and time without a zone.
    ///
    /// Proves a count of this unit since 1970-01-01 00:00:00 on the source's own clock, of 64 bits, or a
    /// number that stands for an infinity; counts that wrapped or were cut on the way are refused where
    /// they can be seen. PostgreSQL's range is 4713 BC to 294276, of which nanoseconds reach 1677 to 2262,
    /// microseconds 294247-01-10, and milliseconds all. Ordered by time, the infinities at the ends. Text: `1709251199999`;
    /// PostgreSQL writes `2024-02-29 23:59:59.999`.
    Timestamp(TimeUnit),
    /// A date and time without a zone, as text.
    ///
    /// Proves a day and a time that exist, in microseconds where they are exact, else in nanoseconds.
    /// Beyond the reach of microseconds from 1970 it is in milliseconds, else in microseconds [from
    /// 2000](crate::Timestamp::MicrosSince2000). Order as [`Timestamp`](Self::Timestamp).
    /// Text: `2024-02-29T23:59:59.999Z`; the `Z` means nothing, and another offset is refused.
    IsoTimestamp,
    /// An instant, always kept in UTC.
    ///
    /// Proves a day, a time and an offset that exist, or an infinity; unit, range and order as
    /// [`IsoTimestamp`](Self::IsoTimestamp). The offset is counted in and then gone, as in PostgreSQL.
    /// Text: `2024-02-29T23:59:59.999000Z`, `infinity`, `-infinity`.
    ZonedTimestamp,
    /// A span of time.
    ///
    /// Proves 32-bit months, 32-bit days and 64-bit microseconds, all but the last zero in the counted
    /// forms, where the connector has merged them. No order, because a month has no fixed length; see
    /// [`Interval`](crate::Interval). Text: `37091106789000` or `P1Y2M3DT4H5M6.789S`.
    Interval(IntervalForm),
    /// A temporal type in parts.
    ///
    /// Proves what the textual form of the same type proves, in its range and order. Text: an object
    /// such as `{"year":2024,"month":2,"day":29}`, or with `specialValue` for an infinity.
    Structured(StructuredType),
    /// A calendar year, as a 32-bit integer.
    ///
    /// Proves no more than [`Int32`](Self::Int32), in years of the common era; ordered by time. Text:
    /// `2024`.
    Year,
    /// A UUID.
    ///
    /// Proves 128 bits, of any version; ordered byte by byte. Text:
    /// `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`, in either case.
    Uuid,
    /// A JSON document as text, unchanged; also an `hstore` in `hstore.handling.mode=json`, which
    /// nothing tells apart from one.
    ///
    /// Proves no more than [`Text`](Self::Text): the document is not looked into, so its numbers keep
    /// their digits and its members their order. No order. Text: the document as a JSON string.
    Json,
    /// An XML document as text, unchanged.
    ///
    /// Proves no more than [`Text`](Self::Text). No order and in PostgreSQL no equality. Text: the
    /// document.
    Xml,
    /// A path of labels in the text form of the extension `ltree`.
    ///
    /// Proves no more than [`Text`](Self::Text). PostgreSQL orders label by label. Text: `top.science`.
    Ltree,
    /// A list of lexemes in PostgreSQL's text form.
    ///
    /// Proves no more than [`Text`](Self::Text). PostgreSQL's order says nothing to people. Text:
    /// `'cat':2 'fat':1`.
    Tsvector,
    /// A label out of a closed set.
    ///
    /// Proves no more than [`Text`](Self::Text): the set is what the schema said, may be older than the
    /// value, and is not used to refuse one. A label with a comma stands there as two, because
    /// PostgreSQL's connector joins the labels with commas and escapes nothing; no label at all stands
    /// there as an empty one. `MySQL` connectors write a backslash before commas and backslashes since
    /// 3.7, which is kept. Ordered as the source declares the labels. Text: the label.
    Enum {
        /// The labels, in the order in which the source declares them; empty when unknown.
        allowed: Vec<String>,
    },
    /// Some labels out of a closed set, joined by commas.
    ///
    /// Proves no more than [`Text`](Self::Text), as for [`Enum`](Self::Enum). No order. Text: `a,b`.
    EnumSet {
        /// The labels, in the order in which the source declares them; empty when unknown.
        allowed: Vec<String>,
    },
    /// An array of any number of dimensions.
    ///
    /// Proves at most six dimensions, equally long everywhere, of elements that prove what their type
    /// does or are NULL. Lower bounds do not travel. Ordered element by element. Text: `[1,null,3]`;
    /// PostgreSQL writes `{1,NULL,3}`.
    Array {
        /// What its elements mean. An array, a vector or a map without text keys cannot be an
        /// element.
        element: Box<SemanticType>,
    },
    /// Keys with values, such as an `hstore` in `hstore.handling.mode=map`.
    ///
    /// Proves keys that are not NULL; whether one stands twice is left to the target. In the order of
    /// the message, which means nothing; no order among maps. Text: `{"a":"1","b":null}`, or pairs
    /// `[[1,"a"]]` for other keys; PostgreSQL writes `"a"=>"1", "b"=>NULL`.
    Map {
        /// What its keys mean. Text keys are the members of a JSON object, others stand in pairs.
        key: Box<SemanticType>,
        /// What its values mean.
        value: Box<SemanticType>,
    },
    /// `vector` of the extension `pgvector`: 64-bit floats on the way, 32-bit ones in the source.
    ///
    /// Proves [`Float64`](Self::Float64) elements, none of them NULL; their number is the column's, up
    /// to 16,000. Ordered element by element. Text: `[1.0,-2.5]`.
    Vector,
    /// `halfvec` of the extension `pgvector`: 32-bit floats on the way, 16-bit ones in the source.
    ///
    /// Proves [`Float32`](Self::Float32) elements, none of them NULL. Order and text as
    /// [`Vector`](Self::Vector).
    HalfVector,
    /// `sparsevec` of the extension `pgvector`. Debezium cannot send more than 32,767 dimensions.
    ///
    /// Proves indices from 1 to the dimensions, with an element each. No order. Text:
    /// `{"dimensions":5,"vector":[[1,1.5],[3,-2.0]]}`; PostgreSQL writes `{1:1.5,3:-2}/5`.
    SparseVector,
    /// A point of a plane.
    ///
    /// Proves two 64-bit floats without unit, and a reference system of 32 bits or none. No order. Text:
    /// `{"x":1.5,"y":-2.5}` with members that repeat it; PostgreSQL writes `(1.5,-2.5)`.
    Point,
    /// A shape in well-known binary: a `PostGIS` `geometry`, or since Debezium 3.7 PostgreSQL's `box`,
    /// `lseg`, `path` and `polygon`.
    ///
    /// Proves base64 that begins like well-known binary, nothing about the shape, and a reference system
    /// of 32 bits or none. Coordinates in the unit of that system. No order. Text: `{"wkb":"…","srid":4326}`;
    /// `PostGIS` writes the same bytes in hexadecimal digits.
    Geometry,
    /// A shape on the globe in well-known binary: a `PostGIS` `geography`.
    ///
    /// Proves what [`Geometry`](Self::Geometry) does; coordinates in degrees. No order; the same text.
    Geography,
    /// A circle in PostgreSQL's text form, `<(x,y),r>`.
    ///
    /// Proves three 64-bit floats, printed in the fewest digits that read back the same; whether the
    /// radius is negative is left to the target. No order. Text:
    /// `{"center":{"x":1,"y":2},"radius":3}`.
    Circle,
    /// A line in PostgreSQL's text form, `{A,B,C}` for Ax + By + C = 0.
    ///
    /// Proves three 64-bit floats as above; whether they are a line is left to the target. No order.
    /// Text: `{"a":-1.0,"b":0.0,"c":0.5}`.
    Line,
    /// No schema block and no declaration: booleans, integers, floats and text are taken for what
    /// their JSON token says, and nothing that could mean two things is accepted by a sink.
    ///
    /// Proves the kind of the token alone: unit, range, order and the source's text are unknown. Whole
    /// numbers of 64 bits are integers and all others decimals; arrays and objects are refused.
    SelfEvident,
    /// A type that this version does not decode; sinks refuse it by this name.
    ///
    /// Proves nothing: the value is stepped over and the cell is NULL, whatever stood there.
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
