//! How cells become bytes: one name for each binary form that PostgreSQL reads.

use super::NumericBound;

/// How the cells of one column become bytes. It follows from the target's type; the value's own
/// kind is checked cell by cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnEncoder {
    /// One value.
    One(CellEncoder),
    /// An array of values, of any dimension.
    Array {
        /// How each element is written.
        element: CellEncoder,
        /// The number of the elements' type, which every array names.
        element_oid: u32,
    },
    /// One value in a row that travels as text.
    TextOne(CellEncoder),
    /// An array of values in a row that travels as text.
    TextArray {
        /// How each element is written.
        element: CellEncoder,
        /// The character between elements, an ASCII one.
        delimiter: u8,
    },
}

impl ColumnEncoder {
    /// How each value is written, one by itself or an element.
    pub(crate) fn cell(self) -> CellEncoder {
        match self {
            Self::One(cell) | Self::TextOne(cell) => cell,
            Self::Array { element, .. } | Self::TextArray { element, .. } => element,
        }
    }

    /// The same in a row that travels as text; `delimiter` stands between elements of an array.
    pub(crate) fn in_text(self, delimiter: u8) -> Self {
        match self {
            Self::One(cell) | Self::TextOne(cell) => Self::TextOne(cell),
            Self::Array { element, .. } | Self::TextArray { element, .. } => {
                Self::TextArray { element, delimiter }
            }
        }
    }
}

impl From<CellEncoder> for ColumnEncoder {
    fn from(encoder: CellEncoder) -> Self {
        Self::One(encoder)
    }
}

/// The binary form of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellEncoder {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `oid`: 32 bits without sign.
    Oid,
    /// `real`.
    Float4,
    /// `real`, from the 64-bit float as which an element of a vector travels.
    Narrowed,
    /// `double precision`.
    Float8,
    /// `numeric`, from decimals, integers and decimal text.
    Numeric(Option<NumericBound>),
    /// `numeric` without bound on a server that knows no infinite ones.
    FiniteNumeric,
    /// `money`.
    Money {
        /// Digits after the point by the server's `lc_monetary`.
        digits: u8,
    },
    /// Every type whose binary form is its text: `text`, `varchar`, `char`, `json`, enum labels.
    Text {
        /// Most characters.
        chars_max: Option<u32>,
    },
    /// `"char"`: one byte.
    OneChar,
    /// `name`: at most 63 bytes of text.
    Name,
    /// `jsonb`: text behind a version byte.
    Jsonb,
    /// `xml`.
    Xml,
    /// `ltree`: text behind a version byte.
    Ltree,
    /// `tsvector`.
    Tsvector,
    /// `uuid`, from a UUID or its text form.
    Uuid,
    /// `bytea`.
    Bytea,
    /// `bit(n)`.
    Bit {
        /// How many bits.
        length: u32,
    },
    /// `bit varying`.
    Varbit {
        /// Most bits.
        length_max: Option<u32>,
    },
    /// `date`.
    Date,
    /// `time`.
    Time {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
    /// `timetz`.
    Timetz {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
    /// `timestamp`.
    Timestamp {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
    /// `timestamptz`.
    Timestamptz {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
    /// `interval`.
    Interval {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
    /// `inet`.
    Inet,
    /// `cidr`.
    Cidr,
    /// `macaddr`: six bytes.
    Macaddr,
    /// `macaddr8`: eight bytes.
    Macaddr8,
    /// `pg_lsn`.
    PgLsn,
    /// A range of a built-in type.
    Range(RangeBound),
    /// `point`.
    Point,
    /// `box`.
    Box,
    /// `lseg`.
    Segment,
    /// `path`.
    Path,
    /// `polygon`.
    Polygon,
    /// `circle`.
    Circle,
    /// `line`.
    Line,
    /// `geometry` and `geography` of `PostGIS`.
    Wkb,
    /// `bytea`, from a shape: the bytes that `PostGIS` would get.
    WkbBytes,
    /// `hstore`.
    Hstore,
    /// `vector` of `pgvector`.
    Vector,
    /// `halfvec` of `pgvector`.
    HalfVector,
    /// `sparsevec` of `pgvector`.
    SparseVector,
    /// A type that is written by its text form alone: its whole row travels as text.
    TextForm,
}

/// What the bounds of a range are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeBound {
    /// `int4range`.
    Int4,
    /// `int8range`.
    Int8,
    /// `numrange`.
    Numeric,
    /// `daterange`.
    Date,
    /// `tsrange`.
    Timestamp,
    /// `tstzrange`.
    Timestamptz,
}
