//! Each type by table: what stands in the message, and the value or the error it becomes.

use debezium_envelope::{
    Date, Decimal, Declarations, Limits, Message, MessageDecoder, SemanticType, Time, Timestamp,
    Value,
};

/// Decodes one value under a Connect schema; errors are their codes.
pub(crate) fn described<T>(
    schema: &str,
    json: &str,
    look: impl FnOnce(Result<Value<'_>, &str>) -> T,
) -> T {
    let head = schema.strip_suffix('}').unwrap();
    let key = format!(
        r#"{{"schema":{{"type":"struct","fields":[{head},"field":"v"}}]}},"payload":{{"v":{json}}}}}"#
    );
    decode(Declarations::none(), &key, look)
}

/// Decodes one value of a declared type.
pub(crate) fn declared<T>(
    semantic: &str,
    json: &str,
    look: impl FnOnce(Result<Value<'_>, &str>) -> T,
) -> T {
    let mut declarations = Declarations::none();
    declarations.declare("public.t", "v", SemanticType::parse(semantic).unwrap());
    decode(declarations, &format!(r#"{{"v":{json}}}"#), look)
}

fn decode<T>(
    declarations: Declarations,
    key: &str,
    look: impl FnOnce(Result<Value<'_>, &str>) -> T,
) -> T {
    let mut decoder = MessageDecoder::new(declarations, Limits::default());
    match decoder.decode(Some(key.as_bytes()), None) {
        Ok(Message::Tombstone(tombstone)) => look(Ok(tombstone.key.unwrap().get(0))),
        Ok(message) => panic!("{message:?}"),
        Err(error) => look(Err(error.code())),
    }
}

pub(crate) fn check(schema: &str, cases: &[(&str, Result<Value<'_>, &str>)]) {
    for (json, expected) in cases {
        described(schema, json, |value| assert_eq!(value, *expected, "{json} as {schema}"));
    }
}

pub(crate) fn named(kind: &str, name: &str) -> String {
    format!(r#"{{"type":"{kind}","optional":true,"name":"{name}","version":1}}"#)
}

pub(crate) const WRONG: Result<Value<'static>, &str> = Err("wrong_type");
pub(crate) const RANGE: Result<Value<'static>, &str> = Err("out_of_range");
pub(crate) const TEXT: Result<Value<'static>, &str> = Err("invalid_text");
const DECIMAL: Result<Value<'static>, &str> = Err("decimal_invalid");

#[test]
fn booleans_and_integers_hold_their_range() {
    check(
        r#"{"type":"boolean"}"#,
        &[
            ("true", Ok(Value::Bool(true))),
            ("null", Ok(Value::Null)),
            ("1", WRONG),
            ("\"t\"", WRONG),
        ],
    );
    check(
        r#"{"type":"int16"}"#,
        &[("-32768", Ok(Value::Int16(i16::MIN))), ("32768", RANGE), ("1.0", WRONG), ("1e2", WRONG)],
    );
    check(
        r#"{"type":"int32"}"#,
        &[("2147483647", Ok(Value::Int32(i32::MAX))), ("2147483648", RANGE), ("[]", WRONG)],
    );
    check(
        r#"{"type":"int64"}"#,
        &[
            ("9223372036854775807", Ok(Value::Int64(i64::MAX))),
            ("-9223372036854775808", Ok(Value::Int64(i64::MIN))),
            ("9223372036854775808", RANGE),
            ("\"1\"", WRONG),
        ],
    );
}

#[test]
fn floats_parse_in_their_own_width() {
    check(
        r#"{"type":"float"}"#,
        &[
            ("3.4028235E38", Ok(Value::Float32(f32::MAX))),
            ("0.1", Ok(Value::Float32(0.1))),
            // Rounding to 64 bits first would give the neighbour.
            ("1.00000017881393432617187499", Ok(Value::Float32(1.000_000_1))),
            ("1e39", RANGE),
            ("\"-Infinity\"", Ok(Value::Float32(f32::NEG_INFINITY))),
        ],
    );
    check(
        r#"{"type":"double"}"#,
        &[
            ("1.7976931348623157E308", Ok(Value::Float64(f64::MAX))),
            ("7", Ok(Value::Float64(7.0))),
            ("1e309", RANGE),
            ("\"Infinity\"", Ok(Value::Float64(f64::INFINITY))),
            ("\"inf\"", TEXT),
            ("true", WRONG),
        ],
    );
    described(r#"{"type":"double"}"#, "\"NaN\"", |value| {
        assert!(matches!(value, Ok(Value::Float64(number)) if number.is_nan()));
    });
}

#[test]
fn text_json_and_enums_keep_their_characters() {
    let cases = [
        ("\"abc     \"", Ok(Value::Text("abc     "))),
        ("\"\"", Ok(Value::Text(""))),
        (r#""日本 \uD83C\uDF89 \"q\" ü""#, Ok(Value::Text("日本 🎉 \"q\" ü"))),
        ("\"__debezium_unavailable_value\"", Ok(Value::Unavailable)),
        ("7", WRONG),
    ];
    check(r#"{"type":"string"}"#, &cases);
    check(&named("string", "io.debezium.data.Enum"), &cases);
    check(&named("string", "io.debezium.data.Json"), &cases);
    let map = r#""{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}""#;
    check(
        &named("string", "io.debezium.data.Json"),
        &[
            (map, Ok(Value::Unavailable)),
            (r#""{\"a\": 1,  \"b\":[1,2,null]}""#, Ok(Value::Text(r#"{"a": 1,  "b":[1,2,null]}"#))),
            ("\"null\"", Ok(Value::Text("null"))),
        ],
    );
}

#[test]
fn bytes_are_strict_base64() {
    check(
        r#"{"type":"bytes"}"#,
        &[
            ("\"3q2+7wD/\"", Ok(Value::Bytes(b"\xde\xad\xbe\xef\0\xff"))),
            ("\"\"", Ok(Value::Bytes(b""))),
            ("\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"", Ok(Value::Unavailable)),
            ("\"3q2-7wD_\"", TEXT),
            ("\"AJw\"", TEXT),
            ("5", WRONG),
        ],
    );
}

#[test]
fn decimals_of_fixed_scale_come_as_bytes_or_exact_numbers() {
    let schema = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
    let decimal = |unscaled| Ok(Value::Decimal(Decimal::Small { unscaled, scale: 2 }));
    check(
        schema,
        &[
            ("\"AeI6\"", decimal(123_450)),
            ("\"1234\"", decimal(-2_658_824)),
            ("1.56", decimal(156)),
            ("1.5", decimal(150)),
            ("1E+3", decimal(100_000)),
            ("0E-8", decimal(0)),
            ("1.567", DECIMAL),
            ("\"\"", DECIMAL),
            ("\"AJw\"", DECIMAL),
            ("\"AJw==\"", DECIMAL),
            ("\"AJ=w\"", DECIMAL),
            ("\"_2Q=\"", DECIMAL),
            ("\"!!!!\"", DECIMAL),
            ("\"12.5\"", DECIMAL),
            ("\"AJx=\"", DECIMAL),
            (r#""AJw=\n""#, DECIMAL),
            ("true", WRONG),
            ("{}", WRONG),
            ("[]", WRONG),
        ],
    );
    declared("decimal(10,2)", "\"AeI6\"", |value| assert_eq!(value, decimal(123_450)));
    let wide = "99999999999999999999999999999999999999999999.99";
    declared("decimal(60,2)", wide, |value| {
        let Ok(Value::Decimal(decimal)) = value else { panic!("{value:?}") };
        assert_eq!(decimal.to_string(), wide);
    });
}

#[test]
fn decimals_of_own_scale_come_as_struct_text_or_number() {
    let small = |unscaled, scale| Ok(Value::Decimal(Decimal::Small { unscaled, scale }));
    let cases = [
        (r#"{"scale":4,"value":"AYr3"}"#, small(101_111, 4)),
        (r#"{ "value" : "Cg==" , "scale" : 0 }"#, small(10, 0)),
        (r#"{"scale":-2,"value":"BQ=="}"#, small(5, -2)),
        ("\"0.10\"", small(10, 2)),
        ("1.10", small(110, 2)),
        ("\"NAN\"", Ok(Value::Decimal(Decimal::NaN))),
        ("\"POSITIVE_INFINITY\"", Ok(Value::Decimal(Decimal::Infinity))),
        ("\"NEGATIVE_INFINITY\"", Ok(Value::Decimal(Decimal::NegInfinity))),
        ("\"__debezium_unavailable_value\"", Ok(Value::Unavailable)),
        (r#"{"value":"Cg=="}"#, DECIMAL),
        (r#"{"scale":0}"#, DECIMAL),
        (r#"{"scale":0,"value":""}"#, DECIMAL),
        (r#"{"scale":0,"value":null}"#, DECIMAL),
        (r#"{"scale":99999999999,"value":"AA=="}"#, DECIMAL),
        (r#"{"scale":2000000000,"value":"AA=="}"#, DECIMAL),
        ("\"AYr3\"", DECIMAL),
        ("true", WRONG),
    ];
    check(&named("struct", "io.debezium.data.VariableScaleDecimal"), &cases);
    for (json, expected) in cases {
        declared("decimal", json, |value| assert_eq!(value, expected, "{json}"));
    }
}

#[test]
fn dates_and_times_count_in_their_unit() {
    let days = |days| Ok(Value::Date(Date::Days(days)));
    for name in ["io.debezium.time.Date", "org.apache.kafka.connect.data.Date"] {
        check(
            &named("int32", name),
            &[
                ("19782", days(19_782)),
                ("-719162", days(-719_162)),
                ("-2147472692", Ok(Value::Date(Date::Infinity))),
                ("-2147472691", Ok(Value::Date(Date::NegInfinity))),
                ("-2147472690", days(-2_147_472_690)),
                ("2147483648", RANGE),
                ("\"2024-01-01\"", WRONG),
            ],
        );
    }
    let time = |nanos| Ok(Value::Time(Time::from_nanos(nanos)));
    check(&named("int32", "io.debezium.time.Time"), &[("86400000", time(86_400_000_000_000))]);
    check(&named("int64", "io.debezium.time.MicroTime"), &[("1", time(1_000)), ("9e9", WRONG)]);
    check(
        &named("int64", "io.debezium.time.NanoTime"),
        &[("86400000000000", time(86_400_000_000_000))],
    );
    check(&named("int64", "io.debezium.time.MicroTime"), &[("9223372036854775807", RANGE)]);
}

#[test]
fn timestamps_keep_their_unit_and_know_their_infinities() {
    let value = |timestamp| Ok(Value::Timestamp(timestamp));
    check(
        &named("int64", "io.debezium.time.Timestamp"),
        &[
            ("-1", value(Timestamp::Millis(-1))),
            ("9223372036825200", value(Timestamp::Infinity)),
            ("9223372036825200000", value(Timestamp::Infinity)),
            ("-9223372036832400000", value(Timestamp::NegInfinity)),
            ("-9223372036832400", value(Timestamp::NegInfinity)),
        ],
    );
    check(
        &named("int64", "io.debezium.time.MicroTimestamp"),
        &[
            ("-210863520000000000", value(Timestamp::Micros(-210_863_520_000_000_000))),
            ("9223372036825200000", value(Timestamp::Infinity)),
            ("-9223372036832400000", value(Timestamp::NegInfinity)),
            ("9223372036854775807", value(Timestamp::Infinity)),
            ("9223372036825200001", value(Timestamp::Micros(9_223_372_036_825_200_001))),
        ],
    );
    check(
        &named("int64", "io.debezium.time.NanoTimestamp"),
        &[
            ("1", value(Timestamp::Nanos(1))),
            ("-9223372036854775808", value(Timestamp::NegInfinity)),
            ("9223372036825200000", value(Timestamp::Nanos(9_223_372_036_825_200_000))),
        ],
    );
}

#[test]
fn instants_are_read_from_text_into_utc() {
    let micros = |micros| Ok(Value::Instant(Timestamp::Micros(micros)));
    check(
        &named("string", "io.debezium.time.ZonedTimestamp"),
        &[
            ("\"1970-01-01T00:00:00Z\"", micros(0)),
            ("\"2016-11-04T11:51:30.123456Z\"", micros(1_478_260_290_123_456)),
            ("\"2016-11-04T17:21:30.123456+05:30\"", micros(1_478_260_290_123_456)),
            ("\"2016-11-04T11:51:30.5Z\"", micros(1_478_260_290_500_000)),
            ("\"1969-12-31T23:59:59.999999Z\"", micros(-1)),
            ("\"1582-10-15T00:00:00.000000Z\"", micros(-12_219_292_800_000_000)),
            ("\"-4712-01-02T00:00:00.000000Z\"", micros(-210_863_433_600_000_000)),
            ("\"+21016-11-04T06:51:30.123456Z\"", micros(601_060_287_090_123_456)),
            ("\"2024-01-01T24:00:00Z\"", micros(1_704_153_600_000_000)),
            ("\"1970-01-01T00:00:00.000000001Z\"", Ok(Value::Instant(Timestamp::Nanos(1)))),
            ("\"infinity\"", Ok(Value::Instant(Timestamp::Infinity))),
            ("\"-infinity\"", Ok(Value::Instant(Timestamp::NegInfinity))),
            ("\"2023-02-29T00:00:00Z\"", TEXT),
            ("\"2023-01-01 00:00:00Z\"", TEXT),
            ("\"2023-01-01T00:00:00\"", TEXT),
            ("\"2023-01-01T00:60:00Z\"", TEXT),
            ("\"2023-01-01T24:00:01Z\"", TEXT),
            ("\"12023-01-01T00:00:00Z\"", TEXT),
            ("\"+999999999-01-01T00:00:00Z\"", TEXT),
            ("\"\"", TEXT),
            ("0", WRONG),
        ],
    );
}

#[test]
fn uuids_are_hyphenated_hexadecimal() {
    let uuid = 0xb68a_35a7_17ad_35b3_af2a_ae46_edb4_545a_u128.to_be_bytes();
    check(
        &named("string", "io.debezium.data.Uuid"),
        &[
            ("\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"", Ok(Value::Uuid(uuid))),
            ("\"B68A35A7-17AD-35B3-AF2A-AE46EDB4545A\"", Ok(Value::Uuid(uuid))),
            ("\"b68a35a717ad35b3af2aae46edb4545a\"", TEXT),
            ("\"b68a35a-717ad-35b3-af2a-ae46edb4545a\"", TEXT),
            ("\"b68a35a7-17ad-35b3-af2a-ae46edb4545g\"", TEXT),
            ("\"------------------------------------\"", TEXT),
        ],
    );
}

#[test]
fn undeclared_columns_are_taken_at_their_word_only() {
    for (json, expected) in [
        ("true", Ok(Value::Bool(true))),
        ("7", Ok(Value::Int64(7))),
        ("\"AeI6\"", Ok(Value::Text("AeI6"))),
        ("1.50", Ok(Value::Decimal(Decimal::Small { unscaled: 150, scale: 2 }))),
        ("null", Ok(Value::Null)),
        ("{\"scale\":0,\"value\":\"AA==\"}", Err("undeclared_type")),
        ("[]", Err("undeclared_type")),
    ] {
        let key = format!("{{\"v\":{json}}}");
        decode(Declarations::none(), &key, |value| assert_eq!(value, expected, "{json}"));
    }
}

#[test]
fn unsupported_types_are_named_and_do_not_stop_the_row() {
    let key = r#"{"schema":{"type":"struct","fields":[
        {"type":"array","items":{"type":"bytes","name":"com.acme.Email"},"optional":true,"field":"tags"},
        {"type":"map","keys":{"type":"string"},"values":{"type":"struct"},"field":"flags"},
        {"type":"string","name":"com.acme.Email","field":"email"},
        {"type":"int32","field":"id"}]},"payload":{"tags":[1,null,{"x":[]}],"flags":"qgo=","email":{},"id":7}}"#;
    let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
    let message = decoder.decode(Some(key.as_bytes()), None).unwrap();
    let Message::Tombstone(tombstone) = message else { panic!("{message:?}") };
    let row = tombstone.key.unwrap();
    assert_eq!(
        row.shape().to_string(),
        "(tags unsupported type array(unsupported type com.acme.Email), \
         flags unsupported type map(text,unsupported type struct), \
         email unsupported type com.acme.Email, id int32)"
    );
    assert_eq!(row.get(3), Value::Int32(7));
}

#[test]
fn declarations_read_back_what_types_print() {
    for text in [
        "boolean",
        "int16",
        "int32",
        "int64",
        "float32",
        "float64",
        "text",
        "bytes",
        "bytes(hex)",
        "bytes(base64url)",
        "bits(12)",
        "varbits(20)",
        "varbits",
        "decimal(10,2)",
        "decimal(*,-3)",
        "decimal",
        "date",
        "date(iso)",
        "date(structured)",
        "time(millis)",
        "time(micros)",
        "time(nanos)",
        "time(iso)",
        "time(structured)",
        "timetz",
        "timetz(structured)",
        "timestamp(millis)",
        "timestamp(micros)",
        "timestamp(nanos)",
        "timestamp(iso)",
        "timestamp(structured)",
        "timestamptz",
        "timestamptz(structured)",
        "interval",
        "interval(nanos)",
        "interval(iso)",
        "interval(structured)",
        "year",
        "uuid",
        "json",
        "xml",
        "ltree",
        "tsvector",
        "enum",
        "enumset",
        "array(int32)",
        "array(decimal(10,2))",
        "map",
        "map(int32,array(map))",
        "array(map(text,uuid))",
        "vector",
        "halfvec",
        "sparsevec",
        "point",
        "geometry",
        "geography",
        "circle",
        "line",
    ] {
        assert_eq!(SemanticType::parse(text).unwrap().to_string(), text);
    }
    let spaced = SemanticType::parse(" array ( map( text , decimal( 10 , 2 ) ) ) ").unwrap();
    assert_eq!(spaced.to_string(), "array(map(text,decimal(10,2)))");
    assert_eq!(SemanticType::parse("interval(micros)").unwrap().to_string(), "interval");
}

#[test]
fn a_wrong_declaration_is_told_what_could_stand_there() {
    for (text, part) in [
        ("timestamp", "timestamp(micros)"),
        ("time(seconds)", "time(micros)"),
        ("decimal(10)", "decimal(precision,scale)"),
        ("decimal(x,y)", "decimal(precision,scale)"),
        ("numeric(10,2)", "did you mean decimal(p,s)?"),
        ("numeric(10,2)", "expected decimal(p,s)"),
        ("bigint", "did you mean int64?"),
        ("timestmap(micros)", "did you mean timestamp(micros)?"),
        ("sparsvec", "did you mean sparsevec?"),
        ("jsonb", "did you mean json?"),
        ("blob", "expected decimal(p,s)"),
        ("int32(4)", "int32 takes no argument"),
        ("bytes(octal)", "bytes(base64url)"),
        ("bytes()", "bytes(base64url)"),
        ("bits", "bits(length)"),
        ("bits(0)", "bits(length)"),
        ("interval(months)", "interval(iso)"),
        ("array", "array(type)"),
        ("array()", "array(type)"),
        ("array(array(int32))", "however many dimensions"),
        ("array(vector)", "vector cannot be inside an array"),
        ("array(int)", "did you mean int32?"),
        ("map(text)", "map(key,value)"),
        (
            "map(text,map(text,map(text,map(text,map(text,map(text,map(text,map(text,map))))))))",
            "more than 8",
        ),
        ("text(", "expected"),
        ("", "expected"),
    ] {
        let error = SemanticType::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let suggestion = SemanticType::parse("blob").unwrap_err().to_string();
    assert!(!suggestion.contains("did you mean"), "{suggestion}");
}

#[test]
fn a_member_of_a_value_that_stands_twice_is_refused() {
    for (semantic, json) in [
        ("decimal", r#"{"scale":2,"value":"AQ==","scale":2}"#),
        ("decimal", r#"{"scale":2,"value":"AQ==","value":"Ag=="}"#),
        ("decimal", r#"{"scale":2,"value":null,"value":"Ag=="}"#),
        ("date(structured)", r#"{"year":2024,"month":2,"day":29,"year":2025}"#),
        ("interval(structured)", r#"{"years":1,"nanos":0,"years":2}"#),
        ("point", r#"{"x":1,"y":2,"x":3}"#),
        ("geometry", r#"{"wkb":"AQEAAAA=","srid":1,"srid":2}"#),
        (
            "geometry",
            r#"{"wkb":"AQEAAAA=","srid":1,"extensions":{"type":"path","type":"box","closed":"true"}}"#,
        ),
        ("circle", r#"{"center":{"x":1,"y":2},"radius":1,"radius":2}"#),
        ("line", r#"{"a":1,"b":2,"c":3,"a":1}"#),
    ] {
        declared(semantic, json, |value| assert_eq!(value, Err("duplicate_field"), "{json}"));
    }
}
