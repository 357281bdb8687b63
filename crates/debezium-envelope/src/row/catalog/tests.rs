//! Columns of the catalog with the type that each mode of the connector gives them.

use super::{
    BinaryMode, CatalogKind, CatalogType, ConnectorModes, DecimalMode, HstoreMode, IntervalMode,
    TimeMode,
};
use crate::row::SemanticType;

fn named(name: &str, typmod: i32) -> CatalogType<'_> {
    CatalogType { name, typmod, kind: CatalogKind::Named }
}

/// The type's text, or `absent`.
fn declared(column: &CatalogType<'_>, modes: &ConnectorModes) -> String {
    let declared = SemanticType::of_catalog(column, modes);
    declared.map_or_else(|| "absent".to_owned(), |declared| declared.to_string())
}

const fn numeric(precision: i32, scale: i32) -> i32 {
    (precision << 16 | scale & 0x7ff) + 4
}

#[test]
fn the_captured_columns_have_the_types_of_their_schema_blocks() {
    let default = ConnectorModes::default();
    for (name, typmod, expected) in [
        ("bool", -1, "boolean"),
        ("int2", -1, "int16"),
        ("int4", -1, "int32"),
        ("int8", -1, "int64"),
        ("oid", -1, "int64"),
        ("float4", -1, "float32"),
        ("float8", -1, "float64"),
        ("bpchar", 12, "text"),
        ("varchar", 24, "text"),
        ("citext", -1, "text"),
        ("bytea", -1, "bytes"),
        ("bit", 1, "boolean"),
        ("bit", 12, "bits(12)"),
        ("varbit", 20, "varbits(20)"),
        ("varbit", -1, "varbits"),
        ("numeric", -1, "decimal"),
        ("numeric", numeric(38, 0), "decimal(38,0)"),
        ("numeric", numeric(38, 20), "decimal(38,20)"),
        ("numeric", numeric(3, -2), "decimal(3,2046)"),
        ("money", -1, "decimal(*,2)"),
        ("date", -1, "date"),
        ("time", 3, "time(millis)"),
        ("time", 4, "time(micros)"),
        ("time", -1, "time(micros)"),
        ("timestamp", 0, "timestamp(millis)"),
        ("timestamp", -1, "timestamp(micros)"),
        ("timestamptz", 3, "timestamptz"),
        ("timetz", -1, "timetz"),
        ("interval", -1, "interval"),
        ("jsonb", -1, "json"),
        ("hstore", -1, "json"),
        ("uuid", -1, "uuid"),
        ("xml", -1, "xml"),
        ("ltree", -1, "ltree"),
        ("inet", -1, "text"),
        ("tstzrange", -1, "text"),
        ("point", -1, "point"),
        ("geometry", -1, "geometry"),
        ("tsvector", -1, "absent"),
        ("vector", 3, "absent"),
        ("box", -1, "absent"),
        ("tsquery", -1, "absent"),
        ("pg_lsn", -1, "absent"),
    ] {
        assert_eq!(declared(&named(name, typmod), &default), expected, "{name} {typmod}");
    }
}

#[test]
fn modes_change_the_wire_form_of_their_types_only() {
    let default = ConnectorModes::default();
    let time = |time| ConnectorModes { time, ..default };
    let cases = [
        (ConnectorModes { decimal: DecimalMode::String, ..default }, "numeric", -1, "decimal"),
        (ConnectorModes { decimal: DecimalMode::String, ..default }, "money", -1, "decimal"),
        (ConnectorModes { decimal: DecimalMode::Double, ..default }, "numeric", 655_366, "float64"),
        (ConnectorModes { money_fraction_digits: 4, ..default }, "money", -1, "decimal(*,4)"),
        (ConnectorModes { binary: BinaryMode::Base64, ..default }, "bytea", -1, "bytes"),
        (
            ConnectorModes { binary: BinaryMode::Base64UrlSafe, ..default },
            "bytea",
            -1,
            "bytes(base64url)",
        ),
        (
            ConnectorModes { interval: IntervalMode::String, ..default },
            "interval",
            -1,
            "interval(iso)",
        ),
        (ConnectorModes { hstore: HstoreMode::Map, ..default }, "hstore", -1, "map"),
        (ConnectorModes { unknown_types: true, ..default }, "tsquery", -1, "bytes"),
        (
            ConnectorModes { unknown_types: true, binary: BinaryMode::Hex, ..default },
            "tsquery",
            -1,
            "bytes(hex)",
        ),
        (ConnectorModes { version: (3, 4), ..default }, "tsvector", -1, "tsvector"),
        (ConnectorModes { version: (3, 0), ..default }, "sparsevec", -1, "sparsevec"),
        (ConnectorModes { version: (3, 7), ..default }, "lseg", -1, "geometry"),
        (ConnectorModes { version: (3, 7), ..default }, "circle", -1, "circle"),
        (time(TimeMode::AdaptiveTimeMicroseconds), "time", 0, "time(micros)"),
        (time(TimeMode::AdaptiveTimeMicroseconds), "timestamp", 3, "timestamp(millis)"),
        (time(TimeMode::Connect), "time", -1, "time(millis)"),
        (time(TimeMode::Connect), "timestamp", -1, "timestamp(millis)"),
        (time(TimeMode::Connect), "date", -1, "date"),
        (time(TimeMode::Microseconds), "timestamp", 0, "timestamp(micros)"),
        (time(TimeMode::Nanoseconds), "time", 0, "time(nanos)"),
        (time(TimeMode::Nanoseconds), "timestamp", -1, "timestamp(nanos)"),
        (time(TimeMode::IsoString), "date", -1, "date(iso)"),
        (time(TimeMode::IsoString), "time", 3, "time(iso)"),
        (time(TimeMode::IsoString), "timestamp", -1, "timestamp(iso)"),
        (time(TimeMode::IsoString), "timestamptz", -1, "timestamptz"),
        (time(TimeMode::Structured), "timestamptz", -1, "timestamptz(structured)"),
        (time(TimeMode::Structured), "interval", -1, "interval(structured)"),
    ];
    for (modes, name, typmod, expected) in cases {
        assert_eq!(declared(&named(name, typmod), &modes), expected, "{name} {modes:?}");
    }
}

#[test]
fn arrays_take_their_modifier_to_the_element() {
    let default = ConnectorModes::default();
    let mood = CatalogType { name: "mood", typmod: -1, kind: CatalogKind::Enum };
    let unknown = ConnectorModes { unknown_types: true, ..default };
    let iso = ConnectorModes { time: TimeMode::IsoString, version: (3, 4), ..default };
    for (element, typmod, modes, expected) in [
        (named("int4", -1), -1, default, "array(int32)"),
        (named("numeric", -1), numeric(10, 2), default, "array(decimal(10,2))"),
        (named("timestamp", -1), 3, default, "array(timestamp(millis))"),
        (named("time", -1), 3, default, "array(time(micros))"),
        (named("date", -1), -1, iso, "array(date(iso))"),
        (named("time", -1), -1, iso, "array(time(iso))"),
        (mood, -1, default, "array(enum)"),
        (named("money", -1), -1, unknown, "absent"),
        (named("interval", -1), -1, default, "absent"),
        (named("xml", -1), -1, default, "absent"),
        (named("pg_lsn", -1), -1, default, "absent"),
        (named("pg_lsn", -1), -1, unknown, "array(bytes)"),
        (named("vector", -1), 3, unknown, "array(bytes)"),
        (named("vector", -1), 3, ConnectorModes { version: (3, 0), ..unknown }, "absent"),
        (
            named("sparsevec", -1),
            3,
            ConnectorModes { version: (3, 0), ..default },
            "array(sparsevec)",
        ),
    ] {
        let kind = CatalogKind::Array(&element);
        let column = CatalogType { name: "_element", typmod, kind };
        assert_eq!(declared(&column, &modes), expected, "{element:?}");
    }
}

#[test]
fn domains_are_what_they_are_over() {
    let default = ConnectorModes::default();
    let base = named("numeric", numeric(8, 3));
    let inner = CatalogType { name: "price", typmod: -1, kind: CatalogKind::Domain(&base) };
    let outer = CatalogType { name: "net_price", typmod: -1, kind: CatalogKind::Domain(&inner) };
    assert_eq!(declared(&outer, &default), "decimal(8,3)");
    let array = CatalogType { name: "_price", typmod: -1, kind: CatalogKind::Array(&inner) };
    assert_eq!(declared(&array, &default), "absent");
    let row = CatalogType { name: "address", typmod: -1, kind: CatalogKind::Other };
    assert_eq!(declared(&row, &default), "absent");
    assert_eq!(declared(&row, &ConnectorModes { unknown_types: true, ..default }), "bytes");
}

#[test]
fn numbers_of_built_in_types_lead_to_their_names() {
    let column = CatalogType::built_in(1114, 3).unwrap();
    assert_eq!(declared(&column, &ConnectorModes::default()), "timestamp(millis)");
    assert_eq!(CatalogType::built_in(16_384, -1), None);
}

#[test]
fn options_are_read_as_the_connector_names_them() {
    assert_eq!(TimeMode::parse("isostring"), Ok(TimeMode::IsoString));
    assert_eq!(BinaryMode::parse("base64-url-safe"), Ok(BinaryMode::Base64UrlSafe));
    let error = DecimalMode::parse("exact").unwrap_err().to_string();
    assert!(error.contains("decimal.handling.mode") && error.contains("precise"), "{error}");
}
