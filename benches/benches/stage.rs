//! What a lane's thread does with a change: the message becomes a row, the row becomes `COPY` bytes.
//!
//! A real server says which columns the targets have; nothing is written to it while time is taken.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use benches::inputs;
use cdc_config::Secret;
use cdc_core::{
    Body as _, ByteBudget, Decoded, Decoder as _, NextOffset, Offset, Partition, RecordBatch,
    RecordBatchBuilder, RecordParts, RecordRef, RowShape, Sink as _, SourceTable, Staged,
    Stager as _, TableId, Writer as _,
};
use cdc_debezium::{DebeziumDecoder, TableDeclarations, TableMap};
use cdc_postgres::{
    Adopt, Deletes, Mode, PipelineName, PostgresBody, PostgresSettings, PostgresSink,
    PostgresStager, PostgresWriter, TableSettings, TargetName, Truncates, init,
};
use cdc_stack::postgres::Cluster;
use cdc_workload::SchemaBlock;
use criterion::{Criterion, Throughput};
use debezium_envelope::Limits;
use tokio::runtime::Runtime;

/// As many as a full batch holds, so that the body's memory is in no cache either.
const CHANGES: usize = 10_000;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Runtime::new().context("a runtime for the connection")?;
    let mirror = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Ignore };
    for (name, target, mode) in
        [("history", "orders_fact", Mode::History), ("mirror", "orders_current", mirror)]
    {
        let mut group = criterion.benchmark_group(format!("stage/{name}"));
        for (shape, block) in [("bare", SchemaBlock::Without), ("schema_block", SchemaBlock::With)]
        {
            let (records, bytes) = records(block)?;
            let mut staging = runtime.block_on(Staging::open(target, mode))?;
            runtime.block_on(staging.warm_up(&records))?;
            group.throughput(Throughput::ElementsAndBytes {
                elements: u64::try_from(records.len())?,
                bytes: u64::try_from(bytes)?,
            });
            group.bench_function(shape, |bencher| {
                bencher.iter(|| staging.stage_all(black_box(&records)));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// The default traffic as one range of a partition, and how many bytes its keys and values are.
fn records(block: SchemaBlock) -> Result<(RecordBatch, usize)> {
    let partition = Partition::new("dbserver1.public.orders", 0, 0)?;
    let messages = inputs::messages(block, CHANGES);
    let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
    for (index, message) in messages.iter().enumerate() {
        builder.push(&RecordParts {
            offset: Offset::try_new(i64::try_from(index)?)?,
            timestamp_ms: None,
            key: Some(&message.key),
            value: message.value.as_deref(),
            headers: &[],
        });
    }
    let bytes = messages.iter().map(inputs::OwnedMessage::bytes).sum();
    Ok((builder.finish(ByteBudget::new(1 << 20).charge(0)), bytes))
}

/// What a lane's thread owns, and the writer that plans for it.
struct Staging {
    decoder: DebeziumDecoder,
    stager: PostgresStager,
    writer: PostgresWriter,
    body: PostgresBody,
    table: TableId,
}

impl Staging {
    /// For a target in a new database of the shared server.
    async fn open(target: &str, mode: Mode) -> Result<Self> {
        let table = TableId::new(0);
        let cluster = Cluster::shared();
        let url = Secret::new(cluster.url(&cluster.fresh_database("stage")?));
        let settings = PostgresSettings::new(url, PipelineName::parse("stage")?);
        let source = SourceTable::new("public", "orders");
        let target = TargetName::parse(target)?;
        let tables = vec![TableSettings { id: table, source: source.clone(), target, mode }];
        init(&settings, &tables, Adopt::No).await?;
        let (stager, writer) = PostgresSink::new(settings, tables).open_lane().await?;
        let mut columns = TableDeclarations::new(source.clone());
        for column in inputs::order_shape().columns() {
            columns.declare(&column.name, &column.semantic.to_string())?;
        }
        let tables = TableMap::new([(source, table)])?;
        let decoder = DebeziumDecoder::new(tables, [columns], Limits::default());
        Ok(Self { decoder, stager, writer, body: PostgresBody::default(), table })
    }

    /// Stages everything once, and asks for the plans that this needs.
    async fn warm_up(&mut self, records: &RecordBatch) -> Result<()> {
        let mut rows = 0_usize;
        for index in 0..records.len() {
            loop {
                match self.stage_one(records, index) {
                    Progress::Staged => rows = rows.saturating_add(1),
                    Progress::Skipped => {}
                    Progress::NeedsPlan(shape) => {
                        let plan = self.writer.plan(self.table, &shape).await?;
                        self.stager.adopt(self.table, shape, plan);
                        continue;
                    }
                    Progress::Refused => bail!("record {index} is refused"),
                }
                break;
            }
        }
        ensure!(rows >= CHANGES, "{rows} rows were staged of {CHANGES} changes");
        Ok(())
    }

    /// One batch, as a lane stages it.
    fn stage_all(&mut self, records: &RecordBatch) -> usize {
        self.body.clear();
        for index in 0..records.len() {
            let progress = self.stage_one(records, index);
            let is_done = matches!(progress, Progress::Staged | Progress::Skipped);
            assert!(is_done, "every record was staged before");
        }
        self.body.bytes()
    }

    fn stage_one(&mut self, records: &RecordBatch, index: usize) -> Progress {
        let Some(record) = records.get(index) else { return Progress::Refused };
        let record_number = u32::try_from(index).unwrap_or(u32::MAX);
        let at = RecordRef { batch: 0, record: record_number };
        let event = match self.decoder.decode(record) {
            Ok(Decoded::Change(event)) => event,
            Ok(_) => return Progress::Skipped,
            Err(_) => return Progress::Refused,
        };
        match self.stager.stage(&mut self.body, at, &event) {
            Staged::Row => Progress::Staged,
            Staged::NeedsPlan => event
                .change
                .shape()
                .map_or(Progress::Refused, |shape| Progress::NeedsPlan(Arc::clone(shape))),
            Staged::Rejected(_) => Progress::Refused,
        }
    }
}

/// What became of a record.
enum Progress {
    Staged,
    Skipped,
    NeedsPlan(Arc<RowShape>),
    Refused,
}
