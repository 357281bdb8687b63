//! Records that are not about a row: skipped by reason, never taken for one another.

use crate::support::{KEY, TOPIC, decoder, outcome, value_outcome};

#[test]
fn f104_tombstones_are_skipped_whatever_their_key_is() {
    let mut decoder = decoder();
    for key in [Some(KEY.as_bytes()), None, Some(b"\x00binary".as_slice()), Some(b"")] {
        assert_eq!(outcome(&mut decoder, TOPIC, (key, None)), "skip tombstone", "{key:?}");
    }
    for value in ["null", r#"{"schema":null,"payload":null}"#] {
        assert_eq!(value_outcome(&mut decoder, value.as_bytes()), "skip tombstone", "{value}");
    }
}

#[test]
fn f103_messages_about_the_stream_are_skipped_as_such() {
    let source = r#"{"version":"2.4.2.Final","connector":"postgresql","name":"s","ts_ms":1,"db":"shop","schema":"","table":"","txId":1,"lsn":5}"#;
    let logical = format!(
        r#"{{"op":"m","ts_ms":1,"source":{source},"message":{{"prefix":"audit","content":"aGk="}}}}"#
    );
    let mut decoder = decoder();
    for (topic, message) in [
        ("__debezium-heartbeat.dbserver1", r#"{"ts_ms":1706695200000}"#),
        (
            "dbserver1.transaction",
            r#"{"status":"BEGIN","id":"9:42","event_count":null,"data_collections":null,"ts_ms":1}"#,
        ),
        (
            "dbserver1.transaction",
            r#"{"status":"END","id":"9:42","event_count":2,"data_collections":[],"ts_ms":1}"#,
        ),
        ("dbserver1.message", logical.as_str()),
        (
            "dbserver1",
            r#"{"source":{"name":"s"},"databaseName":"shop","ddl":"CREATE TABLE t (i int)","tableChanges":[]}"#,
        ),
    ] {
        let found = outcome(&mut decoder, topic, (None, Some(message.as_bytes())));
        assert_eq!(found, "skip control_message", "{message}");
    }
}

#[test]
fn a_flattened_row_is_rejected_and_not_skipped() {
    let mut decoder = decoder();
    let row = br#"{"order_id":7,"amount":"BNI=","__deleted":"false"}"#;
    assert_eq!(value_outcome(&mut decoder, row), "reject not_an_envelope");
}
