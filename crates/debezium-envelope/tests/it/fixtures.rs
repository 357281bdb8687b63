//! The fixture files and the declarations that fit them.

use debezium_envelope::{Declarations, Limits, MessageDecoder, SemanticType};

/// Name and text of every value fixture.
pub(crate) const VALUES: &[(&str, &str)] = &[
    ("insert bare", include_str!("../../fixtures/orders_insert.bare.json")),
    ("insert schema", include_str!("../../fixtures/orders_insert.schema.json")),
    ("update bare", include_str!("../../fixtures/orders_update.bare.json")),
    ("update schema", include_str!("../../fixtures/orders_update.schema.json")),
    ("delete bare", include_str!("../../fixtures/orders_delete.bare.json")),
    ("delete schema", include_str!("../../fixtures/orders_delete.schema.json")),
    ("snapshot bare", include_str!("../../fixtures/orders_snapshot.bare.json")),
    ("snapshot schema", include_str!("../../fixtures/orders_snapshot.schema.json")),
    ("truncate bare", include_str!("../../fixtures/orders_truncate.bare.json")),
    ("truncate schema", include_str!("../../fixtures/orders_truncate.schema.json")),
    ("tombstone bare", include_str!("../../fixtures/orders_tombstone.bare.json")),
    ("tombstone schema", include_str!("../../fixtures/orders_tombstone.schema.json")),
    ("logical message", include_str!("../../fixtures/logical_message.bare.json")),
    ("heartbeat", include_str!("../../fixtures/heartbeat.bare.json")),
    ("transaction end", include_str!("../../fixtures/transaction_end.bare.json")),
];

pub(crate) const BARE_KEY: &str = include_str!("../../fixtures/orders_key.bare.json");
pub(crate) const SCHEMA_KEY: &str = include_str!("../../fixtures/orders_key.schema.json");

/// The text of a value fixture.
pub(crate) fn value(name: &str) -> &'static str {
    VALUES.iter().find(|(known, _)| *known == name).unwrap().1.trim_end()
}

/// Columns of the rarer types: declared type and value.
const RICH: &[(&str, &str)] = &[
    ("array(int32)", "[1,null,3]"),
    ("array(int64)", "[[1,2],[3,4]]"),
    ("array(text)", r#"["a","b,c","d\"e",null]"#),
    ("array(decimal(10,2))", r#"["bg==","/yQ="]"#),
    ("array(uuid)", r#"["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]"#),
    ("array(timestamp(nanos))", "[1704067200000001000]"),
    ("array(bytes)", r#"["3q2+7wD/",null]"#),
    ("array(map)", r#"[{"a":"1"},null]"#),
    ("map", r#"{"a":"1","b":null}"#),
    ("map(int32,float64)", "[[1,201.0],[9,null]]"),
    ("bytes(hex)", r#""deadbeef00ff""#),
    ("bytes(base64url)", r#""3q2-7wD_""#),
    ("bits(12)", r#""qgo=""#),
    ("varbits", r#""FQ==""#),
    ("date(iso)", r#""-4712-01-01Z""#),
    ("time(iso)", r#""12:34:56.789Z""#),
    ("timestamp(iso)", r#""1969-12-31T23:59:59.999Z""#),
    ("timetz", r#""07:04:56.123456Z""#),
    ("interval", "37091106789000"),
    ("interval(iso)", r#""P1Y2M3DT4H5M6.789S""#),
    (
        "timestamp(structured)",
        r#"{"year":2024,"month":2,"day":29,"hour":23,"minute":0,"second":0,"nanos":1000}"#,
    ),
    ("interval(structured)", r#"{"years":1,"months":2,"days":3,"seconds":-4,"nanos":0}"#),
    ("decimal", r#"{"scale":4,"value":"AYr3"}"#),
    ("vector", "[1.0,-2.5]"),
    ("sparsevec", r#"{"dimensions":3000,"vector":[[1,201.0],[9,209.0]]}"#),
    ("point", r#"{"x":1.5,"y":-2.5,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAATA","srid":null}"#),
    (
        "geometry",
        r#"{"wkb":"AQEAACBzDAAAHHxhMlXeZUB4eqUsQ1xCwA==","srid":3187,"extensions":{"type":"path","closed":"true"}}"#,
    ),
    ("circle", r#"{"center":{"x":10.0,"y":4.0},"radius":10.0}"#),
    ("line", r#"{"a":-1.0,"b":0.0,"c":0.5}"#),
    ("xml", r#""<a/>""#),
    ("enumset", r#""a,b""#),
    ("year", "2024"),
];

/// A create of a row with a column of each rarer type, and the declarations that fit it.
pub(crate) fn rich() -> (Declarations, String) {
    let mut declarations = Declarations::none();
    let mut members = Vec::new();
    for (index, (semantic, json)) in RICH.iter().enumerate() {
        let column = format!("c{index}");
        declarations.declare("public.rich", &column, SemanticType::parse(semantic).unwrap());
        members.push(format!("\"{column}\":{json}"));
    }
    let row = members.join(",");
    let source = r#"{"connector":"postgresql","schema":"public","table":"rich"}"#;
    (declarations, format!(r#"{{"before":null,"after":{{{row}}},"source":{source},"op":"c"}}"#))
}

/// The types of the orders table.
pub(crate) fn declarations() -> Declarations {
    let mut declarations = Declarations::none();
    for (column, text) in [
        ("order_id", "int32"),
        ("customer_id", "int32"),
        ("product_name", "text"),
        ("amount", "decimal(10,2)"),
        ("status", "text"),
        ("created_at", "timestamp(micros)"),
        ("updated_at", "timestamp(micros)"),
    ] {
        declarations.declare("public.orders", column, SemanticType::parse(text).unwrap());
    }
    declarations
}

pub(crate) fn decoder() -> MessageDecoder {
    MessageDecoder::new(declarations(), Limits::default())
}
