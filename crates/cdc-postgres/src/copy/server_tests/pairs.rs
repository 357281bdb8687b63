//! Every pair of the table, by itself and as elements of an array, in either form of COPY: what the
//! server shows is the value's text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use cdc_core::{
    Bits, Column, Date, Decimal, Geometry, Interval, NativeShape, Point, RowBuffer, RowShape,
    SemanticType, Time, Timestamp, Value, ZonedTime,
};

use super::super::{CopyBuffer, TextRows};
use super::Database;
use crate::catalog::TargetTable;
use crate::pair::{CellEncoder, ColumnEncoder, fitting, pair, pair_names, type_pairs};

/// Types of extensions that do not come with PostgreSQL; tests on bytes stand in for a server.
const NOT_INSTALLED: [&str; 5] = ["geometry", "geography", "vector", "halfvec", "sparsevec"];

/// What the source means, the target's type, the value, its text.
type Case = (&'static str, &'static str, Value<'static>, &'static str);

const fn text(text: &'static str) -> Value<'static> {
    Value::Text(text)
}

const fn bytes(text: &'static str) -> Value<'static> {
    Value::Bytes(text.as_bytes())
}

const fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::Decimal(Decimal::Small { unscaled, scale })
}

const fn at(micros: i64) -> Value<'static> {
    Value::Timestamp(Timestamp::Micros(micros))
}

const fn instant(micros: i64) -> Value<'static> {
    Value::Instant(Timestamp::Micros(micros))
}

const fn span(months: i32, days: i32, micros: i64) -> Value<'static> {
    Value::Interval(Interval { months, days, micros })
}

fn zoned(nanos: i64, offset_seconds: i32) -> Value<'static> {
    Value::ZonedTime(ZonedTime { time: Time::from_nanos(nanos), offset_seconds })
}

fn bits(bytes: &'static [u8], length: Option<u32>) -> Value<'static> {
    Value::Bits(Bits::new(bytes, length).unwrap())
}

/// A shape of `PostGIS`, with a reference system beside it.
fn spatial(wkb: &'static [u8], srid: Option<i32>) -> Value<'static> {
    Value::Geometry(Geometry::new(wkb, srid))
}

/// A shape of PostgreSQL's own; `head` is all before the coordinates in well-known binary.
fn shape(kind: NativeShape, head: &[u32], numbers: &[f64]) -> Value<'static> {
    let mut wkb = vec![1];
    wkb.extend(head.iter().flat_map(|word| word.to_le_bytes()));
    wkb.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    Value::Geometry(Geometry::new(wkb.leak(), None).with_native(Some(kind)))
}

const AWKWARD: &str = "\\. \t\r\n,{\"ü\"}\\N 'x' ";
const JSON: &str = "{\"a\": [1, \"\\\\ \\t\"]}";
const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const UUID_BYTES: [u8; 16] = [
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
];

fn numbers() -> Vec<Case> {
    vec![
        ("boolean", "boolean", Value::Bool(true), "true"),
        ("boolean", "boolean", Value::Bool(false), "false"),
        ("boolean", "bit(1)", Value::Bool(true), "1"),
        ("boolean", "bit varying", Value::Bool(false), "0"),
        ("int16", "smallint", Value::Int16(i16::MIN), "-32768"),
        ("int16", "integer", Value::Int16(i16::MAX), "32767"),
        ("int16", "bigint", Value::Int16(-1), "-1"),
        ("int16", "numeric(5,0)", Value::Int16(-5), "-5"),
        ("int32", "integer", Value::Int32(i32::MIN), "-2147483648"),
        ("int32", "bigint", Value::Int32(i32::MAX), "2147483647"),
        ("year", "integer", Value::Int32(1999), "1999"),
        ("int32", "numeric", Value::Int32(i32::MIN), "-2147483648"),
        ("int64", "bigint", Value::Int64(i64::MIN), "-9223372036854775808"),
        ("int64", "numeric(20,1)", Value::Int64(i64::MAX), "9223372036854775807.0"),
        ("int64", "oid", Value::Int64(4_294_967_295), "4294967295"),
        ("float32", "real", Value::Float32(0.1), "0.1"),
        ("float32", "real", Value::Float32(f32::NEG_INFINITY), "-Infinity"),
        ("float32", "double precision", Value::Float32(0.1), "0.10000000149011612"),
        ("float64", "double precision", Value::Float64(f64::MAX), "1.7976931348623157e+308"),
        ("float64", "double precision", Value::Float64(5e-324), "5e-324"),
        ("float64", "double precision", Value::Float64(-0.0), "-0"),
        ("float64", "double precision", Value::Float64(f64::NAN), "NaN"),
        ("decimal(10,2)", "numeric(10,2)", decimal(-150, 2), "-1.50"),
        ("decimal(10,2)", "numeric", decimal(0, 2), "0.00"),
        ("decimal(*,2)", "money", decimal(123_411, 2), "$1,234.11"),
        ("decimal", "money", decimal(-1_500, 4), "-$0.15"),
        ("decimal", "numeric", decimal(1, 21), "0.000000000000000000001"),
        ("decimal", "numeric", decimal(100_020_003, 8), "1.00020003"),
        ("decimal", "numeric", decimal(12_345, -6), "12345000000"),
        ("decimal", "numeric", decimal(i128::MIN, 0), "-170141183460469231731687303715884105728"),
        ("decimal", "numeric", Value::Decimal(Decimal::NaN), "NaN"),
        ("decimal", "numeric", Value::Decimal(Decimal::Infinity), "Infinity"),
        ("decimal", "numeric", Value::Decimal(Decimal::NegInfinity), "-Infinity"),
        ("text", "numeric", text("-0.00012340"), "-0.00012340"),
    ]
}

fn texts() -> Vec<Case> {
    vec![
        ("text", "text", text(AWKWARD), AWKWARD),
        ("text", "text", text(""), ""),
        ("text", "varchar(5)", text("12345"), "12345"),
        ("text", "char(4)", text("ab"), "ab"),
        ("text", "name", text("a \\ b"), "a \\ b"),
        ("text", "\"char\"", text("x"), "x"),
        ("text", "\"char\"", text(""), ""),
        ("text", "inet", text("::ffff:10.0.0.1/100"), "::ffff:10.0.0.1/100"),
        ("text", "inet", text("10.0.0.1"), "10.0.0.1/32"),
        ("text", "cidr", text("10.0.0.0/8"), "10.0.0.0/8"),
        ("text", "macaddr", text("08:00:2b:01:02:ff"), "08:00:2b:01:02:ff"),
        ("text", "macaddr8", text("08:00:2b:01:02:03:04:ff"), "08:00:2b:01:02:03:04:ff"),
        ("text", "pg_lsn", text("16/B374D848"), "16/B374D848"),
        ("text", "int4range", text("[1,5)"), "[1,5)"),
        ("text", "int8range", text("empty"), "empty"),
        ("text", "numrange", text("(1.50,]"), "(1.50,)"),
        ("text", "daterange", text("[\"4713-01-01 BC\",infinity)"), "[\"4713-01-01 BC\",infinity)"),
        ("text", "tsrange", text("[\"2019-03-31 15:30:00\",)"), "[\"2019-03-31 15:30:00\",)"),
        (
            "text",
            "tstzrange",
            text("[\"2019-03-31 15:30:00+02\",)"),
            "[\"2019-03-31 13:30:00+00\",)",
        ),
        ("json", "text", text(JSON), JSON),
        ("json", "json", text(JSON), JSON),
        ("json", "jsonb", text(JSON), JSON),
        ("json", "varchar(40)", text(JSON), JSON),
        (
            "json",
            "hstore",
            text("{\"k\": \"v \\\\ \\\" ü\", \"n\": null}"),
            "\"k\"=>\"v \\\\ \\\" ü\", \"n\"=>NULL",
        ),
        ("json", "hstore", text("{}"), ""),
        ("xml", "xml", text("<a>\t&lt;</a>"), "<a>\t&lt;</a>"),
        ("xml", "text", text("<a/>"), "<a/>"),
        ("xml", "varchar(4)", text("<a/>"), "<a/>"),
        ("ltree", "ltree", text("Top.Science"), "Top.Science"),
        ("ltree", "text", text("Top"), "Top"),
        ("ltree", "varchar(3)", text("Top"), "Top"),
        ("tsvector", "tsvector", text("'cat':2B 'it''s':3,5A"), "'cat':2B 'it''s':3,5A"),
        ("tsvector", "text", text("'cat':2B"), "'cat':2B"),
        ("tsvector", "varchar(10)", text("'cat':2B"), "'cat':2B"),
        ("enum", "mood", text("very happy"), "very happy"),
        ("enum", "text", text("sad"), "sad"),
        ("enum", "varchar(3)", text("sad"), "sad"),
        ("enum", "char(3)", text("sad"), "sad"),
        ("enum", "name", text("sad"), "sad"),
        ("enumset", "text", text("a,b"), "a,b"),
        ("enumset", "varchar(3)", text("a,b"), "a,b"),
        ("uuid", "uuid", Value::Uuid(UUID_BYTES), UUID),
        ("uuid", "text", Value::Uuid(UUID_BYTES), UUID),
        ("uuid", "varchar(36)", Value::Uuid(UUID_BYTES), UUID),
        ("uuid", "char(36)", Value::Uuid(UUID_BYTES), UUID),
        ("bytes", "bytea", Value::Bytes(&[0, 255, 92]), "\\x00ff5c"),
        ("bytes(hex)", "bytea", Value::Bytes(&[]), "\\x"),
        ("bits(12)", "bit(12)", bits(&[0xaa, 0x0a], Some(12)), "101010101010"),
        ("bits(3)", "bit varying(4)", bits(&[0x03], Some(3)), "011"),
        ("varbits", "bit varying", bits(&[0x01, 0x02, 0x03], None), "110000001000000001"),
        ("varbits", "bit varying", bits(&[], None), ""),
    ]
}

const LAST_MICROS: &str = "294245-12-31 23:59:59.999999";

fn moments() -> Vec<Case> {
    vec![
        ("date", "date", Value::Date(Date::Days(-1)), "1969-12-31"),
        ("date", "date", Value::Date(Date::Days(-2_440_588)), "4714-11-24 BC"),
        ("date", "date", Value::Date(Date::Days(2_145_042_905)), "5874897-12-31"),
        ("date(iso)", "date", Value::Date(Date::Infinity), "infinity"),
        ("date", "date", Value::Date(Date::NegInfinity), "-infinity"),
        ("time(nanos)", "time", Value::Time(Time::from_nanos(86_400_000_000_000)), "24:00:00"),
        ("time(millis)", "time(3)", Value::Time(Time::from_nanos(1_000_000)), "00:00:00.001"),
        ("timetz", "timetz", zoned(1_000, 57_599), "00:00:00.000001+15:59:59"),
        ("timetz", "timetz", zoned(3_600_000_000_000, -28_800), "01:00:00-08"),
        ("timestamp(micros)", "timestamp", at(-1), "1969-12-31 23:59:59.999999"),
        ("timestamp(micros)", "timestamp", at(-210_866_803_200_000_000), "4714-11-24 00:00:00 BC"),
        (
            "timestamp(micros)",
            "timestamp",
            at(-62_135_596_800_000_001),
            "0001-12-31 23:59:59.999999 BC",
        ),
        ("timestamp(micros)", "timestamp", at(9_223_339_708_799_999_999), LAST_MICROS),
        ("timestamp(iso)", "timestamp", Value::Timestamp(Timestamp::Infinity), "infinity"),
        (
            "timestamp(millis)",
            "timestamp(3)",
            Value::Timestamp(Timestamp::NegInfinity),
            "-infinity",
        ),
        (
            "timestamptz",
            "timestamptz",
            instant(-210_866_803_200_000_000),
            "4714-11-24 00:00:00+00 BC",
        ),
        ("timestamptz", "timestamptz", instant(1_500_000), "1970-01-01 00:00:01.5+00"),
        ("timestamptz", "timestamptz", Value::Instant(Timestamp::Infinity), "infinity"),
        (
            "interval",
            "interval",
            span(14, -3, -14_706_789_000),
            "1 year 2 mons -3 days -04:05:06.789",
        ),
        ("interval", "interval", span(0, 0, i64::MAX), "2562047788:00:54.775807"),
        ("interval", "interval", span(0, 0, i64::MIN), "-2562047788:00:54.775808"),
        (
            "interval(iso)",
            "interval",
            span(i32::MIN, i32::MAX, 0),
            "-178956970 years -8 mons +2147483647 days",
        ),
    ]
}

fn shapes() -> Vec<Case> {
    use NativeShape as N;
    let outline = [2.0, 3.0, 0.5, 3.0, 0.5, -1.0, 2.0, -1.0, 2.0, 3.0];
    let path = [0.0, 0.0, 0.0, 1.0, 0.1, 2.0];
    let ring = [0.0, 0.0, 0.0, 1.0, 0.1, 2.0, 0.0, 0.0];
    vec![
        ("point", "point", Value::Point(Point { x: 1e300, y: -0.1, srid: None }), "(1e+300,-0.1)"),
        (
            "point",
            "point",
            Value::Point(Point { x: f64::NAN, y: f64::INFINITY, srid: None }),
            "(NaN,Infinity)",
        ),
        ("geometry", "box", shape(N::Box, &[3, 1, 5], &outline), "(2,3),(0.5,-1)"),
        ("geometry", "lseg", shape(N::Segment, &[2, 2], &path[..4]), "[(0,0),(0,1)]"),
        ("geometry", "path", shape(N::OpenPath, &[2, 3], &path), "[(0,0),(0,1),(0.1,2)]"),
        ("geometry", "path", shape(N::ClosedPath, &[2, 3], &path), "((0,0),(0,1),(0.1,2))"),
        ("geometry", "polygon", shape(N::Polygon, &[3, 1, 4], &ring), "((0,0),(0,1),(0.1,2))"),
        ("geometry", "polygon", shape(N::Polygon, &[3, 1, 1], &ring[..2]), "((0,0))"),
        ("geometry", "bytea", spatial(&[1, 1, 0, 0, 0, 92], None), "\\x01010000005c"),
        ("geography", "bytea", spatial(&[1, 1, 0, 0, 0], Some(4_326)), "\\x0101000020e6100000"),
        ("circle", "circle", text("<(10,4.5),1e2>"), "<(10,4.5),100>"),
        ("circle", "text", text("<(10,4.5),1e2>"), "<(10,4.5),1e2>"),
        ("circle", "varchar(9)", text("<(1,2),3>"), "<(1,2),3>"),
        ("line", "line", text("{-1,0,0.5}"), "{-1,0,0.5}"),
        ("line", "text", text("{-1,0,0.5}"), "{-1,0,0.5}"),
        ("line", "varchar(9)", text("{1,0,0}"), "{1,0,0}"),
    ]
}

fn undeclared() -> Vec<Case> {
    vec![
        ("undeclared", "boolean", Value::Bool(true), "true"),
        ("undeclared", "smallint", Value::Int64(-5), "-5"),
        ("undeclared", "integer", Value::Int64(7), "7"),
        ("undeclared", "bigint", Value::Int64(i64::MAX), "9223372036854775807"),
        ("undeclared", "oid", Value::Int64(7), "7"),
        ("undeclared", "double precision", Value::Float64(0.1), "0.1"),
        ("undeclared", "double precision", text("-Infinity"), "-Infinity"),
        ("undeclared", "text", text(AWKWARD), AWKWARD),
        ("undeclared", "varchar(3)", text("abc"), "abc"),
        ("undeclared", "char(3)", text("abc"), "abc"),
        ("undeclared", "name", text("abc"), "abc"),
        ("undeclared", "mood", text("sad"), "sad"),
        ("undeclared", "json", text(JSON), JSON),
        ("undeclared", "jsonb", text(JSON), JSON),
        ("undeclared", "uuid", text(UUID), UUID),
        ("undeclared", "inet", text("10.0.0.1"), "10.0.0.1/32"),
        ("undeclared", "cidr", text("10.0.0.0/8"), "10.0.0.0/8"),
        ("undeclared", "macaddr", text("08:00:2b:01:02:ff"), "08:00:2b:01:02:ff"),
        ("undeclared", "macaddr8", text("08:00:2b:01:02:03:04:ff"), "08:00:2b:01:02:03:04:ff"),
        ("undeclared", "pg_lsn", text("0/1"), "0/1"),
        ("undeclared", "int4range", text("[1,5)"), "[1,5)"),
        ("undeclared", "int8range", text("(,)"), "(,)"),
        ("undeclared", "numrange", text("empty"), "empty"),
        ("undeclared", "daterange", text("[2024-02-29,)"), "[2024-02-29,)"),
        ("undeclared", "tsrange", text("[infinity,]"), "[infinity,)"),
        ("undeclared", "tstzrange", text("empty"), "empty"),
    ]
}

/// What only a row of text can hold.
fn text_forms() -> Vec<Case> {
    vec![
        (
            "bytes",
            "tsquery",
            bytes("'fat' <-> !( 'c\\\\at' | 'it''s':AB )"),
            "'fat' <-> !( 'c\\\\at' | 'it''s':AB )",
        ),
        ("bytes(hex)", "int4multirange", bytes("{[1,3),[5,7)}"), "{[1,3),[5,7)}"),
        ("bytes", "jsonpath", bytes("$.\"a\"[*]?(@ > 1)"), "$.\"a\"[*]?(@ > 1)"),
        ("bytes", "xid8", bytes("18446744073709551615"), "18446744073709551615"),
        ("bytes", "pg_snapshot", bytes("10:20:10,14"), "10:20:10,14"),
        ("bytes", "tid", bytes("(4294967295,65535)"), "(4294967295,65535)"),
        ("bytes", "pair", bytes("(1,\"a \"\"b\"\"\\\\\")"), "(1,\"a \"\"b\"\"\\\\\")"),
        ("bytes", "floats", bytes("[1.5,2.5)"), "[1.5,2.5)"),
        ("bytes", "cube", bytes("(1, 2),(3, 4)"), "(1, 2),(3, 4)"),
        ("bytes", "seg", bytes("1.50 .. 2"), "1.50 .. 2"),
        ("bytes", "lquery", bytes("Top.*{1,}.!Pop@"), "Top.*{1,}.!Pop@"),
        ("bytes", "polygon", bytes("((0.0,0.0),(0.0,1.0),(2.0,2.0))"), "((0,0),(0,1),(2,2))"),
        ("bytes", "box", bytes("(1.0,1.0),(0.0,0.0)"), "(1,1),(0,0)"),
        ("bytes", "lseg", bytes("[(0.0,0.0),(0.0,1.0)]"), "[(0,0),(0,1)]"),
        ("bytes", "path", bytes("((0.0,0.0),(0.0,1.0))"), "((0,0),(0,1))"),
        ("bytes", "circle", bytes("<(10.0,4.0),10.0>"), "<(10,4),10>"),
        ("bytes", "line", bytes("{-1.0,0.0,0.0}"), "{-1,0,0}"),
        ("bytes", "tsvector", bytes("'direct':6 'insert':8"), "'direct':6 'insert':8"),
        ("bytes", "pg_lsn", bytes("16/B374D848"), "16/B374D848"),
    ]
}

/// Cases with a column each, and a column for their arrays.
fn table(cases: &[Case]) -> (Database, TargetTable) {
    let mut columns = String::from("i int");
    for (number, (_, kind, _, _)) in cases.iter().enumerate() {
        write!(columns, ", c{number} {kind}, a{number} {kind}[]").unwrap();
    }
    let sql = format!(
        "SET timezone = 'UTC'; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
         CREATE EXTENSION cube; CREATE EXTENSION seg;
         CREATE TYPE mood AS ENUM ('sad', 'very happy'); CREATE TYPE pair AS (a int, b text);
         CREATE TYPE floats AS RANGE (subtype = float8); CREATE TABLE t ({columns})"
    );
    let mut database = Database::with("pairs", sql.leak());
    let table = database.table();
    (database, table)
}

/// Which form the rows travel in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
}

fn encoder(semantic: &SemanticType, table: &TargetTable, name: &str, form: Form) -> ColumnEncoder {
    let target = table.column(name).unwrap();
    let encoder = pair(semantic, target).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    match form {
        Form::Binary => encoder,
        Form::Text => encoder.in_text(target.element.map_or(b',', |element| element.delimiter)),
    }
}

/// Copies each value, and an array of the value, NULL and the value again.
fn copy(database: &mut Database, table: &TargetTable, cases: &[Case], form: Form) {
    let mut lists = RowBuffer::new();
    for (_, _, value, _) in cases {
        let list = lists.open_list();
        for item in [*value, Value::Null, *value] {
            lists.push(item);
        }
        lists.close_array(list);
    }
    let columns = cases.iter().map(|_| Column::new("c", SemanticType::SelfEvident)).collect();
    let shape = Arc::new(RowShape::new(columns));
    let arrays = lists.row(&shape, "");
    let mut buffer = CopyBuffer::new();
    let mut encoders = vec![ColumnEncoder::One(CellEncoder::Int4)];
    buffer.begin_row(i16::try_from(1 + 2 * cases.len()).unwrap());
    buffer.put_i32(1);
    for (number, (source, kind, value, _)) in cases.iter().enumerate() {
        let semantic = SemanticType::parse(source).unwrap_or(SemanticType::SelfEvident);
        let one = encoder(&semantic, table, &format!("c{number}"), form);
        let element = Box::new(semantic);
        let semantic = SemanticType::Array { element };
        let many = encoder(&semantic, table, &format!("a{number}"), form);
        buffer.put(one, *value).unwrap_or_else(|error| panic!("{source} {kind}: {error}"));
        buffer.put(many, arrays.get(number)).unwrap_or_else(|error| panic!("{kind}[]: {error}"));
        encoders.extend([one, many]);
    }
    if form == Form::Binary {
        assert_eq!(database.copy("t", &buffer).unwrap(), 1);
        return;
    }
    let (mut rows, mut lines) = (TextRows::new(encoders.into()), Vec::new());
    for piece in buffer.bytes().chunks(7) {
        rows.push(piece, &mut lines).unwrap();
    }
    assert_eq!(database.copy_text("t", &lines).unwrap(), 1);
}

fn shown(cases: &[Case], form: Form) {
    let (mut database, table) = table(cases);
    copy(&mut database, &table, cases, form);
    for (number, (source, kind, _, expected)) in cases.iter().enumerate() {
        let name = format!("{source} in {kind} by {form:?}");
        assert_eq!(database.text(&format!("SELECT c{number}::text FROM t")), *expected, "{name}");
        let array = format!("SELECT a{number}::text FROM t");
        let built = format!("SELECT ARRAY[c{number}, NULL, c{number}]::text FROM t");
        assert_eq!(database.text(&array), database.text(&built), "array of {name}");
    }
}

fn all() -> Vec<Case> {
    [numbers(), texts(), moments(), shapes(), undeclared()].concat()
}

#[test]
fn every_pair_is_shown_as_it_was_in_binary_form() {
    shown(&all(), Form::Binary);
}

#[test]
fn every_pair_is_shown_as_it_was_in_rows_that_travel_as_text() {
    let mut cases = [all(), text_forms()].concat();
    cases.retain(|(_, kind, _, _)| *kind != "money");
    shown(&cases, Form::Text);
}

#[test]
fn the_cases_cover_the_table_of_pairs() {
    let cases = [all(), text_forms()].concat();
    let (_database, table) = table(&cases);
    let named = |(number, (source, _, _, _)): (usize, &Case)| {
        let semantic = SemanticType::parse(source).unwrap_or(SemanticType::SelfEvident);
        pair_names(&semantic, table.column(&format!("c{number}")).unwrap())
    };
    let mut covered: BTreeSet<_> = cases.iter().enumerate().map(named).collect();
    // Maps and vectors cannot be built here; they have tests of their own.
    covered.extend(["hstore", "json", "jsonb", "text"].map(|target| ("map", target)));
    covered.extend(["vector", "halfvec"].map(|source| (source, "real[]")));
    covered.extend(["text", "varchar"].map(|target| ("sparsevec", target)));
    let pairs: BTreeSet<_> = type_pairs()
        .filter(|pair| !NOT_INSTALLED.contains(&pair.target))
        .map(|pair| (pair.source, pair.target))
        .collect();
    let missing: Vec<_> = pairs.difference(&covered).collect();
    let surplus: Vec<_> = covered.difference(&pairs).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, surplus {surplus:?}");
}

/// Sources that are not in the cases, or only with other parameters.
const MORE_SOURCES: &[&str] = &[
    "bits(1)",
    "bits(83886080)",
    "bits(83886081)",
    "bytes(base64url)",
    "date(structured)",
    "decimal(1,0)",
    "decimal(2,4)",
    "decimal(3,-2)",
    "decimal(1000,1000)",
    "decimal(1001,3)",
    "interval(nanos)",
    "interval(structured)",
    "map",
    "time(iso)",
    "time(micros)",
    "time(structured)",
    "timestamp(nanos)",
    "timestamp(structured)",
    "timestamptz(structured)",
    "timetz(structured)",
    "varbits(12)",
];

#[test]
fn a_column_of_the_proposed_type_takes_its_source_and_its_arrays() {
    let cases = all();
    let declared = cases.iter().map(|(source, ..)| *source).chain(MORE_SOURCES.iter().copied());
    let sources: BTreeSet<_> = declared.filter(|source| *source != "undeclared").collect();
    let mut columns = String::from("i int");
    let mut planned = Vec::new();
    for source in sources {
        let semantic = SemanticType::parse(source).unwrap();
        let many = SemanticType::Array { element: Box::new(semantic.clone()) };
        for semantic in [semantic, many] {
            let kind = fitting(&semantic).unwrap_or_else(|| panic!("no type for {semantic}"));
            if !NOT_INSTALLED.contains(&kind.trim_end_matches("[]")) {
                let name = format!("c{}", planned.len());
                write!(columns, ", {name} {kind}").unwrap();
                planned.push((name, semantic));
            }
        }
    }
    let sql =
        format!("CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE TABLE t ({columns})");
    let mut database = Database::with("proposed", sql.leak());
    let table = database.table();
    for (name, semantic) in planned {
        let paired = pair(&semantic, table.column(&name).unwrap());
        assert!(paired.is_ok(), "{semantic}: {paired:?}");
    }
}
