//! Thousands of real-looking messages: the rows they leave must be the oracle's, and once the
//! decoder is warm they must cost no allocation.

use std::collections::BTreeMap;

use cdc_core::{
    Change, Decimal, Decoded, Decoder, RecordBatch, Row, SkipReason, SourceTable, TableId,
    Timestamp, Value,
};
use cdc_debezium::{DebeziumDecoder, TableDeclarations, TableMap};
use cdc_workload::{
    Cents, EnvelopeOptions, EnvelopeWriter, Oracle, Order, SchemaBlock, Workload, WorkloadOptions,
};
use debezium_envelope::Limits;

use crate::support::batch_of;

const SEED: u64 = 20_240_131;

fn decoder() -> DebeziumDecoder {
    let table = SourceTable::new("public", "orders");
    let mut declared = TableDeclarations::new(table.clone());
    for (column, semantic) in [
        ("order_id", "int32"),
        ("customer_id", "int32"),
        ("product_name", "text"),
        ("amount", "decimal(10,2)"),
        ("status", "text"),
        ("created_at", "timestamp(micros)"),
        ("updated_at", "timestamp(micros)"),
    ] {
        declared.declare(column, semantic).unwrap();
    }
    let tables = TableMap::new([(table, TableId::new(0))]).unwrap();
    DebeziumDecoder::new(tables, [declared], Limits::default())
}

fn stream(schema_block: SchemaBlock) -> (RecordBatch, Oracle) {
    let options = EnvelopeOptions { schema_block, seed: SEED, ..EnvelopeOptions::default() };
    let workload = WorkloadOptions { seed: SEED, ..WorkloadOptions::default() };
    let (mut writer, mut oracle) = (EnvelopeWriter::new(&options), Oracle::default());
    let mut records: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    for transaction in Workload::new(workload).take(1_500) {
        let written = writer.write(&transaction, |record| {
            records.push((record.key.to_vec(), record.value.map(<[u8]>::to_vec)));
            Ok::<(), std::convert::Infallible>(())
        });
        written.unwrap();
        oracle.apply(&transaction);
    }
    let records: Vec<_> =
        records.iter().map(|(key, value)| (Some(key.as_slice()), value.as_deref())).collect();
    (batch_of(&options.topic(), &records), oracle)
}

fn int(row: Row<'_>, column: &str) -> i32 {
    let value = row.get_by_name(column).unwrap();
    let Value::Int32(number) = value else { panic!("{column}: {value:?}") };
    number
}

fn text(row: Row<'_>, column: &str) -> Option<String> {
    let value = row.get_by_name(column).unwrap();
    if value.is_null() {
        return None;
    }
    let Value::Text(text) = value else { panic!("{column}: {value:?}") };
    Some(text.to_owned())
}

fn micros(row: Row<'_>, column: &str) -> Option<i64> {
    let value = row.get_by_name(column).unwrap();
    if value.is_null() {
        return None;
    }
    let Value::Timestamp(Timestamp::Micros(at)) = value else { panic!("{column}: {value:?}") };
    Some(at)
}

fn cents(row: Row<'_>) -> Option<Cents> {
    let value = row.get_by_name("amount").unwrap();
    if value.is_null() {
        return None;
    }
    let Value::Decimal(Decimal::Small { unscaled, scale: 2 }) = value else { panic!("{value:?}") };
    Some(Cents(unscaled.try_into().unwrap()))
}

fn order(row: Row<'_>) -> Order {
    Order {
        order_id: int(row, "order_id"),
        customer_id: int(row, "customer_id"),
        product_name: text(row, "product_name"),
        amount: cents(row),
        status: text(row, "status"),
        created_at_micros: micros(row, "created_at"),
        updated_at_micros: micros(row, "updated_at"),
    }
}

#[test]
fn the_decoded_changes_leave_the_rows_of_the_oracle() {
    for schema_block in [SchemaBlock::Without, SchemaBlock::With] {
        let (batch, oracle) = stream(schema_block);
        let mut decoder = decoder();
        let mut rows = BTreeMap::new();
        let (mut changes, mut tombstones) = (0_u64, 0_u64);
        let mut last_lsn = 0;
        for record in batch.iter() {
            let event = match decoder.decode(record).unwrap() {
                Decoded::Change(event) => event,
                Decoded::Skip(reason) => {
                    assert_eq!(reason, SkipReason::Tombstone);
                    tombstones += 1;
                    continue;
                }
            };
            changes += 1;
            let lsn = event.origin.lsn.unwrap();
            assert!(lsn >= last_lsn, "one session writes its log in order");
            last_lsn = lsn;
            match event.change {
                Change::Insert { after } | Change::Update { after, .. } => {
                    rows.insert(int(after, "order_id"), order(after));
                }
                Change::Delete { before } => {
                    rows.remove(&int(before, "order_id")).expect("a deleted row was there");
                }
                Change::Snapshot { .. } | Change::Truncate => panic!("the stream has none"),
            }
        }
        assert_eq!(&rows, oracle.rows(), "seed {SEED}");
        assert_eq!(changes, oracle.counts().events(), "seed {SEED}");
        assert_eq!(changes + tombstones, oracle.counts().records(), "seed {SEED}");
    }
}

#[test]
fn a_warm_decoder_allocates_nothing() {
    for schema_block in [SchemaBlock::Without, SchemaBlock::With] {
        let (batch, _) = stream(schema_block);
        let mut decoder = decoder();
        let mut decode_all = || {
            for record in batch.iter() {
                assert!(decoder.decode(record).is_ok());
            }
        };
        decode_all();
        let counted = allocation_counter::measure(decode_all);
        assert_eq!(counted.count_total, 0, "{schema_block:?}, {} records", batch.len());
    }
}
