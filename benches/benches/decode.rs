//! How fast messages become typed rows, on one core and without I/O.

use std::hint::black_box;

use benches::inputs;
use cdc_workload::SchemaBlock;
use criterion::{Criterion, Throughput};

const CHANGES: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    criterion.final_summary();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let shapes = [("bare", SchemaBlock::Without), ("schema_block", SchemaBlock::With)];
    for (name, schema_block) in shapes {
        let messages = inputs::messages(schema_block, CHANGES);
        let bytes: usize = messages.iter().map(inputs::OwnedMessage::bytes).sum();
        group.throughput(Throughput::ElementsAndBytes {
            elements: u64::try_from(messages.len()).unwrap_or(u64::MAX),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        });
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
