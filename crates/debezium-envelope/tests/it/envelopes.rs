//! Whole messages of the orders table, with and without schema block.

use std::sync::Arc;

use debezium_envelope::{
    Decimal, DecodeError, Envelope, Lsn, Message, MessageDecoder, Op, Row, SchemaBlock, Sequence,
    SnapshotMarker, Timestamp, Value,
};

use crate::fixtures::{BARE_KEY, SCHEMA_KEY, decoder, value};

fn change<'d>(
    decoder: &'d mut MessageDecoder,
    key: Option<&'d str>,
    value: &'d str,
) -> Envelope<'d> {
    let key = key.map(str::as_bytes);
    let message = decoder.decode(key, Some(value.as_bytes())).unwrap();
    let Message::Change(envelope) = message else { panic!("{message:?}") };
    envelope
}

fn error(value: &str) -> DecodeError {
    decoder().decode(Some(BARE_KEY.as_bytes()), Some(value.as_bytes())).map(drop).unwrap_err()
}

fn order(status: &'static str, updated_at: i64) -> Vec<Value<'static>> {
    vec![
        Value::Int32(1007),
        Value::Int32(42),
        Value::Text("Widget A"),
        Value::Decimal(Decimal::Small { unscaled: 123_450, scale: 2 }),
        Value::Text(status),
        Value::Timestamp(Timestamp::Micros(1_714_979_289_000_001)),
        Value::Timestamp(Timestamp::Micros(updated_at)),
    ]
}

fn values(row: Option<Row<'_>>) -> Option<Vec<Value<'_>>> {
    row.map(|row| row.values().collect())
}

#[test]
fn both_forms_of_every_row_event_decode_to_the_same_rows() {
    let pending = order("pending", 1_714_979_289_000_001);
    let shipped = order("shipped", 1_714_979_300_000_002);
    for (form, key, block) in
        [("bare", BARE_KEY, SchemaBlock::Absent), ("schema", SCHEMA_KEY, SchemaBlock::Present)]
    {
        let mut decoder = decoder();
        for (event, op, before, after) in [
            ("insert", Op::Create, None, Some(&pending)),
            ("update", Op::Update, Some(&pending), Some(&shipped)),
            ("delete", Op::Delete, Some(&shipped), None),
            ("snapshot", Op::Read, None, Some(&pending)),
            ("truncate", Op::Truncate, None, None),
        ] {
            let envelope = change(&mut decoder, Some(key), value(&format!("{event} {form}")));
            assert_eq!(envelope.op, op);
            assert_eq!(values(envelope.before).as_ref(), before, "{event} {form}");
            assert_eq!(values(envelope.after).as_ref(), after, "{event} {form}");
            assert_eq!(values(envelope.key), Some(vec![Value::Int32(1007)]), "{event} {form}");
            assert_eq!(envelope.schema_block, block);
            assert_eq!(envelope.ts_ms, Some(1_714_979_289_611));
            assert_eq!(envelope.transaction, None);
        }
    }
}

#[test]
fn the_source_block_is_read_in_full() {
    let mut decoder = decoder();
    let source = change(&mut decoder, None, value("snapshot schema")).source;
    assert_eq!((source.version, source.connector), ("2.4.2.Final", "postgresql"));
    assert_eq!((source.name, source.db), ("dbserver1", "orders_db"));
    assert_eq!((source.schema, source.table), ("public", "orders"));
    assert_eq!(source.snapshot, SnapshotMarker::Last);
    assert_eq!(source.ts_ms, Some(1_714_979_289_123));
    assert_eq!(source.tx_id, Some(3784));
    assert_eq!(source.lsn, Some(Lsn(374_679_376)));
    let sequence = Sequence { last_commit: None, lsn: Some(Lsn(374_679_376)) };
    assert_eq!(source.sequence, Some(sequence));
}

#[test]
fn the_two_forms_have_one_shape_and_keep_it_while_columns_stay() {
    let mut decoder = decoder();
    let first = Arc::clone(change(&mut decoder, None, value("update bare")).after.unwrap().shape());
    let envelope = change(&mut decoder, None, value("update bare"));
    assert!(Arc::ptr_eq(&first, envelope.before.unwrap().shape()));
    assert!(Arc::ptr_eq(&first, envelope.after.unwrap().shape()));
    let described = change(&mut decoder, None, value("update schema"));
    assert!(Arc::ptr_eq(described.before.unwrap().shape(), described.after.unwrap().shape()));
    assert_eq!(described.after.unwrap().shape(), &first);
}

#[test]
fn tombstones_come_in_three_spellings_and_name_their_key() {
    for spelling in [None, Some(value("tombstone bare")), Some(value("tombstone schema"))] {
        for key in [BARE_KEY, SCHEMA_KEY] {
            let mut decoder = decoder();
            let message =
                decoder.decode(Some(key.as_bytes()), spelling.map(str::as_bytes)).unwrap();
            let Message::Tombstone(tombstone) = message else { panic!("{message:?}") };
            assert_eq!(values(tombstone.key), Some(vec![Value::Int32(1007)]));
        }
    }
    let mut decoder = decoder();
    let message = decoder.decode(None, None).unwrap();
    assert!(matches!(message, Message::Tombstone(tombstone) if tombstone.key.is_none()));
    let unreadable = decoder.decode(Some(b"7"), None).map(drop).unwrap_err();
    assert_eq!(unreadable.code(), "unreadable_key");
}

#[test]
fn messages_without_rows_are_told_apart() {
    let mut decoder = decoder();
    let mut decode = |name: &str| {
        let message = decoder.decode(None, Some(value(name).as_bytes())).unwrap();
        format!("{message:?}")
    };
    assert!(decode("logical message").starts_with("LogicalMessage"));
    assert!(decode("heartbeat").starts_with("Heartbeat"));
    assert!(decode("transaction end").contains("boundary: End"));
    let other = br#"{"order_id":7,"source":"web","op":"x"}"#;
    assert!(matches!(decoder.decode(None, Some(other)), Ok(Message::Other(_))));
    let change = br#"{"source":{"connector":"mysql"},"ddl":"create table t()","tableChanges":[]}"#;
    assert!(matches!(decoder.decode(None, Some(change)), Ok(Message::SchemaChange(_))));
}

#[test]
fn a_wrong_guess_of_the_table_is_corrected_from_the_source_block() {
    let mut declarations = crate::fixtures::declarations();
    let types = debezium_envelope::SemanticType::parse;
    declarations.declare("public.prices", "order_id", types("int64").unwrap());
    declarations.declare("public.prices", "amount", types("decimal(10,4)").unwrap());
    let mut decoder = MessageDecoder::new(declarations, debezium_envelope::Limits::default());
    let orders = value("insert bare");
    let prices = orders.replace("\"table\":\"orders\"", "\"table\":\"prices\"");
    for _ in 0..2 {
        let after = change(&mut decoder, None, orders).after.unwrap();
        assert_eq!(after.get_by_name("order_id"), Some(Value::Int32(1007)));
        let after = change(&mut decoder, None, &prices).after.unwrap();
        assert_eq!(after.get_by_name("order_id"), Some(Value::Int64(1007)));
        let amount = Decimal::Small { unscaled: 123_450, scale: 4 };
        assert_eq!(after.get_by_name("amount"), Some(Value::Decimal(amount)));
    }
}

#[test]
fn a_row_that_only_the_wrong_table_would_refuse_is_accepted() {
    let mut declarations = crate::fixtures::declarations();
    declarations.declare("public.notes", "amount", debezium_envelope::SemanticType::Text);
    let mut decoder = MessageDecoder::new(declarations, debezium_envelope::Limits::default());
    change(&mut decoder, None, value("insert bare"));
    let notes =
        value("insert bare").replace("\"orders\"", "\"notes\"").replace("AeI6", "no base64");
    let after = change(&mut decoder, None, &notes).after.unwrap();
    assert_eq!(after.get_by_name("amount"), Some(Value::Text("no base64")));
}

#[test]
fn a_schema_change_in_mid_topic_changes_the_shape_and_the_way_back_too() {
    for form in ["bare", "schema"] {
        let mut decoder = decoder();
        let before = value(&format!("insert {form}"));
        let after = before.replace("\"status\"", "\"state\"");
        for text in [before, &after, before] {
            let row = change(&mut decoder, None, text).after.unwrap();
            let renamed = text == after;
            assert_eq!(row.shape().index_of("state").is_some(), renamed);
            assert_eq!(row.shape().index_of("status").is_some(), !renamed);
            assert_eq!(row.get(4), Value::Text("pending"));
        }
    }
    let mut decoder = decoder();
    let scale_two = value("insert schema");
    let scale_four = scale_two.replace("\"scale\":\"2\"", "\"scale\":\"4\"");
    for (text, scale) in [(scale_two, 2), (&scale_four, 4), (scale_two, 2)] {
        let row = change(&mut decoder, None, text).after.unwrap();
        let amount = Decimal::Small { unscaled: 123_450, scale };
        assert_eq!(row.get_by_name("amount"), Some(Value::Decimal(amount)));
    }
}

#[test]
fn order_of_members_and_white_space_do_not_matter() {
    for form in ["bare", "schema"] {
        let text = value(&format!("update {form}"));
        let sorted: serde_json::Value = serde_json::from_str(text).unwrap();
        let pretty = serde_json::to_string_pretty(&sorted).unwrap();
        let (mut one, mut two) = (decoder(), decoder());
        let compact = change(&mut one, None, text);
        let pretty = change(&mut two, None, &pretty);
        assert_eq!(pretty.source, compact.source);
        for column in compact.after.unwrap().shape().columns() {
            let name = &column.name;
            let of = |envelope: &Envelope<'_>| {
                format!("{:?}", envelope.after.unwrap().get_by_name(name).unwrap())
            };
            assert_eq!(of(&pretty), of(&compact), "{name}");
        }
    }
}

#[test]
fn every_fault_has_its_code() {
    let insert = value("insert bare");
    let cases = [
        (String::new(), "empty_value"),
        ("[1]".into(), "not_an_object"),
        ("7".into(), "not_an_object"),
        ("{".into(), "malformed_json"),
        (format!("{insert}x"), "malformed_json"),
        (insert.replace("\"op\":\"c\"", "\"op\":\"z\""), "unknown_operation"),
        (insert.replace("\"op\":\"c\",", ""), "missing_field"),
        (insert.replace("\"op\":\"c\"", "\"op\":5"), "invalid_field"),
        (insert.replace("\"op\":\"c\"", "\"op\":null"), "missing_field"),
        (insert.replace("\"source\":{", "\"origin\":{"), "missing_field"),
        (insert.replace("\"op\":\"c\"", "\"op\":\"c\",\"op\":\"c\""), "duplicate_field"),
        (insert.replace("\"status\"", "\"amount\""), "duplicate_field"),
        (value("delete bare").replace("\"op\":\"d\"", "\"op\":\"u\""), "missing_after"),
        (insert.replace("AeI6", "AeI"), "decimal_invalid"),
        (insert.replace("AeI6", ""), "decimal_invalid"),
        (insert.replace("\"AeI6\"", "1.567"), "decimal_invalid"),
        (insert.replace("\"AeI6\"", "true"), "wrong_type"),
        (insert.replace(":1007,", ":99999999999,"), "out_of_range"),
        (insert.replace(":1007,", ":1.5,"), "wrong_type"),
        (insert.replace("\"before\":null", "\"before\":7"), "invalid_field"),
        (insert.replace("[\\\"", "[x\\\""), "invalid_field"),
        (insert.replace("\"false\"", "\"maybe\""), "invalid_field"),
    ];
    for (text, code) in cases {
        assert_eq!(error(&text).code(), code, "{text}");
    }
    assert_eq!(error(&insert.replace("AeI6", "AeI")).column(), Some("amount"));
    let no_key = decoder()
        .decode(None, Some(value("truncate bare").replace("\"t\"", "\"d\"").as_bytes()))
        .map(drop);
    assert_eq!(no_key, Err(DecodeError::MissingBefore {}));
}

#[test]
fn faults_of_the_schema_block_are_named() {
    let insert = value("insert schema");
    for (from, to) in [
        ("\"scale\":\"2\",", ""),
        ("\"scale\":\"2\"", "\"scale\":\"two\""),
        ("\"scale\":\"2\"", "\"scale\":\"2147483648\""),
        ("\"field\":\"status\"", "\"field\":\"amount\""),
        ("\"field\":\"status\"", "\"fields\":[]"),
        ("\"type\":\"struct\"", "\"type\":7"),
    ] {
        assert_eq!(error(&insert.replace(from, to)).code(), "invalid_schema", "{from}");
    }
    let undescribed = insert.replace("\"status\":\"pending\"", "\"state\":\"pending\"");
    assert_eq!(error(&undescribed).code(), "undescribed_column");
    let absent = insert.replace("\"customer_id\":42,", "");
    assert_eq!(error(&absent).code(), "missing_field");
}

#[test]
fn a_delete_without_old_row_is_known_by_its_key() {
    let text = value("delete bare");
    let (head, row) = text.split_once("{\"order_id\"").unwrap();
    let (_, tail) = row.split_once("},\"after\"").unwrap();
    let text = format!("{head}null,\"after\"{tail}");
    let mut decoder = decoder();
    let envelope = change(&mut decoder, Some(BARE_KEY), &text);
    assert!(envelope.before.is_none());
    assert_eq!(values(envelope.key), Some(vec![Value::Int32(1007)]));
}

#[test]
fn keys_that_are_no_objects_are_left_out_of_row_events() {
    let mut decoder = decoder();
    for key in [Some("1007"), Some("null"), Some("\"x\""), Some(""), None] {
        assert!(change(&mut decoder, key, value("insert bare")).key.is_none());
    }
    let broken = decoder.decode(Some(b"{\"order_id\":"), Some(value("insert bare").as_bytes()));
    assert_eq!(broken.map(drop).unwrap_err().code(), "malformed_json");
}

#[test]
fn the_transaction_block_is_read() {
    let block =
        r#""transaction":{"id":"3784:374679712","total_order":3,"data_collection_order":1}"#;
    let text = value("insert bare").replace("\"transaction\":null", block);
    let mut decoder = decoder();
    let transaction = change(&mut decoder, None, &text).transaction.unwrap();
    assert_eq!(transaction.id, "3784:374679712");
    assert_eq!((transaction.total_order, transaction.data_collection_order), (3, 1));
}
