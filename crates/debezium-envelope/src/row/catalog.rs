//! From a column of PostgreSQL's catalog to the type under which Debezium sends it.
//!
//! A message without schema block does not say what its numbers mean, but the source's catalog and
//! the connector's options do: together they fix the wire form of every column. This file is that
//! function, without a connection, as tables that follow the connector.

use super::semantic_type::{BytesText, IntervalForm, SemanticType, StructuredType, TimeUnit};

/// An option's value that no connector knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {found:?} as the value of {option}: expected one of {expected}")]
#[non_exhaustive]
pub struct ParseModeError {
    /// The connector's option.
    pub option: &'static str,
    /// What stood there.
    pub found: String,
    /// What may stand there.
    pub expected: &'static str,
}

macro_rules! mode {
    ($(#[$docs:meta])* $name:ident, $option:literal, $expected:literal,
     $($(#[$variant_docs:meta])* $variant:ident = $text:literal,)*) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_docs])* $variant,)*
        }

        impl $name {
            /// The mode that the connector's configuration names.
            ///
            /// # Errors
            ///
            /// [`ParseModeError`] for a word that is none.
            pub fn parse(text: &str) -> Result<Self, ParseModeError> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(ParseModeError {
                        option: $option,
                        found: text.to_owned(),
                        expected: $expected,
                    }),
                }
            }
        }
    };
}

mode! {
    /// The connector's `decimal.handling.mode`.
    DecimalMode, "decimal.handling.mode", "precise, double, string",
    /// Unscaled integers; NaN and the infinities arrive as NULL.
    #[default] Precise = "precise",
    /// 64-bit floats, which lose digits.
    Double = "double",
    /// Decimal text, which loses nothing.
    String = "string",
}

mode! {
    /// The connector's `time.precision.mode`.
    TimeMode, "time.precision.mode",
    "adaptive, adaptive_time_microseconds, connect, isostring, microseconds, nanoseconds, structured",
    /// Milliseconds for columns of at most three digits of a second, else microseconds.
    #[default] Adaptive = "adaptive",
    /// The same, with times of day always in microseconds.
    AdaptiveTimeMicroseconds = "adaptive_time_microseconds",
    /// Milliseconds always; further digits are cut off.
    Connect = "connect",
    /// Text, since 3.1.
    IsoString = "isostring",
    /// Microseconds, since 3.1.
    Microseconds = "microseconds",
    /// Nanoseconds, since 3.1; timestamps outside 1677 to 2262 wrap before 3.6.
    Nanoseconds = "nanoseconds",
    /// Objects with a member for each part, since 3.7.
    Structured = "structured",
}

mode! {
    /// The connector's `binary.handling.mode`.
    BinaryMode, "binary.handling.mode", "bytes, base64, base64-url-safe, hex",
    /// Connect bytes, in JSON standard base64.
    #[default] Bytes = "bytes",
    /// Standard base64 as text, in JSON the same.
    Base64 = "base64",
    /// The other base64 alphabet, padded.
    Base64UrlSafe = "base64-url-safe",
    /// Hexadecimal digits.
    Hex = "hex",
}

mode! {
    /// The connector's `interval.handling.mode`.
    IntervalMode, "interval.handling.mode", "numeric, string",
    /// Microseconds, with months as 30.4375 days.
    #[default] Numeric = "numeric",
    /// ISO-8601 text.
    String = "string",
}

mode! {
    /// The connector's `hstore.handling.mode`.
    HstoreMode, "hstore.handling.mode", "json, map",
    /// A JSON document as text.
    #[default] Json = "json",
    /// A map.
    Map = "map",
}

/// The connector's options that decide how values are sent. The default is the connector's own, at
/// version 2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectorModes {
    /// Major and minor version of Debezium: what it knows has grown.
    pub version: (u16, u16),
    /// `decimal.handling.mode`.
    pub decimal: DecimalMode,
    /// `time.precision.mode`.
    pub time: TimeMode,
    /// `binary.handling.mode`.
    pub binary: BinaryMode,
    /// `interval.handling.mode`.
    pub interval: IntervalMode,
    /// `hstore.handling.mode`.
    pub hstore: HstoreMode,
    /// `money.fraction.digits`.
    pub money_fraction_digits: u16,
    /// `include.unknown.datatypes`: whether a column of a type that the connector does not know is
    /// sent as the bytes of its text form, or left out.
    pub unknown_types: bool,
}

impl Default for ConnectorModes {
    fn default() -> Self {
        Self {
            version: (2, 4),
            decimal: DecimalMode::default(),
            time: TimeMode::default(),
            binary: BinaryMode::default(),
            interval: IntervalMode::default(),
            hstore: HstoreMode::default(),
            money_fraction_digits: 2,
            unknown_types: false,
        }
    }
}

/// What kind of type a catalog row describes (`pg_type.typtype`), with what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogKind<'c> {
    /// A base type, a range or anything else that its name alone identifies.
    Named,
    /// An enum (`e`).
    Enum,
    /// A domain (`d`) over another type, with the modifier that the domain fixes.
    Domain(&'c CatalogType<'c>),
    /// An array (`typcategory` `A` with an element type).
    Array(&'c CatalogType<'c>),
    /// A row type (`c`), a multirange (`m`) or another kind without mapping.
    Other,
}

/// A column's type as the catalog has it.
///
/// ```
/// use debezium_envelope::{CatalogKind, CatalogType, ConnectorModes, SemanticType};
///
/// // numeric(10,2): the modifier is (precision << 16 | scale) + 4.
/// let column = CatalogType { name: "numeric", typmod: 655_366, kind: CatalogKind::Named };
/// let declared = SemanticType::of_catalog(&column, &ConnectorModes::default());
/// assert_eq!(declared.map(|declared| declared.to_string()), Some("decimal(10,2)".to_owned()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogType<'c> {
    /// `pg_type.typname`, such as `int4` or `timestamptz`.
    pub name: &'c str,
    /// `pg_attribute.atttypmod`; -1 for none. An array's modifier belongs to its element.
    pub typmod: i32,
    /// What kind of type it is.
    pub kind: CatalogKind<'c>,
}

/// Names of the built-in types by the number that the catalog gives them.
const BUILT_IN: &[(u32, &str)] = &[
    (16, "bool"),
    (17, "bytea"),
    (18, "char"),
    (19, "name"),
    (20, "int8"),
    (21, "int2"),
    (23, "int4"),
    (25, "text"),
    (26, "oid"),
    (114, "json"),
    (142, "xml"),
    (600, "point"),
    (601, "lseg"),
    (602, "path"),
    (603, "box"),
    (604, "polygon"),
    (628, "line"),
    (650, "cidr"),
    (700, "float4"),
    (701, "float8"),
    (718, "circle"),
    (774, "macaddr8"),
    (790, "money"),
    (829, "macaddr"),
    (869, "inet"),
    (1042, "bpchar"),
    (1043, "varchar"),
    (1082, "date"),
    (1083, "time"),
    (1114, "timestamp"),
    (1184, "timestamptz"),
    (1186, "interval"),
    (1266, "timetz"),
    (1560, "bit"),
    (1562, "varbit"),
    (1700, "numeric"),
    (2950, "uuid"),
    (3614, "tsvector"),
    (3615, "tsquery"),
    (3802, "jsonb"),
    (3904, "int4range"),
    (3906, "numrange"),
    (3908, "tsrange"),
    (3910, "tstzrange"),
    (3912, "daterange"),
    (3926, "int8range"),
];

/// Base types whose wire form no option changes.
const FIXED: &[(&str, SemanticType)] = &[
    ("bool", SemanticType::Boolean),
    ("int2", SemanticType::Int16),
    ("int4", SemanticType::Int32),
    ("int8", SemanticType::Int64),
    ("oid", SemanticType::Int64),
    ("float4", SemanticType::Float32),
    ("float8", SemanticType::Float64),
    ("char", SemanticType::Text),
    ("name", SemanticType::Text),
    ("bpchar", SemanticType::Text),
    ("varchar", SemanticType::Text),
    ("text", SemanticType::Text),
    ("citext", SemanticType::Text),
    ("isbn", SemanticType::Text),
    ("inet", SemanticType::Text),
    ("cidr", SemanticType::Text),
    ("macaddr", SemanticType::Text),
    ("macaddr8", SemanticType::Text),
    ("int4range", SemanticType::Text),
    ("int8range", SemanticType::Text),
    ("numrange", SemanticType::Text),
    ("daterange", SemanticType::Text),
    ("tsrange", SemanticType::Text),
    ("tstzrange", SemanticType::Text),
    ("uuid", SemanticType::Uuid),
    ("json", SemanticType::Json),
    ("jsonb", SemanticType::Json),
    ("xml", SemanticType::Xml),
    ("ltree", SemanticType::Ltree),
    ("point", SemanticType::Point),
    ("geometry", SemanticType::Geometry),
    ("geography", SemanticType::Geography),
];

/// Types with the version that began to know them.
const SINCE: &[(&str, (u16, u16), SemanticType)] = &[
    ("vector", (3, 0), SemanticType::Vector),
    ("halfvec", (3, 0), SemanticType::HalfVector),
    ("sparsevec", (3, 0), SemanticType::SparseVector),
    ("tsvector", (3, 3), SemanticType::Tsvector),
    ("box", (3, 7), SemanticType::Geometry),
    ("lseg", (3, 7), SemanticType::Geometry),
    ("path", (3, 7), SemanticType::Geometry),
    ("polygon", (3, 7), SemanticType::Geometry),
    ("circle", (3, 7), SemanticType::Circle),
    ("line", (3, 7), SemanticType::Line),
];

/// Types whose arrays the connector leaves out, whatever its options say.
const NEVER_IN_ARRAYS: &[&str] =
    &["money", "name", "interval", "bit", "varbit", "xml", "point", "refcursor"];

impl CatalogType<'_> {
    /// A built-in type by its number (`pg_type.oid`) and modifier; `None` for types of extensions and
    /// users, whose numbers differ from database to database.
    ///
    /// ```
    /// use debezium_envelope::CatalogType;
    ///
    /// assert_eq!(CatalogType::built_in(1700, -1).map(|kind| kind.name), Some("numeric"));
    /// ```
    pub fn built_in(oid: u32, typmod: i32) -> Option<Self> {
        let (_, name) = BUILT_IN.iter().find(|(number, _)| *number == oid)?;
        Some(Self { name, typmod, kind: CatalogKind::Named })
    }
}

impl SemanticType {
    /// The type of a PostgreSQL column as a connector with these options sends it; `None` when the
    /// connector leaves such a column out of its messages, and for arrays of `vector` and `halfvec`, which
    /// this crate does not decode.
    pub fn of_catalog(column: &CatalogType<'_>, modes: &ConnectorModes) -> Option<Self> {
        match column.kind {
            CatalogKind::Enum => Some(Self::Enum { allowed: Vec::new() }),
            CatalogKind::Domain(base) => Self::of_catalog(base, modes),
            CatalogKind::Array(element) => array(element, column.typmod, modes),
            CatalogKind::Other => unknown(modes),
            CatalogKind::Named => known(column, modes).or_else(|| unknown(modes)),
        }
    }
}

/// The bytes of the text form, if the connector is told to send them.
fn unknown(modes: &ConnectorModes) -> Option<SemanticType> {
    modes.unknown_types.then(|| binary(modes.binary))
}

fn array(element: &CatalogType<'_>, typmod: i32, modes: &ConnectorModes) -> Option<SemanticType> {
    let of = |element| Some(SemanticType::Array { element: Box::new(element) });
    let element = CatalogType { typmod, ..*element };
    match element.kind {
        CatalogKind::Enum => of(SemanticType::Enum { allowed: Vec::new() }),
        CatalogKind::Domain(_) | CatalogKind::Other => of(unknown(modes)?),
        CatalogKind::Array(_) => None,
        CatalogKind::Named if NEVER_IN_ARRAYS.contains(&element.name) => None,
        // Arrays of times had one form for all modes at first.
        CatalogKind::Named if element.name == "time" && modes.version <= (3, 0) => {
            of(SemanticType::Time(TimeUnit::Micros))
        }
        CatalogKind::Named => match known(&element, modes) {
            Some(element) if element.can_be_element() => of(element),
            // It is sent, but arrays inside an array are taken for its dimensions.
            Some(_) => None,
            None => of(unknown(modes)?),
        },
    }
}

fn known(column: &CatalogType<'_>, modes: &ConnectorModes) -> Option<SemanticType> {
    if let Some((_, semantic)) = FIXED.iter().find(|(name, _)| *name == column.name) {
        return Some(semantic.clone());
    }
    if let Some((_, since, semantic)) = SINCE.iter().find(|(name, ..)| *name == column.name) {
        return (modes.version >= *since).then(|| semantic.clone());
    }
    Some(match column.name {
        "bytea" => binary(modes.binary),
        "numeric" => numeric(column.typmod, modes.decimal),
        "money" => money(modes),
        "bit" => bit(column.typmod),
        "varbit" => varbit(column.typmod),
        "date" => date(modes.time),
        "time" => time(column.typmod, modes.time),
        "timestamp" => timestamp(column.typmod, modes.time),
        "timetz" if modes.time == TimeMode::Structured => {
            SemanticType::Structured(StructuredType::ZonedTime)
        }
        "timetz" => SemanticType::ZonedTime,
        "timestamptz" if modes.time == TimeMode::Structured => {
            SemanticType::Structured(StructuredType::ZonedTimestamp)
        }
        "timestamptz" => SemanticType::ZonedTimestamp,
        "interval" if modes.time == TimeMode::Structured => {
            SemanticType::Structured(StructuredType::Interval)
        }
        "interval" => SemanticType::Interval(match modes.interval {
            IntervalMode::Numeric => IntervalForm::Micros,
            IntervalMode::String => IntervalForm::Iso,
        }),
        "hstore" => match modes.hstore {
            HstoreMode::Json => SemanticType::Json,
            HstoreMode::Map => SemanticType::text_map(),
        },
        _ => return None,
    })
}

fn binary(mode: BinaryMode) -> SemanticType {
    match mode {
        BinaryMode::Bytes | BinaryMode::Base64 => SemanticType::Bytes,
        BinaryMode::Base64UrlSafe => SemanticType::EncodedBytes(BytesText::Base64Url),
        BinaryMode::Hex => SemanticType::EncodedBytes(BytesText::Hex),
    }
}

/// The modifier holds precision and scale above a header of 4. The driver reads the scale as an
/// unsigned number of eleven bits, and so declares 2048 more than a negative scale; values follow.
fn numeric(typmod: i32, mode: DecimalMode) -> SemanticType {
    match (mode, typmod.checked_sub(4)) {
        (DecimalMode::Double, _) => SemanticType::Float64,
        (DecimalMode::Precise, Some(packed @ 0..)) => SemanticType::Decimal {
            precision: u32::try_from(packed >> 16).ok(),
            scale: packed & 0x7ff,
        },
        (DecimalMode::String, _) | (DecimalMode::Precise, Some(_) | None) => {
            SemanticType::VariableDecimal
        }
    }
}

fn money(modes: &ConnectorModes) -> SemanticType {
    match modes.decimal {
        DecimalMode::Precise => {
            SemanticType::Decimal { precision: None, scale: modes.money_fraction_digits.into() }
        }
        DecimalMode::Double => SemanticType::Float64,
        DecimalMode::String => SemanticType::VariableDecimal,
    }
}

/// A single bit is a boolean.
fn bit(typmod: i32) -> SemanticType {
    match u32::try_from(typmod) {
        Ok(length @ 2..) => SemanticType::Bits { length },
        Ok(_) | Err(_) => SemanticType::Boolean,
    }
}

fn varbit(typmod: i32) -> SemanticType {
    match u32::try_from(typmod) {
        Ok(1) => SemanticType::Boolean,
        Ok(length @ 2..) => SemanticType::VarBits { length: Some(length) },
        Ok(0) | Err(_) => SemanticType::VarBits { length: None },
    }
}

fn date(mode: TimeMode) -> SemanticType {
    match mode {
        TimeMode::IsoString => SemanticType::IsoDate,
        TimeMode::Structured => SemanticType::Structured(StructuredType::Date),
        TimeMode::Adaptive
        | TimeMode::AdaptiveTimeMicroseconds
        | TimeMode::Connect
        | TimeMode::Microseconds
        | TimeMode::Nanoseconds => SemanticType::Date,
    }
}

/// Whether the column keeps at most three digits of a second; without modifier it keeps six.
fn is_coarse(typmod: i32) -> bool {
    (0..=3).contains(&typmod)
}

fn time(typmod: i32, mode: TimeMode) -> SemanticType {
    match mode {
        TimeMode::Adaptive if is_coarse(typmod) => SemanticType::Time(TimeUnit::Millis),
        TimeMode::Connect => SemanticType::Time(TimeUnit::Millis),
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            SemanticType::Time(TimeUnit::Micros)
        }
        TimeMode::Nanoseconds => SemanticType::Time(TimeUnit::Nanos),
        TimeMode::IsoString => SemanticType::IsoTime,
        TimeMode::Structured => SemanticType::Structured(StructuredType::Time),
    }
}

fn timestamp(typmod: i32, mode: TimeMode) -> SemanticType {
    match mode {
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds if is_coarse(typmod) => {
            SemanticType::Timestamp(TimeUnit::Millis)
        }
        TimeMode::Connect => SemanticType::Timestamp(TimeUnit::Millis),
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            SemanticType::Timestamp(TimeUnit::Micros)
        }
        TimeMode::Nanoseconds => SemanticType::Timestamp(TimeUnit::Nanos),
        TimeMode::IsoString => SemanticType::IsoTimestamp,
        TimeMode::Structured => SemanticType::Structured(StructuredType::Timestamp),
    }
}

#[cfg(test)]
mod tests;
