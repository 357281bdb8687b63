//! The rows. Whoever adds a pair adds a row, and a test that carries values over to a server.

use super::Condition::{
    Always, DecimalDigits, EachValue, EnoughBits, IntegerDigits, OneBit, SameBits, TextMap,
    UuidChars,
};
use super::{Condition, Rule, Source as S, TargetKind as T};

const fn rule(source: S, target: T, condition: Condition, why: &'static str) -> Rule {
    Rule { source, target, condition, why }
}

/// Why bytes may go into another type than `bytea`.
const TEXT_FORM: &str = "a type that the connector does not know travels as the bytes of its text \
                         form; all rows of the table are then written as text";

/// Why undeclared values may go into a type.
const TOKEN: &str = "the JSON token says what it is, and each value is checked";

const READ: &str = "the text form is read exactly";

const ADDRESS: &str = "addresses travel in their text form, which is read exactly";

const RANGE: &str = "ranges travel in their text form, which is read exactly";

const NATIVE: &str = "the shape that Debezium 3.7 names beside the well-known binary";

/// Why the last point of a ring is left out.
const RING: &str = "the connector repeats the first point at the end; whether the source did so itself \
                    is lost before the message is written";

const MONEY: &str = "digits after the point by the warehouse's lc_monetary";

/// Where a warehouse has no `hstore`.
const OBJECT: &str = "an object of the same keys and values in JSON";

const COUNTED: &str = "length is counted";

/// Where a warehouse has no `PostGIS`.
const EWKB: &str = "extended well-known binary, in which a reference system is kept";

/// Where a warehouse has no `pgvector`.
const SPARSE: &str = "the text form, which pgvector reads back exactly";

pub(super) const TABLE: &[Rule] = &[
    rule(S::Boolean, T::Bool, Always, "the same type"),
    rule(S::Boolean, T::Bit, OneBit, "a single bit travels as a boolean"),
    rule(S::Boolean, T::Varbit, Always, "a single bit travels as a boolean"),
    rule(S::Int16, T::Int2, Always, "every value fits"),
    rule(S::Int16, T::Int4, Always, "every value fits"),
    rule(S::Int16, T::Int8, Always, "every value fits"),
    rule(S::Int16, T::Numeric, IntegerDigits, "every value fits"),
    rule(S::Int32, T::Int4, Always, "every value fits"),
    rule(S::Int32, T::Int8, Always, "every value fits"),
    rule(S::Int32, T::Numeric, IntegerDigits, "every value fits"),
    rule(S::Int64, T::Int8, Always, "every value fits"),
    rule(S::Int64, T::Oid, EachValue, "oids travel as 64-bit integers"),
    rule(S::Int64, T::Numeric, IntegerDigits, "every value fits"),
    rule(S::Float32, T::Float4, Always, "the same type"),
    rule(S::Float32, T::Float8, Always, "every 32-bit float is a 64-bit one"),
    rule(S::Float64, T::Float8, Always, "the same type"),
    rule(S::Decimal, T::Numeric, DecimalDigits, "the same digits, with the scale of the source"),
    rule(S::Decimal, T::Money, EachValue, MONEY),
    rule(S::VariableDecimal, T::Numeric, EachValue, "the same digits, with the scale of the value"),
    rule(S::VariableDecimal, T::Money, EachValue, MONEY),
    rule(S::Text, T::Text, Always, "the same characters"),
    rule(S::Text, T::Varchar, EachValue, COUNTED),
    rule(S::Text, T::Char, EachValue, "length is counted, and padding is no part of a value"),
    rule(S::Text, T::Name, EachValue, "at most 63 bytes"),
    rule(S::Text, T::OneChar, EachValue, "one ASCII character or none"),
    rule(S::Text, T::Numeric, EachValue, "decimals may travel as text"),
    rule(S::Text, T::Inet, EachValue, ADDRESS),
    rule(S::Text, T::Cidr, EachValue, ADDRESS),
    rule(S::Text, T::Macaddr, EachValue, ADDRESS),
    rule(S::Text, T::Macaddr8, EachValue, ADDRESS),
    rule(S::Text, T::PgLsn, EachValue, READ),
    rule(S::Text, T::Int4Range, EachValue, RANGE),
    rule(S::Text, T::Int8Range, EachValue, RANGE),
    rule(S::Text, T::NumRange, EachValue, RANGE),
    rule(S::Text, T::DateRange, EachValue, RANGE),
    rule(S::Text, T::TsRange, EachValue, RANGE),
    rule(S::Text, T::TstzRange, EachValue, RANGE),
    rule(S::Json, T::Text, Always, "the same document"),
    rule(S::Json, T::Json, Always, "the same document"),
    rule(
        S::Json,
        T::Jsonb,
        EachValue,
        "the same document; jsonb itself drops spaces and repeated keys",
    ),
    rule(S::Json, T::Varchar, EachValue, COUNTED),
    rule(
        S::Json,
        T::Hstore,
        EachValue,
        "by default an hstore travels as a JSON object of text and null",
    ),
    rule(S::Xml, T::Xml, EachValue, "the same document"),
    rule(S::Xml, T::Text, Always, "the same document"),
    rule(S::Xml, T::Varchar, EachValue, COUNTED),
    rule(S::Ltree, T::Ltree, EachValue, "the same labels"),
    rule(S::Ltree, T::Text, Always, "the text form"),
    rule(S::Ltree, T::Varchar, EachValue, COUNTED),
    rule(
        S::Tsvector,
        T::Tsvector,
        EachValue,
        "lexemes, positions and weights stand in the text form",
    ),
    rule(S::Tsvector, T::Text, Always, "the text form"),
    rule(S::Tsvector, T::Varchar, EachValue, COUNTED),
    rule(S::Enum, T::Enum, EachValue, "the target knows the same labels"),
    rule(S::Enum, T::Text, Always, "the label"),
    rule(S::Enum, T::Varchar, EachValue, "the label; length is counted"),
    rule(S::Enum, T::Char, EachValue, "the label; length is counted"),
    rule(S::Enum, T::Name, EachValue, "the label; length is counted"),
    rule(S::EnumSet, T::Text, Always, "the labels, joined by commas"),
    rule(S::EnumSet, T::Varchar, EachValue, COUNTED),
    rule(S::Uuid, T::Uuid, Always, "the same 128 bits"),
    rule(S::Uuid, T::Text, Always, "the text form"),
    rule(S::Uuid, T::Varchar, UuidChars, "the text form"),
    rule(S::Uuid, T::Char, UuidChars, "the text form"),
    rule(S::Bytes, T::Bytea, Always, "the same bytes"),
    rule(S::Bytes, T::TextForm, EachValue, TEXT_FORM),
    rule(S::Bytes, T::PgLsn, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Tsvector, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Box, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Segment, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Path, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Polygon, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Circle, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Line, EachValue, TEXT_FORM),
    rule(S::Bytes, T::Vector, EachValue, TEXT_FORM),
    rule(S::Bytes, T::HalfVector, EachValue, TEXT_FORM),
    rule(S::Bytes, T::SparseVector, EachValue, TEXT_FORM),
    rule(S::Bits, T::Bit, SameBits, "the same bits"),
    rule(S::Bits, T::Varbit, EnoughBits, "the same bits, with the declared length"),
    rule(S::VarBits, T::Varbit, EnoughBits, "leading zeros are lost before the message is written"),
    rule(S::Date, T::Date, EachValue, "PostgreSQL's own range"),
    rule(S::Time, T::Time, EachValue, "whole microseconds, or coarser by the column's digits"),
    rule(
        S::ZonedTime,
        T::Timetz,
        EachValue,
        "Debezium turns the offset into UTC before 3.7; the moment of the day stays",
    ),
    rule(
        S::Timestamp,
        T::Timestamp,
        EachValue,
        "whole microseconds, or coarser by the column's digits",
    ),
    rule(
        S::ZonedTimestamp,
        T::Timestamptz,
        EachValue,
        "whole microseconds, or coarser by the column's digits",
    ),
    rule(
        S::Interval,
        T::Interval,
        EachValue,
        "all parts in text; the default mode has already merged months and days",
    ),
    rule(S::Map, T::Hstore, TextMap, "the same keys and values"),
    rule(S::Map, T::Json, TextMap, OBJECT),
    rule(S::Map, T::Jsonb, TextMap, OBJECT),
    rule(S::Map, T::Text, TextMap, OBJECT),
    rule(S::Point, T::Point, EachValue, "the same coordinates, if no reference system is named"),
    rule(S::Geometry, T::Geometry, EachValue, "the same well-known binary"),
    rule(S::Geometry, T::Bytea, EachValue, EWKB),
    rule(S::Geometry, T::Box, EachValue, NATIVE),
    rule(S::Geometry, T::Segment, EachValue, NATIVE),
    rule(S::Geometry, T::Path, EachValue, NATIVE),
    rule(S::Geometry, T::Polygon, EachValue, RING),
    rule(S::Geography, T::Geography, EachValue, "the same well-known binary"),
    rule(S::Geography, T::Bytea, EachValue, EWKB),
    rule(S::Circle, T::Circle, EachValue, "the same numbers"),
    rule(S::Circle, T::Text, Always, "the text form"),
    rule(S::Circle, T::Varchar, EachValue, COUNTED),
    rule(S::Line, T::Line, EachValue, "the same numbers"),
    rule(S::Line, T::Text, Always, "the text form"),
    rule(S::Line, T::Varchar, EachValue, COUNTED),
    rule(
        S::Vector,
        T::Vector,
        EachValue,
        "32-bit floats that travel as decimal text of 64-bit ones",
    ),
    rule(S::Vector, T::Reals, EachValue, "the elements, which are 32-bit floats"),
    rule(S::HalfVector, T::Reals, EachValue, "the elements, which fit 32-bit floats"),
    rule(S::HalfVector, T::HalfVector, EachValue, "16-bit floats that travel as 32-bit ones"),
    rule(
        S::SparseVector,
        T::SparseVector,
        EachValue,
        "32-bit floats that travel as decimal text of 64-bit ones",
    ),
    rule(S::SparseVector, T::Text, EachValue, SPARSE),
    rule(S::SparseVector, T::Varchar, EachValue, SPARSE),
    rule(S::SelfEvident, T::Bool, EachValue, TOKEN),
    rule(S::SelfEvident, T::Int2, EachValue, TOKEN),
    rule(S::SelfEvident, T::Int4, EachValue, TOKEN),
    rule(S::SelfEvident, T::Int8, EachValue, TOKEN),
    rule(S::SelfEvident, T::Oid, EachValue, TOKEN),
    rule(S::SelfEvident, T::Float8, EachValue, TOKEN),
    rule(S::SelfEvident, T::Text, EachValue, TOKEN),
    rule(S::SelfEvident, T::Varchar, EachValue, TOKEN),
    rule(S::SelfEvident, T::Char, EachValue, TOKEN),
    rule(S::SelfEvident, T::Name, EachValue, TOKEN),
    rule(S::SelfEvident, T::Enum, EachValue, TOKEN),
    rule(S::SelfEvident, T::Json, EachValue, TOKEN),
    rule(S::SelfEvident, T::Jsonb, EachValue, TOKEN),
    rule(S::SelfEvident, T::Uuid, EachValue, TOKEN),
    rule(S::SelfEvident, T::Inet, EachValue, READ),
    rule(S::SelfEvident, T::Cidr, EachValue, READ),
    rule(S::SelfEvident, T::Macaddr, EachValue, READ),
    rule(S::SelfEvident, T::Macaddr8, EachValue, READ),
    rule(S::SelfEvident, T::PgLsn, EachValue, READ),
    rule(S::SelfEvident, T::Int4Range, EachValue, READ),
    rule(S::SelfEvident, T::Int8Range, EachValue, READ),
    rule(S::SelfEvident, T::NumRange, EachValue, READ),
    rule(S::SelfEvident, T::DateRange, EachValue, READ),
    rule(S::SelfEvident, T::TsRange, EachValue, READ),
    rule(S::SelfEvident, T::TstzRange, EachValue, READ),
];
