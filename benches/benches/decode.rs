//! How fast messages become typed rows, on one core and without I/O: the traffic of a topic, updates
//! beside structs written by hand for this one table, and a row with every type.
#![expect(clippy::print_stdout, reason = "the comparison at the end is for people")]

use std::hint::black_box;

use benches::by_hand::OrderChange;
use benches::every_type::EveryType;
use benches::inputs;
use benches::ratio::Ratio;
use cdc_workload::SchemaBlock;
use criterion::{Criterion, Throughput};
use debezium_envelope::{Message, MessageDecoder, SchemaBlock as Block};

const CHANGES: usize = 10_000;
/// Enough that no two rounds find the processor's caches full of the same few messages.
const UPDATES: usize = 1_000;

const SHAPES: [(&str, SchemaBlock); 2] =
    [("bare", SchemaBlock::Without), ("schema_block", SchemaBlock::With)];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    traffic(&mut criterion);
    updates(&mut criterion);
    every_type(&mut criterion);
    criterion.final_summary();
    // Under `cargo test` and `--list` nothing is to be measured.
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--bench") && !has("--list") && !has("--test") {
        print_ratios();
    }
}

/// Inserts, updates, deletes and tombstones as they come, with keys.
fn traffic(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, schema_block) in SHAPES {
        let messages = inputs::messages(schema_block, CHANGES);
        let bytes: usize = messages.iter().map(inputs::OwnedMessage::bytes).sum();
        group.throughput(throughput(messages.len(), bytes));
        let mut decoder = inputs::decoder();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for message in &messages {
                    let result = decoder.decode(Some(&message.key), message.value.as_deref());
                    black_box(&result.expect("the workload writes valid messages"));
                }
            });
        });
    }
    group.finish();
}

/// The same updates by the decoder and by hand, values only.
fn updates(criterion: &mut Criterion) {
    for (name, schema_block) in SHAPES {
        let records = checked_updates(schema_block);
        let mut group = criterion.benchmark_group(format!("decode/update/{name}"));
        group.throughput(throughput(records.len(), records.iter().map(Vec::len).sum()));
        let mut decoder = inputs::decoder();
        group.bench_function("decoder", |bencher| {
            bencher.iter(|| decode_all(&mut decoder, &records));
        });
        group.bench_function("by_hand", |bencher| {
            bencher.iter(|| read_all_by_hand(schema_block, &records));
        });
        group.finish();
    }
}

fn every_type(criterion: &mut Criterion) {
    let row = EveryType::new().expect("all its types are known");
    let mut group = criterion.benchmark_group("decode/every_type");
    for (name, block) in [("bare", Block::Absent), ("schema_block", Block::Present)] {
        let records = [row.insert(block).expect("all its types have a wire form")];
        let mut decoder = row.decoder();
        let Ok(Message::Change(change)) = decoder.decode(None, records.first().map(Vec::as_slice))
        else {
            return;
        };
        let is_same = change.after.is_some_and(|after| after.values().eq(row.row().values()));
        assert!(is_same, "the decoder gives back what was encoded");
        group.throughput(throughput(records.len(), records.iter().map(Vec::len).sum()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| decode_all(&mut decoder, &records));
        });
    }
    group.finish();
}

/// Updates of which decoder and structs read the same, so that they do the same work.
fn checked_updates(schema_block: SchemaBlock) -> Vec<Vec<u8>> {
    let records = inputs::updates(schema_block, UPDATES);
    assert_eq!(records.len(), UPDATES, "the workload has updates enough");
    let mut decoder = inputs::decoder();
    for record in &records {
        let own = by_hand(schema_block, record);
        let message = decoder.decode(None, Some(record));
        let same = matches!(&message, Ok(Message::Change(change)) if own.agrees_with(change));
        assert!(same, "the decoder and the structs read the same: {message:?} {own:?}");
    }
    records
}

fn decode_all(decoder: &mut MessageDecoder, records: &[Vec<u8>]) {
    for record in records {
        let message = decoder.decode(None, Some(black_box(record)));
        black_box(&message.expect("the message was decoded before"));
    }
}

fn read_all_by_hand(schema_block: SchemaBlock, records: &[Vec<u8>]) {
    for record in records {
        black_box(&by_hand(schema_block, black_box(record)));
    }
}

fn by_hand(schema_block: SchemaBlock, record: &[u8]) -> OrderChange<'_> {
    let change = match schema_block {
        SchemaBlock::Without => OrderChange::bare(record),
        SchemaBlock::With => OrderChange::described(record),
    };
    change.expect("the workload writes valid messages")
}

/// How the rates compare, for people and for the report of all steps.
fn print_ratios() {
    println!("Rate of the decoder divided by that of structs written by hand, same updates:");
    for (name, schema_block) in SHAPES {
        let records = checked_updates(schema_block);
        let mut decoder = inputs::decoder();
        let ratio = Ratio::measure(
            &format!("decode/update/{name}"),
            || decode_all(&mut decoder, &records),
            || read_all_by_hand(schema_block, &records),
        );
        println!("  {ratio}");
        ratio.keep().expect("the result is kept beside criterion's");
    }
}

fn throughput(messages: usize, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: u64::try_from(messages).unwrap_or(u64::MAX),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    }
}
