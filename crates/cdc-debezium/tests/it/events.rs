//! Row events and truncates of a configured table.

use cdc_core::{Decoded, Decoder, Origin, SnapshotPlace};

use crate::support::{
    KEY, ROW, ROW_TEXT, TOPIC, batch_of, decoder, envelope, outcome, value_outcome, with_schema,
};

#[test]
fn every_operation_becomes_its_change_with_and_without_schema_block() {
    let other = ROW.replace("paid", "sent");
    let other_text = ROW_TEXT.replace("paid", "sent");
    let mut decoder = decoder();
    for (op, before, after, expected) in [
        ("c", "null", ROW, format!("1 insert {ROW_TEXT}")),
        ("r", "null", ROW, format!("1 snapshot {ROW_TEXT}")),
        ("u", "null", ROW, format!("1 update {ROW_TEXT}")),
        ("u", ROW, other.as_str(), format!("1 update {ROW_TEXT} to {other_text}")),
        ("d", ROW, "null", format!("1 delete {ROW_TEXT}")),
        ("t", "null", "null", "1 truncate".to_owned()),
    ] {
        let message = envelope(op, before, after);
        let found = value_outcome(&mut decoder, message.as_bytes());
        // An undeclared integer is 64 bits wide, a described one what its schema says: the same.
        assert_eq!(found, expected, "{op} without schema block");
        let found = value_outcome(&mut decoder, with_schema(&message).as_bytes());
        assert_eq!(found, expected, "{op} with schema block");
    }
}

#[test]
fn both_rows_of_an_update_share_one_shape() {
    let mut decoder = decoder();
    for message in [envelope("u", ROW, ROW), with_schema(&envelope("u", ROW, ROW))] {
        let batch = batch_of(TOPIC, &[(Some(KEY.as_bytes()), Some(message.as_bytes()))]);
        let Ok(Decoded::Change(event)) = decoder.decode(batch.get(0).unwrap()) else {
            panic!("an update")
        };
        let cdc_core::Change::Update { before: Some(before), after } = event.change else {
            panic!("an update with both rows")
        };
        assert!(std::sync::Arc::ptr_eq(before.shape(), after.shape()));
    }
}

#[test]
fn the_source_block_becomes_the_origin_and_the_record_is_kept() {
    let message = envelope("c", "null", ROW);
    let mut decoder = decoder();
    let batch = batch_of(TOPIC, &[(Some(KEY.as_bytes()), Some(message.as_bytes()))]);
    let Ok(Decoded::Change(event)) = decoder.decode(batch.get(0).unwrap()) else {
        panic!("an insert")
    };
    let expected = Origin {
        lsn: Some(42),
        tx_id: Some(9),
        committed_at_ms: Some(1_706_695_200_000),
        captured_at_ms: Some(1_706_695_200_999),
    };
    assert_eq!(event.origin, expected);
    assert_eq!(event.ordinal, 0);
    assert_eq!(event.record.value, Some(message.as_bytes().into()));
}

#[test]
fn absent_positions_are_absent_and_not_zero() {
    let message = envelope("c", "null", ROW)
        .replace(r#""txId":9,"lsn":42,"#, "")
        .replace(r#""ts_ms":1706695200999,"#, r#""ts_ms":null,"#);
    let mut decoder = decoder();
    let batch = batch_of(TOPIC, &[(None, Some(message.as_bytes()))]);
    let Ok(Decoded::Change(event)) = decoder.decode(batch.get(0).unwrap()) else {
        panic!("an insert")
    };
    let origin = Origin { committed_at_ms: Some(1_706_695_200_000), ..Origin::default() };
    assert_eq!(event.origin, origin);
}

#[test]
fn a_delete_without_a_row_is_taken_with_its_key() {
    let message = envelope("d", "null", "null");
    let mut decoder = decoder();
    let key = Some(KEY.as_bytes());
    let with_key = outcome(&mut decoder, TOPIC, (key, Some(message.as_bytes())));
    assert_eq!(with_key, "1 delete order_id=Int32(7)");
    let without = outcome(&mut decoder, TOPIC, (None, Some(message.as_bytes())));
    assert_eq!(without, "reject missing_before");
}

#[test]
fn a_clone_decodes_alike_and_starts_anew() {
    let message = envelope("c", "null", ROW);
    let mut first = decoder();
    let expected = value_outcome(&mut first, message.as_bytes());
    assert_eq!(value_outcome(&mut first.clone(), message.as_bytes()), expected);
}

#[test]
fn a_row_says_of_which_snapshot_it_is_unless_that_was_incremental() {
    use SnapshotPlace::{First, Last, Within};
    let cases = [
        ("true", Some(Within)),
        ("first", Some(First)),
        ("first_in_data_collection", Some(First)),
        ("last_in_data_collection", Some(Last)),
        ("last", Some(Last)),
        ("incremental", None),
        ("false", None),
    ];
    for (marker, place) in cases {
        let marked = format!(r#""snapshot":"{marker}""#);
        let value = envelope("r", "null", ROW).replace(r#""snapshot":"false""#, &marked);
        let snapshot = |value: &str| {
            let batch = batch_of(TOPIC, &[(Some(KEY.as_bytes()), Some(value.as_bytes()))]);
            match decoder().decode(batch.get(0).unwrap()) {
                Ok(Decoded::Change(event)) => event.snapshot.map(|row| {
                    assert_eq!((row.connector, row.database), ("dbserver1", "shop"));
                    (row.lsn, row.tx_id, row.place)
                }),
                Ok(Decoded::Skip(_)) | Err(_) => panic!("expected a change"),
            }
        };
        assert_eq!(snapshot(&value), place.map(|place| (42, 9, place)), "{marker}");
        let nowhere = value.replace(r#""lsn":42"#, r#""lsn":null"#);
        assert_eq!(snapshot(&nowhere), None, "nothing tells {marker} from another snapshot");
    }
}
