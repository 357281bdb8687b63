//! Values that are made of others.

use super::*;

#[test]
fn bit_strings_keep_their_length() {
    let bits = |bytes, length| Value::Bits(Bits::new(bytes, Some(length)).unwrap());
    reads(
        "bits(12)",
        &[("101010101010", bits(&[0xaa, 0x0a], 12)), ("000000000001", bits(&[1], 12))],
    );
    refuses("bits(12)", "text_out_of_range", &["1", "1010101010101"]);
    refuses("bits(2)", "text_invalid", &["12"]);
    reads(
        "varbits",
        &[("0011", bits(&[3], 4)), ("", bits(&[], 0)), ("100000000", bits(&[0, 1], 9))],
    );
    refuses("varbits(3)", "text_out_of_range", &["0000"]);
    with("varbits", &"01".repeat(40), |value| {
        let Ok(Value::Bits(bits)) = value else { panic!("a bit string") };
        assert_eq!(bits.to_string(), "01".repeat(40));
    });
}

#[test]
fn arrays_have_dimensions_quotes_and_nulls() {
    shows(
        "array(int32)",
        &[
            ("{}", "[]"),
            ("{1,NULL,3}", "[Int32(1), Null, Int32(3)]"),
            ("{{1,2},{3,NULL}}", "[Array([Int32(1), Int32(2)]), Array([Int32(3), Null])]"),
            ("[0:2]={1,2,3}", "[Int32(1), Int32(2), Int32(3)]"),
            (
                "[-1:0][2:3]={{1,2},{3,4}}",
                "[Array([Int32(1), Int32(2)]), Array([Int32(3), Int32(4)])]",
            ),
            ("{{{{{{1}}}}}}", "[Array([Array([Array([Array([Array([Int32(1)])])])])])]"),
        ],
    );
    shows(
        "array(text)",
        &[
            (r#"{a,"b,c","d\"e",NULL}"#, r#"[Text("a"), Text("b,c"), Text("d\"e"), Null]"#),
            (
                r#"{"","NULL",null,"{}","\\"," a"}"#,
                r#"[Text(""), Text("NULL"), Text("null"), Text("{}"), Text("\\"), Text(" a")]"#,
            ),
            (r#"{"[1:2]={x}",a=b}"#, r#"[Text("[1:2]={x}"), Text("a=b")]"#),
        ],
    );
    shows("array(bytes)", &[(r#"{"\\xdead",NULL}"#, "[Bytes([222, 173]), Null]")]);
    shows(
        "array(timestamptz)",
        &[(
            r#"{"2023-12-31 22:00:00+00",infinity}"#,
            "[Instant(Micros(1704060000000000)), Instant(Infinity)]",
        )],
    );
    shows(
        "array(json)",
        &[(r#"{"\"a\"=>\"1\"","{\"a\": 1}"}"#, r#"[Text("{\"a\":\"1\"}"), Text("{\"a\": 1}")]"#)],
    );
    refuses(
        "array(int32)",
        "text_invalid",
        &[
            "",
            "1",
            "{",
            "{1",
            "{1,}",
            "{,1}",
            "{1}}",
            "{{1},2}",
            "{1,{2}}",
            "{{1},{2,3}}",
            "{{},{}}",
            "{x}",
            "{{{{{{{1}}}}}}}",
            "{1;2}",
        ],
    );
    refuses("array(text)", "text_invalid", &["{\"a}", "{\"a\"b}", "{a\"b\"}", "{a\\b}"]);
}

#[test]
fn vectors_are_arrays_of_numbers() {
    shows("vector", &[("[1,-2.5,0.1]", "[Float64(1.0), Float64(-2.5), Float64(0.1)]")]);
    shows("halfvec", &[("[65504,6e-08]", "[Float32(65504.0), Float32(6e-8)]")]);
    shows("sparsevec", &[("{1:1.5,3:-2}/5", "{1:1.5,3:-2}/5"), ("{}/100000", "{}/100000")]);
    refuses("sparsevec", "text_out_of_range", &["{6:1}/5", "{0:1}/5"]);
    refuses("sparsevec", "text_invalid", &["{1:1}", "{1}/5", "{1:1,}/5", "[1]"]);
    refuses("vector", "text_invalid", &["{1}", "[1", "[1,]", "[]"]);
}

#[test]
fn points_and_shapes_keep_their_coordinates() {
    reads("point", &[("(1.5,-2.5)", Value::Point(Point { x: 1.5, y: -2.5, srid: None }))]);
    shows("point", &[("(NaN,Infinity)", "Point { x: NaN, y: inf, srid: None }")]);
    refuses("point", "text_invalid", &["1,2", "(1)", "(1,2,3)", ""]);
    reads("circle", &[("<(1,2.5),3>", Value::Text("<(1,2.5),3>"))]);
    reads("circle", &[("<(1e+10,-1),0.5>", Value::Text("<(10000000000,-1),0.5>"))]);
    reads("line", &[("{1,-1,0.5}", Value::Text("{1,-1,0.5}"))]);
    refuses("circle", "text_invalid", &["(1,2,3)", "<(1,2)>", "<1,2,3>"]);
    refuses("line", "text_invalid", &["{1,2}", "{1,2,3,4}", "1,2,3"]);
    let wkb = [1, 1, 0, 0, 0x20, 0xe6, 0x10, 0, 0, 7];
    reads(
        "geometry",
        &[("0101000020E610000007", Value::Geometry(Geometry::new(&wkb, Some(4326))))],
    );
    reads("geography", &[("0101000000", Value::Geometry(Geometry::new(&[1, 1, 0, 0, 0], None)))]);
    refuses("geometry", "text_invalid", &["", "01", "0201000000", "01010000200000", "POINT(1 2)"]);
    shows(
        "array(geometry)",
        &[(
            "{0101000000:NULL:0001000000}",
            "[Geometry(Geometry { wkb: [1, 1, 0, 0, 0], srid: 0, has_srid: false, native: None }), Null, Geometry(Geometry { wkb: [0, 1, 0, 0, 0], srid: 0, has_srid: false, native: None })]",
        )],
    );
    with("array(geometry)", "{(2,3),(0,1);NULL;(0,0),(0,0)}", |value| {
        let Ok(Value::Array(boxes)) = value else { panic!("an array") };
        assert_eq!(boxes.len(), 3);
        assert_eq!(boxes.get(1), Some(Value::Null));
    });
}

#[test]
fn shapes_of_postgresql_become_well_known_binary() {
    use NativeShape::{Box, ClosedPath, OpenPath, Polygon, Segment};
    let doubles = |numbers: &[f64]| {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>()
    };
    let line = |count: u8, numbers: &[f64]| {
        [vec![1, 2, 0, 0, 0, count, 0, 0, 0], doubles(numbers)].concat()
    };
    let ring = |count: u8, numbers: &[f64]| {
        [vec![1, 3, 0, 0, 0, 1, 0, 0, 0, count, 0, 0, 0], doubles(numbers)].concat()
    };
    for (declared, text, native, wkb) in [
        (Box, "(2,3),(0,1)", Box, ring(5, &[2., 3., 2., 1., 0., 1., 0., 3., 2., 3.])),
        (Segment, "[(0,0),(1,2.5)]", Segment, line(2, &[0., 0., 1., 2.5])),
        (OpenPath, "[(0,0),(1,1)]", OpenPath, line(2, &[0., 0., 1., 1.])),
        (OpenPath, "((0,0))", ClosedPath, line(1, &[0., 0.])),
        (ClosedPath, "[(0,0)]", OpenPath, line(1, &[0., 0.])),
        (Polygon, "((0,0),(0,1),(2,0))", Polygon, ring(4, &[0., 0., 0., 1., 2., 0., 0., 0.])),
        (Polygon, "((0,0))", Polygon, ring(1, &[0., 0.])),
        (Polygon, "((1,1),(1,1))", Polygon, ring(2, &[1., 1., 1., 1.])),
    ] {
        let mut buffer = RowBuffer::new();
        buffer.push(Value::Null);
        put_shape(&mut buffer, 0, declared, text).unwrap();
        let shape = shape([SemanticType::Geometry]);
        let expected = Geometry::new(&wkb, None).with_native(Some(native));
        assert_eq!(buffer.row(&shape, "").get(0), Value::Geometry(expected), "{text}");
    }
    let mut buffer = RowBuffer::new();
    for (declared, text) in [
        (Box, "(2,3)"),
        (Box, "[(2,3),(0,1)]"),
        (Segment, "[(0,0)]"),
        (Segment, "((0,0),(1,1))"),
        (Polygon, "()"),
        (OpenPath, "[]"),
        (OpenPath, "[(0,0),]"),
    ] {
        let error = put_shape(&mut buffer, 0, declared, text).unwrap_err();
        assert_eq!(error.code(), "text_invalid", "{text}");
    }
}

#[test]
fn types_that_no_catalog_has_are_refused() {
    let mut buffer = RowBuffer::new();
    for semantic in [SemanticType::SelfEvident, SemanticType::Unsupported { name: "x".to_owned() }]
    {
        assert_eq!(put(&mut buffer, 0, &semantic, "1"), Err(TextError::Untyped {}));
    }
    let numbers = SemanticType::parse("map(int32,text)").unwrap();
    assert_eq!(put(&mut buffer, 0, &numbers, ""), Err(TextError::Untyped {}));
}
