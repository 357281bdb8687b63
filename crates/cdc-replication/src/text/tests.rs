//! Texts as the server writes them, with the values that they are.

mod compound;

use cdc_core::{
    Bits, Date, Decimal, Geometry, Interval, NativeShape, Point, RowBuffer, SemanticType, Time,
    Timestamp, Value, ZonedTime,
};

use super::{TextError, put, put_shape};

/// Calls `check` with the value of a text in a column of the type that the words name.
fn with(declared: &str, text: &str, check: impl FnOnce(Result<Value<'_>, TextError>)) {
    let semantic = SemanticType::parse(declared).unwrap();
    let mut buffer = RowBuffer::new();
    let result = put(&mut buffer, 1, &semantic, text);
    let shape = shape([SemanticType::Int32, semantic]);
    let row = buffer.row(&shape, "");
    assert_eq!(row.get(0), Value::Null);
    assert_eq!(buffer.len(), 2, "{declared} {text} leaves nothing behind its cell");
    if result.is_err() {
        assert_eq!(row.get(1), Value::Null, "{declared} {text}");
    }
    check(result.map(|()| row.get(1)));
}

fn shape<const N: usize>(types: [SemanticType; N]) -> std::sync::Arc<cdc_core::RowShape> {
    let column = |semantic| cdc_core::Column::new("c", semantic);
    std::sync::Arc::new(cdc_core::RowShape::new(types.into_iter().map(column).collect()))
}

/// Each text is this value.
fn reads(declared: &str, cases: &[(&str, Value<'_>)]) {
    for (text, expected) in cases {
        with(declared, text, |value| assert_eq!(value, Ok(*expected), "{declared} {text}"));
    }
}

/// Each text is refused, in this class.
fn refuses(declared: &str, code: &str, texts: &[&str]) {
    for text in texts {
        with(declared, text, |value| {
            let error = value.expect_err(&format!("{declared} {text}"));
            assert_eq!(error.code(), code, "{declared} {text}");
        });
    }
}

/// Each text is a value that looks so for people, without the name of its kind.
fn shows(declared: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        with(declared, text, |value| {
            let shown = format!("{:?}", value.unwrap());
            let inside = shown.split_once('(').and_then(|(_, inside)| inside.strip_suffix(')'));
            assert_eq!(inside, Some(*expected), "{declared} {text}");
        });
    }
}

fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::Decimal(Decimal::Small { unscaled, scale })
}

#[test]
fn booleans_and_integers_are_what_they_say() {
    reads(
        "boolean",
        &[
            ("t", Value::Bool(true)),
            ("f", Value::Bool(false)),
            ("1", Value::Bool(true)),
            ("0", Value::Bool(false)),
        ],
    );
    refuses("boolean", "text_invalid", &["", "true", "10", "T"]);
    reads("int16", &[("-32768", Value::Int16(i16::MIN)), ("32767", Value::Int16(i16::MAX))]);
    reads("int32", &[("-2147483648", Value::Int32(i32::MIN)), ("0", Value::Int32(0))]);
    reads("int64", &[("-9223372036854775808", Value::Int64(i64::MIN))]);
    reads("int64", &[("4294967295", Value::Int64(4_294_967_295))]);
    refuses("int16", "text_invalid", &["32768", "", " 1", "1.0", "0x1"]);
    refuses("int64", "text_invalid", &["9223372036854775808", "1e3"]);
}

#[test]
fn floats_are_neither_rounded_away_nor_to_infinity() {
    reads(
        "float64",
        &[
            ("-0.1", Value::Float64(-0.1)),
            ("5e-324", Value::Float64(5e-324)),
            ("1.7976931348623157e+308", Value::Float64(f64::MAX)),
            ("Infinity", Value::Float64(f64::INFINITY)),
            ("-Infinity", Value::Float64(f64::NEG_INFINITY)),
            ("0", Value::Float64(0.0)),
        ],
    );
    reads("float32", &[("3.4028235e+38", Value::Float32(f32::MAX)), ("-1", Value::Float32(-1.0))]);
    with("float64", "NaN", |value| {
        assert!(matches!(value, Ok(Value::Float64(number)) if number.is_nan()));
    });
    with("float64", "-0", |value| {
        assert!(matches!(value, Ok(Value::Float64(number)) if number.is_sign_negative()));
    });
    refuses("float32", "text_out_of_range", &["1e39", "-1e39", "1e-60"]);
    refuses("float64", "text_out_of_range", &["1e400", "1e-400"]);
    refuses("float64", "text_invalid", &["", "inf", "nan", "infinity", "1,5", "-", ".5"]);
}

#[test]
fn decimals_keep_every_digit_and_the_zeros_at_their_end() {
    reads(
        "decimal(10,2)",
        &[
            ("1234.50", decimal(123_450, 2)),
            ("-0.01", decimal(-1, 2)),
            ("0.00", decimal(0, 2)),
            ("99999999.99", decimal(9_999_999_999, 2)),
            ("NaN", Value::Decimal(Decimal::NaN)),
        ],
    );
    refuses("decimal(10,2)", "text_out_of_range", &["1.234"]);
    refuses("decimal(10,2)", "text_invalid", &["", "-", ".", "1,5", "a", "--1", "1-"]);
    reads(
        "decimal",
        &[
            ("0.10", decimal(10, 2)),
            ("100", decimal(100, 0)),
            ("0.00000000000000000001", decimal(1, 20)),
            ("999999999999999999", decimal(999_999_999_999_999_999, 0)),
            ("-99999999999999999.9", decimal(-999_999_999_999_999_999, 1)),
            ("123456789012345678901234567890", decimal(123_456_789_012_345_678_901_234_567_890, 0)),
            ("Infinity", Value::Decimal(Decimal::Infinity)),
            ("-Infinity", Value::Decimal(Decimal::NegInfinity)),
        ],
    );
    // A negative scale is one of 2046 to the connector's driver; the text says the number.
    reads("decimal(5,2046)", &[("12300", decimal(12_300, 0))]);
    let long = format!("-{}.{}", "1234567890".repeat(13_107), "0987654321".repeat(1_638));
    with("decimal", &long, |value| {
        let Ok(Value::Decimal(wide @ Decimal::Wide { .. })) = value else {
            panic!("a wide number")
        };
        assert_eq!(wide.to_string(), long);
    });
}

#[test]
fn money_is_read_in_any_locale_with_the_digits_of_its_type() {
    reads(
        "decimal(*,2)",
        &[
            ("$12.34", decimal(1_234, 2)),
            ("-$92,233,720,368,547,758.08", decimal(i64::MIN.into(), 2)),
            ("$92,233,720,368,547,758.07", decimal(i64::MAX.into(), 2)),
            ("-1.234,56 €", decimal(-123_456, 2)),
            ("1\u{202f}234,56 €", decimal(123_456, 2)),
            ("(£1,234.56)", decimal(-123_456, 2)),
            ("CHF-1'234.50", decimal(-123_450, 2)),
            ("Kr. 0,01", decimal(1, 2)),
            ("1.234,56 лв.", decimal(123_456, 2)),
            ("₹1,23,456.00", decimal(12_345_600, 2)),
            ("12.34-", decimal(-1_234, 2)),
        ],
    );
    // Currencies of no or of three digits: the same text would be another amount.
    refuses("decimal(*,2)", "text_invalid", &["¥1,235", "¥123", "KWD 1.234", "$", "", "$1x2.00"]);
}

#[test]
fn days_have_an_era_and_years_of_any_length() {
    let days = |days| Value::Date(Date::Days(days));
    reads(
        "date",
        &[
            ("1970-01-01", days(0)),
            ("2024-02-29", days(19_782)),
            ("0001-01-01", days(-719_162)),
            ("0001-12-31 BC", days(-719_163)),
            ("4713-01-01 BC", days(-2_440_550)),
            ("12024-02-29", days(3_672_207)),
            ("5874897-12-31", days(2_145_042_905)),
            ("infinity", Value::Date(Date::Infinity)),
            ("-infinity", Value::Date(Date::NegInfinity)),
        ],
    );
    refuses(
        "date",
        "text_invalid",
        &[
            "",
            "2023-02-29",
            "0000-01-01",
            "24-01-01",
            "2024-1-1",
            "01.02.2024",
            "2024-02-29 AD",
            "Infinity",
        ],
    );
}

#[test]
fn times_of_day_end_with_the_day() {
    let nanos = |nanos| Value::Time(Time::from_nanos(nanos));
    reads(
        "time(micros)",
        &[
            ("00:00:00", nanos(0)),
            ("12:34:56.123456", nanos(45_296_123_456_000)),
            ("12:34:56.1", nanos(45_296_100_000_000)),
            ("24:00:00", nanos(86_400_000_000_000)),
        ],
    );
    reads("time(millis)", &[("00:00:00.001", nanos(1_000_000))]);
    refuses("time(millis)", "text_out_of_range", &["00:00:00.0001"]);
    refuses(
        "time(micros)",
        "text_invalid",
        &[
            "24:00:00.000001",
            "23:60:00",
            "25:00:00",
            "12:34",
            "12:34:56.",
            "12:34:56.1234567",
            "12:34:56+00",
        ],
    );
    let zoned = |micros: i64, offset_seconds| {
        Value::ZonedTime(ZonedTime { time: Time::from_nanos(micros * 1_000), offset_seconds })
    };
    reads(
        "timetz",
        &[
            ("12:34:56.123456+05:30", zoned(45_296_123_456, 19_800)),
            ("24:00:00-08", zoned(86_400_000_000, -28_800)),
            ("00:00:00+15:59:59", zoned(0, 57_599)),
            ("00:00:00-15:59", zoned(0, -57_540)),
        ],
    );
    refuses("timetz", "text_invalid", &["12:34:56", "12:34:56+16", "12:34:56Z", "12:34:56+5"]);
}

#[test]
fn moments_are_exact_up_to_the_last_one() {
    let micros = |count| Value::Timestamp(Timestamp::Micros(count));
    reads(
        "timestamp(micros)",
        &[
            ("1970-01-01 00:00:00", micros(0)),
            ("2024-02-29 12:34:56.123456", micros(1_709_210_096_123_456)),
            ("1969-12-31 23:59:59.999999", micros(-1)),
            ("0001-12-31 23:59:59.999999 BC", micros(-62_135_596_800_000_001)),
            ("4713-01-01 00:00:00.000001 BC", micros(-210_863_519_999_999_999)),
            ("294247-01-10 04:00:54.775807", micros(i64::MAX)),
            ("294247-01-10 04:00:25.2", micros(9_223_372_036_825_200_000)),
            // Beyond 64 bits of microseconds since 1970.
            (
                "294276-12-31 23:59:59.999999",
                Value::Timestamp(Timestamp::MicrosSince2000(9_223_371_331_199_999_999)),
            ),
            (
                "294276-12-31 23:59:59.999",
                Value::Timestamp(Timestamp::Millis(9_224_318_015_999_999)),
            ),
            ("infinity", Value::Timestamp(Timestamp::Infinity)),
            ("-infinity", Value::Timestamp(Timestamp::NegInfinity)),
        ],
    );
    let millis = |count| Value::Timestamp(Timestamp::Millis(count));
    reads(
        "timestamp(millis)",
        &[
            ("1969-12-31 23:59:59.999", millis(-1)),
            ("294276-12-31 23:59:59.999", millis(9_224_318_015_999_999)),
        ],
    );
    refuses("timestamp(millis)", "text_out_of_range", &["2024-02-29 12:34:56.1234"]);
    reads(
        "timestamp(nanos)",
        &[
            ("1970-01-01 00:00:00.000001", Value::Timestamp(Timestamp::Nanos(1_000))),
            ("2262-04-12 00:00:00", micros(9_223_372_800_000_000)),
        ],
    );
    let instant = |count| Value::Instant(Timestamp::Micros(count));
    reads(
        "timestamptz",
        &[
            ("2024-02-29 10:34:56.123456+00", instant(1_709_202_896_123_456)),
            ("2024-02-29 12:34:56.123456+02", instant(1_709_202_896_123_456)),
            ("1970-01-01 05:30:00+05:30", instant(0)),
            ("1969-12-31 16:00:00-08", instant(0)),
            ("4713-01-02 00:00:00+00 BC", instant(-210_863_433_600_000_000)),
            ("infinity", Value::Instant(Timestamp::Infinity)),
        ],
    );
    refuses(
        "timestamp(micros)",
        "text_invalid",
        &["2024-02-29", "2024-02-29T00:00:00", "2024-02-29 00:00:00+00", "2023-02-29 00:00:00", ""],
    );
    refuses("timestamptz", "text_invalid", &["2024-02-29 00:00:00", "2024-02-29 00:00:00 BC"]);
}

#[test]
fn spans_keep_months_days_and_microseconds_apart() {
    let span = |months, days, micros| Value::Interval(Interval { months, days, micros });
    reads(
        "interval",
        &[
            ("00:00:00", span(0, 0, 0)),
            ("1 year 2 mons 3 days 04:05:06.789", span(14, 3, 14_706_789_000)),
            ("1 year 2 mons -3 days +04:05:06.789", span(14, -3, 14_706_789_000)),
            ("-1 mons +1 days -00:00:00.5", span(-1, 1, -500_000)),
            ("1 mon -1 days +00:00:01", span(1, -1, 1_000_000)),
            ("2562047788:00:54.775807", span(0, 0, i64::MAX)),
            ("-2562047788:00:54.775808", span(0, 0, i64::MIN)),
            ("178956970 years 7 mons -2147483648 days", span(i32::MAX, i32::MIN, 0)),
            ("-178956970 years -8 mons +2147483647 days", span(i32::MIN, i32::MAX, 0)),
        ],
    );
    refuses("interval", "text_out_of_range", &["infinity", "-infinity"]);
    refuses(
        "interval",
        "text_invalid",
        &[
            "",
            "P1Y",
            "1",
            "1 week",
            "@ 1 year",
            "00:00:00 1 day",
            "2562047788:00:54.775808",
            "178956971 years",
        ],
    );
}

#[test]
fn texts_keep_their_characters() {
    for declared in ["text", "xml", "ltree", "tsvector", "enum", "enumset", "json"] {
        for text in ["a \"b\" \\ 🎉", "NULL", "null", "__debezium_unavailable_value", "{}", " "] {
            reads(declared, &[(text, Value::Text(text))]);
        }
    }
    reads("text", &[("", Value::Text(""))]);
}

#[test]
fn an_hstore_is_told_from_a_document() {
    reads(
        "json",
        &[
            ("", Value::Text("{}")),
            (r#""a"=>"1", "b"=>NULL"#, Value::Text(r#"{"a":"1","b":null}"#)),
            (r#""q\"k"=>"b\\v", "日"=>"a, b""#, Value::Text(r#"{"q\"k":"b\\v","日":"a, b"}"#)),
            (r#"""=>"""#, Value::Text(r#"{"":""}"#)),
            (r#""null"=>"NULL""#, Value::Text(r#"{"null":"NULL"}"#)),
            // Documents that begin in the same way.
            (r#""a""#, Value::Text(r#""a""#)),
            (r#""\"=>\"""#, Value::Text(r#""\"=>\"""#)),
            (r#"{"a": 1,  "a": 1.50}"#, Value::Text(r#"{"a": 1,  "a": 1.50}"#)),
        ],
    );
    refuses("json", "text_invalid", &[r#""a"=>"1", "#, r#""a"=>"1", "b""#, r#""a"=>"1", "b"=>x"#]);
    shows(
        "map",
        &[(r#""a"=>"1", "b"=>NULL"#, r#"{Text("a"): Text("1"), Text("b"): Null}"#), ("", "{}")],
    );
    with("map", r#""a"=>"1", "b""#, |value| assert!(value.is_err()));
}

#[test]
fn bytes_are_hexadecimal_or_the_text_of_an_unknown_type() {
    reads(
        "bytes",
        &[
            ("\\x", Value::Bytes(b"")),
            ("\\xdeadBEEF00ff", Value::Bytes(b"\xde\xad\xbe\xef\x00\xff")),
            ("16/B374D848", Value::Bytes(b"16/B374D848")),
            ("", Value::Bytes(b"")),
        ],
    );
    refuses("bytes", "text_invalid", &["\\xd", "\\xzz"]);
    let uuid = 0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11_u128.to_be_bytes();
    reads("uuid", &[("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", Value::Uuid(uuid))]);
    refuses(
        "uuid",
        "text_invalid",
        &[
            "",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
        ],
    );
}
