//! Values that hold values: arrays, ranges, maps and shapes.

use std::sync::Arc;

use cdc_core::{
    Column, Date, Decimal, Geometry, NativeShape, Point, Row, RowBuffer, RowShape, SemanticType,
    Value,
};

use super::Database;

/// Reads lists back from the buffer that they were built in.
fn cells(buffer: &RowBuffer, read: impl FnOnce(Row<'_>)) {
    let columns = (0..buffer.len()).map(|_| Column::new("c", SemanticType::SelfEvident)).collect();
    read(buffer.row(&Arc::new(RowShape::new(columns)), ""));
}

fn push_array(buffer: &mut RowBuffer, items: &[Value<'_>]) {
    let list = buffer.open_list();
    for item in items {
        buffer.push(*item);
    }
    buffer.close_array(list);
}

#[test]
fn arrays_of_any_element_and_dimension_come_back() {
    let mut database = Database::with(
        "arrays",
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE EXTENSION citext;
         CREATE DOMAIN price AS numeric(10,2) CHECK (value >= 0); CREATE DOMAIN tags AS text[];
         CREATE TABLE t (i int, a int[], b text[], c mood[], d price[], e citext[], f tags,
           g varchar(5)[], h date[], j uuid[], k inet[], l jsonb[], m numeric(10,2)[])",
    );
    let mut buffer = RowBuffer::new();
    push_array(&mut buffer, &[Value::Int32(1), Value::Null, Value::Int32(i32::MIN)]);
    push_array(&mut buffer, &[]);
    let outer = buffer.open_list();
    push_array(&mut buffer, &[Value::Int32(1), Value::Int32(2), Value::Int32(3)]);
    push_array(&mut buffer, &[Value::Int32(4), Value::Null, Value::Int32(6)]);
    buffer.close_array(outer);
    let outer = buffer.open_list();
    push_array(&mut buffer, &[]);
    push_array(&mut buffer, &[]);
    buffer.close_array(outer);
    push_array(&mut buffer, &[Value::Text("a \"b\", {c}"), Value::Text("NULL"), Value::Null]);
    push_array(&mut buffer, &[Value::Text("happy")]);
    push_array(&mut buffer, &[Value::Decimal(Decimal::Small { unscaled: 150, scale: 2 })]);
    push_array(&mut buffer, &[Value::Text("12345"), Value::Text("")]);
    push_array(&mut buffer, &[Value::Date(Date::Infinity), Value::Date(Date::Days(0))]);
    push_array(&mut buffer, &[Value::Uuid([0xab; 16])]);
    push_array(&mut buffer, &[Value::Text("10.0.0.1")]);
    push_array(&mut buffer, &[Value::Text("{\"a\": 1}")]);
    push_array(&mut buffer, &[Value::Text("123456")]);
    push_array(&mut buffer, &[Value::Decimal(Decimal::Small { unscaled: 1, scale: 3 })]);
    cells(&buffer, |row| {
        let texts = (row.get(4), r#"{"a \"b\", {c}","NULL",NULL}"#);
        database.shows(&[
            (
                "a",
                "array(int32)",
                &[
                    (row.get(0), "{1,NULL,-2147483648}"),
                    (row.get(1), "{}"),
                    (row.get(2), "{{1,2,3},{4,NULL,6}}"),
                    (row.get(3), "{}"),
                ],
            ),
            ("b", "array(text)", &[texts]),
            ("c", "array(enum)", &[(row.get(5), "{happy}")]),
            ("d", "array(decimal(10,2))", &[(row.get(6), "{1.50}")]),
            ("e", "array(text)", &[texts]),
            ("f", "array(text)", &[texts]),
            ("g", "array(text)", &[(row.get(7), "{12345,\"\"}")]),
            ("h", "array(date)", &[(row.get(8), "{infinity,1970-01-01}")]),
            ("j", "array(uuid)", &[(row.get(9), "{abababab-abab-abab-abab-abababababab}")]),
            ("k", "array(text)", &[(row.get(10), "{10.0.0.1}")]),
            ("l", "array(json)", &[(row.get(11), r#"{"{\"a\": 1}"}"#)]),
            ("m", "array(decimal(10,2))", &[(row.get(6), "{1.50}")]),
        ]);
        database.refuses(&[
            ("g", "array(text)", row.get(12), "too_long"),
            ("m", "array(decimal(10,2))", row.get(13), "not_exact"),
            ("a", "array(int32)", row.get(5), "wrong_type"),
            ("a", "array(int32)", Value::Int32(1), "wrong_type"),
            ("a", "array(int32)", Value::Unavailable, "unavailable"),
        ]);
    });
}

const RANGES: &str = "SET timezone = 'UTC';
     CREATE TABLE t (i int, a int4range, b int8range, c numrange, d daterange, e tsrange, f tstzrange)";

#[test]
fn ranges_are_read_as_the_server_writes_them() {
    let mut database = Database::with("ranges", RANGES);
    let t = Value::Text;
    database.shows(&[
        (
            "a",
            "text",
            &[
                (t("[1,5)"), "[1,5)"),
                (t("empty"), "empty"),
                (t("(,5)"), "(,5)"),
                (t("[-2147483648,)"), "[-2147483648,)"),
                (t("(,)"), "(,)"),
            ],
        ),
        (
            "b",
            "text",
            &[(
                t("[-9223372036854775808,9223372036854775807)"),
                "[-9223372036854775808,9223372036854775807)",
            )],
        ),
        (
            "c",
            "text",
            &[(t("(1.50,2.000]"), "(1.50,2.000]"), (t("[-Infinity,NaN]"), "[-Infinity,NaN]")],
        ),
        (
            "d",
            "text",
            &[
                (t("[2024-02-29,2024-03-01)"), "[2024-02-29,2024-03-01)"),
                (t("[-infinity,infinity)"), "[-infinity,infinity)"),
                (t("[\"4713-01-01 BC\",5874897-12-31)"), "[\"4713-01-01 BC\",5874897-12-31)"),
                (t("[1900-02-28,1900-03-01)"), "[1900-02-28,1900-03-01)"),
            ],
        ),
        (
            "e",
            "text",
            &[
                (t("[\"2019-03-31 15:30:00\",infinity)"), "[\"2019-03-31 15:30:00\",infinity)"),
                (
                    t("(\"0044-03-15 12:00:00 BC\",\"294276-12-31 23:59:59.999999\"]"),
                    "(\"0044-03-15 12:00:00 BC\",\"294276-12-31 23:59:59.999999\"]",
                ),
            ],
        ),
        (
            "f",
            "text",
            &[
                (
                    t("[\"2019-03-31 15:30:00.5+02\",\"2019-04-01 00:00:00-05:30\")"),
                    "[\"2019-03-31 13:30:00.5+00\",\"2019-04-01 05:30:00+00\")",
                ),
                (t("[\"1850-01-01 00:00:00+00:53:28\",)"), "[\"1849-12-31 23:06:32+00\",)"),
            ],
        ),
    ]);
}

#[test]
fn texts_that_are_no_range_of_the_type_are_refused() {
    let mut database = Database::with("no_ranges", RANGES);
    let t = Value::Text;
    for (column, wrong) in [
        ("a", "1,5"),
        ("a", "[1;5)"),
        ("a", "[1,5"),
        ("a", "[1,2147483648)"),
        ("a", "[\"\",5)"),
        ("d", "[2023-02-29,)"),
        ("d", "[0000-01-01,)"),
        ("d", "[2024-13-01,)"),
        ("d", "[24-01-01,)"),
        ("e", "[\"2019-03-31 15:30:00+02\",)"),
        ("f", "[\"2019-03-31 15:30:00\",)"),
        ("f", "[\"2019-03-31 15:30:00.1234567+00\",)"),
        ("f", "["),
    ] {
        database.refuses(&[(column, "text", t(wrong), "invalid_form")]);
    }
}

#[test]
fn maps_and_their_json_form_become_an_hstore() {
    let mut database = Database::with(
        "hstore",
        "CREATE EXTENSION hstore; CREATE TABLE t (i int, a hstore, b hstore, c hstore[])",
    );
    let mut buffer = RowBuffer::new();
    let list = buffer.open_list();
    for value in ["key", "a \"b\" =>", "other"].map(Value::Text).into_iter().chain([Value::Null]) {
        buffer.push(value);
    }
    buffer.close_map(list);
    let list = buffer.open_list();
    buffer.close_map(list);
    push_array(&mut buffer, &[Value::Text("{\"x\":\"y\"}")]);
    cells(&buffer, |row| {
        database.shows(&[
            (
                "a",
                "map",
                &[(row.get(0), r#""key"=>"a \"b\" =>", "other"=>NULL"#), (row.get(1), "")],
            ),
            (
                "b",
                "json",
                &[(Value::Text(r#"{"k":"v\u00fc\n", "n":null}"#), "\"k\"=>\"vü\n\", \"n\"=>NULL")],
            ),
            ("c", "array(json)", &[(row.get(2), r#"{"\"x\"=>\"y\""}"#)]),
        ]);
    });
    database.refuses(&[
        ("b", "json", Value::Text("{\"k\":1}"), "invalid_form"),
        ("b", "json", Value::Text("[]"), "invalid_form"),
        ("a", "map", Value::Int32(1), "wrong_type"),
    ]);
}

/// What stands for the types of extensions in a warehouse that has none.
#[test]
fn maps_and_vectors_go_into_json_and_arrays_where_their_extension_is_absent() {
    let mut database = Database::with(
        "plain",
        "CREATE TABLE t (i int, a json, b jsonb, c text, d real[], e real[], f text, g varchar(14))",
    );
    let mut buffer = RowBuffer::new();
    let list = buffer.open_list();
    for value in ["k \"\\\n", "ü", "n"].map(Value::Text).into_iter().chain([Value::Null]) {
        buffer.push(value);
    }
    buffer.close_map(list);
    let list = buffer.open_list();
    buffer.close_map(list);
    push_array(&mut buffer, &[0.1, -1e-40, 3.4e38].map(Value::Float64));
    push_array(&mut buffer, &[0.5, -65504.0, 5.960_464_5e-8].map(Value::Float32));
    push_array(&mut buffer, &[Value::Float64(0.100_000_001)]);
    push_array(&mut buffer, &[Value::Float64(1e39)]);
    let list = buffer.open_list();
    for item in [Value::Int32(3), Value::Float64(-2.0), Value::Int32(1), Value::Float64(1.5)] {
        buffer.push(item);
    }
    buffer.close_sparse_vector(list, 5);
    cells(&buffer, |row| {
        let object = r#"{"k \"\\\n": "ü", "n": null}"#;
        // The server orders the keys of a jsonb by their length.
        let sorted = r#"{"n": null, "k \"\\\n": "ü"}"#;
        let pairs = [(row.get(0), object), (row.get(1), "{}")];
        database.shows(&[
            ("a", "map", &pairs),
            ("b", "map", &[(row.get(0), sorted), (row.get(1), "{}")]),
            ("c", "map", &pairs),
            ("d", "vector", &[(row.get(2), "{0.1,-1e-40,3.4e+38}")]),
            ("e", "halfvec", &[(row.get(3), "{0.5,-65504,5.9604645e-08}")]),
            ("f", "sparsevec", &[(row.get(6), "{1:1.5,3:-2}/5")]),
            ("g", "sparsevec", &[(row.get(6), "{1:1.5,3:-2}/5")]),
        ]);
        database.refuses(&[
            ("d", "vector", row.get(4), "not_exact"),
            ("d", "vector", row.get(5), "not_exact"),
            ("d", "vector", Value::Float64(0.5), "wrong_type"),
        ]);
    });
}

/// Well-known binary in either order of bytes.
fn wkb(little: bool, words: &[u32], numbers: &[f64]) -> Vec<u8> {
    let mut bytes = vec![u8::from(little)];
    for word in words {
        bytes.extend(if little { word.to_le_bytes() } else { word.to_be_bytes() });
    }
    for number in numbers {
        bytes.extend(if little { number.to_le_bytes() } else { number.to_be_bytes() });
    }
    bytes
}

#[test]
fn shapes_keep_their_numbers() {
    let mut database = Database::with(
        "shapes",
        "CREATE TABLE t (i int, a point, b box, c lseg, d path, e circle, f line)",
    );
    let point = |x, y| Value::Point(Point { x, y, srid: None });
    let shape = |bytes| Geometry::new(bytes, None);
    let native = |bytes, kind| Value::Geometry(shape(bytes).with_native(Some(kind)));
    let outline = wkb(true, &[3, 1, 5], &[2.0, 3.0, 0.5, 3.0, 0.5, -1.0, 2.0, -1.0, 2.0, 3.0]);
    let bent = wkb(true, &[3, 1, 5], &[2.0, 3.0, 0.5, 3.5, 0.5, -1.0, 2.0, -1.0, 2.0, 3.0]);
    let segment = wkb(false, &[2, 2], &[0.0, 1e300, -2.5, f64::INFINITY]);
    let path = wkb(true, &[2, 3], &[0.0, 0.0, 0.0, 1.0, 0.0, 2.0]);
    let cut = &path[..path.len() - 1];
    database.shows(&[
        (
            "a",
            "point",
            &[
                (point(1.0, -0.1), "(1,-0.1)"),
                (point(f64::NAN, f64::NEG_INFINITY), "(NaN,-Infinity)"),
                (
                    point(f64::MIN_POSITIVE, f64::MAX),
                    "(2.2250738585072014e-308,1.7976931348623157e+308)",
                ),
            ],
        ),
        ("b", "geometry", &[(native(&outline, NativeShape::Box), "(2,3),(0.5,-1)")]),
        (
            "c",
            "geometry",
            &[(native(&segment, NativeShape::Segment), "[(0,1e+300),(-2.5,Infinity)]")],
        ),
        (
            "d",
            "geometry",
            &[
                (native(&path, NativeShape::OpenPath), "[(0,0),(0,1),(0,2)]"),
                (native(&path, NativeShape::ClosedPath), "((0,0),(0,1),(0,2))"),
            ],
        ),
        ("e", "circle", &[(Value::Text("<(10,4.5),1e2>"), "<(10,4.5),100>")]),
        ("f", "line", &[(Value::Text("{-1,0,0.5}"), "{-1,0,0.5}")]),
    ]);
    database.refuses(&[
        ("a", "point", Value::Point(Point { x: 0.0, y: 0.0, srid: Some(4326) }), "invalid_form"),
        ("b", "geometry", native(&bent, NativeShape::Box), "invalid_form"),
        ("b", "geometry", native(&outline, NativeShape::Polygon), "invalid_form"),
        ("b", "geometry", Value::Geometry(shape(&outline)), "invalid_form"),
        ("c", "geometry", native(&path, NativeShape::Segment), "invalid_form"),
        ("d", "geometry", native(cut, NativeShape::OpenPath), "invalid_form"),
        ("d", "geometry", native(&segment, NativeShape::Segment), "invalid_form"),
        ("e", "circle", Value::Text("<(1,2),-1>"), "invalid_form"),
        ("e", "circle", Value::Text("<(1,2)>"), "invalid_form"),
        ("f", "line", Value::Text("{0,0,1}"), "invalid_form"),
        ("f", "line", Value::Text("{1,2}"), "invalid_form"),
    ]);
}
