//! Arrays, bit strings, shapes and the other types beside numbers, text and time: what stands in the
//! message, and the value or the error it becomes. Values are those of captured messages where the
//! connector was seen to write them.

use std::sync::Arc;

use debezium_envelope::{
    Bits, Column, Date, Decimal, Geometry, Interval, NativeShape, Point, RowBuffer, RowShape,
    SemanticType, Time, Timestamp, Value, ZonedTime,
};

use crate::types::{RANGE, TEXT, WRONG, check, declared, described, named};

/// Compares a value with the one that `build` pushes.
fn expect(schema: &str, json: &str, build: impl FnOnce(&mut RowBuffer)) {
    let mut expected = RowBuffer::new();
    build(&mut expected);
    let shape = Arc::new(RowShape::new(vec![Column::new("v", SemanticType::Text)]));
    let expected = expected.row(&shape, "").get(0);
    described(schema, json, |value| assert_eq!(value, Ok(expected), "{json} as {schema}"));
}

fn array<'v>(values: &[Value<'v>]) -> impl FnOnce(&mut RowBuffer) + use<'v> {
    let values = values.to_vec();
    move |buffer| {
        let list = buffer.open_list();
        for value in values {
            buffer.push(value);
        }
        buffer.close_array(list);
    }
}

pub(crate) fn array_of(items: &str) -> String {
    format!(r#"{{"type":"array","items":{items},"optional":true}}"#)
}

#[test]
fn arrays_hold_elements_of_any_type() {
    let text = Value::Text;
    let decimal = |unscaled| Value::Decimal(Decimal::Small { unscaled, scale: 2 });
    let micros = |count| Value::Timestamp(Timestamp::Micros(count));
    let uuid = 0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11_u128.to_be_bytes();
    let decimals = r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
    for (items, json, values) in [
        (
            r#"{"type":"int32","optional":true}"#.to_owned(),
            "[1,null,3]",
            vec![Value::Int32(1), Value::Null, Value::Int32(3)],
        ),
        (
            r#"{"type":"string"}"#.to_owned(),
            r#"["a","b,c","d\"e",null,"\uD83C\uDF89"]"#,
            vec![text("a"), text("b,c"), text("d\"e"), Value::Null, text("🎉")],
        ),
        (r#"{"type":"int16"}"#.to_owned(), " [ ] ", vec![]),
        (decimals.to_owned(), r#"["bg==","/yQ="]"#, vec![decimal(110), decimal(-220)]),
        (
            named("int64", "io.debezium.time.MicroTimestamp"),
            "[1704067200000001,9223372036825200000]",
            vec![micros(1_704_067_200_000_001), Value::Timestamp(Timestamp::Infinity)],
        ),
        (
            named("string", "io.debezium.time.IsoDate"),
            r#"["2024-02-29Z"]"#,
            vec![Value::Date(Date::Days(19_782))],
        ),
        (
            named("string", "io.debezium.data.Uuid"),
            r#"["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]"#,
            vec![Value::Uuid(uuid)],
        ),
        (
            r#"{"type":"bytes"}"#.to_owned(),
            r#"["3q2+7wD/",""]"#,
            vec![Value::Bytes(b"\xde\xad\xbe\xef\0\xff"), Value::Bytes(b"")],
        ),
        (
            r#"{"type":"boolean"}"#.to_owned(),
            "[true,false]",
            vec![Value::Bool(true), Value::Bool(false)],
        ),
    ] {
        expect(&array_of(&items), json, array(&values));
    }
    let ints = array_of(r#"{"type":"int32"}"#);
    check(
        &ints,
        &[
            ("null", Ok(Value::Null)),
            ("{}", WRONG),
            ("7", WRONG),
            ("[true]", WRONG),
            ("[3000000000]", RANGE),
            ("[1,]", Err("malformed_json")),
            ("[1", Err("malformed_json")),
            ("[1 2]", Err("malformed_json")),
        ],
    );
}

#[test]
fn arrays_have_up_to_six_equal_dimensions() {
    let ints = array_of(r#"{"type":"int32","optional":true}"#);
    let nested = array_of(&ints);
    for schema in [&ints, &nested] {
        expect(schema, "[[1,null],[3,4]]", |buffer| {
            let outer = buffer.open_list();
            for row in [[Value::Int32(1), Value::Null], [Value::Int32(3), Value::Int32(4)]] {
                array(&row)(buffer);
            }
            buffer.close_array(outer);
        });
        described(schema, "[[[1],[2]],[[3],[4]]]", |value| {
            let Ok(Value::Array(array)) = value else { panic!("{value:?}") };
            assert_eq!(array.dimensions().collect::<Vec<_>>(), [2, 2, 1]);
            let leaves: Vec<_> = array.leaves().collect();
            assert_eq!(leaves, [1, 2, 3, 4].map(Value::Int32));
        });
        check(
            schema,
            &[
                ("[[1],2]", TEXT),
                ("[2,[1]]", TEXT),
                ("[[1],null]", TEXT),
                ("[[1],[2,3]]", TEXT),
                ("[[[1],[2]],[[3,4],[5,6]]]", TEXT),
                ("[[[[[[[1]]]]]]]", TEXT),
            ],
        );
        described(schema, "[[[[[[1]]]]]]", |value| {
            let Ok(Value::Array(array)) = value else { panic!("{value:?}") };
            assert_eq!(array.dimensions().collect::<Vec<_>>(), [1; 6]);
            assert_eq!(array.leaves().collect::<Vec<_>>(), [Value::Int32(1)]);
        });
    }
}

#[test]
fn placeholders_of_arrays_and_maps_are_unavailable() {
    const P: &str = "__debezium_unavailable_value";
    let bytes: Vec<String> = P.bytes().map(|byte| byte.to_string()).collect();
    let numbers = format!("[{}]", bytes.join(","));
    let string = r#"{"type":"string"}"#.to_owned();
    let text = format!(r#"["{P}"]"#);
    let base64 = r#"["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]"#.to_owned();
    let uuid = r#"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#.to_owned();
    for (items, json) in [
        (string.clone(), &text),
        (named("string", "io.debezium.data.Json"), &text),
        (named("string", "io.debezium.data.Uuid"), &uuid),
        (r#"{"type":"bytes"}"#.to_owned(), &base64),
        (r#"{"type":"int32"}"#.to_owned(), &numbers),
        (r#"{"type":"int64"}"#.to_owned(), &numbers),
        (named("int32", "io.debezium.time.Date"), &numbers),
    ] {
        let schema = array_of(&items);
        described(&schema, json, |value| assert_eq!(value, Ok(Value::Unavailable), "{schema}"));
    }
    let of_text = array_of(&string);
    expect(&of_text, &format!(r#"["{P}","x"]"#), array(&[Value::Text(P), Value::Text("x")]));
    expect(&of_text, &format!(r#"["x","{P}"]"#), array(&[Value::Text("x"), Value::Text(P)]));
    let of_bytes = array_of(r#"{"type":"bytes"}"#);
    let two = format!("{},\"\"]", base64.trim_end_matches(']'));
    expect(&of_bytes, &two, array(&[Value::Bytes(P.as_bytes()), Value::Bytes(b"")]));
    expect(&of_text, &format!(r#"[["{P}"]]"#), |buffer| {
        let outer = buffer.open_list();
        array(&[Value::Text(P)])(buffer);
        buffer.close_array(outer);
    });

    let map =
        r#"{"type":"map","keys":{"type":"string"},"values":{"type":"string","optional":true}}"#;
    let placeholder = format!(r#"{{"{P}":"{P}"}}"#);
    described(map, &placeholder, |value| assert_eq!(value, Ok(Value::Unavailable)));
    for semantic in ["bytes(hex)", "bytes(base64url)", "uuid", "timestamptz", "decimal", "xml"] {
        let json = format!("\"{P}\"");
        declared(semantic, &json, |value| assert_eq!(value, Ok(Value::Unavailable), "{semantic}"));
    }
}

#[test]
fn an_empty_uuid_is_a_filler_and_no_value() {
    check(&named("string", "io.debezium.data.Uuid"), &[("\"\"", Ok(Value::Unavailable))]);
    check(&array_of(&named("string", "io.debezium.data.Uuid")), &[("[null,\"\"]", TEXT)]);
}

#[test]
fn maps_come_as_objects_or_as_pairs() {
    let hstore =
        r#"{"type":"map","keys":{"type":"string"},"values":{"type":"string","optional":true}}"#;
    expect(hstore, r#"{"a":"1","b":null,"\"":""}"#, |buffer| {
        let list = buffer.open_list();
        for (key, value) in [("a", Value::Text("1")), ("b", Value::Null), ("\"", Value::Text(""))] {
            buffer.push(Value::Text(key));
            buffer.push(value);
        }
        buffer.close_map(list);
    });
    described(hstore, "{}", |value| {
        let Ok(Value::Map(map)) = value else { panic!("{value:?}") };
        assert!(map.is_empty());
    });
    check(hstore, &[("[]", WRONG), ("{\"a\":1}", WRONG), ("null", Ok(Value::Null))]);
    let numbered = r#"{"type":"map","keys":{"type":"int32"},"values":{"type":"double"}}"#;
    described(numbered, "[[1,201.0],[9,\"NaN\"]]", |value| {
        let Ok(Value::Map(map)) = value else { panic!("{value:?}") };
        let keys: Vec<_> = map.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [Value::Int32(1), Value::Int32(9)]);
    });
    check(
        numbered,
        &[
            ("[[1]]", TEXT),
            ("[[1,2,3]]", TEXT),
            ("[[null,2]]", TEXT),
            ("[1]", WRONG),
            ("{}", WRONG),
        ],
    );
    expect(&array_of(hstore), r#"[{"a":"1"},null]"#, |buffer| {
        let outer = buffer.open_list();
        let list = buffer.open_list();
        buffer.push(Value::Text("a"));
        buffer.push(Value::Text("1"));
        buffer.close_map(list);
        buffer.push(Value::Null);
        buffer.close_array(outer);
    });
}

#[test]
fn bit_strings_get_their_leading_zeros_from_the_length() {
    let bits = |length: &str| {
        format!(
            r#"{{"type":"bytes","name":"io.debezium.data.Bits","parameters":{{"length":"{length}"}}}}"#
        )
    };
    for (length, json, text) in [
        ("12", "\"qgo=\"", "101010101010"),
        ("12", "\"\"", "000000000000"),
        ("7", "\"QA==\"", "1000000"),
        ("2", "\"Aw==\"", "11"),
        ("24", "\"AQID\"", "000000110000001000000001"),
        ("64", "\"AAAAAAAAAIA=\"", &format!("1{}", "0".repeat(63))),
        ("3", "\"BQAA\"", "101"),
        ("2147483647", "\"FQ==\"", "10101"),
    ] {
        described(&bits(length), json, |value| {
            let Ok(Value::Bits(bits)) = value else { panic!("{value:?}") };
            assert_eq!(bits.to_string(), text, "{json} of {length}");
        });
    }
    check(&bits("12"), &[("\"AAAB\"", RANGE), ("\"AB\"", TEXT), ("true", WRONG)]);
    declared("varbits(20)", "\"FQ==\"", |value| {
        assert_eq!(value, Ok(Value::Bits(Bits::new(&[0x15], None).unwrap())));
    });
    declared("varbits(4)", "\"FQ==\"", |value| assert_eq!(value, RANGE));
    let source = r#"{"type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"20","__debezium.source.column.type":"VARBIT"}}"#;
    described(source, "\"FQ==\"", |value| {
        let Ok(Value::Bits(bits)) = value else { panic!("{value:?}") };
        assert_eq!((bits.length(), bits.to_string().as_str()), (None, "10101"));
    });
}

#[test]
fn points_and_shapes_carry_their_reference_system() {
    let point = |x, y, srid| Ok(Value::Point(Point { x, y, srid }));
    check(
        &named("struct", "io.debezium.data.geometry.Point"),
        &[
            (
                r#"{"x":1.5,"y":-2.5,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAATA","srid":null}"#,
                point(1.5, -2.5, None),
            ),
            (r#"{"y":"Infinity","x":0.0,"srid":4326}"#, point(0.0, f64::INFINITY, Some(4326))),
            (r#"{"x":1.0}"#, TEXT),
            (r#"{"x":null,"y":1.0}"#, WRONG),
            ("[1,2]", WRONG),
        ],
    );
    // SRID=3187;POINT(174.9479 -36.7208) in PostGIS's extended form.
    let wkb = b"\x01\x01\0\0\x20\x73\x0c\0\0\x1c\x7c\x61\x32\x55\xde\x65\x40\x78\x7a\xa5\x2c\x43\x5c\x42\xc0";
    let json = r#"{"wkb":"AQEAACBzDAAAHHxhMlXeZUB4eqUsQ1xCwA==","srid":3187}"#;
    let empty = b"\x01\x07\0\0\0\0\0\0\0";
    for name in ["Geometry", "Geography"] {
        check(
            &named("struct", &format!("io.debezium.data.geometry.{name}")),
            &[
                (json, Ok(Value::Geometry(Geometry::new(wkb, Some(3187))))),
                (
                    r#"{"wkb":"AQcAAAAAAAAA","srid":null,"extensions":null}"#,
                    Ok(Value::Geometry(Geometry::new(empty, None))),
                ),
                (
                    r#"{"wkb":"AQcAAAAAAAAA","extensions":{"closed":"true","type":"path"}}"#,
                    Ok(Value::Geometry(
                        Geometry::new(empty, None).with_native(Some(NativeShape::ClosedPath)),
                    )),
                ),
                (r#"{"wkb":"AQcAAAAAAAAA","extensions":{"type":"path"}}"#, TEXT),
                (r#"{"wkb":"AQcAAAAAAAAA","extensions":{"type":"blob"}}"#, TEXT),
                (r#"{"wkb":"AQ=="}"#, TEXT),
                (r#"{"srid":4326}"#, TEXT),
                (r#"{"wkb":"AQcAAAAAAAAA","srid":3000000000}"#, RANGE),
            ],
        );
    }
    check(
        &named("struct", "io.debezium.data.geometry.Circle"),
        &[
            (
                r#"{"center":{"x":10.0,"y":4.0,"wkb":null,"srid":null},"radius":10.0}"#,
                Ok(Value::Text("<(10,4),10>")),
            ),
            (r#"{"radius":10.0}"#, TEXT),
        ],
    );
    check(
        &named("struct", "io.debezium.data.geometry.Line"),
        &[(r#"{"a":-1.0,"b":0.0,"c":0.5}"#, Ok(Value::Text("{-1,0,0.5}")))],
    );
}

#[test]
fn vectors_are_arrays_of_floats_and_sparse_ones_are_not() {
    let dense = |kind: &str, name: &str| {
        format!(
            r#"{{"type":"array","items":{{"type":"{kind}"}},"name":"io.debezium.data.{name}"}}"#
        )
    };
    let vector = dense("double", "DoubleVector");
    expect(&vector, "[1.0,-2.5]", array(&[Value::Float64(1.0), Value::Float64(-2.5)]));
    expect(&dense("float", "FloatVector"), "[101.0]", array(&[Value::Float32(101.0)]));
    check(&vector, &[("[1.0,null]", TEXT), ("[[1.0]]", WRONG), ("{}", WRONG)]);
    for name in ["SparseDoubleVector", "SparseVector"] {
        let schema = named("struct", &format!("io.debezium.data.{name}"));
        let json = r#"{"dimensions":3000,"vector":[[1,201.0],[9,209.0]]}"#;
        described(&schema, json, |value| {
            let Ok(Value::SparseVector(vector)) = value else { panic!("{value:?}") };
            assert_eq!(vector.dimensions(), 3_000);
            assert_eq!(vector.iter().collect::<Vec<_>>(), [(1, 201.0), (9, 209.0)]);
            assert_eq!(format!("{vector:?}"), "{1:201,9:209}/3000");
        });
        check(
            &schema,
            &[
                (r#"{"dimensions":3,"vector":[[4,1.0]]}"#, RANGE),
                (r#"{"dimensions":3,"vector":[[0,1.0]]}"#, RANGE),
                (r#"{"dimensions":-1,"vector":[]}"#, RANGE),
                (r#"{"dimensions":3}"#, TEXT),
                (r#"{"dimensions":3,"vector":[[1]]}"#, TEXT),
                (r#"{"dimensions":3,"vector":[],"vector":[]}"#, Err("duplicate_field")),
            ],
        );
    }
}

#[test]
fn bytes_in_other_forms_need_a_declaration() {
    let bytes = Ok(Value::Bytes(b"\xde\xad\xbe\xef\0\xff"));
    for (semantic, json, expected) in [
        ("bytes(hex)", "\"deadbeef00ff\"", bytes),
        ("bytes(hex)", "\"DEADBEEF00FF\"", bytes),
        ("bytes(hex)", "\"\"", Ok(Value::Bytes(b""))),
        ("bytes(hex)", "\"dea\"", TEXT),
        ("bytes(hex)", "\"\\\\xde\"", TEXT),
        ("bytes(base64url)", "\"3q2-7wD_\"", bytes),
        ("bytes(base64url)", "\"J2ZhdCcgPC0-ICdjYXQn\"", Ok(Value::Bytes(b"'fat' <-> 'cat'"))),
        ("bytes(base64url)", "\"3q2+7wD/\"", TEXT),
        ("bytes(base64url)", "\"AQ\"", TEXT),
    ] {
        declared(semantic, json, |value| assert_eq!(value, expected, "{json} as {semantic}"));
    }
}

#[test]
fn documents_labels_and_years_keep_what_they_are() {
    for name in ["Xml", "Ltree", "Tsvector", "EnumSet"] {
        check(
            &named("string", &format!("io.debezium.data.{name}")),
            &[("\"'a':1 'b'\"", Ok(Value::Text("'a':1 'b'"))), ("1", WRONG)],
        );
    }
    check(&named("int32", "io.debezium.time.Year"), &[("2024", Ok(Value::Int32(2024)))]);
}

/// The values that the connector cannot send whole, and what is left of them.
#[test]
fn what_the_connector_has_lost_arrives_as_what_is_left() {
    let decimal = |unscaled, scale| Value::Decimal(Decimal::Small { unscaled, scale });
    let time = |nanos| Value::Time(Time::from_nanos(nanos));
    let millis = |millis| Value::Timestamp(Timestamp::Millis(millis));
    let days = 86_400_000_000_000;
    for (semantic, json, left) in [
        // 12:34:56.123456+05:30 without its offset.
        (
            "timetz",
            "\"07:04:56.123456Z\"",
            Value::ZonedTime(ZonedTime {
                time: Time::from_nanos(25_496_123_456_000),
                offset_seconds: 0,
            }),
        ),
        // B'00' of bit varying, and every other of zeros alone.
        ("varbits(20)", "\"\"", Value::Bits(Bits::new(&[], None).unwrap())),
        // NaN and 0.10 in decimal mode precise.
        ("decimal", "null", Value::Null),
        ("decimal", r#"{"scale":1,"value":"AQ=="}"#, decimal(1, 1)),
        // The same in decimal mode string, where both are whole.
        ("decimal", "\"NAN\"", Value::Decimal(Decimal::NaN)),
        ("decimal", "\"0.10\"", decimal(10, 2)),
        // 30 digits, and the least amount of money, in decimal mode double.
        ("float64", "1.2345678901234568E29", Value::Float64(1.234_567_890_123_456_8e29)),
        ("float64", "-9.223372036854776E16", Value::Float64(-92_233_720_368_547_760.0)),
        // 1 year 2 mons 3 days 04:05:06.789 as 429.125 days and a time.
        (
            "interval",
            "37091106789000",
            Value::Interval(Interval { months: 0, days: 0, micros: 37_091_106_789_000 }),
        ),
        // 23:59:59.999999, 24:00:00 and a timestamp with microseconds in time mode connect.
        ("time(millis)", "86399999", time(days - 1_000_000)),
        ("time(millis)", "86400000", time(days)),
        ("timestamp(millis)", "1709251199999", millis(1_709_251_199_999)),
        // 24:00:00 in time mode isostring.
        ("time(iso)", "\"00:00:00Z\"", time(0)),
        // 294247-01-10 04:00:25.2, which looks like the infinity.
        ("timestamp(micros)", "9223372036825200000", Value::Timestamp(Timestamp::Infinity)),
    ] {
        declared(semantic, json, |value| assert_eq!(value, Ok(left), "{json} as {semantic}"));
    }
}
