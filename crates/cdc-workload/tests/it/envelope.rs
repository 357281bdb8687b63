//! The envelopes against the exact bytes of the real connector, and against an independent reader.

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdc_workload::{
    Cents, EnvelopeOptions, EnvelopeWriter, Hostility, Load, Operation, Oracle, Order, SchemaBlock,
    SnapshotRow, Transaction, Workload, WorkloadOptions,
};
use serde_json::Value;

const COMMIT_MICROS: i64 = 1_795_423_997_160_508;

struct Owned {
    key: Value,
    value: Option<Value>,
    timestamp_millis: i64,
    bytes: (String, Option<String>),
}

fn records(options: &EnvelopeOptions, transactions: &[Transaction]) -> Vec<Owned> {
    let mut writer = EnvelopeWriter::new(options);
    let mut records = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8");
    for transaction in transactions {
        let Ok(()) = writer.write(transaction, |record| {
            records.push(Owned {
                key: serde_json::from_slice(record.key).expect("a JSON key"),
                value: record.value.map(|value| serde_json::from_slice(value).expect("JSON")),
                timestamp_millis: record.timestamp_millis,
                bytes: (text(record.key), record.value.map(text)),
            });
            Ok::<(), Infallible>(())
        });
    }
    records
}

fn order(order_id: i32) -> Order {
    Order {
        order_id,
        customer_id: 17,
        product_name: Some("Gadget \"X\" 🎉".to_owned()),
        amount: Some(Cents(-129)),
        status: None,
        created_at_micros: Some(1_709_251_199_999_999),
        updated_at_micros: Some(-1),
    }
}

fn transaction(id: u64, operations: Vec<Operation>) -> Transaction {
    Transaction { id, commit_micros: COMMIT_MICROS, load: Load::Statements, operations }
}

const ROW: &str = r#"{"order_id":8,"customer_id":17,"product_name":"Gadget \"X\" \uD83C\uDF89","amount":"/38=","status":null,"created_at":1709251199999999,"updated_at":-1}"#;

#[test]
fn an_envelope_has_the_bytes_of_debezium_2_4() {
    let first = transaction(1, vec![Operation::Insert(order(8))]);
    let second = transaction(2, vec![Operation::Delete(order(8))]);
    let made = records(&EnvelopeOptions::default(), &[first, second]);
    assert_eq!(made.len(), 3);
    let lsn = made[1].value.as_ref().expect("a value")["source"]["lsn"].clone();
    let ts_ms = made[1].timestamp_millis;
    let commit = 1_795_423_997_160_i64;
    let insert = format!(
        r#"{{"before":null,"after":{ROW},"source":{{"version":"2.4.2.Final","connector":"postgresql","name":"dbserver1","ts_ms":{commit},"snapshot":"false","db":"orders_db","sequence":"[null,\"23068672\"]","schema":"public","table":"orders","txId":741,"lsn":23068672,"xmin":null}},"op":"c","ts_ms":{},"transaction":null}}"#,
        made[0].timestamp_millis
    );
    let before: String = made[1].value.as_ref().expect("a value")["source"]["sequence"]
        .as_str()
        .expect("text")
        .split('"')
        .nth(1)
        .expect("the commit before")
        .to_owned();
    let delete = format!(
        r#"{{"before":{ROW},"after":null,"source":{{"version":"2.4.2.Final","connector":"postgresql","name":"dbserver1","ts_ms":{commit},"snapshot":"false","db":"orders_db","sequence":"[\"{before}\",\"{lsn}\"]","schema":"public","table":"orders","txId":742,"lsn":{lsn},"xmin":null}},"op":"d","ts_ms":{ts_ms},"transaction":null}}"#
    );
    let key = r#"{"order_id":8}"#.to_owned();
    assert_eq!(made[0].bytes, (key.clone(), Some(insert)));
    assert_eq!(made[1].bytes, (key.clone(), Some(delete)));
    assert_eq!(made[2].bytes, (key, None));
}

#[test]
fn a_schema_block_goes_round_the_same_payload() {
    let transactions: Vec<_> = Workload::new(WorkloadOptions::default()).take(50).collect();
    let with = EnvelopeOptions { schema_block: SchemaBlock::With, ..EnvelopeOptions::default() };
    let bare = records(&EnvelopeOptions::default(), &transactions);
    let full = records(&with, &transactions);
    assert_eq!(bare.len(), full.len());
    for (bare, full) in bare.iter().zip(&full) {
        assert_eq!(full.key["payload"], bare.key);
        assert_eq!(full.key["schema"]["name"], "dbserver1.public.orders.Key");
        assert_eq!(full.value.is_some(), bare.value.is_some());
        if let (Some(full), Some(bare)) = (&full.value, &bare.value) {
            assert_eq!(&full["payload"], bare);
            assert_eq!(full.as_object().map(serde_json::Map::len), Some(2));
        }
    }
    insta::assert_json_snapshot!(full[0].value.as_ref().expect("a value")["schema"]);
    assert_eq!(full[0].bytes.0.find(r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"default":0,"field":"order_id"}],"optional":false,"name":"dbserver1.public.orders.Key"},"payload":{"order_id":1}}"#), Some(0));
    // Every event of the topic repeats the same block, so a reader may compare instead of parse.
    let head = |record: &Owned| {
        record.bytes.1.as_ref().map(|value| value.split("\"payload\"").next().map(str::to_owned))
    };
    let heads: std::collections::BTreeSet<_> = full.iter().filter_map(head).collect();
    assert_eq!(heads.len(), 1);
}

/// Reads a row back, by the meaning that Connect gives to each form.
fn row(value: &Value) -> Option<Order> {
    value.as_object()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let integer = |name: &str| i32::try_from(value[name].as_i64().expect("a number")).expect("i32");
    let amount = text("amount").map(|base64| {
        let bytes = STANDARD.decode(base64).expect("base64");
        let negative = bytes[0] & 0x80 != 0;
        let start = if negative { -1 } else { 0 };
        Cents(bytes.iter().fold(start, |number, byte| (number << 8) | i64::from(*byte)))
    });
    Some(Order {
        order_id: integer("order_id"),
        customer_id: integer("customer_id"),
        product_name: text("product_name"),
        amount,
        status: text("status"),
        created_at_micros: value["created_at"].as_i64(),
        updated_at_micros: value["updated_at"].as_i64(),
    })
}

#[test]
fn reading_the_envelopes_gives_the_operations_back() {
    let options = WorkloadOptions {
        seed: 77,
        keys: 50,
        changes_per_transaction: 4,
        hostility: Hostility::Hostile,
        ..WorkloadOptions::default()
    };
    let mut workload = Workload::new(options);
    let mut transactions = Vec::from_iter(workload.copy(130));
    transactions.extend(workload.take(1_000));
    let made = records(&EnvelopeOptions::default(), &transactions);
    let counts = Oracle::of(&transactions).counts();
    assert!(counts.key_changes > 0);
    assert_eq!(u64::try_from(made.len()).expect("a count"), counts.records());

    let mut made = made.iter();
    let mut next = |op: &str, key: i32| -> (Option<Order>, Option<Order>) {
        let record = made.next().expect("a record");
        assert_eq!(record.key["order_id"], key);
        let value = record.value.as_ref().expect("an envelope");
        assert_eq!(value["op"], op);
        if op == "d" {
            let tombstone = made.next().expect("a tombstone");
            assert_eq!((&tombstone.key, &tombstone.value), (&record.key, &None));
        }
        (row(&value["before"]), row(&value["after"]))
    };
    for operation in transactions.iter().flat_map(|transaction| &transaction.operations) {
        match operation {
            Operation::Insert(order) => {
                assert_eq!(next("c", order.order_id), (None, Some(order.clone())));
            }
            Operation::Update { before, after } if operation.changes_key() => {
                assert_eq!(next("d", before.order_id), (Some(before.clone()), None));
                assert_eq!(next("c", after.order_id), (None, Some(after.clone())));
            }
            Operation::Update { before, after } => {
                let images = (Some(before.clone()), Some(after.clone()));
                assert_eq!(next("u", after.order_id), images);
            }
            Operation::Delete(order) => {
                assert_eq!(next("d", order.order_id), (Some(order.clone()), None));
            }
        }
    }
}

#[test]
fn places_in_the_log_follow_the_rules_of_the_source() {
    let options = WorkloadOptions { changes_per_transaction: 3, ..WorkloadOptions::default() };
    let transactions: Vec<_> = Workload::new(options).take(300).collect();
    let mut last: Option<(u64, u64, u64)> = None;
    let mut last_millis = 0;
    for record in records(&EnvelopeOptions::default(), &transactions) {
        assert!(record.timestamp_millis >= last_millis);
        last_millis = record.timestamp_millis;
        let Some(value) = record.value else { continue };
        let source = &value["source"];
        let (tx, lsn) =
            (source["txId"].as_u64().expect("id"), source["lsn"].as_u64().expect("lsn"));
        let sequence: Vec<Option<String>> =
            serde_json::from_str(source["sequence"].as_str().expect("text")).expect("a pair");
        assert_eq!(sequence[1].as_deref(), Some(&*lsn.to_string()));
        let commit = sequence[0].as_ref().map_or(0, |text| text.parse().expect("a number"));
        assert_eq!(commit == 0, tx == 741, "only the first transaction knows no commit before");
        assert!(commit <= lsn);
        assert!(value["ts_ms"].as_i64() > source["ts_ms"].as_i64());
        if let Some((last_tx, last_commit, last_lsn)) = last {
            assert!(lsn > last_lsn);
            if tx == last_tx {
                assert_eq!(commit, last_commit);
            } else {
                assert_eq!(tx, last_tx + 1);
                assert!(commit > last_lsn);
            }
        }
        last = Some((tx, commit, lsn));
    }
}

#[test]
fn rows_of_one_copy_share_places_and_halves_of_a_key_change_do_too() {
    let lsn =
        |record: &Owned| record.value.as_ref().and_then(|value| value["source"]["lsn"].as_u64());
    let copy = Workload::new(WorkloadOptions::default()).copy(100).expect("rows");
    let made = records(&EnvelopeOptions::default(), &[copy]);
    assert_eq!(lsn(&made[0]), lsn(&made[63]));
    assert!(lsn(&made[63]) < lsn(&made[64]));

    let update = Operation::Update { before: order(1), after: order(2) };
    let made = records(&EnvelopeOptions::default(), &[transaction(1, vec![update])]);
    assert_eq!(made.len(), 3);
    assert_eq!(lsn(&made[0]), lsn(&made[2]));
}

#[test]
fn snapshot_rows_are_reads_at_one_place() {
    let mut writer = EnvelopeWriter::new(&EnvelopeOptions::default());
    let mut read = |id, row| -> Value {
        let record = writer.snapshot_row(&order(id), row, COMMIT_MICROS);
        serde_json::from_slice(record.value.expect("a row")).expect("JSON")
    };
    let rows =
        [read(1, SnapshotRow::First), read(2, SnapshotRow::Inner), read(3, SnapshotRow::Last)];
    let markers: Vec<_> = rows.iter().map(|row| row["source"]["snapshot"].clone()).collect();
    assert_eq!(markers, ["first", "true", "last"]);
    assert!(rows.iter().all(|row| row["op"] == "r" && row["before"].is_null()));
    assert!(rows.iter().all(|row| row["source"]["lsn"] == rows[0]["source"]["lsn"]));
    assert_eq!(rows[2]["source"]["sequence"], "[null,\"23068672\"]");
}
