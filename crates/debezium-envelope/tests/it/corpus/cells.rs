//! The cases of single values: numbers and times.

use std::fmt::Write as _;

use debezium_envelope::{Limits, Message, MessageDecoder, SemanticType};

use super::assert_usable;
use crate::fixtures::declarations;

/// What a cell of a declared type becomes: its value, or the code of an error.
fn cell(semantic: &str, json: &str) -> String {
    let mut declarations = declarations();
    declarations.declare("s.t", "c", SemanticType::parse(semantic).unwrap());
    let mut decoder = MessageDecoder::new(declarations, Limits::default());
    let value = format!(
        r#"{{"after":{{"c":{json}}},"source":{{"connector":"postgresql","schema":"s","table":"t"}},"op":"c"}}"#
    );
    let mut shown = String::new();
    match decoder.decode(None, Some(value.as_bytes())) {
        Ok(Message::Change(change)) => {
            write!(shown, "{:?}", change.after.unwrap().get(0)).unwrap();
        }
        Ok(_) => shown.push_str("no change"),
        Err(error) => shown.push_str(error.code()),
    }
    assert_usable(&mut decoder, json);
    shown
}

#[test]
fn numbers_are_exact_or_refused() {
    for (case, semantic, json, expected) in [
        ("B50 int4", "int32", "2147483648", "out_of_range"),
        ("B50 int4 below", "int32", "-2147483649", "out_of_range"),
        ("B51 int8", "int64", "9223372036854775808", "out_of_range"),
        ("B51 int8 at its end", "int64", "-9223372036854775808", "Int64(-9223372036854775808)"),
        (
            "B19 a power that decimals hold",
            "decimal",
            "1e131071",
            "Decimal(Small { unscaled: 1, scale: -131071 })",
        ),
        ("B19 the same at a declared scale", "decimal(10,2)", "1e131071", "decimal_invalid"),
        ("B20 one digit too many", "decimal", "\"1e131072\"", "decimal_invalid"),
        ("B20 a billion digits", "decimal", "\"1e1000000000\"", "decimal_invalid"),
        ("B52 int2", "int16", "40000", "out_of_range"),
        (
            "B55 scale of 16383",
            "decimal",
            "\"1e-16383\"",
            "Decimal(Small { unscaled: 1, scale: 16383 })",
        ),
        ("B55 scale of 16384", "decimal", "\"1e-16384\"", "decimal_invalid"),
        ("B54 too many places", "decimal(10,2)", "\"1.005\"", "decimal_invalid"),
        ("B54 the same as a number", "decimal(10,2)", "1.005", "decimal_invalid"),
        ("B56 NaN", "decimal", "\"NaN\"", "Decimal(NaN)"),
        ("B56 Debezium's NaN", "decimal", "\"NAN\"", "Decimal(NaN)"),
        ("B57 infinity", "decimal", "\"Infinity\"", "Decimal(Infinity)"),
        (
            "B58 scale of two billion",
            "decimal",
            r#"{"scale":2147483647,"value":"AQ=="}"#,
            "decimal_invalid",
        ),
        (
            "B59 scale below",
            "decimal",
            r#"{"scale":-2147483648,"value":"AQ=="}"#,
            "decimal_invalid",
        ),
        ("B59 empty bytes", "decimal(10,2)", "\"\"", "decimal_invalid"),
        ("B59 not base64", "decimal(10,2)", "\"%%%\"", "decimal_invalid"),
        ("B5A no scale", "decimal", r#"{"value":"AQ=="}"#, "decimal_invalid"),
        ("B5B float8 above", "float64", "1e400", "out_of_range"),
        ("B5B float4 above", "float32", "1e60", "out_of_range"),
        ("B5B float4 below", "float32", "1e-60", "out_of_range"),
        ("B5B float8 below", "float64", "0.1e-400", "out_of_range"),
        (
            "B5D decimal sent as a double",
            "decimal(10,2)",
            "0.1000000000000000055511151231257827",
            "decimal_invalid",
        ),
        ("B5C currency", "decimal(10,2)", "\"$1,234.50\"", "decimal_invalid"),
    ] {
        assert_eq!(cell(semantic, json), expected, "{case}");
    }
    let wide = format!("\"{}\"", "Q".repeat(1 << 20));
    assert_eq!(cell("decimal(10,2)", &wide), "decimal_invalid", "B59 a megabyte");
}

const MICROS: &str = "Timestamp(Micros(9223372036854775806))";

/// The end of PostgreSQL's calendar: microseconds since 1970 do not reach it, milliseconds and
/// microseconds since 2000 do.
#[test]
fn the_last_day_of_the_calendar_is_exact_in_every_form() {
    for (case, text, millis) in [
        ("B62", "294276-12-31T00:00:00", 9_224_317_929_600_000_i64),
        ("B62 its last millisecond", "294276-12-31T23:59:59.999", 9_224_318_015_999_000 + 999),
        // A target refuses it; it is a day like others here.
        ("B62 the day after", "294277-01-01T00:00:00", 9_224_318_016_000_000),
    ] {
        let (instant, timestamp) =
            (format!("Instant(Millis({millis}))"), format!("Timestamp(Millis({millis}))"));
        assert_eq!(cell("timestamptz", &format!("\"+{text}Z\"")), instant, "{case}");
        assert_eq!(cell("timestamp(iso)", &format!("\"+{text}Z\"")), timestamp, "{case}");
        assert_eq!(cell("timestamp(millis)", &millis.to_string()), timestamp, "{case}");
        let (date, time) = text.split_once('T').unwrap();
        let number = |text: &str| text.parse::<u32>().unwrap();
        let mut date = date.split('-').map(number);
        let mut time = time.split([':', '.']).map(number);
        let next = |parts: &mut dyn Iterator<Item = u32>| parts.next().unwrap_or(0);
        let members = format!(
            r#""year":{},"month":{},"day":{},"hour":{},"minute":{},"second":{},"nanos":{}"#,
            next(&mut date),
            next(&mut date),
            next(&mut date),
            next(&mut time),
            next(&mut time),
            next(&mut time),
            next(&mut time) * 1_000_000,
        );
        let structured = cell("timestamp(structured)", &format!("{{{members}}}"));
        assert_eq!(structured, timestamp, "{case}");
        let zoned = format!("{{{members},\"offsetSeconds\":0}}");
        assert_eq!(cell("timestamptz(structured)", &zoned), instant, "{case}");
    }
    assert_eq!(cell("date", "106762939"), "Date(Days(106762939))", "B62");
    assert_eq!(cell("date(iso)", "\"+294276-12-31Z\""), "Date(Days(106762939))", "B62");
    let last = "\"+294276-12-31T23:59:59.999999Z\"";
    let micros = "MicrosSince2000(9223371331199999999)";
    assert_eq!(cell("timestamptz", last), format!("Instant({micros})"), "B62 its last microsecond");
    assert_eq!(cell("timestamp(iso)", last), format!("Timestamp({micros})"), "B62");
    let members =
        r#""year":294276,"month":12,"day":31,"hour":23,"minute":59,"second":59,"nanos":999999000"#;
    let parts = format!("{{{members}}}");
    assert_eq!(cell("timestamp(structured)", &parts), format!("Timestamp({micros})"), "B62");
    // An hour ahead of UTC it is an hour earlier.
    let ahead = format!("{{{members},\"offsetSeconds\":3600}}");
    let earlier = "Instant(MicrosSince2000(9223371327599999999))";
    assert_eq!(cell("timestamptz(structured)", &ahead), earlier, "B62");
    // A digit more has no unit that counts it so far away, so it is refused and not rounded.
    let finer = "\"+294276-12-31T23:59:59.9999999Z\"";
    assert_eq!(cell("timestamptz", finer), "invalid_text", "B62 its last nanoseconds");
}

/// Where microseconds since 1970 end, one form follows the other without a gap.
#[test]
fn moments_around_the_last_count_of_microseconds_are_exact() {
    for (text, expected) in [
        ("54.775806", "Micros(9223372036854775806)"),
        ("54.775807", "Micros(9223372036854775807)"),
        ("54.775808", "MicrosSince2000(9222425352054775808)"),
        ("54.776", "Millis(9223372036854776)"),
        ("54.776001", "MicrosSince2000(9222425352054776001)"),
    ] {
        let text = format!("\"+294247-01-10T04:00:{text}Z\"");
        assert_eq!(cell("timestamptz", &text), format!("Instant({expected})"), "{text}");
    }
}

/// What is left of `294276-12-31 23:59:59.999999` where the connector counts it in microseconds: the
/// greatest count, and the fraction on top of it, which wraps.
#[test]
fn a_moment_that_was_cut_to_the_greatest_count_is_refused_with_its_fraction_too() {
    for (count, expected) in [
        ("-9223372036853775810", "out_of_range"),
        ("-9223372036854775807", "out_of_range"),
        ("-9223372036853775808", "Timestamp(Micros(-9223372036853775808))"),
    ] {
        assert_eq!(cell("timestamp(micros)", count), expected, "B64 {count}");
        let array = cell("array(timestamp(micros))", &format!("[{count}]"));
        assert_eq!(array == "out_of_range", expected == "out_of_range", "B64 [{count}]");
    }
}

/// Debezium cut later moments to the greatest count before it gave this number to the infinities.
#[test]
fn the_greatest_count_of_microseconds_is_an_infinity_since_debezium_3_7() {
    let decode = |version: &str, count: &str| {
        let mut declarations = declarations();
        declarations.declare("s.t", "c", SemanticType::parse("timestamp(micros)").unwrap());
        let mut decoder = MessageDecoder::new(declarations, Limits::default());
        let value = format!(
            r#"{{"after":{{"c":{count}}},"source":{{"version":"{version}","connector":"postgresql","schema":"s","table":"t"}},"op":"c"}}"#
        );
        match decoder.decode(None, Some(value.as_bytes())) {
            Ok(Message::Change(change)) => format!("{:?}", change.after.unwrap().get(0)),
            Ok(message) => panic!("{message:?}"),
            Err(error) => error.code().to_owned(),
        }
    };
    let (max, min) = (i64::MAX.to_string(), i64::MIN.to_string());
    for version in ["3.7.0.Final", "3.10.1.Final", "4.0.0.Alpha1"] {
        assert_eq!(decode(version, &max), "Timestamp(Infinity)", "B61 {version}");
        assert_eq!(decode(version, &min), "Timestamp(NegInfinity)", "B61 {version}");
    }
    for version in ["2.4.2.Final", "3.6.0.Final", "1.9.7.Final", "", "x"] {
        assert_eq!(decode(version, &max), "out_of_range", "B64 {version}");
        assert_eq!(decode(version, &min), "out_of_range", "B64 {version}");
        assert_eq!(decode(version, "9223372036825200000"), "Timestamp(Infinity)", "B61 {version}");
    }
}

#[test]
fn times_are_exact_or_refused() {
    for (case, semantic, json, expected) in [
        ("B60 infinity", "timestamptz", "\"infinity\"", "Instant(Infinity)"),
        ("B60 -infinity", "timestamptz", "\"-infinity\"", "Instant(NegInfinity)"),
        ("B61 timestamp", "timestamp(micros)", "9223372036825200000", "Timestamp(Infinity)"),
        ("B61 date", "date", "-2147472691", "Date(NegInfinity)"),
        ("B64 the greatest count", "timestamp(micros)", "9223372036854775807", "out_of_range"),
        ("B64 the least count", "timestamp(micros)", "-9223372036854775808", "out_of_range"),
        ("B64 one less", "timestamp(micros)", "9223372036854775806", MICROS),
        ("B64 in an array", "array(timestamp(micros))", "[0,9223372036854775807]", "out_of_range"),
        ("B66 no such day", "timestamptz", "\"2023-02-30T00:00:00Z\"", "invalid_text"),
        ("B67 now", "timestamptz", "\"now\"", "invalid_text"),
        ("B67 today", "date(iso)", "\"today\"", "invalid_text"),
        ("B69 leap second", "timestamptz", "\"2016-12-31T23:59:60Z\"", "invalid_text"),
        ("B69 leap second", "time(iso)", "\"23:59:60Z\"", "invalid_text"),
        // A target whose type keeps microseconds refuses what is exact here.
        (
            "B6B nanoseconds",
            "timestamptz",
            "\"1970-01-01T00:00:00.000000001Z\"",
            "Instant(Nanos(1))",
        ),
        // PostgreSQL has none, so a remainder tells of a wrap on the way.
        ("B6B nanoseconds", "timestamp(nanos)", "1001", "timestamp_wrapped"),
        ("B6B nanoseconds", "time(nanos)", "1", "Time(Time { nanos: 1 })"),
        ("B6B ten digits", "timestamptz", "\"1970-01-01T00:00:00.0000000001Z\"", "invalid_text"),
        // PostgreSQL's offsets end before sixteen hours; other sources have eighteen, and the target
        // refuses what it cannot keep. An instant is the same in any offset.
        (
            "B6A offset of sixteen hours",
            "timetz",
            "\"12:00:00+16:00\"",
            "ZonedTime(ZonedTime { time: Time { nanos: 43200000000000 }, offset_seconds: 57600 })",
        ),
        (
            "B6A offset of sixteen hours",
            "timestamptz",
            "\"1970-01-01T16:00:00+16:00\"",
            "Instant(Micros(0))",
        ),
        ("B6A offset of nineteen hours", "timetz", "\"12:00:00+19:00\"", "invalid_text"),
        ("B6A no such offset", "timestamptz", "\"2024-01-01T00:00:00+25:00\"", "invalid_text"),
    ] {
        assert_eq!(cell(semantic, json), expected, "{case}");
    }
    for (case, semantic, json) in [
        ("B63 4713 BC", "timestamp(micros)", "-210863520000000000"),
        ("B65 year 1", "date", "-719162"),
        ("B68 24:00:00", "time(micros)", "86400000000"),
        // Other databases have times beyond a day; a target that has none refuses it.
        ("B68 24:00:01", "time(micros)", "86401000000"),
        ("B6A offset at its end", "timetz", "\"12:00:00+15:59:59\""),
    ] {
        let found = cell(semantic, json);
        assert!(found.contains('('), "{case}: {found}");
    }
}
