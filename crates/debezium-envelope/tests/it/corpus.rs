//! The corpus of broken and extreme records, each with what has to become of it.
//!
//! The cases are those of the project's reliability table that decoding decides; the rest of the table
//! is about what a target accepts. A case that the target decides is decoded exactly here.

use std::fmt::Write as _;

use debezium_envelope::{DecodeError, Limits, Message, MessageDecoder, SemanticType};

use crate::fixtures::{BARE_KEY, declarations, decoder, value};

/// What a record becomes: `change`, `tombstone`, another kind, or the code of an error.
fn outcome(decoder: &mut MessageDecoder, key: Option<&[u8]>, value: Option<&[u8]>) -> String {
    match decoder.decode(key, value) {
        Ok(Message::Change(change)) => format!("change {}", change.op),
        Ok(Message::Tombstone(tombstone)) => match tombstone.key {
            Some(_) => "tombstone".to_owned(),
            None => "nothing".to_owned(),
        },
        Ok(_) => "other".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

/// A usual record must decode after whatever came before it.
fn assert_usable(decoder: &mut MessageDecoder, case: &str) {
    for name in ["insert bare", "insert schema"] {
        let (key, value) = (BARE_KEY.as_bytes(), value(name).as_bytes());
        assert_eq!(outcome(decoder, Some(key), Some(value)), "change c", "after {case}");
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Each case has its outcome, and a usual record decodes after it.
fn assert_outcomes(cases: Vec<(&str, Vec<u8>, &str)>) {
    let mut decoder = decoder();
    for (case, value, expected) in cases {
        let found = outcome(&mut decoder, Some(BARE_KEY.as_bytes()), Some(&value));
        assert_eq!(found, expected, "{case}");
        assert_usable(&mut decoder, case);
    }
}

#[test]
fn framing_and_json() {
    let insert = value("insert bare");
    let with = |from: &str, to: &str| {
        assert!(insert.contains(from), "{from}");
        insert.replacen(from, to, 1).into_bytes()
    };
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let member = |json: &str| with("\"transaction\":null", &format!("\"unknown\":{json}"));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("B01 empty value", Vec::new(), "empty_value"),
        ("B04 the JSON null", b"null".to_vec(), "tombstone"),
        ("B06 two documents", [insert, insert].concat().into_bytes(), "malformed_json"),
        ("B07 byte-order mark", [b"\xef\xbb\xbf", insert.as_bytes()].concat(), "malformed_json"),
        ("B08 UTF-16", utf16(insert), "malformed_json"),
        ("B08 UTF-16 with a mark", utf16(&format!("\u{feff}{insert}")), "invalid_utf8"),
        ("B09 array", b"[]".to_vec(), "not_an_object"),
        ("B09 string", b"\"x\"".to_vec(), "not_an_object"),
        ("B09 number", b"17".to_vec(), "not_an_object"),
        ("B09 true", b"true".to_vec(), "not_an_object"),
        ("B10 64 levels", member(&nested(64)), "change c"),
        ("B10 65 levels", member(&nested(65)), "too_deep"),
        (
            "B12 JSON text nested deep",
            with("\"pending\"", &format!("\"{}\"", nested(10_000))),
            "change c",
        ),
        ("B14 op twice", with("\"op\":\"c\"", "\"op\":\"c\",\"op\":\"d\""), "duplicate_field"),
        (
            "B14 table twice",
            with("\"table\":\"orders\"", "\"table\":\"orders\",\"table\":\"x\""),
            "duplicate_field",
        ),
        ("B14 column twice", with("\"status\"", "\"order_id\":1,\"status\""), "duplicate_field"),
        (
            "B16 too many tokens",
            member(&format!("[{}1]", "1,".repeat(1_000_000))),
            "too_many_tokens",
        ),
        (
            "B17 a megabyte of digits",
            with(":1007,", &format!(":{},", "7".repeat(1 << 20))),
            "out_of_range",
        ),
        ("B17 the same in a decimal", with("\"AeI6\"", &"7".repeat(1 << 20)), "decimal_invalid"),
        ("B18 1e400 in JSON text", with("\"pending\"", "\"1e400\""), "change c"),
        ("B21 NaN", with("\"AeI6\"", "NaN"), "malformed_json"),
        ("B21 Infinity", with("\"AeI6\"", "-Infinity"), "malformed_json"),
        ("B22 no payload", b"{\"schema\":{\"type\":\"struct\"}}".to_vec(), "other"),
        ("B23 unknown op", with("\"op\":\"c\"", "\"op\":\"z\""), "unknown_operation"),
        ("B24 create without after", with("\"after\":{", "\"then\":{"), "missing_after"),
        (
            "B24 create of nothing",
            b"{\"after\":null,\"source\":{\"table\":\"t\"},\"op\":\"c\"}".to_vec(),
            "missing_after",
        ),
        (
            "B25 update without after",
            b"{\"before\":{\"a\":1},\"source\":{},\"op\":\"u\"}".to_vec(),
            "missing_after",
        ),
        ("B27 registry payload", b"\x00\x00\x00\x00\x07\x02abc".to_vec(), "malformed_json"),
        ("B28 gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(), "invalid_utf8"),
        ("B28 zstd", b"\x28\xb5\x2f\xfd\x04\x00".to_vec(), "invalid_utf8"),
    ];
    assert_outcomes(cases);
}

#[test]
fn records_without_a_row() {
    let mut decoder = decoder();
    for (case, key, expected) in [
        ("B02 tombstone", Some(BARE_KEY.as_bytes()), "tombstone"),
        ("B03 neither key nor value", None, "nothing"),
        ("B02 unreadable key", Some(b"\x00\x01".as_slice()), "unreadable_key"),
    ] {
        assert_eq!(outcome(&mut decoder, key, None), expected, "{case}");
    }
    let no_key = b"{\"before\":null,\"after\":null,\"source\":{},\"op\":\"d\"}";
    assert_eq!(outcome(&mut decoder, None, Some(no_key)), "missing_before", "B25");
}

#[test]
fn an_event_cut_at_any_byte_is_refused() {
    for name in ["insert bare", "insert schema"] {
        let (mut decoder, whole) = (decoder(), value(name).as_bytes());
        for length in 1..whole.len() {
            let found = outcome(&mut decoder, Some(BARE_KEY.as_bytes()), whole.get(..length));
            assert_eq!(found, "malformed_json", "B05 {name} {length}");
        }
        assert_usable(&mut decoder, "B05");
    }
}

#[test]
fn a_record_over_the_limit_is_refused_whatever_it_holds() {
    let mut decoder = decoder();
    let large = vec![b' '; (64 << 20) + 1];
    assert_eq!(outcome(&mut decoder, None, Some(&large)), "record_too_large", "B29");
    assert_eq!(outcome(&mut decoder, Some(&large), None), "record_too_large", "B29 key");
    assert_usable(&mut decoder, "B29");
}

/// The least of several runs, because other work on the machine only ever adds time.
#[test]
fn a_million_brackets_are_refused_within_ten_milliseconds_and_a_flat_stack() {
    let refuse = || {
        let insert = value("insert bare");
        for bracket in ["[", "{\"a\":"] {
            let deep = bracket.repeat(1_000_000);
            let places = [
                deep.clone(),
                insert.replace("\"transaction\":null", &format!("\"unknown\":{deep}")),
                insert.replace("\"before\":null", &format!("\"before\":{deep}")),
                format!("{{\"schema\":{deep}"),
            ];
            for text in places {
                let took = |_| {
                    let mut decoder = decoder();
                    let start = std::time::Instant::now();
                    let found = outcome(&mut decoder, None, Some(text.as_bytes()));
                    assert_ne!(found, "change c", "B11");
                    start.elapsed()
                };
                let least = (0..20).map(took).min().unwrap();
                assert!(least.as_millis() < 10, "B11 took {least:?}");
            }
        }
    };
    // Recursion as deep as the brackets would need tens of megabytes.
    let small = std::thread::Builder::new().stack_size(512 << 10);
    small.spawn(refuse).unwrap().join().unwrap();
}

#[test]
fn text_keeps_its_characters_or_is_refused() {
    let insert = value("insert bare");
    let mut decoder = decoder();
    let status = |text: &str| insert.replace("\"pending\"", &format!("\"{text}\""));
    for (case, json, expected) in [
        ("B30 NUL", "a\\u0000b", "a\0b"),
        (
            "B42 override, zero width, escape",
            "\u{202e}\u{200b}\\u001b[31m",
            "\u{202e}\u{200b}\u{1b}[31m",
        ),
        ("B43 formula", "=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("B44 script tag", "<script>x<\\/script>", "<script>x</script>"),
        ("B45 log line", "a\\nERROR b", "a\nERROR b"),
        ("B46 copy marks", "\\\\.\\t\\\\N", "\\.\t\\N"),
        ("a surrogate pair", "\\uD83C\\uDF89", "\u{1f389}"),
    ] {
        let text = status(json);
        let Ok(Message::Change(change)) = decoder.decode(None, Some(text.as_bytes())) else {
            panic!("{case}")
        };
        let found = change.after.and_then(|row| row.get_by_name("status"));
        assert_eq!(found, Some(debezium_envelope::Value::Text(expected)), "{case}");
    }
    for (case, json) in [
        ("B37 lone high surrogate", "\\ud83c"),
        ("B37 two high surrogates", "\\ud83c\\ud83c"),
        ("B38 lone low surrogate", "\\udf89"),
        ("a raw control character", "\u{1}"),
    ] {
        let found = outcome(&mut decoder, None, Some(status(json).as_bytes()));
        assert_eq!(found, "malformed_json", "{case}");
    }
    let at = insert.find("pending").unwrap();
    for (case, bytes) in [
        ("B35 0xff", b"\xff".as_slice()),
        ("B36 overlong", b"\xc0\xaf"),
        ("B36 broken pair", b"\xc3\x28"),
        ("a surrogate in UTF-8", b"\xed\xa0\x80"),
    ] {
        let mut broken = insert.as_bytes().to_vec();
        broken.splice(at..at + 7, bytes.iter().copied());
        assert_eq!(outcome(&mut decoder, None, Some(&broken)), "invalid_utf8", "{case}");
        let error = decoder.decode(None, Some(&broken)).map(drop).unwrap_err();
        assert!(matches!(error, DecodeError::InvalidUtf8 { at: found, .. } if found == at));
    }
    assert_usable(&mut decoder, "text");
}

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
        ("B5C currency", "decimal(10,2)", "\"$1,234.50\"", "decimal_invalid"),
    ] {
        assert_eq!(cell(semantic, json), expected, "{case}");
    }
    let wide = format!("\"{}\"", "Q".repeat(1 << 20));
    assert_eq!(cell("decimal(10,2)", &wide), "decimal_invalid", "B59 a megabyte");
}

#[test]
fn times_are_exact_or_refused() {
    for (case, semantic, json, expected) in [
        ("B60 infinity", "timestamptz", "\"infinity\"", "Instant(Infinity)"),
        ("B60 -infinity", "timestamptz", "\"-infinity\"", "Instant(NegInfinity)"),
        ("B61 timestamp", "timestamp(micros)", "9223372036825200000", "Timestamp(Infinity)"),
        ("B61 date", "date", "-2147472691", "Date(NegInfinity)"),
        ("B66 no such day", "timestamptz", "\"2023-02-30T00:00:00Z\"", "invalid_text"),
        ("B67 now", "timestamptz", "\"now\"", "invalid_text"),
        ("B67 today", "date(iso)", "\"today\"", "invalid_text"),
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
