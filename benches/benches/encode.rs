//! How fast envelopes are written: by the workload's writer, which fills topics for tests and benches,
//! and by the general encoder from typed rows.

use std::convert::Infallible;
use std::hint::black_box;

use benches::inputs;
use cdc_workload::{EnvelopeOptions, EnvelopeWriter, SchemaBlock};
use criterion::{BatchSize, Criterion, Throughput};
use debezium_envelope::{EnvelopeEncoder, Message, SchemaBlock as Block};

const CHANGES: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    workload_writer(&mut criterion);
    general_encoder(&mut criterion);
    criterion.final_summary();
}

fn workload_writer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode/workload");
    let transactions = inputs::transactions(CHANGES);
    for (name, schema_block) in
        [("bare", SchemaBlock::Without), ("schema_block", SchemaBlock::With)]
    {
        let messages = inputs::messages(schema_block, CHANGES);
        let bytes: usize = messages.iter().map(inputs::OwnedMessage::bytes).sum();
        group.throughput(throughput(messages.len(), bytes));
        let options = EnvelopeOptions { schema_block, ..EnvelopeOptions::default() };
        // A writer's places in the log rise for ever, so each round gets a new one.
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || EnvelopeWriter::new(&options),
                |writer| {
                    for transaction in &transactions {
                        let written = writer.write(transaction, |record| {
                            black_box(record);
                            Ok::<(), Infallible>(())
                        });
                        black_box(written.is_ok());
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// One update, the largest kind of message, written again and again.
fn general_encoder(criterion: &mut Criterion) {
    let updates = inputs::updates(SchemaBlock::Without, 1);
    let update = updates.first().map(Vec::as_slice);
    let mut decoder = inputs::decoder();
    let message = decoder.decode(None, update).expect("the workload writes valid messages");
    let Message::Change(envelope) = message else { return };
    let Some(after) = envelope.after else { return };
    let mut group = criterion.benchmark_group("encode/general");
    for (name, block) in [("bare", Block::Absent), ("schema_block", Block::Present)] {
        let encoder =
            EnvelopeEncoder::new("dbserver1.public.orders", after.shape(), &["order_id"], block)
                .expect("all columns of orders have a wire form");
        let mut out = Vec::new();
        encoder.value(&envelope, &mut out).expect("a decoded row has a wire form");
        group.throughput(throughput(1, out.len()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(encoder.value(black_box(&envelope), &mut out).is_ok());
            });
        });
    }
    group.finish();
}

fn throughput(messages: usize, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: u64::try_from(messages).unwrap_or(u64::MAX),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    }
}
