//! Bytes that are no message: each a rejection with a stable code, and no trace in what follows.

use cdc_core::Decoder;
use proptest::prelude::*;

use crate::support::{
    KEY, ROW, ROW_TEXT, TOPIC, batch_of, decoder, envelope, outcome, value_outcome, with_schema,
};

#[test]
fn each_kind_of_garbage_has_its_code_and_leaves_its_neighbours_alone() {
    let good = envelope("c", "null", ROW);
    let expected = format!("1 insert {ROW_TEXT}");
    let wrong = |from: &str, to: &str| good.replace(from, to).into_bytes();
    let corpus: Vec<(&str, Vec<u8>)> = vec![
        ("empty_value", Vec::new()),
        ("malformed_json", b"   ".to_vec()),
        ("malformed_json", b"nul".to_vec()),
        ("malformed_json", b"{".to_vec()),
        ("malformed_json", [good.as_bytes(), b"}"].concat()),
        ("not_an_object", b"[]".to_vec()),
        ("not_an_object", b"42".to_vec()),
        ("not_an_object", b"\"text\"".to_vec()),
        ("not_an_object", b"true".to_vec()),
        ("invalid_utf8", b"{\"op\":\"\xff\"}".to_vec()),
        ("too_deep", "[".repeat(100_000).into_bytes()),
        ("not_an_envelope", b"{}".to_vec()),
        ("unknown_operation", wrong(r#""op":"c""#, r#""op":"x""#)),
        ("unknown_operation", wrong(r#""op":"c""#, r#""op":"""#)),
        ("missing_after", envelope("c", "null", "null").into_bytes()),
        ("missing_after", envelope("r", "null", "null").into_bytes()),
        ("missing_after", envelope("u", ROW, "null").into_bytes()),
        ("invalid_field", envelope("c", "null", "7").into_bytes()),
        ("missing_field", b"{\"after\":{},\"op\":\"c\"}".to_vec()),
        ("wrong_type", wrong("\"BNI=\"", "true")),
        ("decimal_invalid", wrong("BNI=", "BNI")),
        ("wrong_type", wrong("1706695200500000", "\"soon\"")),
        ("out_of_range", wrong("\"order_id\":7", "\"order_id\":2147483648")),
        ("undeclared_type", wrong("\"paid\"", "[1]")),
        ("invalid_schema", br#"{"schema":{"type":7},"payload":{}}"#.to_vec()),
    ];
    let mut decoder = decoder();
    assert_eq!(value_outcome(&mut decoder, good.as_bytes()), expected);
    for (code, value) in corpus {
        let shown = String::from_utf8_lossy(value.get(..80).unwrap_or(&value)).into_owned();
        for _ in 0..2 {
            let found = value_outcome(&mut decoder, &value);
            assert_eq!(found, format!("reject {code}"), "{shown}");
        }
        assert_eq!(value_outcome(&mut decoder, good.as_bytes()), expected, "after {shown}");
    }
}

#[test]
fn f105_a_message_cut_at_any_byte_is_rejected() {
    let good = envelope("u", ROW, ROW);
    for message in [good.clone(), with_schema(&good)] {
        let mut decoder = decoder();
        for length in 0..message.len() {
            let found = value_outcome(&mut decoder, &message.as_bytes()[..length]);
            let code = if length == 0 { "empty_value" } else { "malformed_json" };
            assert_eq!(found, format!("reject {code}"), "{length} bytes");
        }
        let found = value_outcome(&mut decoder, message.as_bytes());
        assert_eq!(found, format!("1 update {ROW_TEXT} to {ROW_TEXT}"));
    }
}

#[test]
fn a_rejection_says_which_column_and_never_which_value() {
    let mut decoder = decoder();
    let marked = "s3cr3t-4711";
    for column in ["order_id", "amount", "created_at"] {
        let row = format!(r#"{{"{column}":"{marked}"}}"#);
        let message = envelope("c", "null", &row);
        let batch = batch_of(TOPIC, &[(Some(KEY.as_bytes()), Some(message.as_bytes()))]);
        let rejection = decoder.decode(batch.get(0).unwrap()).unwrap_err();
        assert_eq!(rejection.column.as_deref(), Some(column), "{rejection:?}");
        assert!(!format!("{rejection:?}").contains("4711"), "{rejection:?}");
        assert!(rejection.hint.is_some());
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_never_disturb(
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        value in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let good = envelope("c", "null", ROW);
        let mut decoder = decoder();
        let record = (key.as_deref(), Some(value.as_slice()));
        let found = outcome(&mut decoder, TOPIC, record);
        prop_assert!(found.starts_with("reject ") || found.starts_with("skip "), "{}", found);
        prop_assert_eq!(value_outcome(&mut decoder, good.as_bytes()), format!("1 insert {}", ROW_TEXT));
    }

    #[test]
    fn a_message_with_changed_bytes_never_panics_and_never_disturbs(
        described in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let good = envelope("u", ROW, ROW);
        let good = if described { with_schema(&good) } else { good };
        let mut edited = good.clone().into_bytes();
        for (at, byte) in edits {
            let at = at.index(edited.len());
            edited[at] = byte;
        }
        let mut decoder = decoder();
        let first = value_outcome(&mut decoder, &edited);
        prop_assert_eq!(&first, &value_outcome(&mut decoder, &edited));
        let found = value_outcome(&mut decoder, good.as_bytes());
        prop_assert_eq!(found, format!("1 update {ROW_TEXT} to {ROW_TEXT}"));
    }
}
