//! The table of pairs, printed whole and probed at its edges.

use std::fmt::Write as _;

use cdc_core::{SemanticType, TimeUnit};

use super::*;
use crate::catalog::ElementType;

/// A column of a built-in type.
fn column(oid: u32, modifier: i32, type_name: &str) -> TargetColumn {
    TargetColumn {
        name: "amount".into(),
        type_oid: oid,
        type_mod: modifier,
        type_name: type_name.into(),
        nullable: true,
        has_default: false,
        generated: false,
        labels: None,
        element: None,
        extension: None,
        server_version: 150_000,
    }
}

fn numeric(precision: i32, scale: i32) -> TargetColumn {
    let modifier = ((precision << 16) | (scale & 0x7ff)) + 4;
    column(1700, modifier, &format!("numeric({precision},{scale})"))
}

/// The same as the elements of an array.
fn array(element: TargetColumn, oid: u32, element_oid: u32) -> TargetColumn {
    TargetColumn {
        type_oid: oid,
        type_name: format!("{}[]", element.type_name),
        element: Some(ElementType { oid: element_oid, base_oid: element_oid, delimiter: b',' }),
        ..element
    }
}

fn of_extension(name: &str) -> TargetColumn {
    TargetColumn { extension: Some(name.into()), ..column(70_000, -1, name) }
}

fn targets() -> Vec<TargetColumn> {
    let mut mood = column(16_500, -1, "mood");
    mood.labels = Some(vec!["sad".into(), "happy".into()]);
    vec![
        column(16, -1, "boolean"),
        column(21, -1, "smallint"),
        column(23, -1, "integer"),
        column(20, -1, "bigint"),
        column(700, -1, "real"),
        column(701, -1, "double precision"),
        column(1700, -1, "numeric"),
        numeric(5, 0),
        numeric(10, 2),
        numeric(19, 0),
        numeric(20, 4),
        numeric(3, -2),
        column(25, -1, "text"),
        column(1043, 14, "character varying(10)"),
        column(1043, 40, "character varying(36)"),
        column(1042, 12, "character(8)"),
        column(25, -1, "citext"),
        mood,
        column(114, -1, "json"),
        column(3802, -1, "jsonb"),
        column(2950, -1, "uuid"),
        column(17, -1, "bytea"),
        column(1082, -1, "date"),
        column(1083, -1, "time"),
        column(1114, -1, "timestamp"),
        column(1114, 3, "timestamp(3)"),
        column(1184, -1, "timestamptz"),
        column(1266, -1, "timetz"),
        column(790, 2, "money"),
        column(1186, -1, "interval"),
        column(1186, (0x7fff << 16) | 3, "interval(3)"),
        column(1186, (4 << 16) | 0xffff, "interval year"),
        array(column(25, -1, "text"), 1009, 25),
        array(column(23, -1, "integer"), 1007, 23),
        array(numeric(10, 2), 1231, 1700),
        array(column(700, -1, "real"), 1021, 700),
        column(18, -1, "\"char\""),
        column(19, -1, "name"),
        column(26, -1, "oid"),
        column(1560, 1, "bit(1)"),
        column(1560, 12, "bit(12)"),
        column(1562, -1, "bit varying"),
        column(1562, 12, "bit varying(12)"),
        column(869, -1, "inet"),
        column(650, -1, "cidr"),
        column(829, -1, "macaddr"),
        column(774, -1, "macaddr8"),
        column(3220, -1, "pg_lsn"),
        column(3904, -1, "int4range"),
        column(3910, -1, "tstzrange"),
        column(600, -1, "point"),
        column(603, -1, "box"),
        column(604, -1, "polygon"),
        column(718, -1, "circle"),
        column(628, -1, "line"),
        column(142, -1, "xml"),
        column(3614, -1, "tsvector"),
        column(3615, -1, "tsquery"),
        of_extension("ltree.ltree"),
        of_extension("hstore.hstore"),
        of_extension("vector.vector"),
        of_extension("vector.halfvec"),
        of_extension("vector.sparsevec"),
        of_extension("postgis.geometry"),
        of_extension("somebody.vector"),
    ]
}

/// Further sources as they are declared.
const DECLARED: &[&str] = &[
    "year",
    "bytes(hex)",
    "bits(12)",
    "bits(13)",
    "varbits",
    "varbits(12)",
    "date(iso)",
    "timetz",
    "timestamp(structured)",
    "interval",
    "interval(structured)",
    "xml",
    "ltree",
    "tsvector",
    "enumset",
    "map",
    "map(text,int32)",
    "point",
    "geometry",
    "geography",
    "circle",
    "line",
    "vector",
    "halfvec",
    "sparsevec",
    "array(text)",
    "array(int16)",
    "array(int64)",
    "array(decimal(10,2))",
];

fn sources() -> Vec<SemanticType> {
    let mut sources = vec![
        SemanticType::Boolean,
        SemanticType::Int16,
        SemanticType::Int32,
        SemanticType::Int64,
        SemanticType::Float32,
        SemanticType::Float64,
        SemanticType::Text,
        SemanticType::Bytes,
        SemanticType::Decimal { precision: Some(10), scale: 2 },
        SemanticType::Decimal { precision: None, scale: 2 },
        SemanticType::Decimal { precision: Some(3), scale: -2 },
        SemanticType::VariableDecimal,
        SemanticType::Date,
        SemanticType::Time(TimeUnit::Micros),
        SemanticType::Timestamp(TimeUnit::Millis),
        SemanticType::Timestamp(TimeUnit::Nanos),
        SemanticType::ZonedTimestamp,
        SemanticType::Uuid,
        SemanticType::Json,
        SemanticType::Enum { allowed: vec!["sad".into()] },
        SemanticType::SelfEvident,
        SemanticType::Unsupported { name: "io.debezium.time.Interval".into() },
    ];
    sources.extend(DECLARED.iter().map(|text| SemanticType::parse(text).unwrap()));
    sources
}

#[test]
fn the_table_of_exact_pairs() {
    let mut table = String::new();
    for source in sources() {
        let exact: Vec<String> = targets()
            .into_iter()
            .filter(|target| pair(&source, target).is_ok())
            .map(|target| target.type_name)
            .collect();
        let exact = if exact.is_empty() { "nothing".to_owned() } else { exact.join(", ") };
        writeln!(table, "{source}: {exact}").unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_encoder_of_each_target() {
    let mut table = String::new();
    for target in targets() {
        let encoder = TargetType::of(&target).map(|target| target.encoder);
        let encoder = encoder.map_or("not written".to_owned(), |encoder| format!("{encoder:?}"));
        writeln!(table, "{}: {encoder}", target.type_name).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn refusals_name_both_types_and_say_what_to_do() {
    let decimal = SemanticType::Decimal { precision: Some(10), scale: 2 };
    let of_unknown_precision = SemanticType::Decimal { precision: None, scale: 2 };
    let unsupported = SemanticType::Unsupported { name: "io.debezium.time.Interval".into() };
    let mut pairs = vec![
        (SemanticType::Boolean, column(1700, -1, "numeric")),
        (SemanticType::Int64, column(23, -1, "integer")),
        (SemanticType::Int32, numeric(10, 2)),
        (SemanticType::Int32, column(25, -1, "text")),
        (SemanticType::Float64, numeric(10, 2)),
        (SemanticType::Float64, column(700, -1, "real")),
        (SemanticType::Text, column(1114, -1, "timestamp")),
        (decimal, numeric(10, 1)),
        (of_unknown_precision, column(790, -1, "money")),
        (SemanticType::Date, column(1114, -1, "timestamp")),
        (SemanticType::Timestamp(TimeUnit::Millis), column(1184, -1, "timestamptz")),
        (SemanticType::ZonedTimestamp, column(1114, -1, "timestamp")),
        (SemanticType::Uuid, column(1043, 39, "character varying(35)")),
        (SemanticType::Json, column(1042, 12, "character(8)")),
        (unsupported, column(25, -1, "text")),
        (SemanticType::parse("bits(4)").unwrap(), column(1560, 12, "bit(12)")),
        (SemanticType::parse("timetz").unwrap(), column(1083, -1, "time")),
        (SemanticType::parse("interval(iso)").unwrap(), column(25, -1, "text")),
        (SemanticType::parse("array(int64)").unwrap(), column(25, -1, "text")),
        (SemanticType::Int64, array(column(20, -1, "bigint"), 1016, 20)),
        (SemanticType::parse("map(text,int32)").unwrap(), column(3802, -1, "jsonb")),
    ];
    pairs.extend(targets().into_iter().map(|target| (SemanticType::SelfEvident, target)));
    let mut table = String::new();
    for (source, target) in pairs {
        match pair(&source, &target) {
            Err(refusal) => writeln!(table, "{refusal}").unwrap(),
            Ok(_) => assert_eq!(source, SemanticType::SelfEvident, "{}", target.type_name),
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_decimal_needs_its_digits_on_both_sides_of_the_point() {
    let fits = |precision, scale, target: TargetColumn| {
        pair(&SemanticType::Decimal { precision, scale }, &target).is_ok()
    };
    assert!(fits(Some(10), 2, numeric(10, 2)));
    assert!(fits(Some(10), 2, numeric(12, 4)));
    assert!(!fits(Some(10), 2, numeric(11, 4)), "one digit less before the point");
    assert!(!fits(Some(10), 2, numeric(12, 1)), "one digit less after the point");
    assert!(fits(None, 2, numeric(10, 2)), "checked value by value");
    assert!(!fits(None, 3, numeric(10, 2)));
    assert!(fits(Some(2), 4, numeric(2, 4)), "0.00nn into 0.00nn");
    assert!(!fits(Some(3), 4, numeric(2, 4)));
    assert!(fits(Some(3), -2, numeric(5, 0)));
    assert!(!fits(Some(3), -2, numeric(3, -3)));
    assert!(fits(Some(u32::MAX), i32::MIN, column(1700, -1, "numeric")), "no arithmetic overflows");
    assert!(!fits(Some(u32::MAX), i32::MAX, numeric(10, 2)));
}

#[test]
fn an_integer_goes_into_a_numeric_that_has_all_its_digits() {
    for (source, digits) in
        [(SemanticType::Int16, 5), (SemanticType::Int32, 10), (SemanticType::Int64, 19)]
    {
        assert!(pair(&source, &numeric(digits, 0)).is_ok());
        assert!(pair(&source, &numeric(digits + 3, 3)).is_ok());
        assert!(pair(&source, &numeric(digits - 1, 0)).is_err());
        assert!(pair(&source, &numeric(digits + 2, 3)).is_err());
        assert!(pair(&source, &numeric(digits, -1)).is_err(), "the last digit would be rounded");
    }
}

#[test]
fn modifiers_are_read_as_the_server_packs_them() {
    let encoder = |target: &TargetColumn| TargetType::of(target).unwrap().encoder;
    for (precision, scale) in [(1, 0), (10, 2), (1000, 1000), (1000, -1000), (2, 4), (3, -2)] {
        let bound = NumericBound {
            precision: u16::try_from(precision).unwrap(),
            scale: i16::try_from(scale).unwrap(),
        };
        let expected = CellEncoder::Numeric(Some(bound));
        assert_eq!(encoder(&numeric(precision, scale)), expected, "{precision},{scale}");
    }
    for (modifier, step) in
        [(-1, 1), (0, 1_000_000), (1, 100_000), (2, 10_000), (3, 1_000), (4, 100), (5, 10), (6, 1)]
    {
        let target = column(1114, modifier, "timestamp");
        assert_eq!(encoder(&target), CellEncoder::Timestamp { step });
    }
    let unbounded = column(1043, -1, "character varying");
    assert_eq!(encoder(&unbounded), CellEncoder::Text { chars_max: None });
}

#[test]
fn a_column_that_the_server_fills_is_refused() {
    let mut target = column(20, -1, "bigint");
    target.generated = true;
    let refusal = pair(&SemanticType::Int64, &target).unwrap_err();
    assert!(refusal.to_string().contains("generates"), "{refusal}");
}

#[test]
fn a_declaration_to_paste_is_valid_for_any_column_name() {
    for (name, key) in [
        ("created_at", "created_at"),
        ("my-col", "my-col"),
        ("with space", "\"with space\""),
        ("a\"b\\c\n", "\"a\\\"b\\\\c\\u000A\""),
        ("größe", "\"größe\""),
    ] {
        let target = TargetColumn { name: name.into(), ..column(1082, -1, "date") };
        let refusal = pair(&SemanticType::SelfEvident, &target).unwrap_err();
        let expected = format!("columns = {{ {key} = \"date\" }}");
        assert!(refusal.hint.contains(&expected), "{}", refusal.hint);
    }
}

#[test]
fn an_encoder_is_small_enough_to_be_copied() {
    assert!(size_of::<ColumnEncoder>() <= 20);
}

#[test]
fn infinities_go_only_where_the_server_has_them() {
    let old = TargetColumn { server_version: 130_022, ..column(1700, -1, "numeric") };
    let encoder = pair(&SemanticType::VariableDecimal, &old);
    assert_eq!(encoder, Ok(CellEncoder::FiniteNumeric.into()));
}

#[test]
fn no_pair_stands_twice_in_the_table() {
    let mut pairs: Vec<_> = type_pairs().map(|pair| (pair.source, pair.target)).collect();
    let all = pairs.len();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), all);
    assert!(type_pairs().all(|pair| !pair.why.is_empty() && !pair.form.is_empty()));
}

#[test]
fn a_column_created_as_proposed_takes_its_source() {
    for source in sources() {
        let Some(proposed) = fitting(&source) else { continue };
        let plain = proposed.strip_suffix("[]").unwrap_or(&proposed);
        let known = type_pairs().any(|pair| {
            let name = plain.split('(').next().unwrap_or(plain);
            pair.target == name || pair.target == plain
        });
        assert!(known, "{source}: {proposed}");
    }
}
