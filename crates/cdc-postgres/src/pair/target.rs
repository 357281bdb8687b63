//! The column types that can be written, read from the catalog.

use super::{CellEncoder, NumericBound, RangeBound};
use crate::catalog::TargetColumn;

/// A target type: which one, and how its cells are encoded under its modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TargetType {
    pub(super) kind: TargetKind,
    pub(super) encoder: CellEncoder,
}

/// The types by name.
macro_rules! kinds {
    ($($variant:ident $name:literal $form:literal;)+) => {
        /// A column type without its modifier.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum TargetKind {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl TargetKind {
            /// Its name in SQL.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What its binary form consists of.
            pub(super) fn form(self) -> &'static str {
                match self { $(Self::$variant => $form,)+ }
            }
        }
    };
}

kinds! {
    Bool "boolean" "one byte";
    Int2 "smallint" "2 bytes";
    Int4 "integer" "4 bytes";
    Int8 "bigint" "8 bytes";
    Oid "oid" "4 bytes without sign";
    Float4 "real" "4 bytes, IEEE";
    Float8 "double precision" "8 bytes, IEEE";
    Reals "real[]" "dimensions and 4-byte IEEE numbers";
    Numeric "numeric" "digits to the base 10000";
    Money "money" "8 bytes, in the smallest unit";
    Text "text" "text";
    Varchar "varchar" "text";
    Char "char" "text";
    OneChar "\"char\"" "one byte";
    Name "name" "text";
    Enum "enum" "text";
    Json "json" "text";
    Jsonb "jsonb" "version and text";
    Xml "xml" "text";
    Ltree "ltree" "version and text";
    Tsvector "tsvector" "lexemes with positions";
    Uuid "uuid" "16 bytes";
    Bytea "bytea" "bytes";
    Bit "bit" "count and bits";
    Varbit "bit varying" "count and bits";
    Date "date" "days since 2000";
    Time "time" "microseconds";
    Timetz "timetz" "microseconds and zone";
    Timestamp "timestamp" "microseconds since 2000";
    Timestamptz "timestamptz" "microseconds since 2000";
    Interval "interval" "microseconds, days and months";
    Inet "inet" "family, prefix and address";
    Cidr "cidr" "family, prefix and address";
    Macaddr "macaddr" "6 bytes";
    Macaddr8 "macaddr8" "8 bytes";
    PgLsn "pg_lsn" "8 bytes";
    Int4Range "int4range" "flags and bounds";
    Int8Range "int8range" "flags and bounds";
    NumRange "numrange" "flags and bounds";
    DateRange "daterange" "flags and bounds";
    TsRange "tsrange" "flags and bounds";
    TstzRange "tstzrange" "flags and bounds";
    Point "point" "2 IEEE numbers";
    Box "box" "4 IEEE numbers";
    Segment "lseg" "4 IEEE numbers";
    Path "path" "flag, count and IEEE numbers";
    Polygon "polygon" "count and IEEE numbers";
    Circle "circle" "3 IEEE numbers";
    Line "line" "3 IEEE numbers";
    Hstore "hstore" "count, keys and values";
    Geometry "geometry" "well-known binary";
    Geography "geography" "well-known binary";
    Vector "vector" "count and 4-byte IEEE numbers";
    HalfVector "halfvec" "count and 2-byte IEEE numbers";
    SparseVector "sparsevec" "counts, indices and 4-byte IEEE numbers";
    TextForm "any other type" "the type's own text";
}

/// A modifier that counts characters or digits includes the four bytes of a length word.
const MODIFIER_OFFSET: i32 = 4;

/// The first version whose `numeric` has infinities.
const INFINITE_NUMERIC: i32 = 140_000;

impl TargetType {
    /// The type of a column, or of an array's elements; `None` for one that this sink does not write.
    pub(super) fn of(column: &TargetColumn) -> Option<Self> {
        let kind = TargetKind::of(column);
        let encoder = encoder(kind, column)?;
        Some(Self { kind, encoder })
    }
}

impl TargetType {
    /// An array of this type as the place of a vector: `real[]`.
    pub(super) fn reals(self) -> Option<Self> {
        let is_real = self.kind == TargetKind::Float4;
        is_real.then_some(Self { kind: TargetKind::Reals, encoder: CellEncoder::Narrowed })
    }
}

impl TargetKind {
    fn of(column: &TargetColumn) -> Self {
        if column.labels.is_some() {
            return Self::Enum;
        }
        let number = column.element.map_or(column.type_oid, |element| element.base_oid);
        // The numbers are fixed in PostgreSQL's `pg_type.dat` and never change.
        match number {
            16 => Self::Bool,
            17 => Self::Bytea,
            18 => Self::OneChar,
            19 => Self::Name,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            25 => Self::Text,
            26 => Self::Oid,
            114 => Self::Json,
            142 => Self::Xml,
            600 => Self::Point,
            601 => Self::Segment,
            602 => Self::Path,
            603 => Self::Box,
            604 => Self::Polygon,
            628 => Self::Line,
            650 => Self::Cidr,
            700 => Self::Float4,
            701 => Self::Float8,
            718 => Self::Circle,
            774 => Self::Macaddr8,
            790 => Self::Money,
            829 => Self::Macaddr,
            869 => Self::Inet,
            1042 => Self::Char,
            1043 => Self::Varchar,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::Timestamptz,
            1186 => Self::Interval,
            1266 => Self::Timetz,
            1560 => Self::Bit,
            1562 => Self::Varbit,
            1700 => Self::Numeric,
            2950 => Self::Uuid,
            3220 => Self::PgLsn,
            3614 => Self::Tsvector,
            3802 => Self::Jsonb,
            3904 => Self::Int4Range,
            3906 => Self::NumRange,
            3908 => Self::TsRange,
            3910 => Self::TstzRange,
            3912 => Self::DateRange,
            3926 => Self::Int8Range,
            _ => column.extension.as_deref().and_then(Self::of_extension).unwrap_or(Self::TextForm),
        }
    }

    fn of_extension(name: &str) -> Option<Self> {
        Some(match name {
            "ltree.ltree" => Self::Ltree,
            "hstore.hstore" => Self::Hstore,
            "vector.vector" => Self::Vector,
            "vector.halfvec" => Self::HalfVector,
            "vector.sparsevec" => Self::SparseVector,
            "postgis.geometry" => Self::Geometry,
            "postgis.geography" => Self::Geography,
            _ => return None,
        })
    }
}

/// The encoder of a type under the column's modifier; `None` for a modifier that would change values.
fn encoder(kind: TargetKind, column: &TargetColumn) -> Option<CellEncoder> {
    use CellEncoder as E;
    use TargetKind as K;
    let modifier = column.type_mod;
    Some(match kind {
        K::Bool => E::Bool,
        K::Int2 => E::Int2,
        K::Int4 => E::Int4,
        K::Int8 => E::Int8,
        K::Oid => E::Oid,
        K::Float4 => E::Float4,
        K::Reals => E::Narrowed,
        K::Float8 => E::Float8,
        K::Numeric => match bound(modifier) {
            None if column.server_version < INFINITE_NUMERIC => E::FiniteNumeric,
            bound => E::Numeric(bound),
        },
        K::Money => E::Money { digits: u8::try_from(modifier).ok()? },
        K::Text | K::Json | K::Enum => E::Text { chars_max: None },
        K::Varchar | K::Char => E::Text { chars_max: chars_max(modifier) },
        K::OneChar => E::OneChar,
        K::Name => E::Name,
        K::Jsonb => E::Jsonb,
        K::Xml => E::Xml,
        K::Ltree => E::Ltree,
        K::Tsvector => E::Tsvector,
        K::Uuid => E::Uuid,
        K::Bytea => E::Bytea,
        // `bit` without a length is `bit(1)`, an array's or domain's one may be unbounded.
        K::Bit => E::Bit { length: u32::try_from(modifier).ok()? },
        K::Varbit => E::Varbit { length_max: u32::try_from(modifier).ok() },
        K::Date => E::Date,
        K::Time => E::Time { step: step(modifier) },
        K::Timetz => E::Timetz { step: step(modifier) },
        K::Timestamp => E::Timestamp { step: step(modifier) },
        K::Timestamptz => E::Timestamptz { step: step(modifier) },
        K::Interval => E::Interval { step: interval_step(modifier)? },
        K::Inet => E::Inet,
        K::Cidr => E::Cidr,
        K::Macaddr => E::Macaddr,
        K::Macaddr8 => E::Macaddr8,
        K::PgLsn => E::PgLsn,
        K::Int4Range => E::Range(RangeBound::Int4),
        K::Int8Range => E::Range(RangeBound::Int8),
        K::NumRange => E::Range(RangeBound::Numeric),
        K::DateRange => E::Range(RangeBound::Date),
        K::TsRange => E::Range(RangeBound::Timestamp),
        K::TstzRange => E::Range(RangeBound::Timestamptz),
        K::Point => E::Point,
        K::Box => E::Box,
        K::Segment => E::Segment,
        K::Path => E::Path,
        K::Polygon => E::Polygon,
        K::Circle => E::Circle,
        K::Line => E::Line,
        K::Hstore => E::Hstore,
        K::Geometry | K::Geography => E::Wkb,
        K::Vector => E::Vector,
        K::HalfVector => E::HalfVector,
        K::SparseVector => E::SparseVector,
        K::TextForm => E::TextForm,
    })
}

/// The length of `varchar(n)` and `char(n)`.
fn chars_max(modifier: i32) -> Option<u32> {
    u32::try_from(modifier.checked_sub(MODIFIER_OFFSET)?).ok()
}

/// The microseconds that the last kept digit of a second stands for.
fn step(modifier: i32) -> u32 {
    match modifier {
        0 => 1_000_000,
        1 => 100_000,
        2 => 10_000,
        3 => 1_000,
        4 => 100,
        5 => 10,
        _ => 1,
    }
}

/// The upper half names the fields that an interval keeps, the lower one its digits of a second.
/// `None` when it does not keep all fields and would cut values.
fn interval_step(modifier: i32) -> Option<u32> {
    /// The fields of a plain `interval` and of `interval(p)`.
    const ALL_FIELDS: i32 = 0x7fff;
    if modifier < 0 {
        return Some(1);
    }
    (modifier >> 16 == ALL_FIELDS).then(|| step(modifier & 0xffff))
}

/// The precision stands in the upper half, the scale in the lower eleven bits as a signed number.
fn bound(modifier: i32) -> Option<NumericBound> {
    let packed = u32::try_from(modifier.checked_sub(MODIFIER_OFFSET)?).ok()?;
    let precision = u16::try_from(packed >> 16).ok()?;
    let scale = i16::try_from(packed & 0x7ff).ok()?;
    Some(NumericBound { precision, scale: (scale ^ 0x400).saturating_sub(0x400) })
}
