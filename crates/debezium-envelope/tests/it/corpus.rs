//! The corpus of broken and extreme records, each with what has to become of it.
//!
//! The cases are those of the project's reliability table that decoding decides; the rest of the table
//! is about what a target accepts. A case that the target decides is decoded exactly here.

mod cells;

use debezium_envelope::{
    DecodeError, ForeignFormat, Limits, Message, MessageDecoder, SemanticType,
};

use crate::fixtures::{BARE_KEY, SCHEMA_KEY, declarations, decoder, value};

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
        ("B07 byte-order mark", [b"\xef\xbb\xbf", insert.as_bytes()].concat(), "change c"),
        ("B07 two of them", format!("\u{feff}\u{feff}{insert}").into_bytes(), "malformed_json"),
        ("B07 nothing behind it", b"\xef\xbb\xbf".to_vec(), "empty_value"),
        ("B08 UTF-16", utf16(insert), "not_json"),
        ("B08 UTF-16 with a mark", utf16(&format!("\u{feff}{insert}")), "not_json"),
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
            "number_too_long",
        ),
        ("B17 the same in a decimal", with("\"AeI6\"", &"7".repeat(1 << 20)), "number_too_long"),
        ("B17 in an unknown member", member(&"7".repeat(1 << 20)), "number_too_long"),
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
        // Which row it is stands in the row itself; a key may be missing because of its converter.
        (
            "B25 update without old row and key",
            b"{\"after\":{\"a\":1},\"source\":{\"table\":\"t\"},\"op\":\"u\"}".to_vec(),
            "change u",
        ),
        ("B26 key of another row", with("\"order_id\":1007", "\"order_id\":1008"), "key_mismatch"),
    ];
    assert_outcomes(cases);
}

#[test]
fn another_format_than_json_is_named() {
    let mut decoder = decoder();
    for (case, bytes, found, hint) in [
        (
            "B27 Avro",
            b"\x00\x00\x00\x00\x07\x02abc".as_slice(),
            ForeignFormat::RegistryPayload,
            "looks like a registry payload",
        ),
        (
            "B27 a registry's JSON",
            b"\x00\x00\x00\x00\x07{}",
            ForeignFormat::RegistryPayload,
            "looks like a registry payload",
        ),
        ("B28 gzip", b"\x1f\x8b\x08\x00\x00\x00", ForeignFormat::Gzip, "compression.type"),
        ("B28 zstd", b"\x28\xb5\x2f\xfd\x04\x00", ForeignFormat::Zstandard, "compression.type"),
        ("B28 LZ4", b"\x04\x22\x4d\x18\x60", ForeignFormat::Lz4, "compression.type"),
        ("B28 Snappy", b"\x82SNAPPY\x00", ForeignFormat::Snappy, "compression.type"),
        ("B08 UTF-16", b"\x00{\x00}", ForeignFormat::Utf16, "UTF-8"),
    ] {
        let error = decoder.decode(None, Some(bytes)).map(drop).unwrap_err();
        assert_eq!(error, DecodeError::NotJson { found }, "{case}");
        assert!(error.hint().unwrap().contains(hint), "{case}");
        assert_usable(&mut decoder, case);
    }
}

#[test]
fn byte_order_marks_are_counted_and_count_in_places() {
    let mut decoder = decoder();
    let mark = |text: &str| format!("\u{feff}{text}").into_bytes();
    assert_usable(&mut decoder, "B07");
    assert_eq!(decoder.byte_order_marks(), 0);
    for name in ["insert bare", "insert schema"] {
        let (key, value) = (mark(BARE_KEY), mark(value(name)));
        let Ok(Message::Change(change)) = decoder.decode(Some(&key), Some(&value)) else {
            panic!("B07 {name}")
        };
        assert_eq!(change.key.unwrap().get(0), change.after.unwrap().get(0));
    }
    assert_eq!(outcome(&mut decoder, Some(&mark(BARE_KEY)), None), "tombstone", "B07");
    assert_eq!(decoder.byte_order_marks(), 5);
    let error = decoder.decode(None, Some(&mark("{]"))).map(drop).unwrap_err();
    assert!(matches!(error, DecodeError::MalformedJson { at: 4, .. }), "{error}");
    let error = decoder.decode(None, Some(b"\xef\xbb\xbf{\"\xff")).map(drop).unwrap_err();
    assert!(matches!(error, DecodeError::InvalidUtf8 { at: 5, .. }), "{error}");
}

#[test]
fn a_key_that_names_another_row_than_the_value_is_refused() {
    let record = |key: &str, op: &str, row: &str| {
        let mut declarations = declarations();
        declarations.declare("s.t", "n", SemanticType::parse("decimal(10,2)").unwrap());
        declarations.declare("s.t", "u", SemanticType::Uuid);
        let mut decoder = MessageDecoder::new(declarations, Limits::default());
        let images =
            if op == "d" { format!(r#""before":{row}"#) } else { format!(r#""after":{row}"#) };
        let value = format!(r#"{{{images},"source":{{"schema":"s","table":"t"}},"op":"{op}"}}"#);
        outcome(&mut decoder, Some(key.as_bytes()), Some(value.as_bytes()))
    };
    for op in ["c", "u", "r"] {
        assert_eq!(record(r#"{"id":7}"#, op, r#"{"id":8,"x":1}"#), "key_mismatch", "B26 {op}");
        assert_eq!(record(r#"{"id":7}"#, op, r#"{"x":1,"id":7}"#), format!("change {op}"), "B26");
    }
    for (case, key, row, expected) in [
        ("second column", r#"{"a":1,"b":"x"}"#, r#"{"a":1,"b":"y"}"#, "key_mismatch"),
        ("a type's other form", r#"{"n":"AQ=="}"#, r#"{"n":0.01}"#, "change c"),
        ("a type's other number", r#"{"n":"AQ=="}"#, r#"{"n":0.02}"#, "key_mismatch"),
        ("a column of the key alone", r#"{"__shard":"x"}"#, r#"{"id":7}"#, "change c"),
        ("not comparable", r#"{"id":"7"}"#, r#"{"id":7}"#, "change c"),
        ("no object", "7", r#"{"id":8}"#, "change c"),
        (
            "letters of a UUID",
            r#"{"u":"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}"#,
            r#"{"u":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}"#,
            "change c",
        ),
    ] {
        assert_eq!(record(key, "c", row), expected, "B26 {case}");
    }
    assert_eq!(record(r#"{"id":7}"#, "d", r#"{"id":0}"#), "change d", "B26 a delete's row");
    let described = value("insert schema").replace("\"order_id\":1007", "\"order_id\":1008");
    let mut decoder = decoder();
    let found = outcome(&mut decoder, Some(SCHEMA_KEY.as_bytes()), Some(described.as_bytes()));
    assert_eq!(found, "key_mismatch", "B26 with schema blocks");
    assert_usable(&mut decoder, "B26");
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
fn f38_a_record_over_the_limit_is_refused_whatever_it_holds() {
    let mut decoder = decoder();
    let large = vec![b' '; (64 << 20) + 1];
    assert_eq!(outcome(&mut decoder, None, Some(&large)), "record_too_large", "B29");
    assert_eq!(outcome(&mut decoder, Some(&large), None), "record_too_large", "B29 key");
    // Memory that is never looked at is never filled.
    let text = vec![0; 1 << 30];
    assert_eq!(outcome(&mut decoder, None, Some(&text)), "record_too_large", "B39");
    let limits = Limits { record_bytes_max: usize::MAX, ..Limits::default() };
    let mut widest = MessageDecoder::new(declarations(), limits);
    let text = vec![0; (1 << 30) + 1];
    assert_eq!(outcome(&mut widest, None, Some(&text)), "record_too_large", "B39 without a limit");
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
