//! The promise that a row costs no allocation once the buffers are warm, arrays and maps included.

use debezium_envelope::{Limits, Message, MessageDecoder, Value};

use crate::fixtures::{BARE_KEY, SCHEMA_KEY, decoder, rich, value};

#[test]
fn a_hundred_rows_of_all_types_allocate_nothing() {
    let (declarations, text) = rich();
    let mut decoder = MessageDecoder::new(declarations, Limits::default());
    let mut run = || {
        for _ in 0..100 {
            let message = decoder.decode(None, Some(text.as_bytes())).unwrap();
            let Message::Change(change) = message else { panic!("a row event") };
            let row = change.after.unwrap();
            assert!(row.values().all(|value| !matches!(value, Value::Null | Value::Unavailable)));
            for value in row.values() {
                if let Value::Array(array) = value {
                    assert!(array.leaves().count() > 0 && array.dimensions().count() > 0);
                }
            }
        }
    };
    run();
    assert_eq!(allocation_counter::measure(run).count_total, 0);
}

#[test]
fn orders_with_their_keys_allocate_nothing() {
    for (name, key) in [("update bare", BARE_KEY), ("update schema", SCHEMA_KEY)] {
        let mut decoder = decoder();
        let mut run = || {
            for _ in 0..100 {
                let message = decoder.decode(Some(key.as_bytes()), Some(value(name).as_bytes()));
                let Ok(Message::Change(change)) = message else { panic!("{name}") };
                assert!(change.key.is_some() && change.after.is_some());
            }
        };
        run();
        assert_eq!(allocation_counter::measure(run).count_total, 0, "{name}");
    }
}
