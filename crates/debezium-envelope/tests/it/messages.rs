//! Every kind of message that is about no row, in the forms of all versions, and the blocks around
//! rows.

use debezium_envelope::{
    BinaryMode, CollectionCount, Declarations, DecodeError, Limits, Lsn, Message, MessageDecoder,
    Op, Sequence, SnapshotMarker, SourceInfo, TransactionBoundary,
};

use crate::fixtures::{BARE_KEY, decoder, value};

const SOURCE_3: &str = r#"{"version":"3.6.1.Final","connector":"postgresql","name":"acme","ts_ms":1714979289123,"snapshot":"false","db":"shop","sequence":"[null,\"305419896\"]","ts_us":1714979289123456,"ts_ns":1714979289123456000,"schema":"sales","table":"orders","txId":7781,"lsn":305419896,"xmin":null,"origin":"node_b","origin_lsn":42}"#;
const SOURCE_1: &str = r#"{"version":"1.9.7.Final","connector":"postgresql","name":"acme","ts_ms":1714979289123,"snapshot":"false","db":"shop","sequence":"[null,\"305419896\"]","schema":"sales","table":"orders","txId":7781,"lsn":305419896,"xmin":null}"#;

/// Decodes a value alone, and hands what it is to the assertion.
fn with<T>(value: &str, look: impl FnOnce(Message<'_>) -> T) -> T {
    let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
    look(decoder.decode(None, Some(value.as_bytes())).unwrap())
}

/// The source block of a row event.
fn source<T>(block: &str, look: impl FnOnce(SourceInfo<'_>) -> T) -> T {
    let value = format!(r#"{{"before":null,"after":{{"id":1}},"source":{block},"op":"c"}}"#);
    with(&value, |message| {
        let Message::Change(change) = message else { panic!("{message:?}") };
        assert_eq!(change.source_json, block);
        look(change.source)
    })
}

fn code(value: &str) -> &'static str {
    let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
    decoder.decode(None, Some(value.as_bytes())).map(drop).unwrap_err().code()
}

#[test]
fn a_source_block_has_what_its_version_wrote() {
    let old = SourceInfo {
        version: "1.9.7.Final",
        connector: "postgresql",
        name: "acme",
        db: "shop",
        schema: "sales",
        table: "orders",
        snapshot: SnapshotMarker::False,
        ts_ms: Some(1_714_979_289_123),
        tx_id: Some(7781),
        lsn: Some(Lsn(305_419_896)),
        sequence: Some(Sequence { last_commit: None, lsn: Some(Lsn(305_419_896)) }),
        ..SourceInfo::default()
    };
    let new = SourceInfo {
        version: "3.6.1.Final",
        ts_us: Some(1_714_979_289_123_456),
        ts_ns: Some(1_714_979_289_123_456_000),
        origin: "node_b",
        origin_lsn: Some(Lsn(42)),
        ..old
    };
    source(SOURCE_1, |found| assert_eq!(found, old));
    source(SOURCE_3, |found| assert_eq!(found, new));
    let incremental = SOURCE_3
        .replace("\"lsn\":305419896", "\"lsn\":null")
        .replace("7781", "null")
        .replace("\"false\"", "\"incremental\"");
    source(&incremental, |found| {
        assert_eq!((found.lsn, found.tx_id), (None, None));
        assert_eq!(found.snapshot, SnapshotMarker::Incremental);
        assert!(found.sequence.is_some());
    });
}

#[test]
fn every_snapshot_marker_of_every_version_is_known() {
    for (text, expected) in [
        ("\"true\"", SnapshotMarker::True),
        ("\"first\"", SnapshotMarker::First),
        ("\"first_in_data_collection\"", SnapshotMarker::FirstInDataCollection),
        ("\"last_in_data_collection\"", SnapshotMarker::LastInDataCollection),
        ("\"last\"", SnapshotMarker::Last),
        ("\"incremental\"", SnapshotMarker::Incremental),
        ("\"false\"", SnapshotMarker::False),
        ("null", SnapshotMarker::False),
        ("true", SnapshotMarker::True),
        ("false", SnapshotMarker::False),
        ("true,\"last_snapshot_record\":true", SnapshotMarker::Last),
        ("true,\"last_snapshot_record\":false", SnapshotMarker::True),
        ("false,\"last_snapshot_record\":null", SnapshotMarker::False),
    ] {
        let block = SOURCE_1.replace("\"false\"", text);
        source(&block, |found| assert_eq!(found.snapshot, expected, "{text}"));
    }
    let absent = SOURCE_1.replace("\"snapshot\":\"false\",", "");
    source(&absent, |found| assert_eq!(found.snapshot, SnapshotMarker::False));
}

#[test]
fn source_blocks_of_other_connectors_are_read_as_far_as_they_are_alike() {
    let common = |connector: &str, rest: &str| {
        format!(
            r#"{{"version":"2.4.2.Final","connector":"{connector}","name":"p","ts_ms":5,"snapshot":"true","db":"shop","sequence":null,{rest}}}"#
        )
    };
    for (connector, rest, schema, table, tx_id) in [
        (
            "mysql",
            r#""table":"t","server_id":1,"gtid":null,"file":"b.1","pos":4,"row":0,"thread":7,"query":null"#,
            "",
            "t",
            None,
        ),
        (
            "mysql",
            r#""table":null,"server_id":0,"gtid":null,"file":"b.1","pos":4,"row":0"#,
            "",
            "",
            None,
        ),
        (
            "sqlserver",
            r#""schema":"dbo","table":"t","change_lsn":"00000025:00000448:0003","commit_lsn":"00000025:00000448:0005","event_serial_no":1"#,
            "dbo",
            "t",
            None,
        ),
        (
            "oracle",
            r#""schema":"S","table":"T","txId":"02000a0037030000","scn":"2868546","commit_scn":"2868568","lcr_position":null,"rs_id":"x","ssn":0,"redo_thread":1,"user_name":"U"#,
            "S",
            "T",
            None,
        ),
        ("db2", r#""schema":"s","table":"t","lsn":"00000000:0003","txId":9"#, "s", "t", Some(9)),
    ] {
        let rest = if connector == "oracle" { format!("{rest}\"") } else { rest.to_owned() };
        source(&common(connector, &rest), |found| {
            assert_eq!((found.connector, found.db), (connector, "shop"));
            assert_eq!((found.schema, found.table, found.tx_id), (schema, table, tx_id));
            assert_eq!((found.ts_ms, found.lsn), (Some(5), None));
        });
    }
    // What is text elsewhere is a fault of PostgreSQL's own block.
    let row = |block: &str| format!(r#"{{"after":{{"id":1}},"source":{block},"op":"c"}}"#);
    assert_eq!(code(&row(&SOURCE_3.replace(":7781", ":\"7781\""))), "invalid_field");
}

#[test]
fn a_document_of_mongodb_is_a_document_and_no_row() {
    let value = r#"{"before":null,"after":"{\"_id\": 1}","updateDescription":null,"source":{"version":"2.4.2.Final","connector":"mongodb","name":"m","ts_ms":5,"snapshot":"false","db":"shop","sequence":null,"collection":"orders","ord":1,"lsid":null,"txnNumber":null,"wallTime":null},"op":"c","ts_ms":6,"transaction":null}"#;
    with(value, |message| {
        let Message::Document(document) = message else { panic!("{message:?}") };
        assert_eq!((document.op, document.ts_ms), (Op::Create, Some(6)));
        assert_eq!((document.source.db, document.source.table), ("shop", "orders"));
        assert_eq!(document.payload, value);
    });
    assert_eq!(code(&value.replace("\"op\":\"c\"", "\"op\":\"x\"")), "unknown_operation");
}

#[test]
fn a_member_of_the_frame_that_stands_twice_is_refused() {
    let row = |block: &str, rest: &str| {
        format!(r#"{{"after":{{"id":1}},"source":{block},"op":"c","ts_ms":1{rest}}}"#)
    };
    for member in [
        "\"ts_ms\":1",
        "\"op\":\"c\"",
        "\"op\":null",
        "\"after\":null",
        "\"before\":null,\"before\":null",
    ] {
        assert_eq!(code(&row(SOURCE_3, &format!(",{member}"))), "duplicate_field", "{member}");
    }
    let block = r#","transaction":{"id":"1"},"transaction":{"id":"1"}"#;
    assert_eq!(code(&row(SOURCE_3, block)), "duplicate_field");
    for member in ["\"id\":\"1\"", "\"total_order\":1", "\"data_collection_order\":1"] {
        let block = format!(r#","transaction":{{{member},"other":2,{member}}}"#);
        assert_eq!(code(&row(SOURCE_3, &block)), "duplicate_field", "{member}");
    }
    for member in ["\"prefix\":\"p\"", "\"content\":\"\""] {
        let message =
            format!(r#"{{"op":"m","source":{SOURCE_3},"message":{{{member},{member}}}}}"#);
        assert_eq!(code(&message), "duplicate_field", "{member}");
    }
    for member in ["\"lsn\":1", "\"table\":\"x\"", "\"version\":\"1\"", "\"origin_lsn\":7"] {
        let twice = SOURCE_3.replace('}', &format!(",{member}}}"));
        assert_eq!(code(&row(&twice, "")), "duplicate_field", "{member}");
    }
}

#[test]
fn logical_messages_have_prefix_content_and_transaction() {
    let (mut decoder, old) = (decoder(), value("logical message"));
    let Ok(Message::LogicalMessage(message)) = decoder.decode(None, Some(old.as_bytes())) else {
        panic!("a logical message")
    };
    assert!(message.is_transactional() && message.transaction.is_none());
    assert_eq!((message.prefix, message.source.table), ("app", ""));
    assert_eq!(message.content(BinaryMode::Bytes), Ok(b"hello".to_vec()));
    assert_eq!(message.content(BinaryMode::Base64UrlSafe), Ok(b"hello".to_vec()));
    let fault = message.content(BinaryMode::Hex).unwrap_err();
    assert!(matches!(fault, DecodeError::InvalidField { path: "message.content", .. }));
    let source = SOURCE_3.replace("7781", "null").replace("sales", "").replace("orders", "");
    let block = r#"{"id":"7781:305419896","total_order":1,"data_collection_order":1}"#;
    let new = format!(
        r#"{{"op":"m","ts_ms":9,"source":{source},"transaction":{block},"message":{{"prefix":"a\"b","content":"68656C6c6f"}}}}"#
    );
    with(&new, |message| {
        let Message::LogicalMessage(message) = message else { panic!("{message:?}") };
        assert!(!message.is_transactional());
        assert_eq!((message.ts_ms, message.prefix), (Some(9), "a\"b"));
        assert_eq!(message.transaction.map(|block| block.total_order), Some(1));
        assert_eq!(message.content(BinaryMode::Hex), Ok(b"hello".to_vec()));
        assert!(message.content(BinaryMode::Bytes).is_err());
    });
    for (from, to, expected) in [
        ("\"message\":{", "\"massage\":{", "unknown_operation"),
        ("\"prefix\":\"a\\\"b\"", "\"prefix\":7", "invalid_field"),
        ("\"source\":{", "\"sauce\":{", "missing_field"),
        ("\"op\":\"m\"", "\"op\":\"x\"", "unknown_operation"),
    ] {
        assert_eq!(code(&new.replace(from, to)), expected, "{from}");
    }
}

#[test]
fn transaction_markers_count_their_events_by_table() {
    with(value("transaction end"), |message| {
        let Message::Transaction(marker) = message else { panic!("{message:?}") };
        let counted = CollectionCount { collection: "public.orders".into(), event_count: 3 };
        assert_eq!(marker.boundary, TransactionBoundary::End);
        assert_eq!((marker.id.as_str(), marker.transaction()), ("3784:374679960", "3784"));
        assert_eq!(marker.event_count, Some(3));
        assert_eq!(marker.data_collections, Some(vec![counted]));
        assert_eq!(marker.ts_ms, Some(1_714_979_289_123));
    });
    let begin = r#"{"status":"BEGIN","id":"7781","event_count":null,"data_collections":null}"#;
    with(begin, |message| {
        let Message::Transaction(marker) = message else { panic!("{message:?}") };
        assert_eq!(marker.boundary, TransactionBoundary::Begin);
        assert_eq!((marker.transaction(), marker.ts_ms), ("7781", None));
        assert_eq!((marker.event_count, marker.data_collections), (None, None));
    });
    let empty = r#"{"status":"END","id":"7","event_count":0,"data_collections":[],"ts_ms":1}"#;
    with(empty, |message| {
        let Message::Transaction(marker) = message else { panic!("{message:?}") };
        assert_eq!(marker.data_collections, Some(Vec::new()));
    });
}

#[test]
fn rows_that_resemble_a_control_message_are_not_taken_for_one() {
    for value in [
        r#"{"status":"BEGIN","id":"7","name":"a game"}"#,
        r#"{"status":"BEGIN","id":"7"}"#,
        r#"{"status":"DONE","id":"7","event_count":1,"data_collections":[]}"#,
        r#"{"id":1,"ddl":"create table t()"}"#,
        r#"{"id":1,"source":"web","ddl":"create table t()"}"#,
        r#"{"ts_ms":1,"id":1}"#,
        r#"{"message":{"prefix":"a"}}"#,
        r#"{"op":"sell","price":1}"#,
        "{}",
    ] {
        with(value, |message| assert!(matches!(message, Message::Other(_)), "{message:?}"));
    }
}

#[test]
fn heartbeats_and_schema_changes_are_typed() {
    for value in [r#"{"ts_ms":5}"#, r#"{"ts_ms":5,"ts_us":5000,"ts_ns":5000000}"#] {
        with(value, |message| {
            assert!(matches!(message, Message::Heartbeat(beat) if beat.ts_ms == 5), "{message:?}");
        });
    }
    let value = r#"{"source":{"connector":"sqlserver"},"ts_ms":5,"databaseName":"shop","schemaName":"dbo","ddl":null,"tableChanges":[{"type":"CREATE","id":"x","table":{"columns":[]}}]}"#;
    with(value, |message| {
        let Message::SchemaChange(change) = message else { panic!("{message:?}") };
        assert_eq!(change.database.as_deref(), Some("shop"));
        assert_eq!(change.schema.as_deref(), Some("dbo"));
        assert_eq!((change.ddl, change.ts_ms, change.payload), (None, Some(5), value));
    });
}

#[test]
fn a_truncate_and_a_record_without_anything_name_no_row() {
    let mut decoder = decoder();
    for name in ["truncate bare", "truncate schema"] {
        let message = decoder.decode(None, Some(value(name).as_bytes())).unwrap();
        let Message::Change(change) = message else { panic!("{message:?}") };
        assert_eq!(change.op, Op::Truncate);
        assert!(change.before.is_none() && change.after.is_none() && change.key.is_none());
    }
    for (key, value) in
        [(None, None), (Some("null"), None), (None, Some("null")), (Some("null"), Some("null"))]
    {
        let bytes = |text: Option<&'static str>| text.map(str::as_bytes);
        let message = decoder.decode(bytes(key), bytes(value)).unwrap();
        assert!(matches!(message, Message::Tombstone(none) if none.key.is_none()), "{key:?}");
    }
}

#[test]
fn a_fault_behind_a_known_schema_block_is_told_where_it_is_in_the_whole_value() {
    let known = value("insert schema");
    let faults = [
        known.replace("\"op\":\"c\"", "\"op\":c"),
        known.replace("\"ts_ms\":1714979289611", "\"more\":[[[[[1]]]]]"),
        format!("{known}x"),
        known.strip_suffix('}').unwrap().to_owned(),
    ];
    let limits = Limits { depth_max: 40, ..Limits::default() };
    let new = || MessageDecoder::new(crate::fixtures::declarations(), limits);
    for text in &faults {
        let fresh = new().decode(None, Some(text.as_bytes())).map(drop);
        let mut warm = new();
        warm.decode(Some(BARE_KEY.as_bytes()), Some(known.as_bytes())).unwrap();
        assert_eq!(warm.decode(None, Some(text.as_bytes())).map(drop), fresh);
    }
    let deep = known.replace(
        "\"ts_ms\":1714979289611",
        &format!("\"more\":{}{}", "[".repeat(41), "]".repeat(41)),
    );
    let mut bytes = known.as_bytes().to_vec();
    let at = known.rfind("pending").unwrap();
    *bytes.get_mut(at).unwrap() = 0xff;
    for warm in [false, true] {
        let mut decoder = new();
        if warm {
            decoder.decode(None, Some(known.as_bytes())).unwrap();
        }
        let error = decoder.decode(None, Some(&bytes)).map(drop).unwrap_err();
        assert!(matches!(error, DecodeError::InvalidUtf8 { at: found, .. } if found == at));
        let error = decoder.decode(None, Some(deep.as_bytes())).map(drop).unwrap_err();
        let expected = deep.find("[[").unwrap() + 40;
        assert!(matches!(error, DecodeError::TooDeep { at, .. } if at == expected), "{error:?}");
    }
}
