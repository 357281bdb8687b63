//! What is no row event in the captures, and the frame around those that are, decoded and held against
//! what the connector wrote and what the source says.

use std::collections::{BTreeMap, BTreeSet};

use cdc_testkit::captures::{Capture, Message as Captured, names};
use debezium_envelope::{
    BinaryMode, Declarations, DecodeError, Envelope, Limits, Message, MessageDecoder, Op,
    SchemaBlock, SnapshotMarker, TransactionBoundary, TransactionMarker,
};
use serde_json::Value;

fn captures() -> impl Iterator<Item = Capture> {
    names().into_iter().map(|(release, mode)| Capture::open(&release, &mode))
}

fn named(capture: &Capture) -> String {
    format!("{}-{}", capture.about.release, capture.about.mode)
}

/// Decodes a record as it lies in the log, and once more without its schema block.
fn each_form(capture: &Capture, record: &Captured, mut look: impl FnMut(Message<'_>)) {
    let (key, value) = (capture.key(record), capture.value(record));
    let forms =
        [(key.as_deref(), value.as_deref()), (record.key.as_deref(), record.value.as_deref())];
    for (key, value) in forms {
        let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
        let message = decoder.decode(key.map(str::as_bytes), value.map(str::as_bytes));
        look(
            message.unwrap_or_else(|error| panic!("{} {}: {error}", named(capture), record.topic)),
        );
    }
}

fn payload(record: &Captured) -> Value {
    serde_json::from_str(record.value.as_deref().expect("it has a value")).expect("it is JSON")
}

fn of_topic<'c>(capture: &'c Capture, topic: &str) -> impl Iterator<Item = &'c Captured> {
    let topic = topic.replace("{}", &capture.about.options["topic.prefix"]);
    capture.messages.iter().filter(move |record| record.topic == topic)
}

/// What the captured history wrote with `pg_logical_emit_message`: transactional, prefix, content.
const WRITTEN: [(bool, &str, &[u8]); 3] =
    [(true, "app", "héllo".as_bytes()), (false, "app", b"{\"a\":1}"), (true, "", b"\x00\xff")];

#[test]
fn logical_messages_are_what_the_source_wrote() {
    for capture in captures() {
        let mode = match capture.about.options.get("binary.handling.mode").map(String::as_str) {
            None => BinaryMode::Bytes,
            Some("base64") => BinaryMode::Base64,
            Some("base64-url-safe") => BinaryMode::Base64UrlSafe,
            Some("hex") => BinaryMode::Hex,
            Some(other) => panic!("{other}"),
        };
        let records: Vec<&Captured> = of_topic(&capture, "{}.message").collect();
        assert_eq!(records.len(), WRITTEN.len(), "{}", named(&capture));
        for (record, (is_transactional, prefix, content)) in records.into_iter().zip(WRITTEN) {
            let source = &payload(record)["source"];
            each_form(&capture, record, |message| {
                let Message::LogicalMessage(message) = message else { panic!("{message:?}") };
                assert_eq!(
                    (message.prefix, message.is_transactional()),
                    (prefix, is_transactional)
                );
                assert_eq!(message.content(mode).as_deref(), Ok(content), "{}", named(&capture));
                assert_eq!(message.source.version, capture.about.debezium);
                assert_eq!(message.source.lsn.map(|lsn| lsn.0), source["lsn"].as_u64());
                assert_eq!(message.source.tx_id, source["txId"].as_i64());
                assert!(message.ts_ms.is_some() && message.source.table.is_empty());
            });
        }
    }
}

#[test]
fn heartbeats_tell_the_time() {
    let mut seen = 0;
    for capture in captures() {
        for record in of_topic(&capture, "__debezium-heartbeat.{}") {
            let ts_ms = payload(record)["ts_ms"].as_i64().expect("it is a number");
            each_form(&capture, record, |message| {
                let Message::Heartbeat(heartbeat) = message else { panic!("{message:?}") };
                assert_eq!(heartbeat.ts_ms, ts_ms, "{}", named(&capture));
            });
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

/// How many events a transaction has in each table, by the source's account: a change of a key is two.
fn accounted(capture: &Capture) -> BTreeMap<&str, BTreeMap<&str, i64>> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    let rows = capture.messages.iter().filter(|record| record.value.is_some());
    for event in rows.filter_map(|record| capture.event(record)).filter(|event| event.op != "r") {
        *counts.entry(&event.transaction).or_default().entry(&event.table).or_default() += 1;
    }
    counts
}

#[test]
fn transaction_markers_count_what_the_source_accounts_for() {
    let mut modes = 0;
    for capture in captures().filter(|capture| capture.about.mode == "transactions") {
        let accounted = accounted(&capture);
        let mut open: Option<String> = None;
        let mut ended = BTreeSet::new();
        for record in of_topic(&capture, "{}.transaction") {
            let text = payload(record);
            each_form(&capture, record, |message| {
                let Message::Transaction(marker) = message else { panic!("{message:?}") };
                assert_eq!(Some(marker.id.as_str()), text["id"].as_str());
                assert_eq!(marker.ts_ms, text["ts_ms"].as_i64());
                assert_counts(&marker, &text, &accounted);
            });
            let transaction = text["id"].as_str().and_then(|id| id.split_once(':')).unwrap().0;
            if text["status"] == "BEGIN" {
                assert_eq!(open.replace(transaction.to_owned()), None, "one is open already");
            } else {
                assert_eq!(open.take().as_deref(), Some(transaction), "its beginning is missing");
                ended.insert(transaction.to_owned());
            }
        }
        assert!(accounted.keys().all(|transaction| ended.contains(*transaction)), "{ended:?}");
        modes += 1;
    }
    assert!(modes >= 2, "{modes}");
}

fn assert_counts(
    marker: &TransactionMarker,
    text: &Value,
    accounted: &BTreeMap<&str, BTreeMap<&str, i64>>,
) {
    match marker.boundary {
        TransactionBoundary::Begin => {
            assert_eq!(text["status"], "BEGIN");
            assert_eq!((marker.event_count, &marker.data_collections), (None, &None));
        }
        TransactionBoundary::End => {
            assert_eq!(text["status"], "END");
            let counts = marker.data_collections.as_ref().expect("an end counts");
            let mut counts: BTreeMap<&str, i64> =
                counts.iter().map(|it| (it.collection.as_str(), it.event_count)).collect();
            assert_eq!(marker.event_count, Some(counts.values().sum()));
            // The account knows rows. Debezium 3 counts messages beside them, under a Java object's name.
            counts.retain(|name, _| !name.contains("$LogicalDecodingMessageId@"));
            let rows = accounted.get(marker.transaction()).cloned().unwrap_or_default();
            assert_eq!(counts, rows, "{}", marker.id);
        }
    }
}

/// Whether the row holds what is refused: an inner array, which arrives as the name of a Java object,
/// a moment that microseconds since 1970 cannot count, or nanoseconds that have wrapped.
fn is_refused(capture: &Capture, record: &Captured, error: &DecodeError) -> bool {
    if error.code() == "timestamp_wrapped" {
        return capture.about.mode == "time-nanoseconds";
    }
    let event = capture.event(record).expect("it tells of a row");
    let texts = [&event.before, &event.after].into_iter().flatten().flatten();
    let mut texts = texts.filter_map(|(_, text)| text.as_deref());
    texts.any(|text| text.contains("{{") || text.contains("294276-"))
}

#[test]
fn row_events_have_the_frame_that_was_written_and_accounted_for() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let with_block = |capture: &Capture| {
        capture.about.schema_block && !capture.about.mode.starts_with("flattened")
    };
    for capture in captures().filter(with_block) {
        let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
        let mut orders: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for record in capture.messages.iter().filter(|record| record.event.is_some()) {
            let (key, value) = (capture.key(record), capture.value(record));
            let (key, value) = (key.as_deref(), value.as_deref());
            match decoder.decode(key.map(str::as_bytes), value.map(str::as_bytes)) {
                Ok(Message::Change(change)) => {
                    assert_frame(&capture, record, &change);
                    if let Some(block) = change.transaction {
                        let (transaction, _) = block.id.split_once(':').expect("it has a position");
                        let own = orders.entry(transaction.to_owned()).or_default();
                        assert!(own.insert(block.total_order), "{}: twice", block.id);
                    }
                    *seen.entry(change.op.to_string()).or_default() += 1;
                }
                Ok(Message::Tombstone(_)) => assert_eq!(value, None),
                Err(error) => {
                    assert!(is_refused(&capture, record, &error), "{} {error}", named(&capture));
                }
                Ok(other) => panic!("{}: {other:?}", named(&capture)),
            }
        }
        if capture.about.mode == "transactions" {
            assert_orders(&capture, &orders);
        }
    }
    for op in ["c", "r", "u", "d", "t"] {
        assert!(seen.get(op).is_some_and(|count| *count >= 5), "{seen:?}");
    }
}

fn assert_frame(capture: &Capture, record: &Captured, change: &Envelope<'_>) {
    let event = capture.event(record).expect("it tells of a row");
    let written = payload(record);
    let (source, name) = (&written["source"], named(capture));
    assert_eq!(change.schema_block, SchemaBlock::Present, "{name}");
    // The account: operation, table and transaction. An update of a key is a delete and a create.
    let op = change.op.to_string();
    let is_half = event.op == "u" && matches!(change.op, Op::Delete | Op::Create);
    assert!(op == event.op || is_half, "{name} {op}");
    assert_eq!(format!("{}.{}", change.source.schema, change.source.table), event.table, "{name}");
    let is_snapshot = change.op == Op::Read;
    if !is_snapshot {
        let transaction = change.source.tx_id.map(|number| number.to_string());
        assert_eq!(transaction.as_ref(), Some(&event.transaction), "{name}");
    }
    // What was written.
    assert_eq!(written["op"], op);
    assert_eq!(source["snapshot"], change.source.snapshot.as_str());
    assert_eq!(change.source.snapshot != SnapshotMarker::False, is_snapshot, "{name}");
    let lsn = change.source.lsn.expect("it has a position");
    assert_eq!(Some(lsn.0), source["lsn"].as_u64(), "{name}");
    let sequence = change.source.sequence.expect("it has a sequence");
    assert_eq!(sequence.lsn, Some(lsn), "{name}");
    assert_eq!(change.source.version, capture.about.debezium);
    assert_eq!(change.source.ts_ms, source["ts_ms"].as_i64());
    assert_eq!(change.ts_ms, written["ts_ms"].as_i64());
    let block = change.transaction.map(|block| (block.id, block.total_order));
    let id = written["transaction"]["id"].as_str();
    let order = written["transaction"]["total_order"].as_i64();
    assert_eq!(block, id.zip(order), "{name}");
    if let Some((id, _)) = block {
        assert_eq!(id, format!("{}:{}", event.transaction, lsn.0), "{name}");
    }
    let has_block = capture.about.mode == "transactions" && !is_snapshot;
    assert_eq!(block.is_some(), has_block, "{name}");
}

/// The events of each transaction count from 1, with messages among them.
fn assert_orders(capture: &Capture, orders: &BTreeMap<String, BTreeSet<i64>>) {
    let rows = accounted(capture);
    assert_eq!(rows.len(), orders.len(), "{}", named(capture));
    for (transaction, numbers) in orders {
        let rows: i64 = rows[transaction.as_str()].values().sum();
        assert_eq!(i64::try_from(numbers.len()), Ok(rows), "{transaction}");
        assert!(numbers.first().is_some_and(|first| (1..=2).contains(first)), "{transaction}");
        assert!(
            numbers.last().is_some_and(|last| (rows..=rows + 1).contains(last)),
            "{transaction}"
        );
    }
}
