//! Times in all their forms, and what a message's connector and a declaration add to a column's type:
//! what stands in the message, and the value or the error it becomes. Values are those of captured
//! messages where the connector was seen to write them.

use debezium_envelope::{
    Date, Declarations, DecodeError, Interval, Limits, Message, MessageDecoder, SemanticType, Time,
    Timestamp, Value, ZonedTime,
};

use crate::catalogue::array_of;
use crate::types::{RANGE, TEXT, WRONG, check, declared, named};

#[test]
fn spans_of_time_are_exact_as_text_and_merged_as_numbers() {
    let interval = |months, days, micros| Ok(Value::Interval(Interval { months, days, micros }));
    check(
        &named("int64", "io.debezium.time.MicroDuration"),
        &[
            ("37091106789000", interval(0, 0, 37_091_106_789_000)),
            ("-86400000001", interval(0, 0, -86_400_000_001)),
            ("\"P1D\"", WRONG),
        ],
    );
    check(
        &named("int64", "io.debezium.time.NanoDuration"),
        &[("1000", interval(0, 0, 1)), ("1001", RANGE)],
    );
    check(
        &named("string", "io.debezium.time.Interval"),
        &[
            ("\"P1Y2M3DT4H5M6.789S\"", interval(14, 3, 14_706_789_000)),
            ("\"P0Y0M-1DT0H0M-0.000001S\"", interval(0, -1, -1)),
            ("\"P0Y2M3DT0H0M0S\"", interval(2, 3, 0)),
            ("\"P0Y0M-1DT-2H0M-3.5S\"", interval(0, -1, -7_203_500_000)),
            ("\"P0Y0M0DT0H0M0S\"", interval(0, 0, 0)),
            ("\"P-178000000Y0M0DT0H0M0S\"", interval(-2_136_000_000, 0, 0)),
            ("\"P3D\"", interval(0, 3, 0)),
            ("\"P178956971Y0M0D\"", RANGE),
            ("\"PT0.0000001S\"", RANGE),
            ("\"P\"", TEXT),
            ("\"P1YT\"", TEXT),
            ("\"P1M1Y\"", TEXT),
            ("\"PT1D\"", TEXT),
            ("\"P1.5Y\"", TEXT),
            ("\"1 year\"", TEXT),
            ("\"\"", TEXT),
        ],
    );
    for (json, text) in
        [("\"P1Y2M3DT4H5M6.789S\"", "P1Y2M3DT4H5M6.789S"), ("\"PT-61.5S\"", "P0Y0M0DT0H-1M-1.5S")]
    {
        declared("interval(iso)", json, |value| {
            let Ok(Value::Interval(interval)) = value else { panic!("{value:?}") };
            assert_eq!(interval.to_string(), text);
        });
    }
}

#[test]
fn times_with_an_offset_keep_it() {
    let time = |nanos, offset_seconds| {
        Ok(Value::ZonedTime(ZonedTime { time: Time::from_nanos(nanos), offset_seconds }))
    };
    check(
        &named("string", "io.debezium.time.ZonedTime"),
        &[
            ("\"07:04:56.123456Z\"", time(25_496_123_456_000, 0)),
            ("\"00:00:00Z\"", time(0, 0)),
            ("\"24:00:00Z\"", time(86_400_000_000_000, 0)),
            ("\"04:05:11-08:00\"", time(14_711_000_000_000, -28_800)),
            ("\"04:05:11\"", TEXT),
            ("\"25:00:00Z\"", TEXT),
            ("1", WRONG),
        ],
    );
}

#[test]
fn iso_text_has_a_decorative_zone_and_expanded_years() {
    let days = |days| Ok(Value::Date(Date::Days(days)));
    check(
        &named("string", "io.debezium.time.IsoDate"),
        &[
            ("\"2024-02-29Z\"", days(19_782)),
            ("\"-4712-01-01Z\"", days(-2_440_550)),
            ("\"0001-01-01Z\"", days(-719_162)),
            ("\"+12345-01-01Z\"", days(3_789_391)),
            ("\"-5877611-06-21Z\"", Ok(Value::Date(Date::Infinity))),
            ("\"-5877611-06-22Z\"", Ok(Value::Date(Date::NegInfinity))),
            ("\"+292278994-08-17Z\"", Ok(Value::Date(Date::Infinity))),
            ("\"+292269055-12-02Z\"", Ok(Value::Date(Date::NegInfinity))),
            ("\"+999999999-01-01Z\"", RANGE),
            ("\"2023-02-29Z\"", TEXT),
            ("\"2024-02-29+01:00\"", TEXT),
            ("\"12345-01-01Z\"", TEXT),
        ],
    );
    let time = |nanos| Ok(Value::Time(Time::from_nanos(nanos)));
    check(
        &named("string", "io.debezium.time.IsoTime"),
        &[
            ("\"12:34:56.789Z\"", time(45_296_789_000_000)),
            ("\"00:00:00Z\"", time(0)),
            ("\"12:34:56.789+01:00\"", TEXT),
        ],
    );
    let at = |micros| Ok(Value::Timestamp(Timestamp::Micros(micros)));
    check(
        &named("string", "io.debezium.time.IsoTimestamp"),
        &[
            ("\"1969-12-31T23:59:59.999Z\"", at(-1_000)),
            ("\"-4712-01-01T00:00:00Z\"", at(-210_863_520_000_000_000)),
            ("\"+294247-01-10T04:00:25.2Z\"", Ok(Value::Timestamp(Timestamp::Infinity))),
            ("\"-290308-12-21T19:59:27.6Z\"", Ok(Value::Timestamp(Timestamp::NegInfinity))),
            (
                "\"2024-01-01T00:00:00.000000001Z\"",
                Ok(Value::Timestamp(Timestamp::Nanos(1_704_067_200_000_000_001))),
            ),
            ("\"2024-01-01 00:00:00Z\"", TEXT),
        ],
    );
}

#[test]
fn infinities_that_elements_of_arrays_read_as_the_ends_of_java_dates_are_infinities() {
    for (schema, json, wanted) in [
        ("ZonedTimestamp", "\"+292269055-12-02T23:00:00.000000Z\"", Timestamp::NegInfinity),
        ("ZonedTimestamp", "\"+292278994-08-16T23:00:00.000000Z\"", Timestamp::Infinity),
        ("IsoTimestamp", "\"+292269055-12-03T00:00:00Z\"", Timestamp::NegInfinity),
        ("IsoTimestamp", "\"-292275055-05-16T23:00:00Z\"", Timestamp::NegInfinity),
        ("IsoTimestamp", "\"-292275055-05-17T00:00:00Z\"", Timestamp::NegInfinity),
    ] {
        let value = match schema {
            "ZonedTimestamp" => Value::Instant(wanted),
            _ => Value::Timestamp(wanted),
        };
        check(&named("string", &format!("io.debezium.time.{schema}")), &[(json, Ok(value))]);
    }
}

#[test]
fn inner_arrays_that_arrive_as_names_of_java_objects_are_refused() {
    let name = "[\"[Ljava.lang.String;@526e8149\"]";
    declared("array(text)", name, |value| assert_eq!(value, TEXT));
    declared("array(text)", "[\"[Ljava.lang.String;@\"]", |value| assert!(value.is_ok()));
}

#[test]
fn structured_times_are_put_together_from_their_parts() {
    let kind = |name: &str| named("struct", &format!("io.debezium.time.Structured{name}"));
    let special = r#"{"year":null,"month":null,"day":null,"specialValue":"NEGATIVE_INFINITY"}"#;
    check(
        &kind("Date"),
        &[
            (
                r#"{"year":-4712,"month":1,"day":1,"specialValue":null}"#,
                Ok(Value::Date(Date::Days(-2_440_550))),
            ),
            (special, Ok(Value::Date(Date::NegInfinity))),
            (r#"{"year":2023,"month":2,"day":29}"#, TEXT),
            (r#"{"year":2023}"#, TEXT),
            ("5", WRONG),
        ],
    );
    let midnight = r#"{"hour":24,"minute":0,"second":0,"nanos":0,"precision":6}"#;
    check(&kind("Time"), &[(midnight, Ok(Value::Time(Time::from_nanos(86_400_000_000_000))))]);
    let pst =
        r#"{"hour":4,"minute":5,"second":11,"nanos":0,"offsetSeconds":-28800,"precision":null}"#;
    let time = ZonedTime { time: Time::from_nanos(14_711_000_000_000), offset_seconds: -28_800 };
    check(&kind("ZonedTime"), &[(pst, Ok(Value::ZonedTime(time))), (midnight, TEXT)]);
    let instant = r#"{"year":1970,"month":1,"day":1,"hour":1,"minute":0,"second":0,"nanos":1000,"offsetSeconds":3600,"zoneId":"+01:00"}"#;
    check(&kind("ZonedTimestamp"), &[(instant, Ok(Value::Instant(Timestamp::Micros(1))))]);
    check(
        &kind("Timestamp"),
        &[
            (instant, Ok(Value::Timestamp(Timestamp::Micros(3_600_000_001)))),
            (special, Ok(Value::Timestamp(Timestamp::NegInfinity))),
        ],
    );
    let span =
        r#"{"years":1,"months":2,"days":3,"hours":4,"minutes":5,"seconds":6,"nanos":789000000}"#;
    let interval = Interval { months: 14, days: 3, micros: 14_706_789_000 };
    check(&kind("Duration"), &[(span, Ok(Value::Interval(interval)))]);
}

/// Rows of a table whose value has one column, under a schema of this name.
fn message(name: &str, connector: &str, field: &str, json: &str) -> String {
    let head = field.strip_suffix('}').unwrap();
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"type":"struct","name":"{name}","field":"after","fields":[{head},"field":"v"}}]}},{{"type":"struct","field":"source"}},{{"type":"string","field":"op"}}]}},"payload":{{"after":{{"v":{json}}},"source":{{"connector":"{connector}","schema":"public","table":"t"}},"op":"c"}}}}"#
    )
}

#[test]
fn a_declaration_refines_what_a_schema_leaves_open() {
    let bytes = r#"{"type":"string"}"#;
    let array = array_of(bytes);
    let email = named("string", "com.acme.Email");
    let bits = r#"{"type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"20"}}"#;
    for (name, table, semantic, field, json, shape) in [
        ("p.public.t.Value", "public.t", "bytes(hex)", bytes, "\"ff\"", "(v bytes(hex))"),
        ("p.public.t.Value", "public.t", "decimal", bytes, "\"1.10\"", "(v decimal)"),
        ("renamed", "*", "bytes(hex)", bytes, "\"ff\"", "(v bytes(hex))"),
        ("renamed", "public.t", "bytes(hex)", bytes, "\"ff\"", "(v text)"),
        ("p.public.not_t.Value", "public.t", "bytes(hex)", bytes, "\"ff\"", "(v text)"),
        (
            "p.public.t.Value",
            "public.t",
            "array(bytes(hex))",
            &array,
            "[\"ff\"]",
            "(v array(bytes(hex)))",
        ),
        ("p.public.t.Value", "public.t", "text", &email, "\"a@b\"", "(v text)"),
        ("p.public.t.Value", "public.t", "varbits(20)", bits, "\"FQ==\"", "(v varbits(20))"),
        ("p.public.t.Value", "public.t", "int64", bytes, "\"7\"", "(v text)"),
        ("p.public.t.Value", "public.t", "date", r#"{"type":"int32"}"#, "7", "(v int32)"),
    ] {
        let mut declarations = Declarations::none();
        declarations.declare(table, "v", SemanticType::parse(semantic).unwrap());
        let mut decoder = MessageDecoder::new(declarations, Limits::default());
        let text = message(name, "postgresql", field, json);
        let message = decoder.decode(None, Some(text.as_bytes())).unwrap();
        let Message::Change(change) = message else { panic!("{message:?}") };
        assert_eq!(change.after.unwrap().shape().to_string(), shape, "{semantic}");
    }
}

#[test]
fn nanoseconds_that_wrapped_are_refused_for_postgresql_only() {
    let scalar = named("int64", "io.debezium.time.NanoTimestamp");
    let array = array_of(&scalar);
    for (json, wrapped) in [
        ("-6795364578871345152", true),
        ("-7949335189194932224", true),
        ("6227408073709551616", true),
        ("-4852116231933723624", true),
        ("-29575808000", true),
        ("22375808000", true),
        ("1704067200000001000", false),
        ("9223372036854775807", false),
        ("null", false),
    ] {
        for (field, json) in [(&scalar, json.to_owned()), (&array, format!("[[null],[{json}]]"))] {
            let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
            let text = message("n", "postgresql", field, &json);
            let result = decoder.decode(None, Some(text.as_bytes())).map(drop);
            let code = result.as_ref().err().map(DecodeError::code);
            assert_eq!(code, wrapped.then_some("timestamp_wrapped"), "{json}");
            let text = message("n", "oracle", field, &json);
            assert!(decoder.decode(None, Some(text.as_bytes())).is_ok(), "{json}");
        }
    }
}
