//! Bytes that no producer sends: each gives a message or an error, never a panic, and leaves the
//! decoder usable.

use debezium_envelope::{
    DecimalError, Declarations, DecodeError, Limits, Message, MessageDecoder, SemanticType, Value,
};

use crate::fixtures::{BARE_KEY, SCHEMA_KEY, VALUES, declarations, decoder, rich, value};

/// Looks at everything that a message shows.
fn read(result: Result<Message<'_>, DecodeError>) {
    match result {
        Ok(message) => {
            if let Message::Change(envelope) = &message {
                for row in [envelope.before, envelope.after, envelope.key].into_iter().flatten() {
                    assert_eq!(row.values().count(), row.shape().len());
                }
            }
            assert!(!format!("{message:?}").is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    }
}

fn still_works(decoder: &mut MessageDecoder) {
    for name in ["update bare", "update schema"] {
        let result = decoder.decode(Some(BARE_KEY.as_bytes()), Some(value(name).as_bytes()));
        assert!(matches!(result, Ok(Message::Change(_))), "{result:?}");
    }
}

#[test]
fn every_truncation_of_every_fixture_is_an_answer() {
    for key in [BARE_KEY, SCHEMA_KEY] {
        let mut decoder = decoder();
        for (_, text) in VALUES {
            for length in 0..text.len() {
                let cut = text.as_bytes().get(..length);
                read(decoder.decode(Some(key.as_bytes()), cut));
            }
        }
        for length in 0..key.len() {
            read(decoder.decode(key.as_bytes().get(..length), None));
        }
        still_works(&mut decoder);
    }
}

#[test]
fn every_flipped_byte_of_every_fixture_is_an_answer() {
    let mut decoder = decoder();
    for (_, text) in VALUES {
        for at in 0..text.len() {
            for change in [0xff, 0x01, 0x20, b'0' ^ b'"', b'{' ^ b'}'] {
                let mut bytes = text.as_bytes().to_vec();
                *bytes.get_mut(at).unwrap() ^= change;
                read(decoder.decode(Some(BARE_KEY.as_bytes()), Some(&bytes)));
            }
        }
    }
    still_works(&mut decoder);
}

#[test]
fn every_removed_or_doubled_byte_is_an_answer() {
    let mut decoder = decoder();
    for (_, text) in VALUES {
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            let byte = bytes.remove(at);
            read(decoder.decode(None, Some(&bytes)));
            bytes.insert(at, byte);
            bytes.insert(at, byte);
            read(decoder.decode(None, Some(&bytes)));
        }
    }
    still_works(&mut decoder);
}

#[test]
fn every_damage_to_a_row_of_all_types_is_an_answer() {
    let (declarations, text) = rich();
    let mut decoder = MessageDecoder::new(declarations, Limits::default());
    assert!(matches!(decoder.decode(None, Some(text.as_bytes())), Ok(Message::Change(_))));
    for at in 0..text.len() {
        read(decoder.decode(None, text.as_bytes().get(..at)));
        for change in [0xff, 0x01, 0x20, b'0' ^ b'"', b'{' ^ b'}', b'[' ^ b'1', b',' ^ b']'] {
            let mut bytes = text.as_bytes().to_vec();
            *bytes.get_mut(at).unwrap() ^= change;
            read(decoder.decode(None, Some(&bytes)));
        }
        let mut bytes = text.as_bytes().to_vec();
        bytes.remove(at);
        read(decoder.decode(None, Some(&bytes)));
    }
    assert!(matches!(decoder.decode(None, Some(text.as_bytes())), Ok(Message::Change(_))));
}

#[test]
fn a_long_array_counts_against_the_limit_of_values() {
    let mut declarations = Declarations::none();
    declarations.declare("*", "v", SemanticType::parse("array(int32)").unwrap());
    let limits = Limits { tokens_max: 1_000, ..Limits::default() };
    let mut decoder = MessageDecoder::new(declarations, limits);
    let key = format!("{{\"v\":[{}7]}}", "7,".repeat(2_000));
    let error = decoder.decode(Some(key.as_bytes()), None).map(drop).unwrap_err();
    assert_eq!(error.code(), "too_many_tokens");
}

#[test]
fn a_million_brackets_are_refused_at_once_wherever_they_stand() {
    let insert = value("insert bare");
    for bracket in ["[", "{\"a\":"] {
        let deep = bracket.repeat(1_000_000);
        let places = [
            deep.clone(),
            insert.replace("\"pending\"", &deep),
            insert.replace("\"transaction\":null", &format!("\"unknown\":{deep}")),
            insert.replace("\"xmin\":null", &format!("\"xmin\":{deep}")),
            insert.replace("\"before\":null", &format!("\"before\":{deep}")),
            format!("{{\"schema\":{deep}"),
            format!("{{\"schema\":null,\"payload\":{deep}"),
        ];
        for text in places {
            let mut decoder = decoder();
            let error = decoder.decode(None, Some(text.as_bytes())).map(drop).unwrap_err();
            let known = ["too_deep", "wrong_type", "not_an_object", "malformed_json"];
            assert!(known.contains(&error.code()), "{error}");
        }
    }
}

#[test]
fn a_schema_block_cannot_recurse_past_the_depth_limit() {
    let mut schema = r#"{"type":"int32"}"#.to_owned();
    for _ in 0..60 {
        schema = format!(r#"{{"type":"struct","fields":[{schema}],"field":"x"}}"#);
    }
    let text = format!("{{\"schema\":{schema},\"payload\":{{}}}}");
    let error = decoder().decode(None, Some(text.as_bytes())).map(drop).unwrap_err();
    assert_eq!(error.code(), "too_deep");
}

#[test]
fn limits_are_checked_before_the_work() {
    let code = |limits: Limits| {
        let mut decoder = MessageDecoder::new(declarations(), limits);
        let result = decoder.decode(None, Some(value("insert bare").as_bytes())).map(drop);
        result.map_err(|error| error.code())
    };
    assert_eq!(code(Limits::default()), Ok(()));
    let bytes = Limits { record_bytes_max: 100, ..Limits::default() };
    assert_eq!(code(bytes), Err("record_too_large"));
    let tokens = Limits { tokens_max: 5, ..Limits::default() };
    assert_eq!(code(tokens), Err("too_many_tokens"));
}

/// The answer to an array of so many equal numbers under a schema block that calls them decimals.
fn array_of_decimals(scale: i32, number: &str, count: usize, limits: Limits) -> DecodeError {
    let numbers = vec![number; count].join(",");
    let decimal = format!(
        r#"{{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{{"scale":"{scale}"}}}}"#
    );
    let key = format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"type":"array","items":{decimal},"field":"v"}}]}},"payload":{{"v":[{numbers}]}}}}"#
    );
    let mut decoder = MessageDecoder::new(declarations(), limits);
    let error = decoder.decode(Some(key.as_bytes()), None).map(drop).unwrap_err();
    still_works(&mut decoder);
    error
}

#[test]
fn a_number_that_grows_at_its_declared_scale_is_refused() {
    for scale in [0, 2] {
        let error = array_of_decimals(scale, "1e131071", 60_000, Limits::default());
        let reason = DecimalError::TooMuchGrowth {};
        assert_eq!(error, DecodeError::InvalidDecimal { column: "v".into(), reason });
    }
    let reason = DecimalError::TooMuchGrowth {};
    let wide = array_of_decimals(1_001, "1", 2, Limits::default());
    assert_eq!(wide, DecodeError::InvalidDecimal { column: "v".into(), reason });
    let code = |scale, number: &str, limits| array_of_decimals(scale, number, 2, limits).code();
    let narrow = Limits { decimal_growth_max: 0, ..Limits::default() };
    assert_eq!(code(40, "1", narrow), "decimal_invalid");
    assert_eq!(code(-1, "1e-16383", Limits::default()), "decimal_invalid");
}

#[test]
fn zeros_that_a_scale_adds_are_bounded_for_the_whole_row() {
    let one = "1";
    let megabyte = Limits { scratch_bytes_max: 1 << 20, ..Limits::default() };
    let all = Limits { decimal_growth_max: u32::MAX, ..megabyte };
    for (scale, number, limits) in [(1_000, one, megabyte), (0, "1e131071", all)] {
        let error = array_of_decimals(scale, number, 60_000, limits);
        assert_eq!(error, DecodeError::RowTooLarge { column: "v".into(), bytes_max: 1 << 20 });
    }
}

/// Defaults in a schema block are values too, and are kept as long as the block.
#[test]
fn defaults_that_grow_are_left_out() {
    let decimal = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"1000"}}"#;
    let many = vec!["1"; 2_000].join(",");
    let field = |index: usize| {
        format!(r#"{{"type":"array","items":{decimal},"default":[{many}],"field":"c{index}"}}"#)
    };
    let mut fields: Vec<String> = (0..8).map(field).collect();
    fields.push(r#"{"type":"int32","default":7,"field":"last"}"#.to_owned());
    let payload: Vec<String> = (0..8).map(|index| format!("\"c{index}\":[]")).collect();
    let (fields, payload) = (fields.join(","), payload.join(","));
    let key = format!(
        r#"{{"schema":{{"type":"struct","fields":[{fields}]}},"payload":{{{payload},"last":1}}}}"#
    );
    let mut decoder = decoder();
    let Ok(Message::Tombstone(tombstone)) = decoder.decode(Some(key.as_bytes()), None) else {
        panic!("a key")
    };
    let row = tombstone.key.unwrap();
    assert!(row.shape().default_of(0).is_some(), "the first one is small enough");
    assert!((1..8).all(|index| row.shape().default_of(index).is_none()));
    assert_eq!(row.shape().default_of(8), Some(Value::Int32(7)));
}

#[test]
fn text_and_bytes_count_against_the_memory_of_a_row() {
    let mut declarations = Declarations::none();
    declarations.declare("*", "v", SemanticType::parse("array(text)").unwrap());
    let limits = Limits { scratch_bytes_max: 1_000, ..Limits::default() };
    let mut decoder = MessageDecoder::new(declarations, limits);
    for (count, expected) in [(10, Ok(())), (11, Err("row_too_large")), (10, Ok(()))] {
        let key =
            format!("{{\"v\":[{}]}}", vec![format!("\"{}\"", "x".repeat(100)); count].join(","));
        let result = decoder.decode(Some(key.as_bytes()), None).map(drop);
        assert_eq!(result.map_err(|error| error.code()), expected, "{count}");
    }
}

#[test]
fn a_number_longer_than_the_limit_is_refused_wherever_it_stands() {
    let insert = value("insert bare");
    let limits = Limits { number_bytes_max: 40, ..Limits::default() };
    let result = |length: usize, place: &str| {
        let number = "7".repeat(length);
        let fraction = format!("0.{}", "7".repeat(length - 2));
        let text = match place {
            "column" => insert.replace("\"AeI6\"", &fraction),
            "integer column" => insert.replace(":1007,", &format!(":{number},")),
            "float" => insert.replace("\"pending\"", &fraction),
            "source" => insert.replace("\"xmin\":null", &format!("\"xmin\":[{number}]")),
            "unknown member" => {
                insert.replace("\"transaction\":null", &format!("\"unknown\":{{\"a\":{fraction}}}"))
            }
            "time" => insert.replace("\"op\":", &format!("\"ts_ms\":{number},\"op\":")),
            _ => format!(
                "{{\"schema\":{{\"type\":\"struct\",\"version\":{number}}},\"payload\":null}}"
            ),
        };
        assert_ne!(text, insert, "{place}");
        let mut declared = declarations();
        declared.declare("public.orders", "status", SemanticType::Float64);
        let mut decoder = MessageDecoder::new(declared, limits);
        decoder.decode(None, Some(text.as_bytes())).map(drop).map_err(|error| error.code())
    };
    let places =
        ["column", "integer column", "float", "source", "unknown member", "time", "schema block"];
    for place in places {
        assert_eq!(result(41, place), Err("number_too_long"), "{place}");
        assert_ne!(result(40, place), Err("number_too_long"), "{place}");
    }
    assert_eq!(result(40, "float"), Ok(()));
}

#[test]
fn bytes_that_are_not_utf8_are_located() {
    let error = decoder().decode(None, Some(b"{\"a\":\"\xff\"}")).map(drop).unwrap_err();
    assert!(matches!(error, DecodeError::InvalidUtf8 { at: 6, .. }), "{error:?}");
}
